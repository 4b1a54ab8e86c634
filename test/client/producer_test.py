"""librdkafka's producer: what it sends is what is read, byte for byte and in order."""

import os
import time

import pytest
from confluent_kafka import KafkaError, KafkaException, Producer

import records


def test_an_idempotent_producer_keeps_order_in_each_partition(cluster, new_topic):
    topic = new_topic(partitions=4)
    sender = records.Sender(cluster, topic)
    for i in range(8000):
        sender.send(f"{i}".encode(), partition=i % 4)
    sender.finish()
    for partition, messages in records.read_topic(cluster, topic, 4).items():
        assert [int(m.value()) for m in messages] == list(range(partition, 8000, 4))
        records.assert_offsets_rise_by_one(messages)


def test_an_acknowledgement_names_the_offset_at_which_the_record_is_read(cluster, new_topic):
    topic = new_topic()
    acknowledged = records.send_all(cluster, topic, [f"v{i}".encode() for i in range(500)])
    read = {m.offset(): m.value() for m in records.read_topic(cluster, topic)[0]}
    assert read == {offset: value for _, offset, _, value in acknowledged}


def test_keys_values_headers_and_timestamps_are_read_as_sent(cluster, new_topic):
    topic = new_topic(retention_ms=-1)
    sender = records.Sender(cluster, topic)
    sent = [
        (b"key", b"value", [("one", b"1"), ("one", b"again"), ("none", None), ("empty", b"")]),
        (None, b"no key", []),
        (b"no value", None, []),
        (None, None, [("all that there is", b"\x00\xff")]),
        (b"", b"", []),
        ("ключ".encode(), "значение".encode(), [("Überschrift", "値".encode())]),
    ]
    for i, (key, value, headers) in enumerate(sent):
        sender.send(value, key=key, headers=headers, timestamp=1_700_000_000_000 + i)
    sender.finish()
    read = records.read_topic(cluster, topic)[0]
    assert [(m.key(), m.value(), m.headers() or []) for m in read] == sent
    assert [m.timestamp() for m in read] == [(1, 1_700_000_000_000 + i) for i in range(len(sent))]


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_batches_of_each_codec_are_read_as_sent(cluster, new_topic, codec):
    topic = new_topic()
    values = [f"{codec} {i} ".encode() * 20 for i in range(3000)]
    records.send_all(cluster, topic, values, compression_type=codec, linger_ms=20)
    assert [m.value() for m in records.read_topic(cluster, topic)[0]] == values


def test_one_partition_takes_all_codecs_in_turn(cluster, new_topic):
    topic = new_topic()
    expected = []
    for codec in ("zstd", "none", "lz4", "gzip", "snappy"):
        values = [f"{codec} {i}".encode() * 10 for i in range(200)]
        records.send_all(cluster, topic, values, compression_type=codec)
        expected += values
    assert [m.value() for m in records.read_topic(cluster, topic)[0]] == expected


def test_large_records_are_taken_up_to_the_topics_limit(cluster, new_topic):
    topic = new_topic(max_message_bytes=6_000_000)
    values = [os.urandom(size) for size in (5_900_000, 1, 3_000_000, 999_999)]
    records.send_all(cluster, topic, values, message_max_bytes=8_000_000)
    assert [m.value() for m in records.read_topic(cluster, topic)[0]] == values


def test_a_record_above_the_topics_limit_is_refused_and_leaves_nothing(cluster, new_topic):
    topic = new_topic(max_message_bytes=10_000)
    sender = records.Sender(cluster, topic, acks=1, enable_idempotence=False)
    sender.send(os.urandom(20_000))
    sender.producer.flush(30)
    assert [e.code() for e in sender.errors] == [KafkaError.MSG_SIZE_TOO_LARGE]
    assert records.watermarks(cluster, topic) == (0, 0)


@pytest.mark.parametrize("acks", [0, 1])
def test_fewer_acks_deliver_too(cluster, new_topic, acks):
    topic = new_topic()
    values = [f"{i}".encode() for i in range(2000)]
    records.send_all(cluster, topic, values, acks=acks, enable_idempotence=False,
                     max_in_flight_requests_per_connection=1)
    reader = records.consumer(cluster)
    reader.assign([records.TopicPartition(topic, 0, 0)])
    assert [m.value() for m in records.read_count(reader, 2000)] == values
    reader.close()


def test_with_min_insync_replicas_of_all_a_write_still_succeeds(cluster, new_topic):
    topic = new_topic(min_insync_replicas=3)
    records.send_all(cluster, topic, [b"in three sites"] * 100)
    assert len(records.read_topic(cluster, topic)[0]) == 100


def test_log_append_time_replaces_the_producers_timestamp(cluster, new_topic):
    topic = new_topic(message_timestamp_type="LogAppendTime")
    before_ms = int(time.time() * 1000)
    sender = records.Sender(cluster, topic)
    for i in range(200):
        sender.send(b"%d" % i, timestamp=before_ms - 3_600_000)
    sender.finish()
    stamps = [m.timestamp() for m in records.read_topic(cluster, topic)[0]]
    assert {kind for kind, _ in stamps} == {2}
    assert [ms for _, ms in stamps] == sorted(ms for _, ms in stamps)
    # The same machine's clock: later than the producer's claim by nearly the hour it went back.
    assert stamps[0][1] >= before_ms - 60_000


def test_many_producers_write_to_one_partition_without_loss(cluster, new_topic):
    topic = new_topic()
    senders = [records.Sender(cluster, topic) for _ in range(8)]
    for i in range(300):
        for number, sender in enumerate(senders):
            sender.send(b"%d %d" % (number, i))
    for sender in senders:
        sender.finish()
    read = [m.value().split() for m in records.read_topic(cluster, topic)[0]]
    for number in range(8):
        assert [int(i) for n, i in read if int(n) == number] == list(range(300))


def test_a_topic_is_created_by_the_first_who_asks_for_it(cluster, name):
    records.send_all(cluster, name, [b"made by asking"])
    assert records.watermarks(cluster, name) == (0, 1)


def test_a_topic_is_not_created_when_the_client_forbids_it(cluster, name):
    reader = records.consumer(cluster, allow_auto_create_topics=False)
    seen = reader.list_topics(timeout=10).topics
    assert name not in seen
    with pytest.raises(KafkaException) as refused:
        reader.get_watermark_offsets(records.TopicPartition(name, 0), timeout=5)
    reader.close()
    assert refused.value.args[0].code() in (
        KafkaError._UNKNOWN_PARTITION, KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)
    assert name not in cluster.metadata().topics


@pytest.mark.trilog_only
def test_a_transactional_producer_is_refused_at_once_and_for_good(cluster, name):
    sender = Producer({"bootstrap.servers": cluster.bootstrap, "transactional.id": name,
                       "log_level": 0})
    begin = time.monotonic()
    with pytest.raises(KafkaException) as refused:
        sender.init_transactions(30)
    error = refused.value.args[0]
    assert error.code() != KafkaError._TIMED_OUT
    assert not error.retriable(), f"not final: {error}"
    assert time.monotonic() - begin < 20, "it hung"
