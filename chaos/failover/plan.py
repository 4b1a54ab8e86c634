"""What is done to a site, and what its applications are promised.

Each row is drilled in many rounds, one site after another, all of its applications at once: so each
round gives a figure of each client in the site that was hit."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One drill. `name` is what `make chaos-failover FAULT=name` takes."""
    name: str
    fault: str        # as chaos/faults calls it, or "applications": those are the drill's own
    hit: str          # what of a site: see aim()
    hold_s: float
    words: str
    bounds: tuple = ()      # (way, figure, limit in seconds)
    is_short: bool = False  # part of make chaos-failover-short
    options: tuple = ()     # of the fault: (name, value) …
    is_behind: bool = False  # the site's applications are behind the fault, too


@dataclass(frozen=True)
class Size:
    """Of each site and way; and how often a drill's fault is made."""
    producers: int = 12
    groups: int = 12
    rate: int = 65    # records a second of all producers there
    rounds: int = 18


SHORT = Size(producers=4, groups=4, rate=40, rounds=2)
PARTITIONS = 24

THROUGH_ROUTER = (("router", "gap_p99_s", 2.0), ("router", "resumed_p99_s", 10.0))
WITHOUT_ROUTER = (("router", "gap_p99_s", 5.0), ("router", "resumed_p99_s", 10.0))

PLAN = (
    Row("brokers-killed", "kill", "brokers", 4, "kill -9 of a site's brokers", THROUGH_ROUTER,
        is_short=True),
)


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
            "all": ",".join(map(str, brokers + routers)), "site": site,
            "pair": f"{others[0]}-{site}"}[hit]
