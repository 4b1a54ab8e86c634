"""Kafka's own dump tool on our files: every record where it was acknowledged, every batch valid,
both indexes sane. The segments hold what a partition's life brings: several producers at once,
idempotent and not, compressed and not, several leader epochs, and a log start that moved."""

import collections
import hashlib
import pathlib
import re
import types

import pytest
from confluent_kafka import TopicPartition

import cluster as clusters
import java_tools
import records
from topics import create_topic

SEGMENT_BYTES = 1_048_576  # the least that Kafka takes
EPOCHS = 3
RECORDS_EACH = 2500
PRODUCERS = [{"compression_type": "none"}, {"compression_type": "lz4"},
             {"compression_type": "zstd"}, {"enable_idempotence": False}]
MARKER = b"segment-test-marker"

Batch = collections.namedtuple("Batch", "base last first_sequence last_sequence producer epoch codec")


@pytest.fixture(scope="module")
def life():
    """A partition that has been through all that, and what was acknowledged of it."""
    running = clusters.new_cluster("segments")
    if not running.can_kill():
        pytest.skip("nobody said how to kill this cluster's nodes")
    with running.while_used():
        topic = create_topic(running, "segments", segment_bytes=SEGMENT_BYTES)
        acknowledged = {}
        for epoch in range(EPOCHS):
            if epoch > 0:
                lead_elsewhere(running, topic)
            acknowledged.update(write_some(running, topic, epoch))
        yield types.SimpleNamespace(cluster=running, topic=topic, acknowledged=acknowledged)


def lead_elsewhere(cluster, topic):
    """Kills the leader: the next one leads in an epoch of its own."""
    leader = cluster.leader(topic)
    leader.kill9()
    clusters.wait_until(lambda: cluster.leader(topic) is not leader, 30, "another node leads")
    leader.start()
    cluster.wait_healthy()


def write_some(cluster, topic, epoch):
    """All producers in turn, so that their batches lie between each other's."""
    senders = [records.Sender(cluster, topic, batch_size=16_000, **how) for how in PRODUCERS]
    for i in range(RECORDS_EACH):
        for which, sender in enumerate(senders):
            noise = hashlib.sha512(b"%d" % i).hexdigest().encode()  # compresses to a half
            sender.send(b"%s %d %d %d %s" % (MARKER, epoch, which, i, noise * (i % 3)),
                        key=b"%d" % i, headers={"from": b"%d" % which})
    return {offset: value for sender in senders for _, offset, _, value in sender.finish()}


def folders(cluster):
    """The partition's folder on each node, by its segments, oldest first."""
    found = collections.defaultdict(list)
    for path in sorted(map(pathlib.Path, cluster.segment_files())):
        if re.fullmatch(r"\d{20}\.log", path.name):
            found[path.parent].append(path)
    return [paths for paths in found.values() if any(MARKER in p.read_bytes() for p in paths)]


def sealed_everywhere(life, count_min, first_offset_min=0):
    """The sealed segments of each node, the same on all. A node's last one may still grow."""
    def found():
        sealed = [[p for p in paths[:-1]] for paths in folders(life.cluster)]
        names = {tuple(p.name for p in paths) for paths in sealed}
        is_level = len(sealed) == len(life.cluster.nodes) and len(names) == 1
        first = int(sealed[0][0].stem) if is_level and sealed[0] else -1
        return is_level and len(sealed[0]) >= count_min and first >= first_offset_min and sealed
    return clusters.wait_until(found, 60, f"{count_min} sealed segments are on each disk", 0.5)


def dump(paths, *options):
    text = java_tools.run("kafka-dump-log", "--files", ",".join(map(str, paths)), *options)
    assert not re.search(r"isvalid: false|non-consecutive|mismatch|not found|out of order|trailing"
                         r"|invalid bytes|incorrect|could not", text, re.I), text[-2000:]
    return text


def batches_in(text):
    pattern = (r"^baseOffset: (\d+) lastOffset: (\d+) count: \d+ baseSequence: (-?\d+) "
               r"lastSequence: (-?\d+) producerId: (-?\d+) .*partitionLeaderEpoch: (\d+) "
               r".*compresscodec: (\w+) .*isvalid: true")
    return [Batch(*map(int, m[:6]), m[6]) for m in re.findall(pattern, text, re.M)]


def assert_records_are(text, acknowledged):
    """What the tool reads is what was acknowledged, from the first offset to the last, no gap."""
    read = {int(offset): value.encode() for offset, value in
            re.findall(r"^\| offset: (\d+) .*? payload: (.*)$", text, re.M)}
    first, last = min(read), max(read)
    wanted = {o: v for o, v in acknowledged.items() if first <= o <= last}
    assert list(read) == sorted(wanted) and read == wanted


def assert_indexes_are_sound(segments):
    """Kafka's tool finds each index entry where the segment has it."""
    indexes = [p.with_suffix(s) for p in segments for s in (".index", ".timeindex")]
    for index in indexes:
        assert index.exists() and index.stat().st_size > 0, index
    dump(indexes, "--verify-index-only")
    assert dump(indexes, "--index-sanity-check").count("passed sanity check") == len(indexes)
    of_each = dump(indexes[::2]).split("Dumping ")[1:]
    assert len(of_each) == len(segments)
    for entries in of_each:
        positions = [int(p) for p in re.findall(r"position: (\d+)", entries)]
        assert len(positions) > 10 and positions == sorted(positions), entries[:80]


def test_kafka_dump_log_reads_segments_of_many_producers_and_epochs(life):
    sealed = sealed_everywhere(life, 3)[0]
    text = dump(sealed, "--print-data-log")
    assert_records_are(text, life.acknowledged)
    batches = batches_in(text)
    assert len(batches) == len(re.findall("^baseOffset", text, re.M)) > 100
    epochs = [b.epoch for b in batches]
    assert epochs == sorted(epochs) and len(set(epochs)) >= EPOCHS
    assert {"none", "lz4", "zstd"} <= {b.codec for b in batches}
    by_producer = collections.defaultdict(list)
    for b in batches:
        by_producer[b.producer].append(b)
    assert len(by_producer.pop(-1)) > 10 and len(by_producer) >= 2 * 3
    for of_one in by_producer.values():
        assert of_one[0].first_sequence == 0
        assert all(b.first_sequence == a.last_sequence + 1 for a, b in zip(of_one, of_one[1:]))
    assert_indexes_are_sound(sealed)


def test_all_nodes_have_the_same_segments_and_indexes_to_the_byte(life):
    for copies in zip(*sealed_everywhere(life, 3)):
        for suffix in (".log", ".index", ".timeindex"):
            assert len({path.with_suffix(suffix).read_bytes() for path in copies}) == 1, copies


def test_kafka_dump_log_reads_what_delete_records_leaves(life):
    before = sealed_everywhere(life, 3)[0]
    kept = int(before[1].stem)
    start = kept + 10  # within the second segment: it stays, the first one goes
    admin = life.cluster.admin()
    place = TopicPartition(life.topic, 0, start)
    assert admin.delete_records([place], request_timeout=20)[place].result(20).low_watermark == start
    after = sealed_everywhere(life, 2, first_offset_min=kept)[0]
    assert int(after[0].stem) == kept
    assert records.watermarks(life.cluster, life.topic)[0] == start
    assert_records_are(dump(after, "--print-data-log"), life.acknowledged)
    assert_indexes_are_sound(after)
