"""A site is drained, and its routers after it, while clients work through them: no client is told
of any error, nothing is lost or out of order, and no group is rebalanced.

Three nodes, one router in site a and two in b. Applications of both sites write to one topic and read
it, each knowing its own site's routers only."""

import itertools
import signal
import subprocess
import threading
import time

import pytest
from kafka import KafkaProducer

import group_members
import libtrilog
import libtrilog_consumer
import libtrilog_sending
from admin_port import trilog
from cluster import wait_until
from group_members import Member
from records import Sender, read_topic
from routers import SiteRouters, events, seen_brokers
from site_test import wait_verdict
from topics import create_topic

pytestmark = [pytest.mark.trilog_only, pytest.mark.direct_only]

PARTITIONS = 12
EVERY_S = 0.002


class Site:
    """What an application of it knows."""

    def __init__(self, routers):
        self.routers = routers
        self.bootstrap = ",".join(router.address for router in routers)


class Stream:
    """Writes numbers to some partitions in turn, until told to end."""

    def __init__(self, partitions):
        self.partitions, self.count = partitions, 0
        self.is_ending = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self.thread.start()
        return self

    def _run(self):
        for i in itertools.count():
            self.send(b"%d" % i, self.partitions[i % len(self.partitions)])
            self.count = i + 1
            if self.is_ending.wait(EVERY_S):
                return

    def end(self):
        self.is_ending.set()
        self.thread.join(30)
        self.flush()
        assert self.acknowledged() == self.count

    def wanted(self):
        """What each of its partitions must hold."""
        numbers = [b"%d" % i for i in range(self.count)]
        return {p: numbers[at::len(self.partitions)] for at, p in enumerate(self.partitions)}


class Confluent(Stream):
    """Idempotent."""

    def __init__(self, site, topic, partitions):
        super().__init__(partitions)
        self.told = []
        self.sender = Sender(site, topic, error_cb=self.told.append)

    def send(self, value, partition):
        self.sender.send(value, partition=partition)

    def flush(self):
        self.sender.producer.flush(60)

    def acknowledged(self):
        return len(self.sender.acknowledged)

    def troubles(self):
        return self.sender.errors + self.told


class KafkaPython(Stream):
    """Likewise idempotent."""

    def __init__(self, site, topic, partitions):
        super().__init__(partitions)
        self.topic, self.good, self.bad = topic, [], []
        self.producer = KafkaProducer(bootstrap_servers=site.bootstrap.split(","), acks="all",
                                      enable_idempotence=True)

    def send(self, value, partition):
        future = self.producer.send(self.topic, value, partition=partition)
        future.add_callback(self.good.append).add_errback(self.bad.append)

    def flush(self):
        self.producer.flush(60)
        self.producer.close(timeout=10)

    def acknowledged(self):
        return len(self.good)

    def troubles(self):
        return self.bad


class Kcat(Stream):
    """Reads its standard input, and says nothing as long as all is well."""

    def __init__(self, site, topic, partition):
        super().__init__([partition])
        self.process = subprocess.Popen(
            ["kcat", "-P", "-b", site.bootstrap, "-t", topic, "-p", str(partition), "-X", "enable.idempotence=true"],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.said = None

    def send(self, value, partition):
        self.process.stdin.write(value + b"\n")
        self.process.stdin.flush()

    def flush(self):
        _, self.said = self.process.communicate(timeout=60)

    def acknowledged(self):
        return self.count if self.process.returncode == 0 else 0

    def kill(self):
        self.is_ending.set()
        self.process.kill()
        self.process.wait()


@pytest.fixture
def sites():
    with SiteRouters("router-drain", "abb").while_used() as running:
        running.a, running.b = Site(running.at("a")), Site(running.at("b"))
        ids = {router.id for router in running.b.routers}
        for router in running.b.routers:
            wait_until(lambda r=router: seen_brokers(r) == ids, 30, f"{router.id} shows {ids}")
        yield running


@pytest.fixture
def load(sites):
    topic = create_topic(sites, "drained", PARTITIONS)
    sites.wait_spread(topic)
    streams = [Confluent(sites.b, topic, range(0, 4)), KafkaPython(sites.b, topic, range(4, 8)),
               Confluent(sites.a, topic, range(8, 12))]
    group = group_members.group_at(sites, sites.nodes[1], "shared")
    members = [Member("confluent", sites.b, group, topic), Member("confluent", sites.a, group, topic),
               *(Member(client, sites.b, group_members.group_at(sites, sites.nodes[1], f"of-{client}"), topic)
                 for client in ("kafka-python", "java"))]
    try:
        yield topic, [stream.start() for stream in streams], members
    finally:
        for stream in streams:
            stream.is_ending.set()
        for member in members:
            member.kill()


def leading(sites, topic):
    return {p.leader for p in sites.metadata(topic).topics[topic].partitions.values()}


def is_of_a_connection(trouble):
    """librdkafka tells of each that ends or can't be made; whether a request fails is another matter."""
    return "_TRANSPORT" in str(trouble)


def assert_nobody_noticed(streams, members, since, but=lambda trouble: False):
    wanted = [(stream, stream.acknowledged() + 300) for stream in streams]
    wait_until(lambda: all(s.acknowledged() >= count for s, count in wanted), 60, "all are acknowledged")
    for stream in streams:
        assert [trouble for trouble in stream.troubles() if not but(trouble)] == []
    group_members.wait_commits(members)
    for member in members:
        told = member.told("commit_failed", "read_failed", "error", *group_members.REBALANCE, since=since)
        assert [event for event in told if not (event["event"] == "error" and but(event))] == [], member


def ends_of(members):
    """How far each group has committed, by partition."""
    ends = {}
    for member in members:
        of_group = ends.setdefault(member.group, {})
        for event in member.told("committed"):
            for partition, offset in event["offsets"].items():
                of_group[int(partition)] = max(offset, of_group.get(int(partition), 0))
    return ends


def assert_all_is_written_and_read(sites, topic, streams, members):
    wanted = {}
    for stream in streams:
        stream.end()
        wanted.update(stream.wanted())
    read = read_topic(sites, topic, PARTITIONS)
    assert {p: [m.value() for m in messages] for p, messages in read.items()} == wanted
    ends = {p: len(values) for p, values in wanted.items()}
    wait_until(lambda: all(e == ends for e in ends_of(members).values()), 60, "all groups are at the end")


def site(sites, *words):
    done = trilog("--admin", sites.nodes[0].admin, "site", *words, "--yes")
    assert done.returncode == 0, done.stderr


def test_a_site_and_a_router_of_it_are_drained_and_no_client_is_told_of_an_error(sites, load):
    topic, streams, members = load
    group_members.wait_shared(members, PARTITIONS)
    group_members.wait_commits(members)
    assert 2 in leading(sites, topic)
    since = time.monotonic()
    site(sites, "drain", "b", "--wait", "60")
    wait_verdict(sites.nodes, lambda v: v[2]["b"][1] == "drained", "all nodes follow")
    assert leading(sites, topic) == {1, 3}
    assert_nobody_noticed(streams, members, since)
    ends = sites.b.routers[0]
    ends.process.send_signal(signal.SIGTERM)
    assert ends.process.wait(30) == 0
    assert "is_complete=1" in events(ends, "drained")[-1]
    assert_nobody_noticed(streams, members, since, is_of_a_connection)
    site(sites, "undrain", "b")
    wait_verdict(sites.nodes, lambda v: v[2]["b"][1] == "ending", "all nodes follow")
    assert_nobody_noticed(streams, members, since, is_of_a_connection)
    assert_all_is_written_and_read(sites, topic, streams, members)


def drain_and_undrain(sites, wait_for_progress):
    wait_for_progress()
    site(sites, "drain", "b", "--wait", "60")
    wait_verdict(sites.nodes, lambda v: v[2]["b"][1] == "drained", "all nodes follow")
    wait_for_progress()
    site(sites, "undrain", "b")
    wait_verdict(sites.nodes, lambda v: v[2]["b"][1] == "ending", "all nodes follow")
    wait_for_progress()


def test_kcat_goes_on_while_its_site_is_drained(sites):
    topic = create_topic(sites, "piped", PARTITIONS)
    sites.wait_spread(topic)
    partition = next(p.id for p in sites.metadata(topic).topics[topic].partitions.values() if p.leader == 2)
    stream = Kcat(sites.b, topic, partition).start()

    def progress():
        count = stream.count + 300
        wait_until(lambda: stream.count >= count, 60, "kcat takes more")
    try:
        drain_and_undrain(sites, progress)
        stream.end()
    finally:
        stream.kill()
    assert stream.said == b""
    read = read_topic(sites, topic, PARTITIONS)[partition]
    assert [m.value() for m in read] == stream.wanted()[partition]


def test_libtrilog_leaves_a_site_that_is_drained_and_is_told_of_no_error(sites, tmp_path):
    topic = create_topic(sites, "by_libtrilog", libtrilog_sending.PARTITIONS)
    sites.wait_spread(topic)
    config = libtrilog.write_config(tmp_path / "client.yaml", sites, "b", sites.b.routers + sites.a.routers)
    sending = libtrilog_sending.Sending(config, topic, EVERY_S)
    reader = libtrilog_consumer.Reader(config, topic, "of-libtrilog")

    def progress():
        sending.wait_for_progress()
        count = len(reader.records) + 100
        wait_until(lambda: len(reader.records) >= count, 60, "read some")
    drain_and_undrain(sites, progress)
    count = sending.finish()
    wait_until(lambda: len(reader.records) >= count, 60, "all is read")
    assert reader.consumer.kinds() == ["partitions", "site_changed"], "no rebalance"
    assert reader.close() == libtrilog.OK
    assert sorted(number for *_, number in reader.records) == list(range(count))
    assert {kind for kind, _ in sending.producer.events} == {libtrilog.SITE_CHANGED}
    assert b"site=a from=b" in sending.producer.events[0][1] and b"drained" in sending.producer.events[0][1]
    libtrilog_sending.assert_all_once_in_order(sites, topic, count)
