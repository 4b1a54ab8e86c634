"""A producer of libtrilog whose spool's disk is full: a small one of its own, in a namespace of mounts.

As a program (`python3 libtrilog_disk_test.py FOLDER`) it is that producer: nobody is at its address, and
FOLDER is the disk."""

import pathlib
import shutil
import subprocess
import sys

import pytest

import libtrilog
from admin_port import clean_environment

DISK_BYTES, RECORD_BYTES, RECORDS_MAX = 120_000, 10_000, 100


def mounted(folder, *words):
    """A command with a disk of that size at the folder, which goes with it."""
    script = f'mount -t tmpfs -o size={DISK_BYTES} none "$0" && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", script, str(folder), *map(str, words)]


@pytest.fixture
def disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("unshare") is None:
        pytest.skip("unshare is not installed")
    tried = subprocess.run(mounted(folder, "true"), capture_output=True, text=True, check=False)
    if tried.returncode != 0:
        pytest.skip(f"nothing can be mounted here: {tried.stderr.strip()}")
    return folder


@pytest.mark.trilog_only
def test_a_full_disk_is_told_of_both_ways_of_sending_and_what_was_spooled_is_found_again(disk):
    done = subprocess.run(mounted(disk, sys.executable, __file__, disk), capture_output=True, text=True,
                          timeout=240, check=False, env=clean_environment())
    assert done.returncode == 0, done.stderr


def main(folder):
    config = pathlib.Path(folder).with_name("client.yaml")
    config.write_text(f"site: a\nbootstrap: ['127.0.0.1:1']\nsend_timeout_ms: 200 ms\nspool_directory: {folder}\n",
                      encoding="ascii")
    producer, results = libtrilog.Producer(config), []
    while len(results) < RECORDS_MAX and libtrilog.DISK_FULL not in results:
        results.append(producer.send_and_wait("t", b"k", b"x" * RECORD_BYTES, 30_000))
    kept = results.count(libtrilog.SPOOLED)
    assert kept > 0 and set(results) == {libtrilog.SPOOLED, libtrilog.DISK_FULL}, results
    record = producer._record("t", b"k", b"x" * RECORD_BYTES)
    result = producer.library.trilog_send(producer.handle, record, None)
    producer.flush(60)
    assert result == libtrilog.DISK_FULL or producer.results == {libtrilog.DISK_FULL: 1}, (
        result, producer.results)
    assert producer.spooled() == kept
    producer.close()
    again = libtrilog.Producer(config)
    assert again.spooled() == kept, "of an earlier run"
    again.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
