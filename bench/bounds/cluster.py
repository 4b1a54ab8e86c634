"""The cluster under measure: three nodes on this machine, with settings of a case's own, within a
limit of memory if it asks for one, and what can be seen of them from outside.

A limit of memory is a control group around all three nodes. It counts what their processes hold
and the page cache of the files they touch: what a machine of that size would have.
"""
import functools
import os
import pathlib
import threading
import time

import systems
from bounds import wire
from bounds.wal_disk import WalDisk

CGROUP_ROOT = pathlib.Path("/sys/fs/cgroup")
MIB = 1 << 20


class MemoryLimit:
    """A control group (version 1 or 2) for processes that are started into it."""

    def __init__(self, limit_bytes):
        if (CGROUP_ROOT / "memory").is_dir():
            parent = CGROUP_ROOT / "memory"
            self.limit_name, self.peak_name = "memory.limit_in_bytes", "memory.max_usage_in_bytes"
        else:
            parent, self.limit_name, self.peak_name = CGROUP_ROOT, "memory.max", "memory.peak"
        self.folder = parent / f"trilog-bounds-{os.getpid()}"
        self.folder.mkdir()
        (self.folder / self.limit_name).write_text(str(limit_bytes))

    def enter(self):
        """In the process that shall be limited."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def peak_bytes(self):
        return int((self.folder / self.peak_name).read_text())

    def times_reached(self):
        """How often memory had to be taken back because of the limit: threads wait meanwhile."""
        counters = self.folder / "memory.failcnt"
        if counters.exists():
            return int(counters.read_text())
        events = dict(line.split() for line in (self.folder / "memory.events").read_text().splitlines())
        return int(events["max"])

    def kills(self):
        """Processes that the kernel ended because of the limit."""
        for name in ("memory.oom_control", "memory.events"):
            path = self.folder / name
            if path.exists():
                for line in path.read_text().splitlines():
                    if line.startswith("oom_kill "):
                        return int(line.split()[1])
        return 0

    def remove(self):
        for _ in range(50):
            try:
                self.folder.rmdir()
                return
            except OSError:
                time.sleep(0.1)  # a process that was killed is still leaving


class Cluster(systems.Trilog):
    """With more of its settings; `settings` are lines of the file."""

    def __init__(self, folder, load, binary, settings=(), limit_bytes=None, has_wal_disks=False):
        super().__init__(folder, load, binary)
        self.more_settings = list(settings)
        self.has_wal_disks = has_wal_disks
        self.wal_disks = []
        self.limit = MemoryLimit(limit_bytes) if limit_bytes else None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.stop()
        if self.limit:
            self.limit.remove()

    def load(self, mode, **options):
        if mode == "up":
            self.check_started()
        return super().load(mode, **options)

    def check_started(self, patience_s=0.5):
        """Settings that a node refuses should not cost the minutes of waiting for it."""
        time.sleep(patience_s)
        for i in systems.NODES:
            if self.processes[i] is not None and not self.is_running(i):
                log = (self.folder / f"{systems.SITES[i]}.log").read_text()
                raise RuntimeError(f"a node did not start: {log.strip().splitlines()[-1:]}")

    def prepare(self):
        super().prepare()
        for i in systems.NODES:
            with open(self.folder / f"{systems.SITES[i]}.yaml", "a") as file:
                file.write("".join(f"{line}\n" for line in self.more_settings))
                if self.has_wal_disks:
                    self.wal_disks.append(WalDisk(self.folder / f"{systems.SITES[i]}-wal"))
                    file.write(f"wal_directory: {self.wal_disks[-1].folder}\n")

    def stop(self):
        for i in systems.NODES:
            self.kill_node(i)
        while self.wal_disks:
            self.wal_disks.pop().remove()
        super().stop()

    def begin_node(self):
        super().begin_node()
        if self.limit:
            self.limit.enter()

    def pair(self, i):
        """A node's address for a socket."""
        return systems.HOSTS[i], self.ports[i]

    def pairs(self):
        return [self.pair(i) for i in systems.NODES]

    def is_running(self, i):
        return self.processes[i] is not None and self.processes[i].poll() is None

    def anonymous_bytes(self, i):
        """What the process holds itself: not the files that it has mapped."""
        for line in pathlib.Path(f"/proc/{self.processes[i].pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        return 0

    def holders(self):
        """For a Watch."""
        return [functools.partial(self.anonymous_bytes, i) for i in systems.NODES]

    def open_files(self, i):
        return len(os.listdir(f"/proc/{self.processes[i].pid}/fd"))

    def topic(self, name, partitions, configs=()):
        wire.create_topic(self.pair(0), name, partitions, configs)
        self.wait_for_topic(name, partitions)

    def wait_for_topic(self, name, partitions, in_sync=3, patience_s=120):
        """Until every partition has a leader and so many replicas in sync."""
        since = time.monotonic()
        while True:
            _, topics = wire.ask_metadata(self.pair(0), [name])
            ready = sum(p.leader >= 0 and p.in_sync_count >= in_sync for p in topics[name])
            if ready == partitions:
                return time.monotonic() - since
            if time.monotonic() - since > patience_s:
                raise RuntimeError(f"{name}: {ready} of {partitions} partitions are there")
            time.sleep(0.02)


class Watch:
    """The most that each process held while something ran. `holders` say what it holds now."""

    def __init__(self, holders, interval_s=0.1):
        self.holders, self.interval_s = holders, interval_s
        self.peaks = [0] * len(holders)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        self._thread.join()

    def _look(self):
        while not self._is_over.wait(self.interval_s):
            for i, held_bytes in enumerate(self.holders):
                try:
                    self.peaks[i] = max(self.peaks[i], held_bytes())
                except (OSError, AttributeError):
                    pass  # it has ended

    def most_bytes(self):
        return max(self.peaks)
