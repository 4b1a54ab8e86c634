"""A node: one process of trilogd, with a folder for its data, and if asked for a disk of its own
(chaos/faultfs) and a wall clock of its own (libfaketime).
"""
import glob
import os
import time

from .lives import Life, last_line
from .processes import Child, Processes
from .shape import Node, Refused

MOUNT_SECONDS_MAX = 10

# One second is libfaketime's own interval; a step of the clock is seen that much later at most.
CLOCK_CACHE_SECONDS = 1


class NodeLife(Life):
    def __init__(self, node: Node, folder: str, binary: str, processes: Processes,
                 network: int | None):
        self.node = node
        self.settings_path = os.path.join(folder, f"node-{node.id}.yaml")
        self.data_folder = os.path.join(folder, f"node-{node.id}")
        self.faultfs_control: str | None = None
        self._clock_path: str | None = None
        self._faultfs: Child | None = None
        super().__init__(f"node {node.id}", [binary, "--config", self.settings_path],
                         os.path.join(folder, f"node-{node.id}.log"), processes, network)

    # ---- what it stands on -----------------------------------------------------------------

    def give_disk(self, program: str, seed: int) -> None:
        """Its data folder becomes a file system that can be told to fail."""
        backing = f"{self.data_folder}.disk"
        self.faultfs_control = f"{self.data_folder}.faultfs"
        os.mkdir(backing, 0o700)
        log = os.open(f"{self.data_folder}.faultfs.log", os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            self._faultfs = self._processes.start(
                [program, backing, self.data_folder, "--control", self.faultfs_control,
                 "--seed", str(seed)], output=log)
        finally:
            os.close(log)

    def wait_for_disk(self) -> None:
        give_up_at = time.monotonic() + MOUNT_SECONDS_MAX
        while not (os.path.ismount(self.data_folder) and os.path.exists(self.faultfs_control)):
            self._processes.reap()
            if self._faultfs.status is not None or time.monotonic() > give_up_at:
                raise Refused(f"faultfs of node {self.node.id} did not start: "
                              f"{last_line(f'{self.data_folder}.faultfs.log')}")
            time.sleep(0.005)

    def give_clock(self) -> None:
        """Its wall clock can be set; its monotonic clock is the machine's."""
        self._clock_path = f"{self.data_folder}.clock"
        self.set_wall_clock_offset(0)

    def set_wall_clock_offset(self, seconds: float) -> None:
        if self._clock_path is None:
            raise Refused("this lab's nodes have the machine's clock: it was not started "
                          "with --faketime")
        with open(f"{self._clock_path}.new", "w", encoding="ascii") as file:
            file.write(f"{seconds:+f}\n")
        os.rename(f"{self._clock_path}.new", self._clock_path)

    def _environment(self) -> dict[str, str]:
        if self._clock_path is None:
            return {}
        return {"LD_PRELOAD": faketime_library(), "FAKETIME_TIMESTAMP_FILE": self._clock_path,
                "FAKETIME_CACHE_DURATION": str(CLOCK_CACHE_SECONDS),
                "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "FAKETIME_NO_CACHE": "0"}

    # ---- for the status --------------------------------------------------------------------

    def describe(self) -> dict:
        return {"id": self.node.id, "site": self.node.site, "address": self.node.address,
                "peer_address": self.node.peer_address, **super().describe(),
                "data_folder": self.data_folder, "settings_path": self.settings_path,
                "faultfs_control": self.faultfs_control}

    def troubles(self) -> list[str]:
        if self._faultfs is not None and self._faultfs.status is not None:
            return [f"faultfs of node {self.node.id} has ended with {self._faultfs.status}"]
        return []


def faketime_library() -> str:
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        raise Refused("--faketime needs the package libfaketime: tools/need chaos installs it")
    return found[0]
