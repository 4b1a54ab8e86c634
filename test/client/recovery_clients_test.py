"""Nobody jumps: consumers of every kind whose committed offset lies beyond what a forced recovery
left. Each waits, whatever `auto.offset.reset` says, and then gets the first new record: never an old
one, never out of range, never a later one first."""

import os
import pathlib
import re
import subprocess
import threading

import pytest
from confluent_kafka import TopicPartition
from kafka import KafkaConsumer

import cluster as clusters
import java_tools
import records
from recovery_test import STRIDE, lose_sites, recover, silent, wait_applied_everywhere
from topics import create_topic

pytestmark = pytest.mark.trilog_only

TOPIC = "orders"
OLD = 50        # records that survive
COMMITTED = 60  # by each group: what was there is lost
RESETS = ("earliest", "latest")
NODE_SCRIPT = """
const { Kafka, logLevel } = require('kafkajs')
const [bootstrap, groupId, topic, reset] = process.argv.slice(1)
const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING })
const consumer = kafka.consumer({ groupId, maxWaitTimeInMs: 200 })
consumer.on(consumer.events.GROUP_JOIN, () => console.log('joined'))
async function main() {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: reset === 'earliest' })
    await consumer.run({ autoCommitInterval: 1, eachMessage: async ({ message }) =>
        console.log(`${message.offset} ${message.value}`) })
}
main()
"""


class Reader:
    """One consumer in a group of its own; what it gets are lines "OFFSET VALUE"."""

    def __init__(self, name, reset):
        self.name, self.reset, self.group = name, reset, f"{name}-{reset}"
        self.lines = []
        self.is_over = threading.Event()
        self.process = None

    def start(self, cluster):
        self.thread = threading.Thread(target=getattr(self, f"_{self.name}"), args=(cluster,),
                                       daemon=True)
        self.thread.start()

    def stop(self):
        self.is_over.set()
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
        self.thread.join(30)

    def got(self):
        """(offset, value) of each record."""
        found = [re.match(r"(?:Offset:)?(\d+)\s+(.*)", line) for line in self.lines]
        return [(int(match[1]), match[2]) for match in found if match]

    def _run(self, command, **more):
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, **more)
        for line in self.process.stdout:
            self.lines.append(line.strip())

    def _kcat(self, cluster):
        self._run(["kcat", "-b", cluster.bootstrap, "-G", self.group, TOPIC, "-q", "-u", "-f",
                   r"%o %s\n", "-X", f"auto.offset.reset={self.reset}"])

    def _java(self, cluster):
        self._run(java_tools.command(
            "kafka-console-consumer", "--bootstrap-server", cluster.bootstrap, "--group",
            self.group, "--topic", TOPIC, "--command-property",
            f"auto.offset.reset={self.reset}", "--formatter-property", "print.offset=true"))

    def _kafkajs(self, cluster):
        modules = clusters.ROOT / "build" / "clients" / "node" / "node_modules"
        self._run(["node", "-e", NODE_SCRIPT, cluster.bootstrap, self.group, TOPIC, self.reset],
                  env={**os.environ, "NODE_PATH": str(modules),
                       "KAFKAJS_NO_PARTITIONER_WARNING": "1"})

    def _confluent(self, cluster):
        reader = records.consumer(cluster, self.group, auto_offset_reset=self.reset)
        reader.subscribe([TOPIC], on_assign=lambda *_: self.lines.append("joined"))
        while not self.is_over.is_set():
            message = records.poll_checked(reader, 0.2)
            if message is not None:
                self.lines.append(f"{message.offset()} {message.value().decode()}")
        reader.close()

    def _kafka_python(self, cluster):
        reader = KafkaConsumer(TOPIC, bootstrap_servers=[n.address for n in cluster.nodes],
                               group_id=self.group, auto_offset_reset=self.reset,
                               enable_auto_commit=False)
        while not self.is_over.is_set():
            for batch in reader.poll(timeout_ms=records.PYTHON_POLL_MS).values():
                self.lines += [f"{m.offset} {m.value.decode()}" for m in batch]
        reader.close()


CLIENTS = ("kcat", "java", "kafkajs", "confluent", "kafka_python")


def commit_beyond(cluster, group):
    committer = records.consumer(cluster, group)
    committer.commit(offsets=[TopicPartition(TOPIC, 0, COMMITTED)], asynchronous=False)
    committer.close()


def test_consumers_beyond_the_end_wait_and_get_the_first_new_record():
    assert pathlib.Path(java_tools.JARS).is_dir()
    cluster = clusters.OwnCluster("recovery-clients")
    readers = [Reader(name, reset) for name in CLIENTS for reset in RESETS]
    live = [Reader("confluent", reset) for reset in RESETS]
    try:
        cluster.start()
        create_topic(cluster, TOPIC)
        records.send_all(cluster, TOPIC, [b"old %d" % i for i in range(OLD)])
        for reader in live:  # these are there all the time, with their offsets in memory
            reader.group = f"live-{reader.reset}"
            commit_beyond(cluster, reader.group)
        for reader in readers:
            commit_beyond(cluster, reader.group)
        wait_applied_everywhere(cluster)
        lose_sites(cluster)
        plan = silent(cluster)
        beyond = {row["group"] for row in plan["consumer_offsets_beyond"]}
        assert {reader.group for reader in readers} <= beyond
        for reader in live:
            reader.start(cluster)
        recover(cluster, plan)
        readers += live
        for reader in readers:
            if reader not in live:
                reader.start(cluster)
        admin = cluster.admin()
        def has_members():
            listed = admin.list_consumer_groups(request_timeout=5).result(10).valid
            groups = {g.group_id for g in listed if str(g.state).endswith("STABLE")}
            return {reader.group for reader in readers} <= groups
        clusters.wait_until(has_members, 120, "all groups have their member", 0.3)
        early = {reader.group: reader.got() for reader in readers if reader.got()}
        assert not early, f"an old record: {early}"
        records.send_all(cluster, TOPIC, [b"first", b"second"])
        clusters.wait_until(lambda: all(len(r.got()) >= 2 for r in readers), 60,
                            "everybody gets what is new", 0.2)
    finally:
        print({reader.group: reader.lines for reader in readers})
        for reader in readers:
            if hasattr(reader, "thread"):
                reader.stop()
        cluster.stop()
    for reader in readers:
        assert reader.got() == [(STRIDE, "first"), (STRIDE + 1, "second")], reader.group
