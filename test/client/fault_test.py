"""Nodes that are killed, ended and paused while idempotent producers write: nothing acknowledged
is lost, nothing is there twice, order stays, committed offsets never go back.

`kill -9` leaves the page cache: that data survives the process is shown here, that it survives the
machine is the simulation's task. All faults hurt one cluster of their own, whole again after each."""

import threading
import time

import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import ConfigResource, ResourceType

import cluster as clusters
import records
import wire
from admin_port import ask
from message import Connection
from topics import create_topic

PARTITIONS = 6
RATE_PER_S = 2000


@pytest.fixture(scope="module")
def faulty_cluster():
    running = clusters.new_cluster("faulty")
    if not running.can_kill():
        pytest.skip("nobody said how to kill this cluster's nodes")
    with running.while_used():
        yield running


@pytest.fixture
def whole(faulty_cluster):
    """All nodes run and are level before and after each test."""
    yield faulty_cluster
    faulty_cluster.start_ended()


def at_once(actions):
    threads = [threading.Thread(target=action, daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
        assert not thread.is_alive()


class Load:
    """A thread that writes numbers to all partitions in turn, until told to stop."""

    def __init__(self, cluster, topic):
        self.sender = records.Sender(cluster, topic, message_timeout_ms=90_000,
                                     retry_backoff_max_ms=200, reconnect_backoff_max_ms=500)
        self.sent_count = 0
        self.trouble = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        begin = time.monotonic()
        try:
            while not self._stop.is_set():
                due = int((time.monotonic() - begin) * RATE_PER_S)
                # What could not be sent in time is not made up for: the queue stays short.
                for _ in range(min(due - self.sent_count, 100)):
                    number = self.sent_count
                    self.sender.send(b"%d" % number, partition=number % PARTITIONS)
                    self.sent_count += 1
                if due - self.sent_count > 1000:
                    begin = time.monotonic() - self.sent_count / RATE_PER_S
                self.sender.producer.poll(0.005)
        except Exception as trouble:  # pylint: disable=broad-except
            self.trouble = trouble

    def wait_progress(self, count=1000, timeout_s=60):
        """So many more records are acknowledged."""
        wanted = len(self.sender.acknowledged) + count
        clusters.wait_until(lambda: self.trouble or len(self.sender.acknowledged) >= wanted,
                            timeout_s, "acknowledgements keep coming")
        assert self.trouble is None, self.trouble

    def stop(self):
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive() and self.trouble is None, self.trouble
        acknowledged = self.sender.finish(90)
        assert len(acknowledged) == self.sent_count
        print(f"{self.sent_count} records, longest gap {self.sender.gap_s_max * 1000:.0f} ms")
        return acknowledged


def assert_all_there(cluster, topic, load, acknowledged):
    """Each partition holds exactly what was sent to it, in order, where the answers said."""
    placed = {(p, offset): value for p, offset, _, value in acknowledged}
    for partition, messages in records.read_topic(cluster, topic, PARTITIONS, 90).items():
        expected = list(range(partition, load.sent_count, PARTITIONS))
        values = [int(m.value()) for m in messages]
        assert values == expected, difference(values, expected, partition)
        records.assert_offsets_rise_by_one(messages)
        for message in messages:
            assert placed[(partition, message.offset())] == message.value()


def difference(values, expected, partition):
    lost = sorted(set(expected) - set(values))
    twice = sorted({v for v in values if values.count(v) > 1}) if len(values) < 50_000 else "?"
    return f"partition {partition}: lost {lost[:10]}, twice {twice[:10]}, or out of order"


@pytest.fixture
def loaded(whole, name):
    """A topic with load on it. The test hurts the cluster; then all must be there."""
    topic = create_topic(whole, name, PARTITIONS)
    load = Load(whole, topic)
    load.wait_progress()
    load.topic = topic
    yield load
    load._stop.set()


def finish(cluster, load):
    load.wait_progress()
    acknowledged = load.stop()
    assert_all_there(cluster, load.topic, load, acknowledged)


@pytest.mark.timeout(240)
def test_each_node_killed_in_turn_under_load_loses_nothing(whole, loaded):
    for node in whole.nodes:
        node.kill9()
        loaded.wait_progress(2000)
        node.start()
        whole.wait_healthy()
        loaded.wait_progress(2000)
    finish(whole, loaded)


@pytest.mark.timeout(240)
def test_each_node_ended_in_turn_under_load_loses_nothing(whole, loaded):
    for node in whole.nodes:
        assert node.terminate() == 0
        loaded.wait_progress(2000)
        node.start()
        whole.wait_healthy()
        loaded.wait_progress(2000)
    finish(whole, loaded)


@pytest.mark.timeout(240)
@pytest.mark.trilog_only
def test_a_node_that_is_ended_hands_leadership_over_before_it_goes(whole, loaded):
    whole.wait_spread(loaded.topic)  # so it leads, and all are level
    node, others = whole.nodes[1], (whole.nodes[0], whole.nodes[2])
    lengths = whole.log_lengths()
    assert node.terminate() == 0
    said = node.events_since(lengths)
    assert any("event=leadership_handed_over" in e and " left=0 " in e for e in said), said
    assert any("event=leader_hands_over" in e for e in said), said
    clusters.wait_until(
        lambda: all(any("event=peer_gone peer=2" in e for e in n.events_since(lengths))
                    for n in others), 30, "the others know that it is gone")
    for other in others:
        assert not any("event=leader_gone" in e and " leader=2 " in e
                       for e in other.events_since(lengths))
    loaded.wait_progress(2000)
    finish(whole, loaded)


def leaders_told(connection, topic):
    """By the answer to a Metadata request for one topic."""
    answer = wire.Reader(connection.ask(wire.METADATA, 1, wire.metadata(topic)))
    for _ in range(answer.take("i")):  # brokers
        answer.take("i"), answer.string(), answer.take("i"), answer.string()
    assert answer.take("ii")[1] == 1  # the controller; topics
    answer.take("h"), answer.string(), answer.take("b")
    leaders = []
    for _ in range(answer.take("i")):
        leaders.append(answer.take("hii")[2])
        for _ in range(2):  # replicas, those in sync
            answer.take(f"{answer.take('i')}i")
    return leaders


@pytest.mark.timeout(240)
@pytest.mark.trilog_only
def test_who_asks_for_the_leader_right_after_its_death_is_told_the_next_one(whole, name):
    topic = create_topic(whole, name, 12)
    whole.wait_spread(topic)

    def leaders_after_the_death_of(node):
        other = whole.nodes[node.id % 3]
        with wire.Connection(other) as connection:
            node.kill9()
            return {leader for _ in range(20) for leader in leaders_told(connection, topic)}

    told = []
    for node in whole.nodes:
        told.append(leaders_after_the_death_of(node))
        node.start()
        whole.wait_healthy()
        if node.id not in told[-1] and -1 not in told[-1]:
            return  # on a slow machine an election may take longer than an answer is held
        whole.wait_spread(topic)
    raise AssertionError(f"leaders told after the death of 1, 2 and 3: {told}")


@pytest.mark.timeout(240)
@pytest.mark.trilog_only
def test_leaders_are_even_also_over_two_nodes_and_when_the_third_is_back(whole, name):
    topic = create_topic(whole, name, 12)
    whole.wait_spread(topic)
    for node in whole.nodes:
        node.kill9()
        whole.wait_spread(topic)
        node.start()
        whole.wait_healthy()
        whole.wait_spread(topic)


@pytest.mark.timeout(240)
def test_all_nodes_killed_at_once_under_load_lose_nothing(whole, loaded):
    for node in whole.nodes:
        node.kill9()
    at_once(node.start for node in whole.nodes)
    whole.wait_healthy()
    finish(whole, loaded)


@pytest.mark.timeout(240)
def test_a_leader_paused_for_two_seconds_under_load_loses_nothing(whole, loaded):
    leader = whole.leader(loaded.topic)
    leader.pause()
    time.sleep(2)  # the fault itself: its length is what is tested
    leader.resume()
    loaded.wait_progress(2000)
    finish(whole, loaded)


@pytest.mark.timeout(240)
def test_a_returned_node_serves_reads_of_its_site_again(whole, loaded):
    node = whole.leader(loaded.topic)
    node.kill9()
    loaded.wait_progress(3000)
    node.start()
    whole.wait_healthy()
    acknowledged = loaded.stop()
    reader = records.consumer(whole, client_rack=node.site)
    reader.assign([TopicPartition(loaded.topic, p, 0) for p in range(PARTITIONS)])
    read = records.read_count(reader, len(acknowledged), 90)
    reader.close()
    assert {(m.partition(), m.offset()) for m in read} == {(p, o) for p, o, _, _ in acknowledged}


@pytest.mark.timeout(240)
def test_committed_offsets_never_go_back_when_nodes_are_killed(whole, name):
    topic = create_topic(whole, name, 1)
    records.send_all(whole, topic, [b"x"] * 100)
    place = TopicPartition(topic, 0)
    committer = records.consumer(whole, name)
    stored = 0

    def commit(offset):
        nonlocal stored
        give_up = time.monotonic() + 60
        while True:
            try:
                committer.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
                stored = offset
                return
            except KafkaException:
                assert time.monotonic() < give_up, "no commit for a minute"

    def ask():
        give_up = time.monotonic() + 60
        while True:
            try:
                return committer.committed([place], timeout=5)[0].offset
            except KafkaException:
                assert time.monotonic() < give_up, "no answer for a minute"
    offset = 0
    for node in whole.nodes:
        for _ in range(10):
            offset += 1
            commit(offset)
        node.kill9()
        assert ask() == stored
        for _ in range(10):
            offset += 1
            commit(offset)
            assert ask() == stored
        node.start()
        whole.wait_healthy()
        assert ask() == stored
    committer.close()


@pytest.mark.timeout(240)
def test_a_coordinator_that_is_gone_is_not_named_and_what_is_said_meanwhile_is_to_try_again(
        whole, name):
    none, loading, not_available, not_coordinator = 0, 14, 15, 16
    topic = create_topic(whole, name, 1)
    committer = records.consumer(whole, name)
    committer.commit(offsets=[TopicPartition(topic, 0, 7)], asynchronous=False)
    committer.close()

    def find(node):
        with Connection(node) as c:
            found = c.call("FindCoordinator", 3, key=name, key_type=0)
        return found["error_code"], found["node_id"]

    def fetch(node):
        with Connection(node) as c:
            answer = c.call("OffsetFetch", 7, group_id=name, topics=[
                {"name": topic, "partition_indexes": [0]}])
        return answer["error_code"], [p["committed_offset"] for t in answer["topics"]
                                      for p in t["partitions"]]
    gone = find(whole.nodes[0])[1]
    asked = [node for node in whole.nodes if node.id != gone]
    whole.node(gone).kill9()
    clusters.wait_until(lambda: all(find(n)[1] != gone for n in asked), 20, "it is known to be gone")
    said, give_up = set(), time.monotonic() + 30
    while (none, none) not in said:
        assert time.monotonic() < give_up, f"no coordinator: {said}"
        error, named = find(asked[len(said) % 2])
        assert (error, named) == (not_available, -1) or (error == none and named != gone)
        if error == none:
            code, offsets = fetch(whole.node(named))
            assert code in (loading, not_available, not_coordinator) or offsets == [7]
            said.add((error, code))
    whole.node(gone).start()
    whole.wait_healthy()
    while fetch(whole.node(gone))[0] != none:  # back home, or for good with another one
        error, named = find(whole.node(gone))
        assert error in (none, not_available) and time.monotonic() < give_up + 60
        if error == none and fetch(whole.node(named)) == (none, [7]):
            break


@pytest.mark.trilog_only  # with Kafka the leader alone is enough
def test_acks_1_waits_for_the_majority_too(whole, name):
    topic = create_topic(whole, name, 1)
    leader = whole.leader(topic)
    others = [node for node in whole.nodes if node.id != leader.id]

    def produce():
        with Connection(leader) as c:
            answer = c.call("Produce", 8, acks=1, timeout_ms=1_500, transactional_id=None, topics=[
                {"name": topic, "partitions": [{"partition_index": 0, "records": wire.batch()}]}])
        return answer["topics"][0]["partitions"][0]["error_code"]
    assert produce() == 0
    for node in others:
        node.pause()
    try:
        assert produce() != 0, "nobody else has it"
    finally:
        for node in others:
            node.resume()
    whole.wait_healthy()


@pytest.mark.trilog_only  # Kafka says "not the leader", and clients believe it
def test_a_batch_that_a_lost_leader_had_taken_is_not_called_refused(whole, name):
    """A client that is told "not the leader" sends again, without counting that as a retry."""
    topic = create_topic(whole, name, 1)
    leader = whole.leader(topic)
    others = [node for node in whole.nodes if node.id != leader.id]
    codes = []

    def produce():
        with Connection(leader) as c:
            answer = c.call("Produce", 8, acks=-1, timeout_ms=30_000, transactional_id=None,
                            topics=[{"name": topic, "partitions": [
                                {"partition_index": 0, "records": wire.batch()}]}])
        codes.append(answer["topics"][0]["partitions"][0]["error_code"])

    def successor():
        try:
            seen = whole.metadata(topic, others[0], 5).topics[topic].partitions[0].leader
        except KafkaException:
            return False
        return seen in [node.id for node in others]
    produce()
    for node in others:
        node.pause()
    under_way = threading.Thread(target=produce, daemon=True)
    under_way.start()

    def has_passed_it_on():
        """In the leader's log, and so on its way to those that lack it."""
        groups = ask(leader.admin, "/v1/groups").json["groups"]
        return [r for g in groups for r in g.get("replicas", ()) if r["lag_entries"] > 0]
    clusters.wait_until(has_passed_it_on, 20, "the leader has taken it")
    leader.pause()
    for node in others:
        node.resume()
    try:
        clusters.wait_until(successor, 30, "another node leads")
    finally:
        leader.resume()
    under_way.join(60)
    none, request_timed_out = 0, 7  # none: it heard of the majority before it heard of the other
    assert codes[0] == none and codes[1] in (none, request_timed_out)
    whole.wait_healthy()
    _, end = records.watermarks(whole, topic)
    assert end == 2, "it was committed by the successor"


@pytest.mark.timeout(240)
def test_what_was_made_is_there_after_all_nodes_were_ended_and_started(whole, name):
    topic = create_topic(whole, name, 3, retention_ms=7_777_777)
    records.send_all(whole, topic, [b"%d" % i for i in range(3000)], partition=1)
    committer = records.consumer(whole, name)
    committer.commit(offsets=[TopicPartition(topic, 1, 1234)], asynchronous=False)
    committer.close()
    at_once(node.terminate for node in whole.nodes)
    at_once(node.start for node in whole.nodes)
    whole.wait_healthy()
    whole.wait_led(topic, 3)
    read = records.read_topic(whole, topic, 3)
    assert [m.value() for m in read[1]] == [b"%d" % i for i in range(3000)]
    asker = records.consumer(whole, name)
    assert asker.committed([TopicPartition(topic, 1)], timeout=30)[0].offset == 1234
    asker.close()
    admin = whole.admin()
    resource = ConfigResource(ResourceType.TOPIC, topic)
    configs = admin.describe_configs([resource], request_timeout=20)[resource].result(20)
    assert configs["retention.ms"].value == "7777777"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_leaders_killed_again_and_again_under_load_lose_nothing(whole, loaded):
    for turn in range(10):
        leader = whole.leader(loaded.topic, turn % PARTITIONS)
        leader.kill9()
        loaded.wait_progress(2000)
        leader.start()
        whole.wait_healthy()
        loaded.wait_progress(1000)
    finish(whole, loaded)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_all_nodes_killed_at_once_again_and_again_lose_nothing(whole, loaded):
    for _ in range(5):
        for node in whole.nodes:
            node.kill9()
        at_once(node.start for node in whole.nodes)
        whole.wait_healthy()
        loaded.wait_progress(2000)
    finish(whole, loaded)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_each_node_paused_in_turn_under_load_loses_nothing(whole, loaded):
    for _ in range(2):
        for node in whole.nodes:
            node.pause()
            time.sleep(2)  # the fault itself
            node.resume()
            loaded.wait_progress(2000)
    finish(whole, loaded)
