"""Replication by need: topics that their home site acknowledges alone, topics that are led at home,
and topics that change from one to the other under load."""

import shutil
import threading

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from admin_port import ask, ready_cluster
from cluster import wait_until
from consumer_test import Reading
from fault_test import PARTITIONS, Load, finish
from records import poll_checked, read_count, send_all
from topics import create_topic

pytestmark = pytest.mark.trilog_only

REPLICATION = "trilog.replication"
HOME = "trilog.home.site"
FOUNDED_GROUPS = 13


@pytest.fixture(scope="module")
def own():
    yield from ready_cluster("replication-mode")


def alter(cluster, topic, **values):
    """Sets configs; None deletes. `_` in names stands for `.`."""
    entries = [ConfigEntry(name.replace("_", "."), value, incremental_operation=(
        AlterConfigOpType.SET if value is not None else AlterConfigOpType.DELETE))
        for name, value in values.items()]
    resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
    admin = cluster.admin()
    admin.incremental_alter_configs([resource])[resource].result(30)


def configs_of(cluster, topic):
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = cluster.admin()
    return {name: entry.value
            for name, entry in admin.describe_configs([resource])[resource].result(30).items()}


def groups(cluster, node=0):
    return ask(cluster.nodes[node].admin, "/v1/groups").json["groups"]


def partitions_by_kind(cluster):
    """How many partitions group 0 has in groups of each replication and home site."""
    kinds = {}
    for group in groups(cluster):
        if group["group_id"] > 0:
            kind = (group["replication"], group["home_site"])
            kinds[kind] = kinds.get(kind, 0) + group["partitions"]
    return kinds


def wait_kind(cluster, replication, home_site, count):
    wait_until(lambda: partitions_by_kind(cluster).get((replication, home_site), 0) == count and
               ask(cluster.nodes[0].admin, "/v1/topics/moves").json["count"] == 0, 90,
               f"{count} partitions are in groups {replication}, home {home_site}", 0.1)


def delete(cluster, topic):
    admin = cluster.admin()  # must outlive the answer
    admin.delete_topics([topic])[topic].result(30)


def refusal(call):
    with pytest.raises(KafkaException) as refused:
        call()
    assert refused.value.args[0].name() == "INVALID_CONFIG"
    return refused.value.args[0].str()


def metadata_of(cluster, topic):
    return cluster.admin().list_topics(topic, timeout=30).topics[topic].partitions


def test_configs_that_can_not_be_kept_are_refused_with_a_sentence(own, name):
    assert "there are: a, b, c" in refusal(
        lambda: create_topic(own, name, trilog_home_site="nowhere"))
    assert "needs trilog.home.site" in refusal(
        lambda: create_topic(own, name, trilog_replication="async"))
    assert "home site alone" in refusal(
        lambda: create_topic(own, name, trilog_replication="async", trilog_home_site="a",
                             min_insync_replicas=2))
    assert "Invalid value" in refusal(
        lambda: create_topic(own, name, trilog_replication="perhaps"))
    topic = create_topic(own, name)
    assert configs_of(own, topic)[REPLICATION] == "sync"
    assert configs_of(own, topic)[HOME] == ""
    assert "needs trilog.home.site" in refusal(
        lambda: alter(own, topic, trilog_replication="async"))
    alter(own, topic, trilog_replication="async", trilog_home_site="b")
    assert configs_of(own, topic)[REPLICATION] == "async"
    assert "needs trilog.home.site" in refusal(lambda: alter(own, topic, trilog_home_site=None))
    assert "home site alone" in refusal(lambda: alter(own, topic, min_insync_replicas="3"))
    wait_kind(own, "async", "b", 1)
    delete(own, topic)


def test_a_home_site_leads_a_synchronous_topic(own, name):
    topic = create_topic(own, name, 3, trilog_home_site="c")
    wait_until(lambda: {p.leader for p in metadata_of(own, topic).values()} == {3}, 30,
               "all of it is led in c")
    wait_until(lambda: all(set(p.isrs) == {1, 2, 3} for p in metadata_of(own, topic).values()), 30,
               "and in sync everywhere")
    assert partitions_by_kind(own)[("sync", "c")] == 3
    delete(own, topic)


def producer_of(cluster, timeout_ms):
    return Producer({"bootstrap.servers": cluster.bootstrap, "acks": "all", "linger.ms": 0,
                     "message.timeout.ms": timeout_ms, "log_level": 0})


def consumer_of(cluster, topic):
    """A member of a group by the topic's name."""
    member = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": topic,
                       "enable.auto.commit": False, "auto.offset.reset": "earliest",
                       "log_level": 0})
    member.subscribe([topic])
    return member


def write(producer, topic, values):
    outcomes = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: outcomes.append(error))
    producer.flush(30)
    return outcomes


def read(cluster, topic, count, **settings):
    consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "unused",
                         "enable.auto.commit": False, "auto.offset.reset": "earliest",
                         "log_level": 0, **settings})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values = []

    def take():
        message = consumer.poll(0.5)
        if message is not None and message.error() is None:
            values.append(message.value())
        return len(values) >= count
    try:
        wait_until(take, 60, f"{count} records are read", 0)
    finally:
        consumer.close()
    return values


def test_an_asynchronous_topic_is_acknowledged_and_read_at_home_alone(own, name):
    topic = create_topic(own, name, trilog_replication="async", trilog_home_site="a")
    usual = create_topic(own, name + "-usual")
    before, without = [b"before %d" % i for i in range(100)], [b"alone %d" % i for i in range(100)]
    producer = producer_of(own, 30_000)
    assert write(producer, topic, before) == [None] * 100
    partition = metadata_of(own, topic)[0]
    assert partition.leader == 1
    assert sorted(partition.replicas) == [1, 2, 3]
    wait_until(lambda: metadata_of(own, topic)[0].isrs == [1], 30, "its leader tells who is level")
    member = consumer_of(own, topic)
    assert [m.value() for m in read_count(member, 100)] == before
    member.commit(asynchronous=False)
    for node in own.nodes[1:]:
        node.pause()
    try:
        assert write(producer, topic, without) == [None] * 100
        with pytest.raises(KafkaException):  # there is no coordinator without a majority of sites
            member.committed([TopicPartition(topic, 0)], timeout=3)
        outcomes = write(producer_of(own, 3000), usual, [b"nobody has it"])
        assert [error.name() for error in outcomes] == ["_MSG_TIMED_OUT"]
        assert read(own, topic, 200) == before + without
    finally:
        for node in own.nodes[1:]:
            node.resume()
    own.wait_healthy()

    def commit():
        member.poll(0)
        return member.commit(offsets=[TopicPartition(topic, 0, 150)], asynchronous=False)
    wait_until(commit, 60, "there is a coordinator again", passing=[KafkaException])
    assert member.committed([TopicPartition(topic, 0)], timeout=30)[0].offset == 150
    member.close()
    wait_until(lambda: all(r["lag_entries"] == 0 for g in groups(own) if g["home_site"] == "a"
                           for r in g["replicas"]), 60, "the learners have followed")


def test_a_consumer_elsewhere_reads_an_asynchronous_topic_at_its_sites_learner(own, name):
    topic = create_topic(own, name, trilog_replication="async", trilog_home_site="a")
    send_all(own, topic, [b"%d" % i for i in range(500)])
    reading = Reading(own, topic, "c")
    values = read_count(reading.reader, 500)

    def is_local():
        assert poll_checked(reading.reader, 0.1) is None
        return reading.brokers[-1:] == [3]
    wait_until(is_local, 30, "fetches come from node 3")
    send_all(own, topic, [b"%d" % i for i in range(500, 1000)])
    values += read_count(reading.reader, 500)
    reading.reader.close()
    assert [int(m.value()) for m in values] == list(range(1000))
    assert reading.brokers[-1] == 3


class Follower:
    """A group's member that reads all the time, and commits. Its coordinator may be killed:
    then it may read again what it had not committed, but it never misses anything."""

    def __init__(self, cluster, topic):
        self.next_values = list(range(PARTITIONS))
        self.missed = []
        self._consumer = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": topic,
                                   "auto.offset.reset": "earliest", "log_level": 0,
                                   "auto.commit.interval.ms": 100})
        self._consumer.subscribe([topic])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            message = self._consumer.poll(0.1)
            if message is None or message.error() is not None:
                continue
            partition, value = message.partition(), int(message.value())
            if value > self.next_values[partition]:
                self.missed.append((partition, self.next_values[partition], value))
            if value >= self.next_values[partition]:
                self.next_values[partition] = value + PARTITIONS
        self._consumer.close()

    def finish(self, sent_count):
        """All was read, in order."""
        try:
            wait_until(lambda: min(self.next_values) >= sent_count, 60, "all is read")
        finally:
            self._stop.set()
            self._thread.join(30)
        assert not self.missed, self.missed[:5]


@pytest.mark.timeout(240)
def test_a_topic_changes_its_mode_under_load_and_loses_nothing(own, name):
    topic = create_topic(own, name, PARTITIONS)
    load = Load(own, topic)
    load.topic = topic
    load.wait_progress()
    follower = Follower(own, topic)
    others = partitions_by_kind(own).get(("async", "b"), 0)
    alter(own, topic, trilog_replication="async", trilog_home_site="b")
    wait_kind(own, "async", "b", others + PARTITIONS)
    load.wait_progress()
    own.nodes[1].kill9()  # the only voter: nothing is acknowledged until it is back
    own.nodes[1].start()
    load.wait_progress()
    own.wait_healthy()
    alter(own, topic, trilog_replication=None, trilog_home_site="c")
    wait_kind(own, "sync", "c", PARTITIONS)
    load.wait_progress()
    alter(own, topic, trilog_home_site=None)
    wait_kind(own, "async", "b", others)
    wait_kind(own, "sync", "c", 0)
    finish(own, load)
    follower.finish(load.sent_count)


def test_groups_that_came_later_are_there_after_all_nodes_were_killed(own, name):
    topic = create_topic(own, name, trilog_replication="async", trilog_home_site="b")
    producer = producer_of(own, 30_000)
    assert write(producer, topic, [b"1", b"2"]) == [None] * 2
    for node in own.nodes:
        node.kill9()
    for node in own.nodes:
        node.start()
    own.wait_healthy()
    wait_until(lambda: len(groups(own)) > FOUNDED_GROUPS, 30, "they are opened")
    assert write(producer_of(own, 30_000), topic, [b"3"]) == [None]
    assert read(own, topic, 3) == [b"1", b"2", b"3"]


def learner_of(cluster, node_id, home_site):
    """The node's replica of the asynchronous group, as its leader tells; None while it is none."""
    for node in range(len(cluster.nodes)):
        for group in groups(cluster, node) if cluster.nodes[node].is_running() else ():
            if (group["replication"], group["home_site"]) == ("async", home_site):
                for replica in group.get("replicas", ()):
                    if replica["node_id"] == node_id:
                        return replica
    return None


@pytest.mark.timeout(240)
def test_a_node_that_was_away_when_a_group_came_is_in_it_and_so_is_an_emptied_one(own, name):
    away = own.nodes[2]  # no asynchronous group votes in its site: it may lose its disk
    away.kill9()
    topic = create_topic(own, name, trilog_replication="async", trilog_home_site="b")
    led = create_topic(own, name + "-led", trilog_home_site="a")  # the first one: of a new group
    for written in topic, led:
        values = [b"%d" % i for i in range(100)]
        assert write(producer_of(own, 30_000), written, values) == [None] * 100

    def has_followed():
        replica = learner_of(own, 3, "b")
        return (replica and replica["match_index"] > 0 and replica["lag_entries"] == 0 and
                sorted(metadata_of(own, led)[0].isrs) == [1, 2, 3] and replica)
    away.start()
    own.wait_healthy()
    assert not wait_until(has_followed, 60, "the node has the group, too", 0.2)["is_voter"]
    away.kill9()
    shutil.rmtree(away.data)
    away.start()
    own.wait_healthy()
    wait_until(lambda: ask(away.admin, "/readyz").status == 200, 90, "it is rebuilt", 0.2)
    wait_until(has_followed, 60, "also what came after the founding", 0.2)
    reading = Reading(own, topic, "c")
    assert len(read_count(reading.reader, 100)) == 100
    reading.reader.close()
