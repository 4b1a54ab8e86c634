"""Segments and indexes that are damaged on the disk of a running or an ended node: what clients read
is right, or comes a little later; the node names the file and the place, takes what it lacks from a
peer, and has every byte again, as the same incarnation and leading what it led."""

import random

import pytest
from confluent_kafka import TopicPartition

import admin_port
import cluster as clusters
import records
from damage_test import flip, wait_event
from topics import create_topic

SEGMENT_BYTES = 65_536
RECORDS = 4000
pytestmark = pytest.mark.trilog_only


@pytest.fixture(scope="module")
def rotten_cluster():
    # Little is read from memory, and the disk only when the test says so.
    running = clusters.new_cluster("rotten", {"tail_memory_bytes": "1 MiB", "scrub_interval_ms": 0})
    with running.while_used():
        yield running


class Rotten:
    """A topic of one partition with many segments, which every node has in files."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.topic = create_topic(cluster, name, 1, segment_bytes=SEGMENT_BYTES)
        self.values = [b"%s %06d " % (name.encode(), i) + b"x" * 100 for i in range(RECORDS)]
        records.send_all(cluster, self.topic, self.values, 0, linger_ms=1, batch_size=4000)
        self.folders = {n.id: self._folder(n) for n in cluster.nodes}
        clusters.wait_until(lambda: len({tuple(self._sealed(n)) for n in cluster.nodes}) == 1 and
                            len(self._sealed(cluster.nodes[0])) >= 6, 30, "segments on all nodes")
        self.bases = self._sealed(cluster.nodes[0])

    def _folder(self, node):
        def find():
            for path in node.data.glob("topics/*/00000000000000000000.log"):
                if self.values[0] in path.read_bytes():
                    return path.parent
            return None
        return clusters.wait_until(find, 30, f"segments on node {node.id}")

    def _sealed(self, node):
        """Files that don't change any more: of all segments but the newest two."""
        return sorted(p.name for p in self.folders[node.id].glob("*.log"))[:-2]

    def file(self, node, number, kind):
        return self.folders[node.id] / f"{self.bases[number][:20]}{kind}"

    def read(self, **settings):
        messages = records.read_topic(self.cluster, self.topic, 1, 60, **settings)[0]
        assert [m.value() for m in messages] == self.values
        records.assert_offsets_rise_by_one(messages)

    def is_same_everywhere(self):
        files = [(number, kind) for number in range(len(self.bases))
                 for kind in (".log", ".index", ".timeindex")]
        try:
            return all(len({self.file(node, *file).read_bytes() for node in self.cluster.nodes}) == 1
                       for file in files)
        except FileNotFoundError:
            return False


@pytest.fixture
def rotten(rotten_cluster, name):
    yield Rotten(rotten_cluster, name)
    rotten_cluster.start_ended()


def scrub(node):
    before = admin_port.ask(node.admin, "/v1/scrub").json["passes_finished"]
    assert admin_port.ask(node.admin, "/v1/scrub/start", "POST", {}).status in (200, 202)
    clusters.wait_until(
        lambda: admin_port.ask(node.admin, "/v1/scrub").json["passes_finished"] > before,
        60, f"the scrubber of node {node.id}")


def cut(path):
    with open(path, "r+b") as f:
        f.truncate(path.stat().st_size // 3)


def damage_some(rotten, node):
    """Flipped bits, a stale block, a block of another file, a cut, a missing file."""
    flip(rotten.file(node, 0, ".log"), 20_000)
    flip(rotten.file(node, 0, ".log"), 40_000)
    with open(rotten.file(node, 1, ".log"), "r+b") as f:
        block = f.read(4096)
        f.seek(32_768)
        f.write(block)
    other = rotten.file(node, 0, ".log").read_bytes()[8192:12_288]
    with open(rotten.file(node, 2, ".log"), "r+b") as f:
        f.seek(4096)
        f.write(other)
    cut(rotten.file(node, 3, ".log"))
    rotten.file(node, 4, ".log").unlink()


def assert_mended(rotten, node, lengths, segment_count):
    clusters.wait_until(rotten.is_same_everywhere, 60, "the same bytes everywhere")

    def is_said():
        said = node.events_since(lengths)
        return sum("event=segment_repaired " in line for line in said) >= segment_count and said
    said = clusters.wait_until(is_said, 30, f"node {node.id} says of {segment_count} that they are mended")
    damaged = [line for line in said if "event=segment_damaged " in line]
    assert len(damaged) >= segment_count, said
    assert all(" file=topics/" in line and " position=" in line and " partition=0 " in line
               for line in damaged)
    assert not any("event=node_rebuilt" in line or "event=group_failed" in line for line in said)


@pytest.mark.timeout(180)
def test_a_leader_mends_what_it_is_asked_for_and_goes_on_leading(rotten_cluster, rotten):
    leader = rotten_cluster.leader(rotten.topic)
    lengths = rotten_cluster.log_lengths()
    damage_some(rotten, leader)
    rotten.read()
    assert_mended(rotten, leader, lengths, 5)
    assert rotten_cluster.leader(rotten.topic) is leader
    rotten.read()


@pytest.mark.timeout(180)
def test_a_follower_mends_what_its_site_reads_of_it(rotten_cluster, rotten):
    leader = rotten_cluster.leader(rotten.topic)
    follower = rotten_cluster.nodes[leader.id % 3]
    lengths = rotten_cluster.log_lengths()
    damage_some(rotten, follower)
    rotten.read(client_rack=follower.site)
    assert_mended(rotten, follower, lengths, 5)


@pytest.mark.timeout(180)
def test_indexes_are_built_anew_and_answers_are_right_meanwhile(rotten_cluster, rotten):
    leader = rotten_cluster.leader(rotten.topic)
    lengths = rotten_cluster.log_lengths()
    for number in range(6):
        flip(rotten.file(leader, number, ".index"), 9)
        flip(rotten.file(leader, number, ".timeindex"), 5)
    rotten.file(leader, 2, ".index").unlink()
    cut(rotten.file(leader, 3, ".timeindex"))
    reader = records.consumer(rotten_cluster)
    for offset in random.Random(5).sample(range(RECORDS), 20):
        reader.assign([TopicPartition(rotten.topic, 0, offset)])
        message = records.read_count(reader, 1)[0]
        assert (message.offset(), message.value()) == (offset, rotten.values[offset])
        at = TopicPartition(rotten.topic, 0, message.timestamp()[1])
        found = reader.offsets_for_times([at], timeout=30)[0]
        assert 0 <= found.offset <= offset
    reader.close()
    scrub(leader)
    assert_mended(rotten, leader, lengths, 6)
    assert all("fetched_bytes=0 " in line for line in leader.events_since(lengths)
               if "event=segment_repaired " in line)


@pytest.mark.timeout(180)
def test_a_scrubber_finds_what_nobody_reads(rotten_cluster, rotten):
    node = rotten_cluster.nodes[2]
    lengths = rotten_cluster.log_lengths()
    damage_some(rotten, node)
    scrub(node)
    assert_mended(rotten, node, lengths, 5)
    shown = admin_port.ask(node.admin, "/v1/scrub").json
    assert shown["segments_suspected"] >= 5
    scrub(node)
    assert admin_port.ask(node.admin, "/v1/scrub").json["segments_suspected"] == 0


@pytest.mark.timeout(180)
def test_a_node_starts_without_the_files_it_lost_and_fetches_them(rotten_cluster, rotten):
    node = rotten_cluster.nodes[1]
    node.kill9()
    lengths = rotten_cluster.log_lengths()
    missing = [rotten.file(node, number, ".log") for number in range(3)]
    for path in missing:
        path.unlink()
    for number in range(3, 6):
        cut(rotten.file(node, number, ".log"))
    node.start()
    wait_event(node, lengths, "segment_repaired")
    assert_mended(rotten, node, lengths, 6)
    rotten_cluster.wait_healthy()
    rotten.read(client_rack=node.site)


@pytest.mark.timeout(180)
def test_what_no_node_has_is_said_by_each_and_nothing_else_stops(rotten_cluster, rotten):
    lengths = rotten_cluster.log_lengths()
    for node in rotten_cluster.nodes:
        flip(rotten.file(node, 1, ".log"), 30_000)
    for node in rotten_cluster.nodes:
        scrub(node)
    for node in rotten_cluster.nodes:
        said = wait_event(node, lengths, "segment_not_repairable")
        assert " partition=0 " in said and " offset=" in said
    reader = records.consumer(rotten_cluster)
    for offset in (0, RECORDS - 1000):
        reader.assign([TopicPartition(rotten.topic, 0, offset)])
        assert records.read_count(reader, 1)[0].value() == rotten.values[offset]
    reader.close()
    more = [b"more %d" % i for i in range(100)]
    records.send_all(rotten_cluster, rotten.topic, more, 0)
    rotten.values += more
    flip(rotten.file(rotten_cluster.nodes[0], 1, ".log"), 30_000)  # as from a copy elsewhere
    clusters.wait_until(rotten.is_same_everywhere, 100, "one copy mends all")
    rotten.read()
