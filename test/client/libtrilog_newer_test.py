"""libtrilog on a later librdkafka than Debian's 2.0.2, on which it is built: it sends, reads, and uses
what that one knows beyond it (dc-router/client/handle_kafka.c)."""

import subprocess

import pytest

import libtrilog
import records
from admin_port import trilog_path
from cluster import wait_until
from newer_librdkafka import assert_runs_on_it, newer_environment

pytestmark = pytest.mark.trilog_only
UNIT_TESTS = libtrilog.LIBRARY.parent / "test" / "client_tests"
RUN_S = 90


@pytest.fixture
def newer(tmp_path):
    return newer_environment(tmp_path / "newer")


def run(words, environment, **more):
    return subprocess.run(words, env=environment, timeout=RUN_S, capture_output=True, text=True, check=False,
                          **more)


def test_sends_and_reads_and_is_read_by_the_older_one(cluster, new_topic, newer):
    topic, count = new_topic(1), 2000
    with subprocess.Popen([trilog_path(), "produce", "-b", cluster.bootstrap, "-t", topic, "-K", ":"],
                          env=newer, stdin=subprocess.PIPE, text=True) as sender:
        sender.stdin.write("k:0\n")
        sender.stdin.flush()
        wait_until(lambda: records.watermarks(cluster, topic)[1] == 1, 60, "the first is there")
        assert_runs_on_it(sender, newer)
        sender.stdin.writelines(f"k:{i}\n" for i in range(1, count))
        sender.stdin.close()
        assert sender.wait(RUN_S) == 0
    words = [trilog_path(), "consume", "-b", cluster.bootstrap, "-G", f"g-{topic}", topic, "-o", "beginning",
             "-e", "-q"]
    done = run(words, newer, stdin=subprocess.DEVNULL)
    assert (done.returncode, done.stdout.split()) == (0, [str(i) for i in range(count)]), done.stderr
    read = records.read_topic(cluster, topic, 1)[0]
    assert [(m.key(), int(m.value())) for m in read] == [(b"k", i) for i in range(count)]


def test_is_told_what_the_later_one_knows(newer):
    """And the older one is not: `make unit`, which has 2.0.2."""
    if not UNIT_TESTS.exists():
        pytest.skip(f"{UNIT_TESTS} is not built: make unit")
    done = run([UNIT_TESTS, "--filter", "client_handle_kafka/*", "--jobs", "1"], newer)
    assert done.returncode == 0 and "Passing: 2" in done.stderr, done.stderr
