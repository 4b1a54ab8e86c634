"""Running a command inside a lab: `chaos/lab exec`.

The command becomes a process of the lab: of its PID namespace, so that it ends with the lab, of
its mounts, and of one network namespace. Only a child can be of another PID namespace, so this
process stays as its parent: it passes signals on and ends as the command does.
"""
import os
import select
import signal

from . import control, linux
from .network import NAMESPACE_FOLDER

_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1,
              signal.SIGUSR2, signal.SIGWINCH)
_SI_KERNEL = 0x80


def run(lab: str, namespace: str | None, argv: list[str]) -> None:
    """Does not return. `namespace`: None in a lab without namespaces, where the command runs
    beside the nodes and ends with the keeper."""
    with control.connect(lab) as connection:
        keeper = os.pidfd_open(control.keeper_pid(connection))
    if namespace is not None:
        _enter(keeper, namespace)
    signal.pthread_sigmask(signal.SIG_BLOCK, {*_PASSED_ON, signal.SIGCHLD})
    pid = os.fork()
    if pid == 0:
        _become(argv)
    _end_as(_wait(pid, keeper))


def _enter(keeper: int, namespace: str) -> None:
    here = os.getcwd()
    linux.enter_namespace(keeper, linux.CLONE_NEWPID | linux.CLONE_NEWNS)
    network = os.open(os.path.join(NAMESPACE_FOLDER, namespace), os.O_RDONLY)
    linux.enter_namespace(network, linux.CLONE_NEWNET)
    os.close(network)
    os.chdir(here)


def _become(argv: list[str]) -> None:
    try:
        linux.end_with_parent()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.execvp(argv[0], argv)
    except OSError as error:
        os.write(2, f"lab: {argv[0]}: {error.strerror}\n".encode())
    finally:
        os._exit(127)


def _wait(pid: int, keeper: int) -> int:
    """Its wait status. Signals of a terminal reach it by themselves; those that were sent to this
    process only are passed on."""
    child = os.pidfd_open(pid)
    wakeful = {*_PASSED_ON, signal.SIGCHLD}
    while True:
        info = signal.sigtimedwait(wakeful, 0.5)
        if info is not None and info.si_signo != signal.SIGCHLD and info.si_code != _SI_KERNEL:
            signal.pidfd_send_signal(child, info.si_signo)
        if select.select([keeper], [], [], 0)[0]:
            signal.pidfd_send_signal(child, signal.SIGKILL)
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return status


def _end_as(status: int) -> None:
    """Exits as the command did; if a signal ended it, this process ends by the same."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.kill(os.getpid(), number)
    os._exit(os.waitstatus_to_exitcode(status) & 0xff)
