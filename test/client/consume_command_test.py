"""`trilog consume`: records become lines, and what is not written is not done with."""

import json
import re
import signal
import subprocess

import pytest

import records
from admin_port import clean_environment, trilog, trilog_at_terminal, trilog_path, trilog_running
from cluster import free_port, wait_until

pytestmark = pytest.mark.trilog_only
RUN_S = 90


def send(cluster, topic, values, folder, key=None):
    path = folder / "lines"
    path.write_text("".join(f"{value}\n" for value in values), encoding="utf-8")
    done = trilog("produce", "-b", cluster.bootstrap, "-t", topic, "-l", path,
                  *(["-k", key] if key else []), timeout_s=RUN_S)
    assert done.returncode == 0, done.stderr


def consume(cluster, *words):
    return trilog("consume", "-b", cluster.bootstrap, *words, timeout_s=RUN_S)


def assert_reads(cluster, expected, *words):
    done = consume(cluster, *words)
    assert (done.returncode, done.stdout.split("\n")[:-1]) == (0, list(expected)), done.stderr
    return done


def into_full_disk(cluster, *words):
    with open("/dev/full", "wb") as full:
        return subprocess.run([trilog_path(), "consume", "-b", cluster.bootstrap, *words], stdout=full,
                              stderr=subprocess.PIPE, text=True, timeout=RUN_S, check=False,
                              stdin=subprocess.DEVNULL, env=clean_environment())


def test_writes_records_as_the_format_says_and_ends_with_the_topic(cluster, new_topic):
    topic = new_topic(1, retention_ms=-1)
    producer = records.producer(cluster)
    producer.produce(topic, b"paid", key=b"7", headers=[("h", b"x"), ("none", None)], timestamp=1700000000123)
    producer.produce(topic, None, key=b"8", timestamp=1700000000124)
    producer.produce(topic, b"\xff\x00", timestamp=1700000000125)
    assert producer.flush(60) == 0
    done = assert_reads(cluster, [
        f"{topic} [0] at 0: 7=paid 1 4 1700000000123 h=x,none=NULL", f"{topic} [0] at 1: 8=NULL 1 -1 "
        "1700000000124 ", f"{topic} [0] at 2: NULL=\ufffd\0 -1 2 1700000000125 "],
        "-t", topic, "-e", "-Z", "-f", r"%t [%p] at %o: %k=%s %K %S %T %h\n")
    assert done.stderr == ""
    read = [json.loads(line) for line in consume(cluster, "-t", topic, "-e", "-J").stdout.splitlines()]
    assert read[0] == {"topic": topic, "partition": 0, "offset": 0, "ts": 1700000000123, "key": "7",
                       "headers": ["h", "x", "none", None], "payload": "paid"}
    assert [r["payload"] for r in read] == ["paid", None, {"base64": "/wA="}]
    assert consume(cluster, "-t", topic, "-c", "2", "-K", ":", "-D", ";").stdout == "7:paid;8:;"


def test_shows_how_far_it_is_and_how_fast_at_a_terminal_that_does_not_show_the_records(
        cluster, new_topic, tmp_path):
    topic = new_topic(1)
    send(cluster, topic, "abc", tmp_path)
    with open(tmp_path / "records", "wb") as records_file:
        status, shown = trilog_at_terminal({}, "consume", "-b", cluster.bootstrap, "-t", topic, "-e",
                                           timeout_s=RUN_S, output=records_file)
    assert status == 0 and (tmp_path / "records").read_text(encoding="utf-8") == "a\nb\nc\n"
    assert re.search(r"\r\x1b\[K3 records, \d+/s, \d+\.\d MB/s\r\n", shown), shown
    status, shown = trilog_at_terminal({}, "consume", "-b", cluster.bootstrap, "-t", topic, "-e", timeout_s=RUN_S)
    assert status == 0 and "MB/s" not in shown, "the records are there"


def test_starts_where_it_is_told_and_leaves_nothing_behind(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    send(cluster, topic, "abcde", tmp_path)
    for start, expected in (("beginning", "abcde"), ("end", ""), ("3", "de"), ("-2", "de"), ("-9", "abcde"),
                            ("s@0", "abcde"), ("2100-01-01T00:00", "")):
        assert_reads(cluster, expected, "-t", topic, "-e", "-o", start)
    assert_reads(cluster, "ab", "-t", topic, "-c", "2")
    wait_until(lambda: "trilog-consume-" not in trilog(
        "group", "list", "-o", "json", "--admin", cluster.nodes[0].admin).stdout, RUN_S, "the group is gone")


def test_a_group_goes_on_where_it_stands_and_gets_again_what_was_not_written(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    group = f"g-{topic}"
    send(cluster, topic, "abcde", tmp_path)
    assert_reads(cluster, "ab", "-G", group, topic, "-c", "2", "-o", "beginning")
    failed = into_full_disk(cluster, "-G", group, topic, "-e")
    assert failed.returncode == 1 and "the output could not be written" in failed.stderr
    assert_reads(cluster, "cde", "-G", group, topic, "-e")
    assert_reads(cluster, "", "-G", group, topic, "-e", "-o", "beginning")


def test_each_instance_of_a_broadcast_gets_all_and_keeps_its_place(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    group = f"g-{topic}"
    send(cluster, topic, "abc", tmp_path)
    for instance in ("one", "two"):
        assert_reads(cluster, "abc", "-G", group, topic, "--broadcast", instance, "-e", "-o", "beginning")
        assert_reads(cluster, "", "-G", group, topic, "--broadcast", instance, "-e", "-o", "beginning")


def test_ends_when_it_is_told_to_with_what_is_written_committed(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    group = f"g-{topic}"
    send(cluster, topic, "ab", tmp_path)
    with trilog_running("consume", "-b", cluster.bootstrap, "-G", group, topic, "-o", "beginning") as run:
        assert [run.stdout.readline() for _ in range(2)] == ["a\n", "b\n"]
        run.send_signal(signal.SIGINT)
        assert run.wait(RUN_S) == 0
    assert_reads(cluster, "", "-G", group, topic, "-e", "-o", "beginning")
    with trilog_running("consume", "-b", cluster.bootstrap, "-t", topic, "-c", 3) as run:
        assert run.stdout.readline() == "a\n"
        run.send_signal(signal.SIGTERM)
        assert run.wait(RUN_S) == 3, "there were not 3"


def test_a_closed_pipe_is_an_error_though_nothing_comes(cluster, new_topic, tmp_path):
    topic = new_topic(1)
    send(cluster, topic, "a", tmp_path)
    with trilog_running("consume", "-b", cluster.bootstrap, "-t", topic) as run:
        assert run.stdout.readline() == "a\n"
        run.stdout.close()
        assert run.wait(RUN_S) == 1
        assert "the output could not be written" in run.stderr.read()


def test_says_why_nothing_came(cluster, new_topic):
    away = trilog("consume", "-b", f"127.0.0.1:{free_port('127.0.0.1')}", "-t", "t", "--idle", 1,
                  timeout_s=RUN_S)
    assert (away.returncode, away.stderr) == (4, "trilog: no node answers\n")
    topic = new_topic(1)
    silent = consume(cluster, "-t", topic, "--idle", 3, "-c", 1)
    assert silent.returncode == 3 and "after 0 records" in silent.stderr
    missing = consume(cluster, "-t", "there-is-none-of-this-name")
    assert missing.returncode == 1 and "no topic 'there-is-none-of-this-name'" in missing.stderr


@pytest.mark.parametrize("words, why", [
    ((), "wants --topic"), (("-t", "t", "-p", "0"), "reads none by its number"),
    (("-t", "t", "-X", "a=b"), "--client-config"), (("-t", "t", "-o", "never"), "--start is"),
    (("-t", "t", "-o", "stored"), "--consumer-group"), (("-t", "t", "-o", "e@5"), "--start is"),
    (("-t", "t", "-f", "%y"), "it has %s"), (("-t", "t", "-J", "-D", ";"), "one says all"),
    (("-t", "t", "--broadcast", "i"), "--consumer-group"), (("-t", "t", "-c", "0"), "--count"),
    (("-t", "t", "-o", "end", "--start", "end"), "twice"), (("-t", "t", "--output", "json"), "--output"),
    (("-t", "t", "--idle", "0"), "--idle"), (("-t", "t", "-F", "/nowhere/client.yaml"), "/nowhere"),
    (("-b", "127.0.0.1:1", "-t", "a/b"), "not a topic's name")])
def test_refuses_a_command_line_that_it_can_not_mean(words, why):
    done = trilog("consume", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("trilog: ") and why in done.stderr
