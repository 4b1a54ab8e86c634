"""What is done to a site, and what its applications are promised.

Each row is drilled in many rounds, one site after another, all of its applications at once: so each
round gives a figure of each client in the site that was hit."""

from dataclasses import dataclass, replace

from .ways import LANGUAGES, WAYS

APPLICATIONS = "applications"  # a fault that is the drill's own: what dies are its clients


@dataclass(frozen=True)
class Size:
    """Of each site and way; `rounds`: how often a drill's fault is made, 0: as the drill has it."""
    producers: int = 12
    plain: int = 1    # producers of stock clients that are not idempotent, besides
    groups: int = 12
    members: int = 1  # of each group
    rate: int = 65    # records a second of all producers there
    rounds: int = 0
    look_s: float = 12.0  # from a fault to the next at least: longer than any goal, or who misses it is not seen


# Of each way, where three are side by side: every group reads all that all ways write, so it is groups that
# fill a small machine, not members.
BESIDE = Size(groups=4, members=3)


@dataclass(frozen=True)
class Row:
    """One drill. `name` is what `make chaos-failover FAULT=name` takes."""
    name: str
    fault: str        # as chaos/faults calls it, or APPLICATIONS
    hit: str          # what of a site: see target()
    hold_s: float
    words: str
    bounds: tuple = ()      # (way, figure, limit in seconds)
    is_short: bool = False  # part of make chaos-failover-short
    options: tuple = ()     # of the fault: (name, value) …
    ways: tuple = WAYS
    rounds: int = 18        # 12 clients of each way and site: more than 200 samples
    size: Size = BESIDE
    after_s: float = 2.0    # between a heal and the next round, beside what level and leaders take


SHORT = Size(producers=4, groups=4, rate=40, rounds=2, look_s=0)
ALL_LANGUAGES = Size(producers=2, groups=2, rate=12)  # of each: what a small machine can run
PARTITIONS = 24

RESUMED = (("router", "resumed_p99_s", 10.0), ("libtrilog", "resumed_p99_s", 10.0))
THROUGH_ROUTER = (("router", "gap_p99_s", 2.0), ("libtrilog", "gap_p99_s", 2.0), *RESUMED)
WITHOUT_ROUTER = (("router", "gap_p99_s", 5.0), ("libtrilog", "gap_p99_s", 5.0), *RESUMED)
ELSEWHERE = (("router", "others_p99_s", 2.0), ("libtrilog", "others_p99_s", 2.0))
# A stock client whose routers hang has its own limits only; libtrilog goes elsewhere.
LEFT_WHEN_HUNG = (("libtrilog", "gap_p99_s", 5.0), ("libtrilog", "resumed_p99_s", 10.0))
TAKEN_OVER = (*RESUMED, ("direct", "resumed_p99_s", 10.0))
TWO_SITES = 9  # rounds: what is aimed at are clients of the two other sites
FEW = 4        # rounds: nothing is aimed at

ONE_EACH = 3   # rounds: each site once

TIMED_IN_LANGUAGES = ("brokers-killed", "site-killed")

PLAN = (
    Row("brokers-killed", "kill", "brokers", 4, "kill -9 of a site's brokers", THROUGH_ROUTER,
        is_short=True),
    Row("brokers-hung", "pause", "brokers", 5, "SIGSTOP of a site's brokers", THROUGH_ROUTER),
    Row("router-killed", "kill", "router", 4, "kill -9 of one of a site's two routers", WITHOUT_ROUTER),
    Row("routers-killed", "kill", "routers", 4, "kill -9 of both of a site's routers", WITHOUT_ROUTER),
    Row("site-killed", "kill", "all", 6, "kill -9 of a site's brokers and routers", WITHOUT_ROUTER),
    Row("site-hung", "pause", "all", 6, "SIGSTOP of a site's brokers and routers",
        (*ELSEWHERE, *LEFT_WHEN_HUNG)),
    Row("site-cut", "cut-site", "site", 5, "a site with its applications is cut off from the others",
        ELSEWHERE, rounds=TWO_SITES),
    Row("site-cut-in", "cut-in", "site", 5, "a site hears no other, the others hear it", ELSEWHERE,
        rounds=TWO_SITES),
    Row("site-cut-out", "cut-out", "site", 5, "a site hears the others, they don't hear it",
        ELSEWHERE, rounds=TWO_SITES),
    Row("pair-cut", "cut-pair", "pair", 5, "a site and one other can't reach each other",
        rounds=FEW),
    Row("pair-cut-one-way", "cut-one-way", "pair", 5, "what one other sends to a site does not arrive, "
        "what the site sends does", rounds=FEW),
    Row("flapping", "flap-pair", "pair", 10, "the link of a site and one other comes and goes each "
        "second", rounds=FEW),
    Row("applications-killed", APPLICATIONS, "applications", 12, "kill -9 of all applications of a "
        "site; they return", TAKEN_OVER, after_s=8),  # their groups share out partitions again
)


def _by(way, row):
    """The same by clients of another language, which have a drill to themselves: five at once are
    more than a small machine can run, and gaps would tell of the machine."""
    bounds = tuple((way.name, *bound[1:]) for bound in row.bounds if bound[0] == "router")
    return replace(row, name=f"{row.name}-{way.name}", bounds=bounds, is_short=False, ways=(way,),
                   size=Size())


def _by_all(row):
    """The same by few clients of all languages at once: whether anything is lost or comes twice."""
    return replace(row, name=f"{row.name}-languages", bounds=(), is_short=False, ways=LANGUAGES,
                   rounds=ONE_EACH, size=ALL_LANGUAGES)


PLAN += (*(_by(way, row) for row in PLAN if row.name in TIMED_IN_LANGUAGES for way in LANGUAGES),
         *(_by_all(row) for row in PLAN if row.name not in TIMED_IN_LANGUAGES))


def row_named(name):
    for row in PLAN:
        if row.name == name:
            return row
    raise KeyError(f"no fault {name!r}; there are: {', '.join(r.name for r in PLAN)}")


def target(lab, hit, site):
    """As chaos/faults wants it said."""
    brokers = [node.id for node in lab.nodes_of(site)]
    routers = [router.id for router in lab.routers_of(site)]
    others = [other for other in lab.sites if other != site]
    return {"brokers": ",".join(map(str, brokers)), "routers": ",".join(map(str, routers)),
            "router": str(routers[0]),
            "all": ",".join(map(str, brokers + routers)), "site": site,
            "pair": f"{others[0]}-{site}"}[hit]
