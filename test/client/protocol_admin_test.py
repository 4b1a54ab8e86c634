"""What administration answers: as Kafka 4.3 does, but for what is marked trilog_only."""

import os
import time

import pytest

import cluster as clusters
import records
from message import Connection

NONE, UNKNOWN_TOPIC, INVALID_TOPIC, TOPIC_EXISTS = 0, 3, 17, 36
INVALID_PARTITIONS, INVALID_REPLICATION, INVALID_ASSIGNMENT, INVALID_CONFIG = 37, 38, 39, 40
ELECTION_NOT_NEEDED = 84
ILLEGAL_SASL_STATE, INVALID_REQUEST, UNKNOWN_TOPIC_ID, MISMATCHED_ENDPOINT = 34, 42, 100, 114
TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = range(4)
NO_ID = bytes(16)


class Admin:
    """Requests to the controller, one topic at a time."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.node = cluster.node(cluster.metadata().controller_id)
        self.connection = Connection(self.node)

    def create(self, name, partitions=1, replicas=1, version=7, validate_only=False, configs=None,
               assignments=()):
        return self.connection.call("CreateTopics", version, timeout_ms=10_000, topics=[{
            "name": name, "num_partitions": partitions, "replication_factor": replicas,
            "configs": [{"name": k, "value": v} for k, v in (configs or {}).items()],
            "assignments": [{"partition_index": i, "broker_ids": ids}
                            for i, ids in enumerate(assignments)]}],
            validate_only=validate_only)["topics"][0]

    def delete(self, name=None, topic_id=NO_ID):
        answer = self.connection.call("DeleteTopics", 6, timeout_ms=5_000,
                                      topics=[{"name": name, "topic_id": topic_id}])
        return next(iter(next(v for v in answer.values() if isinstance(v, list))))["error_code"]

    def add_partitions(self, name, count, validate_only=False, assignments=None):
        answer = self.connection.call("CreatePartitions", 3, timeout_ms=5_000, topics=[
            {"name": name, "count": count, "assignments": assignments}], validate_only=validate_only)
        return next(v for v in answer.values() if isinstance(v, list))[0]["error_code"]

    def describe(self, resource_type, name, keys=None, node=None, version=4):
        connection = Connection(node) if node else self.connection
        answer = connection.call("DescribeConfigs", version, resources=[
            {"resource_type": resource_type, "resource_name": name, "configuration_keys": keys}])
        row = next(v for v in answer.values() if isinstance(v, list))[0]
        return row["error_code"], {c["name"]: (c["value"], c["config_source"]) for c in row["configs"]}

    def alter(self, name, *changes, resource_type=TOPIC, validate_only=False):
        answer = self.connection.call("IncrementalAlterConfigs", 1, resources=[{
            "resource_type": resource_type, "resource_name": name, "configs": [
                {"name": n, "config_operation": operation, "value": value}
                for n, operation, value in changes]}], validate_only=validate_only)
        return next(v for v in answer.values() if isinstance(v, list))[0]["error_code"]

    def replace(self, name, configs, resource_type=TOPIC, version=2, validate_only=False):
        """AlterConfigs: these overrides, and no others."""
        return self.connection.call("AlterConfigs", version, resources=[{
            "resource_type": resource_type, "resource_name": name, "configs": [
                {"name": n, "value": value} for n, value in configs.items()]}],
            validate_only=validate_only)["resources"][0]["error_code"]

    def metadata(self, version, *topics, create=False):
        values = {"allow_auto_topic_creation": create} if version >= 4 else {}
        answer = self.connection.call("Metadata", version, topics=list(topics), **values)
        return [(t["error_code"], t["name"], len(t["partitions"])) for t in answer["topics"]]

    def wait_created(self, name):
        clusters.wait_until(lambda: self.metadata(9, {"name": name})[0][0] == NONE, 20, name)


@pytest.fixture
def admin(cluster):
    return Admin(cluster)


# ---- topics ------------------------------------------------------------------------------------
def test_create_topics_refuses_what_can_not_be(admin, name):
    def error(*arguments, **values):
        return admin.create(*arguments, **values)["error_code"]
    assert error(name) == NONE
    assert error(name) == error(name, validate_only=True) == TOPIC_EXISTS
    for bad in ("", ".", "..", "a/b", "x" * 250):
        assert error(bad) == INVALID_TOPIC, bad
    assert error(name + ".a") == NONE
    admin.wait_created(name + ".a")
    assert error(name + "_a") == INVALID_TOPIC, "metrics can't tell them apart"
    for partitions in (0, -2):
        assert error(name + "p", partitions) == INVALID_PARTITIONS
    for replicas in (0, -2, 4):
        assert error(name + "r", 1, replicas) == INVALID_REPLICATION
    for config in ({"nope": "1"}, {"retention.ms": "x"}, {"retention.ms": None},
                   {"cleanup.policy": "x"}):
        assert error(name + "c", configs=config) == INVALID_CONFIG, config


def test_create_topics_tells_what_was_made(admin, name):
    made = admin.create(name, -1, -1, configs={"retention.ms": "5000"})
    assert (made["error_code"], made["num_partitions"], made["replication_factor"]) == (NONE, 1, 3)
    assert made["error_message"] is None, "a text there is an error to some clients"
    assert made["topic_id"] != NO_ID
    configs = {c["name"]: c for c in made["configs"]}
    assert (configs["retention.ms"]["value"], configs["retention.ms"]["config_source"]) == ("5000", 1)
    assert configs["segment.ms"]["value"] == "604800000"
    for version in range(2, 8):
        assert admin.create(f"{name}-{version}", version=version)["error_code"] == NONE


def test_a_topic_that_is_only_validated_is_not_made(admin, name):
    checked = admin.create(name, 3, 3, validate_only=True)
    assert (checked["error_code"], checked["num_partitions"]) == (NONE, 3)
    assert admin.metadata(9, {"name": name}) == [(UNKNOWN_TOPIC, name, 0)]
    assert admin.create(name)["error_code"] == NONE


def test_an_assignment_on_all_nodes_is_what_will_be(admin, name):
    everywhere = [[1, 2, 3], [3, 1, 2]]
    assert admin.create(name, -1, -1, assignments=everywhere)["error_code"] == NONE
    admin.wait_created(name)
    assert admin.metadata(9, {"name": name}) == [(NONE, name, 2)]
    assert admin.create(name + "n", 2, 3, assignments=everywhere)["error_code"] == INVALID_REQUEST
    assert admin.create(name + "u", -1, -1, assignments=[[9]])["error_code"] == INVALID_ASSIGNMENT
    assert admin.add_partitions(name, 3, assignments=[{"broker_ids": [2, 3, 1]}]) == NONE
    assert admin.add_partitions(name, 5, assignments=[{"broker_ids": [1, 2, 3]}]) == INVALID_ASSIGNMENT


@pytest.mark.trilog_only  # replicas go by raft group
def test_an_assignment_that_would_not_come_true_is_refused(admin, name):
    assert admin.create(name, -1, -1, assignments=[[1]])["error_code"] == INVALID_ASSIGNMENT
    assert admin.create(name)["error_code"] == NONE
    assert admin.add_partitions(name, 2, assignments=[{"broker_ids": [1]}]) == INVALID_ASSIGNMENT


def test_delete_topics_refuses_what_it_does_not_know(admin, name, new_topic):
    assert admin.delete(name) == UNKNOWN_TOPIC
    assert admin.delete(topic_id=os.urandom(16)) == UNKNOWN_TOPIC_ID
    assert admin.delete() == INVALID_REQUEST
    assert admin.delete(name, os.urandom(16)) == INVALID_REQUEST
    topic = new_topic()
    assert admin.delete(topic) == NONE
    assert admin.delete(topic) == UNKNOWN_TOPIC


def test_what_is_named_twice_is_refused_and_answered_once(admin, name, new_topic):
    topic, call = new_topic(), admin.connection.call
    topic_id = call("Metadata", 12, topics=[{"name": topic}])["topics"][0]["topic_id"]

    def told(api, version, *topics, **values):
        answer = call(api, version, topics=list(topics), timeout_ms=5_000, **values)
        return sorted((t["name"] or t["topic_id"], t["error_code"]) for t in answer["topics"])
    once = {"num_partitions": 1, "replication_factor": 3}
    assert told("CreateTopics", 7, {"name": name, **once}, {"name": name + "-b", **once},
                {"name": name, **once}) == [(name, INVALID_REQUEST), (name + "-b", NONE)]
    admin.wait_created(name + "-b")
    for validate_only in (True, False):
        assert told("CreatePartitions", 3, {"name": topic, "count": 2, "assignments": None},
                    {"name": topic, "count": 3, "assignments": None},
                    validate_only=validate_only) == [(topic, INVALID_REQUEST)]
    assert told("DeleteTopics", 6, *[{"name": "none"}] * 3) == [("none", INVALID_REQUEST)]
    assert told("DeleteTopics", 6, *[{"topic_id": b"x" * 16, "name": None}] * 2) == [
        (b"x" * 16, INVALID_REQUEST)]
    assert told("DeleteTopics", 6, {"name": topic}, {"name": "none"},
                {"topic_id": topic_id, "name": None}) == [("none", UNKNOWN_TOPIC), (topic, INVALID_REQUEST)]
    answer = call("DeleteTopics", 5, topic_names=[topic, topic], timeout_ms=5_000)
    assert [t["error_code"] for t in answer["topics"]] == [INVALID_REQUEST]
    assert admin.metadata(9, {"name": topic}) == [(NONE, topic, 1)], "it is still there, as it was"
    assert admin.delete(topic) == NONE


def test_partitions_are_only_added(admin, new_topic):
    topic = new_topic(2)
    assert admin.add_partitions("none-" + topic, 3) == UNKNOWN_TOPIC
    for count in (-1, 0, 1, 2):
        assert admin.add_partitions(topic, count) == INVALID_PARTITIONS
    assert admin.add_partitions(topic, 3, validate_only=True) == NONE
    assert admin.metadata(9, {"name": topic})[0][2] == 2
    assert admin.add_partitions(topic, 3) == NONE
    clusters.wait_until(lambda: admin.metadata(9, {"name": topic})[0][2] == 3, 10, "it is there")


@pytest.mark.trilog_only  # Kafka takes these, at the groups' cost
def test_the_topic_of_the_coordinators_is_left_alone(cluster, admin):
    topic = "__consumer_offsets"
    clusters.wait_until(lambda: Connection(cluster.nodes[0]).call(
        "FindCoordinator", 3, key="g", key_type=0)["error_code"] == NONE, 20, "it is there")
    assert admin.create(topic)["error_code"] == TOPIC_EXISTS
    assert admin.delete(topic) == INVALID_TOPIC
    assert admin.add_partitions(topic, 100) == INVALID_TOPIC
    with Connection(cluster.leader(topic)) as c:
        answer = c.call("DeleteRecords", 2, timeout_ms=5_000, topics=[
            {"name": topic, "partitions": [{"partition_index": 0, "offset": 0}]}])
        assert answer["topics"][0]["partitions"][0]["error_code"] == INVALID_TOPIC


# ---- configs -----------------------------------------------------------------------------------
def test_configs_of_topics_are_described(admin, new_topic):
    topic = new_topic(retention_ms=5_000)
    error, configs = admin.describe(TOPIC, topic)
    assert error == NONE and len(configs) >= 10
    assert configs["retention.ms"] == ("5000", 1) and configs["cleanup.policy"] == ("delete", 5)
    assert admin.describe(TOPIC, topic, []) == (error, configs), "none asked for: all"
    assert admin.describe(TOPIC, topic, ["segment.ms"]) == (NONE, {"segment.ms": ("604800000", 5)})
    assert admin.describe(TOPIC, topic, ["nope"]) == (NONE, {})
    assert admin.describe(TOPIC, "none-" + topic)[0] == UNKNOWN_TOPIC
    for bad in ("", "a/b"):
        assert admin.describe(TOPIC, bad)[0] == INVALID_TOPIC
    for version in range(1, 5):
        assert admin.describe(TOPIC, topic, version=version)[0] == NONE


def test_a_config_tells_what_it_stands_before(admin, new_topic):
    answer = admin.connection.call("DescribeConfigs", 4, resources=[{
        "resource_type": TOPIC, "resource_name": new_topic(max_message_bytes=5_000),
        "configuration_keys": ["max.message.bytes"]}], include_synonyms=True)
    row = next(v for v in answer.values() if isinstance(v, list))[0]["configs"][0]
    assert [(s["name"], s["value"], s["source"]) for s in row["synonyms"]] == [
        ("max.message.bytes", "5000", 1), ("message.max.bytes", "1048588", 5)]


def test_a_node_describes_its_own_settings(cluster, admin):
    first = cluster.node(1)
    error, configs = admin.describe(BROKER, "1", node=first)
    assert error == NONE and configs["auto.create.topics.enable"][0] == "true"
    for_all = admin.describe(BROKER, "", node=first)
    assert for_all[0] == NONE and "num.partitions" not in for_all[1], "what was set while running"
    for other in ("2", "99", "abc"):
        assert admin.describe(BROKER, other, node=first)[0] == INVALID_REQUEST


def test_configs_are_set_deleted_and_edited(admin, new_topic):
    topic = new_topic(retention_ms=5_000)

    def becomes(key, value):
        clusters.wait_until(lambda: admin.describe(TOPIC, topic, [key])[1][key] == value, 10,
                            f"{key} is {value}, not {admin.describe(TOPIC, topic, [key])}")
    assert admin.alter(topic, ("retention.ms", SET, "7000")) == NONE
    becomes("retention.ms", ("7000", 1))
    assert admin.alter(topic, ("retention.ms", SET, "9999"), validate_only=True) == NONE
    assert admin.alter(topic, ("retention.ms", DELETE, None)) == NONE
    becomes("retention.ms", ("604800000", 5))
    assert admin.alter(topic, ("segment.ms", DELETE, None), ("nope", DELETE, None)) == NONE
    assert admin.alter(topic, ("cleanup.policy", APPEND, "delete")) == NONE
    becomes("cleanup.policy", ("delete", 1))
    assert admin.alter(topic, ("cleanup.policy", SUBTRACT, "compact")) == NONE
    becomes("cleanup.policy", ("delete", 1))


def test_a_change_of_configs_is_made_whole_or_not_at_all(admin, new_topic):
    topic = new_topic(retention_ms=5_000)
    refused = {
        (("retention.ms", APPEND, "1"),): INVALID_CONFIG,
        (("retention.ms", SUBTRACT, "1"),): INVALID_CONFIG,
        (("retention.ms", SET, None),): INVALID_REQUEST,
        (("retention.ms", SET, "1"), ("retention.ms", SET, "2")): INVALID_REQUEST,
        (("nope", SET, "1"),): INVALID_CONFIG,
        (("retention.ms", SET, "abc"),): INVALID_CONFIG,
        (("retention.ms", SET, "9000"), ("segment.ms", SET, "abc")): INVALID_CONFIG,
    }
    for changes, code in refused.items():
        assert admin.alter(topic, *changes) == code, changes
    assert admin.alter("none-" + topic, ("retention.ms", SET, "1")) == UNKNOWN_TOPIC
    assert admin.alter("", ("retention.ms", SET, "1")) == INVALID_REQUEST
    assert admin.alter("99", ("x", SET, "1"), resource_type=BROKER) == INVALID_REQUEST
    assert admin.alter("x", ("x", SET, "1"), resource_type=0) == INVALID_REQUEST
    assert admin.alter(topic) == NONE
    assert admin.describe(TOPIC, topic, ["retention.ms"])[1]["retention.ms"] == ("5000", 1)


def test_alter_configs_replaces_all_overrides(admin, new_topic):
    """What kafkajs and librdkafka's older call know."""
    topic = new_topic(retention_ms=5_000, segment_ms=6_000)

    def overrides():
        return {k: v for k, (v, source) in admin.describe(TOPIC, topic)[1].items() if source == 1}
    for version in range(3):
        wanted = {"retention.ms": str(7_000 + version)}
        assert admin.replace(topic, wanted, version=version) == NONE
        clusters.wait_until(lambda w=wanted: overrides() == w, 10, "that and no more")
    assert admin.replace(topic, {"segment.ms": "1000"}, validate_only=True) == NONE
    assert admin.replace(topic, {"retention.ms": "x"}) == INVALID_CONFIG
    assert admin.replace(topic, {"nope": "1"}) == INVALID_CONFIG
    assert admin.replace(topic, {"retention.ms": None}) == INVALID_REQUEST
    assert admin.replace("none-" + topic, {}) == UNKNOWN_TOPIC
    assert admin.replace("99", {"x": "1"}, resource_type=BROKER) == INVALID_REQUEST
    assert overrides() == {"retention.ms": "7002"}
    assert admin.replace(topic, {}) == NONE
    clusters.wait_until(lambda: overrides() == {}, 10, "none")


def test_a_resource_is_altered_once_in_a_request(admin, new_topic):
    one = {"resource_type": TOPIC, "resource_name": new_topic(), "configs": [
        {"name": "retention.ms", "config_operation": SET, "value": "1000"}]}
    answer = admin.connection.call("IncrementalAlterConfigs", 1, resources=[one, one])
    rows = next(v for v in answer.values() if isinstance(v, list))
    assert {row["error_code"] for row in rows} == {INVALID_REQUEST}


def test_changes_of_different_configs_do_not_undo_each_other(cluster, admin, new_topic):
    """Asked of all nodes at once, each of which knows of none of the others' changes."""
    topic = new_topic()
    changes = [("retention.ms", "5000"), ("segment.ms", "6000"), ("max.message.bytes", "7000"),
               ("index.interval.bytes", "8000"), ("retention.bytes", "9000")]
    asked = []
    for i, (key, value) in enumerate(changes * 3):
        c = Connection(cluster.nodes[i % 3] if cluster.is_own else admin.node)
        c.post("IncrementalAlterConfigs", 1, resources=[{
            "resource_type": TOPIC, "resource_name": topic, "configs": [
                {"name": key, "config_operation": SET, "value": value}]}])
        asked.append(c)
    for c in asked:
        row = next(v for v in c.take("IncrementalAlterConfigs", 1).values() if isinstance(v, list))[0]
        assert row["error_code"] == NONE
    clusters.wait_until(lambda: all(
        admin.describe(TOPIC, topic)[1][key] == (value, 1) for key, value in changes), 10, "all are there")


def test_compaction_is_added_to_deletion_taken_back_and_set_alone(admin, new_topic):
    topic = new_topic()
    for operation, value, policy in ((APPEND, "compact", {"delete", "compact"}),
                                     (SUBTRACT, "compact", {"delete"}), (SET, "compact", {"compact"})):
        assert admin.alter(topic, ("cleanup.policy", operation, value)) == NONE
        clusters.wait_until(lambda: set(
            admin.describe(TOPIC, topic)[1]["cleanup.policy"][0].split(",")) == policy, 10, "it is set")
    assert admin.alter(topic, ("cleanup.policy", SET, "shrink")) == INVALID_CONFIG


# ---- Metadata ----------------------------------------------------------------------------------
def test_metadata_shows_all_topics_to_who_asks_for_all(admin, new_topic):
    topic = new_topic()
    call = admin.connection.call
    assert topic in {t["name"] for t in call("Metadata", 0, topics=[])["topics"]}
    for version in range(1, 13):
        assert topic in {t["name"] for t in call("Metadata", version, topics=None)["topics"]}
        assert call("Metadata", version, topics=[], **(
            {"allow_auto_topic_creation": False} if version >= 4 else {}))["topics"] == []
        assert admin.metadata(version, {"name": topic}) == [(NONE, topic, 1)]


def test_metadata_names_topics_by_id_from_version_12_on(admin, new_topic):
    topic = new_topic()
    shown = admin.connection.call("Metadata", 12, topics=[{"name": topic}])["topics"][0]
    topic_id = shown["topic_id"]
    assert admin.metadata(12, {"name": None, "topic_id": topic_id}) == [(NONE, topic, 1)]
    assert admin.metadata(12, {"name": None, "topic_id": os.urandom(16)}) == [
        (UNKNOWN_TOPIC_ID, None, 0)]
    assert admin.metadata(10, {"name": topic, "topic_id": topic_id})[0][0] == INVALID_REQUEST
    part = shown["partitions"][0]
    assert sorted(part["replica_nodes"]) == sorted(part["isr_nodes"]) == [1, 2, 3]
    assert (part["error_code"], part["offline_replicas"]) == (NONE, [])
    assert part["leader_id"] in (1, 2, 3) and part["leader_epoch"] >= 0


def test_metadata_makes_a_topic_only_for_who_allows_it(admin, name):
    assert admin.metadata(9, {"name": name}) == [(UNKNOWN_TOPIC, name, 0)]
    time.sleep(0.2)
    assert admin.metadata(9, {"name": name}) == [(UNKNOWN_TOPIC, name, 0)]
    for bad in ("", ".", "a/b"):
        assert admin.metadata(9, {"name": bad}, create=True) == [(INVALID_TOPIC, bad, 0)]
    admin.metadata(9, {"name": name}, create=True)
    clusters.wait_until(lambda: admin.metadata(9, {"name": name}) == [(NONE, name, 1)], 20, "made")


def test_what_a_client_may_do_is_told_to_who_asks(admin, new_topic):
    topic, call = new_topic(), admin.connection.call
    not_asked, all_of_topic, all_of_cluster = -2**31, 3576, 8096
    for asks in (False, True):
        answer = call("Metadata", 8, topics=[{"name": topic}],
                      include_cluster_authorized_operations=asks,
                      include_topic_authorized_operations=asks)
        assert answer["cluster_authorized_operations"] == (all_of_cluster if asks else not_asked)
        assert answer["topics"][0]["topic_authorized_operations"] == (
            all_of_topic if asks else not_asked)
        answer = call("DescribeCluster", 0, include_cluster_authorized_operations=asks)
        assert answer["cluster_authorized_operations"] == (all_of_cluster if asks else not_asked)


def test_the_cluster_is_described_to_clients_of_brokers(admin):
    answer = admin.connection.call("DescribeCluster", 1)
    assert (answer["error_code"], len(answer["brokers"])) == (NONE, 3)
    assert answer["controller_id"] in (1, 2, 3) and len(answer["cluster_id"]) == 22
    answer = admin.connection.call("DescribeCluster", 1, endpoint_type=2)
    assert answer["error_code"] == MISMATCHED_ENDPOINT


def test_each_node_tells_the_size_of_its_replicas(cluster, admin, new_topic):
    topic, other = new_topic(partitions=3), new_topic()
    records.send_all(cluster, topic, [bytes(1000)] * 100, partition=1)

    def told(node, version=4, **asked):
        with Connection(node) as c:
            answer = c.call("DescribeLogDirs", version, **asked)
        assert answer.get("error_code", NONE) == NONE and len(answer["results"]) == 1
        folder = answer["results"][0]
        assert (folder["error_code"], folder["log_dir"] != "") == (NONE, True)
        assert version < 4 or 0 < folder["usable_bytes"] < folder["total_bytes"]
        assert all((p["offset_lag"], p["is_future_key"]) == (0, False)
                   for t in folder["topics"] for p in t["partitions"])
        return {(t["name"], p["partition_index"]): p["partition_size"]
                for t in folder["topics"] for p in t["partitions"]}
    for node in cluster.nodes:
        clusters.wait_until(lambda n=node: told(n, topics=[{"name": topic, "partitions": [1]}]).get(
            (topic, 1), 0) > 100_000, 20, f"node {node.id} has its replica")
        for version in range(1, 6):
            sizes = told(node, version, topics=[{"name": topic, "partitions": [2, 0, 7, 2, -1]},
                                                {"name": "none-" + topic, "partitions": [0]}])
            assert sizes == {(topic, 0): 0, (topic, 2): 0}
        assert told(node, topics=[]) == {}
        everything = told(node, topics=None)
        assert {(topic, 0), (topic, 1), (topic, 2), (other, 0)} <= set(everything)
        assert everything[topic, 1] > 100_000


def test_an_election_is_not_needed_where_the_preferred_leader_leads(cluster, admin, new_topic):
    topic = new_topic(partitions=2)
    cluster.wait_spread(topic)
    preferred = {p.id: p.replicas[0] for p in cluster.partitions(topic).values()}
    assert {p.id: p.leader for p in cluster.partitions(topic).values()} == preferred

    def elect(version=2, **asked):
        answer = admin.connection.call("ElectLeaders", version, timeout_ms=5000, **asked)
        return answer.get("error_code", NONE), sorted(
            (t["name"], p["partition_index"], p["error_code"])
            for t in answer["topics"] for p in t["partitions"])
    both = [{"name": topic, "partitions": [0, 1]}]
    for version in range(3):
        assert elect(version, topics=both) == (NONE, [(topic, 0, ELECTION_NOT_NEEDED),
                                                      (topic, 1, ELECTION_NOT_NEEDED)])
    assert elect(election_type=1, topics=both)[1][0][2] == ELECTION_NOT_NEEDED, "it has a leader"
    assert elect(topics=[{"name": topic, "partitions": [9]}, {"name": "none-" + topic, "partitions": [0]}]) == (
        NONE, [("none-" + topic, 0, UNKNOWN_TOPIC), (topic, 9, UNKNOWN_TOPIC)])
    assert elect(topics=None) == (NONE, []), "only those that something was done for"
    assert elect(election_type=2, topics=both)[0] == INVALID_REQUEST


def test_no_reassignment_is_under_way(admin, new_topic):
    for topics in (None, [{"name": new_topic(), "partition_indexes": [0]}]):
        answer = admin.connection.call("ListPartitionReassignments", 0, topics=topics)
        assert (answer["error_code"], answer["error_message"], answer["topics"]) == (NONE, None, [])


def test_who_would_authenticate_is_told_that_nobody_can(admin):
    """A closed connection would look like a broker that is down."""
    for version in (0, 1):
        answer = admin.connection.call("SaslHandshake", version, mechanism="PLAIN")
        assert answer == {"error_code": ILLEGAL_SASL_STATE, "mechanisms": []}


def test_a_client_says_its_software_plainly(admin):
    def error(name, version):
        return admin.connection.call("ApiVersions", 3, client_software_name=name,
                                     client_software_version=version)["error_code"]
    assert error("kafka-client", "1.2.3-a") == NONE
    for name, version in (("", ""), ("a b", "1"), ("-a", "1"), ("a", "1\n"), ("a", "")):
        assert error(name, version) == INVALID_REQUEST, (name, version)
