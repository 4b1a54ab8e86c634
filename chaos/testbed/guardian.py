"""The process outside: starts the keeper, and clears up after it.

    chaos/lab up ──▶ guardian ──▶ keeper (first process of its PID namespace) ──▶ nodes, wand, …

When the keeper ends, by whatever means, the kernel ends every process of its PID namespace, and
with them the namespaces and mounts. Only the folder is left, and the guardian removes it. When
it is the guardian that dies, the keeper sees a pipe close, ends, and removes the folder itself.
Without namespaces the nodes die with the keeper since they asked the kernel for it.

Its standard input is a socket to whoever wants the lab: options come in as a line of JSON, and when
the lab is up or could not be, an answer goes out. Should the other end go away before, the lab
is not wanted any more. The guardian's end stays open until it ends: whoever was refused can wait
until everything is cleared up.
"""
import os
import signal
import socket
import sys

from . import control, folder, keeper, linux
from .shape import Refused


def main() -> None:
    if os.fork() != 0:
        os._exit(0)  # nobody's child: its end needs no waiting for
    starter = socket.socket(fileno=os.dup(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        options = control.receive(starter)
        if options is not None:
            _guard(options, starter)
    except (Refused, OSError) as error:
        _tell(starter, {"refused": str(error)})


def _tell(starter: socket.socket, answer: dict) -> None:
    try:
        control.send(starter, answer)
    except OSError:
        pass


def _guard(options: dict, starter: socket.socket) -> None:
    lab = options["lab"]
    claimed = folder.claim(lab)
    try:
        owner = _open_owner(options["owner"])
        _write_to(os.path.join(lab, "keeper.log"))
        linux.adopt_orphans()
        _wait_for(_start_keeper(options, starter, owner, claimed))
    finally:
        folder.remove(lab, claimed)


def _open_owner(pid: int | None) -> int | None:
    try:
        return None if pid is None else os.pidfd_open(pid)
    except ProcessLookupError as error:
        raise Refused(f"there is no process {pid} to own the lab") from error


def _start_keeper(options: dict, starter: socket.socket, owner: int | None, claimed: int) -> int:
    """The pipe's other end stays open in this process as long as it lives."""
    if not options["loopback"]:
        linux.unshare(linux.CLONE_NEWPID)
    life, own_life = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        os.close(own_life)
        keeper.run(options, keeper.Surroundings(starter, owner, life, claimed))
    os.close(life)
    return pid


def _write_to(path: str) -> None:
    """Whatever goes wrong from here on is to be read there."""
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    nothing = os.open("/dev/null", os.O_RDONLY)
    for fd, wanted in ((0, nothing), (1, log), (2, log)):
        os.dup2(wanted, fd)
    os.close(log)
    os.close(nothing)
    os.chdir("/")


def _wait_for(pid: int) -> None:
    """The keeper, and then the orphans of a lab without a PID namespace."""
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGTERM))
    linux.set_name("lab-guardian")
    os.waitpid(pid, 0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


if __name__ == "__main__":
    main()
    sys.exit(0)
