"""What a forced recovery leaves out of a partition's offsets, as readers come to it when nothing new
stands behind: all of them find the end of the partition, and go on from there.

Everything has been read, nothing is written: kcat -e ends, librdkafka tells its end of the partition,
and the positions of Java, kafkajs, kafka-python and librdkafka come to what ListOffsets says is the
end. They ask no more often than at any other end."""

import contextlib
import subprocess
import time

import pytest
from confluent_kafka import TopicPartition
from kafka import KafkaConsumer
from kafka import TopicPartition as KafkaPythonPartition

import cluster as clusters
import java_tools
import records
from admin_port import ask
from kcat_test import kcat
from metric_text import read_metrics
from recovery_clients_test import Reader
from recovery_test import (PARTITIONS, STRIDE, lose_sites, recover, silent, values_of,
                           wait_applied_everywhere)
from topics import create_topic

pytestmark = pytest.mark.trilog_only

OLD = 20  # records in each partition but the last, which has none


@pytest.fixture(scope="module")
def recovered():
    """Node 3 alone, after a recovery, and the topic that nobody has written to since."""
    running = clusters.OwnCluster("recovery-gap")
    try:
        running.start()
        topic = create_topic(running, "orders", PARTITIONS)
        for p in range(PARTITIONS - 1):
            records.send_all(running, topic, [b"%d" % i for i in range(OLD)], p)
        wait_applied_everywhere(running)
        lose_sites(running)
        recover(running, silent(running))
        yield running, topic
    finally:
        running.stop()


def test_kcat_ends_at_the_end_of_each_partition(recovered):
    cluster, topic = recovered
    read = kcat(cluster, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f", r"%p %o\n")
    assert sorted(read.splitlines()) == sorted(
        f"{p} {offset}" for p in range(PARTITIONS - 1) for offset in range(OLD))
    for offset in (OLD, OLD + 7, STRIDE - 1, STRIDE):
        assert kcat(cluster, "-C", "-t", topic, "-p", "0", "-o", str(offset), "-e", "-q") == ""


def test_librdkafka_tells_the_end_and_its_watermarks_hold_its_position(recovered):
    cluster, topic = recovered
    assert {p: len(rows) for p, rows in values_of(cluster, topic).items()} == {
        0: OLD, 1: OLD, 2: 0}
    assert records.watermarks(cluster, topic, 0) == (0, STRIDE)


def test_kafka_python_comes_to_the_end_offset(recovered):
    cluster, topic = recovered
    reader = KafkaConsumer(bootstrap_servers=[n.address for n in cluster.nodes],
                           auto_offset_reset="earliest", enable_auto_commit=False)
    with contextlib.closing(reader):
        places = [KafkaPythonPartition(topic, p) for p in range(PARTITIONS)]
        reader.assign(places)
        reader.seek_to_beginning()
        ends = reader.end_offsets(places)
        assert set(ends.values()) == {STRIDE}
        read = []
        def is_at_end():
            read.extend(m.offset for rows in reader.poll(timeout_ms=200).values() for m in rows)
            return all(reader.position(p) == ends[p] for p in places)
        clusters.wait_until(is_at_end, 30, "its position is at the end")
    assert sorted(read) == sorted(2 * list(range(OLD)))


def test_java_has_no_lag_when_it_has_read_all(recovered):
    """Its consumer commits its position, which Kafka's own tool then compares with the end."""
    cluster, topic = recovered
    group = "java-gap"
    done = subprocess.run(java_tools.command(
        "kafka-console-consumer", "--bootstrap-server", cluster.node(3).address, "--group", group,
        "--topic", topic, "--timeout-ms", "8000", "--command-property", "auto.offset.reset=earliest",
        "--command-property", "auto.commit.interval.ms=500"), capture_output=True, text=True,
        timeout=60, check=False)
    assert len(done.stdout.split()) == (PARTITIONS - 1) * OLD
    told = java_tools.run("kafka-consumer-groups", "--bootstrap-server", cluster.node(3).address,
                          "--describe", "--group", group)
    rows = [line.split() for line in told.splitlines() if line.startswith(group)]
    assert {tuple(row[2:6]) for row in rows} == {
        (str(p), str(STRIDE), str(STRIDE), "0") for p in range(PARTITIONS)}


def fetches(node):
    page = ask(node.admin, "/metrics").body.decode()
    return read_metrics(page)["trilog_requests_total"].value("", api="Fetch")


def committed(cluster, topic, group):
    asker = records.consumer(cluster, group)
    with contextlib.closing(asker):
        places = [TopicPartition(topic, p) for p in range(PARTITIONS)]
        return {place.offset for place in asker.committed(places, timeout=20)}


def test_kafkajs_comes_to_the_end_and_then_reads_what_is_new(recovered):
    cluster, topic = recovered
    reader = Reader("kafkajs", "earliest")
    reader.start(cluster)
    try:
        clusters.wait_until(lambda: len(reader.got()) == (PARTITIONS - 1) * OLD, 60, "all is read")
        before, began = fetches(cluster.node(3)), time.monotonic()
        time.sleep(3)  # a rate has no event
        rate = (fetches(cluster.node(3)) - before) / (time.monotonic() - began)
        assert rate < 10, f"{rate:.0f} fetches a second, each may wait 200 ms"
        # It commits behind the first batch of several that come within a millisecond.
        clusters.wait_until(lambda: STRIDE in committed(cluster, topic, reader.group), 30,
                            "its position is at the end")
        new = records.send_all(cluster, topic, [b"new %d" % p for p in range(9)])
        clusters.wait_until(lambda: len(reader.got()) == (PARTITIONS - 1) * OLD + len(new), 30,
                            "what is new is read")
    finally:
        reader.stop()
