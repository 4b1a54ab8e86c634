"""libtrilog behind routers of three sites: it uses its own site's, goes to another's when these hang
or are gone, and comes back; what it sends is in the log once, in order of its key."""

import re
import subprocess

import pytest

import cluster as clusters
import libtrilog
import libtrilog_consumer
import libtrilog_sending
import records
from admin_port import trilog_path
from libtrilog_sending import KEYS, PARTITIONS
from newer_librdkafka import assert_runs_on_it, newer_environment
from topics import create_topic

pytestmark = pytest.mark.trilog_only


@pytest.fixture(scope="module")
def routed_cluster():
    with clusters.RoutedCluster("libtrilog-site").while_used() as running:
        yield running


def sites_of(consumer):
    """Where it went, from event to event."""
    return [text.split()[0].removeprefix(b"site=").decode()
            for kind, text in consumer.events if kind == "site_changed"]


def assert_told_whole(producer):
    """Each change says the site, the one before, the failover epoch, and the cause in words."""
    before, texts = "a", [text.decode() for kind, text in producer.events if kind == libtrilog.SITE_CHANGED]
    for text in texts:
        told = re.fullmatch(r"site=(\w+) from=(\w+) failover_epoch=(\d+) cause=(\w+ .+)", text)
        assert told and told[2] == before != told[1], texts
        assert int(told[3]) <= producer.site().failover_epoch, texts
        before = told[1]


class Stream(libtrilog_sending.Sending):
    """An application of site a that sends all the time."""

    def __init__(self, cluster, folder, topic):
        config = libtrilog.write_config(folder / "client.yaml", cluster, "a", cluster.routers)
        super().__init__(config, topic, pause_s=0.002)

    def sites(self):
        """Where it went, from event to event."""
        return [text.split()[0].removeprefix(b"site=").decode()
                for kind, text in self.producer.events if kind == libtrilog.SITE_CHANGED]

    def assert_all_once_in_order(self, cluster):
        assert self.producer.results == {libtrilog.OK: self.count}
        libtrilog_sending.assert_all_once_in_order(cluster, self.topic, self.count)


def test_goes_through_another_sites_router_while_its_own_hangs_and_comes_back(
        routed_cluster, tmp_path, name):
    stream = Stream(routed_cluster, tmp_path, create_topic(routed_cluster, name, PARTITIONS))
    try:
        stream.wait_for_progress()
        assert stream.sites() == []
        clusters.wait_until(lambda: stream.producer.site().verdict_epoch > 0, 30, "the verdict is known")
        assert (stream.producer.site().site, stream.producer.site().has_routers) == (b"a", 1)
        routed_cluster.routers[0].pause()
        clusters.wait_until(stream.sites, 30, "it went to another site")
        stream.wait_for_progress()
        routed_cluster.routers[0].resume()
        clusters.wait_until(lambda: stream.sites()[-1] == "a", 60, "it came back")
        stream.wait_for_progress()
        assert_told_whole(stream.producer)
    finally:
        routed_cluster.routers[0].resume()
        stream.end()
    stream.assert_all_once_in_order(routed_cluster)


def test_a_consumer_reads_through_another_sites_router_while_its_own_hangs_and_comes_back(
        routed_cluster, tmp_path, name):
    topic = create_topic(routed_cluster, name, PARTITIONS)
    stream = Stream(routed_cluster, tmp_path, topic)
    config = libtrilog.write_config(tmp_path / "consumer.yaml", routed_cluster, "a", routed_cluster.routers)
    reader = libtrilog_consumer.Reader(config, topic, f"g-{name}")

    def wait_for_records(why):
        read = len(reader.records)
        clusters.wait_until(lambda: len(reader.records) > read + 200, 60, why)

    try:
        wait_for_records("the first were read")
        assert sites_of(reader.consumer) == []
        routed_cluster.routers[0].pause()
        clusters.wait_until(lambda: sites_of(reader.consumer), 30, "it went to another site")
        wait_for_records("it reads there")
        routed_cluster.routers[0].resume()
        clusters.wait_until(lambda: sites_of(reader.consumer)[-1] == "a", 60, "it came back")
        wait_for_records("it reads at home")
    finally:
        routed_cluster.routers[0].resume()
        stream.end()
    clusters.wait_until(lambda: len(reader.numbers()) == stream.count, 60, "all were read")
    kinds = reader.consumer.kinds()
    assert reader.close() == libtrilog.OK
    assert kinds.count("partitions") == 1, "the group was not rebalanced"


def test_goes_through_another_sites_router_when_its_own_is_killed(routed_cluster, tmp_path, name):
    stream = Stream(routed_cluster, tmp_path, create_topic(routed_cluster, name, PARTITIONS))
    try:
        stream.wait_for_progress()
        routed_cluster.routers[0].kill9()
        clusters.wait_until(stream.sites, 30, "it went to another site")
        stream.wait_for_progress()
        assert stream.sites()[-1] in ("b", "c")
    finally:
        stream.end()
        routed_cluster.routers[0].start()
    clusters.wait_until(lambda: routed_cluster.metadata(), 30, "the router is back")
    stream.assert_all_once_in_order(routed_cluster)


def test_an_application_of_another_environment_is_refused_by_the_router(routed_cluster, tmp_path, name):
    topic = create_topic(routed_cluster, name)
    own, foreign = (libtrilog.Producer(libtrilog.write_config(
        tmp_path / f"{environment}.yaml", routed_cluster, "a", routed_cluster.routers,
        environment=environment)) for environment in ("production", "test"))
    try:
        assert foreign.send_and_wait(topic, b"k", b"never", 60_000) in (libtrilog.REFUSED, libtrilog.FATAL)
        assert own.send_and_wait(topic, b"k", b"taken", 60_000) == libtrilog.OK
    finally:
        own.close()
        foreign.close()
    assert [m.value() for m in records.read_topic(routed_cluster, topic)[0]] == [b"taken"]
    told = [line for router in routed_cluster.routers for line in router.log_path.read_text("utf-8").splitlines()
            if "event=client_not_allowed" in line]
    assert told and "client=trilog;environment=test" in told[-1] and "of the environment test" in told[-1]


def test_on_a_later_librdkafka_too_all_is_in_the_log_once_though_its_own_router_hangs(
        routed_cluster, tmp_path, name):
    topic = create_topic(routed_cluster, name, PARTITIONS)
    config = libtrilog.write_config(tmp_path / "client.yaml", routed_cluster, "a", routed_cluster.routers)
    environment, told, count = newer_environment(tmp_path / "newer"), tmp_path / "told", 0
    with told.open("w", encoding="utf-8") as events, subprocess.Popen(
            [trilog_path(), "produce", "-F", config, "-t", topic, "-K", ":"], env=environment,
            stdin=subprocess.PIPE, stderr=events, text=True) as sender:
        def sends_until(is_so, why):
            def send():
                nonlocal count
                for _ in range(20):
                    sender.stdin.write(f"{libtrilog.key_of(count, KEYS).decode()}:{count}\n")
                    count += 1
                sender.stdin.flush()
                return is_so()
            clusters.wait_until(send, 60, why, 0.02)

        try:
            sends_until(lambda: records.watermarks(routed_cluster, topic)[1] > 0, "it sends")
            assert_runs_on_it(sender, environment)
            routed_cluster.routers[0].pause()
            sends_until(lambda: "from=a " in told.read_text(encoding="utf-8"), "it went to another site")
        finally:
            routed_cluster.routers[0].resume()
            sender.stdin.close()
        assert sender.wait(90) == 0, told.read_text(encoding="utf-8")
    libtrilog_sending.assert_all_once_in_order(routed_cluster, topic, count)


def test_an_application_is_taken_once_its_settings_name_the_routers_environment(routed_cluster, tmp_path, name):
    topic = create_topic(routed_cluster, name)

    def configure(environment):
        return libtrilog.write_config(tmp_path / "client.yaml", routed_cluster, "a", routed_cluster.routers,
                                      environment=environment)

    def wait_in_use(environment):
        event = libtrilog.SETTINGS_CHANGED, b"environment=%s is in use" % environment
        clusters.wait_until(lambda: event in producer.events, 60, "it is in use")
    producer = libtrilog.Producer(configure("test"))
    try:
        assert producer.send_and_wait(topic, b"k", b"never", 60_000) in (libtrilog.REFUSED, libtrilog.FATAL)
        configure("production")
        wait_in_use(b"production")
        assert producer.send_and_wait(topic, b"k", b"taken", 60_000) == libtrilog.OK
        configure("test")
        wait_in_use(b"test")
        assert producer.send_and_wait(topic, b"k", b"never", 60_000) in (libtrilog.REFUSED, libtrilog.FATAL)
    finally:
        producer.close()
    assert [m.value() for m in records.read_topic(routed_cluster, topic)[0]] == [b"taken"]
