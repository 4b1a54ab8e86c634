"""`trilog produce`: lines become records; how it ends when they do not. `trilog spool`: what is left
of an application on disk."""

import fcntl
import json
import os
import re
import signal

import pytest

import libtrilog
import libtrilog_consumer
import records
from admin_port import trilog, trilog_at_terminal, trilog_running
from cluster import free_port, wait_until

pytestmark = pytest.mark.trilog_only


def lines_file(folder, text):
    path = folder / "lines"
    path.write_text(text, encoding="utf-8")
    return path


def test_sends_lines_with_keys_and_headers_in_order(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    path = lines_file(tmp_path, "a:1\nb:2\na:3\nno key\n:5\nlast")
    done = trilog("produce", "-b", cluster.bootstrap, "-t", topic, "-K", ":", "-H", "h=x=y", "-H", "i=",
                  "-l", path, timeout_s=90)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    read = records.read_topic(cluster, topic, 1)[0]
    assert [(m.key(), m.value()) for m in read] == [
        (b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (None, b"no key"), (b"", b"5"), (None, b"last")]
    assert {tuple(m.headers()) for m in read} == {(("h", b"x=y"), ("i", b""))}


def test_ends_after_so_many_records_and_counts_them(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    path = lines_file(tmp_path, "1\n2\n3\n")
    done = trilog("produce", "-b", cluster.bootstrap, "-t", topic, "-k", "key", "-c", 2, "-l", path,
                  "-o", "json", timeout_s=90)
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"sent": 2, "acknowledged": 2, "stored": 0, "unknown": 0,
                                       "failed": 0}
    assert [(m.key(), m.value()) for m in records.read_topic(cluster, topic, 1)[0]] == [
        (b"key", b"1"), (b"key", b"2")]


def test_shows_how_far_it_is_and_how_fast_at_a_terminal(cluster, new_topic, tmp_path):
    words = ["produce", "-b", cluster.bootstrap, "-t", new_topic(1), "-l", lines_file(tmp_path, "1\n2\n3\n")]
    status, shown = trilog_at_terminal({}, *words, timeout_s=90)
    assert status == 0
    assert re.search(r"\r\x1b\[K3 sent, 3 acknowledged, \d+/s, \d+\.\d MB/s\r\n$", shown), shown
    assert trilog_at_terminal({}, *words, "-q", timeout_s=90) == (0, "")


def test_ends_with_4_when_nobody_answers_and_with_3_when_it_is_in_the_spool(tmp_path):
    path = lines_file(tmp_path, "1\n2\n")
    config = tmp_path / "client.yaml"
    settings = ("site: a\nsend_timeout_ms: 500 ms\n"
                f"bootstrap: ['127.0.0.1:{free_port('127.0.0.1')}']\n")
    config.write_text(settings, encoding="ascii")
    done = trilog("produce", "-F", config, "-t", "t", "-l", path, timeout_s=90)
    assert done.returncode == 4
    assert "of 2 records 0 acknowledged" in done.stderr and "2 not known" in done.stderr
    config.write_text(settings + f"spool_directory: {tmp_path / 'spool'}\n", encoding="ascii")
    done = trilog("produce", "-F", config, "-t", "t", "-l", path, timeout_s=90)
    assert done.returncode == 3
    assert "2 in the spool" in done.stderr


def test_an_interrupt_ends_the_reading_also_while_there_is_no_room(tmp_path):
    config = tmp_path / "client.yaml"
    config.write_text("site: a\nsend_timeout_ms: 300 ms\nqueue_records_max: 5\n"
                      f"bootstrap: ['127.0.0.1:{free_port('127.0.0.1')}']\n", encoding="ascii")
    os.mkfifo(tmp_path / "lines")
    pipe = os.open(tmp_path / "lines", os.O_RDWR | os.O_NONBLOCK)
    line, written = b"x" * 4095 + b"\n", 0

    def has_read_six():
        nonlocal written
        try:
            written += os.write(pipe, line)
        except BlockingIOError:
            pass
        return written >= fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) + 6 * len(line)

    with trilog_running("produce", "-F", config, "-t", "t", "-l", tmp_path / "lines", "-o", "json") as process:
        wait_until(has_read_six, 60, "the sixth line is read")
        process.send_signal(signal.SIGINT)
        out = json.loads(process.communicate(timeout=60)[0])
    os.close(pipe)
    assert out == {"sent": 6, "acknowledged": 0, "stored": 0, "unknown": 5, "failed": 1}


def config_of(folder, address):
    """At once, for it may be read meanwhile."""
    path, next_path = folder / "client.yaml", folder / "client.yaml.next"
    next_path.write_text("site: a\nsend_timeout_ms: 500 ms\nretry_wait_ms: 1 h\nretry_wait_ms_max: 1 h\n"
                         f"bootstrap: ['{address}']\nspool_directory: {folder / 'spool'}\n", encoding="ascii")
    os.replace(next_path, path)
    return path


def kept(config):
    listed = trilog("spool", "list", "-F", config, "-o", "json")
    assert listed.returncode == 0, listed.stderr
    return [json.loads(line) for line in listed.stdout.replace("}\n{", "}\0{").split("\0")]


def test_the_spool_is_listed_sent_and_thrown_away(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    config = config_of(tmp_path, f"127.0.0.1:{free_port('127.0.0.1')}")
    assert trilog("spool", "list", "-F", config).stdout.split() == [
        "WHERE", "LOG", "ORDER", "TOPIC", "KEY", "VALUE", "FAILURES", "REASON"]
    path = lines_file(tmp_path, "a:1\nb:22\n")
    assert trilog("produce", "-F", config, "-t", topic, "-K", ":", "-l", path, timeout_s=90).returncode == 3
    assert [(k["where"], k["topic"], k["key"], k["value_bytes"]) for k in kept(config)] == [
        ("spool", topic, "a", 1), ("spool", topic, "b", 2)]
    config_of(tmp_path, cluster.nodes[0].address)
    done = trilog("spool", "retry", "-F", config, "--wait", 90, timeout_s=120)
    assert done.returncode == 0, done.stderr
    assert [(m.key(), m.value()) for m in records.read_topic(cluster, topic, 1)[0]] == [
        (b"a", b"1"), (b"b", b"22")]
    config_of(tmp_path, f"127.0.0.1:{free_port('127.0.0.1')}")
    assert trilog("produce", "-F", config, "-t", topic, "-l", path, timeout_s=90).returncode == 3
    assert trilog("spool", "purge", "-F", config).returncode == 2, "nobody can be asked"
    assert "2 records of the spool" in trilog("spool", "purge", "-F", config, "--plan").stderr
    assert trilog("spool", "purge", "-F", config, "--yes").returncode == 0
    assert len(trilog("spool", "list", "-F", config).stdout.splitlines()) == 1


def test_what_a_consumer_failed_at_is_listed_tried_again_and_thrown_away(cluster, new_topic, name, tmp_path):
    topic = new_topic(1)
    records.send_all(cluster, topic, [b"1"])
    config = libtrilog.write_config(tmp_path / "client.yaml", cluster, "a", retry_count_max=1,
                                    failure_directory=tmp_path / "failures")
    consumer = libtrilog_consumer.Consumer(config, topic, name)
    assert consumer.failed(consumer.take(60), "no") == libtrilog.OK
    running = trilog("spool", "list", "-F", config)
    assert (running.returncode, "a running application" in running.stderr) == (1, True)
    assert consumer.close() == libtrilog.OK
    listed, = kept(config)
    assert (listed["where"], listed["log"], listed["topic"], listed["offset"], listed["reason"]) == (
        "consumed", f"consumed-{name}.0", topic, 0, "no")
    assert trilog("spool", "list", "-F", config).stdout.splitlines()[1].startswith("given up")
    done = trilog("spool", "retry", "-F", config, "--wait", 90, timeout_s=120)
    assert (done.returncode, "1 records of failure logs" in done.stderr) == (0, True), done.stderr
    assert trilog("spool", "list", "-F", config).stdout.splitlines()[1].startswith("failed")
    assert trilog("spool", "purge", "-F", config, "--yes").returncode == 0
    assert len(trilog("spool", "list", "-F", config).stdout.splitlines()) == 1


def test_retry_beside_a_running_producer_leaves_the_spool_to_it(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    config = config_of(tmp_path, f"127.0.0.1:{free_port('127.0.0.1')}")
    producer = libtrilog.Producer(config)
    producer.send(topic, b"a", b"1")
    wait_until(lambda: producer.spooled() == 1, 60, "the record is in the spool")
    done = trilog("spool", "retry", "-F", config, "--wait", 90, timeout_s=120)
    assert (done.returncode, "end the application first" in done.stderr) == (1, True), done.stderr
    assert producer.spooled() == 1
    config_of(tmp_path, cluster.nodes[0].address)
    wait_until(lambda: producer.spooled() == 0, 60, "the application has sent it")
    producer.close()
    assert [m.value() for m in records.read_topic(cluster, topic, 1)[0]] == [b"1"]


def test_retry_beside_a_running_consumer_leaves_its_log_to_it(cluster, new_topic, name, tmp_path):
    topic = new_topic(1)
    records.send_all(cluster, topic, [b"1", b"2"])
    config = libtrilog.write_config(tmp_path / "client.yaml", cluster, "a", retry_count_max=1,
                                    failure_directory=tmp_path / "failures")
    ended, running = (libtrilog_consumer.Consumer(config, topic, f"{name}-{which}") for which in ("ended", "running"))
    for consumer in (ended, running):
        assert consumer.failed(consumer.take(60), "no") == libtrilog.OK
    assert ended.close() == libtrilog.OK
    done = trilog("spool", "retry", "-F", config, "--wait", 90, timeout_s=120)
    assert (done.returncode, "1 records of failure logs" in done.stderr, "a running application" in done.stderr) == (
        3, True, True), done.stderr
    message = running.take(60)
    assert libtrilog_consumer.value_of(message) == b"2", "it goes on, and is handed out nothing anew"
    assert running.done(message) == libtrilog.OK
    running.commit(60)
    assert running.close() == libtrilog.OK
    assert [(k["log"], k["is_given_up"]) for k in kept(config)] == [
        (f"consumed-{name}-ended.0", False), (f"consumed-{name}-running.0", True)]


@pytest.mark.parametrize("words", [("produce",), ("produce", "-t", "t", "-c", "0"),
                                   ("produce", "-t", "t", "-H", "none"),
                                   ("produce", "-t", "t", "-F", "/nowhere/client.yaml")])
def test_refuses_a_command_line_that_says_nothing_to_send(words):
    done = trilog(*words)
    assert done.returncode == 2
    assert done.stderr.startswith("trilog: ")
