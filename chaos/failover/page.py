"""docs/failover.md, made of docs/failover.json: nothing on it is written by hand.

What a run did not drill keeps its last rows: a single drill renews its own only."""

import json
import pathlib

from .ways import LANGUAGES, STOCK_TEXT, WAYS

HEAD = """# When a site dies: what its applications saw
Made by `make chaos-failover` from its results file; not to be edited. Three sites of a broker and two
`trilog-router`s each on one machine, {one_way_ms} ms one way between any two; the machine: {machine}.
Applications in every site, into one topic of 24 partitions; {together} side by side in one drill:

{ways}

and by clients of other languages, where brokers or sites are killed each in a drill of its own, in all other drills
few of each beside each other: those tell what was lost, and their times are those of a machine with too much to do:

{languages}

The ledger's stock clients are {stock}. All clients are as they come but for
addresses, idempotence, acks=all, sessions of consumers of 6 s, and what `router.md` (section 7) advises.
Where nodes do not answer, a stock client that knows nodes has nothing but these limits to bring it elsewhere: **direct** has
no goal, and is told beside them. Routers are told in which network the applications of each site stand
(`site_networks`): whichever router a client's address list leads it to, it works with those of its own site, and knows the others.
A fault falls upon one site after another, in rounds; before each the site leads its part.

- **Verdict**: `safe` when the checker (`docs/history-format.md`) found no violation in the histories of
  the whole drill: nothing acknowledged was lost, order was kept, no record of an idempotent producer was
  there twice, no committed offset went back. They end with reading all partitions from every site
  and every replica.
- **Gap** of a producer in the site that was hit: the longest time, in any one of its partitions, in
  which something that it had sent waited and nothing was acknowledged. A sample is a producer (a client
  of its own, with connections and a producer id of its own) in a round: those of one round met the
  same fault, so they are not independent of each other, the rounds are.
- **Back**: the same gap, from healing on. **Elsewhere**: the same of producers in the other sites. libtrilog's
  may be at the site that is hit, though they stand elsewhere: a site that was hit a round or two ago is left until it
  was quiet for 30 s, or for 10 min where it comes and goes, and its applications are in another one.
- **Goal**: figures that have one are of 200 samples or more; others are of as many as the drill has. Where a site is cut
  off, its applications are, too: nothing brings them to another site, and how long they wait (gap, resumed) is as
  long as the cut and what stock clients then take; what is aimed at are the other sites' applications.
- **Resumed**: for a member of a consumer group in the site that was hit, the longest time in which a record
  that was sent to a partition that it had when the fault came waited, and nobody in its group read anything
  there. A sample is a member in a round; rounds last 12 s at least.
- **Not acknowledged**: sends that the application was told had failed, and of which it was told nothing
  certain, of how many. Those are no losses: an application knows that it has to send them again.
- **Load**: of the machine, on average over the last minute of the drill: how many wanted to run at a time.
  A lab of three sites and some two hundred clients alone brings a machine of two cores to 25 and more.
"""

COLUMNS = ("Fault", "Way", "Verdict", "Goal", "Gap p50", "p99", "max", "samples", "Back p99",
           "Elsewhere p99", "Resumed p50", "p99", "max", "samples", "Not acknowledged", "Lost", "Rounds",
           "Load", "Again")


def seconds(value):
    return "–" if value is None else f"{value:.2f} s"


def _goal(result, way):
    mine = [bound for bound in result["bounds"] if bound.startswith(f"{way}: ")]
    missed = [bound.partition(": ")[2] for bound in mine if bound in result["missed"]]
    if not mine:
        return "–"
    if missed:
        return f"**missed**: {', '.join(missed)}"
    return f"met: {', '.join(bound.partition(': ')[2] for bound in mine)}"


def rows(result):
    for way, f in result["ways"].items():
        told = f"{f['failed']} + {f['unknown']} of {f['sent']}"
        yield (result["words"], way, result["verdict"], _goal(result, way),
               *(seconds(f[f"gap_{name}_s"]) for name in ("p50", "p99", "max")),
               str(f["gap_samples"]), seconds(f["return_p99_s"]), seconds(f["others_p99_s"]),
               *(seconds(f[f"resumed_{name}_s"]) for name in ("p50", "p99", "max")),
               str(f["resumed_samples"]), told, str(result["figures"].get("lost", "–")),
               str(result["figures"].get("rounds", "–")),
               f"{result['figures']['machine_load']:.1f}", f"`{result['command']}`")
    if not result["ways"]:
        yield (result["words"], "–", result["verdict"], result["why"],
               *["–"] * (len(COLUMNS) - 5), f"`{result['command']}`")


def _line(cells):
    return f"| {' | '.join(cells)} |"


def _list(ways):
    return "\n".join(f"- **{way.name}**: {way.words}" for way in ways)


def text(results):
    """The whole page."""
    head = HEAD.format(one_way_ms=results["one_way_ms"], machine=results["machine"], stock=STOCK_TEXT,
                       together=", ".join(way.name for way in WAYS), ways=_list(WAYS),
                       languages=_list(LANGUAGES))
    table = [_line(COLUMNS), "| --- " * len(COLUMNS) + "|",
             *(_line(row) for result in results["drills"] for row in rows(result))]
    return f"{head}\n" + "\n".join(table) + "\n\n" + summary(results["drills"]) + "\n"


def summary(results):
    safe = [r for r in results if r["verdict"] == "safe"]
    aimed = [r for r in results if r["bounds"]]
    met = [r for r in aimed if not r["missed"]]
    return (f"{len(results)} faults drilled; safe in {len(safe)}; goals met in {len(met)} of "
            f"{len(aimed)} that have one.")


def spoken(result, took_s):
    """For whoever watches."""
    lines = [f"  {result['verdict']}; {took_s:.0f} s; {result['figures'].get('acknowledged', '')}"
             f"load {result['figures'].get('machine_load', 0):.1f} {result['why']}"]
    for way, f in result["ways"].items():
        lines.append(
            f"  {way}: gap p50 {seconds(f['gap_p50_s'])} p99 {seconds(f['gap_p99_s'])} of "
            f"{f['gap_samples']}; back {seconds(f['return_p99_s'])}; elsewhere "
            f"{seconds(f['others_p99_s'])}; resumed p99 {seconds(f['resumed_p99_s'])} of "
            f"{f['resumed_samples']}; failed {f['failed']}, unknown {f['unknown']} of {f['sent']}")
    return "\n".join(lines + [f"  missed: {bound}" for bound in result["missed"]])


def renew(path, new, plan):
    """The page at `path` and the results beside it: rows of earlier runs stay, those that the plan
    names, in its order."""
    stored = pathlib.Path(path).with_suffix(".json")
    old = json.loads(stored.read_text(encoding="utf-8")) if stored.exists() else {"drills": []}
    by_name = {r["name"]: r for r in old["drills"] + new["drills"]}
    made = {**new, "drills": [by_name[name] for name in plan if name in by_name]}
    heads = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in made.items()
             if key != "drills"]
    drills = ",\n".join(f"  {json.dumps(one)}" for one in made["drills"])
    stored.parent.mkdir(parents=True, exist_ok=True)
    stored.write_text("\n".join(["{", *heads, ' "drills": [', drills, " ]", "}"]) + "\n",
                      encoding="utf-8")
    pathlib.Path(path).write_text(text(made), encoding="utf-8")
