"""Talking to chaos/wand, the program that holds packets of a router for a while.

One process per router, started when a link of it is delayed for the first time. Its control socket
takes a line and answers with lines, of which the last is `ok` or `error WHY`.
"""
import os
import signal
import socket
import time

from .processes import Child, Processes
from .shape import Refused

START_SECONDS_MAX = 5
ANSWER_SECONDS_MAX = 2
ANSWER_BYTES_MAX = 65_536


class Wand:
    def __init__(self, processes: Processes, program: str, control: str, network: int,
                 queues: dict[int, str]):
        self._control = control
        argv = [program, "--control", control]
        for number, name in queues.items():
            argv += ["--queue", f"{number}={name}"]
        log = os.open(f"{control}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self.child: Child = processes.start(argv, network, output=log)
        finally:
            os.close(log)
        self._wait_until_it_answers(processes)

    def _wait_until_it_answers(self, processes: Processes) -> None:
        give_up_at = time.monotonic() + START_SECONDS_MAX
        while True:
            try:
                self.ask("show")
                return
            except OSError as error:
                processes.reap()
                if self.child.status is not None or time.monotonic() > give_up_at:
                    self.child.signal(signal.SIGKILL)
                    raise Refused(f"wand did not start, see {self._control}.log") from error
                time.sleep(0.002)

    def ask(self, line: str) -> list[str]:
        """The answer's lines. Raises Refused when wand does, OSError when it can't be reached."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(ANSWER_SECONDS_MAX)
            connect_unix(connection, self._control)
            connection.sendall(line.encode() + b"\n")
            lines = _read_answer(connection)
        if lines[-1].startswith("error"):
            raise Refused(f"wand: {lines[-1].removeprefix('error').strip()}")
        return lines[:-1]

    def dropped(self) -> dict[str, int]:
        """Packets that found its queues full, by the name of the link."""
        counts = {}
        for line in self.ask("show"):
            name, *fields = line.split()
            counts[name] = sum(int(field.removeprefix("dropped=")) for field in fields
                               if field.startswith("dropped="))
        return counts

    def set(self, name: str, delay_us: int, jitter_us: int) -> None:
        try:
            self.ask(f"set {name} delay_us={delay_us} jitter_us={jitter_us}")
        except OSError as error:
            raise Refused(f"wand does not answer ({error}), see {self._control}.log") from error


def _read_answer(connection: socket.socket) -> list[str]:
    received = b""
    while len(received) < ANSWER_BYTES_MAX:
        piece = connection.recv(4096)
        if not piece:
            break
        received += piece
        lines = received.decode(errors="replace").split("\n")
        if received.endswith(b"\n") and (lines[-2] == "ok" or lines[-2].startswith("error")):
            return lines[:-1]
    raise OSError("the answer has no end")


def connect_unix(connection: socket.socket, path: str) -> None:
    """A socket's address holds 107 bytes only; a long path is taken through its open folder."""
    folder = os.open(os.path.dirname(path), os.O_PATH | os.O_DIRECTORY)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{os.path.basename(path)}")
    finally:
        os.close(folder)
