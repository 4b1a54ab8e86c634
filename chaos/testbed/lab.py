"""The lab for programs: what drills, faults and tests use. The command line stands on it too.

    with Lab.up(rtt_us=50_000) as lab:
        lab.link("a", "b").set(loss_percent=5)
        cut = lab.cut_node(1, "in")
        subprocess.run(lab.command_in("b", ["kcat", "-b", lab.nodes[1].address, "-L"]))
        cut.restore()

An object of Lab holds nothing but the lab's name and shape: each call asks the keeper. Calls raise
Refused with a sentence when something can't be done, NotUp when there is no lab any more.
"""
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

from . import control, linux
from .control import NotUp
from .linux import can_separate
from .shape import NEEDS_ROOT, Refused

__all__ = ["Lab", "Node", "Router", "Link", "Cut", "Refused", "NotUp", "can_separate"]

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAMS = os.path.join(ROOT, "build", "release")
LAUNCHER = os.path.join(ROOT, "chaos", "lab")

UP_SECONDS = 30
DOWN_SECONDS = 20
BOTH = "both"
ROUTER_ADDRESSES = "10.0.0.0/8"  # whom nodes believe what they say of clients


@dataclass(frozen=True)
class Node:
    """What does not change while the lab is up."""
    id: int
    site: str
    address: str            # "host:port", where clients connect
    peer_address: str
    data_folder: str        # with faultfs it is a mount, which only the lab's processes see
    log_path: str
    settings_path: str


@dataclass(frozen=True)
class Router:
    """A trilog-router. What is said of a node's life holds for it, by its own id."""
    id: int
    site: str
    address: str
    log_path: str
    settings_path: str


@dataclass(frozen=True)
class Link:
    """One direction between two sites, or both."""
    lab: "Lab"
    directions: tuple[tuple[str, str], ...]

    def set(self, **changes) -> None:
        """delay_us, jitter_us, loss_percent, duplicate_percent, rate_bits (0: unlimited); what is
        not named stays as it is."""
        self.lab.ask("change_links", directions=self.directions, changes=changes)

    def settings(self) -> list[dict]:
        """As they are now, one for each direction."""
        return [link for link in self.lab.status()["links"]
                if (link["source"], link["target"]) in self.directions]

    def put_back(self, settings: list[dict]) -> None:
        """What settings() gave before."""
        for link in settings:
            self.lab.ask("change_links", directions=[(link["source"], link["target"])],
                         changes={name: link[name] for name in LINK_SETTINGS})

    def cut(self) -> "Cut":
        return self.lab.cut([{"what": "link", "names": list(pair)} for pair in self.directions])

    def restore(self) -> None:
        """Ends every cut of these directions, whoever made it."""
        self.lab.ask("restore", directions=self.directions)


LINK_SETTINGS = ("delay_us", "jitter_us", "loss_percent", "duplicate_percent", "rate_bits")


@dataclass(frozen=True)
class Cut:
    """Packets vanish until it is restored. Cuts add up; restoring one leaves the others."""
    lab: "Lab"
    numbers: tuple[int, ...]

    def restore(self) -> None:
        """A second time it does nothing."""
        self.lab.ask("restore", numbers=self.numbers)


class Lab:
    def __init__(self, folder: str, status: dict):
        self.folder = folder
        self.name: str = status["name"]
        self.is_loopback: bool = status["loopback"]
        self.sites: list[str] = status["sites"]
        self.nodes: dict[int, Node] = {
            node["id"]: Node(**{name: node[name] for name in Node.__dataclass_fields__})
            for node in status["nodes"]}
        self.routers: dict[int, Router] = {
            router["id"]: Router(**{name: router[name] for name in Router.__dataclass_fields__})
            for router in status["routers"]}

    # ---- up and down -----------------------------------------------------------------------

    @staticmethod
    def up(name: str = "lab", sites: int = 3, nodes_per_site: int = 1, rtt_us: int = 0,
           settings: dict[str, str] | None = None, binary: str | None = None,
           folder: str | None = None, owner: int | None = 0, faketime: bool = False,
           faultfs: bool = False, loopback: bool = False, seed: int = 1,
           wait_seconds: float = 20, programs: str = PROGRAMS, routers_per_site: int = 0,
           router_settings: dict[str, str] | None = None) -> "Lab":
        """Returns when the cluster has formed; with wait_seconds=0 when its nodes have started.

        owner: the lab ends with this process; 0 is the caller, None nobody. settings: of all
        nodes, by name; router_settings: of all routers. programs: where wand, faultfs and
        trilog-router are."""
        lab = control.lab_folder(name, folder)
        settings = dict(settings or {})
        if routers_per_site and not loopback:
            settings.setdefault("router_addresses", ROUTER_ADDRESSES)
        options = {
            "lab": lab, "sites": sites, "nodes_per_site": nodes_per_site, "rtt_us": int(rtt_us),
            "settings": settings, "owner": os.getpid() if owner == 0 else owner,
            "binary": os.path.abspath(binary or os.path.join(PROGRAMS, "trilogd")),
            "faketime": faketime, "faultfs": faultfs, "loopback": loopback, "seed": seed,
            "wait_seconds": wait_seconds, "programs": os.path.abspath(programs), "root": ROOT,
            "routers_per_site": routers_per_site, "router_settings": router_settings or {}}
        if not loopback and not can_separate():
            raise Refused(NEEDS_ROOT.format("links, cuts and disk faults"))
        if not os.access(options["binary"], os.X_OK):
            raise Refused(f"{options['binary']} is not there: make builds it")
        return Lab(lab, _start_guardian(options))

    @staticmethod
    def attach(name: str = "lab", folder: str | None = None) -> "Lab":
        lab = control.lab_folder(name, folder)
        return Lab(lab, control.request(lab, "status"))

    def down(self) -> None:
        """Returns when nothing is left of it. Raises NotUp when it was down already."""
        end(self.folder)

    def __enter__(self) -> "Lab":
        return self

    def __exit__(self, *_) -> None:
        try:
            self.down()
        except NotUp:
            pass  # it ended before

    def ask(self, do: str, answer_seconds: float = control.ANSWER_SECONDS, **arguments):
        return control.request(self.folder, do, answer_seconds, **arguments)

    def status(self) -> dict:
        """Everything, as `chaos/lab status -o json` shows it."""
        return self.ask("status")

    # ---- nodes -----------------------------------------------------------------------------

    def node_status(self, node_id: int) -> dict:
        """state: running, paused, ended, not started; pid, exit_status, starts, …"""
        status = self.status()
        for one in status["nodes"] + status["routers"]:
            if one["id"] == node_id:
                return one
        raise Refused(f"there is no node {node_id}")

    def state(self, node_id: int) -> str:
        return self.node_status(node_id)["state"]

    def pid(self, node_id: int) -> int | None:
        """Of the running node, as this process would name it; None when it is not alive."""
        return self.node_status(node_id)["pid"]

    def nodes_of(self, site: str) -> list[Node]:
        return [node for node in self.nodes.values() if node.site == site]

    def routers_of(self, site: str) -> list[Router]:
        return [router for router in self.routers.values() if router.site == site]

    def start_node(self, node_id: int) -> None:
        """Does nothing when it is alive."""
        self.ask("start_node", node=node_id)

    def signal_node(self, node_id: int, number: int) -> None:
        self.ask("signal_node", node=node_id, signal=int(number))

    def kill_node(self, node_id: int, number: int = signal.SIGKILL) -> None:
        """Returns when it has ended; with a signal that it may refuse, see wait_until_ended."""
        self.signal_node(node_id, number)
        self.wait_until_ended(node_id)

    def stop_node(self, node_id: int, seconds: float = 20) -> None:
        """Asks it to end, as an operator would, and waits."""
        self.signal_node(node_id, signal.SIGTERM)
        self.wait_until_ended(node_id, seconds)

    def pause_node(self, node_id: int) -> None:
        self.signal_node(node_id, signal.SIGSTOP)

    def resume_node(self, node_id: int) -> None:
        self.signal_node(node_id, signal.SIGCONT)

    def wait_until_ended(self, node_id: int, seconds: float = 20) -> int:
        """Its exit status; negative: the signal that ended it."""
        return self.ask("wait_until_ended", seconds + control.ANSWER_SECONDS, node=node_id,
                        seconds=seconds)["exit_status"]

    def wait_until_formed(self, seconds: float = 20) -> None:
        """Until each running node shows its clients all nodes and a controller."""
        self.ask("wait_until_formed", seconds + control.ANSWER_SECONDS, seconds=seconds)

    def faultfs_control(self, node_id: int) -> str:
        """The socket that tells a node's disk to fail."""
        path = self.node_status(node_id)["faultfs_control"]
        if path is None:
            raise Refused("this lab's nodes have the machine's disk: it was not started with "
                          "--faultfs")
        return path

    def set_wall_clock_offset(self, node_id: int, seconds: float) -> None:
        """The node sees it within a second; only in a lab with faketime."""
        self.ask("set_clock", node=node_id, seconds=seconds)

    def command_in(self, where: str | int, argv: list[str]) -> list[str]:
        """What runs argv where a site's applications are (`"a"`), or in a node's place (`1`).
        Input, output, exit status and signals pass through; it ends with the lab."""
        return [sys.executable, "-B", LAUNCHER, "--name", self.name, "--folder",
                os.path.dirname(self.folder), "exec", str(where), "--", *argv]

    # ---- links and cuts --------------------------------------------------------------------

    def link(self, a: str, b: str, one_way: bool = False) -> Link:
        """Between two sites; one_way: what a sends to b."""
        return Link(self, ((a, b),) if one_way else ((a, b), (b, a)))

    def links_of(self, site: str) -> Link:
        """Every link of a site, both directions."""
        return self._links([(a, b) for a, b in self._directions() if site in (a, b)])

    def all_links(self) -> Link:
        return self._links(self._directions())

    def _links(self, directions) -> Link:
        return Link(self, tuple(directions))

    def _directions(self) -> list[tuple[str, str]]:
        return [(a, b) for a in self.sites for b in self.sites if a != b]

    def cut(self, cuts: list[dict]) -> Cut:
        return Cut(self, tuple(self.ask("cut", cuts=cuts)))

    def cut_link(self, a: str, b: str, one_way: bool = False) -> Cut:
        """Between two sites; one_way: what a sends to b."""
        return self.link(a, b, one_way).cut()

    def cut_node(self, node_id: int, direction: str = BOTH) -> Cut:
        """From everything. "in": what it would get; "out": what it sends."""
        return self.cut([{"what": "node", "names": [node_id], "direction": one}
                         for one in _directions_named(direction)])

    def cut_site(self, site: str, direction: str = BOTH) -> Cut:
        """From all other sites; its own applications still reach its own nodes."""
        wanted = _directions_named(direction)
        pairs = [(a, b) for a, b in self._directions()
                 if (a == site and "out" in wanted) or (b == site and "in" in wanted)]
        return self._links(pairs).cut()

    def cut_applications(self, site: str, nodes_of: str | None = None,
                         direction: str = BOTH) -> Cut:
        """A site's applications from the nodes of a site: its own unless said otherwise."""
        return self.cut([{"what": "applications", "names": [site, nodes_of or site],
                          "direction": one} for one in _directions_named(direction)])

    def restore_all(self) -> None:
        """No cuts any more, whoever made them."""
        self.ask("restore", all=True)


def _directions_named(direction: str) -> list[str]:
    return ["in", "out"] if direction == BOTH else [direction]


def _start_guardian(options: dict) -> dict:
    """The lab's first status. If this process dies meanwhile, its end of the socket closes, and
    the lab that nobody waits for ends."""
    own, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with own:
        # The name is for `ps` only.
        subprocess.run([sys.executable, "-B", "-m", "testbed.guardian", options["lab"]],
                       stdin=theirs, check=True, cwd=os.path.join(ROOT, "chaos"),
                       start_new_session=True)
        theirs.close()
        own.settimeout(UP_SECONDS + options["wait_seconds"])
        try:
            control.send(own, options)
            answer = control.receive(own)
            if answer is None or "refused" in answer:
                own.recv(1)  # the end of the line: everything is cleared up
        except OSError as error:
            raise Refused(f"the lab did not start: {error}") from error
    if answer is None:
        raise Refused("the lab ended while it started")
    return control.take_result(answer)


def end(lab: str) -> None:
    """A keeper that does not answer is killed: that ends the lab as well."""
    with control.connect(lab) as connection:
        keeper = os.pidfd_open(control.keeper_pid(connection))
        connection.settimeout(DOWN_SECONDS)
        try:
            control.send(connection, {"do": "down"})
            control.receive(connection)
            is_down = linux.has_ended(keeper, DOWN_SECONDS)
        except OSError:
            is_down = False
    if not is_down:
        signal.pidfd_send_signal(keeper, signal.SIGKILL)
        linux.has_ended(keeper, DOWN_SECONDS)
    os.close(keeper)
    _wait_until_gone(lab)


def _wait_until_gone(lab: str) -> None:
    """The guardian removes the folder within moments of the keeper's end, if the keeper has not."""
    for _ in range(DOWN_SECONDS * 100):
        if not os.path.exists(lab):
            return
        time.sleep(0.01)
    raise Refused(f"{lab} is still there: its guardian may be dead; the next lab of this name "
                  "clears it away")
