"""librdkafka's consumer without a group's help: places, times, ends, and the nearest replica."""

import json
import threading
import time

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

import cluster as clusters
import records


def test_a_consumer_starts_where_it_seeks(cluster, new_topic):
    topic = new_topic()
    records.send_all(cluster, topic, [b"%d" % i for i in range(1000)])
    reader = records.consumer(cluster)
    reader.assign([TopicPartition(topic, 0, 500)])
    assert records.read_count(reader, 1)[0].value() == b"500"
    for target in (0, 999, 250):
        reader.seek(TopicPartition(topic, 0, target))
        assert records.read_count(reader, 1)[0].value() == b"%d" % target
    reader.close()


def test_a_consumer_at_the_end_waits_and_gets_what_comes(cluster, new_topic):
    topic = new_topic()
    records.send_all(cluster, topic, [b"before"])
    reader = records.consumer(cluster, fetch_wait_max_ms=5000)
    reader.assign([TopicPartition(topic, 0, 1)])
    assert records.poll_checked(reader, 0.5) is None
    records.send_all(cluster, topic, [b"after"])
    assert records.read_count(reader, 1)[0].value() == b"after"
    reader.close()


def test_a_fetch_of_many_partitions_returns_every_record_once(cluster, new_topic):
    topic = new_topic(partitions=24)
    sender = records.Sender(cluster, topic)
    for i in range(4800):
        sender.send(b"%d" % i, partition=i % 24)
    sender.finish()
    read = records.read_topic(cluster, topic, 24)
    for partition, messages in read.items():
        assert [int(m.value()) for m in messages] == list(range(partition, 4800, 24))


def test_small_fetches_return_every_record(cluster, new_topic):
    topic = new_topic()
    values = [b"%d" % i + b"." * 3000 for i in range(300)]
    records.send_all(cluster, topic, values, batch_size=20_000)
    read = records.read_topic(cluster, topic, fetch_message_max_bytes=1000,
                              fetch_max_bytes=1000, max_partition_fetch_bytes=1000,
                              message_max_bytes=1000, receive_message_max_bytes=2_000_000)
    assert [m.value() for m in read[0]] == values


def test_an_offset_is_found_by_its_time(cluster, new_topic):
    topic = new_topic(retention_ms=-1)
    sender = records.Sender(cluster, topic, linger_ms=0)
    for i in range(100):
        sender.send(b"%d" % i, timestamp=1_600_000_000_000 + 1000 * i)
        if i % 10 == 9:
            sender.producer.flush(20)
    sender.finish()
    reader = records.consumer(cluster)
    for asked_ms, found in ((0, 0), (1_600_000_000_000, 0), (1_600_000_041_500, 42),
                            (1_600_000_042_000, 42), (1_600_000_099_000, 99)):
        answer = reader.offsets_for_times([TopicPartition(topic, 0, asked_ms)], timeout=20)
        assert (answer[0].error, answer[0].offset) == (None, found), asked_ms
    beyond = reader.offsets_for_times([TopicPartition(topic, 0, 1_700_000_000_000)], timeout=20)
    assert beyond[0].offset == -1
    reader.close()


def test_watermarks_follow_what_is_acknowledged(cluster, new_topic):
    topic = new_topic()
    assert records.watermarks(cluster, topic) == (0, 0)
    for count in (1, 10, 100):
        _, before = records.watermarks(cluster, topic)
        records.send_all(cluster, topic, [b"x"] * count)
        assert records.watermarks(cluster, topic) == (0, before + count)


def test_an_offset_beyond_the_end_is_out_of_range(cluster, new_topic):
    topic = new_topic()
    records.send_all(cluster, topic, [b"only one"])
    reader = records.consumer(cluster, auto_offset_reset="error")
    reader.assign([TopicPartition(topic, 0, 4711)])
    codes, give_up = set(), time.monotonic() + 20
    while not codes and time.monotonic() < give_up:
        message = reader.poll(0.5)
        if message is not None and message.error() is not None:
            codes.add(message.error().code())
    reader.close()
    assert codes & {KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE}


def test_read_committed_returns_the_same_records(cluster, new_topic):
    topic = new_topic()
    values = [b"%d" % i for i in range(100)]
    records.send_all(cluster, topic, values)
    read = records.read_topic(cluster, topic, isolation_level="read_committed")
    assert [m.value() for m in read[0]] == values


class Reading:
    """A consumer with client.rack, and from which brokers its statistics say that it fetches."""

    def __init__(self, cluster, topic, rack):
        self.brokers = []
        self.topic = topic
        self.reader = records.consumer(
            cluster, client_rack=rack, statistics_interval_ms=100, stats_cb=self._on_statistics,
            topic_metadata_refresh_interval_ms=1000)
        self.reader.assign([TopicPartition(topic, 0, 0)])

    def _on_statistics(self, text):
        partitions = json.loads(text)["topics"].get(self.topic, {}).get("partitions", {})
        broker = partitions.get("0", {}).get("broker", -1)
        if broker > 0 and self.brokers[-1:] != [broker]:
            self.brokers.append(broker)


@pytest.mark.direct_only  # its statistics name nodes
@pytest.mark.parametrize("site", clusters.SITES)
def test_a_consumer_of_a_site_reads_from_that_site(cluster, new_topic, site):
    topic = new_topic()
    expected = clusters.SITES.index(site) + 1
    records.send_all(cluster, topic, [b"%d" % i for i in range(500)])
    reading = Reading(cluster, topic, site)
    read = records.read_count(reading.reader, 500)

    # Records go on flowing while it is, or becomes, the site's own replica that answers.
    def is_local():
        assert records.poll_checked(reading.reader, 0.1) is None
        return reading.brokers[-1:] == [expected]
    clusters.wait_until(is_local, 30, f"fetches come from node {expected}: {reading.brokers}")
    records.send_all(cluster, topic, [b"%d" % i for i in range(500, 1000)])
    read += records.read_count(reading.reader, 500)
    reading.reader.close()
    assert [int(m.value()) for m in read] == list(range(1000))
    records.assert_offsets_rise_by_one(read)
    assert reading.brokers[-1] == expected


def test_a_consumer_of_another_site_never_reads_what_is_not_acknowledged(cluster, new_topic):
    """Reading by the followers while writing goes on: nothing early, nothing twice, no gap."""
    topic = new_topic()
    sender = records.Sender(cluster, topic)
    readings = [Reading(cluster, topic, site) for site in clusters.SITES]
    done = threading.Event()

    def send():
        for i in range(3000):
            sender.send(b"%d" % i)
            if i % 100 == 0:
                time.sleep(0.02)
        done.set()
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    for reading in readings:
        read = records.read_count(reading.reader, 3000)
        assert [int(m.value()) for m in read] == list(range(3000))
        reading.reader.close()
    thread.join(30)
    assert done.is_set()
    sender.finish()


def test_an_unknown_topic_is_an_error_for_who_may_not_create_it(cluster, name):
    reader = records.consumer(cluster, allow_auto_create_topics=False)
    reader.subscribe([name])
    with pytest.raises(KafkaException) as refused:
        records.read_count(reader, 1, timeout_s=20)
    reader.close()
    assert refused.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
