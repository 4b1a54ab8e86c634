"""libtrilog's consumer against real nodes that end or hang: all that is acknowledged comes, nobody is
thrown back, and slow work costs nobody a rebalance."""

import subprocess
import sys
import time

import pytest

import cluster as clusters
import libtrilog
import libtrilog_consumer
import records
from group_members import coordinator_of
from libtrilog_sending import PARTITIONS, Sending
from topics import create_topic

pytestmark = pytest.mark.trilog_only
WAIT_S = 60


@pytest.fixture(scope="module")
def faulty_cluster():
    with clusters.new_cluster("libtrilog-consumer").while_used() as running:
        yield running


@pytest.fixture
def whole(faulty_cluster):
    yield faulty_cluster
    faulty_cluster.start_ended()


@pytest.fixture
def topic(whole, name):
    return create_topic(whole, name, PARTITIONS)


@pytest.fixture
def group(name):
    return f"g-{name}"


def wait_all(reader, count, what):
    clusters.wait_until(lambda: len(reader.numbers()) >= count, WAIT_S, what)
    assert reader.numbers() == set(range(count))


def assert_no_throw_back(reader):
    """Each partition's offsets only rise."""
    last = {}
    for partition, offset, _ in reader.records:
        assert offset > last.get(partition, -1), (partition, offset)
        last[partition] = offset


def run_through(whole, topic, group, tmp_path, end_one, bring_back):
    """Numbers are sent and read while one node is away."""
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "a")
    reader = libtrilog_consumer.Reader(config, topic, group)
    sending = Sending(config, topic)
    try:
        clusters.wait_until(lambda: len(reader.records) > 500, WAIT_S, "the first were read")
        end_one()
        read = len(reader.records)
        clusters.wait_until(lambda: len(reader.records) > read + 2000, WAIT_S, "it goes on")
    finally:
        bring_back()
        count = sending.finish()
    try:
        wait_all(reader, count, "all of them were read")
        print(f"longest silence, of all partitions together: {reader.gap_s_max:.2f} s")
        assert_no_throw_back(reader)
        assert "behind" not in reader.consumer.kinds()
    finally:
        assert reader.close() == libtrilog.OK
    again = libtrilog_consumer.Reader(config, topic, group)
    clusters.wait_until(lambda: "partitions" in again.consumer.kinds(), WAIT_S, "it has its part")
    time.sleep(1)
    assert again.close() == libtrilog.OK
    assert again.records == [], "what is done does not come again"


def test_a_group_goes_on_when_its_coordinators_node_is_killed(whole, topic, group, tmp_path):
    node_id = clusters.wait_until(lambda: max(coordinator_of(whole, group), 0), WAIT_S,
                                  "a coordinator")
    run_through(whole, topic, group, tmp_path, whole.node(node_id).kill9, lambda: None)


def test_a_group_goes_on_when_its_own_sites_node_is_killed(whole, topic, group, tmp_path):
    run_through(whole, topic, group, tmp_path, whole.node(1).kill9, lambda: None)


def test_a_group_goes_on_when_its_own_sites_node_hangs(whole, topic, group, tmp_path):
    run_through(whole, topic, group, tmp_path, whole.node(1).pause, whole.node(1).resume)


def send_numbers(whole, topic, first, count):
    records.send_all(whole, topic, [b"%d" % n for n in range(first, first + count)])


def test_every_broadcast_instance_gets_all_and_goes_on_where_it_was(whole, topic, group, tmp_path):
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "b")
    one = libtrilog_consumer.Reader(config, topic, group, "one")
    two = libtrilog_consumer.Reader(config, topic, group, "two")
    for reader in (one, two):
        clusters.wait_until(lambda r=reader: "partitions" in r.consumer.kinds(), WAIT_S, "a part")
        reader.consumer.commit(WAIT_S)
    send_numbers(whole, topic, 0, 300)
    wait_all(one, 300, "one has all")
    wait_all(two, 300, "two has all")
    assert one.close() == libtrilog.OK
    send_numbers(whole, topic, 300, 200)
    wait_all(two, 500, "two goes on")
    one = libtrilog_consumer.Reader(config, topic, group, "one")
    clusters.wait_until(lambda: len(one.records) >= 200, WAIT_S, "one has what it missed")
    assert one.numbers() == set(range(300, 500)), "and nothing twice"
    for reader in (one, two):
        assert reader.close() == libtrilog.OK


def test_a_killed_broadcast_instance_misses_nothing(whole, topic, group, tmp_path):
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "c",
                                    broadcast_start="beginning")
    program = [sys.executable, "-B", libtrilog_consumer.__file__, str(config), topic, group, "one"]
    send_numbers(whole, topic, 0, 300)
    read = set()
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as application:
        try:
            read.update(int(application.stdout.readline().split()[2]) for _ in range(150))
        finally:
            application.kill()
    rest = libtrilog_consumer.Reader(config, topic, group, "one")
    clusters.wait_until(lambda: read | rest.numbers() == set(range(300)), WAIT_S, "all were read")
    assert rest.close() == libtrilog.OK


def test_a_stuck_record_neither_costs_a_rebalance_nor_holds_others_up(
        whole, topic, group, tmp_path):
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "a", stuck_after_ms="500 ms",
                                    consumer_records_max=50, session_timeout_ms="6 s")
    consumer = libtrilog_consumer.Consumer(config, topic, group)
    try:
        send_numbers(whole, topic, 0, 200)
        stuck = consumer.take(WAIT_S)
        place = (stuck.contents.partition, stuck.contents.offset)
        for _ in range(199):
            message = consumer.take(WAIT_S)
            assert consumer.done(message) == libtrilog.OK
        clusters.wait_until(lambda: consumer.kinds().count("stuck") >= 4, WAIT_S, "it is named")
        assert b"-%d at %d (key '" % place in dict(consumer.events)["stuck"]
        consumer.commit(WAIT_S)
        assert consumer.kinds().count("partitions") == 1, "longer than a session, no rebalance"
    finally:
        consumer.close(0)
    again = libtrilog_consumer.Consumer(config, topic, group)
    message = again.take(WAIT_S)
    assert (message.contents.partition, message.contents.offset) == place, "it was not done"
    assert again.done(message) == libtrilog.OK
    again.close()


def test_two_of_a_group_share_and_hand_over_without_repeats(whole, topic, group, tmp_path):
    config = libtrilog.write_config(tmp_path / "client.yaml", whole, "a")
    one = libtrilog_consumer.Reader(config, topic, group)
    sending = Sending(config, topic)
    clusters.wait_until(lambda: len(one.records) > 200, WAIT_S, "one reads")
    two = libtrilog_consumer.Reader(config, topic, group)
    clusters.wait_until(lambda: len(two.records) > 200, WAIT_S, "two reads")
    assert one.close() == libtrilog.OK
    read = len(two.records)
    clusters.wait_until(lambda: len(two.records) > read + 500, WAIT_S, "two goes on alone")
    count = sending.finish()
    clusters.wait_until(lambda: one.numbers() | two.numbers() == set(range(count)), WAIT_S,
                        "all were read")
    assert two.close() == libtrilog.OK
    assert len(one.records) + len(two.records) == count, "each once: what was done was committed"
