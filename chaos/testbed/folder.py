"""The folder of a lab: one owner at a time, and removed in the end.

The owner holds a lock on the folder itself, through an open file that guardian and keeper share.
The lock is free when both are dead, however they died: what is then left belongs to nobody, and
the next lab of that name clears it away.
"""
import fcntl
import os
import shutil
import stat

from . import linux
from .shape import Refused

TRIES_MAX = 100


def claim(path: str) -> int:
    """Makes the folder, or takes it from a dead lab; returns the open, locked folder."""
    _make_base(os.path.dirname(path))
    for _ in range(TRIES_MAX):
        try:
            os.mkdir(path, 0o700)
        except FileExistsError:
            pass
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if _lock(fd, path):
            _empty(path)
            return fd
        os.close(fd)
    raise Refused(f"{path} comes and goes")


def _make_base(base: str) -> None:
    os.makedirs(base, 0o700, exist_ok=True)
    status = os.lstat(base)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise Refused(f"{base} is not a folder of yours: choose another with --folder")


def _lock(fd: int, path: str) -> bool:
    """False when the folder was removed while we came."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Refused(f"a lab {os.path.basename(path)!r} is up already: chaos/lab down ends it, "
                      "or --name gives another name") from error
    try:
        return os.path.samestat(os.fstat(fd), os.stat(path))
    except FileNotFoundError:
        return False


def _empty(path: str) -> None:
    for entry in os.scandir(path):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        else:
            os.unlink(entry.path)


def unmount_all(path: str) -> None:
    """File systems of nodes, so that removing the folder does not reach into them. One whose
    program has died answers nothing, not even whether it is one: so each folder is tried."""
    for name in os.listdir(path):
        try:
            linux.unmount(os.path.join(path, name))
        except OSError:
            pass


def remove(path: str, fd: int) -> None:
    """Gone, with its parent when that is empty; nothing happens when somebody else did it."""
    try:
        if os.path.samestat(os.fstat(fd), os.stat(path)):
            shutil.rmtree(path)
        os.rmdir(os.path.dirname(path))
    except OSError:
        return
