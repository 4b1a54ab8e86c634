"""The process that is the lab.

It is the first process of its PID namespace and the only user of its mount namespace: when it
dies, the kernel ends all that it started and takes away all that it mounted. It makes the network,
starts the nodes, and then serves requests (requests.py) until it is told to end, or its owner or
its guardian is gone.

One thread, one loop. What takes long is either waited for in the loop (a node's end) or done by a
child of its own, to which the connection is given (asking nodes what they see).
"""
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from dataclasses import dataclass

from . import control, folder, formation, linux
from .building import Lab
from .requests import Later, answer
from .shape import Refused

CONNECTIONS_MAX = 256
REQUEST_SECONDS_MAX = 10


@dataclass
class Surroundings:
    """What the keeper inherits from its guardian."""
    starter: socket.socket      # whoever wants the lab; its end of the line is closed if it dies
    owner: int | None           # pidfd: the lab ends when this process does
    guardian: int               # a pipe that closes when the guardian dies
    claimed: int                # the lab's open, locked folder


def run(options: dict, around: Surroundings) -> None:
    """Does not return."""
    status = 1
    try:
        Keeper(options, around).live()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


class Keeper:
    def __init__(self, options: dict, around: Surroundings):
        self._options = options
        self._around = around
        self._lab: Lab | None = None
        self._selector = selectors.DefaultSelector()
        self._waiting: list[tuple[socket.socket, Later]] = []
        self._connections: dict[socket.socket, tuple[bytes, float]] = {}
        self._is_ending = False

    def live(self) -> None:
        linux.set_name("lab-keeper")
        self._watch()
        try:
            self._come_up()
            while not self._is_ending:
                self._turn(self._seconds_to_wait())
        finally:
            self._end()

    # ---- coming up -------------------------------------------------------------------------

    def _watch(self) -> None:
        """Signals and deaths become events of the loop."""
        told, tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        signal.set_wakeup_fd(tell, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._be_ended)
        self._selector.register(told, selectors.EVENT_READ, lambda: os.read(told, 4096))
        self._selector.register(self._around.guardian, selectors.EVENT_READ, self._be_ended)
        self._selector.register(self._around.starter, selectors.EVENT_READ, self._be_ended)
        if self._around.owner is not None:
            self._selector.register(self._around.owner, selectors.EVENT_READ, self._be_ended)

    def _be_ended(self, *_) -> None:
        self._is_ending = True

    def _come_up(self) -> None:
        starter = self._around.starter
        try:
            self._lab = Lab(self._options)
            self._lab.build()
            self._wait_until_formed()
            self._listen()
            result = {"result": self._lab.describe()}
        except (Refused, OSError) as error:
            result = {"refused": str(error)}
            self._is_ending = True
        self._selector.unregister(starter)
        _reply(starter, result)

    def _wait_until_formed(self) -> None:
        """Meanwhile the loop turns, so that a starter that goes away is noticed."""
        seconds = self._options["wait_seconds"]
        give_up_at = time.monotonic() + seconds
        while seconds and not self._is_ending:
            missing = formation.first_missing(self._lab)
            if missing is None:
                return
            if time.monotonic() > give_up_at:
                raise Refused(f"the cluster has not formed in {seconds:g} s: {missing}")
            self._turn(formation.PAUSE_SECONDS)
            self._lab.refuse_if_one_ended()

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.bind(f"/proc/self/fd/{self._around.claimed}/control")
        listener.listen(64)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, lambda: self._accept(listener))

    # ---- the loop --------------------------------------------------------------------------

    def _turn(self, seconds: float | None) -> None:
        for key, _ in self._selector.select(seconds):
            key.data()
        if self._lab is not None:
            self._lab.processes.reap()
        self._answer_waiting()
        self._drop_slow()

    def _seconds_to_wait(self) -> float | None:
        deadlines = [later.give_up_at for _, later in self._waiting]
        deadlines += [give_up_at for _, give_up_at in self._connections.values()]
        return max(min(deadlines) - time.monotonic(), 0) if deadlines else None

    def _accept(self, listener: socket.socket) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if len(self._connections) + len(self._waiting) >= CONNECTIONS_MAX:
            connection.close()
            return
        connection.setblocking(False)
        self._connections[connection] = (b"", time.monotonic() + REQUEST_SECONDS_MAX)
        self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(connection))

    def _read(self, connection: socket.socket) -> None:
        data, give_up_at = self._connections[connection]
        try:
            piece = connection.recv(65_536)
        except OSError:
            piece = b""
        data += piece
        if not piece or len(data) > control.LINE_BYTES_MAX:
            self._forget(connection).close()
        elif data.endswith(b"\n"):
            self._serve(self._forget(connection), data)
        else:
            self._connections[connection] = (data, give_up_at)

    def _forget(self, connection: socket.socket) -> socket.socket:
        self._selector.unregister(connection)
        del self._connections[connection]
        connection.setblocking(True)
        connection.settimeout(control.ANSWER_SECONDS)
        return connection

    def _serve(self, connection: socket.socket, line: bytes) -> None:
        given = answer(self._lab, line)
        if isinstance(given, Later):
            self._waiting.append((connection, given))
        elif given.by_child is not None:
            self._lab.processes.fork(lambda: _reply(connection, given.by_child()))
            connection.close()
        else:
            _reply(connection, given.message)
            self._is_ending = self._is_ending or given.is_last

    def _answer_waiting(self) -> None:
        still = []
        for connection, later in self._waiting:
            message = later.message()
            if message is None:
                still.append((connection, later))
            else:
                _reply(connection, message)
        self._waiting = still

    def _drop_slow(self) -> None:
        """Whoever connects and does not ask."""
        now = time.monotonic()
        for connection in [c for c, (_, give_up_at) in self._connections.items()
                           if give_up_at < now]:
            self._forget(connection).close()

    # ---- the end ---------------------------------------------------------------------------

    def _end(self) -> None:
        """In order where that is possible; cut short, kernel and guardian do the rest."""
        if self._lab is not None:
            self._lab.end()
        folder.remove(self._options["lab"], self._around.claimed)


def _reply(connection: socket.socket, message: dict) -> None:
    """One who does not listen any more gets none."""
    try:
        control.send(connection, message)
    except OSError:
        pass
    connection.close()
