"""From the word for a target to nodes and sites, at the moment of injection.

    word                    means, to a fault on nodes          to a fault on sites and links
    2     2,3               these nodes (or routers, by id)     the site of the first one
    b                       all nodes of site b                 site b
    all                     all nodes                           all sites
    leader                  leads most partitions               its site
    leader:orders/3         leads this partition                its site
    follower                leads fewest partitions             its site
    follower:orders/3       a replica that does not lead        its site
    coordinator             coordinates most groups             its site
    coordinator:billing     coordinates this group              its site
    site                    all nodes of the leader's site      the leader's site
    a-b                     –                                   these two, in this order

Where several nodes are equally good, the seed chooses.
"""
import random

from testbed.lab import Lab

from . import view
from .fault import Impossible, Target

NODES, SITE, PAIR = "nodes", "site", "pair"
ROLES = ("leader", "follower", "coordinator")


def resolve(lab: Lab, scope: str, word: str, chance: random.Random) -> Target:
    """Raises Impossible when there is nobody of that description."""
    if scope == NODES:
        return _nodes(lab, word, chance)
    sites, why = _sites(lab, word, chance)
    if scope == PAIR:
        return _pair(lab, sites, why, chance)
    nodes = tuple(node.id for site in sites for node in lab.nodes_of(site))
    return Target(f"{_site_words(sites)}{why}", nodes, sites)


def _nodes(lab: Lab, word: str, chance: random.Random) -> Target:
    if word == "all":
        return Target("all nodes", tuple(lab.nodes), tuple(lab.sites))
    if word in lab.sites or word == "site":
        (site,), why = _sites(lab, word, chance)
        return Target(f"site {site}{why}", tuple(n.id for n in lab.nodes_of(site)), (site,))
    if word.replace(",", "").isdigit():
        return _numbered(lab, word)
    node, why = _role(lab, word, chance)
    return Target(f"node {node}{why}", (node,), (lab.nodes[node].site,), is_one_node=True)


def _numbered(lab: Lab, word: str) -> Target:
    nodes = tuple(dict.fromkeys(int(number) for number in word.split(",") if number))
    known = {**lab.nodes, **lab.routers}
    unknown = [node for node in nodes if node not in known]
    if unknown or not nodes:
        raise Impossible(f"there is no node {unknown[0] if unknown else word}")
    sites = tuple(dict.fromkeys(known[node].site for node in nodes))
    words = f"node{'s' if len(nodes) > 1 else ''} {', '.join(map(str, nodes))}"
    return Target(words, nodes, sites, is_one_node=len(nodes) == 1)


def _sites(lab: Lab, word: str, chance: random.Random) -> tuple[tuple[str, ...], str]:
    """(sites, why these, as an addition to words)"""
    if word == "all":
        return tuple(lab.sites), ""
    named = tuple(word.split("-"))
    if all(name in lab.sites for name in named) and len(set(named)) == len(named) <= 2:
        return named, ""
    if word == "site":
        word = "leader"
    target = _nodes(lab, word, chance)
    return target.sites[:1], target.words.partition(" (")[2] and f" ({target.words})"


def _pair(lab: Lab, sites: tuple[str, ...], why: str, chance: random.Random) -> Target:
    """Of one site, the other is any other, and stands first: what happens, happens to its way to
    the one that was meant."""
    if len(sites) == 1:
        others = [site for site in lab.sites if site not in sites]
        if not others:
            raise Impossible("two sites are needed, and there is one")
        sites = (chance.choice(others), *sites)
    if len(sites) != 2:
        raise Impossible("this fault is between two sites: say a-b")
    return Target(f"{_site_words(sites)}{why}", (), sites)


def _site_words(sites: tuple[str, ...]) -> str:
    return f"site {sites[0]}" if len(sites) == 1 else f"sites {' and '.join(sites)}"


# ---- roles -------------------------------------------------------------------------------------


def _role(lab: Lab, word: str, chance: random.Random) -> tuple[int, str]:
    """(node, why this one)"""
    role, _, which = word.partition(":")
    if role not in ROLES:
        raise Impossible(f"{word!r} is no target: a node ({', '.join(map(str, lab.nodes))}), a "
                         f"site ({', '.join(lab.sites)}), site, all, or {', '.join(ROLES)}")
    if role == "coordinator":
        return _coordinator(lab, which, chance)
    if which:
        return _of_partition(lab, role, which, chance)
    counts = view.led_counts(lab)
    if role == "leader":
        return _choose(counts, max(counts.values()), chance), " (leads most)"
    running = {node["id"]: counts[node["id"]] for node in lab.status()["nodes"]
               if node["state"] == "running"}
    if len(running) < 2:
        raise Impossible("there is no follower: one node is running")
    return _choose(running, min(running.values()), chance), " (leads fewest)"


def _choose(counts: dict[int, int], wanted: int, chance: random.Random) -> int:
    return chance.choice(sorted(node for node, count in counts.items() if count == wanted))


def _coordinator(lab: Lab, group: str, chance: random.Random) -> tuple[int, str]:
    if group:
        node = view.coordinator(lab, group)
        if node < 0:
            raise Impossible(f"nobody coordinates group {group!r} now")
        return node, f" (coordinates {group})"
    counts = view.coordinated_counts(lab)
    if not counts:
        raise Impossible("there is no group, so nobody coordinates one")
    return _choose(counts, max(counts.values()), chance), " (coordinates most groups)"


def _of_partition(lab: Lab, role: str, which: str, chance: random.Random) -> tuple[int, str]:
    topic, _, number = which.rpartition("/")
    found, _ = view.partitions(lab)
    for partition in found:
        if partition.topic == topic and str(partition.number) == number:
            followers = sorted(set(partition.replicas) - {partition.leader})
            candidates = [partition.leader] if role == "leader" else followers
            candidates = [node for node in candidates if node in lab.nodes]
            if not candidates:
                raise Impossible(f"{which} has no {role} now")
            return chance.choice(candidates), f" ({role} of {which})"
    raise Impossible(f"there is no partition {which!r}: say {role}:TOPIC/NUMBER")
