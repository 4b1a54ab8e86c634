"""docs/faults.md, made of docs/faults.json: nothing on it is written by hand.

What a run did not drill keeps its last row: a single fault drilled again renews its own row
only."""

import json
import pathlib

HEAD = """# Faults, and what clients saw of them
Made by `make chaos` from its results file; not to be edited. Three sites on one machine,
{one_way_ms} ms one way between any two, each fault once, over a load with consumer groups; the
machine: {machine}. One fault again, alone: the command in its row.

- **Verdict**: `safe` when the checker found no violation in the histories of the drill, which end
  with reading all partitions from every site and from every replica, and the cluster was level
  again. `goal met` or `missed` is said apart.
- **RTO** of one producer in one partition: from the fault to the first acknowledgement, of a
  record asked for after it, from which on everything sent in the next second succeeds. Over all
  producers and partitions that the broken node or site led; in how many it was taken stands
  beside it. It is the broker's: taken by a probe that has no pauses of its own. **librdkafka**
  is the same as its user sees it ({prompt}); with its defaults a silent leader costs a minute.
- **Gap**: the longest time any of them was without an acknowledgement.
- **RPO**: acknowledged records that are gone.
- **Others**: throughput and p99 of the acknowledgement time during the fault against before, in
  the partitions that the broken node or site did not lead; **elections**: how often a partition
  of those changed its leader epoch.
- **Slots**: the share of the 100 ms slots, while the fault is there, in which something was
  acknowledged.
- **Level**: from healing to all in-sync lists full again, as every node says.
- **Load**: of the machine, on average over the minute before the drill ended. Above the number of
  cores others had work there, too: times are then as much the machine's as the cluster's.
"""

COLUMNS = ("Fault", "Verdict", "Goal", "RTO p50", "p99", "max", "samples",
           "librdkafka p50", "max", "Gap", "RPO",
           "Others: throughput", "ack p99", "elections", "Slots", "Level", "Load", "Again")


def number(value, layout):
    return "–" if value is None else format(value, layout)


def seconds(value):
    return "–" if value is None else f"{value:.2f} s"


def percent(value):
    return "–" if value is None else f"{100 * value:.0f} %"


def _goal(result):
    if not result["goal_text"] or result["goal_text"] == "–":
        return "–"
    if result["missed"]:
        return f"**missed**: {', '.join(result['missed'])}"
    return f"met: {result['goal_text']}"


def _samples(figures):
    count, never = figures.get("rto_samples"), figures.get("rto_never")
    if not count and not never:
        return "–"
    return f"{count}" + (f", {never} never" if never else "")


def _times(value):
    return "–" if value is None else f"{value:.1f} ×"


def row(result):
    f = result["figures"]
    cells = (result["words"], result["verdict"], _goal(result), seconds(f.get("rto_p50_s")),
             seconds(f.get("rto_p99_s")), seconds(f.get("rto_max_s")), _samples(f),
             seconds(f.get("client_rto_p50_s")), seconds(f.get("client_rto_max_s")),
             seconds(f.get("gap_max_s")), number(f.get("lost"), "d"),
             percent(f.get("throughput_ratio")), _times(f.get("ack_p99_ratio")),
             number(f.get("elections"), "d"), percent(f.get("slots_ratio")),
             seconds(f.get("level_s")), number(f.get("machine_load"), ".1f"),
             f"`{result['command']}`")
    return f"| {' | '.join(cells)} |"


def _row_or_why(result):
    """A drill that could not be held says why, in place of figures."""
    if result["verdict"] != "not drilled":
        return row(result)
    blank = " | –" * (len(COLUMNS) - 4)
    return f"| {result['words']} | not drilled | {result['why']}{blank} | `{result['command']}` |"


def _ms(figures, name):
    return f"{1000 * (figures.get(name) or 0):.0f} ms"


def handovers(drilled):
    """A sentence for each drill in which leadership was handed over on purpose, and timed."""
    sentences = []
    for f, result in ((r["figures"], r) for r in drilled):
        if f.get("handover_gap_samples"):
            sentences.append(
                f"**{result['name']}**: at the brokers, a partition had no acknowledgement for "
                f"{_ms(f, 'handover_gap_p50_s')} (p50), {_ms(f, 'handover_gap_p99_s')} (p99), "
                f"{_ms(f, 'handover_gap_max_s')} at most, over {f['handover_gap_samples']} "
                f"handovers of a partition; while all was at rest, for "
                f"{_ms(f, 'rest_gap_p50_s')} at most (p50 of partitions). `{result['command']}`")
    return "".join(f"{sentence}\n\n" for sentence in sentences)


def recoveries(drilled):
    """A sentence for each drill that lost something, having said so before."""
    return "".join(
        f"**{r['name']}**: {r['figures']['lost_by_recovery']} acknowledged records are gone (not in "
        f"RPO), all acknowledged within the {r['figures']['printed_loss_s']:.2f} s before the loss "
        f"that the plan had named; it had known of {r['figures']['known_lost']}. Each partition "
        f"served at most {r['figures']['ordered_rto_max_s']:.1f} s after the order. "
        f"`{r['command']}`\n\n"
        for r in drilled if r["figures"].get("ordered_rto_max_s") is not None)


def text(results):
    """The whole page."""
    drilled = results["faults"]
    head = HEAD.format(one_way_ms=results["one_way_ms"], machine=results["machine"],
                       prompt=results["prompt"])
    table = [f"| {' | '.join(COLUMNS)} |", "| --- " * len(COLUMNS) + "|",
             *(_row_or_why(r) for r in drilled)]
    notes = handovers(drilled) + recoveries(drilled)
    return f"{head}\n" + "\n".join(table) + "\n\n" + notes + summary(drilled) + "\n"


def summary(drilled):
    held = [r for r in drilled if r["verdict"] != "not drilled"]
    safe = [r for r in held if r["verdict"] == "safe"]
    aimed = [r for r in held if r["goal_text"] not in ("", "–")]
    met = [r for r in aimed if not r["missed"]]
    return (f"{len(held)} of {len(drilled)} faults drilled; safe in {len(safe)}; "
            f"goals met in {len(met)} of {len(aimed)} that have one.")


def merged(old, new, plan):
    """The rows of an earlier run, renewed by those of a later one; those that the plan names, in
    its order."""
    rows = {r["name"]: r for r in old.get("faults", []) + new["faults"]}
    return {**new, "faults": [rows[name] for name in plan if name in rows]}


def load(path):
    path = pathlib.Path(path)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"faults": []}


def store(results, path):
    """A fault is a line: drilled again, it is a changed line. What it `kept` is this machine's."""
    heads = [f" {json.dumps(key)}: {json.dumps(value)}," for key, value in results.items()
             if key != "faults"]
    faults = ",\n".join(f"  {json.dumps({k: v for k, v in fault.items() if k != 'kept'})}"
                        for fault in results["faults"])
    text = "\n".join(["{", *heads, ' "faults": [', faults, " ]", "}"]) + "\n"
    pathlib.Path(path).write_text(text, encoding="utf-8")
