"""The folder of a lab: one owner at a time, and removed in the end.

The owner holds a lock on the folder itself, through an open file that guardian and keeper share.
The lock is free when both are dead, however they died: what is then left belongs to nobody, and
the next lab, of whatever name, clears it away. A folder is known for a lab's by a file in it: no
other is ever emptied or removed.
"""
import fcntl
import os
import shutil
import stat
import time

from . import linux
from .shape import Refused

MARK = "this-is-a-lab"
TRIES_MAX = 100
# Between making a folder and locking it, it looks abandoned.
ABANDONED_SECONDS_MIN = 10


def default_base_name() -> str:
    return f"trilog-lab-{os.getuid()}"


def claim(path: str) -> int:
    """Makes the folder, or takes it from a dead lab; returns the open, locked folder."""
    _make_base(os.path.dirname(path))
    _clear_abandoned(os.path.dirname(path))
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
            open(os.path.join(path, MARK), "x", encoding="ascii").close()
            return fd
        os.close(fd)
    raise Refused(f"{path} comes and goes")


def _clear_abandoned(base: str) -> None:
    """Folders of labs whose guardian and keeper were killed together."""
    for entry in os.scandir(base):
        try:
            if (entry.is_dir(follow_symlinks=False) and _is_a_labs(entry.path)
                    and time.time() - entry.stat().st_mtime > ABANDONED_SECONDS_MIN):
                _clear_if_free(entry.path)
        except OSError:
            continue  # it goes away by itself


def _clear_if_free(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path)
    finally:
        os.close(fd)


def _is_a_labs(path: str) -> bool:
    return os.path.exists(os.path.join(path, MARK))


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
    """The mark goes last: cut short, the folder is still known for what it is."""
    if os.listdir(path) and not _is_a_labs(path):
        raise Refused(f"{path} is there, and is no lab's: choose another --name or --folder")
    for entry in os.scandir(path):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path)
        elif entry.name != MARK:
            os.unlink(entry.path)
    if _is_a_labs(path):
        os.unlink(os.path.join(path, MARK))


def unmount_all(path: str) -> None:
    """File systems of nodes, so that removing the folder does not reach into them. One whose
    program has died answers nothing, not even whether it is one: so each folder is tried."""
    for name in os.listdir(path):
        try:
            linux.unmount(os.path.join(path, name))
        except OSError:
            pass


def remove(path: str, fd: int) -> None:
    """Gone, with the folder of all labs when it is empty, unless that is one of the user's own
    choice. Nothing happens when somebody else was quicker."""
    base = os.path.dirname(path)
    try:
        if os.path.samestat(os.fstat(fd), os.stat(path)):
            shutil.rmtree(path)
    except OSError:
        pass
    try:
        if os.path.basename(base) == default_base_name():
            os.rmdir(base)
    except OSError:
        pass  # other labs are in it
