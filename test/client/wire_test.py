"""What no real client sends: malformed frames and requests, by raw sockets.

Each is answered by the protocol's error or by a closed connection, in time; and whatever was sent,
the node goes on serving, the log has not grown by it, and neither has the node's memory."""

import os
import random
import time

import pytest

import cluster as clusters
import wire
from wire_target import MIB, answer_to, assert_closed, assert_refused
from wire import int8, int16, int32, int64


# ---- frames ------------------------------------------------------------------------------------
@pytest.mark.parametrize("length", [0, -1, -(2**31), 2**31 - 1, 2**31 - 5, 200 * MIB])
def test_a_frame_of_an_impossible_length_closes_the_connection(target, length):
    with target.connect() as c:
        c.send(int32(length))
        c.wait_closed()


def test_frames_shorter_than_a_header_close_the_connection(target):
    content = wire.header(wire.API_VERSIONS, 0)
    for size in range(1, len(content)):
        assert_closed(target, content[:size], f"{size} bytes of a header")


def test_bytes_behind_a_request_are_left_alone(target):
    """librdkafka sends three when it asks for all topics, and Kafka does not look at them."""
    for what, message in (("as librdkafka sends it", b"\x00\x00\x00\x00\x01\x00\x00"),
                          ("with more", b"\x00\x00\x00\x00" + b"\xff" * 50)):
        answer = answer_to(target, wire.header(wire.METADATA, 12) + message)
        assert answer is not None, what
        assert target.topic.encode() in answer


@pytest.mark.parametrize("number", range(len(wire.requests_of(""))),
                         ids=[name.replace(" ", "-") for name, *_ in wire.requests_of("")])
def test_a_request_is_served_whole_and_refused_cut_at_any_byte(target, number):
    name, api, version, message = wire.requests_of(target.topic)[number]
    content = wire.header(api, version) + message
    whole = answer_to(target, content)
    assert whole is not None and whole[:4] == int32(1), f"{name} is not answered"
    end = target.log_end()
    for size in range(len(wire.header(api, version)), len(content)):
        assert_closed(target, content[:size], f"{name} cut at {size} of {len(content)}")
    assert target.log_end() == end


def test_a_request_that_ends_with_the_connection_is_dropped(target):
    end = target.log_end()
    whole = wire.frame(wire.header(wire.PRODUCE, 3) + wire.produce(target.topic, wire.batch()))
    for size in range(1, len(whole)):
        with target.connect() as c:
            c.send(whole[:size])
            c.socket.shutdown(1)
            assert c.answer() is None
    assert target.log_end() == end


def test_a_request_that_comes_byte_by_byte_is_answered(target):
    with target.connect() as c:
        whole = wire.frame(wire.header(wire.METADATA, 1, 77) + wire.metadata(target.topic))
        for i in range(len(whole)):
            assert c.send(whole[i:i + 1])
            time.sleep(0.001)  # so that each byte is a packet
        assert c.answer()[:4] == int32(77)


@pytest.mark.trilog_only  # Kafka allocates what a frame claims, and runs out of memory here
def test_half_requests_that_never_end_cost_others_nothing(target):
    held = []
    try:
        for i in range(150):
            c = target.connect()
            held.append(c)
            c.send(int32(50 * MIB) + wire.header(wire.PRODUCE, 3)[:1 + i % 12])
        for _ in range(20):
            target.check_serves()
        if target.cluster.is_own:
            assert target.rss_bytes() < 1024 * MIB
    finally:
        for c in held:
            c.__exit__()


def test_connections_that_say_nothing_cost_others_nothing(target):
    held = []
    try:
        for _ in range(300):
            held.append(target.connect())
        target.check_serves()
    finally:
        for c in held:
            c.__exit__()


def test_connections_that_come_and_go_leave_nothing_open(target):
    def open_files():
        return len(os.listdir(f"/proc/{target.node.pid()}/fd")) if target.cluster.is_own else 0
    before = open_files()
    waiting = wire.fetch(target.topic, target.log_end(), max_wait_ms=20_000)
    for i in range(600):
        with target.connect() as c:
            if i % 2:
                c.send(wire.frame(wire.header(wire.FETCH, 4) + waiting))
    clusters.wait_until(lambda: open_files() <= before + 4, 15, "the closed connections are closed")


# ---- what is counted wrongly -------------------------------------------------------------------
HUGE = 2**31 - 1
COUNTS = [
    ("Metadata, topics", wire.METADATA, 1, int32(HUGE)),
    ("Metadata 9, topics", wire.METADATA, 9, wire.uvarint(HUGE)),
    ("Metadata 9, tags", wire.METADATA, 9, wire.compact_array() + int8(0) * 3 + wire.uvarint(HUGE)),
    ("Metadata 9, size of a tag", wire.METADATA, 9,
     wire.compact_array() + int8(0) * 3 + wire.uvarint(1) + wire.uvarint(9) + wire.uvarint(HUGE)),
    ("Produce, topics", wire.PRODUCE, 3, wire.string(None) + int16(-1) + int32(9) + int32(HUGE)),
    ("Produce, topics below zero", wire.PRODUCE, 3,
     wire.string(None) + int16(-1) + int32(9) + int32(-2)),
    ("Produce, partitions", wire.PRODUCE, 3,
     wire.string(None) + int16(-1) + int32(9) + int32(1) + wire.string("t") + int32(HUGE)),
    ("Produce, records", wire.PRODUCE, 3, wire.string(None) + int16(-1) + int32(9) + int32(1) +
     wire.string("t") + int32(1) + int32(0) + int32(HUGE)),
    ("Produce 9, records", wire.PRODUCE, 9, wire.compact_string(None) + int16(-1) + int32(9) +
     wire.uvarint(2) + wire.compact_string("t") + wire.uvarint(2) + int32(0) + wire.uvarint(HUGE)),
    ("Fetch, topics", wire.FETCH, 4, int32(-1) + int32(0) * 2 + int32(9) + int8(0) + int32(HUGE)),
    ("Fetch, partitions", wire.FETCH, 4, int32(-1) + int32(0) * 2 + int32(9) + int8(0) + int32(1) +
     wire.string("t") + int32(HUGE)),
    ("ListOffsets, topics", wire.LIST_OFFSETS, 1, int32(-1) + int32(HUGE)),
    ("FindCoordinator 4, keys", wire.FIND_COORDINATOR, 4, int8(0) + wire.uvarint(HUGE)),
    ("JoinGroup, protocols", wire.JOIN_GROUP, 2, wire.string("g") + int32(6000) * 2 +
     wire.string("") + wire.string("consumer") + int32(HUGE)),
    ("JoinGroup, metadata", wire.JOIN_GROUP, 2, wire.string("g") + int32(6000) * 2 +
     wire.string("") + wire.string("consumer") + int32(1) + wire.string("range") + int32(HUGE)),
    ("SyncGroup, assignments", wire.SYNC_GROUP, 1,
     wire.string("g") + int32(1) + wire.string("m") + int32(HUGE)),
    ("OffsetCommit, topics", wire.OFFSET_COMMIT, 2,
     wire.string("g") + int32(1) + wire.string("m") + int64(-1) + int32(HUGE)),
    ("OffsetFetch, topics", wire.OFFSET_FETCH, 1, wire.string("g") + int32(HUGE)),
    ("CreateTopics, topics", wire.CREATE_TOPICS, 2, int32(HUGE)),
    ("CreateTopics, configs", wire.CREATE_TOPICS, 2, int32(1) + wire.string("t") + int32(1) +
     int16(1) + int32(0) + int32(HUGE)),
    ("DeleteTopics, names", wire.DELETE_TOPICS, 1, int32(HUGE)),
    ("DescribeConfigs, resources", wire.DESCRIBE_CONFIGS, 1, int32(HUGE)),
    ("DescribeGroups, groups", wire.DESCRIBE_GROUPS, 0, int32(HUGE)),
    ("DeleteRecords, topics", wire.DELETE_RECORDS, 0, int32(HUGE)),
    ("a string's length", wire.METADATA, 1, int32(1) + int16(32767)),
    ("a string's length below null", wire.METADATA, 1, int32(1) + int16(-2) + b"ab"),
    ("a compact string's length", wire.FIND_COORDINATOR, 4, int8(0) + wire.uvarint(2) +
     wire.uvarint(HUGE)),
]


@pytest.mark.parametrize("what, api, version, message", COUNTS, ids=[c[0] for c in COUNTS])
def test_a_count_beyond_the_bytes_left_closes_the_connection(target, what, api, version, message):
    assert_closed(target, wire.header(api, version) + message, what)
    assert_closed(target, wire.header(api, version) + message + b"\x00" * 100, what)


@pytest.mark.parametrize("size", [32767, -2, -32768])
def test_a_client_id_of_an_impossible_length_closes_the_connection(target, size):
    assert_closed(target, int16(wire.METADATA) + int16(1) + int32(1) + int16(size) + b"abc", size)


LONG_VARINTS = [b"\xff" * 9 + b"\x01", b"\xff" * 10 + b"\x01", b"\x80" * 10 + b"\x00",
                b"\xff" * 30, b"\x80" * 100 + b"\x01", b"\xff" * 5]


@pytest.mark.parametrize("number", LONG_VARINTS, ids=lambda n: n[:12].hex())
def test_a_varint_that_is_too_long_closes_the_connection(target, number):
    tail = b"\x00" * 20
    for what, api, version, before in (
            ("an array", wire.METADATA, 9, b""),
            ("a string", wire.FIND_COORDINATOR, 4, int8(0) + wire.uvarint(2)),
            ("tags", wire.METADATA, 9, wire.compact_array() + int8(0) * 3),
            ("a transactional id", wire.PRODUCE, 9, b"")):
        assert_closed(target, wire.header(api, version) + before + number + tail, what)


def test_a_null_where_none_is_allowed_is_refused(target):
    null = wire.string(None)
    end = target.log_end()
    for what, api, version, message in (
            ("topic of Produce", wire.PRODUCE, 3, wire.produce(None, wire.batch())),
            ("topic of Produce 9", wire.PRODUCE, 9, wire.produce(None, wire.batch(), version=9)),
            ("topics of Produce", wire.PRODUCE, 3, null + int16(-1) + int32(9) + int32(-1)),
            ("topic of Fetch", wire.FETCH, 4, wire.fetch(None)),
            ("topics of Fetch", wire.FETCH, 4,
             int32(-1) + int32(0) * 2 + int32(9) + int8(0) + int32(-1)),
            ("topic of ListOffsets", wire.LIST_OFFSETS, 1, wire.list_offsets(None)),
            ("name of Metadata 1", wire.METADATA, 1, wire.array(null)),
            ("key of FindCoordinator", wire.FIND_COORDINATOR, 1, null + int8(0)),
            ("group of JoinGroup", wire.JOIN_GROUP, 2, null + int32(6000) * 2 + wire.string("") +
             wire.string("consumer") + wire.array(wire.string("range") + wire.blob(b""))),
            ("metadata of JoinGroup", wire.JOIN_GROUP, 2, wire.string("g") + int32(6000) * 2 +
             wire.string("") + wire.string("consumer") +
             wire.array(wire.string("range") + wire.blob(None))),
            ("member of Heartbeat", wire.HEARTBEAT, 1, wire.string("g") + int32(1) + null),
            ("topic of OffsetCommit", wire.OFFSET_COMMIT, 2, wire.string("g") + int32(-1) +
             wire.string("") + int64(-1) + wire.array(null + wire.array())),
            ("group of OffsetFetch", wire.OFFSET_FETCH, 1, null + wire.array()),
            ("name of CreateTopics", wire.CREATE_TOPICS, 2, wire.array(
                null + int32(1) + int16(1) + wire.array() + wire.array()) + int32(9) + int8(0)),
            ("name of DeleteTopics", wire.DELETE_TOPICS, 1, wire.array(null) + int32(9)),
            ("name of DescribeConfigs", wire.DESCRIBE_CONFIGS, 1,
             wire.array(int8(2) + null + int32(-1)) + int8(0))):
        assert_closed(target, wire.header(api, version) + message, what)
    assert target.log_end() == end


@pytest.mark.trilog_only  # Kafka never answers it
def test_a_produce_without_records_is_refused(target):
    end = target.log_end()
    assert_refused(target, wire.produce(target.topic, None), "null for the records")
    assert_refused(target, wire.produce(target.topic, b""), "no bytes of records")
    assert target.log_end() == end


def test_an_unknown_request_or_version_closes_the_connection(target):
    for api, version in ((999, 0), (-1, 0), (32767, 32767), (wire.METADATA, 99), (wire.METADATA, -1),
                         (wire.PRODUCE, 99), (wire.FETCH, 99), (wire.JOIN_GROUP, 99), (4, 0)):
        assert_closed(target, int16(api) + int16(version) + int32(1) + wire.string("wire") +
                      b"\x00" * 40, f"request {api} version {version}")


# ---- anything ----------------------------------------------------------------------------------
def mutated(chance, content):
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 5))):
        kind, at = chance.randrange(4), chance.randrange(len(data))
        if kind == 0:
            data[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            data[at:at] = chance.randbytes(chance.randrange(1, 9))
        elif kind == 2:
            del data[at:at + chance.randrange(1, 9)]
            data = data or bytearray(b"\x00")
        else:
            data[at:at + 4] = chance.choice((int32(-1), int32(HUGE), int32(0), int32(-HUGE)))
    return bytes(data)


def throw(target, seed, count):
    """Requests with random damage. What comes back is not judged: they may even be sound."""
    chance = random.Random(seed)
    kept = (wire.DELETE_TOPICS, wire.CREATE_TOPICS, wire.CREATE_PARTITIONS, wire.METADATA)
    sound = [wire.header(api, version) + message
             for _, api, version, message in wire.requests_of(target.topic) if api not in kept]
    for turn in range(count):
        with target.connect() as c:
            c.send(wire.frame(mutated(chance, chance.choice(sound))))
            c.is_silent(0.01)
        if turn % 100 == 0:
            target.check_serves()


def test_requests_with_random_damage_leave_the_node_serving(target):
    throw(target, seed=1, count=1500)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(2, 7))
def test_many_requests_with_random_damage_leave_the_node_serving(target, seed):
    throw(target, seed, count=6000)
