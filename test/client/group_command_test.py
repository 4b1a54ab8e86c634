"""`trilog group list, describe, reset` and the endpoints behind them, of any node. What they show is
compared with what real clients committed; resets keep Kafka's rules."""

import datetime
import json

import pytest
from confluent_kafka import TopicPartition

import records
from admin_port import ask, post, trilog
from cluster import wait_until

pytestmark = pytest.mark.trilog_only


def described(node, group):
    return ask(node.admin, f"/v1/consumer-groups/describe?group={group}").json


def all_answer(node):
    listed = ask(node.admin, "/v1/consumer-groups").json
    return listed if listed["unanswered_node_ids"] == [] else None


def offsets_of(node, group):
    return {(o["topic"], o["partition"]): o["committed_offset"]
            for o in described(node, group)["offsets"]}


@pytest.fixture
def topic(cluster, new_topic):
    """Two partitions of 100 records each, of 2020."""
    made = new_topic(partitions=2, retention_ms=-1)
    sender = records.Sender(cluster, made)
    for i in range(200):
        sender.send(b"%d" % i, partition=i % 2, timestamp=1_600_000_000_000 + 1000 * (i // 2))
    sender.finish()
    return made


@pytest.fixture
def group(cluster, name, topic):
    """Has committed 40 and 60, and is empty."""
    commit(cluster, name, topic, [40, 60])
    return name


def commit(cluster, group, topic, offsets):
    reader = records.consumer(cluster, group)
    places = [TopicPartition(topic, i, offset) for i, offset in enumerate(offsets)]
    assert all(p.error is None for p in reader.commit(offsets=places, asynchronous=False))
    reader.close()


def reset(cluster, *words, node=0):
    return trilog("group", "reset", *words, "--yes", "-a", cluster.nodes[node].admin)


def test_any_node_lists_and_describes_a_group_with_its_lag(cluster, group, topic):
    for node in cluster.nodes:
        listed = wait_until(lambda n=node: all_answer(n), 30, "every node lists its groups")
        assert [g["state"] for g in listed["groups"] if g["group"] == group] == ["Empty"]
        told = described(node, group)
        assert [(o["committed_offset"], o["end_offset"], o["lag_records"])
                for o in told["offsets"]] == [(40, 100, 60), (60, 100, 40)]
    table = trilog("group", "describe", group, "-a", cluster.nodes[1].admin)
    assert table.returncode == 0 and "100 records" in table.stdout and topic in table.stdout
    assert group in trilog("group", "list", "-a", cluster.nodes[2].admin).stdout


def test_members_are_shown_with_what_they_read(cluster, name, topic):
    reader = records.consumer(cluster, name, client_id="a client")
    reader.subscribe([topic])
    records.read_count(reader, 200)
    told = wait_until(lambda: (d := described(cluster.nodes[0], name))["state"] == "Stable" and d,
                      20, "a stable group")
    (member,) = told["members"]
    assert member["client_id"] == "a client"
    assert member["assigned"] == [{"topic": topic, "partitions": [0, 1]}]
    assert all(o["member_id"] == member["member_id"] for o in told["offsets"])
    refused = reset(cluster, name, "--offset", "earliest")
    assert refused.returncode == 1 and "has 1 members: stop them first" in refused.stderr
    reader.close()


@pytest.mark.parametrize("where, then", [
    ("earliest", [0, 0]), ("latest", [100, 100]), ("50", [50, 50]), ("5000", [100, 100]),
    ("+10", [50, 70]), ("-50", [0, 10]), ("time", [30, 30]), ("2001-01-01T00:00", [0, 0]),
    ("2099-01-01T00:00:00.000Z", [100, 100])])
def test_a_reset_goes_where_kafkas_own_goes(cluster, group, topic, where, then):
    moment = datetime.datetime.fromtimestamp(1_600_000_030, datetime.timezone.utc)
    asked = moment.strftime("%Y-%m-%dT%H:%M:%S") if where == "time" else where
    planned = trilog("group", "reset", group, "--offset", asked, "--plan", "-o", "json",
                     "-a", cluster.nodes[0].admin)
    assert planned.returncode == 0, planned.stderr
    assert [c["new_offset"] for c in json.loads(planned.stdout)["changes"]] == then
    assert offsets_of(cluster.nodes[1], group) == {(topic, 0): 40, (topic, 1): 60}
    done = reset(cluster, group, "--offset", asked, node=1)
    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
    assert offsets_of(cluster.nodes[2], group) == {(topic, i): o for i, o in enumerate(then)}
    reader = records.consumer(cluster, group)
    told = reader.committed([TopicPartition(topic, i) for i in range(2)], timeout=20)
    assert [p.offset for p in told] == then
    reader.close()


def test_a_reset_of_one_partition_leaves_the_others(cluster, group, topic):
    assert reset(cluster, group, topic, 1, "--offset", 7).returncode == 0
    assert offsets_of(cluster.nodes[0], group) == {(topic, 0): 40, (topic, 1): 7}


def test_a_group_that_has_committed_nothing_gets_offsets_for_a_topic(cluster, name, group, topic):
    fresh = f"{name}-fresh"
    nothing = reset(cluster, fresh, "--offset", "latest")
    assert nothing.returncode == 1 and "name a topic" in nothing.stderr
    assert reset(cluster, fresh, topic, "--offset", "latest").returncode == 0
    assert offsets_of(cluster.nodes[0], fresh) == {(topic, 0): 100, (topic, 1): 100}
    shifted = reset(cluster, f"{name}-other", topic, "--offset", "+1")
    assert shifted.returncode == 1 and "no committed offset to shift" in shifted.stderr


def test_a_shift_of_what_no_partition_holds_stays_within_it(cluster, name, topic):
    """A client may commit any number; from the largest there is no way on, but there is one back."""
    commit(cluster, name, topic, [2 ** 63 - 1, 60])
    assert reset(cluster, name, "--offset", "+10").returncode == 0
    assert offsets_of(cluster.nodes[0], name) == {(topic, 0): 100, (topic, 1): 70}


@pytest.mark.parametrize("words, status, why", [
    (["{group}"], 2, "where to?"), (["{group}", "--offset", "soon"], 2, "--offset is"),
    (["{group}", "--offset", "+-1"], 2, "--offset is"),
    (["{group}", "--offset", "2026-02-30T00:00"], 2, "--offset is"),
    (["{group}", "{topic}", "x", "--offset", "1"], 2, "no partition"),
    (["{group}", "{topic}", "2", "--offset", "1"], 1, "no such partition"),
    (["{group}", "not-there", "--offset", "1"], 1, "no such partition"),
    (["x" * 1025, "--offset", "1"], 1, "group id")])
def test_refusals_say_why_and_change_nothing(cluster, group, topic, words, status, why):
    done = reset(cluster, *(w.format(group=group, topic=topic) for w in words))
    assert (done.returncode, why in done.stderr) == (status, True), done.stderr
    assert offsets_of(cluster.nodes[0], group) == {(topic, 0): 40, (topic, 1): 60}


def test_there_is_no_description_of_a_group_that_is_not(cluster, group):
    done = trilog("group", "describe", f"{group}-not", "-a", cluster.nodes[0].admin)
    assert done.returncode == 1 and "there is no consumer group" in done.stderr


@pytest.mark.parametrize("body, code", [
    ({}, "invalid_field"), ({"group": "g"}, "invalid_field"),
    ({"group": "g", "to": "sideways"}, "invalid_field"),
    ({"group": "g", "to": "earliest", "value": 3}, "invalid_field"),
    ({"group": "g", "to": "offset"}, "invalid_field"),
    ({"group": "g", "to": "offset", "value": -1}, "invalid_field"),
    ({"group": "g", "to": "offset", "value": 1 << 63}, "bad_json"),
    ({"group": "g", "to": "shift", "value": 1.5}, "invalid_field"),
    ({"group": "g", "to": "latest", "partition": 0}, "invalid_field"),
    ({"group": "g", "to": "latest", "topic": "t", "partition": -1}, "invalid_field"),
    ({"group": "g", "to": "latest", "by": 7}, "invalid_field"),
    ({"group": "g", "to": "latest", "paln": True}, "unknown_field")])
def test_the_endpoint_refuses_what_it_can_not_do(cluster, body, code):
    answer = post(cluster.nodes[0].admin, "/v1/consumer-groups/reset", body)
    assert answer.status == 400 and answer.error == code, answer.body
