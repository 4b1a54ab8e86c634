"""Nodes that come, go, die and move, under load: no client sees an error, nothing is lost, and no
site could decide alone for any partition at any time somebody looks."""

import shutil
import threading

import pytest

import cluster as clusters
from admin_port import ask, post
from cluster import free_port, wait_until
from fault_test import PARTITIONS, Load, assert_all_there
from replication_mode_test import alter, wait_kind
from topics import create_topic

pytestmark = pytest.mark.trilog_only  # a running cluster's nodes are not ours
MOVED_S = 90
SETTINGS = {"shards": 1, "raft_groups_per_node": 2, "node_dead_after_ms": "4 s",
            "checkpoint_interval_ms": "1 s"}
GROUPS = 7


class Watch:
    """Asks a client's metadata again and again: could any site decide alone for a partition?"""

    def __init__(self, cluster, topic):
        self.cluster, self.topic = cluster, topic
        self.looks, self.wrong = 0, []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        sites = {}
        while not self._stop.wait(0.2):
            try:
                seen = self.cluster.metadata(self.topic, timeout_s=5)
            except clusters.KafkaException:
                continue  # its node was being killed
            sites.update({node.id: node.site for node in self.cluster.nodes})
            self.looks += 1
            for number, partition in seen.topics[self.topic].partitions.items():
                at = [sites[replica] for replica in partition.replicas]
                if len(at) < 2 or max(at.count(site) for site in at) > len(at) / 2:
                    self.wrong.append((number, partition.replicas))

    def stop(self):
        self._stop.set()
        self._thread.join(30)
        assert self.looks > 0 and not self.wrong, self.wrong[:5]


@pytest.fixture
def loaded(name):
    """A cluster of its own, with load on a topic. In the end all must be there, without an error."""
    own = clusters.new_cluster("members", SETTINGS)
    try:
        own.start()
        topic = create_topic(own, name, PARTITIONS)
        own.topic = topic
        own.load, own.watch = Load(own, topic), Watch(own, topic)
        own.load.wait_progress()
        yield own
        own.load.wait_progress()
        own.watch.stop()
        acknowledged = own.load.stop()
        assert not own.load.sender.errors, own.load.sender.errors[:5]
        assert_all_there(own, topic, own.load, acknowledged)
    finally:
        own.stop()


def nodes_by_id(cluster):
    """As any running node tells."""
    for asked in [node for node in cluster.nodes if node.is_running()]:
        try:
            answer = ask(asked.admin, "/v1/nodes")
        except OSError:
            continue  # it has just been started
        if answer.status == 200:
            return ({node["node_id"]: node for node in answer.json["nodes"]},
                    answer.json["groups_moving"])
    raise AssertionError("no node answers")


def wait_at_rest(cluster, **states):
    """The nodes have these states (`node_4="active"`), and all groups vote where they are to."""
    def is_at_rest():
        nodes, moving = nodes_by_id(cluster)
        return moving == 0 and all(
            nodes.get(int(name.removeprefix("node_")), {}).get("state") == state
            for name, state in states.items()) and all(
                node["groups_voting"] == node["groups_wanted"] for node in nodes.values())
    wait_until(is_at_rest, MOVED_S, f"at rest with {states}", 0.2)
    return nodes_by_id(cluster)[0]


def wait_wanted(cluster, node_id, is_enough):
    wait_until(lambda: is_enough(nodes_by_id(cluster)[0][node_id]["groups_wanted"]), MOVED_S,
               f"node {node_id} has its part", 0.2)
    return wait_at_rest(cluster)


def begin_move_on(cluster, topic, node_id):
    """A partition moves between two groups that vote on the node; from the first node."""
    admin = cluster.nodes[0].admin
    there = [g["group_id"] for g in ask(admin, "/v1/groups").json["groups"]
             if node_id in g["voter_node_ids"] and g["group_id"] > 0]
    for partition in range(PARTITIONS):
        for group in there:
            wish = {"topic": topic, "partition": partition, "group_id": group}
            plan = post(admin, "/v1/topics/move", {**wish, "plan": True})
            if plan.status == 200 and plan.json["moves"][0]["from_group_id"] in there:
                assert post(admin, "/v1/topics/move", wish).status == 202
                return
    raise AssertionError("no partition can move on the node")


def operate(node, verb, **body):
    answer = post(node.admin, f"/v1/nodes/{verb}", body)
    assert answer.status == 202, answer.body


@pytest.mark.timeout(300)
def test_nodes_come_and_go_under_load_also_when_their_driver_is_killed(loaded):
    for node_id, site in ((4, "a"), (5, "b")):
        loaded.new_node(node_id, site).start()
        operate(loaded.node(2), "add", node_id=node_id, site=site)
    wait_wanted(loaded, 4, lambda count: count >= 1)
    driver = loaded.node(loaded.metadata().controller_id)  # leads group 0: it sets the places
    driver.kill9()
    loaded.load.wait_progress()
    driver.start()
    for node_id in (4, 5):
        nodes = wait_wanted(loaded, node_id, lambda count: count == (GROUPS - 1) // 2)
    wait_until(lambda: ask(loaded.node(4).admin, "/v1/disk").json["start"]["is_whole"], 20,
               "it is whole, though not in all groups", 0.2)
    led = [nodes[i]["groups_to_lead"] for i in (1, 2, 3, 4, 5)]
    assert sum(led) == GROUPS and max(led) <= 3, led
    removed = loaded.node(1)
    operate(loaded.node(3), "remove", node_id=1)
    wait_at_rest(loaded, node_1="gone")
    assert removed.process.wait(clusters.STOP_S) == 0, "a removed node ends by itself"
    told = loaded.log_lengths()
    removed.start()  # with all that it had
    def says(node, text):
        return any(text in line for line in node.events_since(told))
    # The others tell it, or its own checkpoint does, when that has its removal already.
    wait_until(lambda: says(removed, "was removed from"), 60, "the removed node hears why")
    wait_until(lambda: says(loaded.node(2), "was removed from") or says(removed, "node_removed"),
               60, "the others say whom they refuse")
    removed.terminate()
    operate(loaded.node(3), "add", node_id=1, site="a")
    shutil.rmtree(removed.data)
    removed.start()  # and reads in group 0 that it was removed
    wait_at_rest(loaded, node_1="active")
    assert removed.is_running()


def partition_folders(node):
    """What each partition takes on the node's disk, by its folder's name."""
    sizes = {}
    for folder in (node.data / "topics").iterdir():
        try:
            sizes[folder.name] = sum(file.stat().st_size for file in folder.iterdir())
        except FileNotFoundError:
            pass  # a file or all of it was just removed
    return sizes


@pytest.mark.timeout(300)
def test_a_group_that_leaves_a_node_gives_its_disk_back_and_may_come_again(loaded):
    first, told = loaded.node(1), loaded.log_lengths()
    wait_until(lambda: len(partition_folders(first)) >= PARTITIONS and
               all(partition_folders(first).values()), 60, "segments of all partitions", 0.2)
    before = partition_folders(first)
    moved = (GROUPS - 1) // 2
    loaded.new_node(4, "a").start()
    operate(loaded.node(2), "add", node_id=4, site="a")
    wait_wanted(loaded, 4, lambda count: count == moved)

    def freed():
        return [line for line in first.events_since(told) if "event=group_data_freed" in line]
    wait_until(lambda: len(freed()) == moved, 60, "groups that left are freed", 0.2)
    gone = before.keys() - partition_folders(first).keys()
    assert gone and sum(before[name] for name in gone) > 0
    first.kill9()  # what has left stays so, though the node was a founder
    first.start()
    wait_at_rest(loaded, node_1="active", node_4="active")
    assert not gone & partition_folders(first).keys()
    operate(loaded.node(2), "remove", node_id=4)
    wait_at_rest(loaded, node_1="active", node_4="gone")
    wait_until(lambda: before.keys() <= partition_folders(first).keys(), 60,
               "all is there again", 0.2)


@pytest.mark.timeout(300)
def test_a_lost_node_is_replaced_and_a_dead_ones_replicas_are_built_elsewhere(loaded):
    loaded.node(2).kill9()  # for good
    loaded.new_node(5, "b").start()
    operate(loaded.node(1), "replace", node_id=2, new_node_id=5)
    nodes = wait_at_rest(loaded, node_2="gone", node_5="active")
    assert nodes[5]["groups_wanted"] == GROUPS
    loaded.new_node(4, "a").start()
    operate(loaded.node(5), "add", node_id=4, site="a")
    wait_wanted(loaded, 4, lambda count: count == (GROUPS - 1) // 2)
    dead = loaded.node(4)
    dead.kill9()
    begin_move_on(loaded, loaded.topic, 4)  # the dead can't take its part, and nobody waits for it
    nodes = wait_at_rest(loaded, node_4="dead")
    nodes = wait_wanted(loaded, 4, lambda count: count == 0)
    assert nodes[1]["groups_wanted"] == GROUPS, "its site's other node has them"
    dead.start()
    wait_wanted(loaded, 4, lambda count: count == (GROUPS - 1) // 2)
    loaded.node(2).start()
    loaded.node(2).terminate()


@pytest.mark.timeout(300)
def test_the_only_node_of_an_asynchronous_topics_home_is_replaced(loaded):
    alter(loaded, loaded.topic, trilog_replication="async", trilog_home_site="a")
    wait_kind(loaded, "async", "a", PARTITIONS)
    loaded.new_node(4, "a").start()
    operate(loaded.node(2), "replace", node_id=1, new_node_id=4)
    wait_at_rest(loaded, node_1="gone", node_4="active")
    wait_until(lambda: {p.leader for p in loaded.partitions(loaded.topic).values()} == {4}, 30,
               "the vote has gone with the place", passing=[clusters.KafkaException])


@pytest.mark.timeout(300)
def test_a_node_under_another_address_is_the_same_and_swapped_ones_are_noticed(loaded):
    def move(*places):
        """Nodes to addresses. Only their own files say so; the others' say where they were."""
        for node, peer in places:
            node.peer = peer
        for node, _ in places:
            node.write_config(loaded.nodes, loaded.settings)

    moved = loaded.node(3)
    moved.terminate()
    move((moved, f"127.0.0.9:{free_port('127.0.0.9')}"))
    moved.start()
    loaded.wait_healthy()
    wait_until(lambda: nodes_by_id(loaded)[0][3]["peer_address"] == moved.peer, 30,
               "its new address is kept", 0.2)
    first, second = loaded.node(2), loaded.node(3)
    first.terminate()
    loaded.load.wait_progress()
    told = loaded.log_lengths()
    first_peer, second_peer = first.peer, second.peer
    second.terminate()
    move((first, second_peer), (second, first_peer))
    first.start()
    second.start()
    loaded.wait_healthy()
    wait_at_rest(loaded)
    wait_until(lambda: [nodes_by_id(loaded)[0][i]["peer_address"] for i in (2, 3)] ==
               [second_peer, first_peer], 30, "the swap is kept", 0.2)
    lines = loaded.node(1).events_since(told)
    assert any("peer_moved" in line or "another node lives at this address" in line
               for line in lines), "a swap is an event"


@pytest.mark.timeout(120)
def test_what_would_break_the_site_rule_is_refused_with_the_reason(loaded):
    for verb, body, said in (
            ("remove", {"node_id": 2}, "the last that can carry"),
            ("remove", {"node_id": 9}, "not in the cluster"),
            ("add", {"node_id": 3, "site": "c"}, "is in the cluster"),
            ("add", {"node_id": 64, "site": "c"}, "from 1 to 63")):
        answer = post(loaded.node(1).admin, f"/v1/nodes/{verb}", body)
        assert answer.status in (400, 404, 409) and said in answer.json["message"], answer.body
    wait_at_rest(loaded, node_1="active", node_2="active", node_3="active")
