"""Leader epochs that retention has taken: who had read all of them goes on behind them.

Clients that come back ask where the epoch of their last record ended (KIP-320). Told nothing, they
begin by their reset policy: at `latest`, whatever was written meanwhile would be read by nobody."""

import pytest
from confluent_kafka import TopicPartition

import cluster as clusters
import java_tools
import records
from message import Connection
from topics import create_topic

BEFORE, AFTER = 100, 10
NOT_LEADER = 6


@pytest.fixture(scope="module")
def mortal():
    running = clusters.new_cluster("mortal")
    if not running.can_kill():
        pytest.skip("nobody said how to kill this cluster's nodes")
    with running.while_used():
        yield running


def read_by_librdkafka(cluster, topic, group, count):
    reader = records.consumer(cluster, group, auto_offset_reset="latest")
    if count == BEFORE:
        reader.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    reader.subscribe([topic])
    try:
        values = [m.value().decode() for m in records.read_count(reader, count)]
        reader.commit(asynchronous=False)
        return values
    finally:
        reader.close()


def read_by_java(cluster, topic, group, count):
    beginning = ["--from-beginning"] if count == BEFORE else []
    return java_tools.run(
        "kafka-console-consumer", "--bootstrap-server", cluster.bootstrap, "--topic", topic, "--group",
        group, "--max-messages", count, "--timeout-ms", 30_000, *beginning).split()


def ask_leader(cluster, topic, api, version, partition):
    """What its leader says of the first partition; asked again, as clients do, when it has just
    ceased to be that."""
    def ask():
        with Connection(cluster.leader(topic)) as c:
            answer = c.call(api, version, replica_id=-1, topics=[
                {"name": topic, "partitions": [partition]}])
        told = answer["topics"][0]["partitions"][0]
        return None if told["error_code"] == NOT_LEADER else told
    return clusters.wait_until(ask, 30, "a leader answers")


def epoch_of(cluster, topic):
    return ask_leader(cluster, topic, "ListOffsets", 7,
                      {"partition_index": 0, "timestamp": -1})["leader_epoch"]


def change_leader(cluster, topic):
    """By the loss of the leader, which comes back."""
    node = cluster.leader(topic)
    node.kill9()
    clusters.wait_until(lambda: cluster.leader(topic).id != node.id, 30, "another one leads")
    node.start()
    cluster.wait_healthy()


def write(cluster, topic, first, count):
    records.send_all(cluster, topic, [str(first + i).encode() for i in range(count)])


@pytest.mark.parametrize("read", [read_by_librdkafka, read_by_java], ids=["librdkafka", "java"])
def test_who_read_all_of_an_epoch_that_retention_took_goes_on_behind_it(mortal, name, read):
    topic = create_topic(mortal, name)
    write(mortal, topic, 0, BEFORE)
    assert read(mortal, topic, name, BEFORE) == [str(i) for i in range(BEFORE)]
    old = epoch_of(mortal, topic)
    change_leader(mortal, topic)
    write(mortal, topic, BEFORE, AFTER)
    assert epoch_of(mortal, topic) > old
    place = TopicPartition(topic, 0, BEFORE)
    admin = mortal.admin()  # must outlive the answer
    assert admin.delete_records([place])[place].result(30).low_watermark == BEFORE
    told = ask_leader(mortal, topic, "OffsetForLeaderEpoch", 4,
                      {"partition_index": 0, "leader_epoch": old})
    assert (told["error_code"], told["leader_epoch"], told["end_offset"]) == (0, old, BEFORE)
    assert read(mortal, topic, name, AFTER) == [str(BEFORE + i) for i in range(AFTER)]
