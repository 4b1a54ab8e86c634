"""Which sites, nodes and addresses a lab has. Nothing here touches the machine.

    site a: 10.1.0.0/24    node 1 10.1.0.1   clients 10.1.0.100   gateway 10.1.0.254
    site b: 10.2.0.0/24    node 2 10.2.0.1   …

The first node of each site has the id that it has in conf/samples, the second ones follow. Without
network namespaces the same nodes are 127.0.SITE.NUMBER, on ports that were free. A site's
trilog-routers, where there are any, follow at 10.SITE.0.201; their ids are those that clients see.
(`router-a` is something else: the router of site a's packets.)
"""
import socket
from dataclasses import dataclass, replace

SITES_MAX = 5
NODES_PER_SITE_MAX = 20
CLIENT_PORT = 9092
PEER_PORT = 9093
ROUTERS_PER_SITE_MAX = 20
ROUTER_PORT = 9192
ROUTER_ID_BASE = 1_000_000
ROUTER_HOST_BASE = 201

NEEDS_ROOT = ("network namespaces, mounts and packet filters need root: without it the lab runs on "
              "loopback addresses, where nodes can be killed, paused and started, but {} are "
              "not possible")


class Refused(Exception):
    """What was asked can't be done; the text is a sentence for whoever asked."""


@dataclass(frozen=True)
class Node:
    id: int
    site: str
    host: str
    client_port: int = CLIENT_PORT
    peer_port: int = PEER_PORT

    @property
    def address(self) -> str:
        return f"{self.host}:{self.client_port}"

    @property
    def peer_address(self) -> str:
        return f"{self.host}:{self.peer_port}"

    @property
    def namespace(self) -> str:
        return f"node-{self.id}"


@dataclass(frozen=True)
class Router:
    """A trilog-router."""
    id: int
    site: str
    host: str
    client_port: int = ROUTER_PORT

    @property
    def address(self) -> str:
        return f"{self.host}:{self.client_port}"

    @property
    def namespace(self) -> str:
        return f"proxy-{self.id}"


@dataclass(frozen=True)
class Shape:
    sites: tuple[str, ...]
    nodes: tuple[Node, ...]
    routers: tuple[Router, ...] = ()

    def node(self, node_id: int) -> Node:
        for node in self.nodes:
            if node.id == node_id:
                return node
        raise Refused(f"there is no node {node_id}, only {words([n.id for n in self.nodes])}")

    def site(self, name: str) -> str:
        if name not in self.sites:
            raise Refused(f"there is no site {name!r}, only {words(self.sites)}")
        return name

    def number(self, site: str) -> int:
        return self.sites.index(site) + 1

    def nodes_of(self, site: str) -> list[Node]:
        return [node for node in self.nodes if node.site == site]

    def routers_of(self, site: str) -> list[Router]:
        return [router for router in self.routers if router.site == site]

    def directions(self) -> list[tuple[str, str]]:
        """Every ordered pair of sites: a link has two, which differ as one likes."""
        return [(a, b) for a in self.sites for b in self.sites if a != b]

    def application_host(self, site: str) -> str:
        return f"10.{self.number(site)}.0.100"

    def gateway(self, site: str) -> str:
        return f"10.{self.number(site)}.0.254"

    def lan(self, site: str) -> str:
        return f"10.{self.number(site)}.0.0/24"

    def wan_address(self, site: str, other: str) -> str:
        """The address of a site's router on its device towards another site."""
        return f"10.255.{self.number(site)}.{self.number(other)}"

    def wan_mac(self, site: str, other: str) -> str:
        return f"02:00:00:00:{self.number(site):02x}:{self.number(other):02x}"

    def where(self, place: str) -> str:
        """The network namespace of a site's applications (`a`), a node (`1`), a trilog-router by
        its id, or a `router-a`."""
        if place in self.sites:
            return place
        name = f"node-{place}" if place.isdigit() else place
        name = next((r.namespace for r in self.routers if str(r.id) == place), name)
        if name in self.namespaces():
            return name
        raise Refused(f"there is no {place!r}: say a site ({words(self.sites)}) for where its "
                      f"clients are, or a node ({words([n.id for n in self.nodes])})")

    def namespaces(self) -> list[str]:
        return [*(node.namespace for node in self.nodes),
                *(router.namespace for router in self.routers), *self.sites,
                *(f"router-{site}" for site in self.sites)]


def words(things) -> str:
    """`a, b and c`"""
    texts = [str(thing) for thing in things]
    return " and ".join(filter(None, [", ".join(texts[:-1]), texts[-1]]))


def make_shape(site_count: int, nodes_per_site: int, loopback: bool,
               routers_per_site: int = 0) -> Shape:
    if not 1 <= site_count <= SITES_MAX:
        raise Refused(f"{site_count} sites: 1 to {SITES_MAX} are possible")
    if not 1 <= nodes_per_site <= NODES_PER_SITE_MAX:
        raise Refused(f"{nodes_per_site} nodes per site: 1 to {NODES_PER_SITE_MAX} are possible")
    if not 0 <= routers_per_site <= ROUTERS_PER_SITE_MAX:
        raise Refused(f"{routers_per_site} routers per site: 0 to {ROUTERS_PER_SITE_MAX} are "
                      "possible")
    sites = tuple("abcde"[:site_count])
    network = "127.0.{site}.{number}" if loopback else "10.{site}.0.{number}"
    nodes = [Node(number * site_count + index + 1, site,
                  network.format(site=index + 1, number=number + 1))
             for number in range(nodes_per_site) for index, site in enumerate(sites)]
    routers = [Router(ROUTER_ID_BASE + number * site_count + index + 1, site,
                      network.format(site=index + 1, number=ROUTER_HOST_BASE + number))
               for number in range(routers_per_site) for index, site in enumerate(sites)]
    return Shape(sites, tuple(nodes), tuple(routers))


def with_free_ports(shape: Shape) -> Shape:
    """The same nodes on ports that nobody listens on now. Should somebody be quicker than the node,
    it ends with a sentence in its log."""
    return replace(shape, nodes=tuple(
        replace(node, client_port=_free_port(node.host, CLIENT_PORT),
                peer_port=_free_port(node.host, PEER_PORT)) for node in shape.nodes),
        routers=tuple(replace(router, client_port=_free_port(router.host, ROUTER_PORT))
                      for router in shape.routers))


def _free_port(host: str, wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
                return probe.getsockname()[1]
            except OSError:
                continue
    raise Refused(f"no free port on {host}")
