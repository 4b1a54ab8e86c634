"""Each fault of faultfs, seen by a process that uses the mount. Needs /dev/fuse and root."""

import ctypes
import errno
import os
import random
import socket
import subprocess
import threading

import pytest

from faultfs_mount import PROGRAM, Refused, WAIT_S, write_synced

BLOCK = 4096
libc = ctypes.CDLL(None)


def error_of(call, *arguments):
    """The errno that a call fails with; None when it does not."""
    try:
        call(*arguments)
    except OSError as trouble:
        return trouble.errno
    return None


@pytest.fixture
def file(mount):
    """Two blocks that are synced, open for reading and writing."""
    path = mount.path / "file"
    write_synced(path, b"1" * BLOCK + b"2" * BLOCK)
    descriptor = os.open(path, os.O_RDWR)
    yield descriptor
    os.close(descriptor)


# ---- nothing is broken ----

def random_step(folder, chance, names):
    """One change below `folder`, the same for the same chance."""
    name, other = (folder / chance.choice(names) for _ in range(2))
    kind = chance.randrange(8)
    size, offset = chance.randrange(1, 200_000), chance.randrange(300_000)
    content = chance.randbytes(size)
    if kind < 3:
        descriptor = os.open(name, os.O_RDWR | os.O_CREAT, 0o640)
        os.pwrite(descriptor, content, offset)
        if kind == 0:
            os.fsync(descriptor)
        os.close(descriptor)
    elif kind == 3:
        name.write_bytes(content)
    elif name.exists():
        if kind == 4:
            os.truncate(name, offset)
        elif kind == 5:
            os.rename(name, other)
        elif kind == 6:
            name.unlink()
        elif not other.exists():
            os.link(name, other)


def tree_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*"))}


def test_while_nothing_is_broken_it_is_a_folder_like_any_other(mount, tmp_path):
    plain = tmp_path / "plain"
    names = ["a", "b", "c", "below/d", "below/e"]
    for folder in (plain, mount.path):
        (folder / "below").mkdir(parents=True)
        chance = random.Random(4)
        for _ in range(400):
            random_step(folder, chance, names)
    assert tree_of(mount.path) == tree_of(plain)
    assert mount.end() == 0
    assert not os.path.ismount(mount.path)
    assert tree_of(mount.backing) == tree_of(plain)


def test_files_have_the_mode_links_and_times_they_were_given(mount):
    path = mount.path / "file"
    path.write_bytes(b"x")
    path.chmod(0o604)
    os.utime(path, (1, 2))
    os.link(path, mount.path / "second")
    (mount.path / "third").symlink_to("file")
    seen = path.stat()
    assert (seen.st_mode & 0o777, seen.st_nlink, seen.st_mtime) == (0o604, 2, 2)
    (mount.path / "second").unlink()
    assert path.stat().st_nlink == 1
    assert os.readlink(mount.path / "third") == "file"
    assert (mount.path / "third").read_bytes() == b"x"


def test_an_unlinked_file_lives_while_it_is_open(mount, file):
    os.unlink(mount.path / "file")
    assert os.pread(file, 1, BLOCK) == b"2"
    assert os.fstat(file).st_nlink == 0
    assert os.listdir(mount.path) == []


def test_folders_are_made_listed_and_removed(mount):
    (mount.path / "a" / "b").mkdir(parents=True)
    for number in range(500):
        (mount.path / "a" / f"file-{number}").touch()
    assert len(os.listdir(mount.path / "a")) == 501
    assert error_of(os.rmdir, mount.path / "a") == errno.ENOTEMPTY
    assert error_of(os.rename, mount.path / "a", mount.path / "a" / "b" / "c") == errno.EINVAL
    (mount.path / "empty").mkdir()
    os.rename(mount.path / "a" / "b", mount.path / "empty")
    assert error_of(os.rename, mount.path / "empty", mount.path / "a") == errno.ENOTEMPTY
    assert sorted(os.listdir(mount.path)) == ["a", "empty"]


def test_space_is_set_aside_and_holes_are_punched(mount, file):
    os.posix_fallocate(file, 0, 5 * BLOCK)
    assert os.fstat(file).st_size == 5 * BLOCK
    keep_size_punch_hole = 1 | 2
    assert libc.fallocate(file, keep_size_punch_hole, ctypes.c_long(0), ctypes.c_long(100)) == 0
    assert os.pread(file, 102, 0) == bytes(100) + b"11"
    mount.lose_power()
    assert (mount.path / "file").read_bytes() == b"1" * BLOCK + b"2" * BLOCK


# ---- calls fail ----

def test_reads_fail_as_told_and_heal(mount, file):
    mount.ask("fail read path=fi* count=2 after=1")
    seen = [error_of(os.pread, file, 1, 0) for _ in range(4)]
    assert seen == [None, errno.EIO, errno.EIO, None]
    mount.ask("fail read errno=ETIMEDOUT")
    assert error_of(os.pread, file, 1, 0) == errno.ETIMEDOUT
    assert error_of(os.sendfile, os.open(os.devnull, os.O_WRONLY), file, 0, 1) == errno.ETIMEDOUT
    mount.ask("heal")
    assert os.pread(file, 1, 0) == b"1"


def test_writes_fail_and_leave_nothing(mount, file):
    mount.ask("fail write errno=ENOSPC path=file")
    assert error_of(os.pwrite, file, b"3", 0) == errno.ENOSPC
    assert error_of(os.ftruncate, file, 0) == errno.ENOSPC
    (mount.path / "other").write_bytes(b"x")
    mount.ask("heal")
    assert os.pread(file, 2 * BLOCK, 0) == b"1" * BLOCK + b"2" * BLOCK


def test_after_a_failed_fsync_the_next_succeeds_and_data_is_missing(mount, file):
    os.pwrite(file, b"3" * 2 * BLOCK, 0)
    mount.ask("fail fsync count=1")
    assert error_of(os.fsync, file) == errno.EIO
    assert error_of(os.fsync, file) is None
    left = os.pread(file, 2 * BLOCK, 0)
    sectors = {left[at:at + 512] for at in range(0, 2 * BLOCK, 512)}
    assert sectors <= {b"1" * 512, b"2" * 512, b"3" * 512}
    assert left != b"3" * 2 * BLOCK
    mount.lose_power("keep=all")
    assert (mount.path / "file").read_bytes() == left


def test_fsync_of_a_folder_fails_too(mount):
    descriptor = os.open(mount.path, os.O_RDONLY)
    mount.ask("fail fsync path=.")
    assert error_of(os.fsync, descriptor) == errno.EIO
    os.close(descriptor)


def test_a_slow_call_lets_all_others_pass_and_ends_when_healed(mount, file):
    mount.ask("slow fsync ms=600000 path=file")
    ended = threading.Event()
    sleepers = [threading.Thread(target=lambda: (os.fsync(file), ended.set()), daemon=True)]
    for sleeper in sleepers:
        sleeper.start()
    while mount.status("slowed") == "0":
        pass
    write_synced(mount.path / "other", b"x" * 100_000)
    assert os.pread(file, 1, 0) == b"1"
    assert not ended.is_set()
    mount.ask("heal")
    assert ended.wait(WAIT_S)
    for sleeper in sleepers:
        sleeper.join(WAIT_S)


def test_a_slow_call_takes_at_least_as_long_as_told(mount, file):
    mount.ask("slow read ms=50 jitter_ms=10 count=1")
    started = os.times().elapsed
    os.pread(file, 1, 0)
    assert os.times().elapsed - started >= 0.04  # the clock of times() has steps of 10 ms
    assert mount.status("slowed") == "1"


# ---- space ----

def test_a_full_disk_says_so_cuts_writes_short_and_takes_back_room(mount, file):
    mount.ask("full free_bytes=5000")
    assert os.statvfs(mount.path).f_bavail * os.statvfs(mount.path).f_frsize == BLOCK
    assert os.pwrite(file, b"3" * BLOCK, 0) == BLOCK  # no new room is needed
    assert os.pwrite(file, b"4" * 10_000, 2 * BLOCK) == 5000
    assert error_of(os.pwrite, file, b"4", 2 * BLOCK + 5000) == errno.ENOSPC
    assert error_of(os.posix_fallocate, file, 0, 100_000) == errno.ENOSPC
    assert os.statvfs(mount.path).f_bavail == 0
    os.ftruncate(file, 2 * BLOCK)
    assert os.pwrite(file, b"5" * 100, 2 * BLOCK) == 100
    mount.ask("full")
    (mount.path / "other").touch()
    assert error_of((mount.path / "other").write_bytes, b"x") == errno.ENOSPC
    os.unlink(mount.path / "file")
    (mount.path / "other").write_bytes(b"x" * 8000)
    mount.ask("heal")
    (mount.path / "other").write_bytes(b"x" * 1_000_000)


# ---- the disk lies ----

def test_a_lost_write_is_acknowledged_and_never_made(mount, file):
    mount.ask("lose write count=2")
    assert os.pwrite(file, b"3" * BLOCK, 0) == BLOCK
    assert os.pwrite(file, b"3" * BLOCK, 2 * BLOCK) == BLOCK
    assert os.pread(file, 4 * BLOCK, 0) == b"1" * BLOCK + b"2" * BLOCK + bytes(BLOCK)


def test_a_lost_fsync_syncs_nothing(mount, file):
    mount.ask("lose fsync count=1")
    os.pwrite(file, b"3" * BLOCK, 0)
    os.fsync(file)
    mount.lose_power()
    assert (mount.path / "file").read_bytes() == b"1" * BLOCK + b"2" * BLOCK


def test_a_misdirected_write_lands_in_some_block(mount, file):
    mount.ask("misdirect write")
    for number in range(3, 9):
        os.pwrite(file, str(number).encode() * BLOCK, 0)
    left = os.pread(file, 3 * BLOCK, 0)
    assert len(left) == 2 * BLOCK
    assert left[BLOCK:] != b"2" * BLOCK
    assert mount.status("misdirected") == "6"


# ---- damage at rest ----

def test_a_flipped_bit_is_seen_by_the_next_read_and_sendfile(mount, file):
    before = os.pread(file, 2 * BLOCK, 0)
    answer = mount.ask("flip path=file count=3")
    expected = bytearray(before)
    for offset, bit in zip(answer["offset"], answer["bit"]):
        expected[int(offset)] ^= 1 << int(bit)
    assert answer["file"] == ["file"] * 3
    assert bytes(expected) != before
    assert os.pread(file, 2 * BLOCK, 0) == expected
    source, sink = os.pipe()
    assert os.sendfile(sink, file, 0, 2 * BLOCK) == 2 * BLOCK
    assert os.read(source, 2 * BLOCK) == expected
    os.close(source)
    os.close(sink)


def test_damage_can_be_aimed(mount, file):
    answer = mount.ask("flip path=file offset=4100")
    assert answer["offset"] == ["4100"]
    assert os.pread(file, 1, 4100) == bytes([ord("2") ^ 1 << int(answer["bit"][0])])
    with pytest.raises(Refused, match="ends before"):
        mount.ask("flip path=file offset=8192")
    with pytest.raises(Refused, match="no file matches"):
        mount.ask("flip path=other")


def test_a_stale_block_shows_what_it_held_before_its_last_write(mount, file):
    os.pwrite(file, b"3" * BLOCK, 0)
    assert mount.ask("stale path=file offset=10")["content"] == ["unsynced"]
    assert os.pread(file, BLOCK, 0) == b"1" * BLOCK
    os.pwrite(file, b"4" * 600, BLOCK)
    os.fsync(file)
    assert mount.ask("stale path=file offset=5000")["content"] == ["older"]
    assert os.pread(file, BLOCK, BLOCK) == b"2" * BLOCK
    write_synced(mount.path / "new", b"5" * 5000)
    assert mount.ask("stale path=new offset=0")["content"] == ["zeroes"]
    assert (mount.path / "new").read_bytes() == bytes(BLOCK) + b"5" * (5000 - BLOCK)


def test_healing_leaves_damage_at_rest(mount, file):
    answer = mount.ask("flip path=file")
    mount.ask("heal")
    offset = int(answer["offset"][0])
    assert os.pread(file, 1, offset) != (b"1" if offset < BLOCK else b"2")


# ---- the program itself ----

def test_status_says_what_is_in_force_and_what_is_unsynced(mount, file):
    os.pwrite(file, b"3" * 513, 0)
    mount.ask("fail write path=nothing*")
    mount.ask("slow fsync ms=200 count=3")
    mount.ask("full free_bytes=1000000")
    status = mount.ask("status")
    assert status["fault"] == ["fail write errno=EIO path=nothing* after=0",
                               "slow fsync ms=200 jitter_ms=0 path=* count=3 after=0"]
    assert status["unsynced_bytes"] == ["1024"]
    assert (status["full"], status["free_bytes"], status["power"]) == (["yes"], ["1000000"],
                                                                       ["on"])
    assert "fault" not in (mount.ask("heal"), mount.ask("status"))[1]


def test_what_is_no_command_is_refused_and_the_next_is_served(mount):
    for line in ("", "explode", "fail", "power-on", "x" * 3000):
        with pytest.raises(Refused):
            mount.ask(line)
    mount.send("status\nstatus")
    assert mount.answer()["power"] == mount.answer()["power"] == ["on"]


def test_several_connections_are_served_and_a_line_too_long_ends_one(mount):
    mount.send("x" * 5000)
    with pytest.raises(Refused, match="too long"):
        mount.answer()
    with pytest.raises(ConnectionError):
        mount.answer()
    with socket.socket(socket.AF_UNIX) as other:
        other.settimeout(WAIT_S)
        other.connect(str(mount.control))
        other.sendall(b"status\n")
        assert other.recv(5) == b"ok po"


def test_what_it_cannot_do_it_says():
    def said(*words):
        ran = subprocess.run(words, capture_output=True, text=True, timeout=WAIT_S, check=False)
        assert ran.returncode != 0
        return ran.stderr
    assert "usage" in said(PROGRAM)
    assert "whole number" in said(PROGRAM, "a", "b", "--control", "c", "--seed", "x")
    assert "backing folder" in said(PROGRAM, "/nonexistent/a", "/mnt", "--control", "/tmp/c")
    if os.geteuid() == 0:
        without_fuse = 'mount -t tmpfs none /dev && exec "$0" / /mnt --control /nonexistent/c'
        assert "needs /dev/fuse" in said("unshare", "--mount", "sh", "-c", without_fuse, PROGRAM)
