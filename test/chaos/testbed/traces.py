"""What a lab has on the machine, and whether it is gone: processes, namespaces, mounts, folder."""
import os
import time

GONE_SECONDS_MAX = 15


def processes():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def text_of(path):
    """A file of /proc; its process may end meanwhile."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def processes_with(word):
    """Those that have it on their command line."""
    return [pid for pid in processes() if word.encode() in text_of(f"/proc/{pid}/cmdline")]


def processes_of(folder):
    """Those that have the lab's folder among their words or open files."""
    found = processes_with(folder)
    for pid in processes():
        if pid in found:
            continue
        try:
            links = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
        if any(link.startswith(folder) for link in links):
            found.append(pid)
    return found


def namespaces_of(pids):
    """Network namespaces and mount namespaces, but our own."""
    kinds = ("net", "mnt", "pid")
    own = {os.readlink(f"/proc/self/ns/{kind}") for kind in kinds}
    found = set()
    for pid in pids:
        for kind in kinds:
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                pass
    return found - own


def mounted():
    """Everything that is mounted, as any process sees it."""
    return b"".join({text_of(f"/proc/{pid}/mountinfo") for pid in processes()})


class Traces:
    """What a lab has on the machine, to be looked for when it should be gone."""

    def __init__(self, folder):
        self.folder = folder
        self.pids = processes_of(folder)
        self.namespaces = namespaces_of(self.pids)
        assert len(self.pids) >= 4, "guardian, keeper, nodes"
        assert len(self.namespaces) >= 4, "a network each, mounts, processes"
        assert b"/run/netns/node-1" in mounted()

    def left(self):
        return {"processes": processes_of(self.folder),
                "namespaces": self.namespaces & namespaces_of(processes()),
                "mounts": [line for line in mounted().splitlines() if self.folder.encode() in line],
                "folder": [name for name in [self.folder] if os.path.exists(name)]}

    def assert_gone(self):
        give_up_at = time.monotonic() + GONE_SECONDS_MAX
        while any(self.left().values()):
            assert time.monotonic() < give_up_at, self.left()
            time.sleep(0.01)
