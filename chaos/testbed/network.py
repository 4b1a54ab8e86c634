"""The namespaces of a lab, and the cables between them.

    node-1 ──┐                               ┌── node-2
             ├─ lan (router-a) to-b ═══ to-a (router-b) lan ─┤
    a ───────┘                               └── b            a, b: the sites' applications

A site is a router: a bridge with the gateway's address, one port for each node and one for the
applications. Between two sites lies one veth pair, so that each direction is a device of its own:
what a sends to b leaves by `to-b` in router-a, and all that happens to it is done there (links.py).
There is one way only between two sites: cut, it stays cut, for no third site relays.

Everything is made by a few processes side by side, in about a tenth of a second. It lives in
the keeper's own mount namespace and is gone with it.
"""
import os

from . import linux
from .processes import Processes
from .shape import Shape

NAMESPACE_FOLDER = "/run/netns"


class Network:
    """The network namespaces, as open files: what is started in them needs nothing else."""

    def __init__(self, shape: Shape, processes: Processes):
        self._shape = shape
        self._processes = processes
        self._files: dict[str, int] = {}

    def build(self) -> None:
        names = self._shape.namespaces()
        self._processes.run([(None, ["ip", "-batch", "-"],
                              "".join(f"netns add {name}\n" for name in names))])
        for name in names:
            self._files[name] = os.open(f"{NAMESPACE_FOLDER}/{name}", os.O_RDONLY)
        self._processes.run([(None, ["ip", "-batch", "-"], "".join(cables(self._shape)))])
        self._processes.run([(self._files[name], ["sh", "-e"], script)
                             for name, script in scripts(self._shape)])

    def file(self, name: str) -> int:
        return self._files[name]

    def run_in(self, name: str, argv: list[str], text: str = "") -> str:
        return self._processes.run([(self._files[name], argv, text)])[0]

    def socket_in(self, name: str, make):
        """What `make` creates belongs to that namespace for good, wherever it is used."""
        own = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            linux.enter_namespace(self._files[name], linux.CLONE_NEWNET)
            return make()
        finally:
            linux.enter_namespace(own, linux.CLONE_NEWNET)
            os.close(own)


def ports(shape: Shape, site: str) -> list[tuple[str, str]]:
    """The bridge's ports of a site: (device, namespace at its other end)."""
    return [*((one.namespace, one.namespace)
              for one in (*shape.nodes_of(site), *shape.routers_of(site))),
            ("applications", site)]


def cables(shape: Shape):
    """Lines for `ip -batch`: each veth pair, born where its ends belong."""
    for site in shape.sites:
        for device, namespace in ports(shape, site):
            yield (f"link add name eth0 netns {namespace} type veth "
                   f"peer name {device} netns router-{site}\n")
    for a, b in shape.directions():
        if a < b:
            yield (f"link add name to-{b} address {shape.wan_mac(a, b)} netns router-{a} type veth "
                   f"peer name to-{a} address {shape.wan_mac(b, a)} netns router-{b}\n")


def scripts(shape: Shape):
    """(namespace, shell script): each gives one namespace its addresses and routes."""
    for site in shape.sites:
        yield f"router-{site}", _router_script(shape, site)
        yield site, _host_script(shape, site, shape.application_host(site))
        for one in (*shape.nodes_of(site), *shape.routers_of(site)):
            yield one.namespace, _host_script(shape, site, one.host)


# No IPv6: its neighbour discovery would only be noise. Reverse paths are not checked, since links
# may be cut in one direction.
_SYSCTLS = """\
for scope in all default; do
    [ ! -e /proc/sys/net/ipv6/conf/$scope ] || echo 1 > /proc/sys/net/ipv6/conf/$scope/disable_ipv6
    echo 0 > /proc/sys/net/ipv4/conf/$scope/rp_filter
done
"""


def _batch(lines: list[str]) -> str:
    return "ip -batch - <<'LINES'\n" + "\n".join(lines) + "\nLINES\n"


def _host_script(shape: Shape, site: str, host: str) -> str:
    return _SYSCTLS + _batch([
        "link set lo up", f"address add {host}/24 dev eth0", "link set eth0 up",
        f"route add default via {shape.gateway(site)}"])


def _router_script(shape: Shape, site: str) -> str:
    lines = ["link set lo up", "link add lan type bridge stp_state 0 forward_delay 0",
             f"address add {shape.gateway(site)}/24 dev lan", "link set lan up"]
    for device, _ in ports(shape, site):
        lines.append(f"link set {device} master lan up")
    for other in shape.sites:
        if other == site:
            continue
        here, there = shape.wan_address(site, other), shape.wan_address(other, site)
        # Routers know each other: a question for an address could get lost on a full link.
        lines += [f"address add {here} peer {there} dev to-{other}", f"link set to-{other} up",
                  f"neighbour add {there} lladdr {shape.wan_mac(other, site)} dev to-{other} "
                  "nud permanent", f"route add {shape.lan(other)} via {there}"]
    return (_SYSCTLS + "echo 1 > /proc/sys/net/ipv4/ip_forward\n"
            "echo 0 > /proc/sys/net/ipv4/conf/all/send_redirects\n" + _batch(lines))
