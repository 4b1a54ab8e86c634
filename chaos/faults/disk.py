"""Faults of disks, told to chaos/faultfs through each node's control socket.

A node whose disk fails may end, as it should. Healing therefore mends the disk and starts the node
again, as a service manager would; one that is about to end gets a moment to do so. What has rotted
at rest stays rotten: its healing is the node's business.
"""
import signal
import socket
import subprocess
import time

from testbed.lab import Lab, Refused

from .fault import FAULTFS, ROOT, Fault, Impossible, Scene, check_number

ANSWER_SECONDS_MAX = 30
ANSWER_BYTES_MAX = 65_536
ENDING_SECONDS = 1.0
LYING_SECONDS = 1.5     # in which a loaded node has written so often


class DiskFault(Fault):
    """A command in force until `heal`. Two of these on one disk heal together."""
    needs = (ROOT, FAULTFS)

    def command(self) -> str:
        raise NotImplementedError

    def begin(self, scene: Scene) -> None:
        for node in scene.target.nodes:
            scene.undo.add(lambda node=node: _mend(scene.lab, node))
        tell(scene.lab, scene.target.nodes, self.command())


class DiskError(DiskFault):
    sentence = "every {operation} on a node's disk fails with {errno}"
    options = {"operation": "fsync", "errno": "EIO"}

    def check(self) -> None:
        check_operation(self.values["operation"])

    def command(self) -> str:
        return f"fail {self.values['operation']} errno={self.values['errno']}"


class DiskSlow(DiskFault):
    sentence = "every {operation} on a node's disk takes {delay_ms:g} ms more"
    options = {"operation": "fsync", "delay_ms": 200}

    def check(self) -> None:
        check_operation(self.values["operation"])
        check_number("delay_ms", self.values["delay_ms"], 1, 600_000)

    def command(self) -> str:
        return f"slow {self.values['operation']} ms={round(self.values['delay_ms'])}"


class DiskFull(DiskFault):
    sentence = "a node's disk has {free_bytes:.0f} bytes left"
    options = {"free_bytes": 0}

    def check(self) -> None:
        check_number("free_bytes", self.values["free_bytes"], 0, 1 << 50)

    def command(self) -> str:
        return f"full free_bytes={round(self.values['free_bytes'])}"


class Power(Fault):
    """All disks first, as nearly at one moment as can be, then the processes: what they still write
    in between is lost, as it should be."""
    sentence = "power cut: kill -9, and of what was not synced {keep} survives; healing is power on"
    needs = (ROOT, FAULTFS)
    options = {"keep": "random"}
    torn = 0

    def check(self) -> None:
        if self.values.get("keep", "random") not in ("random", "none", "all"):
            raise Impossible(f"keep is random, none or all, not {self.values['keep']}")

    def begin(self, scene: Scene) -> None:
        for node in scene.target.nodes:
            scene.undo.add(lambda node=node: _power_on(scene.lab, node))
        seed = scene.chance.randrange(1 << 31)
        tell(scene.lab, scene.target.nodes,
             f"power-cut keep={self.values.get('keep', 'random')} torn={self.torn} seed={seed}")
        _kill_all(scene)


class Torn(Power):
    sentence = "power cut in the middle of each file's newest write: its first sectors are there"
    options: dict = {}
    torn = 1


class BitFlips(Fault):
    """A node that runs holds in memory what it wrote last: so it is killed, and meets the damage
    when it starts again, unless restart is 0. Any file may be hit, also those without which a node
    can't know who it is; path narrows that."""
    sentence = "{count:.0f} bits of a node's files are flipped (path {path}), then it is restarted"
    needs = (ROOT, FAULTFS)
    options = {"count": 16, "path": "*", "restart": 1}
    command = "flip"

    def check(self) -> None:
        check_number("count", self.values["count"], 1, 100_000)
        check_number("restart", self.values["restart"], 0, 1)
        if " " in self.values["path"]:
            raise Impossible("path can't have spaces")

    def begin(self, scene: Scene) -> None:
        for node in scene.target.nodes:
            scene.undo.add(lambda node=node: _start(scene.lab, node))
        if self.values["restart"]:
            _kill_all(scene)
        tell(scene.lab, scene.target.nodes, f"{self.command} path={self.values['path']} "
             f"count={round(self.values['count'])}")
        if self.values["restart"]:
            for node in scene.target.nodes:
                scene.lab.start_node(node)


class StaleBlocks(BitFlips):
    sentence = ("{count:.0f} blocks of a node's files lose their last write (path {path}), "
                "then it is restarted")
    options = {"count": 4, "path": "*", "restart": 1}
    command = "stale"


class LostWrites(BitFlips):
    """The disk lies while the node runs; then the process is killed, as the operator of a lying disk
    sees it: what it meets when it starts again is what was really written."""
    sentence = ("{count:.0f} writes of a node's files are acknowledged and never made (path {path}), "
                "then it is killed and started")
    options = {"count": 4, "path": "*", "after": 20, "restart": 1}
    command = "lose write"

    def check(self) -> None:
        super().check()
        check_number("after", self.values["after"], 0, 1_000_000)

    def begin(self, scene: Scene) -> None:
        nodes = scene.target.nodes
        for node in nodes:
            scene.undo.add(lambda node=node: _start(scene.lab, node))
        tell(scene.lab, nodes, f"{self.command} path={self.values['path']} "
             f"count={round(self.values['count'])} after={round(self.values['after'])}")
        time.sleep(LYING_SECONDS)
        _kill_all(scene)
        tell(scene.lab, nodes, "heal")
        if self.values["restart"]:
            for node in nodes:
                scene.lab.start_node(node)


class MisdirectedWrites(LostWrites):
    sentence = ("{count:.0f} writes of a node's files land elsewhere in the same file (path {path}), "
                "then it is killed and started")
    command = "misdirect write"


class CutOff(BitFlips):
    """What a file system check leaves of a file, at times."""
    sentence = "{count:.0f} of a node's files are cut off (path {path}), then it is restarted"
    options = {"count": 1, "path": "*", "restart": 1}

    def begin(self, scene: Scene) -> None:
        for node in scene.target.nodes:
            scene.undo.add(lambda node=node: _start(scene.lab, node))
            _kill_all(scene)
            files = sorted(_files(scene.lab, node, self.values["path"]))
            for path, size in scene.chance.sample(files, min(len(files), round(self.values["count"]))):
                _run(scene.lab, node, "truncate", f"--size={scene.chance.randrange(size)}", path)
            if self.values["restart"]:
                scene.lab.start_node(node)


class Emptied(Fault):
    """A new disk in place of the old one."""
    sentence = "a node is killed, its disk emptied, and it is started again"
    needs = (ROOT,)

    def begin(self, scene: Scene) -> None:
        for node in scene.target.nodes:
            scene.undo.add(lambda node=node: _start(scene.lab, node))
        _kill_all(scene)
        for node in scene.target.nodes:
            folder = scene.lab.nodes[node].data_folder
            _run(scene.lab, node, "find", folder, "-mindepth", "1", "-delete")
            scene.lab.start_node(node)


def check_operation(operation) -> None:
    if operation not in ("read", "write", "fsync"):
        raise Impossible(f"operation is read, write or fsync, not {operation}")


# ---- one node's disk ---------------------------------------------------------------------------


def tell(lab: Lab, nodes, command: str) -> list[str]:
    """One command to several disks, at once as nearly as can be; their answers. Raises Refused."""
    connections = [_connect(lab.faultfs_control(node)) for node in nodes]
    try:
        for connection in connections:
            connection.sendall(command.encode() + b"\n")
        answers = [_read_line(connection) for connection in connections]
    finally:
        for connection in connections:
            connection.close()
    for node, answer in zip(nodes, answers):
        if not answer.startswith("ok"):
            raise Refused(f"disk of node {node}: {answer.removeprefix('error').strip()}")
    return answers


def _connect(path: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(ANSWER_SECONDS_MAX)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        raise
    return connection


def _read_line(connection: socket.socket) -> str:
    answer = b""
    while not answer.endswith(b"\n"):
        piece = connection.recv(4096)
        if not piece or len(answer) > ANSWER_BYTES_MAX:
            raise Refused("faultfs ended within its answer")
        answer += piece
    return answer.decode(errors="replace").strip()


def _run(lab: Lab, node: int, *command: str) -> str:
    """From within the lab: a folder on faultfs is nowhere else to be seen."""
    done = subprocess.run(lab.command_in(node, list(command)), capture_output=True, text=True,
                          timeout=ANSWER_SECONDS_MAX, check=False)
    if done.returncode != 0:
        raise Refused(f"{command[0]} at node {node}: {done.stderr.strip()}")
    return done.stdout


def _files(lab: Lab, node: int, pattern: str) -> list[tuple[str, int]]:
    """Those that are not empty and whose path in the data folder matches, with their sizes."""
    folder = lab.nodes[node].data_folder
    found = _run(lab, node, "find", folder, "-type", "f", "-size", "+0", "-path",
                 f"{folder}/{pattern}", "-printf", "%s %p\\n")
    return [(path, int(size)) for size, path in
            (line.split(" ", 1) for line in found.splitlines())]


def _kill_all(scene: Scene) -> None:
    alive = [node for node in scene.target.nodes if scene.lab.pid(node) is not None]
    for node in alive:
        try:
            scene.lab.signal_node(node, signal.SIGKILL)
        except Refused:
            if scene.lab.pid(node) is not None:  # its disk was quicker to end it
                raise
    for node in alive:
        scene.lab.wait_until_ended(node)


def _mend(lab: Lab, node: int) -> None:
    tell(lab, [node], "heal")
    give_up_at = time.monotonic() + ENDING_SECONDS
    while lab.pid(node) is not None and time.monotonic() < give_up_at:
        time.sleep(0.05)
    lab.start_node(node)


def _power_on(lab: Lab, node: int) -> None:
    tell(lab, [node], "power-on")
    lab.start_node(node)


def _start(lab: Lab, node: int) -> None:
    lab.start_node(node)
