"""What coordinators answer: as Kafka 4.3 does, but for what is marked trilog_only."""

import pytest

import cluster as clusters
from message import Connection

NONE, UNKNOWN_TOPIC, OFFSET_METADATA_TOO_LARGE = 0, 3, 12
LOADING, NOT_AVAILABLE, NOT_COORDINATOR = 14, 15, 16
ILLEGAL_GENERATION, INCONSISTENT_PROTOCOL, INVALID_GROUP, UNKNOWN_MEMBER = 22, 23, 24, 25
INVALID_SESSION, REBALANCING, INVALID_REQUEST = 26, 27, 42
NON_EMPTY_GROUP, GROUP_NOT_FOUND, MEMBER_ID_REQUIRED, FENCED_INSTANCE = 68, 69, 79, 82
SUBSCRIBED = 86
GROUP = 32  # a type of resources with configs
NOT_YET = (LOADING, NOT_AVAILABLE, NOT_COORDINATOR)


class Group:
    """A group, asked at its coordinator."""

    def __init__(self, cluster, group_id):
        self.id = group_id

        def find():
            with Connection(cluster.nodes[0]) as c:
                found = c.call("FindCoordinator", 3, key=group_id, key_type=0)
            assert found["error_code"] in (NONE, *NOT_YET)
            if found["error_code"] != NONE:
                return None
            node = cluster.node(found["node_id"])
            with Connection(node) as c:
                return None if self.describe(c)[0] in NOT_YET else node
        self.node = clusters.wait_until(find, 30, "there is a coordinator")
        self.connection = Connection(self.node)

    def call(self, name, version, group_id=None, **values):
        return self.connection.call(name, version, group_id=self.id if group_id is None else group_id,
                                    **values)

    def describe(self, connection=None, version=5, **values):
        c = connection or self.connection
        g = c.call("DescribeGroups", version, groups=[self.id], **values)["groups"][0]
        return g["error_code"], g["group_state"], g["protocol_type"], g["protocol_data"], len(g["members"])

    def join(self, member="", instance=None, protocols=(("range", b"m"),), protocol_type="consumer",
             session_ms=10_000, group_id=None, version=5, **values):
        return self.call("JoinGroup", version, group_id, session_timeout_ms=session_ms,
                         rebalance_timeout_ms=5_000, member_id=member, group_instance_id=instance,
                         protocol_type=protocol_type,
                         protocols=[{"name": n, "metadata": m} for n, m in protocols], **values)

    def join_twice(self, **values):
        """As a new member does (KIP-394)."""
        asked = self.join(**values)
        assert asked["error_code"] == MEMBER_ID_REQUIRED
        joined = self.join(member=asked["member_id"], **values)
        assert joined["error_code"] == NONE
        return joined["member_id"], joined["generation_id"]

    def sync(self, member, generation, assignments=None, protocol=("consumer", "range"), group_id=None,
             instance=None):
        answer = self.call("SyncGroup", 5, group_id, member_id=member, generation_id=generation,
                           group_instance_id=instance, protocol_type=protocol[0],
                           protocol_name=protocol[1], assignments=[
                               {"member_id": m, "assignment": a} for m, a in (assignments or {}).items()])
        return answer["error_code"], answer["assignment"]

    def settle(self, **values):
        member, generation = self.join_twice(**values)
        assert self.sync(member, generation, {member: b"all"}) == (NONE, b"all")
        return member, generation

    def beat(self, member, generation, group_id=None, instance=None):
        return self.call("Heartbeat", 4, group_id, member_id=member, generation_id=generation,
                         group_instance_id=instance)["error_code"]

    def commit(self, topic, offset, member="", generation=-1, partition=0, metadata="", group_id=None,
               version=7, **values):
        answer = self.call("OffsetCommit", version, group_id, member_id=member, generation_id=generation,
                           topics=[{"name": topic, "partitions": [
                               {"partition_index": partition, "committed_offset": offset,
                                "committed_metadata": metadata}]}], **values)
        return answer["topics"][0]["partitions"][0]["error_code"]

    def committed(self, topic=None, version=7, partitions=(0,)):
        topics = None if topic is None else [{"name": topic, "partition_indexes": list(partitions)}]
        if version < 8:
            answer = self.call("OffsetFetch", version, topics=topics)
        else:
            answer = self.connection.call("OffsetFetch", version, groups=[
                {"group_id": self.id, "topics": topics}])["groups"][0]
        return answer.get("error_code", NONE), [
            (p["error_code"], p["committed_offset"], p["metadata"])
            for t in answer["topics"] for p in t["partitions"]]

    def leave(self, *members, group_id=None):
        answer = self.call("LeaveGroup", 4, group_id, members=[
            {"member_id": m, "group_instance_id": i} for m, i in members])
        return answer["error_code"], [m["error_code"] for m in answer["members"]]

    def delete(self, connection=None, group_id=None):
        return (connection or self.connection).call("DeleteGroups", 2, group_names=[
            self.id if group_id is None else group_id])["groups"][0]["error_code"]

    def delete_offset(self, topic, partition=0):
        answer = self.call("OffsetDelete", 0, topics=[
            {"name": topic, "partitions": [{"partition_index": partition}]}])
        return answer["error_code"], [p["error_code"] for t in answer["topics"] for p in t["partitions"]]


@pytest.fixture
def group(cluster, name):
    return Group(cluster, name)


def test_a_group_without_a_name_has_no_members(group):
    assert group.join(group_id="")["error_code"] == INVALID_GROUP
    assert group.sync("m", 1, group_id="")[0] == INVALID_GROUP
    assert group.beat("m", 1, group_id="") == INVALID_GROUP
    assert group.leave(("m", None), group_id="")[0] == INVALID_GROUP


def test_join_group_refuses_what_no_group_can_work_with(group):
    assert group.join(session_ms=10)["error_code"] == INVALID_SESSION
    assert group.join(session_ms=2**31 - 1)["error_code"] == INVALID_SESSION
    assert group.join(protocols=())["error_code"] == INCONSISTENT_PROTOCOL
    assert group.join(protocol_type="")["error_code"] == INCONSISTENT_PROTOCOL
    assert group.join(member="nobody")["error_code"] == UNKNOWN_MEMBER
    group.settle()
    assert group.join(protocol_type="connect")["error_code"] == INCONSISTENT_PROTOCOL
    assert group.join(protocols=(("other", b""),))["error_code"] == INCONSISTENT_PROTOCOL


def test_sync_group_wants_the_groups_generation_and_protocol(group):
    member, generation = group.join_twice()
    assert group.sync(member, generation, protocol=("consumer", "other"))[0] == INCONSISTENT_PROTOCOL
    assert group.sync(member, generation, protocol=("other", "range"))[0] == INCONSISTENT_PROTOCOL
    assert group.sync(member, generation, protocol=(None, None))[0] == INCONSISTENT_PROTOCOL
    assert group.sync(member, generation + 1)[0] == ILLEGAL_GENERATION
    assert group.sync("nobody", generation)[0] == UNKNOWN_MEMBER
    for _ in range(2):  # again: it had not heard the answer
        assert group.sync(member, generation, {member: b"all"}) == (NONE, b"all")


def test_heartbeats_and_commits_are_of_the_generation(group, new_topic):
    topic = new_topic()
    member, generation = group.settle()
    for say in (group.beat, lambda m, g: group.commit(topic, 5, m, g)):
        assert say(member, generation) == NONE
        assert say(member, generation + 1) == ILLEGAL_GENERATION
        assert say("nobody", generation) == UNKNOWN_MEMBER
    assert group.commit(topic, 5) == UNKNOWN_MEMBER, "a program that is no member, into a live group"
    assert group.committed(topic) == (NONE, [(NONE, 5, "")])


@pytest.mark.trilog_only  # Kafka takes it, and the group goes back
def test_a_commit_on_a_connection_that_was_given_up_counts_no_more(group, new_topic):
    topic = new_topic()
    member, generation = group.settle()
    assert group.commit(topic, 40, member, generation) == NONE
    given_up, group.connection = group.connection, Connection(group.node)
    assert group.commit(topic, 80, member, generation) == NONE
    assert given_up.call("OffsetCommit", 7, group_id=group.id, member_id=member,
                         generation_id=generation, topics=[{"name": topic, "partitions": [
                             {"partition_index": 0, "committed_offset": 40}]}]) is None, "closed"
    assert group.committed(topic) == (NONE, [(NONE, 80, "")])
    assert group.beat(member, generation) == NONE, "the member goes on where it is"


def test_commits_are_refused_partition_by_partition(group, new_topic):
    topic = new_topic()
    assert group.commit(topic, 1) == NONE
    assert group.commit("none-" + topic, 1) == UNKNOWN_TOPIC
    assert group.commit(topic, 1, partition=9) == UNKNOWN_TOPIC
    assert group.commit(topic, 2, metadata="x" * 5_000) == OFFSET_METADATA_TOO_LARGE
    assert group.commit(topic, 3, metadata=None) == NONE
    assert group.commit(topic, 4, metadata="why", version=2, retention_time_ms=3_600_000) == NONE
    assert group.committed(topic) == (NONE, [(NONE, 4, "why")])


def test_a_negative_offset_is_no_progress(group, new_topic):
    """kafkajs resets a group so."""
    topic = new_topic()
    assert group.commit(topic, -1) == NONE
    assert group.committed(topic) == (NONE, [(NONE, -1, "")])
    assert group.commit(topic, 7) == NONE
    assert group.commit(topic, -1) == NONE
    assert group.committed(topic) == (NONE, [(NONE, -1, "")])


@pytest.mark.trilog_only  # Kafka tells it to everyone
def test_a_member_alone_is_told_the_lower_offset_that_it_committed(cluster, group, new_topic):
    topic = new_topic()
    assert group.commit(topic, 20) == NONE
    member, generation = group.settle()

    def seek_back(offset):
        assert group.commit(topic, offset, member, generation) == NONE
        with Connection(group.node) as others:
            told = others.call("OffsetFetch", 7, group_id=group.id, topics=[
                {"name": topic, "partition_indexes": [0]}])["topics"][0]["partitions"][0]
        return group.committed(topic)[1][0][1], told["committed_offset"]
    assert seek_back(5) == (5, 20)
    assert seek_back(-2) == (-1, 20)
    assert seek_back(21) == (21, 21), "stored, for all"
    assert seek_back(20) == (20, 20), "its own to take back"
    assert seek_back(9) == (9, 20)
    rejoined = group.join(member=member, protocols=(("range", b"other"),))
    assert rejoined["generation_id"] == generation + 1
    assert group.sync(member, generation + 1, {member: b"all"})[0] == NONE
    assert group.committed(topic) == (NONE, [(NONE, 20, "")]), "a new generation goes on there"


def test_what_was_not_committed_is_no_error(group, new_topic):
    topic = new_topic()
    group.commit(topic, 5)
    for version in range(1, 9):
        assert group.committed(topic, version, (0, 7)) == (NONE, [(NONE, 5, ""), (NONE, -1, "")])
    assert group.committed("none-" + topic) == (NONE, [(NONE, -1, "")])
    for version in range(2, 9):
        assert group.committed(None, version) == (NONE, [(NONE, 5, "")]), "all of the group"


def test_one_fetch_asks_for_several_groups_and_each_has_its_own_answer(cluster, group, new_topic):
    topic = new_topic()
    others = [Group(cluster, f"{group.id}-{i}") for i in range(8)]
    for offset, one in enumerate([group, *others], 1):
        assert one.commit(topic, offset) == NONE
    asked = [group.id, *(g.id for g in others), group.id + "-none"]
    for stable in (False, True):  # without transactions every offset is
        answer = group.connection.call("OffsetFetch", 8, require_stable=stable, groups=[
            {"group_id": g, "topics": [{"name": topic, "partition_indexes": [0]}]} for g in asked])
        told = {g["group_id"]: (g["error_code"], [p["committed_offset"] for t in g["topics"]
                                                  for p in t["partitions"]])
                for g in answer["groups"]}
        assert [g["group_id"] for g in answer["groups"]] == asked
        for offset, one in enumerate([group, *others], 1):
            here = one.node.id == group.node.id
            assert told[one.id] == ((NONE, [offset]) if here else (NOT_COORDINATOR, [])), one.id
        assert told[asked[-1]] in ((NONE, [-1]), (NOT_COORDINATOR, []))


def test_a_group_is_described_as_it_lives(group, new_topic):
    topic = new_topic()
    assert group.describe() == (NONE, "Dead", "", "", 0)
    member, generation = group.join_twice()
    gathered = (NONE, "CompletingRebalance", "consumer", "", 1)
    clusters.wait_until(lambda: group.describe() == gathered, 5, "Kafka tells it when it is stored")
    group.sync(member, generation, {member: b"all"})
    for version in range(6):
        assert group.describe(version=version) == (NONE, "Stable", "consumer", "range", 1)
    assert group.leave(("nobody", None), (member, None)) == (NONE, [UNKNOWN_MEMBER, NONE])
    assert group.describe() == (NONE, "Empty", "consumer", "", 0)
    assert group.beat(member, generation) == UNKNOWN_MEMBER
    assert group.commit(topic, 3) == NONE
    assert group.delete() == NONE
    assert group.describe() == (NONE, "Dead", "", "", 0)
    assert group.delete() == GROUP_NOT_FOUND


def test_what_a_client_may_do_with_a_group_is_told_to_who_asks(group):
    group.settle()
    for asks, operations in ((False, -2**31), (True, 3400)):
        answer = group.connection.call("DescribeGroups", 5, groups=[group.id],
                                       include_authorized_operations=asks)
        assert answer["groups"][0]["authorized_operations"] == operations


def test_groups_are_listed_by_state(group):
    group.settle()

    def listed(version=4, **values):
        answer = group.connection.call("ListGroups", version, **values)
        assert answer["error_code"] == NONE
        return [(g["protocol_type"], g.get("group_state")) for g in answer["groups"]
                if g["group_id"] == group.id]
    for version in range(5):
        assert listed(version) == [("consumer", "Stable" if version == 4 else None)]
    for states, is_listed in ((["Stable"], True), (["stable"], True), (["Empty"], False),
                              (["Empty", "Stable"], True), (["nonsense"], False)):
        assert bool(listed(states_filter=states)) == is_listed, states


def test_a_group_with_members_is_not_deleted(group, new_topic):
    topic = new_topic()
    member, generation = group.settle()
    group.commit(topic, 5, member, generation)
    assert group.delete() == NON_EMPTY_GROUP
    assert group.delete_offset(topic)[1] == [SUBSCRIBED]
    assert group.leave((member, None)) == (NONE, [NONE])
    assert group.delete_offset(topic) == (NONE, [NONE])
    assert group.delete_offset("none-" + topic) == (NONE, [UNKNOWN_TOPIC])
    assert group.committed(topic) == (NONE, [(NONE, -1, "")])


def test_a_group_that_its_last_member_has_just_left_is_deleted(group):
    for _ in range(3):
        member, _ = group.settle()
        assert group.leave((member, None)) == (NONE, [NONE])
        assert group.delete() == NONE
        assert group.describe() == (NONE, "Dead", "", "", 0)


def test_a_group_that_is_named_twice_is_deleted_once_and_none_without_a_name(group, new_topic):
    topic = new_topic()
    assert group.commit(topic, 3) == NONE
    answer = group.connection.call("DeleteGroups", 2, group_names=[group.id, group.id])
    assert [(g["group_id"], g["error_code"]) for g in answer["groups"]] == [(group.id, NONE)]
    answer = group.call("OffsetDelete", 0, group_id="", topics=[
        {"name": topic, "partitions": [{"partition_index": 0}]}])
    assert (answer["error_code"], answer["topics"]) == (INVALID_GROUP, [])


def test_leaving_what_one_is_not_in_is_said_member_by_member(group):
    member, _ = group.settle()
    assert group.leave(("nobody", None)) == (NONE, [UNKNOWN_MEMBER])
    assert group.leave(("", "no-such-instance")) == (NONE, [UNKNOWN_MEMBER])
    assert group.leave() == (NONE, [])
    assert group.leave((member, None)) == (NONE, [NONE])


def test_a_static_member_comes_back_to_its_place(group):
    first = group.join(instance="one")
    member, generation = first["member_id"], first["generation_id"]
    assert first["error_code"] == NONE and group.sync(
        member, generation, {member: b"all"}, instance="one") == (NONE, b"all")
    again = group.join(instance="one")
    assert (again["error_code"], again["generation_id"]) == (NONE, generation)
    assert again["member_id"] != member and again["leader"] == member, "nobody assigns anew"
    assert group.sync(again["member_id"], generation, instance="one") == (NONE, b"all")
    assert group.beat(member, generation, instance="one") == FENCED_INSTANCE
    assert group.join(member=member, instance="one")["error_code"] == FENCED_INSTANCE
    assert group.join(member=again["member_id"], instance="two")["error_code"] == UNKNOWN_MEMBER
    assert group.leave(("wrong", "one")) == (NONE, [FENCED_INSTANCE])
    other = group.join(instance="one", protocols=(("other", b"m"), ("range", b"m")))
    assert other["generation_id"] == generation + 1, "the chosen protocol is another one now"
    assert group.leave(("", "one")) == (NONE, [NONE])


def test_a_static_leader_that_comes_back_leads_and_assigns_nothing(group):
    joined = group.join(instance="one", version=9)
    member, generation = joined["member_id"], joined["generation_id"]
    assert (joined["leader"], joined["skip_assignment"]) == (member, False)
    assert group.sync(member, generation, {member: b"all"}, instance="one") == (NONE, b"all")
    again = group.join(instance="one", version=9)
    own = again["member_id"]
    assert (again["error_code"], again["generation_id"], own != member) == (NONE, generation, True)
    assert (again["leader"], again["skip_assignment"]) == (own, True), "it watches what is read (KIP-814)"
    assert [(m["member_id"], m["metadata"]) for m in again["members"]] == [(own, b"m")]
    assert group.sync(own, generation, instance="one") == (NONE, b"all")
    old = group.join(instance="one", version=8)
    assert (old["leader"], old["members"]) == (own, []), "it can't be told to skip: it is no leader"
    assert group.leave(("", "one")) == (NONE, [NONE])


def test_members_say_why_they_come_and_go(group):
    asked = group.join(version=9, reason="it is new")
    assert asked["error_code"] == MEMBER_ID_REQUIRED
    member = asked["member_id"]
    joined = group.join(member=member, version=9, reason="x" * 300)
    assert joined["error_code"] == NONE
    assert group.sync(member, joined["generation_id"], {member: b"all"}) == (NONE, b"all")
    left = group.call("LeaveGroup", 5, members=[
        {"member_id": m, "reason": why} for m, why in ((member, "it is being closed"), ("nobody", None))])
    assert (left["error_code"], [m["error_code"] for m in left["members"]]) == (NONE, [NONE, UNKNOWN_MEMBER])


@pytest.mark.trilog_only  # an event of ours
def test_the_reason_of_a_rebalance_is_told_once_and_in_one_line(cluster, group):
    lengths = cluster.log_lengths()

    def told():
        lines = group.node.events_since(lengths)
        return [line.split(" cause=", 1)[1].rsplit(" left_out=", 1)[0] for line in lines
                if "event=consumer_group_rebalances" in line and f"consumer_group={group.id} " in line]
    member = group.join(version=9)["member_id"]
    for why in ('a "quoted" \nlevel=error event=none', "it is still there"):
        joined = group.join(member=member, version=9, reason=why, protocols=(("range", why.encode()),))
        group.sync(member, joined["generation_id"], {member: b"all"})
    assert group.call("LeaveGroup", 5, members=[{"member_id": member, "reason": "closed"}])["error_code"] == NONE
    clusters.wait_until(lambda: len(told()) == 3, 5, "its three rebalances are told")
    assert told() == [f'joined member={member} reason="a ?quoted? ?level=error event=none"',
                      f'joined member={member} reason="it is still there"',
                      f'left member={member} reason="closed"']


def test_a_group_has_configs_as_kafka_s_have(cluster, group):
    def described(node, name=None, keys=None):
        with Connection(node) as c:
            answer = c.call("DescribeConfigs", 4, include_synonyms=True, resources=[
                {"resource_type": GROUP, "resource_name": group.id if name is None else name,
                 "configuration_keys": keys}])["resources"][0]
        return answer["error_code"], {c["name"]: (c["value"], c["config_source"], c["read_only"])
                                      for c in answer["configs"]}
    for node in cluster.nodes:  # also of a group that nobody knows
        assert described(node)[0] == NONE and described(node)[1]
        assert described(node, keys=["none"]) == (NONE, {})
        assert described(node, name="") == (INVALID_REQUEST, {})


@pytest.mark.trilog_only
def test_a_group_s_policy_is_a_config_that_every_node_knows(cluster, group):
    policy, own, default = "trilog.commit.policy", 8, 5

    def described(node):
        with Connection(node) as c:
            answer = c.call("DescribeConfigs", 4, include_synonyms=True, include_documentation=True,
                            resources=[{"resource_type": GROUP, "resource_name": group.id}])
        (config,) = answer["resources"][0]["configs"]
        assert config["name"] == policy and "deny" in config["documentation"]
        return config["value"], config["config_source"], [s["value"] for s in config["synonyms"]]

    for operation, value, told in ((0, "deny", ("deny", own, ["deny", "guard"])),
                                   (1, None, ("guard", default, ["guard"]))):
        with Connection(group.node) as c:
            answer = c.call("IncrementalAlterConfigs", 1, resources=[
                {"resource_type": GROUP, "resource_name": group.id, "configs": [
                    {"name": policy, "config_operation": operation, "value": value}]}])
        assert answer["resources"][0]["error_code"] == NONE
        assert described(group.node) == told
        for node in cluster.nodes:
            clusters.wait_until(lambda n=node: described(n) == told, 5, f"node {node.id} knows it")


def test_another_node_is_not_the_coordinator(cluster, group, new_topic):
    topic = new_topic()
    group.commit(topic, 1)
    other = Connection(next(n for n in cluster.nodes if n.id != group.node.id))
    assert group.describe(other)[0] == NOT_COORDINATOR
    assert group.delete(other) == NOT_COORDINATOR
    group.connection = other
    assert group.commit(topic, 2) == NOT_COORDINATOR
    assert group.committed(topic)[0] == NOT_COORDINATOR
    assert group.beat("m", 1) == NOT_COORDINATOR
    assert group.join()["error_code"] == NOT_COORDINATOR
