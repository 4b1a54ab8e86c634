"""Consumer groups that survive their coordinator's site, with every client: members that live go on
without a rebalance and their commits count; members that died with the site go after their session
timeout, and only their partitions move. No committed offset ever goes back.

kafkajs does not survive the loss of any coordinator, ours or Kafka's (group_member.js): that its
group gathers again and nothing goes back is all that there is to see."""

import threading
import time

import pytest

import cluster as clusters
import group_members as members_of
import offsets_topic
import records
from message import Connection
from topics import create_topic

pytestmark = [pytest.mark.timeout(240), pytest.mark.trilog_only]  # Kafka needs longer than we wait
PARTITIONS, SESSION_S = 6, 8
GATHER_S = 90  # nine programs of four languages start at once
LIVING_ON = ("confluent", "kafka-python", "java")
NOT_COORDINATOR = 16


class Traffic:
    """Some records a second to all partitions, so that members have something to commit."""

    def __init__(self, cluster, topic):
        # With its own limits a silent leader, or a silent node asked for metadata, costs it a minute.
        self._sender = records.Sender(cluster, topic, message_timeout_ms=60_000, socket_timeout_ms=3000,
                                      retry_backoff_max_ms=200, reconnect_backoff_max_ms=500)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        number = 0
        while not self._stop.wait(0.02):
            self._sender.send(b"%d" % number, partition=number % PARTITIONS)
            number += 1

    def stop(self):
        self._stop.set()
        self._thread.join(30)
        self._sender.finish()


class Crowd:
    """Groups of each client whose coordinator is the same node. The first member of each is the one
    that runs in that node's site."""

    def __init__(self, cluster):
        self.cluster, self.node = cluster, cluster.nodes[1]
        self.topic = create_topic(cluster, f"crowd-{time.time_ns()}", PARTITIONS)
        cluster.wait_spread(self.topic)
        self.traffic = Traffic(cluster, self.topic)
        self.groups = {client: members_of.group_at(cluster, self.node, f"crowd-{client}")
                       for client in members_of.CLIENTS}
        self.members = []

    def gather(self):
        for client, group in self.groups.items():
            for _ in range(3 if client == "confluent" else 2):
                self.members.append(members_of.Member(client, self.cluster, group, self.topic))
        self.wait_stable(GATHER_S)

    def of(self, *clients):
        return [m for m in self.members if m.client in clients]

    def partitions(self):
        return {m: set(m.partitions) for m in self.members}

    def wait_stable(self, timeout_s=60):
        members_of.wait_shared(self.members, PARTITIONS, timeout_s)
        members_of.wait_commits(self.members, 2, timeout_s)

    def wait_at_home(self):
        """The node leads again what it led, so that it coordinates its groups."""
        self.cluster.wait_healthy()
        self.cluster.wait_spread(self.topic)
        groups = self.groups.values()
        clusters.wait_until(
            lambda: {members_of.coordinator_of(self.cluster, g) for g in groups} == {self.node.id},
            30, "the coordinator is home again")

    def stop(self):
        for member in self.members:
            member.kill()
        self.traffic.stop()


@pytest.fixture(scope="module")
def crowd():
    with clusters.new_cluster("crowd").while_used() as running:
        gathered = Crowd(running)
        try:
            gathered.gather()
            yield gathered
        finally:
            gathered.stop()


def assert_nobody_noticed(members, since, failed_max=0):
    """No rebalance was told to anyone. Each commit succeeded, but for those that were under way."""
    gaps = {client: max(m.commit_gap_s(since) for m in members if m.client == client)
            for client in LIVING_ON}
    print("longest time without a commit:", ", ".join(f"{c} {gap:.1f} s" for c, gap in gaps.items()))
    for member in members:
        assert not member.rebalances(since), f"{member}: {member.rebalances(since)}"
        failed = member.told("commit_failed", "read_failed", since=since)
        assert len(failed) <= failed_max, f"{member}: {failed}"


def assert_no_generation_was_made(crowd, before):
    for group, story in offsets_topic.stories(crowd.cluster, crowd.groups.values()).items():
        assert group == crowd.groups["kafkajs"] or story.generations == before[group].generations, group
        assert not story.steps_back(), group


def test_members_go_on_without_a_rebalance_when_their_coordinator_is_killed_and_comes_back(crowd):
    members = crowd.of(*LIVING_ON)
    before = offsets_topic.stories(crowd.cluster, crowd.groups.values())
    since = time.monotonic()
    crowd.node.kill9()
    members_of.wait_commits(members)
    found = {members_of.coordinator_of(crowd.cluster, group) for group in crowd.groups.values()}
    assert crowd.node.id not in found
    crowd.node.start()
    crowd.wait_at_home()
    members_of.wait_commits(members)
    assert_nobody_noticed(members, since)
    members_of.wait_commits(crowd.of("kafkajs"))
    assert_no_generation_was_made(crowd, before)


def test_members_go_on_without_a_rebalance_when_their_coordinator_is_stopped_and_wakes_up(crowd):
    members = crowd.of(*LIVING_ON)
    before = offsets_topic.stories(crowd.cluster, crowd.groups.values())
    since = time.monotonic()
    crowd.node.pause()
    try:
        members_of.wait_commits(members)
        # Longer than a session: what the sleeper believes when it wakes up must not count.
        time.sleep(max(0.0, SESSION_S + 1 - (time.monotonic() - since)))
    finally:
        crowd.node.resume()
    crowd.wait_at_home()
    members_of.wait_commits(members)
    # To a client that gave up waiting for the sleeper's answer, before it found the next one.
    assert_nobody_noticed(members, since, failed_max=1)
    members_of.wait_commits(crowd.of("kafkajs"))
    assert_no_generation_was_made(crowd, before)


def test_members_that_died_with_the_site_go_after_their_session_and_only_their_partitions_move(crowd):
    dying = [crowd.of(client)[0] for client in LIVING_ON]
    living = [m for m in crowd.of(*LIVING_ON) if m not in dying]
    kept, since = crowd.partitions(), time.monotonic()
    crowd.node.kill9()
    for member in dying:
        member.kill()
        crowd.members.remove(member)
    members_of.wait_commits(living)
    members_of.wait_shared(living, PARTITIONS)
    for member in living:
        assert member.rebalanced_at(since) - since >= SESSION_S - 1, f"{member}: too early"
    for member in crowd.of("confluent", "java"):  # the cooperative ones
        assert kept[member] <= member.partitions and not member.told("revoked", "lost", since=since), \
            f"{member}: what it had stays with it"
    members_of.wait_commits(living)
    crowd.node.start()
    crowd.wait_at_home()
    for story in offsets_topic.stories(crowd.cluster, crowd.groups.values()).values():
        assert not story.steps_back()


def commit_elsewhere(nodes, group, topic, offset):
    """By whoever coordinates the group by now; that node."""
    def attempt():
        for node in nodes:
            with Connection(node) as c:
                answer = c.call("OffsetCommit", 7, group_id=group, generation_id=-1, topics=[
                    {"name": topic, "partitions": [{"partition_index": 0, "committed_offset": offset}]}])
            # Closed: the connection is older than what the node knows of the group.
            if answer is not None and answer["topics"][0]["partitions"][0]["error_code"] == 0:
                return node
        return None
    return clusters.wait_until(attempt, 30, "another node takes the commit", 0.01)


def join_elsewhere(node, group):
    """A member by the bare protocol; its connection."""
    connection = Connection(node)
    joined = connection.call("JoinGroup", 3, group_id=group, session_timeout_ms=10_000,
                             rebalance_timeout_ms=10_000, protocol_type="consumer",
                             protocols=[{"name": "range", "metadata": b"m"}])
    member, generation = joined["member_id"], joined["generation_id"]
    synced = connection.call("SyncGroup", 2, group_id=group, member_id=member, generation_id=generation,
                             assignments=[{"member_id": member, "assignment": b"all"}])
    assert (joined["error_code"], synced["error_code"]) == (0, 0)
    return connection


def test_a_coordinator_that_wakes_up_tells_nothing_of_before_its_sleep(crowd):
    """What it is asked while it sleeps it answers with what counts then, or not at all. It sleeps no
    longer than others need to take over, too short to doubt by its own clock that it leads."""
    node, others = crowd.node, [n for n in crowd.cluster.nodes if n is not crowd.node]
    group = members_of.group_at(crowd.cluster, node, f"asleep-{time.time_ns()}")
    commit_elsewhere([node], group, crowd.topic, 500)
    connections = [Connection(node) for _ in range(8)]  # on all of its shards
    node.pause()
    since = time.monotonic()
    try:
        for connection in connections:
            connection.post("OffsetFetch", 7, group_id=group, topics=[
                {"name": crowd.topic, "partition_indexes": [0]}])
            connection.post("DescribeGroups", 5, groups=[group])
        elsewhere = commit_elsewhere(others, group, crowd.topic, 1001)
        member = join_elsewhere(elsewhere, group)
    finally:
        node.resume()
    print(f"slept {time.monotonic() - since:.2f} s")
    for connection in connections:
        fetched = connection.take("OffsetFetch", 7)
        offsets = [p["committed_offset"] for t in fetched["topics"] for p in t["partitions"]]
        assert (fetched["error_code"], offsets) in ((NOT_COORDINATOR, []), (0, [1001])), fetched
        told = connection.take("DescribeGroups", 5)["groups"][0]
        assert told["error_code"] == NOT_COORDINATOR or len(told["members"]) == 1, told
    member.socket.close()
    crowd.wait_at_home()
