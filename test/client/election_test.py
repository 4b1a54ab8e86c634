"""Leaders that an operator sends home with Kafka's tool, and what is said when they can't go."""

import re

import pytest

import cluster as clusters
import java_tools
from message import Connection
from topics import create_topic

pytestmark = pytest.mark.trilog_only  # Kafka's leaders go home by themselves after five minutes

NONE, NOT_AVAILABLE, NOT_NEEDED = 0, 80, 84


@pytest.fixture(scope="module")
def sleepy():
    """A cluster whose leaders don't go home by themselves, and a topic with all nodes' leaders."""
    running = clusters.new_cluster("sleepy", {"leader_return_quiet_ms": "1 h"})
    with running.while_used():
        topic = create_topic(running, "elected", 12)
        elect(running)
        clusters.wait_until(lambda: leaders(running, topic) == preferred(running, topic), 20,
                            "all leaders are at home")
        yield running, topic


def elect(cluster, topics=None, election_type=0, node=None):
    with Connection(node or cluster.nodes[1]) as c:
        answer = c.call("ElectLeaders", 2, topics=topics, election_type=election_type,
                        timeout_ms=20_000)
    assert answer["error_code"] == NONE
    return {p["partition_index"]: p["error_code"] for t in answer["topics"] for p in t["partitions"]}


def leaders(cluster, topic):
    return {p.id: p.leader for p in cluster.partitions(topic).values()}


def preferred(cluster, topic):
    return {p.id: p.replicas[0] for p in cluster.partitions(topic).values()}


def lose_leaders(cluster, topic):
    """The first node's leaders are elsewhere, and it is away."""
    node = cluster.nodes[0]
    node.kill9()
    clusters.wait_until(lambda: not {node.id, -1} & set(leaders(cluster, topic).values()), 20,
                        "others lead")
    return node, [p for p, home in preferred(cluster, topic).items() if home == node.id]


def come_back(cluster, topic, node):
    node.start()
    cluster.wait_healthy()
    for asked in cluster.nodes:  # each is told by the leaders, in its own time
        clusters.wait_until(lambda n=asked: all(
            len(p.isrs) == 3 for p in cluster.metadata(topic, n).topics[topic].partitions.values()), 20,
            f"it is in sync again, as node {asked.id} knows")


def test_leaders_go_home_when_they_are_asked_to_and_not_before(sleepy):
    cluster, topic = sleepy
    node, of_node = lose_leaders(cluster, topic)
    everything = [{"name": topic, "partitions": list(range(12))}]
    away = {p: NOT_AVAILABLE if p in of_node else NOT_NEEDED for p in range(12)}
    assert of_node and elect(cluster, everything) == away
    assert set(elect(cluster, everything, election_type=1).values()) == {NOT_NEEDED}, "all are led"
    come_back(cluster, topic, node)
    assert node.id not in leaders(cluster, topic).values()
    told = {p: NONE if p in of_node else NOT_NEEDED for p in range(12)}
    assert elect(cluster, everything, node=node) == told, "asked of a node that leads none of them"
    clusters.wait_until(lambda: leaders(cluster, topic) == preferred(cluster, topic), 5, "it is known")
    assert set(elect(cluster, everything).values()) == {NOT_NEEDED}


def test_kafka_s_tool_sends_leaders_home(sleepy):
    cluster, topic = sleepy
    node, of_node = lose_leaders(cluster, topic)
    come_back(cluster, topic, node)

    def tool(*arguments):
        done = java_tools.attempt("kafka-leader-election", "--bootstrap-server", cluster.bootstrap,
                                  *arguments)
        return done.stdout + done.stderr
    said = tool("--election-type", "preferred", "--topic", topic, "--partition", of_node[0])
    assert re.search(rf"Successfully completed leader election \(PREFERRED\).*{topic}-{of_node[0]}\b", said)
    tool("--election-type", "preferred", "--all-topic-partitions")
    clusters.wait_until(lambda: leaders(cluster, topic) == preferred(cluster, topic), 20, "all are home")
    said = tool("--election-type", "preferred", "--topic", topic, "--partition", of_node[0])
    assert re.search(rf"Valid replica already elected.*{topic}-{of_node[0]}\b", said)
