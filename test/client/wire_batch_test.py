"""Record batches that no real client sends: refused, and the log has not grown by them."""

import pytest

import cluster as clusters
import wire
from wire_target import assert_refused
from wire import int32

OFFSET_OUT_OF_RANGE, NOT_LEADER, OUT_OF_ORDER_SEQUENCE = 1, 6, 45
HUGE = 2**31 - 1


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
        # soon after an election a gap is taken for the election's doing
        gap = clusters.wait_until(lambda: [code for code in [send(7)[0]] if code != NOT_LEADER],
                                  20, "the leader is not a new one")
        assert gap == [OUT_OF_ORDER_SEQUENCE]
        assert send(3) == (0, end + 3)
    assert target.log_end() == end + 4
