"""`trilog topic list, describe, create, delete, config` and the endpoints behind them: they do what
Kafka's own tools do, and can be asked of any node."""

import pytest

import records
from admin_port import ask, post, trilog, trilog_at_terminal

pytestmark = pytest.mark.trilog_only


def described(node, topic):
    return ask(node.admin, f"/v1/topics/describe?topic={topic}").json


def config_of(description, name):
    return next(c for c in description["configs"] if c["name"] == name)


def test_a_topic_is_created_described_and_deleted_by_any_node(cluster, name):
    made = trilog("topic", "create", name, "retention.ms=3600000", "--partitions", 3, "--yes",
                  "-a", cluster.nodes[0].admin)
    assert (made.returncode, made.stdout) == (0, "done\n"), made.stderr
    cluster.wait_led(name, 3)
    records.send_all(cluster, name, [b"x"] * 30)
    for node in cluster.nodes:
        told = described(node, name)
        assert told["partitions"] == len(told["partition_list"]) == 3
        assert sum(p["end_offset"] - p["start_offset"] for p in told["partition_list"]) == 30
        assert all(p["replica_node_ids"] == [1, 2, 3] for p in told["partition_list"])
        assert config_of(told, "retention.ms") == {
            "name": "retention.ms", "value": "3600000", "source": "topic"}
    listed = {t["topic"]: t for t in ask(cluster.nodes[1].admin, "/v1/topics").json["topics"]}
    assert listed[name]["configs"] == {"retention.ms": "3600000"}
    table = trilog("topic", "describe", name, "-a", cluster.nodes[2].admin).stdout
    assert "3 replicas" in table and "1,2,3" in table and "retention.ms" in table
    gone = trilog("topic", "delete", name, "--yes", "-a", cluster.nodes[1].admin)
    assert gone.returncode == 0, gone.stderr
    assert ask(cluster.nodes[1].admin, f"/v1/topics/describe?topic={name}").status == 404


def test_plans_change_nothing(cluster, name, new_topic):
    admin = cluster.nodes[0].admin
    planned = trilog("topic", "create", name, "--partitions", 2, "--plan", "-a", admin)
    assert planned.returncode == 0 and "2 partitions, 3 replicas" in planned.stdout
    assert ask(admin, f"/v1/topics/describe?topic={name}").status == 404
    topic = new_topic()
    planned = trilog("topic", "config", topic, "retention.ms=5000", "--plan", "-a", admin)
    assert planned.returncode == 0 and "5000" in planned.stdout
    assert config_of(described(cluster.nodes[0], topic), "retention.ms")["source"] != "topic"
    assert trilog("topic", "delete", topic, "--plan", "-a", admin).returncode == 0
    assert ask(admin, f"/v1/topics/describe?topic={topic}").status == 200


def test_configs_are_set_and_inherited_again(cluster, new_topic):
    topic, admin = new_topic(), cluster.nodes[2].admin
    done = trilog("topic", "config", topic, "retention.ms=5000", "segment.bytes=1048576", "--yes",
                  "-a", admin)
    assert done.returncode == 0, done.stderr
    assert config_of(described(cluster.nodes[2], topic), "segment.bytes")["value"] == "1048576"
    shown = trilog("topic", "config", topic, "-a", admin).stdout
    assert "retention.ms" in shown and "default" in shown
    assert trilog("topic", "config", topic, "retention.ms=", "--yes", "-a", admin).returncode == 0
    assert config_of(described(cluster.nodes[2], topic), "retention.ms")["source"] != "topic"
    assert config_of(described(cluster.nodes[2], topic), "segment.bytes")["source"] == "topic"


def test_a_topic_is_deleted_only_when_somebody_types_yes(cluster, new_topic):
    topic, admin = new_topic(), cluster.nodes[0].admin
    status, shown = trilog_at_terminal("no", "topic", "delete", topic, "-a", admin)
    assert status == 1 and "all its records" in shown and "nothing was done" in shown
    assert trilog("topic", "delete", topic, "-a", admin).returncode == 2
    assert ask(admin, f"/v1/topics/describe?topic={topic}").status == 200


@pytest.mark.parametrize("words, status, why", [
    ("topic create a/b --yes", 1, "Topic names are"),
    ("topic create {} --yes", 1, "exists"),
    ("topic create x --partitions 99999 --yes", 1, "Number of partitions"),
    ("topic create x --partitions none --yes", 2, "--partitions is a number"),
    ("topic create x --replication-factor 9 --yes", 1, "Replication factor"),
    ("topic create x no-config --yes", 2, "not NAME=VALUE"),
    ("topic create x retention.ms=1 retention.ms=2 --yes", 2, "retention.ms is given twice"),
    ("topic create x nonsense=1 --yes", 1, "nonsense"),
    ("topic create x retention.ms=soon --yes", 1, "retention.ms"),
    ("topic describe nowhere-to-be-found", 1, "there is no topic"),
    ("topic delete nowhere-to-be-found --yes", 1, "there is no topic"),
    ("topic config nowhere-to-be-found retention.ms=1 --yes", 1, "there is no topic"),
    ("topic config {} nonsense=1 --yes", 1, "nonsense"),
    ("topic config {} retention.ms=1 retention.ms= --yes", 2, "retention.ms is given twice"),
    ("topic config {} =1 --yes", 2, "not NAME=VALUE")])
def test_refusals_say_why(cluster, new_topic, words, status, why):
    topic = new_topic()
    done = trilog(*words.format(topic).split(), "-a", cluster.nodes[0].admin)
    assert (done.returncode, why in done.stderr) == (status, True), done.stderr


@pytest.mark.parametrize("path, body, code", [
    ("/v1/topics/create", {}, "invalid_field"),
    ("/v1/topics/create", {"topic": 7}, "invalid_field"),
    ("/v1/topics/create", {"topic": "x", "partitons": 1}, "unknown_field"),
    ("/v1/topics/create", {"topic": "x", "partitions": "1"}, "invalid_field"),
    ("/v1/topics/create", {"topic": "x", "configs": ["a"]}, "invalid_field"),
    ("/v1/topics/create", {"topic": "x", "configs": {"retention.ms": 1}}, "invalid_field"),
    ("/v1/topics/create", {"topic": "x", "configs": {f"c{i}": "1" for i in range(65)}},
     "invalid_field"),
    ("/v1/topics/delete", {"topic": "x", "plan": "yes"}, "invalid_field"),
    ("/v1/topics/config", {"topic": "x"}, "invalid_field"),
    ("/v1/topics/config", {"topic": "x", "remove": "all"}, "invalid_field"),
    ("/v1/topics/config", {"topic": "x", "remove": [1]}, "invalid_field")])
def test_endpoints_refuse_what_they_can_not_do(cluster, path, body, code):
    answer = post(cluster.nodes[0].admin, path, body)
    assert answer.status >= 400 and answer.error == code, answer.body


@pytest.mark.parametrize("path", [
    "/v1/topics/describe", "/v1/topics/describe?topic=", "/v1/topics/describe?topic=%ff",
    "/v1/topics/describe?topc=x", "/v1/topics?topic=x"])
def test_misspelled_questions_are_refused(cluster, path):
    answer = ask(cluster.nodes[0].admin, path)
    assert answer.status == 400 and answer.error in ("invalid_field", "unknown_field")
