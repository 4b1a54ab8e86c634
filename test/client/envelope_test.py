"""Requests passed on by a router: worked on as their clients' own, under their clients' names; believed
of those who may; and nobody's harm where they are wrong."""

import json
import random

import pytest

import cluster as clusters
import wire
from admin_port import ask, trilog
from envelope import ENVELOPE, Client, Refused, Router
from message import Connection
from protocol_groups_test import NONE, Group
from topics import create_topic

CLUSTER_AUTHORIZATION_FAILED, UNSUPPORTED_VERSION, INVALID_REQUEST = 31, 35, 42
TRUSTED = "127.0.0.9"

pytestmark = pytest.mark.trilog_only


def refusal(asked):
    with pytest.raises(Refused) as refused:
        asked()
    return refused.value.error_code


class RoutedGroup(Group):
    """A group whose members come by a router."""

    def __init__(self, cluster, group_id, address="10.1.2.3"):
        super().__init__(cluster, group_id)
        self.router = Router(self.node)
        self.connection = Client(self.router, address)

    def members(self):
        with Connection(self.node) as c:
            return c.call("DescribeGroups", 5, groups=[self.id])["groups"][0]["members"]


# ---- as if there were no router ----------------------------------------------------------------
def test_records_go_in_and_come_out_as_without_a_router(target):
    data = wire.batch([wire.record(b"v%d" % i * 500, i) for i in range(20)])
    with Router(target.node) as router, target.connect() as direct:
        c = Client(router)
        error, offset = wire.produced(c.ask(wire.PRODUCE, 3, wire.produce(target.topic, data), 11))
        assert error == 0
        asked = wire.fetch(target.topic, offset, max_bytes=len(data))
        routed = wire.fetched(c.ask(wire.FETCH, 4, asked, 12))
        assert routed == wire.fetched(direct.ask(wire.FETCH, 4, asked))
        assert routed[2][61:] == data[61:], "to the last byte, behind the batch's own head"


def test_every_request_is_answered_as_without_a_router(target):
    rising = ("Produce", "InitProducerId")  # another offset, another id
    with Router(target.node) as router, target.connect() as direct:
        c = Client(router)
        for name, api, version, message in wire.requests_of(target.topic):
            routed, own = c.ask(api, version, message, 5), direct.ask(api, version, message, 5)
            if name.startswith("ApiVersions"):
                assert len(own) > len(routed), "a router may see Envelope, its client not"
            elif name.startswith(rising):
                assert len(own) == len(routed), name
            else:
                assert own == routed, name


def test_many_clients_share_a_connection_and_each_gets_its_own_answer(target):
    with Router(target.node) as router:
        everyone = [Client(router, f"10.1.{i}.4") for i in range(50)]
        for i, c in enumerate(everyone):
            assert c.send(wire.frame(wire.header(wire.METADATA, 1, 1000 + i) +
                                     wire.metadata(target.topic)))
        for i in range(50):
            assert router.told()[:4] == wire.int32(1000 + i)


def test_a_produce_request_without_answer_is_told_to_the_router_alone(target):
    end = target.log_end()
    with Router(target.node) as router:
        c = Client(router)
        asked = wire.header(wire.PRODUCE, 3) + wire.produce(target.topic, wire.batch(), acks=0)
        assert c.send(wire.frame(asked)) and router.told() is None
        clusters.wait_until(lambda: target.log_end() > end, 10, "the record is there")
        no_topic = wire.header(wire.PRODUCE, 3) + wire.produce("no-such-topic", wire.batch(), acks=0)
        assert c.send(wire.frame(no_topic))
        assert refusal(router.told) == INVALID_REQUEST, "a direct client would lose its connection"


# ---- whose request it is -----------------------------------------------------------------------
def test_a_member_is_known_by_its_own_address_not_the_routers(cluster, name, new_topic):
    topic = new_topic()
    group = RoutedGroup(cluster, name)
    member, generation = group.settle()
    assert [m["client_host"] for m in group.members()] == ["/10.1.2.3"]
    assert [m["client_id"] for m in group.members()] == ["message"]
    assert group.commit(topic, 5, member, generation) == NONE
    assert group.committed(topic) == (NONE, [(NONE, 5, "")])
    told = ask(group.node.admin, f"/v1/consumer-groups/history?group={name}").json
    assert "/10.1.2.3" in json.dumps(told) and "/127.0." not in json.dumps(told)
    shown = trilog("group", "history", name, topic, 0, "--admin", group.node.admin)
    assert shown.returncode == 0 and "10.1.2.3" in shown.stdout
    described = trilog("group", "describe", name, "-o", "json", "--admin", group.node.admin)
    assert described.returncode == 0 and "10.1.2.3" in described.stdout


def test_an_ipv6_client_is_known_by_its_own_address(cluster, name):
    group = RoutedGroup(cluster, name, "2001:db8::9")
    group.settle()
    assert [m["client_host"] for m in group.members()] == ["/2001:db8::9"]


def test_a_routers_connection_that_closes_takes_no_member_along(cluster, name, new_topic):
    topic = new_topic()
    group = RoutedGroup(cluster, name)
    member, generation = group.settle()
    assert group.commit(topic, 5, member, generation) == NONE
    client = group.connection
    group.router.socket.close()
    for _ in range(3):  # as a router's pool gives them
        with Router(group.node) as router:
            group.connection = client.by(router)
            assert group.beat(member, generation) == NONE
            assert group.commit(topic, 6, member, generation) == NONE
    assert [m["member_id"] for m in group.members()] == [member]


def test_a_member_speaks_by_either_of_two_connections_of_its_router(cluster, name, new_topic):
    topic = new_topic()
    group = RoutedGroup(cluster, name)
    member, generation = group.settle()
    with Router(group.node) as newer:
        ways = [group.connection, group.connection.by(newer)]
        for offset in range(6):
            group.connection = ways[offset % 2]
            assert group.commit(topic, offset, member, generation) == NONE
            assert group.beat(member, generation) == NONE


def test_what_a_client_has_left_behind_at_its_router_comes_too_late(cluster, name, new_topic):
    topic = new_topic()
    group = RoutedGroup(cluster, name)
    member, generation = group.settle()
    former = group.connection
    assert group.commit(topic, 5, member, generation) == NONE
    group.connection = newer = Client(group.router)
    assert group.commit(topic, 7, member, generation) == NONE
    group.connection = former
    assert refusal(lambda: group.commit(topic, 6, member, generation)) == INVALID_REQUEST
    with Router(group.node, router_id=8) as elsewhere:
        group.connection = Client(elsewhere)
        assert group.committed(topic) == (NONE, [(NONE, 7, "")])
        assert group.commit(topic, 8, member, generation) == NONE, "by another router, with its numbers"
        for left in (former, newer):
            group.connection = left
            assert refusal(lambda: group.commit(topic, 6, member, generation)) == INVALID_REQUEST
        unheard = Client(group.router)  # not heard of until it comes late
        group.connection = Client(Router(group.node, router_id=9))
        assert group.commit(topic, 9, member, generation) == NONE
        group.connection = unheard
        assert refusal(lambda: group.commit(topic, 6, member, generation)) == INVALID_REQUEST


def test_a_client_sees_its_own_commit_through_a_router(cluster, name, new_topic):
    """The order of one connection, kept for each client of a router's."""
    topic = new_topic()
    group = RoutedGroup(cluster, name)
    c = group.connection
    for offset in range(20):
        c.post("OffsetCommit", 7, group_id=name, generation_id=-1, member_id="", topics=[
            {"name": topic, "partitions": [{"partition_index": 0, "committed_offset": offset,
                                            "committed_metadata": ""}]}])
        c.post("OffsetFetch", 7, group_id=name, topics=[{"name": topic, "partition_indexes": [0]}])
        committed = c.take("OffsetCommit", 7)["topics"][0]["partitions"][0]
        assert committed["error_code"] == NONE
        seen = c.take("OffsetFetch", 7)["topics"][0]["partitions"][0]
        assert seen["committed_offset"] == offset


# ---- who may -----------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def wary():
    """Believes one address only."""
    running = clusters.new_cluster("wary", {"router_addresses": f'"{TRUSTED}, 10.0.0.0/8"',
                                            **clusters.OwnCluster.UNHURT})
    with running.while_used():
        yield running


def shows_envelope(c):
    r = wire.Reader(c.ask(wire.API_VERSIONS, 0, b""))
    r.take("h")
    return ENVELOPE in wire.api_rows(r)


def test_an_address_that_is_not_trusted_is_refused_and_may_go_on_for_itself(wary):
    node = wary.node(1)
    with Router(node) as stranger, Router(node, source=TRUSTED) as router:
        assert refusal(lambda: Client(stranger).ask(wire.API_VERSIONS, 0, b"")) == \
            CLUSTER_AUTHORIZATION_FAILED
        assert not shows_envelope(stranger), "nor is it shown what it may not use"
        assert Client(router).ask(wire.API_VERSIONS, 0, b"") is not None
        assert shows_envelope(router)
        assert not shows_envelope(Client(router)), "a router's client is a client"
    refused = [line for line in node.events_since({}) if "event=routed_request_refused" in line]
    assert refused and all("client=127.0.0.1 " in line for line in refused), "not whom it spoke of"


def test_a_list_of_routers_that_is_none_keeps_a_node_from_starting(wary):
    node = wary.new_node(4, "a")
    node.write_config(wary.founders, {"router_addresses": "router-a.example"})
    node.start()
    assert node.process.wait(30) != 0
    wary.nodes.remove(node)
    assert "router_addresses: 'router-a.example' is neither an IPv4 nor an IPv6 address" in \
        node.log_path.read_text(encoding="utf-8")


def coordinator_of(cluster, group_id):
    """Among the nodes that run, once it is one of them and serves."""
    def found():
        alive = [node for node in cluster.nodes if node.is_running()]
        with Connection(alive[0]) as c:
            node_id = c.call("FindCoordinator", 3, key=group_id, key_type=0)["node_id"]
        node = next((n for n in alive if n.id == node_id), None)
        if node is None:
            return None
        with Connection(node) as c:
            described = c.call("DescribeGroups", 5, groups=[group_id])["groups"][0]
        return node if described["error_code"] == NONE else None
    return clusters.wait_until(found, 30, "there is a coordinator")


def test_a_commit_of_a_client_that_was_there_before_the_coordinator_wants_a_newer_connection(wary, name):
    """What is on it may have been sent to the former one, and overtaken. The client's connection to its
    router closes; the router's to the node may be as old as it likes."""
    topic = create_topic(wary, name)
    group = Group(wary, name)
    former = coordinator_of(wary, name)
    routers = {node.id: Router(node, source=TRUSTED) for node in wary.nodes}
    before = {node_id: Client(router) for node_id, router in routers.items()}
    group.connection = before[former.id]
    member, generation = group.settle(session_ms=30_000)
    assert group.commit(topic, 5, member, generation) == NONE
    former.kill9()
    try:
        node = coordinator_of(wary, name)
        group.connection = before[node.id]
        assert group.beat(member, generation) == NONE, "which does no harm"
        for _ in range(2):
            assert refusal(lambda: group.commit(topic, 6, member, generation)) == INVALID_REQUEST
        group.connection = Client(routers[node.id])
        assert group.commit(topic, 7, member, generation) == NONE
        group.connection = before[node.id]
        assert refusal(lambda: group.commit(topic, 6, member, generation)) == INVALID_REQUEST
        assert group.committed(topic) == (NONE, [(NONE, 7, "")])
    finally:
        wary.start_ended()


# ---- what is wrong -----------------------------------------------------------------------------
def test_what_is_wrong_with_one_client_harms_no_other_on_the_connection(target):
    with Router(target.node) as router:
        bad, good = Client(router, "10.9.9.9"), Client(router)
        sound = wire.header(wire.METADATA, 1) + wire.metadata(target.topic)
        wrong = [(wire.header(99, 0), UNSUPPORTED_VERSION),
                 (wire.header(wire.METADATA, 99) + b"\x00", UNSUPPORTED_VERSION),
                 (wire.header(wire.METADATA, 1) + wire.int32(2**31 - 1), INVALID_REQUEST),
                 (sound[:-1], INVALID_REQUEST), (b"", INVALID_REQUEST), (b"\x00", INVALID_REQUEST)]
        for content, error_code in wrong:
            assert bad.send(wire.frame(content)) and good.send(wire.frame(sound))
            assert refusal(router.told) == error_code, content
            assert router.told() is not None
        in_another = [(b"\x01\x02\x03", {}), (b"", {}), (bytes(4), {"number": 0})]
        for address, others in in_another:
            assert router.pass_on(sound, address, **{"number": 1, **others})
            assert refusal(router.told) == INVALID_REQUEST
        assert router.pass_on(wire.header(ENVELOPE, 0) + b"\x00", good.address, 1)
        assert refusal(router.told) == INVALID_REQUEST, "an envelope in an envelope"
        assert good.ask(wire.METADATA, 1, wire.metadata(target.topic)) is not None


def test_spoilt_requests_in_envelopes_harm_nobody(target):
    dice = random.Random(58)
    with Router(target.node) as router, target.connect() as direct:
        for _, api, version, message in wire.requests_of(target.topic):
            for _ in range(20):
                if api in (wire.JOIN_GROUP, wire.FETCH):
                    continue  # they may say that they wait for long
                content = bytearray(wire.header(api, version) + message)
                for _ in range(dice.randint(1, 3)):
                    content[dice.randrange(4, len(content))] = dice.randrange(256)
                assert router.pass_on(bytes(content), b"\x0a\x01\x02\x03", 1)
                try:
                    router.told()
                except Refused as refused:
                    assert refused.error_code in (UNSUPPORTED_VERSION, INVALID_REQUEST)
        assert direct.ask(wire.METADATA, 1, wire.metadata(target.topic)) is not None
