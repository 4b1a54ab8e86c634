"""A node that is too far behind for entries is sent segments: compressed on the wire where that is
set, no faster than its rate, and whoever's process ends meanwhile, what has come is not sent again."""

import hashlib

import pytest

import admin_port
import cluster as clusters
import records
from damage_test import wait_event
from metric_text import read_metrics
from topics import create_topic

MIB = 1 << 20
RECORD_BYTES = 1000
BACKLOG_BYTES = 16 * MIB
RATE_BYTES = 4 * MIB  # a second
UNDER_WAY_BYTES = 6 * MIB  # asked for and not written when a process ends; indexes
pytestmark = pytest.mark.trilog_only


@pytest.fixture(scope="module")
def shipping_cluster():
    # The leader keeps next to nothing for who is away.
    running = clusters.new_cluster("shipping", {
        "ship_bytes_per_second": RATE_BYTES, "ship_compression": "always",
        "wal_kept_bytes": 0, "wal_file_bytes": 4 * MIB,
        "message.max.bytes": MIB, "catch_up_kept_bytes": MIB})
    with running.while_used():
        yield running


@pytest.fixture
def whole(shipping_cluster):
    admin_port.wait_home(shipping_cluster)  # who leads now is who sends
    yield shipping_cluster
    shipping_cluster.start_ended()


def value(number):
    """Of a kilobyte, of which LZ4 leaves a third."""
    noise = hashlib.sha512(b"%d" % number).hexdigest().encode()
    return (b"%08d " % number + noise + b"the same in each record. " * 40)[:RECORD_BYTES]


def leave_behind(cluster, topic, node):
    """Ends the node's process and writes what it will have to be sent."""
    leader = cluster.leader(topic)
    assert leader is not node
    node.kill9()
    values = [value(i) for i in range(BACKLOG_BYTES // RECORD_BYTES)]
    records.send_all(cluster, topic, values, 0, linger_ms=5)
    clusters.wait_until(lambda: metric(leader, "wal_held_bytes") <= BACKLOG_BYTES / 2, 60,
                        "the leader's WAL has let go of it")
    assert files_bytes(leader) >= BACKLOG_BYTES / 2
    return values


def files_bytes(node):
    return sum(path.stat().st_size for path in node.data.glob("topics/*/*.log"))


def metric(node, name):
    """Of all its groups together."""
    families = read_metrics(admin_port.ask(node.admin, "/metrics").body.decode())
    return sum(families[f"trilog_{name}"].samples.values())


def shipped(node):
    """Bytes of files that this process has sent."""
    return metric(node, "group_shipped_bytes_total")


def wire(node):
    """The same as they went over the network."""
    return metric(node, "group_shipped_wire_bytes_total")


def files_of(node, topic_values):
    """The topic's files by name, each as its checksum; its folder is found by its first record."""
    for first in node.data.glob("topics/*/00000000000000000000.log"):
        if topic_values[0] in first.read_bytes()[:4096]:
            return {path.name: hashlib.sha256(path.read_bytes()).digest()
                    for path in first.parent.iterdir() if path.suffix != ".tmp"}
    return {}


def is_level(node, other, values):
    try:
        files = files_of(node, values)
        return files and files == files_of(other, values)
    except FileNotFoundError:  # one that moved while it was looked at
        return False


def other_nodes(cluster, topic):
    leader = cluster.leader(topic)
    return leader, *(node for node in cluster.nodes if node is not leader)


def test_a_receiver_that_ends_goes_on_within_the_file_and_less_goes_over_the_wire(whole, name):
    topic = create_topic(whole, name, 1)
    leader, receiver, _ = other_nodes(whole, topic)
    values = leave_behind(whole, topic, receiver)
    before, wire_before = shipped(leader), wire(leader)
    receiver.start()
    clusters.wait_until(lambda: shipped(leader) - before >= BACKLOG_BYTES / 2, 60,
                        "half of it is sent", 0.02)
    receiver.kill9()
    lengths = whole.log_lengths()
    receiver.start()
    wait_event(receiver, lengths, "snapshot_installed")
    clusters.wait_until(lambda: is_level(receiver, leader, values), 60, "both have the same files")
    plain = shipped(leader) - before
    assert BACKLOG_BYTES * 9 / 10 <= plain <= BACKLOG_BYTES + UNDER_WAY_BYTES, "once, not again"
    assert wire(leader) - wire_before < plain / 2


def test_segments_that_came_before_their_source_ended_are_not_sent_again(whole, name):
    topic = create_topic(whole, name, 1, segment_bytes=MIB)
    leader, receiver, third = other_nodes(whole, topic)
    values = leave_behind(whole, topic, receiver)
    clusters.wait_until(lambda: files_bytes(third) >= files_bytes(leader), 30, "so has the third")
    before, third_before = shipped(leader), shipped(third)
    lengths = whole.log_lengths()
    receiver.start()
    clusters.wait_until(lambda: shipped(leader) - before >= BACKLOG_BYTES / 2, 60,
                        "half of it is sent", 0.02)
    first_bytes = shipped(leader) - before
    leader.kill9()
    wait_event(receiver, lengths, "snapshot_installed")
    assert shipped(third) - third_before <= BACKLOG_BYTES - first_bytes + UNDER_WAY_BYTES
    clusters.wait_until(lambda: is_level(receiver, third, values), 60, "both have the same files")
    read = records.read_topic(whole, topic)[0]
    assert [m.value() for m in read] == values
