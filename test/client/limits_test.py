"""Limits of a node are limits of the node: what is at them is refused or waits, and says so."""

import os
import socket
import struct

import pytest

import cluster as clusters
import wire
from topics import create_topic
from wire import array, blob, int8, int16, int32, int64, string

ADDRESS = "127.0.0.9"  # of ours alone: other clients come from 127.0.0.1
CONNECTIONS, GROUP_MEMBERS, PARTITIONS, FETCH_BYTES, METADATA_BYTES = 30, 2, 8, 10_000, 10
INVALID_PARTITIONS, OFFSET_METADATA_TOO_LARGE, INVALID_SESSION_TIMEOUT = 37, 12, 26
COORDINATOR_LOAD_IN_PROGRESS, GROUP_MAX_SIZE_REACHED = 14, 81

pytestmark = pytest.mark.trilog_only  # a running cluster has limits of its own


@pytest.fixture(scope="module")
def limited():
    running = clusters.new_cluster("limited", {
        "shards": 2, "max.connections.per.ip": CONNECTIONS, "group.max.size": GROUP_MEMBERS,
        "topic_partitions_max": PARTITIONS, "fetch.max.bytes": FETCH_BYTES,
        "offset.metadata.max.bytes": METADATA_BYTES, "group.max.session.timeout.ms": "20 s",
        **clusters.OwnCluster.UNHURT})
    with running.while_used():
        Group(running, "any")  # makes the topic, whose leaders then go home
        running.wait_led("__consumer_offsets", 12)
        running.wait_spread("__consumer_offsets")
        yield running


class From(wire.Connection):
    """A connection from an address of its own."""

    def __init__(self, node, address=ADDRESS):
        self.socket = socket.create_connection((node.host, node.port), wire.ANSWER_S, (address, 0))

    def is_served(self):
        try:
            return self.ask(wire.API_VERSIONS, 0, b"") is not None
        except ConnectionError:
            return False


def test_connections_from_an_address_are_counted_for_all_shards_together(limited):
    node, held = limited.node(1), []

    def has_room():
        c = From(node)
        if c.is_served():
            held.append(c)
            return True
        c.socket.close()
        return False
    try:
        for _ in range(CONNECTIONS):  # that those of before are gone, the node may have yet to see
            clusters.wait_until(has_room, 20, "there is room for one more")
        for _ in range(3):
            with From(node) as one_more:
                assert not one_more.is_served()
        with From(node, "127.0.0.10") as other:
            assert other.is_served(), "another address has its own count"
        held.pop().socket.close()
        clusters.wait_until(has_room, 20, "the place of one that went is free")
    finally:
        for c in held:
            c.socket.close()


def test_a_topic_has_no_more_partitions_than_the_setting_allows(limited):
    def error_of(partitions):
        with From(limited.node(1)) as c:
            r = wire.Reader(c.ask(wire.CREATE_TOPICS, 2, array(
                string("too-wide") + int32(partitions) + int16(1) + array() + array()) +
                int32(10_000) + int8(1)))
            assert r.take("i") == 0 and r.take("i") == 1
            r.string()
            return r.take("h")
    assert error_of(PARTITIONS) == 0
    assert error_of(PARTITIONS + 1) == INVALID_PARTITIONS


def test_a_fetch_is_never_larger_than_the_setting_but_for_one_batch(limited):
    topic = create_topic(limited, "large-fetch", 1)
    node = limited.leader(topic)
    one = wire.batch([wire.record(bytes(4_000))])
    with From(node) as c:
        for _ in range(5):
            assert wire.produced(c.ask(wire.PRODUCE, 3, wire.produce(topic, one)))[0] == 0
        large = wire.batch([wire.record(bytes(3 * FETCH_BYTES))])
        assert wire.produced(c.ask(wire.PRODUCE, 3, wire.produce(topic, large)))[0] == 0
        _, _, data = wire.fetched(c.ask(wire.FETCH, 4, wire.fetch(topic, 0)))
        assert len(data) == 2 * len(one), "as many whole batches as fit"
        _, _, data = wire.fetched(c.ask(wire.FETCH, 4, wire.fetch(topic, 5)))
        assert len(data) == len(large), "one batch always goes out"


class Group:
    """Raw requests to a group's coordinator."""

    def __init__(self, cluster, group):
        self.group = group

        def find():
            with From(cluster.node(1)) as c:
                r = wire.Reader(c.ask(wire.FIND_COORDINATOR, 1, string(group) + int8(0)))
                r.take("i")
                error = r.take("h")
                r.string()
                return cluster.node(r.take("i")) if error == 0 else None

        def find_ready():
            """Leaders of a young cluster still go home: who is named knows that it is meant."""
            self.node = find()
            return self.node is not None and self.described()[0] == 0
        clusters.wait_until(find_ready, 20, "there is a coordinator")

    def join(self, c, session_ms=10_000):
        """JoinGroup 2, a member's first one; sent only."""
        assert c.send(wire.frame(wire.header(wire.JOIN_GROUP, 2) + string(self.group) +
                                 int32(session_ms) + int32(60_000) + string("") +
                                 string("consumer") + array(string("range") + blob(b""))))

    def described(self):
        """Its error code and state."""
        with From(self.node) as c:
            r = wire.Reader(c.ask(wire.DESCRIBE_GROUPS, 0, array(string(self.group))))
        count, error = r.take("ih")
        assert count == 1 and r.string() == self.group
        return error, r.string()

    def state(self):
        error, state = self.described()
        assert error == 0
        return state

    @staticmethod
    def error(c):
        return struct.unpack_from(">h", c.answer(), 8)[0]

    def join_error(self, c, **settings):
        """Its code, once the coordinator has loaded."""
        def loaded():
            self.join(c, **settings)
            error = self.error(c)
            return None if error == COORDINATOR_LOAD_IN_PROGRESS else (error,)
        return clusters.wait_until(loaded, 20, "the coordinator has loaded")[0]


def test_a_group_has_no_more_members_than_the_setting_allows(limited):
    group = Group(limited, "crowded")
    members = [From(group.node) for _ in range(GROUP_MEMBERS)]
    assert group.join_error(members[0]) == 0
    group.join(members[1])  # waits for the first one to come again: it counts all the same
    clusters.wait_until(lambda: group.state() == "PreparingRebalance", 10, "the second is known")
    with From(group.node) as one_more:
        assert group.join_error(one_more) == GROUP_MAX_SIZE_REACHED
    for c in members:
        c.socket.close()


def test_a_session_is_no_longer_than_the_setting_allows(limited):
    group = Group(limited, "patient")
    with From(group.node) as c:
        assert group.join_error(c, session_ms=20_001) == INVALID_SESSION_TIMEOUT
        assert group.join_error(c, session_ms=5_999) == INVALID_SESSION_TIMEOUT


def test_a_committed_offset_has_no_more_text_than_the_setting_allows(limited):
    topic = create_topic(limited, "commented", 1)
    group = Group(limited, "commenting")

    def error_of(text):
        with From(group.node) as c:
            r = wire.Reader(c.ask(wire.OFFSET_COMMIT, 2, string(group.group) + int32(-1) +
                                  string("") + int64(-1) + array(
                                      string(topic) + array(int32(0) + int64(0) + string(text)))))
            assert r.take("i") == 1 and r.string() == topic and r.take("i") == 1
            return r.take("ih")[1]
    assert error_of("x" * METADATA_BYTES) == 0
    assert error_of("x" * (METADATA_BYTES + 1)) == OFFSET_METADATA_TOO_LARGE


def test_a_parked_fetch_costs_hundreds_of_bytes_a_partition(limited):
    """1,000 of them, each waiting for twelve partitions on a connection of its own; and those
    whose clients are gone cost nothing, however long they said they would wait."""
    fetches, waits_for, rounds, per_partition_bytes_max = 1_000, 12, 4, 800
    topic = create_topic(limited, "quiet", 1)
    node = limited.leader(topic)
    request = wire.frame(wire.header(wire.FETCH, 4) + (
        int32(-1) + int32(600_000) + int32(1) + int32(1 << 20) + int8(0) + array(
            string(topic) + array(*[int32(0) + int64(0) + int32(1 << 20)] * waits_for))))
    grown, files = [], len(os.listdir(f"/proc/{node.pid()}/fd"))
    for _ in range(rounds):
        held = [From(node, f"127.0.1.{1 + i // 10}") for i in range(fetches)]
        assert all(c.is_served() for c in held)
        before = clusters.rss_bytes_of(node.pid()) if not grown else before
        assert all(c.send(request) for c in held)
        assert held[-1].is_silent(1), "it waits"
        grown.append((clusters.rss_bytes_of(node.pid()) - before) // (fetches * waits_for))
        for c in held:
            c.socket.close()
        clusters.wait_until(lambda: len(os.listdir(f"/proc/{node.pid()}/fd")) < files + 50, 20,
                            "the node has seen that they are gone")
    print(f"bytes a partition, round by round: {grown}")
    assert max(grown) < per_partition_bytes_max


@pytest.fixture(scope="module")
def narrow():
    running = clusters.new_cluster("narrow", {
        "shards": 2, "memory_bytes_max": "4 MiB", "socket.request.max.bytes": "3 MiB",
        **clusters.OwnCluster.UNHURT})
    with running.while_used():
        yield running


def test_fetches_wait_for_room_that_other_clients_hold(narrow):
    topic = create_topic(narrow, "untaken", 1)
    node = narrow.leader(topic)
    one = wire.batch([wire.record(bytes(900_000))])
    with From(node) as c:
        assert wire.produced(c.ask(wire.PRODUCE, 3, wire.produce(topic, one)))[0] == 0
    greedy = [From(node) for _ in range(10)]
    for connection in greedy:  # more than sockets and the room take, and no one reads it
        for _ in range(20):  # they wait for room: answered empty at once, they would hold nothing
            connection.send(wire.frame(wire.header(wire.FETCH, 4) +
                                       wire.fetch(topic, 0, max_wait_ms=600_000)))
    with From(node) as c:
        def records():
            error, _, data = wire.fetched(c.ask(wire.FETCH, 4, wire.fetch(topic, 0, max_wait_ms=50)))
            assert error == 0
            return data

        clusters.wait_until(lambda: not records(), 20, "a fetch without room is answered, and empty")
        for connection in greedy:
            connection.socket.close()
        clusters.wait_until(lambda: len(records()) == len(one), 20, "with room it gets its records")
