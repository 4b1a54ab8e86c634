"""The few system calls that Python has no name for.

Namespaces, mounts and what a process wants to happen when its parent dies. Each function raises
OSError as its relatives in `os` do. Most of them act on the calling thread, so whoever uses them
runs one thread only.
"""
import ctypes
import os
import select
import signal

CLONE_NEWNS = 0x00020000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REC = 0x4000
MS_SLAVE = 1 << 19
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
_PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), what)


def unshare(flags: int) -> None:
    """New namespaces for this process; of a PID namespace, its next child is the first process."""
    _checked(_libc.unshare(flags), "unshare")


def enter_namespace(fd: int, kind: int) -> None:
    """`fd`: a namespace's file, or a pidfd whose process' namespaces of these kinds are entered."""
    _checked(_libc.setns(fd, kind), "setns")


def mount(source: str, target: str, kind: str | None, flags: int, options: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode() if kind else None,
                         ctypes.c_ulong(flags), options.encode())
    _checked(result, target)


def unmount(target: str) -> None:
    """Out of sight now, gone when its last user is."""
    _checked(_libc.umount2(target.encode(), MNT_DETACH), target)


def end_with_parent() -> None:
    """The kernel kills this process when the thread that forked it ends."""
    _checked(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl")


def adopt_orphans() -> None:
    """Grandchildren whose parent ends become children of this process."""
    _checked(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl")


def can_separate() -> bool:
    """May this process have namespaces of its own? Root may, but not in every container."""
    pid = os.fork()
    if pid == 0:
        try:
            unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET)
            os._exit(0)
        except OSError:
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def has_ended(pidfd: int, seconds_max: float) -> bool:
    """Waits for the process. Not with select(), which fails in programs with many open files."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(seconds_max * 1000))


def set_name(name: str) -> None:
    """What `ps -o comm` shows; the kernel keeps 15 bytes."""
    _checked(_libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0), "prctl")
