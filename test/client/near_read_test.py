"""Who reads in a site reads from that site's replicas, behind its router and by libtrilog: seen by what
each node has given to consumers."""

import itertools
from types import SimpleNamespace

import pytest
from confluent_kafka import TopicPartition

import cluster as clusters
import libtrilog
import libtrilog_consumer
import records
from admin_port import ask
from metric_text import read_metrics
from topics import create_topic

pytestmark = [pytest.mark.trilog_only, pytest.mark.direct_only]

COUNT = 300
VALUE = b"%d" + b" " * 1000
BYTES = COUNT * 1000
OUT = "kafka_server_brokertopicmetrics_bytesout_total"


@pytest.fixture(scope="module")
def sites():
    with clusters.RoutedCluster("near-read").while_used() as running:
        yield running


def bytes_out(node):
    return read_metrics(ask(node.admin, "/metrics").body.decode())[OUT].value()


def assert_all_are_of(sites, site, topic, read):
    """`read` takes how many are read then. While it is, or becomes, the site's own replica that answers,
    others may: so it is tried until none of them gave any."""
    rounds = itertools.count(1)

    def is_near():
        before = [bytes_out(node) for node in sites.nodes]
        records.send_all(sites, topic, [VALUE % i for i in range(COUNT)])
        read(COUNT * next(rounds))
        given = {node.site: bytes_out(node) - so_far for node, so_far in zip(sites.nodes, before)}
        print(given)
        return given[site] >= BYTES and sum(given.values()) == given[site]
    clusters.wait_until(is_near, 60, f"site {site} alone gives what is read there")


@pytest.mark.parametrize("site", clusters.SITES)
def test_a_stock_consumer_behind_its_sites_router_reads_from_that_site(sites, site, name):
    topic = create_topic(sites, name)
    router = sites.routers[clusters.SITES.index(site)]
    reader = records.consumer(SimpleNamespace(bootstrap=router.address))
    reader.assign([TopicPartition(topic, 0, 0)])
    try:
        assert_all_are_of(sites, site, topic, lambda _: records.read_count(reader, COUNT))
    finally:
        reader.close()


@pytest.mark.parametrize("faces", ["routers", "nodes"])
@pytest.mark.parametrize("site", clusters.SITES)
def test_libtrilog_reads_from_its_own_site(sites, site, faces, name, tmp_path):
    topic = create_topic(sites, name)
    reader = libtrilog_consumer.Reader(
        libtrilog.write_config(tmp_path / "client.yaml", sites, site, getattr(sites, faces)), topic, f"g-{name}")

    def read(count):
        clusters.wait_until(lambda: len(reader.records) >= count, 60, "all are read")
    try:
        assert_all_are_of(sites, site, topic, read)
    finally:
        assert reader.close() == libtrilog.OK
