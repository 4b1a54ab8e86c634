"""A cluster where no client has ever looked for a consumer group: an operator's first word is taken all
the same, whichever node it is said to."""

import json

import pytest

import cluster as clusters
import records
from admin_port import ask, trilog
from topics import create_topic

pytestmark = pytest.mark.trilog_only


@pytest.fixture
def fresh():
    with clusters.new_cluster("groupless").while_used() as cluster:
        yield cluster


def on(node, *words):
    return trilog(*words, "--admin", node.admin)


def has_groups_topic(cluster):
    return "__consumer_offsets" in records.producer(cluster).list_topics(timeout=20).topics


def test_asking_shows_what_would_hold_and_makes_nothing(fresh):
    node = fresh.nodes[0]
    assert on(node, "group", "policy", "first").stdout == "guard (the default)\n"
    plan = on(node, "group", "policy", "first", "deny", "--plan")
    assert plan.stdout == "the group's policy is default and becomes deny\n", plan.stderr
    told = ask(node.admin, "/v1/consumer-groups/history?group=first").json
    assert told["lines"] == [] and told["is_coordinator"] is False and told["as_of_ms"] > 0
    assert not has_groups_topic(fresh)


def test_a_policy_is_set_through_each_node(fresh):
    for number, node in enumerate(fresh.nodes):
        done = on(node, "group", "policy", f"group-{number}", "deny", "--yes")
        assert done.returncode == 0, done.stderr
        clusters.wait_until(
            lambda: on(node, "group", "policy", f"group-{number}").stdout == "deny\n", 20,
            "the node has applied it")


def test_offsets_are_set_for_a_group_that_is_to_come(fresh):
    create_topic(fresh, "orders", 2)
    records.send_all(fresh, "orders", [b"x"] * 10)
    done = on(fresh.nodes[-1], "group", "reset", "first", "orders", "--offset", "latest", "--yes",
              "-o", "json")
    assert done.returncode == 0, done.stderr
    assert sum(c["new_offset"] for c in json.loads(done.stdout)["changes"]) == 10
