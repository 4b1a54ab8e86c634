"""libtrilog against real nodes that end: what was acknowledged or spooled is in the log, once, in
order of its key."""

import subprocess
import sys

import pytest

import cluster as clusters
import libtrilog
import records
from libtrilog_sending import KEYS, PARTITIONS, assert_all_once_in_order
from topics import create_topic

pytestmark = pytest.mark.trilog_only


@pytest.fixture(scope="module")
def faulty_cluster():
    with clusters.new_cluster("libtrilog").while_used() as running:
        yield running


@pytest.fixture
def whole(faulty_cluster):
    yield faulty_cluster
    faulty_cluster.start_ended()


@pytest.fixture
def topic(whole, name):
    return create_topic(whole, name, PARTITIONS)


def test_all_of_it_is_acknowledged_and_there_once_when_the_sites_node_is_killed(
        whole, topic, tmp_path):
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "a")
    producer = libtrilog.Producer(config)
    count = 30_000
    for i in range(count):
        producer.send(topic, libtrilog.key_of(i, KEYS), b"%d" % i)
        if i == count // 3:
            clusters.wait_until(lambda: producer.results[libtrilog.OK] > 1000, 30, "sent some")
            whole.node(1).kill9()
    producer.flush(60)
    assert producer.results == {libtrilog.OK: count}
    producer.close()
    print(f"longest silence, of all partitions together: {producer.gap_s_max:.2f} s")
    assert_all_once_in_order(whole, topic, count)


def test_all_of_it_is_acknowledged_and_there_once_when_the_sites_node_hangs(
        whole, topic, tmp_path):
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "a")
    producer = libtrilog.Producer(config)
    count = 30_000
    try:
        for i in range(count):
            producer.send(topic, libtrilog.key_of(i, KEYS), b"%d" % i)
            if i == count // 3:
                clusters.wait_until(lambda: producer.results[libtrilog.OK] > 1000, 30, "sent some")
                whole.node(1).pause()
        producer.flush(60)
    finally:
        whole.node(1).resume()
    assert producer.results == {libtrilog.OK: count}
    producer.close()
    print(f"longest silence, of all partitions together: {producer.gap_s_max:.2f} s")
    assert_all_once_in_order(whole, topic, count)


def test_what_no_site_takes_is_spooled_and_there_once_in_order_when_they_are_back(
        whole, topic, tmp_path):
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "a", send_timeout_ms="15 s",
                                    spool_directory=tmp_path / "spool")
    producer = libtrilog.Producer(config)
    for i in range(2000):
        producer.send(topic, libtrilog.key_of(i, KEYS), b"%d" % i)
        if i == 1000:
            producer.flush(30)
            for node in whole.nodes:
                node.kill9()
    producer.flush(30)
    assert producer.results == {libtrilog.OK: 1001, libtrilog.SPOOLED: 999}
    key = libtrilog.key_of(2000, KEYS)
    assert producer.send_and_wait(topic, key, b"2000", 5000) == libtrilog.SPOOLED
    assert producer.spooled() == 1000
    whole.start_ended()
    clusters.wait_until(lambda: producer.spooled() == 0, 60, "the spool is empty")
    key = libtrilog.key_of(2001, KEYS)
    assert producer.send_and_wait(topic, key, b"2001", 15_000) == libtrilog.OK
    producer.close()
    assert_all_once_in_order(whole, topic, 2002)


def test_the_next_run_sends_what_a_killed_application_has_left_in_its_spool(
        whole, topic, tmp_path):
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "a", send_timeout_ms="3 s",
                                    spool_directory=tmp_path / "spool")
    for node in whole.nodes:
        node.kill9()
    program = [sys.executable, "-B", libtrilog.__file__, str(config), topic, "500", str(KEYS)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as application:
        try:
            assert application.stdout.readline() == "sent {1: 500}\n"
        finally:
            application.kill()
    whole.start_ended()
    producer = libtrilog.Producer(config)
    clusters.wait_until(lambda: producer.spooled() == 0, 60, "the spool is empty")
    producer.close()
    read = records.read_topic(whole, topic, PARTITIONS)
    ids = [dict(m.headers())[libtrilog.ID_HEADER] for part in read.values() for m in part]
    assert len(set(ids)) == 500 and {len(i) for i in ids} == {16}
    assert_all_once_in_order(whole, topic, 500)
