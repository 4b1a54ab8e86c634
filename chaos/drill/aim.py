"""Whom a fault falls upon: a plan's word made into nodes and sites, by what is so at that moment.

What the aim was decides which figures count. `nodes`: what they led is hurt, the rest merely
lost a follower. `lost_sites`: their clients stand behind the fault and are not asked how it was."""

import random
from collections import Counter
from dataclasses import dataclass

# The clients of the site stand behind these faults, too.
BEHIND_THE_LINK = ("cut-site", "cut-in", "cut-out", "flap", "delay", "jitter", "loss", "duplicate",
                   "rate")


@dataclass(frozen=True)
class Aim:
    nodes: tuple          # ids of what is broken
    sites: tuple          # of the fault: one, two for a pair
    lost_sites: frozenset
    words: str
    target: str           # as chaos/faults wants it said

    @property
    def faulted_site(self):
        return self.sites[0] if len(self.sites) == 1 else None

    @property
    def faulted_node(self):
        return self.nodes[0] if len(self.nodes) == 1 else None


def leads_most(leaders, nodes, chance):
    """The node that leads most partitions; of several, the seed's choice."""
    counts = Counter(leaders.values())
    most = max((counts[n] for n in nodes), default=0)
    return chance.choice(sorted(n for n in nodes if counts[n] == most))


class Aimer:
    """`sites` is {node id: its site}; `find_coordinator` asks the cluster, when it is needed."""

    def __init__(self, sites, find_coordinator):
        self.sites = sites
        self.find_coordinator = find_coordinator

    def aim(self, target, fault, leaders, seed):
        chance = random.Random(f"{seed} {target} {fault}")
        return getattr(self, f"_{target}")(fault, leaders, chance)

    def _node(self, node, words):
        return Aim((node,), (self.sites[node],), frozenset(), f"node {node} ({words})",
                   str(node))

    def _leader(self, fault, leaders, chance):
        return self._node(leads_most(leaders, self.sites, chance), "leads most")

    def _follower(self, fault, leaders, chance):
        return self._node(chance.choice(sorted(self.sites)), "as a follower")

    def _coordinator(self, fault, leaders, chance):
        return self._node(self.find_coordinator(), "coordinator")

    def _site(self, fault, leaders, chance):
        by_site = {n: self.sites[leader] for n, leader in leaders.items() if leader in self.sites}
        site = leads_most(by_site, sorted(set(self.sites.values())), chance)
        lost = frozenset({site}) if fault in BEHIND_THE_LINK else frozenset()
        nodes = tuple(n for n, s in sorted(self.sites.items()) if s == site)
        return Aim(nodes, (site,), lost, f"site {site}", site)

    def _all(self, fault, leaders, chance):
        return Aim(tuple(sorted(self.sites)), tuple(sorted(set(self.sites.values()))), frozenset(),
                   "all nodes", "all")

    def _pair(self, fault, leaders, chance):
        pair = tuple(sorted(chance.sample(sorted(set(self.sites.values())), 2)))
        return Aim((), pair, frozenset(), f"sites {pair[0]} and {pair[1]}",
                   f"{pair[0]}-{pair[1]}")

    def _two_sites(self, fault, leaders, chance):
        sites = tuple(sorted(chance.sample(sorted(set(self.sites.values())), 2)))
        nodes = tuple(n for n, s in sorted(self.sites.items()) if s in sites)
        return Aim(nodes, sites, frozenset(), f"sites {sites[0]} and {sites[1]}",
                   f"{sites[0]}-{sites[1]}")

    def _client(self, fault, leaders, chance):
        """Clients of one site, and another site whose nodes they can't reach."""
        sites = tuple(chance.sample(sorted(set(self.sites.values())), 2))
        return Aim((), sites, frozenset(), f"clients of {sites[0]}, nodes of {sites[1]}",
                   f"{sites[0]}-{sites[1]}")

    _any = _all
