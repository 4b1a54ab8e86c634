"""Cuts: packets that vanish.

A cut is silent, as when a cable is pulled somewhere far away: no answer, no error, and connections
that exist are cut too. Each is a drop in a router, where neither end can see it. They add up: what
is dropped is whatever at least one cut wants dropped, and each is restored by its own number, so
that faults which overlap do not heal each other.

Directions are those of what is cut: "out" is what it sends, "in" what it would get.

All rules of a router are one nft table, written anew and put in place in one step: no packet
slips through while cuts change. Loss and duplication (links.py) are in the same table.
"""
from dataclasses import dataclass

from .network import ports
from .shape import Refused, Shape

DIRECTIONS = ("in", "out")


@dataclass(frozen=True)
class LinkCut:
    """What one site sends to another."""
    source: str
    target: str

    def rules(self, shape: Shape):
        yield self.source, f"to-{self.target}", "egress", "drop"

    def describe(self) -> str:
        return f"{self.source} to {self.target}"


@dataclass(frozen=True)
class NodeCut:
    """A node, from everything."""
    node: int
    direction: str

    def rules(self, shape: Shape):
        node = shape.node(self.node)
        yield node.site, node.namespace, _hook(self.direction), "drop"

    def describe(self) -> str:
        return f"node {self.node} {self.direction}"


@dataclass(frozen=True)
class ApplicationCut:
    """A site's applications, from the nodes of a site, which may be their own."""
    site: str
    nodes_of: str
    direction: str

    def rules(self, shape: Shape):
        hosts = ", ".join(node.host for node in shape.nodes_of(self.nodes_of))
        end = "daddr" if self.direction == "out" else "saddr"
        yield self.site, "applications", _hook(self.direction), f"ip {end} {{ {hosts} }} drop"

    def describe(self) -> str:
        return f"applications of {self.site} {self.direction}, nodes of {self.nodes_of}"


def _hook(direction: str) -> str:
    """Seen from the router's port: what a node sends comes in there."""
    return "ingress" if direction == "out" else "egress"


def make_cut(shape: Shape, what: str, names: list, direction: str):
    """Of a request's words; raises Refused when they make no sense."""
    if direction not in DIRECTIONS:
        raise Refused(f"{direction!r} is no direction: say in or out")
    if what == "link" and len(names) == 2 and names[0] != names[1]:
        return LinkCut(shape.site(names[0]), shape.site(names[1]))
    if what == "node" and len(names) == 1:
        return NodeCut(shape.node(names[0]).id, direction)
    if what == "applications" and len(names) == 2:
        return ApplicationCut(shape.site(names[0]), shape.site(names[1]), direction)
    raise Refused(f"{what} {names} is nothing that can be cut")


def router_table(shape: Shape, site: str, cuts, link_rules) -> str:
    """The text for `nft -f` of one site's router. `link_rules`: (site, device, hook, rule)."""
    chains = {}
    for device, _ in ports(shape, site):
        chains[device, "ingress"] = []
        chains[device, "egress"] = []
    for other in shape.sites:
        if other != site:
            chains[f"to-{other}", "egress"] = []
    for cut in cuts:
        for where, device, hook, rule in cut.rules(shape):
            if where == site:
                # Not ARP: a router that misses a neighbour would say so to the other end.
                chains[device, hook].append(f"meta protocol ip {rule}" if rule == "drop" else rule)
    for where, device, hook, rule in link_rules:
        if where == site:
            chains[device, hook].append(rule)
    return "add table netdev lab\nflush table netdev lab\ntable netdev lab {\n" + "".join(
        _chain(device, hook, rules) for (device, hook), rules in chains.items()) + "}\n"


def _chain(device: str, hook: str, rules: list[str]) -> str:
    lines = [f'type filter hook {hook} device "{device}" priority 0; policy accept;', *rules]
    return f"  chain {device}-{hook} {{\n" + "".join(f"    {line}\n" for line in lines) + "  }\n"
