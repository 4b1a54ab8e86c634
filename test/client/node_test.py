"""A node's own life: another number of shards at its next start, a lost data folder, a data folder
that is not its own."""

import shutil
import subprocess

import pytest

import cluster as clusters
import records
from admin_port import trilog
from cluster import trilogd, wait_until
from topics import create_topic

PARTITIONS = 12  # some in each raft group but the metadata's

pytestmark = pytest.mark.trilog_only  # a running cluster's folders are not ours


@pytest.fixture
def own(request):
    with clusters.new_cluster("own", {"shards": 1}).while_used() as running:
        yield running


def set_wal_directory(node, folder):
    with open(node.config, "a", encoding="ascii") as config:
        config.write(f"wal_directory: {folder}\n")


@pytest.fixture
def wal_disks(tmp_path):
    """Each node's WAL is in a folder of its own, as on another disk."""
    running = clusters.new_cluster("wal-disks")
    for node in running.nodes:
        set_wal_directory(node, tmp_path / f"wal-{node.id}")
    with running.while_used():
        yield running


def numbers(first, count):
    return [b"%d" % i for i in range(first, first + count)]


def assert_holds(cluster, topic, values):
    read = records.read_topic(cluster, topic, PARTITIONS)
    for messages in read.values():
        records.assert_offsets_rise_by_one(messages)
    assert sorted(int(m.value()) for p in read for m in read[p]) == sorted(map(int, values))


def wait_level(cluster, topic, node_id):
    def is_level():
        seen = cluster.partitions(topic).values()
        return all(p.leader > 0 and node_id in p.isrs for p in seen)
    wait_until(is_level, 60, f"node {node_id} is level", 0.1, [clusters.KafkaException])
    # Whoever produces asks group 0 for a number first: in that group, too, it must have its vote.
    whole = trilog("cluster", "health", "--wait", 60, "-a", cluster.node(node_id).admin,
                   timeout_s=90)
    assert whole.returncode == 0, whole.stdout + whole.stderr


@pytest.mark.timeout(180)
def test_another_number_of_shards_works_on_the_same_files(own, name):
    topic = create_topic(own, name, PARTITIONS)
    sent = []
    for shards in (1, 3, 2):
        own.configure({"shards": shards})
        for node in own.nodes:  # one after the other, so nodes of different numbers work together
            node.terminate()
            node.start()
            own.wait_healthy()
            records.send_all(own, topic, numbers(len(sent), 500), enable_idempotence=True)
            sent += numbers(len(sent), 500)
    assert_holds(own, topic, sent)


@pytest.mark.timeout(180)
def test_a_node_whose_folder_was_lost_is_rebuilt_and_counts_again(own, name):
    topic = create_topic(own, name, PARTITIONS)
    records.send_all(own, topic, numbers(0, 5000))
    lost, other = own.nodes[1], own.nodes[2]
    lost.kill9()
    shutil.rmtree(lost.data)
    records.send_all(own, topic, numbers(5000, 5000))
    lost.start()
    wait_level(own, topic, lost.id)
    other.kill9()  # from here on each acknowledgement needs the rebuilt one
    own.wait_led(topic, PARTITIONS)
    records.send_all(own, topic, numbers(10000, 1000))
    assert_holds(own, topic, numbers(0, 11000))
    other.start()
    own.wait_healthy()


def wal_files(folder):
    return list((folder / "wal").glob("*"))


@pytest.mark.timeout(180)
def test_a_wal_on_a_disk_of_its_own_is_used_again_and_rebuilt_where_that_disk_is_lost(
        wal_disks, name, tmp_path):
    topic = create_topic(wal_disks, name, PARTITIONS)
    records.send_all(wal_disks, topic, numbers(0, 3000))
    for node in wal_disks.nodes:
        assert wal_files(tmp_path / f"wal-{node.id}") and not wal_files(node.data)
        node.kill9()
    for node in wal_disks.nodes:
        node.start()
    wal_disks.wait_healthy()
    assert_holds(wal_disks, topic, numbers(0, 3000))
    lost, other = wal_disks.nodes[1], wal_disks.nodes[2]
    lost.kill9()
    shutil.rmtree(tmp_path / f"wal-{lost.id}")
    records.send_all(wal_disks, topic, numbers(3000, 1000))
    lost.start()
    wait_level(wal_disks, topic, lost.id)
    other.kill9()  # from here on each acknowledgement needs the rebuilt one
    wal_disks.wait_led(topic, PARTITIONS)
    records.send_all(wal_disks, topic, numbers(4000, 1000))
    assert_holds(wal_disks, topic, numbers(0, 5000))


def refusal_of(config):
    refused = subprocess.run([trilogd(), "--config", str(config)], timeout=20, check=False,
                             stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert refused.returncode != 0
    return refused.stderr


@pytest.mark.timeout(120)
def test_a_wal_folder_of_another_node_or_left_behind_is_refused_and_one_that_was_moved_is_used(
        own, name, tmp_path):
    topic = create_topic(own, name, PARTITIONS)
    records.send_all(own, topic, numbers(0, 1000))
    node, other = own.node(1), own.node(2)
    node.terminate()
    set_wal_directory(node, tmp_path / "wal-disk")
    assert "move that folder there first" in refusal_of(node.config)
    shutil.move(node.data / "wal", tmp_path / "wal-disk" / "wal")
    node.start()
    own.wait_healthy()
    assert wal_files(tmp_path / "wal-disk")
    other.terminate()
    set_wal_directory(other, tmp_path / "wal-disk")
    assert "wal-disk/lock: another process uses" in refusal_of(other.config)
    node.terminate()
    assert "belongs to cluster client-test node 1" in refusal_of(other.config)
    node.start()
    own.wait_healthy(2)
    assert_holds(own, topic, numbers(0, 1000))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("wrong, said", [
    (("node_id: 1", "node_id: 2"), "belongs to node 1, the configuration says 2"),
    (("cluster_name: client-test", "cluster_name: other"),
     'belongs to cluster "client-test", the configuration says "other"')])
def test_a_data_folder_that_is_not_its_own_is_refused(own, wrong, said):
    node = own.node(1)
    node.terminate()
    text = node.config.read_text(encoding="ascii")
    config = own.folder / "wrong.yaml"
    # Site and addresses are the other node's then, too, where the number is.
    for word in (wrong, *([("site: a", "site: b")] if "node_id" in wrong[0] else [])):
        text = text.replace(*word, 1)
    config.write_text(text, encoding="ascii")
    assert said in refusal_of(config)
    node.start()
    own.wait_healthy()
