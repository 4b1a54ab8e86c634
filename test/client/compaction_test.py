"""Compacted topics: real clients write keys in every compression, and read the newest of each key,
over offsets with gaps, wherever their positions stand. Leaders die in between."""

import collections
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec
from kafka import KafkaConsumer
from kafka import TopicPartition as PythonPartition

import cluster as clusters
import java_tools
import records
from topics import create_topic, wait_config

SETTINGS = {"checkpoint_interval_ms": "300 ms", "log.cleaner.backoff.ms": "100 ms",
            "log.retention.check.interval.ms": "1 s"}
COMPACT = {"cleanup_policy": "compact", "min_cleanable_dirty_ratio": "0.01",
           "segment_bytes": 65536}
KEYS = 40
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]  # Java writes one topic in all of them
WAIT_S = 60


@pytest.fixture(scope="module")
def cluster():
    running = clusters.new_cluster("compaction", SETTINGS)
    if not running.is_own:
        pytest.skip("compaction is too slow to wait for where its settings can't be set")
    with running.while_used():
        yield running


def sealing(cluster, topic, marker, count=8):
    """Records that only fill segments, so that those before are sealed: a key of their own."""
    sender = records.Sender(cluster, topic, batch_size=16_000)
    for i in range(count):
        sender.send(f"{marker} {i} ".encode() + b"s" * 12_000, key=b"seal")
    sender.finish()


def read_all(cluster, topic):
    """Everything from the beginning: (offset, key, value)."""
    return [(m.offset(), m.key(), m.value()) for m in records.read_topic(cluster, topic)[0]]


def newest(read):
    state = {}
    for _, key, value in read:
        state[key] = value
    return {key: value for key, value in state.items() if value is not None and key != b"seal"}


def count_of_keys(read):
    return collections.Counter(key for _, key, _ in read if key != b"seal")


def wait_compacted(cluster, topic, expected):
    """Until each key is there once, or the seal's own; what was read then."""
    def compacted():
        read = read_all(cluster, topic)
        assert newest(read) == expected, "a reader misses the newest of a key"
        counts = count_of_keys(read)
        return read if max(counts.values()) == 1 else None
    return clusters.wait_until(compacted, WAIT_S, f"{topic} is compacted", 0.3)


def write_keys(cluster, topic, rounds, **how):
    sender = records.Sender(cluster, topic, batch_size=8_000, **how)
    expected = {}
    for number in range(rounds):
        for key in range(KEYS):
            value = f"{how} round {number} key {key} ".encode() + b"v" * 300
            sender.send(value, key=b"%d" % key)
            expected[b"%d" % key] = value
    sender.finish()
    return expected


@pytest.mark.parametrize("codec", [pytest.param(c, marks=[] if c == "zstd" else pytest.mark.slow)
                                   for c in CODECS])
def test_the_newest_value_of_each_key_stays_in_each_compression(cluster, codec):
    topic = create_topic(cluster, f"codec-{codec}", **COMPACT)
    expected = write_keys(cluster, topic, 30, compression_type=codec)
    sealing(cluster, topic, codec)
    read = wait_compacted(cluster, topic, expected)
    assert records.watermarks(cluster, topic)[0] == 0, "compaction moves no log start"
    offsets = [offset for offset, _, _ in read]
    assert offsets == sorted(set(offsets)) and offsets[0] > 0


def test_java_writes_and_reads_a_compacted_topic_and_its_tool_reads_the_segments(cluster):
    topic = create_topic(cluster, "java", **COMPACT)
    for codec in CODECS:
        lines = [f"k{i % KEYS}\t{codec} {i} {'j' * 200}" for i in range(KEYS * 12)]
        java_tools.run("kafka-console-producer", "--bootstrap-server", cluster.bootstrap, "--topic",
                       topic, "--reader-property", "parse.key=true", "--compression-codec", codec,
                       stdin="\n".join(lines) + "\n")
    expected = {f"k{i % KEYS}".encode(): line.split("\t")[1].encode()
                for i, line in enumerate(lines)}
    sealing(cluster, topic, "java")
    read = wait_compacted(cluster, topic, expected)
    by_java = java_tools.run("kafka-console-consumer", "--bootstrap-server", cluster.bootstrap,
                             "--topic", topic, "--from-beginning", "--max-messages", len(read),
                             "--timeout-ms", 20000, "--formatter-property", "print.key=true")
    seen = [tuple(line.split("\t")) for line in by_java.splitlines()]
    assert seen == [(k.decode(), v.decode()) for _, k, v in read]
    assert_dump_tool_agrees(cluster, read)


def compacted_files(cluster):
    return [[p for p in sorted(pathlib.Path(node.data).glob("topics/*/*.log"))
             if re.fullmatch(r"\d{20}\.\d+\.log", p.name)] for node in cluster.nodes]


def wait_same_files(cluster, marker):
    """All nodes have the same compacted segments with it, to the byte; those of the first."""
    def same_files():
        found = [{p: data for p in files if marker in (data := p.read_bytes())}
                 for files in compacted_files(cluster)]
        contents = [{p.name: data for p, data in of_node.items()} for of_node in found]
        return contents[0] and contents[0] == contents[1] == contents[2] and list(found[0])
    return clusters.wait_until(same_files, WAIT_S, "all nodes have the same compacted segments", 0.5)


def assert_dump_tool_agrees(cluster, read):
    """Kafka's own dump tool on what compaction made, under Kafka's own names."""
    folder = cluster.folder / "dump"
    of_one = wait_same_files(cluster, b"jjjj")
    seen = {}
    for path in of_one:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for suffix in (".log", ".index", ".timeindex"):
            made = path.with_suffix(suffix)
            shutil.copy(made, folder / f"{path.name.split('.')[0]}{suffix}")
        text = java_tools.run("kafka-dump-log", "--files",
                              ",".join(map(str, sorted(folder.iterdir()))), "--print-data-log")
        assert "isvalid: false" not in text and "mismatch" not in text.lower(), text[-2000:]
        seen.update((int(o), v) for o, v in
                    re.findall(r"^\| offset: (\d+) .*? payload: (.*)$", text, re.M))
    wanted = {o: v.decode() for o, _, v in read}
    assert seen.items() <= wanted.items() and len(seen) >= KEYS // 2


def test_every_client_reads_over_the_gaps_from_any_offset(cluster):
    topic = create_topic(cluster, "gaps", **COMPACT)
    expected = write_keys(cluster, topic, 30, compression_type="gzip")  # kafkajs has no lz4
    sealing(cluster, topic, "gaps")
    read = wait_compacted(cluster, topic, expected)
    last = [o for o, k, _ in read if k != b"seal"][-1]
    for start in (0, 1, last // 2, last - 1, last):
        wanted = [(o, k, v) for o, k, v in read if o >= start]
        assert read_librdkafka(cluster, topic, start, len(wanted)) == wanted
        assert read_kafka_python(cluster, topic, start, len(wanted)) == wanted
    assert read_kcat(cluster, topic) == [(o, k) for o, k, _ in read]
    assert read_kafkajs(cluster, topic, len(read)) == [(o, k) for o, k, _ in read]


def read_librdkafka(cluster, topic, start, count):
    consumer = records.consumer(cluster)
    consumer.assign([TopicPartition(topic, 0, start)])
    messages = []
    clusters.wait_until(lambda: messages.extend(consumer.consume(count - len(messages), 1)) or
                        len(messages) >= count, 30, "librdkafka reads all")
    consumer.close()
    return [(m.offset(), m.key(), m.value()) for m in messages]


def read_kafka_python(cluster, topic, start, count):
    consumer = KafkaConsumer(bootstrap_servers=[n.address for n in cluster.nodes])
    place = PythonPartition(topic, 0)
    consumer.assign([place])
    consumer.seek(place, start)
    messages = []
    clusters.wait_until(
        lambda: messages.extend(consumer.poll(timeout_ms=500).get(place, [])) or
        len(messages) >= count, 30, "kafka-python reads all")
    consumer.close()
    return [(m.offset, m.key, m.value) for m in messages]


def read_kcat(cluster, topic):
    done = subprocess.run(["kcat", "-b", cluster.bootstrap, "-C", "-t", topic, "-e", "-q", "-f",
                           r"%o %k\n"], capture_output=True, timeout=30, check=True)
    return [(int(o), k) for o, k in (line.split() for line in done.stdout.splitlines())]


KAFKAJS = """
const { Kafka, logLevel } = require('kafkajs')
const [servers, topic, count] = process.argv.slice(-3)
const kafka = new Kafka({ brokers: servers.split(','), logLevel: logLevel.NOTHING })
// Before it ends it waits for its last fetch: half a second, not five.
const consumer = kafka.consumer({ groupId: topic + '-kafkajs', maxWaitTimeInMs: 500 })
const seen = []
async function main() {
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  const all = new Promise((done) => consumer.run({ eachMessage: async ({ message }) => {
    seen.push([Number(message.offset), message.key.toString()])
    if (seen.length === Number(count)) done()
  } }))
  await Promise.race([all, new Promise((done) => setTimeout(done, 40000).unref())])
  console.log(JSON.stringify(seen))
  await consumer.disconnect()
}
main().catch((error) => { console.error(error); process.exit(1) })
"""


def read_kafkajs(cluster, topic, count):
    modules = clusters.ROOT / "build" / "clients" / "node" / "node_modules"
    done = subprocess.run(["node", "-e", KAFKAJS, cluster.bootstrap, topic, str(count)],
                          env={**os.environ, "NODE_PATH": str(modules)},
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [(offset, key.encode()) for offset, key in json.loads(done.stdout)]


def test_tombstones_take_their_key_away_and_go_when_their_time_has_come(cluster):
    topic = create_topic(cluster, "tombstones", delete_retention_ms=1000, **COMPACT)
    expected = write_keys(cluster, topic, 3)
    sender = records.Sender(cluster, topic)
    for key in range(KEYS // 2):
        sender.send(None, key=b"%d" % key)
        del expected[b"%d" % key]
    sender.finish()
    sealing(cluster, topic, "first")
    read = wait_compacted(cluster, topic, expected)
    assert len(count_of_keys(read)) in (KEYS, KEYS // 2)
    def all_gone():
        sealing(cluster, topic, "more")
        left = read_all(cluster, topic)
        assert newest(left) == expected
        return not [k for _, k, v in left if v is None]
    clusters.wait_until(all_gone, WAIT_S, "the tombstones are gone", 1)


def set_config(cluster, topic, name, value):
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    resource.add_incremental_config(ConfigEntry(
        name, value, incremental_operation=AlterConfigOpType.SET))
    admin = cluster.admin()
    for future in admin.incremental_alter_configs([resource]).values():
        future.result(20)


def config_of(cluster, topic, name):
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic)
    admin = cluster.admin()  # must outlive the answer
    return admin.describe_configs([resource])[resource].result(20)[name].value


def test_a_topic_begins_to_be_compacted_when_its_policy_says_so(cluster):
    topic = create_topic(cluster, "altered", segment_bytes=65536)
    assert config_of(cluster, topic, "cleanup.policy") == "delete"
    expected = write_keys(cluster, topic, 20)
    sealing(cluster, topic, "altered")
    assert max(count_of_keys(read_all(cluster, topic)).values()) == 20
    set_config(cluster, topic, "min.cleanable.dirty.ratio", "0.01")
    set_config(cluster, topic, "cleanup.policy", "compact")
    wait_config(cluster, topic, "cleanup.policy", "compact")
    wait_compacted(cluster, topic, expected)
    with pytest.raises(KafkaException) as refused:
        place, admin = TopicPartition(topic, 0, 10), cluster.admin()
        admin.delete_records([place])[place].result(20)
    assert refused.value.args[0].name() == "POLICY_VIOLATION"


def test_compact_and_delete_together_do_both(cluster):
    topic = create_topic(cluster, "both", **{**COMPACT, "cleanup_policy": "compact,delete",
                                             "retention_bytes": 300_000})
    expected = write_keys(cluster, topic, 8)
    sealing(cluster, topic, "both")
    read = wait_compacted(cluster, topic, expected)
    assert read[0][0] > 0 == records.watermarks(cluster, topic)[0]
    set_config(cluster, topic, "min.cleanable.dirty.ratio", "1")
    sealing(cluster, topic, "later", 60)
    def starts_later():
        return records.watermarks(cluster, topic)[0] > 0
    clusters.wait_until(starts_later, WAIT_S, "the oldest segments are deleted", 0.5)
    place = TopicPartition(topic, 0, records.watermarks(cluster, topic)[1] - 5)
    admin = cluster.admin()
    assert admin.delete_records([place])[place].result(20).low_watermark == place.offset
    assert records.watermarks(cluster, topic)[0] == place.offset


def test_a_record_without_key_is_refused_where_the_topic_is_compacted(cluster):
    topic = create_topic(cluster, "keyless", **COMPACT)
    sender = records.Sender(cluster, topic)
    sender.send(b"no key")
    sender.producer.flush(20)
    assert [error.name() for error in sender.errors] == ["INVALID_RECORD"]
    assert records.watermarks(cluster, topic)[1] == 0


def test_offsets_by_time_and_positions_survive_compaction(cluster):
    topic = create_topic(cluster, "times", **COMPACT)
    sender = records.Sender(cluster, topic)
    for i in range(300):
        sender.send(b"t" * 300, key=b"%d" % (i % 10), timestamp=1_000_000 + i * 1000)
    sender.finish()
    sealing(cluster, topic, "times")
    wait_compacted(cluster, topic, {b"%d" % i: b"t" * 300 for i in range(10)})
    place, admin = TopicPartition(topic, 0), cluster.admin()
    for asked in (5, 290, 295, 299):
        answer = admin.list_offsets(
            {place: OffsetSpec.for_timestamp(1_000_000 + asked * 1000)})[place].result(20)
        assert answer.offset == max(asked, 290)


def test_committed_offsets_outlive_the_compaction_of_their_topic_and_a_failover(cluster):
    topic = create_topic(cluster, "work")
    groups = [f"compacted-group-{i}" for i in range(3)]
    for group in groups:
        commit(cluster, group, topic, 1)
    set_config(cluster, "__consumer_offsets", "segment.bytes", "20000")
    set_config(cluster, "__consumer_offsets", "min.cleanable.dirty.ratio", "0.1")
    assert config_of(cluster, "__consumer_offsets", "cleanup.policy") == "compact"
    for offset in range(2, 400):
        for group in groups:
            commit(cluster, group, topic, offset)
    def is_small():
        sizes = [sum(p.stat().st_size for p in pathlib.Path(node.data).glob("topics/*/*.log")
                     if b"compacted-group" in p.read_bytes()) for node in cluster.nodes]
        return all(0 < size < 3 * 3 * 20_000 for size in sizes) and any(compacted_files(cluster))
    clusters.wait_until(is_small, WAIT_S, "__consumer_offsets is compacted", 0.5)
    leader = cluster.leader("__consumer_offsets", 0)
    leader.kill9()
    for group in groups:
        assert clusters.wait_until(lambda g=group: committed(cluster, g, topic), 30,
                                   "the offset is told after the failover") == 399
    leader.start()
    cluster.wait_healthy()
    for group in groups:
        assert clusters.wait_until(lambda g=group: committed(cluster, g, topic), 30,
                                   "the offset is told after its return") == 399


committers = {}


def commit(cluster, group, topic, offset):
    if group not in committers:
        committers[group] = records.consumer(cluster, group)
    committers[group].commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)


def committed(cluster, group, topic):
    try:
        asked = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, 0)])
        admin = cluster.admin()
        answer = admin.list_consumer_group_offsets([asked])[group].result(10)
        return answer.topic_partitions[0].offset
    except KafkaException:
        return None


def test_a_node_that_was_away_and_one_that_lost_its_disk_have_the_same_segments(cluster):
    topic = create_topic(cluster, "rebuilt", **COMPACT)
    away = next(n for n in cluster.nodes if n is not cluster.leader(topic))
    away.kill9()
    expected = write_keys(cluster, topic, 30, compression_type="zstd")
    sealing(cluster, topic, "rebuilt")
    wait_compacted(cluster, topic, expected)
    away.start()
    cluster.wait_healthy()
    wait_same_files(cluster, b"round")
