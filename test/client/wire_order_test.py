"""The rules of a connection: which answer comes, in which order, and what a slow reader costs."""

import os
import struct
import time

import pytest

import cluster as clusters
import wire
from message import Connection
from wire_target import MIB
from wire import int32

UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER = 3, 6
INVALID_REQUIRED_ACKS, UNSUPPORTED_VERSION = 21, 35


def test_an_api_versions_request_that_is_too_new_is_answered_in_version_0(target):
    for version in (99, 32767):
        with target.connect() as c:
            r = wire.Reader(c.ask(wire.API_VERSIONS, version, b"\x7f what will be\x00"))
            assert r.take("h") == UNSUPPORTED_VERSION
            rows = wire.api_rows(r)
            assert r.is_at_end(), "version 0 has no throttle time"
            low, high = rows[wire.API_VERSIONS]
            assert low == 0 and high >= 3
            # The client asks again with what it learnt, on the same connection.
            assert wire.Reader(c.ask(wire.API_VERSIONS, 0, b"", 2)).take("h") == 0


def test_api_versions_answers_have_no_tags_in_their_header(target):
    with target.connect() as c:
        message = wire.compact_string("wire") + wire.compact_string("1") + wire.NO_TAGS
        answer = c.ask(wire.API_VERSIONS, 3, message)
    error, count = struct.unpack_from(">hB", answer)
    assert error == 0 and 20 < count < 128, "the error code comes right behind the correlation id"
    keys = [struct.unpack_from(">hhhB", answer, 3 + 7 * i) for i in range(count - 1)]
    assert all(tags == 0 and low <= high for _, low, high, tags in keys)
    assert wire.API_VERSIONS in {key for key, *_ in keys}


@pytest.mark.trilog_only
def test_the_versions_told_are_those_of_the_contract(target):
    with target.connect() as c:
        r = wire.Reader(c.ask(wire.API_VERSIONS, 0, b""))
        assert r.take("h") == 0
        assert wire.api_rows(r) == {
            0: (0, 11), 1: (4, 12), 2: (1, 7), 3: (0, 12), 8: (2, 8), 9: (1, 8), 10: (0, 4),
            11: (0, 9), 12: (0, 4), 13: (0, 5), 14: (0, 5), 15: (0, 5), 16: (0, 4), 17: (0, 1),
            18: (0, 4), 19: (2, 7), 20: (1, 6), 21: (0, 2), 22: (0, 4), 23: (2, 4), 32: (1, 4),
            33: (0, 2), 35: (1, 5), 37: (0, 3), 42: (0, 2), 43: (0, 2), 44: (0, 1), 46: (0, 0), 47: (0, 0), 58: (0, 0), 60: (0, 1)}
        assert r.is_at_end()


def test_pipelined_requests_are_answered_in_their_order(target):
    requests = [row for row in wire.requests_of(target.topic) if not row[0].startswith("JoinGroup")]
    with target.connect() as c:
        everything = b"".join(
            wire.frame(wire.header(api, version, 1000 + i) + message)
            for i, (_, api, version, message) in enumerate(requests * 3))
        assert c.send(everything)
        for i in range(3 * len(requests)):
            answer = c.answer()
            assert answer is not None, f"closed before the answer to {requests[i % len(requests)][0]}"
            assert answer[:4] == int32(1000 + i), requests[i % len(requests)][0]


def test_what_comes_behind_a_waiting_fetch_is_answered_after_it(target):
    with target.connect() as c:
        waiting = wire.fetch(target.topic, target.log_end(), max_wait_ms=700, min_bytes=1000)
        begun = time.monotonic()
        c.send(wire.frame(wire.header(wire.FETCH, 4, 1) + waiting) +
               wire.frame(wire.header(wire.API_VERSIONS, 0, 2)) +
               wire.frame(wire.header(wire.PRODUCE, 3, 3) +
                          wire.produce(target.topic, wire.batch())))
        assert c.answer()[:4] == int32(1)
        assert time.monotonic() - begun >= 0.69, "the fetch must wait, and the others for it"
        assert [c.answer()[:4] for _ in range(2)] == [int32(2), int32(3)]


def test_pipelined_produces_keep_their_order(target):
    end = target.log_end()
    with target.connect() as c:
        c.send(b"".join(wire.frame(wire.header(wire.PRODUCE, 3, i) +
                                   wire.produce(target.topic, wire.batch())) for i in range(200)))
        answers = [c.answer() for _ in range(200)]
    assert [a[:4] for a in answers] == [int32(i) for i in range(200)]
    assert [wire.produced(a[4:]) for a in answers] == [(0, end + i) for i in range(200)]


def test_a_produce_without_acks_is_taken_and_not_answered(target):
    end = target.log_end()
    with target.connect() as c:
        c.send(wire.frame(wire.header(wire.PRODUCE, 3, 1) +
                          wire.produce(target.topic, wire.batch(), acks=0)))
        assert c.ask(wire.API_VERSIONS, 0, b"", 2) is not None, "only the second has an answer"
    clusters.wait_until(lambda: target.log_end() == end + 1, 10, "the record is there")


def test_errors_name_what_is_wrong(target):
    def error_of(node, topic, partition=0, acks=-1):
        with wire.Connection(node) as c:
            return wire.produced(c.ask(wire.PRODUCE, 3, wire.produce(
                topic, wire.batch(), acks=acks, partition=partition)))[0]
    end = target.log_end()
    follower = next(n for n in target.cluster.nodes if n.id != target.node.id)
    assert error_of(follower, target.topic) == NOT_LEADER
    assert error_of(target.node, "no-such-topic-here") == UNKNOWN_TOPIC_OR_PARTITION
    assert error_of(target.node, target.topic, partition=17) == UNKNOWN_TOPIC_OR_PARTITION
    assert error_of(target.node, target.topic, partition=-1) == UNKNOWN_TOPIC_OR_PARTITION
    assert error_of(target.node, target.topic, acks=2) == INVALID_REQUIRED_ACKS
    assert target.log_end() == end


def coordinator_of(target, group):
    """The node that coordinates it, and is ready to."""
    def found():
        with Connection(target.node) as c:
            answer = c.call("FindCoordinator", 3, key=group)
        if answer["error_code"] != 0:
            return None
        node = target.cluster.node(answer["node_id"])
        with Connection(node) as c:
            answer = c.call("OffsetFetch", 7, group_id=group, topics=None)
        return node if answer["error_code"] == 0 else None
    return clusters.wait_until(found, 20, "there is a coordinator")


def test_what_reads_waits_for_the_change_before_it_on_its_connection(target):
    """As with Kafka, which works on one request of a connection at a time."""
    for number in range(20):
        group = f"{target.topic}-{number}"
        with Connection(coordinator_of(target, group)) as c:
            offsets = [{"name": target.topic, "partitions": [
                {"partition_index": 0, "committed_offset": 5}]}]
            c.post("OffsetCommit", 7, group_id=group, topics=offsets)
            c.post("OffsetFetch", 7, group_id=group, topics=[
                {"name": target.topic, "partition_indexes": [0]}])
            committed = c.take("OffsetCommit", 7)["topics"][0]["partitions"][0]["error_code"]
            fetched = c.take("OffsetFetch", 7)["topics"][0]["partitions"][0]
            assert (committed, fetched["committed_offset"]) == (0, 5)


def commits(topic, *partitions):
    return [{"name": topic, "partitions": [
        {"partition_index": i, "committed_offset": offset, "committed_leader_epoch": epoch}
        for i, offset, epoch in partitions]}]


def committed(connection):
    return {p["error_code"] for p in
            connection.take("OffsetCommit", 7)["topics"][0]["partitions"]}


@pytest.fixture(name="spread")
def spread_topic(target):
    """A topic on all shards."""
    topic = f"{target.topic}-spread"
    with Connection(target.node) as c:
        c.call("CreateTopics", 7, timeout_ms=10_000, validate_only=False, topics=[
            {"name": topic, "num_partitions": 12, "replication_factor": -1}])
    return topic


@pytest.mark.trilog_only
def test_commits_of_a_connection_count_in_their_order(target, spread):
    """Also where the first has to ask elsewhere for its leader epochs, and the next has them."""
    for number in range(20):
        group = f"{spread}-{number}"
        with Connection(coordinator_of(target, group)) as c:
            c.post("OffsetCommit", 7, group_id=group,
                   topics=commits(spread, *((i, 10, -1) for i in range(12))))
            c.post("OffsetCommit", 7, group_id=group, topics=commits(spread, (0, 20, 0)))
            assert [committed(c), committed(c)] == [{0}, {0}]
            fetched = c.call("OffsetFetch", 7, group_id=group, topics=[
                {"name": spread, "partition_indexes": [0]}])
            assert fetched["topics"][0]["partitions"][0]["committed_offset"] == 20


def join(connection, group):
    """The only member of its group; what its requests say of it."""
    joined = connection.call("JoinGroup", 3, group_id=group, session_timeout_ms=30_000,
                             rebalance_timeout_ms=30_000, member_id="", protocol_type="consumer",
                             protocols=[{"name": "range", "metadata": b""}])
    member = {"generation_id": joined["generation_id"], "member_id": joined["member_id"]}
    synced = connection.call("SyncGroup", 3, group_id=group, **member, assignments=[
        {"member_id": joined["member_id"], "assignment": b""}])
    assert synced["error_code"] == 0
    return member


@pytest.mark.trilog_only
@pytest.mark.parametrize("is_read", [True, False])
def test_a_member_that_commits_and_leaves_has_committed_and_left(target, spread, is_read):
    """Also when it goes without a look at the answers."""
    for number in range(5):
        group = f"{spread}-leaves-{number}-{is_read}"
        node = coordinator_of(target, group)
        with Connection(node) as c:
            member = join(c, group)
            c.post("OffsetCommit", 7, group_id=group, **member,
                   topics=commits(spread, *((i, 10, -1) for i in range(12))))
            c.post("LeaveGroup", 2, group_id=group, member_id=member["member_id"])
            if is_read:
                assert committed(c) == {0}
                assert c.take("LeaveGroup", 2)["error_code"] == 0

        def state_of(group=group, node=node):
            with Connection(node) as c:
                return c.call("DescribeGroups", 5, groups=[group])["groups"][0]["group_state"]
        clusters.wait_until(lambda: state_of() == "Empty", 10, "it has left")

        def offset(group=group, node=node):
            with Connection(node) as c:
                fetched = c.call("OffsetFetch", 7, group_id=group, topics=[
                    {"name": spread, "partition_indexes": [11]}])
            return fetched["topics"][0]["partitions"][0]["committed_offset"]
        clusters.wait_until(lambda: offset() == 10, 10, "its commit counts")


def test_what_waits_behind_a_change_goes_with_its_connection(target):
    for number in range(50):
        with Connection(target.node) as c:
            c.post("CreateTopics", 7, timeout_ms=5_000, validate_only=number % 2 == 0, topics=[
                {"name": f"{target.topic}-behind-{number}", "num_partitions": 1,
                 "replication_factor": 1}])
            for _ in range(5):
                c.post("Metadata", 9, topics=None)
    target.check_serves()


def test_answers_that_nobody_reads_do_not_pile_up(target):
    """A client asks for a gigabyte in all and reads nothing: the node stops reading from it."""
    blob = os.urandom(500_000)
    with target.connect() as c:
        for _ in range(4):
            wire.produced(c.ask(wire.PRODUCE, 3, wire.produce(
                target.topic, wire.batch([wire.record(blob)]))))
        start = target.log_end() - 4
        before = target.rss_bytes() if target.cluster.is_own else 0
        c.socket.settimeout(3)
        request = wire.frame(wire.header(wire.FETCH, 4) +
                             wire.fetch(target.topic, start, max_bytes=4_000_000))
        try:
            for _ in range(600):
                c.socket.sendall(request)
        except TimeoutError:
            pass  # it stopped reading
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            target.check_serves()
            if target.cluster.is_own:
                assert target.rss_bytes() - before < 160 * MIB
