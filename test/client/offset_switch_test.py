"""The sequence that was reported of a replicated queue, as it was: the slave's disk fails, and so its
offsets stand at 500 while the master's go on to 1001; the slave comes back as the master is cut off; the
cluster switches. There the group went on at 500. Here it goes on at 1001, also after switching back,
also when a program tries to commit 500, and the old master that wakes up answers nothing older."""

import resource

import pytest
from confluent_kafka import KafkaException, TopicPartition

import cluster as clusters
import records
from admin_port import ready_cluster
from offset_rule_test import assigned, commit, history, moves
from topics import create_topic

pytestmark = pytest.mark.trilog_only

GROUP = "the-reported-group"
RECORDS = 1200


@pytest.fixture
def sites():
    """Each test breaks it."""
    yield from ready_cluster("switch", {"offsets.topic.num.partitions": "1"})


def coordinator(cluster):
    return cluster.leader("__consumer_offsets", timeout_s=60)


def stored(cluster, node=None):
    """As a client of one node, or of all, is told."""
    address = {"bootstrap_servers": node.address} if node else {}

    def told():
        asker = records.consumer(cluster, GROUP, **address)
        try:
            return asker.committed([TopicPartition("reported", 0)], timeout=5)[0].offset
        except KafkaException:
            return None
        finally:
            asker.close()
    return clusters.wait_until(told, 60, "somebody coordinates the group")


def fail_disk(node):
    """Every write fails from now on; the node ends by itself, as after any failed write."""
    resource.prlimit(node.pid(), resource.RLIMIT_FSIZE, (0, 0))
    clusters.wait_until(lambda: not node.is_running(), 60, "the node ends with its disk")


def wait_level(cluster, topics):
    """Every node is in sync for all of these."""
    def is_level():
        return all(sorted(p.isrs) == [1, 2, 3] for topic in topics
                   for p in cluster.partitions(topic).values())
    clusters.wait_until(is_level, 60, "all replicas are level", 0.1, [KafkaException])


def go_on(cluster, expected):
    """A member that begins now reads from there."""
    member = assigned(cluster, GROUP, "reported")
    clusters.wait_until(lambda: member.read or member.poll(0.2), 60, "a record", 0)
    assert member.read[0].offset() == expected
    return member


def try_to_take_back(cluster):
    """A program that begins at 0 and commits what it has read, up to 500."""
    stale = assigned(cluster, GROUP, "reported")
    commit(stale, 500)
    stale.close()


def test_a_committed_offset_has_the_epoch_that_its_last_record_was_written_in(sites):
    topic = create_topic(sites, "reported", 1)
    records.send_all(sites, topic, [b"before"] * 10)
    leader = sites.leader(topic)
    leader.kill9()
    clusters.wait_until(lambda: sites.leader(topic) is not leader, 60, "another one leads")
    records.send_all(sites, topic, [b"after"] * 10)
    leader.start()
    wait_level(sites, [topic])
    reader = records.consumer(sites, "reader")
    reader.assign([TopicPartition(topic, 0, 0)])
    epochs = [message.leader_epoch() for message in records.read_count(reader, 20, 30)]
    assert epochs[9] < epochs[10] and len(set(epochs)) == 2
    tool = records.consumer(sites, GROUP)
    for offset in (1, 10, 11, 20):  # it gives no epochs
        tool.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
        told = tool.committed([TopicPartition(topic, 0)], timeout=20)[0]
        assert (told.offset, told.leader_epoch) == (offset, epochs[offset - 1])
    tool.close()
    reader.close()


def test_a_group_at_1001_goes_on_at_1001_through_the_reported_sequence(sites):
    sites.wait_spread(create_topic(sites, "spread", 12))  # leaders are where they belong
    topic = create_topic(sites, "reported", 1)
    records.send_all(sites, topic, [b"%d" % i for i in range(RECORDS)])
    reader = assigned(sites, GROUP, topic)
    commit(reader, 500)
    wait_level(sites, [topic, "__consumer_offsets"])
    master = coordinator(sites)
    slave = next(node for node in sites.nodes if node is not master)

    fail_disk(slave)  # it keeps 500
    commit(reader, 1001)  # the master and the third site have it
    reader.close()

    master.pause()  # cut off: to the others it is silent, and its connections stay
    slave.start()  # the disk is another's now, the data the old
    new_master = clusters.wait_until(
        lambda: (seen := coordinator(sites)) is not master and seen, 60, "the cluster has switched")
    assert stored(sites, new_master) == 1001
    go_on(sites, 1001).close()
    try_to_take_back(sites)
    assert stored(sites, new_master) == 1001
    assert moves(history(sites, GROUP)) == [("commit", None, 1001), ("refused", 1001, 500)]

    master.resume()  # it still believes to lead; asked at once
    assert stored(sites, master) == 1001
    wait_level(sites, [topic, "__consumer_offsets"])

    # Back: leaders return to their own site once it is level.
    clusters.wait_until(lambda: coordinator(sites) is master, 90, "the group is back", 0.2)
    assert stored(sites) == 1001
    try_to_take_back(sites)
    assert stored(sites) == 1001
    go_on(sites, 1001).close()
