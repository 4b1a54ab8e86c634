"""Partitions move between raft groups under load, while nodes are killed and come back."""

import random

import pytest

from admin_port import ask, post, ready_cluster
from cluster import wait_until
from fault_test import PARTITIONS, Load, finish
from topics import create_topic

pytestmark = pytest.mark.trilog_only

ROUNDS = 6


@pytest.fixture
def own():
    yield from ready_cluster("topic-move")


def begin_move(own, topic, partition, group_id):
    """From any node that lives; false where it can't be now (a move that is not over yet)."""
    node = next(n for n in own.nodes if n.is_running())
    answer = post(node.admin, "/v1/topics/move",
                  {"topic": topic, "partition": partition, "group_id": group_id})
    return answer.status == 202


def moves_under_way(own):
    return ask(own.nodes[0].admin, "/v1/topics/moves").json["count"]


@pytest.mark.timeout(240)
def test_moves_to_and_fro_under_load_while_each_node_is_killed(own, name):
    topic = create_topic(own, name, PARTITIONS)
    load = Load(own, topic)
    load.topic = topic
    load.wait_progress()
    group_count = ask(own.nodes[0].admin, "/v1/cluster").json["groups"]
    chance, begun = random.Random(5), 0
    for turn in range(ROUNDS):
        for partition in range(PARTITIONS):
            begun += begin_move(own, topic, partition, chance.randrange(1, group_count))
        node = own.nodes[turn % len(own.nodes)]
        if turn % 2 == 1:
            node.kill9()
            load.wait_progress(500)
            node.start()
        load.wait_progress(500)
        own.wait_healthy()
        wait_until(lambda: moves_under_way(own) == 0, 60, "every move comes to its end", 0.1)
    print(f"{begun} moves")
    assert begun >= ROUNDS
    finish(own, load)
