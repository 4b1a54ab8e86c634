"""Files of a node that are damaged while it is down: it finds that, says what and where, comes back
under a new incarnation by itself, as learner, then voter, and nothing that was acknowledged is gone.

That it votes again is shown by ending another node: then its vote and its disk are needed. That it
did not vote with what it forgot, at any moment, is the simulation's task."""

import re
import shutil
import struct

import pytest

import cluster as clusters
import records
from topics import create_topic

RECORDS = 2000
PARTITIONS = 3
pytestmark = pytest.mark.trilog_only


@pytest.fixture(scope="module")
def damaged_cluster():
    with clusters.new_cluster("damaged", {"wal_file_bytes": "36 MiB"}).while_used() as running:
        yield running


@pytest.fixture
def topic(damaged_cluster, name):
    """With records of which some are in segments and some in the write-ahead log only."""
    topic = create_topic(damaged_cluster, name, PARTITIONS)
    send(damaged_cluster, topic, "before")
    clusters.wait_until(lambda: all(list(node.data.glob("topics/*/*.log"))
                                    for node in damaged_cluster.nodes), 30, "a checkpoint")
    send(damaged_cluster, topic, "after")
    yield topic
    damaged_cluster.start_ended()


def send(cluster, topic, word):
    for partition in range(PARTITIONS):
        records.send_all(cluster, topic, [b"%s %d" % (word.encode(), i) for i in range(RECORDS)],
                         partition)


def assert_all_there(cluster, topic, words):
    expected = [b"%s %d" % (word.encode(), i) for word in words for i in range(RECORDS)]
    for partition, messages in records.read_topic(cluster, topic, PARTITIONS, 60).items():
        assert [m.value() for m in messages] == expected, f"partition {partition}"


def flip(path, position, mask=0x10):
    with open(path, "r+b") as f:
        f.seek(position)
        byte = f.read(1)[0]
        f.seek(position)
        f.write(bytes([byte ^ mask]))


def newest_wal(node):
    """The file that is written to, and where its last write begins."""
    best = None
    for path in node.data.glob("wal/*.wal"):
        with open(path, "rb") as f:
            head = f.read(4096)
            if head[4:8] != b"TWF1":
                continue
            file_id = struct.unpack_from("<I", head, 12)[0]
            at, last = 4096, None
            while True:
                f.seek(at)
                write = f.read(64)
                if len(write) < 64 or write[4:8] != b"TWW1" or \
                        struct.unpack_from("<I", write, 12)[0] != file_id:
                    break
                last = at
                at += (64 + struct.unpack_from("<I", write, 28)[0] + 4095) // 4096 * 4096
            if last is not None and (best is None or file_id > best[0]):
                best = (file_id, path, last)
    return best[1], best[2]


def wait_event(node, lengths, event, timeout_s=60):
    def seen():
        return [e for e in node.events_since(lengths) if f"event={event} " in e]
    return clusters.wait_until(seen, timeout_s, f"node {node.id} says {event}")[0]


def incarnation_of(event):
    return re.search(r" incarnation=([0-9a-f]+)", event).group(1)


def assert_rebuilt(cluster, node, topic, lengths, words=("before", "after")):
    """It is a voter everywhere: the cluster goes on without another one."""
    level = wait_event(node, lengths, "replicas_level")
    other = cluster.nodes[node.id % 3]
    other.kill9()
    send(cluster, topic, "again")
    other.start()
    cluster.wait_healthy()
    assert_all_there(cluster, topic, [*words, "again"])
    return incarnation_of(level)


@pytest.mark.timeout(240)
def test_a_flipped_bit_in_the_write_ahead_log_rebuilds_the_node_by_itself(damaged_cluster, topic):
    node = damaged_cluster.nodes[1]
    node.kill9()
    lengths = damaged_cluster.log_lengths()
    path, last = newest_wal(node)
    flip(path, last // 2)
    node.start()
    said = wait_event(node, lengths, "wal_damaged")
    assert path.name in said and "byte" in said and "level=error" in said, said
    old = re.search(r" was=([0-9a-f]+)", said).group(1)
    now = assert_rebuilt(damaged_cluster, node, topic, lengths)
    assert now == incarnation_of(said) != old
    clusters.wait_until(lambda: not list(node.data.glob("wal.damaged-*")), 10,
                        "what was set aside goes when the node is whole again")


@pytest.mark.timeout(240)
def test_an_old_copy_of_a_folder_is_noticed_by_leaders_that_were_told_of_the_rest(damaged_cluster,
                                                                                 topic):
    """What a disk that lies about fsync leaves, or a backup: no byte of it is wrong."""
    node = damaged_cluster.nodes[1]
    node.kill9()
    old = shutil.copytree(node.data, f"{node.data}.old")
    node.start()
    damaged_cluster.wait_healthy()
    send(damaged_cluster, topic, "kept")
    damaged_cluster.wait_healthy()
    node.kill9()
    lengths = damaged_cluster.log_lengths()
    shutil.rmtree(node.data)
    shutil.move(old, node.data)
    node.start()
    said = wait_event(node, lengths, "wal_writes_lost")
    assert "which acknowledged" in said and "level=error" in said, said
    clusters.wait_until(lambda: not node.is_running(), 30, "it ends")
    node.start()
    assert "which acknowledged" in wait_event(node, lengths, "wal_damaged")
    assert_rebuilt(damaged_cluster, node, topic, lengths, ("before", "after", "kept"))


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_write_ahead_log_that_is_gone_is_missed(damaged_cluster, topic):
    node = damaged_cluster.nodes[2]
    node.kill9()
    lengths = damaged_cluster.log_lengths()
    shutil.rmtree(node.data / "wal")
    node.start()
    assert "are gone" in wait_event(node, lengths, "wal_damaged")
    assert_rebuilt(damaged_cluster, node, topic, lengths)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_damaged_manifest_is_named_and_only_its_group_is_fetched_anew(damaged_cluster, topic):
    node = damaged_cluster.nodes[0]
    node.kill9()
    lengths = damaged_cluster.log_lengths()
    manifests = {int(p.parent.name): p for p in node.data.glob("groups/*/manifest")}
    group = max((g for g in manifests if g > 0), key=lambda g: manifests[g].stat().st_size)
    flip(manifests[group], 40)
    node.start()
    said = wait_event(node, lengths, "group_damaged")
    assert f"group={group} " in said and f"groups/{group}/manifest" in said and "byte" in said, said
    assert_rebuilt(damaged_cluster, node, topic, lengths)
    damages = [e for e in node.events_since(lengths) if "_damaged " in e]
    assert len(damages) == 1, damages


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_damaged_identity_is_taken_from_its_copy(damaged_cluster, topic):
    node = damaged_cluster.nodes[1]
    node.kill9()
    lengths = damaged_cluster.log_lengths()
    flip(node.data / "node", 20)
    node.start()
    assert "file=node " in wait_event(node, lengths, "identity_damaged")
    wait_event(node, lengths, "identity_restored")
    assert_rebuilt(damaged_cluster, node, topic, lengths)


@pytest.mark.timeout(240)
def test_a_lost_identity_is_told_by_the_cluster_and_the_data_is_not_thrown_away(damaged_cluster, topic):
    node = damaged_cluster.nodes[2]
    node.kill9()
    lengths = damaged_cluster.log_lengths()
    flip(node.data / "node", 20)
    flip(node.data / "node.copy", 30)
    files = {p.name for p in node.data.glob("topics/*/*.log")}
    node.start()
    wait_event(node, lengths, "identity_lost")
    assert_rebuilt(damaged_cluster, node, topic, lengths)
    assert files <= {p.name for p in node.data.glob("topics/*/*.log")}
    assert not any("event=snapshot_begun" in e for e in node.events_since(lengths)), \
        "what it has need not be fetched"


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_emptied_disk_needs_a_restart_and_nothing_else(damaged_cluster, topic):
    node = damaged_cluster.nodes[0]
    node.kill9()
    lengths = damaged_cluster.log_lengths()
    shutil.rmtree(node.data)
    node.start()
    assert_rebuilt(damaged_cluster, node, topic, lengths)


@pytest.mark.timeout(240)
def test_two_of_three_emptied_is_refused_and_says_what_is_left_to_do():
    cluster = clusters.new_cluster("majority-lost")
    try:
        cluster.start()
        topic = create_topic(cluster, "kept", PARTITIONS)
        send(cluster, topic, "before")
        lost = cluster.nodes[0], cluster.nodes[2]
        kept = [shutil.move(n.data, f"{n.data}.kept") for n in lost if not n.kill9()]
        lengths = cluster.log_lengths()
        for node in lost:
            node.start()
        said = wait_event(cluster.nodes[1], lengths, "majority_lost")
        assert " data_gone_on=1,3 data_on=2 " in said and "next=" in said, said
        for node in lost:
            wait_event(node, lengths, "replicas_wait")
            assert not any("role=leader" in e for e in node.events_since(lengths))
        for node, folder in zip(lost, kept):
            node.kill9()
            shutil.rmtree(node.data)
            shutil.move(folder, node.data)
            node.start()
        cluster.wait_healthy()
        send(cluster, topic, "after")
        assert_all_there(cluster, topic, ["before", "after"])
    finally:
        cluster.stop()
