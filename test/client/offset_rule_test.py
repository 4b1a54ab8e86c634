"""Committed offsets don't go back (docs/offsets.md): the rule, its history, and what each client does
with a refusal. Real clients; a group's members commit by hand, so that each commit is known."""

import json
import subprocess

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition
from kafka import KafkaConsumer, OffsetAndMetadata
from kafka import TopicPartition as PythonPartition
from kafka.errors import PolicyViolationError

import cluster as clusters
import java_tools
import records
from admin_port import ask, trilog
from group_test import Member, committed
from kafkajs_test import SCRIPT
from metric_text import read_metrics

pytestmark = pytest.mark.trilog_only

BEYOND = 1000  # more than any of these topics holds


def commit(member, offset, **settings):
    """Waits for the answer; a refusal is raised."""
    topic = member.reader.assignment()[0].topic
    member.reader.commit(offsets=[TopicPartition(topic, 0, offset, **settings)], asynchronous=False)


def assigned(cluster, group, topic):
    member = Member(cluster, group, topic)
    clusters.wait_until(lambda: (member.poll(), member.partitions())[1], 40, "it has the partition", 0)
    return member


def first_read(member):
    """Where the group goes on for a member that has just come."""
    clusters.wait_until(lambda: member.read or member.poll(0.2), 30, "a record", 0)
    return member.read[0].offset()


def store(cluster, group, topic, offset):
    """As a tool does: of no member."""
    tool = records.consumer(cluster, group, client_id="a-tool")
    tool.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    tool.close()


def stored(cluster, group, topic):
    return committed(cluster, group, topic)[0]


def history(cluster, group):
    """As the coordinator tells it."""
    def told():
        for node in cluster.nodes:
            answer = ask(node.admin, f"/v1/consumer-groups/history?group={group}").json
            if answer.get("is_coordinator"):
                return answer
        return None
    return clusters.wait_until(told, 20, "a coordinator")["lines"]


def moves(lines):
    return [(line["kind"], line["old_offset"], line["new_offset"]) for line in lines]


def counted(cluster, outcome):
    return sum(read_metrics(ask(node.admin, "/metrics").body.decode())
               ["trilog_offset_commits_total"].value(outcome=outcome) for node in cluster.nodes)


def set_policy(cluster, group, policy):
    done = trilog("group", "policy", group, policy, "--yes", "--admin", cluster.nodes[0].admin)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def topic(cluster, new_topic):
    """With 100 records."""
    made = new_topic(partitions=1)
    records.send_all(cluster, made, [b"%d" % i for i in range(100)])
    return made


def test_a_member_that_seeks_back_commits_lower_and_dies_loses_nothing(cluster, topic, name):
    first = assigned(cluster, name, topic)
    commit(first, 90)
    commit(first, 40)  # it seeks back: what it committed itself is its own to take back
    first.close()
    second = assigned(cluster, name, topic)
    assert first_read(second) == 40
    commit(second, 60)
    commit(second, 10)  # told success, but 40 was another's
    second.close()
    third = assigned(cluster, name, topic)
    assert first_read(third) == 60
    third.close()
    assert moves(history(cluster, name)) == [
        ("commit", None, 90), ("rewind", 90, 40), ("commit", 40, 60), ("refused", 60, 10)]


def test_a_member_that_starts_from_a_stale_position_cannot_take_the_group_back(
        cluster, topic, name):
    first = assigned(cluster, name, topic)
    commit(first, 90)
    first.close()
    kept = counted(cluster, "kept_higher")
    lengths = cluster.log_lengths()
    stale = assigned(cluster, name, topic)
    for offset in range(5, 50, 5):
        commit(stale, offset)
    assert stored(cluster, name, topic) == 90
    commit(stale, 95)  # from here on it is no longer stale
    stale.close()
    assert stored(cluster, name, topic) == 95
    assert counted(cluster, "kept_higher") == kept + 9
    events = [line for node in cluster.nodes for line in node.events_since(lengths)
              if "event=offset_kept" in line and name in line]
    assert len(events) == 1 and "stored=90 asked=5 " in events[0], events
    refused = history(cluster, name)[1]
    assert (refused["kind"], refused["told"], refused["count"]) == ("refused", "success", 9)
    assert (refused["old_offset"], refused["new_offset"]) == (90, 45)
    assert refused["member_id"].startswith("rdkafka-") and refused["client_host"] == "/127.0.0.1"


def test_kafka_s_reset_tool_and_programs_with_assign_work_and_are_recorded(cluster, topic, name):
    member = assigned(cluster, name, topic)
    commit(member, 90)
    member.close()
    java_tools.run("kafka-consumer-groups", "--bootstrap-server", cluster.bootstrap, "--group", name,
                   "--topic", topic, "--reset-offsets", "--to-offset", 20, "--execute")
    assert stored(cluster, name, topic) == 20
    program = records.consumer(cluster, name, client_id="a-program")
    program.assign([TopicPartition(topic, 0, 20)])
    clusters.wait_until(lambda: records.poll_checked(program), 20, "a record", 0)
    for offset in (30, 31, 32, 7):
        program.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    program.close()
    after = assigned(cluster, name, topic)
    assert first_read(after) == 7
    after.close()
    lines = history(cluster, name)
    assert moves(lines) == [("commit", None, 90), ("outside", 90, 20), ("outside", 20, 32),
                            ("outside", 32, 7)]
    assert [line["count"] for line in lines] == [1, 1, 3, 1]
    assert [line["client_id"] for line in lines[2:]] == ["a-program"] * 2
    assert {line["generation"] for line in lines[1:]} == {-1}
    shown = trilog("group", "history", name, topic, 0, "--admin", cluster.nodes[0].admin)
    assert shown.returncode == 0 and "a-program" in shown.stdout, shown.stderr
    for place, count in (([topic, 0], 4), ([topic, 1], 0), (["elsewhere"], 0)):
        told = trilog("group", "history", name, *place, "-o", "json", "--admin",
                      cluster.nodes[0].admin)
        assert len(json.loads(told.stdout)["lines"]) == count


def test_the_policy_is_the_group_s_own_and_can_be_given_back(cluster, topic, name):
    admin = ["--admin", cluster.nodes[0].admin]
    assert trilog("group", "policy", name, *admin).stdout == "guard (the default)\n"
    plan = trilog("group", "policy", name, "allow", "--plan", *admin)
    assert plan.stdout == "the group's policy is default and becomes allow\n"
    set_policy(cluster, name, "allow")
    shown = clusters.wait_until(
        lambda: (told := trilog("group", "policy", name, *admin).stdout) == "allow\n" and told, 10,
        "the node that is asked has applied it")
    assert shown == "allow\n"
    first = assigned(cluster, name, topic)
    commit(first, 90)
    first.close()
    second = assigned(cluster, name, topic)
    commit(second, 3)
    second.close()
    assert stored(cluster, name, topic) == 3, "as in Kafka"
    set_policy(cluster, name, "default")
    third = assigned(cluster, name, topic)
    commit(third, 1)
    third.close()
    assert stored(cluster, name, topic) == 3
    kinds = [line["kind"] for line in history(cluster, name)]
    assert kinds == ["policy", "commit", "rewind", "policy", "refused"]
    wrong = trilog("group", "policy", name, "sometimes", "--yes", *admin)
    assert wrong.returncode == 1 and "'policy' must be guard, deny, allow or default" in wrong.stderr


def test_an_offset_has_the_epoch_of_the_record_before_it_also_where_the_client_gave_none(
        cluster, topic, name):
    epoch = assigned_epoch(cluster, topic, name)
    store(cluster, name, topic, 50)
    reader = records.consumer(cluster, name)
    seen = reader.committed([TopicPartition(topic, 0)], timeout=20)[0]
    reader.close()
    assert (seen.offset, seen.leader_epoch) == (50, epoch)


def assigned_epoch(cluster, topic, name):
    """That a reader sees at record 49."""
    reader = records.consumer(cluster, f"{name}-reader")
    reader.assign([TopicPartition(topic, 0, 49)])
    message = clusters.wait_until(lambda: records.poll_checked(reader), 20, "a record", 0)
    reader.close()
    return message.leader_epoch()


# ---- deny: what each client does with POLICY_VIOLATION ----

@pytest.fixture
def denied(request, cluster, topic, name):
    """A group under `deny`, whose offset lies so far ahead that whoever joins is thrown to the
    beginning by its own auto.offset.reset, reads 100 records, and commits them."""
    ahead = getattr(request, "param", BEYOND)
    store(cluster, name, topic, ahead)
    set_policy(cluster, name, "deny")
    yield name
    assert stored(cluster, name, topic) == ahead
    assert [line["kind"] for line in history(cluster, name)][:3] == ["outside", "policy", "refused"]


def test_confluent_kafka_raises_what_was_denied(cluster, topic, denied):
    member = assigned(cluster, denied, topic)
    with pytest.raises(KafkaException) as refused:
        commit(member, 100)
    assert refused.value.args[0].code() == KafkaError.POLICY_VIOLATION
    assert not refused.value.args[0].retriable() and not refused.value.args[0].fatal()
    clusters.wait_until(lambda: (member.poll(), len(member.read) == 100)[1], 30, "it reads on", 0)
    member.close()


def test_kcat_says_nothing_of_what_was_denied_and_goes_on(cluster, topic, denied):
    done = subprocess.run(["kcat", "-b", cluster.bootstrap, "-G", denied, "-e", "-q",
                           "-X", "auto.offset.reset=earliest", topic],
                          capture_output=True, text=True, timeout=40, check=False)
    assert len(done.stdout.splitlines()) == 100
    assert (done.returncode, done.stderr) == (0, "")


def test_java_s_consumer_fails_the_commit_that_was_denied(cluster, topic, denied):
    process = subprocess.run(
        java_tools.command("kafka-verifiable-consumer", "--bootstrap-server", cluster.bootstrap,
                           "--topic", topic, "--group-id", denied, "--max-messages", 100,
                           "--reset-policy", "earliest", "--session-timeout", 6000),
        capture_output=True, text=True, timeout=60, check=False)
    events = [json.loads(line) for line in process.stdout.splitlines()]
    commits = [e for e in events if e["name"] == "offsets_committed"]
    assert commits and not any(c["success"] for c in commits)
    assert all("policy" in c["error"].lower() for c in commits), commits
    assert sum(e["count"] for e in events if e["name"] == "records_consumed") == 100


def records_of(member):
    return [r for batch in member.poll(timeout_ms=records.PYTHON_POLL_MS).values() for r in batch]


def test_kafka_python_raises_what_was_denied(cluster, topic, denied):
    member = KafkaConsumer(topic, bootstrap_servers=[n.address for n in cluster.nodes],
                           group_id=denied, auto_offset_reset="earliest", enable_auto_commit=False)
    seen = []
    clusters.wait_until(lambda: (seen.extend(records_of(member)), len(seen) == 100)[1], 40,
                        "all records", 0)
    with pytest.raises(PolicyViolationError):
        member.commit({PythonPartition(topic, 0): OffsetAndMetadata(100, "", -1)})
    records.send_all(cluster, topic, [b"more"])
    assert clusters.wait_until(lambda: member.poll(timeout_ms=records.PYTHON_POLL_MS), 20, "it reads on", 0)
    member.close(autocommit=False)


@pytest.mark.parametrize("denied", [60], indirect=True, ids=["that seeks back"])
def test_kafkajs_fails_the_commit_that_was_denied(cluster, topic, denied):
    modules = clusters.ROOT / "build" / "clients" / "node" / "node_modules"
    done = subprocess.run(["node", str(SCRIPT.with_name("kafkajs_commit.js")), cluster.bootstrap,
                           topic, denied], env={"PATH": "/usr/bin:/bin:/usr/local/bin",
                                                "NODE_PATH": str(modules)},
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"read": 100, "crashed": False, "commit": "POLICY_VIOLATION",
                                       "retriable": False}


def test_kafkajs_reads_from_where_it_seeks_and_the_group_goes_on_from_what_is_stored(
        cluster, topic, name):
    store(cluster, name, topic, 20)
    modules = clusters.ROOT / "build" / "clients" / "node" / "node_modules"
    done = subprocess.run(["node", str(SCRIPT.with_name("kafkajs_seek.js")), cluster.bootstrap,
                           topic, name], env={"PATH": "/usr/bin:/bin:/usr/local/bin",
                                              "NODE_PATH": str(modules)},
                          capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["sought"] == 5 and seen["afterwards"] >= 20, seen
