"""Where raw sockets aim: a topic and its leader, which must serve and not grow whatever is sent."""

import os
import time

import pytest

import cluster as clusters
import wire
from topics import create_topic

MIB = 1 << 20
NOT_LEADER = 6
RSS_GROWTH_MAX = 32 * MIB


class Target:
    """A topic and the node that leads it."""

    def __init__(self, cluster, topic):
        self.cluster = cluster
        self.topic = topic
        self.node = cluster.leader(topic)

    def connect(self):
        return wire.Connection(self.node)

    def log_end(self):
        """Asked of whoever leads now: a leader may go where the disk is quicker."""
        def told():
            with self.connect() as c:
                r = wire.Reader(c.ask(wire.LIST_OFFSETS, 1, wire.list_offsets(self.topic)))
            assert r.take("i") == 1 and r.string() == self.topic and r.take("i") == 1
            _, error, _, offset = r.take("ihqq")
            assert error in (0, NOT_LEADER)
            if error == NOT_LEADER:
                self.node = self.cluster.leader(self.topic)
            return (offset,) if error == 0 else None
        return clusters.wait_until(told, 30, f"{self.topic} is led")[0]

    def check_serves(self):
        """A new connection is answered, a record is taken and read."""
        end = self.log_end()
        with self.connect() as c:
            answer = c.ask(wire.PRODUCE, 3, wire.produce(self.topic, wire.batch()))
            error, offset = wire.produced(answer)
            # Others' requests may still be on their way in.
            assert error == 0 and offset >= end
            error, high_watermark, data = wire.fetched(
                c.ask(wire.FETCH, 4, wire.fetch(self.topic, offset, 1000)))
        assert error == 0 and high_watermark > offset and data

    def rss_bytes(self):
        return clusters.rss_bytes_of(self.node.pid())


@pytest.fixture(scope="session")
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


def assert_refused(target, message, what, version=3):
    """An error for the partition, or a closed connection."""
    with target.connect() as c:
        answer = c.ask(wire.PRODUCE, version, message)
    if answer is not None:
        error, _ = wire.produced(answer)
        assert error != 0, f"{what}: accepted"
