"""Committed offsets that are over (KIP-211): gone at every replica, and those of readers stay."""

import time

import pytest
from confluent_kafka import TopicPartition

import cluster as clusters
import records
from protocol_groups_test import NONE, Group
from topics import create_topic

pytestmark = pytest.mark.trilog_only  # Kafka looks every ten minutes

SWEPT_S = 25  # sweeps come every 5 s, on whatever machine
RETENTION_S = 60



def offset_of(group, topic, partition=0):
    error, rows = group.committed(topic, partitions=(partition,))
    assert error == NONE
    return rows[0][1]


def member_of(cluster, group_id, topic, at):
    """A consumer that reads, and has committed."""
    reader = records.consumer(cluster, group_id, auto_offset_reset="earliest")
    reader.subscribe([topic])
    records.read_count(reader, 1)
    reader.commit(offsets=[TopicPartition(topic, 0, at)], asynchronous=False)
    return reader


def test_an_offset_whose_old_client_named_a_time_is_over_then(cluster, name, new_topic):
    topic, group = new_topic(partitions=2), Group(cluster, name)
    assert group.commit(topic, 5, version=2, retention_time_ms=1000) == NONE
    assert group.commit(topic, 6, partition=1, version=2, retention_time_ms=-1) == NONE
    assert offset_of(group, topic) == 5
    clusters.wait_until(lambda: offset_of(group, topic) == -1, SWEPT_S, "it is over")
    assert offset_of(group, topic, 1) == 6, "of this one no time was named"
    assert group.commit(topic, 2) == NONE and offset_of(group, topic) == 2, "it begins anew"


def test_what_a_member_reads_is_kept_whatever_time_was_named(cluster, name, new_topic):
    topic, other = new_topic(), new_topic()
    records.send_all(cluster, topic, [b"x"])
    group = Group(cluster, name)
    for of_topic in (topic, other):
        assert group.commit(of_topic, 0, version=2, retention_time_ms=1500) == NONE
    reader = member_of(cluster, name, topic, 0)
    try:
        clusters.wait_until(lambda: offset_of(group, other) == -1, SWEPT_S, "what nobody reads goes")
        assert offset_of(group, topic) == 0
    finally:
        reader.close()


@pytest.mark.slow
def test_offsets_are_over_a_minute_after_the_last_member_left_at_every_replica():
    settings = {"offsets.retention.minutes": "1"}
    with clusters.new_cluster("forgetful", settings).while_used() as running:
        topic = create_topic(running, "read", 2)
        records.send_all(running, topic, [b"x"] * 20, partition=0)
        lonely, read, left = (Group(running, f"expiry-{kind}") for kind in ("lonely", "read", "left"))
        begun = time.monotonic()
        assert lonely.commit(topic, 7) == NONE
        reader = member_of(running, read.id, topic, 8)
        leaver = member_of(running, left.id, topic, 9)
        time.sleep(RETENTION_S / 2 - (time.monotonic() - begun))  # it reads for half of the time
        leaver.close()
        left_at = time.monotonic()
        clusters.wait_until(lambda: offset_of(lonely, topic) == -1, RETENTION_S, "it is over")
        assert time.monotonic() - begun > RETENTION_S
        assert offset_of(left, topic) == 9, "it is not yet a minute that its member left"
        clusters.wait_until(lambda: offset_of(left, topic) == -1, RETENTION_S + SWEPT_S, "it is over")
        assert time.monotonic() - left_at > RETENTION_S
        assert offset_of(read, topic) == 8, "it is read"
        reader.close()
        gone = lonely.node
        gone.kill9()  # another coordinator has applied the same
        again = clusters.wait_until(lambda: Group(running, lonely.id), 30, "there is another")
        assert again.node.id != gone.id and offset_of(again, topic) == -1
        assert offset_of(Group(running, read.id), topic) == 8
        gone.start()
        running.wait_healthy()
