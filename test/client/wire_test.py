"""What no real client sends: malformed frames, requests and batches, by raw sockets.

Each is answered by the protocol's error or by a closed connection, in time; and whatever was sent,
the node goes on serving, the log has not grown by it, and neither has the node's memory."""

import os
import random
import struct
import time

import pytest

import cluster as clusters
import wire
from conftest import create_topic
from wire import int8, int16, int32, int64

MIB = 1 << 20
RSS_GROWTH_MAX = 32 * MIB
UNKNOWN_TOPIC_OR_PARTITION, NOT_LEADER, OFFSET_OUT_OF_RANGE = 3, 6, 1
INVALID_REQUIRED_ACKS, UNSUPPORTED_VERSION, OUT_OF_ORDER_SEQUENCE = 21, 35, 45


class Target:
    """A topic and the node that leads it."""

    def __init__(self, cluster, topic):
        self.cluster = cluster
        self.topic = topic
        self.node = cluster.leader(topic)

    def connect(self):
        return wire.Connection(self.node)

    def log_end(self):
        with self.connect() as c:
            r = wire.Reader(c.ask(wire.LIST_OFFSETS, 1, wire.list_offsets(self.topic)))
            assert r.take("i") == 1 and r.string() == self.topic and r.take("i") == 1
            _, error, _, offset = r.take("ihqq")
            assert error == 0
            return offset

    def check_serves(self):
        """A new connection is answered, a record is taken and read."""
        end = self.log_end()
        with self.connect() as c:
            answer = c.ask(wire.PRODUCE, 3, wire.produce(self.topic, wire.batch()))
            assert wire.produced(answer) == (0, end)
            error, high_watermark, data = wire.fetched(
                c.ask(wire.FETCH, 4, wire.fetch(self.topic, end, 1000)))
        assert (error, high_watermark) == (0, end + 1) and data

    def rss_bytes(self):
        return clusters.rss_bytes_of(self.node.pid())


@pytest.fixture(scope="module")
def wire_topic(shared_cluster):
    topic = create_topic(shared_cluster, f"wire-{os.getpid()}-{time.time_ns()}")
    warm = Target(shared_cluster, topic)
    for _ in range(50):  # what is allocated once and kept is so before anything is measured
        warm.check_serves()
    return topic


@pytest.fixture
def target(cluster, wire_topic):
    """Whatever a test does to it, it serves afterwards and has not grown."""
    aimed = Target(cluster, wire_topic)
    before = aimed.rss_bytes() if cluster.is_own else 0
    yield aimed
    aimed.check_serves()
    if cluster.is_own:
        assert aimed.node.is_running()
        growth = aimed.rss_bytes() - before
        assert growth < RSS_GROWTH_MAX, f"the node has grown by {growth / MIB:.0f} MiB"


def answer_to(target, content):
    with target.connect() as c:
        return c.answer() if c.send(wire.frame(content)) else None


def assert_closed(target, content, what):
    answer = answer_to(target, content)
    assert answer is None, f"{what}: answered by {answer[:80].hex()}"


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
    for i in range(600):
        with target.connect() as c:
            if i % 2:
                c.send(wire.frame(wire.header(wire.FETCH, 4) +
                                  wire.fetch(target.topic, target_end(target), 20_000)))
    clusters.wait_until(lambda: open_files() <= before + 4, 15, "the closed connections are closed")


_ends = {}


def target_end(target):
    """The log end when first asked: a fetch there waits."""
    if target.topic not in _ends:
        _ends[target.topic] = target.log_end() + 1_000_000
    return _ends[target.topic] - 1_000_000


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


# ---- record batches ----------------------------------------------------------------------------
def assert_refused(target, message, what, version=3):
    """An error for the partition, or a closed connection."""
    with target.connect() as c:
        answer = c.ask(wire.PRODUCE, version, message)
    if answer is not None:
        error, _ = wire.produced(answer)
        assert error != 0, f"{what}: accepted"


TWO = [wire.record(b"one"), wire.record(b"two", delta=1)]
LONG = b"\xff" * 10 + b"\x01"
BATCHES = [
    ("wrong CRC", wire.batch(crc_flip=1)),
    ("wrong CRC in the first bit", wire.batch(crc_flip=0x80000000)),
    ("magic 0", wire.old_message_set(0)),
    ("magic 1", wire.old_message_set(1)),
    ("magic 3", wire.batch(magic=3)),
    ("magic -1", wire.batch(magic=-1)),
    ("magic 0 in a batch", wire.batch(magic=0)),
    ("length too short by one", wire.batch(length=len(wire.batch()) - 13)),
    ("length too long by one", wire.batch(length=len(wire.batch()) - 11)),
    ("length 0", wire.batch(length=0)),
    ("length below zero", wire.batch(length=-1)),
    ("length of half a header", wire.batch(length=20)),
    ("length huge", wire.batch(length=HUGE)),
    ("no records", wire.batch([], last_offset_delta=0)),
    ("no records, none counted", wire.batch([])),
    ("count below zero", wire.batch(count=-1)),
    ("count huge", wire.batch(count=HUGE)),
    ("count and offsets huge", wire.batch(count=HUGE, last_offset_delta=HUGE - 1)),
    ("more records than offsets", wire.batch(TWO, last_offset_delta=0)),
    ("more offsets than records", wire.batch(TWO, last_offset_delta=5)),
    ("offsets that go back", wire.batch(last_offset_delta=-1)),
    ("offsets that overflow", wire.batch(last_offset_delta=HUGE)),
    ("compression 5", wire.batch(attributes=5)),
    ("compression 7", wire.batch(attributes=7)),
    ("control batch", wire.batch(attributes=0x20)),
    ("transactional, without a transaction",
     wire.batch(attributes=0x10, producer_id=1, producer_epoch=0, base_sequence=0)),
    ("only half a header", wire.batch()[:30]),
    ("only a header", wire.batch()[:61]),
]
INNER = [
    ("record length of eleven bytes", wire.batch([wire.record(b"v", length=LONG)])),
    ("record length beyond the batch", wire.batch([wire.record(b"v", length=wire.varint(9999))])),
    ("record length below zero", wire.batch([wire.record(b"v", length=wire.varint(-5))])),
    ("record length too short", wire.batch([wire.record(b"value", length=wire.varint(3))])),
    ("fewer records than counted", wire.batch([wire.record(b"v")], count=3, last_offset_delta=2)),
    ("headers beyond the record", wire.batch([wire.record(b"v", header_count=HUGE)])),
    ("headers below zero", wire.batch([wire.record(b"v", header_count=-1)])),
    ("bytes behind the last record", wire.batch([wire.record(b"v") + b"more"])),
]


@pytest.mark.parametrize("what, data", BATCHES + INNER, ids=[b[0] for b in BATCHES + INNER])
def test_a_malformed_batch_is_refused_and_not_appended(target, what, data):
    end = target.log_end()
    assert_refused(target, wire.produce(target.topic, data), what)
    assert target.log_end() == end, f"{what}: appended"


def test_a_batch_cut_at_any_byte_is_refused_and_not_appended(target):
    end = target.log_end()
    data = wire.batch(TWO)
    for size in range(len(data)):
        assert_refused(target, wire.produce(target.topic, data[:size]), f"{size} bytes of a batch")
    assert target.log_end() == end


def test_an_old_produce_version_is_refused(target):
    """Told as known, for old clients derive their features from it, but not served."""
    end = target.log_end()
    for version in (0, 1, 2):
        message = wire.produce(target.topic, wire.old_message_set(1))[2:]  # no transactional id
        assert_refused_old(target, version, message)
    assert target.log_end() == end


def assert_refused_old(target, version, message):
    with target.connect() as c:
        answer = c.ask(wire.PRODUCE, version, message)
    assert answer is None or wire.produced(answer)[0] != 0


@pytest.mark.parametrize("base_offset", [2**63 - 1, -1, -(2**63), 1 << 40])
def test_a_base_offset_of_the_producers_never_moves_the_log(target, base_offset):
    end = target.log_end()
    with target.connect() as c:
        answer = c.ask(wire.PRODUCE, 3, wire.produce(
            target.topic, wire.batch(TWO, base_offset=base_offset)))
    accepted = answer is not None and wire.produced(answer)[0] == 0
    if accepted:
        assert wire.produced(answer)[1] == end
    assert target.log_end() == end + (2 if accepted else 0)


def test_a_fetch_outside_the_log_is_out_of_range(target):
    for offset in (2**63 - 1, target.log_end() + 1000, -5, -(2**63)):
        with target.connect() as c:
            answer = c.ask(wire.FETCH, 4, wire.fetch(target.topic, offset))
        assert answer is None or wire.fetched(answer)[0] == OFFSET_OUT_OF_RANGE, offset


def test_a_repeated_idempotent_batch_gets_its_first_offset_and_a_gap_is_refused(target):
    end = target.log_end()
    with target.connect() as c:
        r = wire.Reader(c.ask(wire.INIT_PRODUCER_ID, 0, wire.string(None) + int32(1000)))
        _, error, producer_id, epoch = r.take("ihqh")
        assert error == 0

        def send(sequence):
            data = wire.batch(producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence)
            return wire.produced(c.ask(wire.PRODUCE, 3, wire.produce(target.topic, data)))
        assert [send(0), send(1), send(2)] == [(0, end), (0, end + 1), (0, end + 2)]
        assert [send(0), send(2), send(1)] == [(0, end), (0, end + 2), (0, end + 1)]
        assert send(7)[0] == OUT_OF_ORDER_SEQUENCE
        assert send(3) == (0, end + 3)
    assert target.log_end() == end + 4


# ---- the rules of a connection -----------------------------------------------------------------
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
            11: (0, 7), 12: (0, 4), 13: (0, 4), 14: (0, 5), 15: (0, 5), 16: (0, 4), 18: (0, 3),
            19: (2, 7), 20: (1, 6), 21: (0, 2), 22: (0, 4), 23: (2, 4), 32: (1, 4), 37: (0, 3),
            42: (0, 2), 44: (0, 1), 47: (0, 0), 60: (0, 1)}
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
        c.send(wire.frame(wire.header(wire.FETCH, 4, 1) + waiting) +
               wire.frame(wire.header(wire.API_VERSIONS, 0, 2)) +
               wire.frame(wire.header(wire.PRODUCE, 3, 3) +
                          wire.produce(target.topic, wire.batch())))
        assert c.is_silent(0.3), "the fetch must wait, and the others for it"
        assert [c.answer()[:4] for _ in range(3)] == [int32(1), int32(2), int32(3)]


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
