"""What Produce, Fetch and their kin answer where clients rely on it: as Kafka 4.3 does, but for
what is marked trilog_only."""

import os
import time

import pytest

import cluster as clusters
import wire
from message import Connection

NONE, OFFSET_OUT_OF_RANGE, CORRUPT, UNKNOWN_TOPIC, NOT_LEADER, TOO_LARGE = 0, 1, 2, 3, 6, 10
LOADING, INVALID_ACKS, UNSUPPORTED_VERSION, INVALID_REQUEST = 14, 21, 35, 42
OUT_OF_ORDER, OLD_DUPLICATE, OLD_EPOCH, TXN_REFUSED = 45, 46, 47, 53
UNKNOWN_PRODUCER, SESSION_NOT_FOUND, FENCED_EPOCH, UNKNOWN_EPOCH, INVALID_RECORD = 59, 70, 74, 75, 87


class Log:
    """A topic of one partition, asked at its leader."""

    def __init__(self, cluster, topic):
        self.topic = topic
        self.node = cluster.leader(topic)
        self.connection = Connection(self.node)

    def call(self, name, version, partition, **values):
        """The answer's row of the partition."""
        answer = self.connection.call(name, version, topics=[
            {"name": self.topic, "partitions": [{"partition_index": 0, **partition}]}], **values)
        return answer["topics"][0]["partitions"][0]

    def produce(self, records, version=8, acks=-1, transactional_id=None):
        return self.call("Produce", version, {"records": records}, acks=acks, timeout_ms=10_000,
                         transactional_id=transactional_id)

    def fetch(self, offset, version=11, epoch=-1, partition_max_bytes=1 << 20, **values):
        partition = {"fetch_offset": offset, "partition_max_bytes": partition_max_bytes}
        if version >= 9:
            partition["current_leader_epoch"] = epoch
        return self.call("Fetch", version, partition,
                         **{"min_bytes": 1, "max_bytes": 1 << 20, **values})

    def list_offsets(self, timestamp, version=7, epoch=-1, **values):
        partition = {"timestamp": timestamp}
        if version >= 4:
            partition["current_leader_epoch"] = epoch
        return self.call("ListOffsets", version, partition, replica_id=-1, **values)

    def epoch(self):
        return self.list_offsets(-1)["leader_epoch"]

    def epoch_end(self, epoch, current=-1):
        p = self.call("OffsetForLeaderEpoch", 4, {"leader_epoch": epoch,
                                                  "current_leader_epoch": current}, replica_id=-1)
        return p["error_code"], p["leader_epoch"], p["end_offset"]


def batch(*values, **fields):
    values = values or (b"value",)
    return wire.batch([wire.record(value, i) for i, value in enumerate(values)], **fields)


@pytest.fixture
def log(cluster, new_topic):
    return Log(cluster, new_topic())


@pytest.fixture
def small_log(cluster, new_topic):
    return Log(cluster, new_topic(max_message_bytes=5_000))


# ---- ListOffsets -------------------------------------------------------------------------------
def offsets(row):
    return row["error_code"], row["timestamp"], row["offset"]


def test_list_offsets_finds_ends_times_and_the_largest_timestamp(log):
    for timestamp in (-3, 0):
        assert offsets(log.list_offsets(timestamp)) == (NONE, -1, -1), "nothing is there"
    for at_ms in (1_000, 3_000, 2_000):
        log.produce(batch(base_timestamp=at_ms, max_timestamp=at_ms))
    found = {timestamp: offsets(log.list_offsets(timestamp))
             for timestamp in (-1, -2, -3, 0, 1_000, 1_001, 3_000, 3_001)}
    assert found == {-1: (NONE, -1, 3), -2: (NONE, -1, 0), -3: (NONE, 3_000, 1), 0: (NONE, 1_000, 0),
                     1_000: (NONE, 1_000, 0), 1_001: (NONE, 3_000, 1), 3_000: (NONE, 3_000, 1),
                     3_001: (NONE, -1, -1)}
    assert offsets(log.list_offsets(-1, isolation_level=1)) == (NONE, -1, 3)


def test_list_offsets_knows_the_largest_timestamp_from_version_7_on(log):
    log.produce(batch())
    for version in range(1, 7):
        assert log.list_offsets(-3, version)["error_code"] == UNSUPPORTED_VERSION
    for timestamp in (-4, -5, -10):  # tiered storage, and what nobody knows
        assert log.list_offsets(timestamp)["error_code"] == UNSUPPORTED_VERSION


def test_who_knows_another_leader_epoch_is_told(log):
    log.produce(batch())
    epoch = log.epoch()
    assert log.list_offsets(-1, epoch=epoch)["error_code"] == NONE
    assert log.list_offsets(-1, epoch=epoch + 1)["error_code"] == UNKNOWN_EPOCH
    assert log.fetch(0, epoch=epoch)["error_code"] == NONE
    assert log.fetch(0, epoch=epoch + 1)["error_code"] == UNKNOWN_EPOCH
    assert log.epoch_end(epoch, current=epoch + 1)[0] == UNKNOWN_EPOCH
    if epoch > 0:
        assert log.list_offsets(-1, epoch=epoch - 1)["error_code"] == FENCED_EPOCH
        assert log.fetch(0, epoch=epoch - 1)["error_code"] == FENCED_EPOCH
        assert log.epoch_end(epoch, current=epoch - 1)[0] == FENCED_EPOCH


def test_an_epochs_end_is_told_and_that_of_an_unknown_one_is_not(log):
    assert log.epoch_end(log.epoch())[1:] == (log.epoch(), 0), "the leader's own, without a record"
    for _ in range(3):
        log.produce(batch())
    assert log.epoch_end(log.epoch()) == (NONE, log.epoch(), 3)
    assert log.epoch_end(log.epoch() + 5) == (NONE, -1, -1)


# ---- Fetch -------------------------------------------------------------------------------------
def size_of(row):
    assert row["error_code"] == NONE
    return len(row["records"])


def test_a_fetch_brings_one_batch_however_small_its_limits(log):
    one = batch(bytes(1_000))
    for _ in range(5):
        log.produce(one)
    for version in (4, 5, 7, 9, 11, 12):
        assert size_of(log.fetch(0, version)) == 5 * len(one)
    for limits in ({"max_bytes": 1}, {"max_bytes": 0}, {"partition_max_bytes": 1},
                   {"partition_max_bytes": 0}):
        assert size_of(log.fetch(0, **limits)) == len(one), limits
    assert 2 * len(one) <= size_of(log.fetch(0, partition_max_bytes=2 * len(one) + 50)) < 3 * len(one)
    assert size_of(log.fetch(0, min_bytes=1_000_000, max_wait_ms=100)) == 5 * len(one)
    assert size_of(log.fetch(5, min_bytes=0, max_wait_ms=60_000)) == 0, "answered at once"


def test_a_fetch_tells_how_far_the_partition_reaches(log):
    for _ in range(5):
        log.produce(batch())
    reach = {"high_watermark": 5, "last_stable_offset": 5, "log_start_offset": 0}
    for isolation_level, aborted in ((0, None), (1, [])):
        row = log.fetch(2, isolation_level=isolation_level)
        assert {key: row[key] for key in reach} == reach
        assert row["aborted_transactions"] == aborted
    assert log.fetch(5)["error_code"] == NONE
    for offset in (6, -1):
        row = log.fetch(offset)
        assert row["error_code"] == OFFSET_OUT_OF_RANGE
        assert [row[key] for key in reach] == [-1, -1, -1]


def test_a_fetch_session_is_refused_and_a_whole_fetch_is_not(log):
    log.produce(batch())

    def session(session_id, epoch):
        answer = log.connection.call(
            "Fetch", 11, min_bytes=1, session_id=session_id, session_epoch=epoch, topics=[
                {"name": log.topic, "partitions": [{"partition_index": 0,
                                                    "partition_max_bytes": 1000}]}])
        return answer["error_code"], len(answer["topics"])
    for session_id, epoch in ((0, -1), (0, 0), (777, -1)):
        assert session(session_id, epoch) == (NONE, 1)
    for session_id, epoch in ((777, 1), (0, 1)):
        assert session(session_id, epoch) == (SESSION_NOT_FOUND, 0)


# ---- Produce -----------------------------------------------------------------------------------
def test_produce_tells_where_the_log_starts(log):
    for _ in range(3):
        log.produce(batch())
    assert log.produce(batch(), version=5)["log_start_offset"] == 0
    log.connection.call("DeleteRecords", 1, timeout_ms=5_000, topics=[
        {"name": log.topic, "partitions": [{"partition_index": 0, "offset": 2}]}])
    assert log.produce(batch())["log_start_offset"] == 2


def test_produce_refuses_what_is_no_single_sound_batch(small_log):
    refused = {
        "acks": (small_log.produce(batch(), acks=2), INVALID_ACKS),
        "large": (small_log.produce(batch(bytes(6_000))), TOO_LARGE),
        "nothing": (small_log.produce(b""), INVALID_RECORD),
        "no record": (small_log.produce(wire.batch([], count=0, last_offset_delta=0)), INVALID_RECORD),
        "two batches": (small_log.produce(batch() + batch()), INVALID_RECORD),
        "checksum": (small_log.produce(batch(crc_flip=1)), CORRUPT),
        "format 0": (small_log.produce(wire.old_message_set(0)), INVALID_RECORD),
        "format 1": (small_log.produce(wire.old_message_set(1)), INVALID_RECORD),
        "format 3": (small_log.produce(batch(magic=3)), CORRUPT),
        "control": (small_log.produce(batch(attributes=0x20)), INVALID_RECORD),
        "own offset": (small_log.produce(batch(base_offset=99)), INVALID_RECORD),
        "count": (small_log.produce(batch(count=2, last_offset_delta=1)), INVALID_RECORD),
        "delta": (small_log.produce(batch(last_offset_delta=5)), INVALID_RECORD),
    }
    wrong = {what: row["error_code"] for what, (row, code) in refused.items()
             if row["error_code"] != code or row["base_offset"] != -1}
    assert wrong == {}
    assert small_log.produce(batch())["base_offset"] == 0, "nothing of it was stored"


def test_a_batch_is_refused_in_a_sentence(cluster, new_topic):
    log = Log(cluster, new_topic(cleanup_policy="compact"))
    row = log.produce(batch())
    assert row["error_code"] == INVALID_RECORD
    assert "cannot accept message without key" in row["error_message"]


def test_versions_that_only_tell_features_are_not_taken(log):
    """librdkafka 2.0.2 wants to see Produce 0 to 2; nobody sends them."""
    for version in range(3):
        message = wire.int16(-1) + wire.int32(1_000) + wire.array(wire.string(log.topic) + wire.array(
            wire.int32(0) + wire.blob(wire.old_message_set(1))))
        with Connection(log.node) as c:
            assert c.ask(wire.PRODUCE, version, message) is None
    assert log.produce(batch())["base_offset"] == 0


@pytest.mark.trilog_only  # Kafka's segments are a MiB at least, and it looks at them every five minutes
def test_retention_goes_by_the_records_own_time(cluster, new_topic):
    log = Log(cluster, new_topic(segment_bytes=2_048, retention_ms=86_400_000))
    now_ms = int(time.time() * 1000)
    for age_ms in [2 * 86_400_000] * 6 + [0] * 6:
        at_ms = now_ms - age_ms
        assert log.produce(batch(os.urandom(1_000), base_timestamp=at_ms,
                                 max_timestamp=at_ms))["error_code"] == NONE
    clusters.wait_until(lambda: log.list_offsets(-2)["offset"] >= 4, 30, "old segments are deleted")
    assert log.list_offsets(-2)["offset"] <= 6, "and no other"
    assert log.list_offsets(-1)["offset"] == 12


@pytest.mark.trilog_only  # Kafka has transactions
def test_transactions_are_refused_for_good(log):
    assert log.produce(batch(), transactional_id="t")["error_code"] == TXN_REFUSED
    row = log.produce(batch(attributes=0x10, producer_id=5, producer_epoch=0, base_sequence=0))
    assert row["error_code"] == TXN_REFUSED
    assert log.connection.call("InitProducerId", 4, transactional_id="t",
                               transaction_timeout_ms=1000)["error_code"] == TXN_REFUSED
    assert log.connection.call("FindCoordinator", 3, key="t", key_type=1)["error_code"] == TXN_REFUSED


# ---- idempotence -------------------------------------------------------------------------------
class Producer:
    def __init__(self, log):
        self.log = log

        def begun():  # a node that has just started has no ids yet
            answer = log.connection.call("InitProducerId", 4, transactional_id=None,
                                         producer_id=-1, producer_epoch=-1)
            return None if answer["error_code"] == LOADING else answer
        answer = clusters.wait_until(begun, 20, "there are producer ids")
        assert (answer["error_code"], answer["producer_epoch"]) == (NONE, 0)
        self.id = answer["producer_id"]

    def send(self, sequence, *values, epoch=0):
        def judged():  # soon after an election a gap is taken for the election's doing
            row = self.log.produce(batch(*values, producer_id=self.id, producer_epoch=epoch,
                                         base_sequence=sequence))
            return None if row["error_code"] == NOT_LEADER else row
        row = clusters.wait_until(judged, 20, "the leader is not a new one")
        return row["error_code"], row["base_offset"]


def test_a_repeated_batch_is_answered_with_its_first_offset(log):
    p = Producer(log)
    assert p.send(0) == (NONE, 0)
    assert p.send(1, b"a", b"b") == (NONE, 1)
    assert p.send(0) == (NONE, 0)
    assert p.send(1, b"a", b"b") == (NONE, 1)
    assert p.send(3) == (NONE, 3)


def test_a_gap_in_a_producers_sequence_is_refused(log):
    p = Producer(log)
    assert p.send(0) == (NONE, 0)
    assert p.send(2)[0] == OUT_OF_ORDER
    assert p.send(1) == (NONE, 1)


def test_a_new_epoch_begins_at_0_and_fences_the_old_one(log):
    p = Producer(log)
    p.send(0)
    assert p.send(1, epoch=1)[0] == OUT_OF_ORDER
    assert p.send(0, epoch=1) == (NONE, 1)
    assert p.send(1, epoch=0)[0] == OLD_EPOCH


@pytest.mark.trilog_only  # Kafka can't tell them: it takes the first and says "out of order" to the second
def test_a_producer_is_told_what_is_known_of_its_batch(log):
    assert Producer(log).send(7)[0] == UNKNOWN_PRODUCER, "what came before it is not known here"
    p = Producer(log)
    for sequence in range(7):
        p.send(sequence)
    assert p.send(0)[0] == OLD_DUPLICATE, "it was stored, at an offset that is forgotten"


def test_a_producer_id_is_never_given_twice(log):
    ids = {Producer(log).id for _ in range(5)}
    answer = log.connection.call("InitProducerId", 4, transactional_id=None, producer_id=min(ids),
                                 producer_epoch=0)
    assert answer["error_code"] == NONE and answer["producer_id"] not in ids
    assert len(ids) == 5
    for odd in ({"producer_id": 5, "producer_epoch": -1}, {"transactional_id": ""}):
        values = {"transactional_id": None, "producer_id": -1, "producer_epoch": -1, **odd}
        assert log.connection.call("InitProducerId", 4, **values)["error_code"] == INVALID_REQUEST


# ---- DeleteRecords -----------------------------------------------------------------------------
def test_records_are_deleted_up_to_an_offset_or_to_the_end(log):
    def delete(offset):
        row = log.call("DeleteRecords", 2, {"offset": offset}, timeout_ms=5_000)
        return row["error_code"], row["low_watermark"]
    for _ in range(5):
        log.produce(batch())
    assert delete(2) == (NONE, 2)
    assert delete(1) == (NONE, 2), "what is gone is gone"
    assert delete(9)[0] == OFFSET_OUT_OF_RANGE
    assert delete(-2)[0] == OFFSET_OUT_OF_RANGE
    assert delete(-1) == (NONE, 5)
    assert log.fetch(4)["error_code"] == OFFSET_OUT_OF_RANGE
    assert offsets(log.list_offsets(-2)) == (NONE, -1, 5)


# ---- who does not have it ----------------------------------------------------------------------
def test_a_topic_that_is_not_there_or_elsewhere_is_said_so(cluster, log):
    here = Connection(log.node)
    other = Connection(next(n for n in cluster.nodes if n.id != log.node.id))
    requests = {
        "Produce": (8, {"records": batch()}, {"acks": -1, "timeout_ms": 1_000}),
        "ListOffsets": (5, {"timestamp": -1}, {"replica_id": -1}),
        "DeleteRecords": (1, {"offset": 0}, {"timeout_ms": 1_000}),
        "OffsetForLeaderEpoch": (3, {"leader_epoch": 0}, {"replica_id": -1}),
    }
    for name, (version, partition, values) in requests.items():
        def error(connection, topic, index):
            answer = connection.call(name, version, topics=[
                {"name": topic, "partitions": [{"partition_index": index, **partition}]}], **values)
            return answer["topics"][0]["partitions"][0]["error_code"]
        assert error(here, f"none-{os.getpid()}", 0) == UNKNOWN_TOPIC, name
        assert error(here, log.topic, 5) == UNKNOWN_TOPIC, name
        assert error(here, log.topic, -1) == UNKNOWN_TOPIC, name
        assert error(other, log.topic, 0) == NOT_LEADER, name
