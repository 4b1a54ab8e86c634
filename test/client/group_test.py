"""librdkafka's consumer groups: sharing, commits, members that come, go and return."""

import time

import pytest
from confluent_kafka import (ConsumerGroupState, ConsumerGroupTopicPartitions, KafkaError,
                             KafkaException, TopicPartition)

import cluster as clusters
import records

SESSION = {"session_timeout_ms": 6000, "heartbeat_interval_ms": 500}


class Member:
    """A consumer of a group, and what the group tells it."""

    def __init__(self, cluster, group, topic, **settings):
        self.assigned_count = 0
        self.revoked_count = 0
        self.read = []
        self.reader = records.consumer(cluster, group, **{**SESSION, **settings})
        self.reader.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke)

    def _on_assign(self, _reader, _partitions):
        self.assigned_count += 1

    def _on_revoke(self, _reader, _partitions):
        self.revoked_count += 1

    def partitions(self):
        return {p.partition for p in self.reader.assignment()}

    def poll(self, timeout_s=0.05):
        message = records.poll_checked(self.reader, timeout_s)
        if message is not None:
            self.read.append(message)
        return message

    def close(self):
        self.reader.close()


def wait_shared(members, partition_count, timeout_s=40):
    """All partitions are assigned, each to one member, and no member is without."""
    def is_shared():
        for member in members:
            member.poll()
        shares = [member.partitions() for member in members]
        whole = sorted(p for share in shares for p in share)
        return whole == list(range(partition_count)) and all(shares)
    clusters.wait_until(is_shared, timeout_s, "the partitions are shared by all members", 0)


def committed(cluster, group, topic, partition_count=1):
    asker = records.consumer(cluster, group)
    try:
        asked = [TopicPartition(topic, p) for p in range(partition_count)]
        return [p.offset for p in asker.committed(asked, timeout=20)]
    finally:
        asker.close()


@pytest.mark.parametrize("strategy", ["range,roundrobin", "cooperative-sticky"])
def test_members_share_partitions_as_they_come_and_go(cluster, new_topic, name, strategy):
    topic = new_topic(partitions=6)
    settings = {"partition_assignment_strategy": strategy}
    first = Member(cluster, name, topic, **settings)
    wait_shared([first], 6)
    second = Member(cluster, name, topic, **settings)
    wait_shared([first, second], 6)
    third = Member(cluster, name, topic, **settings)
    wait_shared([first, second, third], 6)
    first.close()
    wait_shared([second, third], 6)
    second.close()
    wait_shared([third], 6)
    third.close()


def test_members_together_read_each_record_once(cluster, new_topic, name):
    topic = new_topic(partitions=6)
    members = [Member(cluster, name, topic) for _ in range(3)]
    wait_shared(members, 6)
    sender = records.Sender(cluster, topic)
    for i in range(1200):
        sender.send(b"%d" % i, partition=i % 6)
    sender.finish()

    def is_read():
        for member in members:
            member.poll(0.01)
        return sum(len(member.read) for member in members) >= 1200
    clusters.wait_until(is_read, 30, "the members have read all", 0)
    assert sorted(int(m.value()) for member in members for m in member.read) == list(range(1200))
    for member in members:
        member.close()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_group_goes_on_from_its_commit(cluster, new_topic, name, asynchronous):
    topic = new_topic()
    records.send_all(cluster, topic, [b"%d" % i for i in range(100)])
    answers = []
    reader = records.consumer(cluster, name, **SESSION,
                              on_commit=lambda error, parts: answers.append((error, parts)))
    reader.subscribe([topic])
    last = records.read_count(reader, 60)[-1]
    done = reader.commit(last, asynchronous=asynchronous)
    if asynchronous:
        clusters.wait_until(lambda: (reader.poll(0.05), answers)[1], 20, "the commit is answered", 0)
        assert answers[0][0] is None
    else:
        assert [(p.offset, p.error) for p in done] == [(60, None)]
    reader.close()
    assert committed(cluster, name, topic) == [60]
    again = records.consumer(cluster, name, **SESSION)
    again.subscribe([topic])
    assert [int(m.value()) for m in records.read_count(again, 40)] == list(range(60, 100))
    again.close()


def test_a_closing_consumer_commits_what_it_read(cluster, new_topic, name):
    topic = new_topic(partitions=2)
    records.send_all(cluster, topic, [b"x"] * 50, partition=0)
    records.send_all(cluster, topic, [b"y"] * 30, partition=1)
    reader = records.consumer(cluster, name, **SESSION, enable_auto_commit=True)
    reader.subscribe([topic])
    records.read_count(reader, 80)
    reader.close()
    assert committed(cluster, name, topic, 2) == [50, 30]


def test_a_commit_carries_its_metadata(cluster, new_topic, name):
    topic = new_topic(partitions=2)
    writer = records.consumer(cluster, name)
    place = TopicPartition(topic, 1, 5, "where we stand: é")
    writer.commit(offsets=[place], asynchronous=False)
    found = writer.committed([TopicPartition(topic, 0), TopicPartition(topic, 1)], timeout=20)
    writer.close()
    assert [p.offset for p in found] == [-1001, 5]
    assert found[1].metadata == "where we stand: é"


def test_a_commit_of_a_lost_generation_is_refused(cluster, new_topic, name):
    topic = new_topic(partitions=1)
    records.send_all(cluster, topic, [b"x"] * 10)
    slow = Member(cluster, name, topic, max_poll_interval_ms=6000)
    wait_shared([slow], 1)
    quick = Member(cluster, name, topic)
    # The slow one stops polling: it is thrown out, and its partition goes to the other.
    clusters.wait_until(lambda: (quick.poll(), quick.partitions())[1], 40, "the other took over", 0)
    with pytest.raises(KafkaException) as refused:
        slow.reader.commit(offsets=[TopicPartition(topic, 0, 9)], asynchronous=False)
    assert refused.value.args[0].code() in (
        KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION,
        KafkaError.REBALANCE_IN_PROGRESS, KafkaError._STATE)
    assert committed(cluster, name, topic) == [-1001]
    quick.close()
    slow.close()


def test_a_static_member_returns_without_a_rebalance(cluster, new_topic, name):
    topic = new_topic(partitions=4)
    settings = {"session_timeout_ms": 30000}
    stays = Member(cluster, name, topic, group_instance_id=f"{name}-stays", **settings)
    leaves = Member(cluster, name, topic, group_instance_id=f"{name}-leaves", **settings)
    wait_shared([stays, leaves], 4)
    share, counts = leaves.partitions(), (stays.assigned_count, stays.revoked_count)
    leaves.close()
    returned = Member(cluster, name, topic, group_instance_id=f"{name}-leaves", **settings)
    wait_shared([stays, returned], 4)
    assert returned.partitions() == share
    # A rebalance would reach it with the next heartbeat.
    until = time.monotonic() + 1.5
    while time.monotonic() < until:
        stays.poll()
    assert (stays.assigned_count, stays.revoked_count) == counts
    returned.close()
    stays.close()


def test_a_second_static_member_of_the_same_name_fences_the_first(cluster, new_topic, name):
    topic = new_topic()
    first = Member(cluster, name, topic, group_instance_id=name)
    wait_shared([first], 1)
    second = Member(cluster, name, topic, group_instance_id=name)
    codes, give_up = set(), time.monotonic() + 20
    while not codes and time.monotonic() < give_up:
        second.poll(0.01)
        try:
            first.poll(0.05)
        except KafkaException as fenced:
            codes.add(fenced.args[0].code())
    assert codes and codes <= {KafkaError.FENCED_INSTANCE_ID, KafkaError._FATAL}
    first.close()
    second.close()


def test_groups_are_listed_and_described(cluster, new_topic, name):
    topic = new_topic(partitions=2)
    admin = cluster.admin()
    member = Member(cluster, name, topic, client_id="described")
    wait_shared([member], 2)

    def describe():
        return admin.describe_consumer_groups([name], request_timeout=20)[name].result(20)
    listed = admin.list_consumer_groups(request_timeout=20).result(20)
    assert not listed.errors
    assert {g.group_id: g.state for g in listed.valid}[name] == ConsumerGroupState.STABLE
    group = describe()
    assert group.state == ConsumerGroupState.STABLE
    assert [m.client_id for m in group.members] == ["described"]
    assert {p.partition for p in group.members[0].assignment.topic_partitions} == {0, 1}
    assert group.coordinator.id in {f.id for f in cluster.faces}
    member.reader.commit(offsets=[TopicPartition(topic, 0, 0)], asynchronous=False)
    member.close()
    clusters.wait_until(lambda: describe().state == ConsumerGroupState.EMPTY, 20, "it is empty")


def test_a_groups_offsets_are_listed_altered_and_deleted_with_it(cluster, new_topic, name):
    topic = new_topic(partitions=2)
    admin = cluster.admin()
    places = [TopicPartition(topic, 0, 3), TopicPartition(topic, 1, 7)]
    asked = [ConsumerGroupTopicPartitions(name, places)]
    altered = admin.alter_consumer_group_offsets(asked, request_timeout=20)[name].result(20)
    assert [p.error for p in altered.topic_partitions] == [None, None]
    everything = [ConsumerGroupTopicPartitions(name)]
    listed = admin.list_consumer_group_offsets(everything, request_timeout=20)[name].result(20)
    assert {p.partition: p.offset for p in listed.topic_partitions} == {0: 3, 1: 7}
    admin.delete_consumer_groups([name], request_timeout=20)[name].result(20)
    assert committed(cluster, name, topic, 2) == [-1001, -1001]
    with pytest.raises(KafkaException) as refused:
        admin.delete_consumer_groups([name], request_timeout=20)[name].result(20)
    assert refused.value.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND


def test_a_group_with_members_is_not_deleted(cluster, new_topic, name):
    topic = new_topic()
    admin = cluster.admin()
    member = Member(cluster, name, topic)
    wait_shared([member], 1)
    with pytest.raises(KafkaException) as refused:
        admin.delete_consumer_groups([name], request_timeout=20)[name].result(20)
    assert refused.value.args[0].code() == KafkaError.NON_EMPTY_GROUP
    member.close()


def test_many_groups_commit_at_once_and_each_keeps_its_own(cluster, new_topic, name):
    topic = new_topic(partitions=3)
    readers = [records.consumer(cluster, f"{name}-{i}") for i in range(20)]
    for turn in range(1, 6):
        for i, reader in enumerate(readers):
            # The first waits: librdkafka does not keep the order of commits that it holds back
            # until it knows the coordinator.
            reader.commit(offsets=[TopicPartition(topic, p, 100 * i + turn) for p in range(3)],
                          asynchronous=turn not in (1, 5))
    for i, reader in enumerate(readers):
        found = reader.committed([TopicPartition(topic, p) for p in range(3)], timeout=20)
        assert [p.offset for p in found] == [100 * i + 5] * 3
        reader.close()
