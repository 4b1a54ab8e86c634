"""Three trilogd, each with its data on a faultfs of its own, and a producer that keeps books."""

import os
import pathlib
import random
import socket
import subprocess
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from faultfs_mount import Mount, ROOT

TRILOGD = os.environ.get("TRILOGD") or str(ROOT / "build" / "release" / "trilogd")
SITES = "abc"
HEALTHY_S = 60
SETTINGS = {"cluster_name": "faultfs", "checkpoint_interval_ms": "1 s",
            "disk_reserve_bytes": "16 MiB",
            "disk_reserve_percent": "0"}


def wait_until(is_true, what, timeout_s=HEALTHY_S):
    give_up = time.monotonic() + timeout_s
    while not (answer := is_true()):
        assert time.monotonic() < give_up, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)
    return answer


def free_ports(host, count):
    """Different ones: each is held until all are known. Below those that the kernel gives to whoever
    connects: a node that is down for a while has its port again when it is back."""
    held = []
    try:
        while len(held) < count:
            s = socket.socket()
            held.append(s)
            try:
                s.bind((host, random.randrange(10_000, 32_000)))
            except OSError:
                held.pop().close()
        return [s.getsockname()[1] for s in held]
    finally:
        for s in held:
            s.close()


class Node:
    """One trilogd and its disk."""

    def __init__(self, folder: pathlib.Path, number: int, settings: dict[str, str]):
        self.id = number
        self.settings = {**SETTINGS, **settings}
        host = f"127.0.0.{number}"
        self.address, self.peer = (f"{host}:{port}" for port in free_ports(host, 2))
        self.folder = folder / f"node-{number}"
        self.config = self.folder / "config.yaml"
        self.log = self.folder / "log"
        self.disk = Mount(self.folder, seed=number)
        self.process = None

    def configure(self, nodes):
        self.disk.__enter__()
        lines = [f"node_id: {self.id}", f"site: {SITES[self.id - 1]}",
                 f"data_directory: {self.disk.path}/data", f"listen: {self.address}",
                 f"advertised: {self.address}", f"peer_listen: {self.peer}",
                 *(f"{name}: {value}" for name, value in self.settings.items()), "nodes:",
                 *(f'  - {{id: {n.id}, site: {SITES[n.id - 1]}, peer: "{n.peer}"}}'
                   for n in nodes)]
        self.config.write_text("\n".join(lines) + "\n", encoding="ascii")

    def start(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([TRILOGD, "--config", str(self.config)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd=self.folder)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.is_running():
            self.process.kill()
        if self.process is not None:
            self.process.wait()

    def last_words(self, line_count=8):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-line_count:])

    def events(self, level):
        text = self.log.read_text(errors="replace")
        return [line for line in text.splitlines() if f"level={level}" in line]


class Cluster:
    """A context: founded when entered; processes and mounts are gone when it is left."""

    def __init__(self, folder, settings=None):
        self.nodes = [Node(folder, number, settings or {}) for number in (1, 2, 3)]

    def __enter__(self):
        try:
            for node in self.nodes:
                node.configure(self.nodes)
                node.start()
            self.wait_healthy()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            if node.disk.process is not None:
                node.disk.__exit__()

    @property
    def bootstrap(self):
        return ",".join(node.address for node in self.nodes)

    def metadata(self, node, topic=None):
        admin = AdminClient({"bootstrap.servers": node.address, "log_level": 0})
        try:
            return admin.list_topics(topic, timeout=2)
        except KafkaException:
            return None

    def wait_healthy(self, node_count=3):
        """Each node that runs knows so many brokers and a controller."""
        def is_healthy(node):
            assert node.is_running(), f"node {node.id} has ended: {node.last_words()}"
            seen = self.metadata(node)
            return seen is not None and len(seen.brokers) >= node_count and \
                seen.controller_id in seen.brokers
        for node in self.nodes:
            wait_until(lambda n=node: is_healthy(n), f"node {node.id} is healthy")

    def create_topic(self, name, partitions):
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        admin.create_topics([NewTopic(name, partitions, 3)])[name].result(30)

    def wait_in_sync(self, topic):
        """All replicas of all partitions, asked of each node that runs."""
        def is_in_sync(node):
            seen = self.metadata(node, topic)
            partitions = seen.topics[topic].partitions.values() if seen else []
            return partitions and all(p.leader > 0 and len(p.isrs) == 3 for p in partitions)
        for node in self.nodes:
            wait_until(lambda n=node: is_in_sync(n), f"all is in sync, seen by node {node.id}")

    def cut_power(self, options):
        """Of all nodes at once: the command goes to every disk before any answer is awaited."""
        for node in self.nodes:
            node.disk.send(f"power-cut {options}")
        answers = [node.disk.answer() for node in self.nodes]
        for node in self.nodes:
            node.kill()
        for node in self.nodes:
            node.disk.ask("power-on")
        return answers

    def start(self):
        for node in self.nodes:
            if not node.is_running():
                node.start()
        self.wait_healthy()


class Load:
    """A thread that produces numbered records and remembers what was acknowledged where. A context:
    it ends with it."""

    def __init__(self, bootstrap, topic, first=0, value_bytes=500):
        self.topic = topic
        self.number = first
        self.padding = b"." * value_bytes
        self.acknowledged = {}  # number: (partition, offset)
        self.failures = 0
        self.trouble = None
        self.last_acknowledged_at = time.monotonic()
        self.is_ending = threading.Event()
        self.producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0,
                                  "enable.idempotence": True, "linger.ms": 2,
                                  "delivery.timeout.ms": 120_000})
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _on_delivered(self, number, error, message):
        if error is not None:
            self.failures += 1
            return
        self.acknowledged[number] = (message.partition(), message.offset())
        self.last_acknowledged_at = time.monotonic()

    def _send(self):
        number = self.number
        try:
            self.producer.produce(
                self.topic, value=b"%d %s" % (number, self.padding),
                on_delivery=lambda e, m, n=number: self._on_delivered(n, e, m))
        except KafkaException as trouble:  # an idempotent producer's fatal error
            self.trouble = trouble
        self.number += 1

    def _run(self):
        while not self.is_ending.is_set() and self.trouble is None:
            if len(self.producer) < 5000:
                self._send()
                self.producer.poll(0)
            else:
                self.producer.poll(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.is_ending.set()
        self.thread.join()
        if self.trouble is None:
            self.producer.flush(130)

    def end_at_once(self):
        """What is not acknowledged yet shall not be."""
        self.is_ending.set()
        self.thread.join()
        self.producer.purge()

    def wait_acknowledged(self, count, timeout_s=HEALTHY_S):
        """So many more than now."""
        wanted = len(self.acknowledged) + count
        def is_enough():
            assert self.trouble is None, self.trouble
            return len(self.acknowledged) >= wanted
        wait_until(is_enough, f"{count} more acknowledged", timeout_s)


def lost_of(acknowledged, found):
    """What was acknowledged and is not where its acknowledgement said. One that was given to a
    repeated request names no offset: the record must be anywhere in its partition."""
    partitions = {number: partition for (partition, _), number in found.items()}
    return {number: (partition, offset)
            for number, (partition, offset) in acknowledged.items()
            if partitions.get(number) != partition
            or (offset is not None and found.get((partition, offset)) != number)}


def ends_of(consumer, topic, partition):
    """Its log start and high watermark, when its leader has been found: it may just have moved."""
    def ask():
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=30)
        except KafkaException:
            return None
    return wait_until(ask, f"the ends of partition {partition}")


def read_all(bootstrap, topic):
    """Every record of the topic as {(partition, offset): number}, up to the ends that are now."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "log_level": 0,
                         "enable.auto.commit": False})
    ends, found = {}, {}
    for partition in consumer.list_topics(topic, timeout=30).topics[topic].partitions:
        low, high = ends_of(consumer, topic, partition)
        ends[partition] = high if high > low else None
    consumer.assign([TopicPartition(topic, p, 0) for p, end in ends.items() if end])
    positions = {p: 0 for p, end in ends.items() if end}
    give_up = time.monotonic() + HEALTHY_S
    while any(positions[p] < ends[p] for p in positions):
        assert time.monotonic() < give_up, f"read up to {positions} of {ends}"
        for message in consumer.consume(5000, timeout=0.2):
            assert message.error() is None, message.error()
            number = int(message.value().split(b" ")[0])
            found[message.partition(), message.offset()] = number
            positions[message.partition()] = message.offset() + 1
    consumer.close()
    return found
