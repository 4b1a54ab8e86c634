"""kafka-python: a client that shares no code with librdkafka or Kafka itself."""

import threading
import time

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import AlterConfigOp, ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import UnknownTopicOrPartitionError

import cluster as clusters
import records


def addresses(cluster):
    return [node.address for node in cluster.nodes]


@pytest.fixture
def admin(cluster):
    client = KafkaAdminClient(bootstrap_servers=addresses(cluster))
    yield client
    client.close()


def send(cluster, topic, values, **settings):
    producer = KafkaProducer(bootstrap_servers=addresses(cluster), **settings)
    futures = [producer.send(topic, value, key=b"k", headers=[("h", b"v")]) for value in values]
    producer.flush(timeout=30)
    placed = [future.get(timeout=30) for future in futures]
    producer.close(timeout=10)
    return placed


def read(consumer, count, timeout_s=30):
    messages, give_up = [], time.monotonic() + timeout_s
    while len(messages) < count:
        assert time.monotonic() < give_up, f"{len(messages)} of {count}"
        for batch in consumer.poll(timeout_ms=500).values():
            messages += batch
    return messages


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_kafka_python_reads_what_it_wrote(cluster, new_topic, codec):
    topic = new_topic()
    values = [f"{codec} {i} ".encode() * 20 for i in range(1000)]
    placed = send(cluster, topic, values, acks="all", compression_type=codec)
    assert [p.offset for p in placed] == list(range(1000))
    consumer = KafkaConsumer(bootstrap_servers=addresses(cluster), auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    messages = read(consumer, 1000)
    consumer.close()
    assert [m.value for m in messages] == values
    assert messages[0].key == b"k" and messages[0].headers == [("h", b"v")]


@pytest.mark.parametrize("acks", [0, 1])
def test_kafka_python_writes_with_fewer_acks(cluster, new_topic, acks):
    topic = new_topic()
    send(cluster, topic, [b"x"] * 200, acks=acks, enable_idempotence=False)
    consumer = KafkaConsumer(bootstrap_servers=addresses(cluster), auto_offset_reset="earliest")
    consumer.assign([TopicPartition(topic, 0)])
    assert len(read(consumer, 200)) == 200
    consumer.close()


class Member(threading.Thread):
    """Reads in a thread of its own, until it is to leave."""

    def __init__(self, cluster, topic, group):
        super().__init__()
        self.consumer = KafkaConsumer(topic, bootstrap_servers=addresses(cluster), group_id=group,
                                      auto_offset_reset="earliest", enable_auto_commit=False,
                                      session_timeout_ms=6000, heartbeat_interval_ms=500,
                                      max_poll_records=10_000)
        self.seen, self.is_over = set(), threading.Event()
        self.start()

    def run(self):
        while not self.is_over.is_set():
            for batch in self.consumer.poll(timeout_ms=records.PYTHON_POLL_MS).values():
                self.seen |= {(m.partition, m.offset) for m in batch}
        self.consumer.commit()
        self.consumer.close(autocommit=False)

    def leave(self):
        self.is_over.set()
        self.join()


def test_kafka_python_shares_a_topic_in_a_group_and_resumes(cluster, new_topic, name):
    topic = new_topic(partitions=4)
    members = [Member(cluster, topic, name) for _ in range(2)]

    def is_shared():
        shares = [member.consumer.assignment() for member in members]
        return all(shares) and len(set.union(*shares)) == sum(map(len, shares)) == 4

    def send_some(count):
        return {(p.partition, p.offset) for p in send(cluster, topic, [b"v"] * count)}
    try:
        clusters.wait_until(is_shared, 40, "both have a share")
        sent = send_some(400)
        clusters.wait_until(lambda: sum(len(m.seen) for m in members) >= 400, 40, "all were read")
    finally:
        for member in members:
            member.is_over.set()
        for member in members:
            member.leave()
    assert members[0].seen | members[1].seen == sent
    after = send_some(20)
    returned = Member(cluster, topic, name)
    try:
        clusters.wait_until(lambda: len(returned.seen) >= 20, 40, "the rest was read")
    finally:
        returned.leave()
    assert returned.seen == after


def test_kafka_python_finds_its_place(cluster, new_topic):
    topic = new_topic()
    place = TopicPartition(topic, 0)
    send(cluster, topic, [b"%d" % i for i in range(100)])
    consumer = KafkaConsumer(bootstrap_servers=addresses(cluster))
    consumer.assign([place])
    assert consumer.beginning_offsets([place]) == {place: 0}
    assert consumer.end_offsets([place]) == {place: 100}
    assert consumer.offsets_for_times({place: 1})[place].offset == 0
    consumer.seek(place, 90)
    assert [m.value for m in read(consumer, 10)] == [b"%d" % i for i in range(90, 100)]
    consumer.close()


def test_kafka_python_administers_topics(cluster, admin, name):
    admin.create_topics([NewTopic(name, num_partitions=2, replication_factor=3,
                                  topic_configs={"retention.ms": "3600000"})])
    cluster.wait_led(name, 2)
    assert name in admin.list_topics()
    admin.create_partitions({name: NewPartitions(total_count=3)})
    cluster.wait_led(name, 3)
    described = admin.describe_topics([name])[0]
    assert len(described["partitions"]) == 3
    admin.delete_topics([name])
    clusters.wait_until(lambda: name not in admin.list_topics(), 20, "it is gone")
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.delete_topics([name])


def test_kafka_python_alters_and_describes_configs(admin, new_topic):
    topic = new_topic()

    def resource(**configs):
        wanted = {key.replace("_", "."): (AlterConfigOp.SET, value)
                  for key, value in configs.items()}
        return ConfigResource(ConfigResourceType.TOPIC, topic, wanted or None)
    admin.alter_configs([resource(retention_ms="7200000")], incremental=True)

    def is_told():
        return "7200000" in str(admin.describe_configs([resource()], config_filter="all"))
    clusters.wait_until(is_told, 10, "the new value is told")
    answer = admin.alter_configs([resource(no_such_config="1")], incremental=True,
                                 raise_on_unknown=False)
    assert "InvalidConfigurationError" in str(answer)
    assert "no.such.config" not in str(admin.describe_configs([resource()], config_filter="all"))


def test_kafka_python_deletes_records(cluster, admin, new_topic):
    topic = new_topic()
    place = TopicPartition(topic, 0)
    send(cluster, topic, [b"x"] * 50)
    admin.delete_records({place: 20})
    consumer = KafkaConsumer(bootstrap_servers=addresses(cluster))
    assert consumer.beginning_offsets([place]) == {place: 20}
    consumer.close()


def test_kafka_python_administers_groups_and_deletes_single_offsets(cluster, admin, new_topic, name):
    topic = new_topic(partitions=2)
    places = [TopicPartition(topic, p) for p in (0, 1)]
    consumer = KafkaConsumer(bootstrap_servers=addresses(cluster), group_id=name,
                             enable_auto_commit=False)
    consumer.assign(places)
    consumer.commit({places[0]: OffsetAndMetadata(5, "five", -1),
                     places[1]: OffsetAndMetadata(6, "", -1)})
    consumer.close(autocommit=False)
    assert name in str(admin.list_groups())
    assert "Empty" in str(admin.describe_groups([name]))
    admin.delete_group_offsets(name, [places[0]])
    reader = KafkaConsumer(bootstrap_servers=addresses(cluster), group_id=name)
    assert reader.committed(places[0]) is None
    assert reader.committed(places[1]) == 6
    reader.close(autocommit=False)
    admin.delete_groups([name])
    clusters.wait_until(lambda: name not in str(admin.list_groups()), 10, "the group is gone")
