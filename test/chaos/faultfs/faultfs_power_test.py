"""What a power cut leaves on a faultfs mount. Needs /dev/fuse and root."""

import errno
import os
import random
import subprocess
import sys
import threading

import pytest

from faultfs_mount import Refused, WAIT_S, sync_folder, write_synced

SECTOR = 512


def put(path, content, offset=0):
    """Writes without a sync."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o640)
    os.pwrite(descriptor, content, offset)
    os.close(descriptor)


def put_synced(path, content):
    """A file whose bytes are synced and whose name is not."""
    put(path, content)
    descriptor = os.open(path, os.O_WRONLY)
    os.fsync(descriptor)
    os.close(descriptor)


# ---- from the cut to power again ----

def test_without_power_every_call_fails_and_what_was_open_stays_dead(mount):
    path = mount.path / "file"
    write_synced(path, b"1" * 5000)
    opened = os.open(path, os.O_RDWR)
    folder = os.open(mount.path, os.O_RDONLY)
    mount.ask("power-cut")
    calls = [(os.pread, opened, 1, 0), (os.pwrite, opened, b"x", 0), (os.fsync, opened),
             (os.fsync, folder), (os.open, path, os.O_RDONLY), (os.listdir, mount.path),
             (os.mkdir, mount.path / "a"), (os.unlink, path), (os.stat, path),
             (os.rename, path, mount.path / "b"), (os.statvfs, mount.path)]
    for call, *arguments in calls:
        with pytest.raises(OSError) as trouble:
            call(*arguments)
        assert trouble.value.errno == errno.EIO, call
    with pytest.raises(Refused, match="off already"):
        mount.ask("power-cut")
    mount.ask("power-on")
    with pytest.raises(OSError):
        os.pread(opened, 1, 0)
    with pytest.raises(OSError):
        os.fsync(folder)
    os.close(opened)
    os.close(folder)
    assert path.read_bytes() == b"1" * 5000
    assert mount.status("cuts") == "1"


def test_a_slow_call_is_woken_by_the_cut_and_has_not_happened(mount):
    path = mount.path / "file"
    write_synced(path, b"1" * 100)
    opened = os.open(path, os.O_RDWR)
    os.pwrite(opened, b"2" * 100, 0)
    mount.ask("slow fsync ms=600000")
    troubles = []

    def sync():
        try:
            os.fsync(opened)
        except OSError as trouble:
            troubles.append(trouble.errno)
    sleeper = threading.Thread(target=sync, daemon=True)
    sleeper.start()
    while mount.status("slowed") == "0":
        pass
    mount.lose_power()
    sleeper.join(WAIT_S)
    assert troubles == [errno.EIO]
    os.close(opened)
    assert path.read_bytes() == b"1" * 100


# ---- bytes ----

def test_keep_none_keeps_what_is_synced_and_nothing_else(mount):
    path = mount.path / "file"
    write_synced(path, b"1" * 5000)
    put(path, b"2" * 2000, 4000)
    put(mount.path / "new", b"3")
    answer = mount.lose_power("keep=none")
    assert (answer["files"], answer["sectors_kept"], answer["sectors_lost"]) == (2, 0, 6)
    assert path.read_bytes() == b"1" * 5000
    assert os.listdir(mount.path) == ["file"]


def test_keep_all_keeps_all(mount):
    put(mount.path / "file", b"2" * 5000)
    mount.lose_power("keep=all")
    assert (mount.path / "file").read_bytes() == b"2" * 5000
    mount.lose_power("keep=none")
    assert (mount.path / "file").read_bytes() == b"2" * 5000


def test_fdatasync_and_o_sync_keep_as_fsync_does(mount):
    for name in ("a", "b", "c"):
        write_synced(mount.path / name, b"1" * 3000)
    opened = os.open(mount.path / "a", os.O_WRONLY)
    os.pwrite(opened, b"2" * 5000, 0)
    os.fdatasync(opened)
    os.close(opened)
    opened = os.open(mount.path / "b", os.O_WRONLY | os.O_DSYNC)
    os.pwrite(opened, b"2" * 5000, 0)
    os.close(opened)
    opened = os.open(mount.path / "c", os.O_WRONLY)
    os.pwritev(opened, [b"2" * 5000], 0, os.RWF_DSYNC)
    os.close(opened)
    mount.lose_power("keep=none")
    for name in ("a", "b", "c"):
        assert (mount.path / name).read_bytes() == b"2" * 5000, name


def survivors(path, sectors):
    """As text, `2` for each sector with its newest bytes and `1` for each with its old ones."""
    content = path.read_bytes()
    found = [content[at:at + SECTOR] for at in range(0, sectors * SECTOR, SECTOR)]
    assert all(sector in (b"1" * SECTOR, b"2" * SECTOR) for sector in found)
    return "".join(chr(sector[0]) for sector in found)


def test_keep_random_leaves_different_subsets_and_the_seed_repeats_them(mounts):
    def leave(mount):
        seen = []
        for seed in range(12):
            write_synced(mount.path / "file", b"1" * 16 * SECTOR)
            put(mount.path / "file", b"2" * 16 * SECTOR)
            mount.lose_power(f"keep=random seed={seed}")
            seen.append(survivors(mount.path / "file", 16))
        return seen
    seen = leave(mounts("one"))
    assert len(set(seen)) > 4
    assert "1" * 16 in seen and "2" * 16 in seen
    assert leave(mounts("other", seed=77)) == seen


def test_a_torn_write_is_there_up_to_some_sector(mount):
    seen = set()
    for seed in range(20):
        write_synced(mount.path / "file", b"1" * 8 * SECTOR)
        put(mount.path / "file", b"2" * 8 * SECTOR)
        mount.lose_power(f"keep=all torn=1 seed={seed}")
        left = survivors(mount.path / "file", 8)
        assert left == "2" * left.count("2") + "1" * left.count("1")
        seen.add(left)
    assert len(seen) > 3


def test_truncating_is_undone_or_done(mount):
    seen = set()
    for seed in range(12):
        write_synced(mount.path / "file", b"1" * 5000)
        with open(mount.path / "file", "wb"):
            pass
        mount.lose_power(f"keep=random seed={seed}")
        seen.add((mount.path / "file").read_bytes())
    assert seen == {b"", b"1" * 5000}


# ---- names ----

def names(mount):
    return {path.name: path.read_bytes() for path in mount.path.iterdir()}


def make_unsynced(mount):
    put_synced(mount.path / "new", b"new")


def rename_over(mount):
    put_synced(mount.path / "beside", b"newer")
    sync_folder(mount.path)
    os.rename(mount.path / "beside", mount.path / "old")


@pytest.mark.parametrize("change, before, after", [
    (make_unsynced, {"old": b"1"}, {"old": b"1", "new": b"new"}),
    (lambda mount: os.unlink(mount.path / "old"), {"old": b"1"}, {}),
    (lambda mount: os.rename(mount.path / "old", mount.path / "new"), {"old": b"1"},
     {"new": b"1"}),
    (lambda mount: os.link(mount.path / "old", mount.path / "new"), {"old": b"1"},
     {"old": b"1", "new": b"1"}),
    (rename_over, {"old": b"1", "beside": b"newer"}, {"old": b"newer"}),
], ids=["create", "unlink", "rename", "link", "replace"])
def test_a_name_is_durable_when_its_folder_is_synced(mount, change, before, after):
    write_synced(mount.path / "old", b"1")
    change(mount)
    assert names(mount) == after
    mount.lose_power("keep=none")
    assert names(mount) == before
    for name in names(mount).keys() - {"old"}:
        os.unlink(mount.path / name)
    sync_folder(mount.path)
    change(mount)
    sync_folder(mount.path)
    mount.lose_power("keep=none")
    assert names(mount) == after


def test_a_new_folder_is_lost_with_all_in_it(mount):
    os.mkdir(mount.path / "folder")
    write_synced(mount.path / "folder" / "file", b"1")
    mount.lose_power("keep=none")
    assert os.listdir(mount.path) == []
    os.mkdir(mount.path / "folder")
    write_synced(mount.path / "folder" / "file", b"1")
    sync_folder(mount.path)
    mount.lose_power("keep=none")
    assert (mount.path / "folder" / "file").read_bytes() == b"1"


def test_a_removed_tree_comes_back_whole(mount):
    for folder in ("a", "a/b"):
        os.mkdir(mount.path / folder)
        write_synced(mount.path / folder / "file", folder.encode())
    sync_folder(mount.path / "a")
    sync_folder(mount.path)
    for name in ("a/b/file", "a/file"):
        os.unlink(mount.path / name)
    for name in ("a/b", "a"):
        os.rmdir(mount.path / name)
    mount.lose_power("keep=none")
    assert (mount.path / "a" / "file").read_bytes() == b"a"
    assert (mount.path / "a" / "b" / "file").read_bytes() == b"a/b"


def test_a_rename_between_folders_is_durable_by_either(mount):
    for folder in ("a", "b"):
        os.mkdir(mount.path / folder)
    sync_folder(mount.path)
    for synced in ("a", "b"):
        write_synced(mount.path / "a" / "file", b"1")
        os.rename(mount.path / "a" / "file", mount.path / "b" / synced)
        sync_folder(mount.path / synced)
        mount.lose_power("keep=none")
        assert os.listdir(mount.path / "a") == []
        assert (mount.path / "b" / synced).read_bytes() == b"1"


def test_keep_random_leaves_a_replaced_file_old_or_new_and_never_neither(mount):
    seen = set()
    for seed in range(30):
        write_synced(mount.path / "file", b"old")
        put_synced(mount.path / "beside", b"new")
        os.rename(mount.path / "beside", mount.path / "file")
        mount.lose_power(f"seed={seed}")
        seen.add((mount.path / "file").read_bytes())
        (mount.path / "beside").unlink(missing_ok=True)
        sync_folder(mount.path)
    assert seen == {b"old", b"new"}


# ---- bounds ----

def test_beyond_the_memory_the_longest_unsynced_file_becomes_durable(mounts):
    mount = mounts("bound", "--undo-bytes", "100000")
    for name in ("first", "second"):
        write_synced(mount.path / name, b"1" * 65536)
    for name in ("first", "second"):
        put(mount.path / name, b"2" * 65536)
    assert mount.status("forced_files") == "1"
    mount.lose_power("keep=none")
    assert (mount.path / "first").read_bytes() == b"2" * 65536
    assert (mount.path / "second").read_bytes() == b"1" * 65536


def test_beyond_their_bound_the_oldest_names_become_durable(mount):
    for number in range(4100):
        (mount.path / str(number)).touch()
    assert mount.status("forced_entries") == "4"
    mount.lose_power("keep=none")
    assert sorted(os.listdir(mount.path)) == ["0", "1", "2", "3"]


def test_what_was_removed_and_synced_takes_no_room(mount):
    write_synced(mount.path / "file", bytes(1_000_000))
    (mount.path / "file").unlink()
    assert any((mount.backing / ".faultfs-removed").iterdir())
    sync_folder(mount.path)
    assert not any((mount.backing / ".faultfs-removed").iterdir())


# ---- under load ----

# Appends numbered records, syncs each, and then says so on stdout. In between it replaces a small
# file by rename, as a checkpoint.
WRITER = """
import os, sys
folder = sys.argv[1]
log = os.open(folder + "/log", os.O_WRONLY | os.O_CREAT, 0o640)
parent = os.open(folder, os.O_RDONLY)
os.fsync(parent)
for number in range(1 << 30):
    record = number.to_bytes(4, "big") * (1 + number % 300)
    os.write(log, len(record).to_bytes(4, "big") + record)
    os.fdatasync(log)
    if number % 7 == 0:
        with open(folder + "/beside", "wb") as file:
            file.write(number.to_bytes(4, "big"))
            file.flush()
            os.fsync(file.fileno())
        os.rename(folder + "/beside", folder + "/checkpoint")
        os.fsync(parent)
    sys.stdout.buffer.write(number.to_bytes(4, "big"))
    sys.stdout.buffer.flush()
"""


def records_of(content):
    """The numbers of the log's whole records, from its beginning."""
    numbers, at = [], 0
    while at + 4 <= len(content):
        size = int.from_bytes(content[at:at + 4], "big")
        record = content[at + 4:at + 4 + size]
        number = int.from_bytes(record[:4], "big")
        if size == 0 or record != number.to_bytes(4, "big") * (1 + number % 300):
            break
        numbers.append(number)
        at += 4 + size
    return numbers


@pytest.mark.parametrize("options", ["keep=none", "keep=random", "keep=random torn=1",
                                     "keep=all torn=1"])
def test_all_that_was_acknowledged_survives_a_cut_under_load(mount, options):
    chance = random.Random(options)
    for seed in range(4):
        writer = subprocess.Popen([sys.executable, "-B", "-c", WRITER, str(mount.path)],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        acknowledged = writer.stdout.read(4 * chance.randrange(30, 300))
        mount.lose_power(f"{options} seed={seed}")
        acknowledged += writer.stdout.read()
        assert writer.wait(WAIT_S) != 0, "the writer's next call failed"
        writer.stdout.close()
        last = int.from_bytes(acknowledged[-4:], "big")
        left = records_of((mount.path / "log").read_bytes())
        assert left[:last + 1] == list(range(last + 1))
        checkpoint = int.from_bytes((mount.path / "checkpoint").read_bytes(), "big")
        assert checkpoint >= last - last % 7
        (mount.path / "log").unlink()
        (mount.path / "checkpoint").unlink()
        sync_folder(mount.path)


def test_a_kill_of_faultfs_itself_is_as_if_all_had_survived(mounts):
    mount = mounts("killed")
    put(mount.path / "file", b"1" * 5000)
    write_synced(mount.path / "gone", b"2")
    (mount.path / "gone").unlink()
    mount.process.kill()
    mount.process.wait()
    subprocess.run(["umount", "--lazy", str(mount.path)], check=True)
    assert (mount.backing / "file").read_bytes() == b"1" * 5000
    with mount:
        assert names(mount) == {"file": b"1" * 5000}
        assert not any((mount.backing / ".faultfs-removed").iterdir())
