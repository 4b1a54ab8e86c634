"""Apache Kafka 4.3's own tools: the Java client in all its roles."""

import json
import re
import subprocess

import pytest

import cluster as clusters
import java_tools
import records
from group_test import Member


def on(cluster):
    return ["--bootstrap-server", cluster.bootstrap]


def test_the_console_tools_read_what_they_wrote_with_keys(cluster, new_topic, name):
    topic = new_topic(partitions=2)
    lines = [f"k{i}\tvalue {i}" for i in range(500)]
    java_tools.run("kafka-console-producer", *on(cluster), "--topic", topic,
                   "--reader-property", "parse.key=true", "--compression-codec", "lz4",
                   stdin="\n".join(lines) + "\n")
    read = java_tools.run("kafka-console-consumer", *on(cluster), "--topic", topic, "--group", name,
                          "--from-beginning", "--max-messages", 500, "--timeout-ms", 20000,
                          "--formatter-property", "print.key=true")
    assert sorted(read.splitlines()) == sorted(lines)


def test_the_perf_tools_write_and_read_a_hundred_thousand_records(cluster, new_topic, name):
    topic = new_topic(partitions=4)
    written = java_tools.run(
        "kafka-producer-perf-test", "--topic", topic, "--num-records", 100_000, "--record-size", 200,
        "--throughput", -1, *on(cluster), "--command-property", "acks=all")
    assert "100000 records sent" in written
    assert sum(records.watermarks(cluster, topic, p)[1] for p in range(4)) == 100_000
    read = java_tools.run("kafka-consumer-perf-test", *on(cluster), "--topic", topic, "--group", name,
                          "--num-records", 100_000, "--timeout", 20000)
    figures = next(line for line in read.splitlines() if re.match(r"\d{4}-", line)).split(", ")
    assert int(figures[4]) == 100_000


def test_the_verifiable_tools_agree(cluster, new_topic, name):
    topic = new_topic(partitions=3)
    written = java_tools.run("kafka-verifiable-producer", *on(cluster), "--topic", topic,
                             "--max-messages", 2000, "--acks", -1)
    events = [json.loads(line) for line in written.splitlines()]
    sent = {int(e["value"]) for e in events if e["name"] == "producer_send_success"}
    assert sent == set(range(2000))
    assert not [e for e in events if e["name"] == "producer_send_error"]
    process = subprocess.Popen(
        java_tools.command("kafka-verifiable-consumer", *on(cluster), "--topic", topic,
                           "--group-id", name, "--max-messages", 2000, "--verbose",
                           "--reset-policy", "earliest", "--session-timeout", 6000),
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        read, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    events = [json.loads(line) for line in read.splitlines()]
    assert {int(e["value"]) for e in events if e["name"] == "record_data"} == set(range(2000))
    commits = [e for e in events if e["name"] == "offsets_committed"]
    assert commits and all(e["success"] for e in commits)


def test_kafka_topics_creates_describes_alters_and_deletes(cluster, name):
    def topics(*arguments):
        return java_tools.run("kafka-topics", *on(cluster), *arguments)
    topics("--create", "--topic", name, "--partitions", 3, "--replication-factor", 3,
           "--config", "retention.ms=3600000")
    assert name in topics("--list").splitlines()
    topics("--alter", "--topic", name, "--partitions", 4)
    cluster.wait_led(name, 4)
    described = topics("--describe", "--topic", name)
    assert re.search(r"PartitionCount:\s*4\s+ReplicationFactor:\s*3\s", described)
    assert "retention.ms=3600000" in described
    partitions = re.findall(r"Partition:\s*(\d+)\s+Leader:\s*(\d+)\s+Replicas:\s*([\d,]+)", described)
    assert [p for p, _, _ in partitions] == ["0", "1", "2", "3"]
    for _, leader, replicas in partitions:
        assert int(leader) in {f.id for f in cluster.faces} and sorted(replicas.split(",")) == ["1", "2", "3"]
    clusters.wait_until(lambda: topics("--describe", "--under-replicated-partitions", "--topic",
                                       name).strip() == "", 30, "all replicas are in sync")
    again = java_tools.attempt("kafka-topics", *on(cluster), "--create", "--topic", name)
    assert again.returncode != 0 and "already exists" in again.stdout + again.stderr
    topics("--delete", "--topic", name)
    clusters.wait_until(lambda: name not in cluster.metadata().topics, 20, "it is gone")


def test_kafka_configs_alters_and_describes(cluster, new_topic):
    topic = new_topic()

    def configs(*arguments):
        return java_tools.run("kafka-configs", *on(cluster), "--entity-type", "topics",
                              "--entity-name", topic, *arguments)
    configs("--alter", "--add-config", "retention.ms=7200000,max.message.bytes=2000000")
    assert "retention.ms=7200000" in configs("--describe")
    assert "segment.bytes=" in configs("--describe", "--all")
    configs("--alter", "--delete-config", "retention.ms")
    after = configs("--describe")
    assert "retention.ms=" not in after and "max.message.bytes=2000000" in after
    refused = java_tools.attempt("kafka-configs", *on(cluster), "--entity-type", "topics",
                                 "--entity-name", topic, "--alter", "--add-config", "no.such=1")
    assert refused.returncode != 0
    assert "no.such" in refused.stdout + refused.stderr


@pytest.mark.trilog_only  # a config of ours
def test_kafka_configs_shows_what_a_group_s_commits_may_lower(cluster, name):
    said = java_tools.run("kafka-configs", *on(cluster), "--entity-type", "groups",
                          "--entity-name", name, "--describe", "--all")
    assert "trilog.commit.policy=guard sensitive=false" in said


def test_kafka_consumer_groups_shows_resets_and_deletes(cluster, new_topic, name):
    topic = new_topic(partitions=2)

    def groups(*arguments):
        return java_tools.run("kafka-consumer-groups", *on(cluster), *arguments)
    records.send_all(cluster, topic, [b"x"] * 30, partition=0)
    records.send_all(cluster, topic, [b"x"] * 20, partition=1)
    reader = records.consumer(cluster, name)
    reader.commit(offsets=[records.TopicPartition(topic, 0, 10), records.TopicPartition(topic, 1, 20)],
                  asynchronous=False)
    reader.close()
    assert name in groups("--list").split()
    rows = java_tools.table(groups("--describe", "--group", name))
    assert {row["PARTITION"]: (row["CURRENT-OFFSET"], row["LOG-END-OFFSET"], row["LAG"])
            for row in rows} == {"0": ("10", "30", "20"), "1": ("20", "20", "0")}
    assert "Empty" in groups("--describe", "--group", name, "--state")
    reset = groups("--reset-offsets", "--group", name, "--topic", topic, "--to-earliest", "--execute")
    assert {row["PARTITION"]: row["NEW-OFFSET"] for row in java_tools.table(reset)} \
        == {"0": "0", "1": "0"}
    groups("--reset-offsets", "--group", name, "--topic", topic, "--to-latest", "--execute")
    groups("--delete-offsets", "--group", name, "--topic", f"{topic}:0")
    asker = records.consumer(cluster, name)
    places = [records.TopicPartition(topic, p) for p in (0, 1)]
    assert [p.offset for p in asker.committed(places, timeout=20)] == [-1001, 20]
    asker.close()
    groups("--delete", "--group", name)
    assert name not in groups("--list").split()


def static_member(cluster, group, topic, instance):
    """Prints what happens to it as lines of JSON, and why it ended."""
    return subprocess.Popen(
        java_tools.command("kafka-verifiable-consumer", *on(cluster), "--topic", topic, "--group-id",
                           group, "--group-instance-id", instance, "--session-timeout", 30000),
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def assigned_to(process):
    for line in process.stdout:
        told = json.loads(line) if line.startswith("{") else {}
        if told.get("name") == "partitions_assigned":
            return {p["partition"] for p in told["partitions"]}
    return None


def test_a_static_member_takes_its_place_and_its_former_self_is_fenced(cluster, new_topic, name):
    """The place stays as it is: another member of the group notices nothing."""
    topic = new_topic(partitions=2)
    other = Member(cluster, name, topic, session_timeout_ms=30000)
    clusters.wait_until(lambda: (other.poll(), len(other.partitions()) == 2)[1], 40, "both", 0)
    first = static_member(cluster, name, topic, "one")
    second = None
    try:
        clusters.wait_until(lambda: (other.poll(), len(other.partitions()) == 1)[1], 60,
                            "one for each", 0)
        share, counts = assigned_to(first), (other.assigned_count, other.revoked_count)
        second = static_member(cluster, name, topic, "one")
        assert assigned_to(second) == share and len(share) == 1
        assert "FencedInstanceId" in first.communicate(timeout=60)[0]
        for _ in range(20):
            other.poll()
        assert (other.assigned_count, other.revoked_count) == counts
    finally:
        for process in filter(None, (first, second)):
            process.kill()
            process.wait()
        other.close()


def test_kafka_consumer_groups_shows_a_live_member(cluster, new_topic, name):
    topic = new_topic(partitions=2)
    records.send_all(cluster, topic, [b"x"] * 5, partition=0)
    reader = records.consumer(cluster, name, client_id="alive")
    reader.subscribe([topic])
    records.read_count(reader, 5)
    reader.commit(asynchronous=False)
    text = java_tools.run("kafka-consumer-groups", *on(cluster), "--describe", "--group", name,
                          "--members", "--verbose")
    reader.close()
    assert "alive" in text and topic in text


def test_kafka_get_offsets_and_delete_records_agree(cluster, new_topic, tmp_path):
    topic = new_topic(partitions=2)
    records.send_all(cluster, topic, [b"x"] * 30, partition=0)
    records.send_all(cluster, topic, [b"x"] * 20, partition=1)

    def offsets(when):
        text = java_tools.run("kafka-get-offsets", *on(cluster), "--topic", topic, "--time", when)
        return sorted(line.split(":", 1)[1] for line in text.splitlines())
    assert offsets(-1) == ["0:30", "1:20"]
    wanted = tmp_path / "offsets.json"
    wanted.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": topic, "partition": 0, "offset": 12}]}))
    told = java_tools.run("kafka-delete-records", *on(cluster), "--offset-json-file", wanted)
    assert re.search(r"low_watermark:\s*12", told)
    assert offsets(-2) == ["0:12", "1:0"]
    assert offsets("max-timestamp")[1].startswith("1:")


@pytest.mark.direct_only
def test_kafka_broker_api_versions_knows_each_broker(cluster):
    text = java_tools.run("kafka-broker-api-versions", *on(cluster))
    for node in cluster.nodes:
        assert f"{node.address} (id: {node.id}" in text
    produce = re.findall(r"Produce\(0\): (\d+) to (\d+)", text)
    assert len(produce) == 3 and all(int(low) <= 3 and int(high) >= 9 for low, high in produce)


@pytest.mark.direct_only
def test_kafka_log_dirs_tells_where_partitions_are_and_how_large(cluster, new_topic):
    topic = new_topic(partitions=2)
    records.send_all(cluster, topic, [bytes(1000)] * 50, partition=0)
    said = java_tools.run("kafka-log-dirs", *on(cluster), "--describe", "--topic-list", topic)
    told = json.loads(next(line for line in said.splitlines() if line.startswith("{")))
    assert sorted(b["broker"] for b in told["brokers"]) == [1, 2, 3]
    for broker in told["brokers"]:
        (folder,) = broker["logDirs"]
        sizes = {p["partition"]: p["size"] for p in folder["partitions"]}
        assert folder["error"] is None and set(sizes) == {f"{topic}-0", f"{topic}-1"}
        assert sizes[f"{topic}-1"] == 0
    assert any(p["size"] > 50_000 for b in told["brokers"] for p in b["logDirs"][0]["partitions"])
