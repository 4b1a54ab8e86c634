"""The life of a process of the lab: start, end, pause. Nodes and routers are such.

Each has a settings file and a log that later lives append to.
"""
import os
import signal

from .processes import Child, Processes
from .shape import Refused

LOG_TAIL_BYTES = 2_000


class Life:
    """`what`: how messages call it, as "node 3". `argv`: what is started."""

    def __init__(self, what: str, argv: list[str], log_path: str, processes: Processes,
                 network: int | None):
        self.what = what
        self.log_path = log_path
        self._argv = argv
        self._processes = processes
        self._network = network
        self._child: Child | None = None
        self._is_paused = False
        self._start_count = 0

    def _environment(self) -> dict[str, str]:
        return {}

    @property
    def state(self) -> str:
        if self._child is None:
            return "not started"
        if self._child.status is not None:
            return "ended"
        return "paused" if self._is_paused else "running"

    @property
    def is_alive(self) -> bool:
        return self._child is not None and self._child.status is None

    def start(self) -> None:
        """Nothing happens when it is alive."""
        if self.is_alive:
            return
        log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._child = self._processes.start(self._argv, self._network, self._environment(),
                                                output=log)
        finally:
            os.close(log)
        self._is_paused = False
        self._start_count += 1

    def signal(self, number: int) -> None:
        """SIGSTOP and SIGCONT are remembered as a pause and its end."""
        if not self.is_alive:
            raise Refused(f"{self.what} is not alive")
        self._child.signal(number)
        if number in (signal.SIGSTOP, signal.SIGCONT):
            self._is_paused = number == signal.SIGSTOP

    def describe(self) -> dict:
        return {"state": self.state, "pid": self._child.host_pid if self.is_alive else None,
                "exit_status": self._child.status if self._child else None,
                "starts": self._start_count, "log_path": self.log_path}


def last_line(path: str) -> str:
    """What a log says last, for a message to the user."""
    try:
        with open(path, "rb") as file:
            file.seek(max(os.path.getsize(path) - LOG_TAIL_BYTES, 0))
            lines = file.read().decode(errors="replace").split("\n")
    except OSError as error:
        return str(error)
    return next((line for line in reversed(lines) if line.strip()), "its log is empty")
