"""librdkafka's admin client: topics, partitions, configs, records."""

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import (AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions,
                                   NewTopic, OffsetSpec, ResourceType)

import cluster as clusters
import records
from topics import create_topic, wait_config


def code_of(future):
    with pytest.raises(KafkaException) as refused:
        future.result(30)
    return refused.value.args[0].code()


def creation(cluster, topic, partitions=1, replication=3, validate_only=False, **config):
    admin = cluster.admin()
    config = {key.replace("_", "."): str(value) for key, value in config.items()}
    asked = NewTopic(topic, num_partitions=partitions, replication_factor=replication, config=config)
    future = admin.create_topics([asked], operation_timeout=20, validate_only=validate_only)[topic]
    future.admin = admin  # must outlive the answer
    return future


def configs_of(cluster, topic):
    admin = cluster.admin()
    resource = ConfigResource(ResourceType.TOPIC, topic)
    return admin.describe_configs([resource], request_timeout=20)[resource].result(20)


def alter(cluster, topic, operation, name, value=None):
    admin = cluster.admin()
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[
        ConfigEntry(name, value, incremental_operation=operation)])
    future = admin.incremental_alter_configs([resource], request_timeout=20)[resource]
    future.admin = admin
    return future


def test_the_cluster_is_described_with_its_sites(cluster):
    admin = cluster.admin()
    described = admin.describe_cluster(request_timeout=20).result(20)
    assert described.cluster_id
    assert {n.id: (f"{n.host}:{n.port}", n.rack) for n in described.nodes} == {
        f.id: (f.address, f.site) for f in cluster.faces}
    assert described.controller.id in {f.id for f in cluster.faces}


def test_a_topic_is_created_described_and_deleted(cluster, name):
    admin = cluster.admin()
    creation(cluster, name, partitions=5).result(30)
    cluster.wait_led(name, 5)
    described = cluster.metadata(name).topics[name]
    assert sorted(described.partitions) == [0, 1, 2, 3, 4]
    assert code_of(creation(cluster, name)) == KafkaError.TOPIC_ALREADY_EXISTS
    records.send_all(cluster, name, [b"soon gone"] * 100)
    admin.delete_topics([name], operation_timeout=20)[name].result(30)
    for node in cluster.nodes:
        clusters.wait_until(lambda n=node: name not in cluster.metadata(node=n).topics, 20,
                            f"node {node.id} no longer knows the topic")
    assert (code_of(admin.delete_topics([name], operation_timeout=20)[name])
            == KafkaError.UNKNOWN_TOPIC_OR_PART)


def test_a_topic_created_again_under_its_name_is_empty(cluster, name):
    admin = cluster.admin()
    creation(cluster, name, partitions=2).result(30)
    cluster.wait_led(name, 2)
    records.send_all(cluster, name, [b"old"] * 50, partition=0)
    admin.delete_topics([name], operation_timeout=20)[name].result(30)
    clusters.wait_until(lambda: all(name not in cluster.metadata(node=n).topics
                                    for n in cluster.nodes), 20, "it is gone")
    creation(cluster, name, partitions=2).result(30)
    cluster.wait_led(name, 2)
    assert records.watermarks(cluster, name) == (0, 0)
    records.send_all(cluster, name, [b"new"], partition=0)
    assert [m.value() for m in records.read_topic(cluster, name, 2)[0]] == [b"new"]


@pytest.mark.parametrize("replication", [1, 2, 3, -1])
def test_each_possible_replication_factor_is_accepted(cluster, name, replication):
    creation(cluster, name, partitions=2, replication=replication).result(30)
    cluster.wait_led(name, 2)
    for partition in cluster.partitions(name).values():
        assert partition.leader in partition.replicas
        assert len(set(partition.replicas)) >= (3 if replication == -1 else replication)
        assert set(partition.isrs) <= set(partition.replicas)
    if replication != 1:  # on Kafka min.insync.replicas of 2 refuses it
        records.send_all(cluster, name, [b"x"] * 10)


def test_more_replicas_than_sites_are_refused(cluster, name):
    assert code_of(creation(cluster, name, replication=4)) == KafkaError.INVALID_REPLICATION_FACTOR
    assert name not in cluster.metadata().topics


def test_what_makes_no_topic_is_refused(cluster, name):
    assert code_of(creation(cluster, name, partitions=0)) == KafkaError.INVALID_PARTITIONS
    assert code_of(creation(cluster, "no/slash")) == KafkaError.TOPIC_EXCEPTION
    assert code_of(creation(cluster, "x" * 250)) == KafkaError.TOPIC_EXCEPTION
    assert code_of(creation(cluster, "..")) == KafkaError.TOPIC_EXCEPTION
    assert code_of(creation(cluster, name, no_such_config=1)) == KafkaError.INVALID_CONFIG
    assert code_of(creation(cluster, name, retention_ms="soon")) == KafkaError.INVALID_CONFIG
    assert code_of(creation(cluster, name, cleanup_policy="burn")) == KafkaError.INVALID_CONFIG
    assert name not in cluster.metadata().topics


def test_a_trial_creates_nothing(cluster, name):
    creation(cluster, name, validate_only=True).result(30)
    assert code_of(creation(cluster, name, validate_only=True, no_such_config=1)) \
        == KafkaError.INVALID_CONFIG
    assert name not in cluster.metadata().topics


@pytest.mark.trilog_only
def test_segments_smaller_than_kafkas_minimum_are_allowed(cluster, new_topic):
    topic = new_topic(segment_bytes=16384)
    values = [b"%d" % i + b"." * 200 for i in range(2000)]
    records.send_all(cluster, topic, values, batch_size=4000)
    assert [m.value() for m in records.read_topic(cluster, topic)[0]] == values


def test_partitions_are_added_and_never_taken_away(cluster, new_topic):
    topic = new_topic(partitions=2)
    admin = cluster.admin()
    admin.create_partitions([NewPartitions(topic, 5)], operation_timeout=20)[topic].result(30)
    cluster.wait_led(topic, 5)
    records.send_all(cluster, topic, [b"to a new one"], partition=4)
    assert len(records.read_topic(cluster, topic, 5)[4]) == 1
    for count in (3, 5):
        asked = admin.create_partitions([NewPartitions(topic, count)], operation_timeout=20)
        assert code_of(asked[topic]) == KafkaError.INVALID_PARTITIONS
    unknown = f"{topic}-unknown"
    asked = admin.create_partitions([NewPartitions(unknown, 2)], operation_timeout=20)
    assert code_of(asked[unknown]) == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_configs_are_described_with_where_they_come_from(cluster, new_topic):
    topic = new_topic(retention_ms=3_600_000, max_message_bytes=2_000_000)
    configs = configs_of(cluster, topic)
    assert configs["retention.ms"].value == "3600000"
    assert configs["max.message.bytes"].value == "2000000"
    assert not configs["retention.ms"].is_default and configs["segment.bytes"].is_default
    for known in ("cleanup.policy", "retention.bytes", "segment.ms", "min.insync.replicas",
                  "message.timestamp.type"):
        assert known in configs
    assert configs["cleanup.policy"].value == "delete"


def test_a_config_is_set_and_deleted_again(cluster, new_topic):
    topic = new_topic()
    default = configs_of(cluster, topic)["max.message.bytes"].value
    alter(cluster, topic, AlterConfigOpType.SET, "max.message.bytes", "5000").result(20)
    wait_config(cluster, topic, "max.message.bytes", "5000")
    sender = records.Sender(cluster, topic, acks=1, enable_idempotence=False)
    sender.send(b"x" * 20_000)
    sender.producer.flush(30)
    assert [e.code() for e in sender.errors] == [KafkaError.MSG_SIZE_TOO_LARGE]
    alter(cluster, topic, AlterConfigOpType.DELETE, "max.message.bytes").result(20)
    wait_config(cluster, topic, "max.message.bytes", default)
    records.send_all(cluster, topic, [b"x" * 20_000])


def test_an_unknown_config_is_refused(cluster, new_topic):
    topic = new_topic()
    assert code_of(alter(cluster, topic, AlterConfigOpType.SET, "no.such.config", "1")) \
        == KafkaError.INVALID_CONFIG
    assert code_of(alter(cluster, topic, AlterConfigOpType.SET, "retention.ms", "soon")) \
        == KafkaError.INVALID_CONFIG
    assert code_of(alter(cluster, f"{topic}-unknown", AlterConfigOpType.SET, "retention.ms", "1")) \
        == KafkaError.UNKNOWN_TOPIC_OR_PART


@pytest.mark.direct_only
def test_the_brokers_settings_are_described(cluster):
    admin = cluster.admin()
    resource = ConfigResource(ResourceType.BROKER, "2")
    settings = admin.describe_configs([resource], request_timeout=20)[resource].result(20)
    assert settings["num.partitions"].value == "1"
    assert settings["auto.create.topics.enable"].value == "true"


def test_deleted_records_are_gone_and_the_rest_stays(cluster, new_topic):
    topic = new_topic()
    records.send_all(cluster, topic, [b"%d" % i for i in range(100)])
    admin = cluster.admin()

    def delete_before(offset):
        place = TopicPartition(topic, 0, offset)
        return admin.delete_records([place], request_timeout=20)[place]
    assert delete_before(40).result(20).low_watermark == 40
    assert records.watermarks(cluster, topic) == (40, 100)
    assert [m.value() for m in records.read_topic(cluster, topic)[0]] \
        == [b"%d" % i for i in range(40, 100)]
    assert delete_before(10).result(20).low_watermark == 40, "a log start never goes back"
    assert code_of(delete_before(101)) == KafkaError.OFFSET_OUT_OF_RANGE
    assert delete_before(-1).result(20).low_watermark == 100
    assert records.watermarks(cluster, topic) == (100, 100)
    records.send_all(cluster, topic, [b"after"])
    assert [(m.offset(), m.value()) for m in records.read_topic(cluster, topic)[0]] \
        == [(100, b"after")]


def test_offsets_are_listed_by_kind(cluster, new_topic):
    topic = new_topic(retention_ms=-1)
    sender = records.Sender(cluster, topic, linger_ms=0)
    for stamp in (3000, 9000, 5000):
        sender.send(b"x", timestamp=1_600_000_000_000 + stamp)
        sender.producer.flush(20)
    sender.finish()
    admin = cluster.admin()

    def offset(spec):
        place = TopicPartition(topic, 0)
        return admin.list_offsets({place: spec}, request_timeout=20)[place].result(20).offset
    assert offset(OffsetSpec.earliest()) == 0
    assert offset(OffsetSpec.latest()) == 3
    assert offset(OffsetSpec.max_timestamp()) == 1
    assert offset(OffsetSpec.for_timestamp(1_600_000_004_000)) == 1


def test_a_topic_is_ready_when_all_nodes_name_its_leader(cluster, name):
    """Who makes a topic asks it for its offsets next; librdkafka does not ask twice."""
    for i in range(40):
        topic = create_topic(cluster, f"{name}-{i}")
        assert records.watermarks_at_once(cluster, topic) == (0, 0)


def test_two_hundred_topics_are_created_in_one_request(cluster, name):
    admin = cluster.admin()
    wanted = [NewTopic(f"{name}-{i}", num_partitions=2, replication_factor=3) for i in range(200)]
    for future in admin.create_topics(wanted, operation_timeout=40, request_timeout=50).values():
        future.result(50)
    cluster.wait_led(f"{name}-199", 2)
    records.send_all(cluster, f"{name}-100", [b"x"])
    names = [topic.topic for topic in wanted]
    for future in admin.delete_topics(names, operation_timeout=40, request_timeout=50).values():
        future.result(50)
