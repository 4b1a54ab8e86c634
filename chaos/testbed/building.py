"""A lab, put together: network, links, disks, nodes. What the keeper holds in its hands."""
import os
import socket

from . import folder, linux, routers
from .lives import Life, last_line
from .network import NAMESPACE_FOLDER, Network
from .nodes import NodeLife
from .processes import Processes
from .routers import RouterLife
from .settings import sample_path, settings_of
from .shape import NEEDS_ROOT, Node, Refused, Router, Shape, make_shape, with_free_ports
from .wan import Wan


class Lab:
    def __init__(self, options: dict):
        self._options = options
        self._folder = options["lab"]
        self._is_loopback = options["loopback"]
        self.shape: Shape = make_shape(options["sites"], options["nodes_per_site"],
                                       self._is_loopback, options["routers_per_site"])
        if self._is_loopback:
            self.shape = with_free_ports(self.shape)
        self.processes = Processes(os.open("/proc", os.O_RDONLY | os.O_DIRECTORY),
                                   not self._is_loopback)
        self.lives: dict[int, NodeLife] = {}
        self.router_lives: dict[int, RouterLife] = {}
        self._network: Network | None = None
        self._wan: Wan | None = None

    # ---- coming up -------------------------------------------------------------------------

    def build(self) -> None:
        if not self._is_loopback:
            _separate_mounts()
            linux.unshare(linux.CLONE_NEWNET)
            self._network = Network(self.shape, self.processes)
            self._network.build()
            self._wan = Wan(self.shape, self._network, self.processes,
                            self._program("wand"), self._folder)
            self._wan.start()
            self._wan.change(self.shape.directions(), {"delay_us": self._options["rtt_us"] // 2})
        elif self._options["rtt_us"]:
            raise Refused(NEEDS_ROOT.format("delays"))
        self._prepare_nodes()
        self._prepare_routers()
        for life in self._all_lives():
            life.start()

    def _all_lives(self) -> list[Life]:
        return [*self.lives.values(), *self.router_lives.values()]

    def _program(self, name: str) -> str:
        return os.path.join(self._options["programs"], name)

    def _prepare_nodes(self) -> None:
        for node in self.shape.nodes:
            network = self._network.file(node.namespace) if self._network else None
            life = NodeLife(node, self._folder, self._options["binary"], self.processes, network)
            self.lives[node.id] = life
            os.mkdir(life.data_folder, 0o700)
            with open(sample_path(self._options["root"], node.site), encoding="utf-8") as file:
                sample = file.read()
            with open(life.settings_path, "w", encoding="utf-8") as file:
                file.write(settings_of(node, self.shape, sample, life.data_folder,
                                       self._options["settings"]))
            if self._options["faketime"]:
                life.give_clock()
        if self._options["faultfs"]:
            self._give_disks()

    def _prepare_routers(self) -> None:
        for router in self.shape.routers:
            network = self._network.file(router.namespace) if self._network else None
            life = RouterLife(router, self._folder, self._program("trilog-router"),
                              self.processes, network)
            self.router_lives[router.id] = life
            with open(life.settings_path, "w", encoding="utf-8") as file:
                file.write(routers.settings_of(router, self.shape, self._options["root"],
                                               self._options["router_settings"]))

    def _give_disks(self) -> None:
        if self._is_loopback:
            raise Refused(NEEDS_ROOT.format("disk faults"))
        for life in self.lives.values():
            life.give_disk(self._program("faultfs"), self._options["seed"] + life.node.id)
        for life in self.lives.values():
            life.wait_for_disk()

    def refuse_if_one_ended(self) -> None:
        for life in self._all_lives():
            if life.state == "ended":
                raise Refused(f"{life.what} ended at once, with "
                              f"{life.describe()['exit_status']}: {last_line(life.log_path)}")

    # ---- for requests ----------------------------------------------------------------------

    def life(self, number: int) -> Life:
        """Of a node or of a router."""
        if number in self.router_lives:
            return self.router_lives[number]
        return self.lives[self.shape.node(number).id]

    def node_life(self, node_id: int) -> NodeLife:
        return self.lives[self.shape.node(node_id).id]

    def namespace_of(self, place: str) -> str | None:
        name = self.shape.where(place)
        return None if self._is_loopback else name

    def network_only(self, what: str) -> Wan:
        if self._wan is None:
            raise Refused(NEEDS_ROOT.format(what))
        return self._wan

    def socket_at(self, one: Node | Router, make) -> socket.socket:
        return self._network.socket_in(one.namespace, make) if self._network else make()

    def describe(self) -> dict:
        troubles = [trouble for life in self.lives.values() for trouble in life.troubles()]
        return {"name": os.path.basename(self._folder), "folder": self._folder,
                "loopback": self._is_loopback, "sites": list(self.shape.sites),
                "nodes": [life.describe() for life in self.lives.values()],
                "routers": [life.describe() for life in self.router_lives.values()],
                "applications": {} if self._is_loopback else {
                    site: self.shape.application_host(site) for site in self.shape.sites},
                "links": self._wan.describe_links() if self._wan else [],
                "cuts": self._wan.describe_cuts() if self._wan else [],
                "troubles": troubles + (self._wan.troubles() if self._wan else [])}

    # ---- the end ---------------------------------------------------------------------------

    def end(self) -> None:
        self.processes.end_all()
        if not self._is_loopback:
            folder.unmount_all(self._folder)


def _separate_mounts() -> None:
    """What is mounted from here on is this lab's own, and gone with it. What others mount later
    is still seen."""
    private = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
    os.makedirs(NAMESPACE_FOLDER, exist_ok=True)
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_SLAVE)
    linux.mount("tmpfs", NAMESPACE_FOLDER, "tmpfs", private)
    if os.path.isdir("/dev/shm"):
        linux.mount("tmpfs", "/dev/shm", "tmpfs", private)  # libfaketime leaves things there
    linux.mount("proc", "/proc", "proc", private)
