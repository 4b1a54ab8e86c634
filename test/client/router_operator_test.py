"""What an operator has of trilog-router: its admin port, settings changed while it runs, several in a
site."""

import signal
import socket

import pytest
from confluent_kafka import KafkaError, TopicPartition

import wire
from admin_port import ask, post
from cluster import wait_until
from message import Connection
from metric_text import read_metrics
from records import Sender, consumer, read_topic
from routers import SiteRouters, events, seen_brokers, state, wait_ready
from topics import create_topic

pytestmark = [pytest.mark.trilog_only, pytest.mark.direct_only]


@pytest.fixture(scope="module")
def site():
    with SiteRouters("routers").while_used() as running:
        yield running


@pytest.fixture
def router(site):
    """The first; its settings are as they were when the test ends."""
    one = site.routers[0]
    yield one
    site.configure_router(one, {})
    reload(one)


def metrics(router):
    answer = ask(router.admin, "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read_metrics(answer.body.decode())


def reload(router):
    assert post(router.admin, "/v1/router/reload", {}).status == 200
    wait_until(lambda: state(router)["settings"]["in_force"], 30, "all shards have them")


def ask_versions(connection):
    return connection.call("ApiVersions", 0)["error_code"]


# ---- the admin port ----

def test_a_router_tells_whether_it_lives_and_is_ready(router):
    assert ask(router.admin, "/livez").json == {"alive": True, "reasons": []}
    assert ask(router.admin, "/readyz").json == {"ready": True, "reasons": []}
    assert ask(router.admin, "/readyz", "HEAD").status == 200


def test_it_tells_who_it_is_and_which_nodes_it_knows(router, site):
    wait_until(lambda: len(state(router)["nodes"]) == 3, 30, "all nodes are known")
    seen = state(router)
    assert (seen["router_id"], seen["site"], seen["environment"]) == (router.id, "a", "production")
    assert {n["address"] for n in seen["nodes"]} == {n.address for n in site.nodes}
    assert all(n["up"] for n in seen["nodes"])


def test_it_tells_what_the_cluster_has_agreed_on_its_sites(router):
    def told():
        verdict = state(router)["verdict"]
        return verdict and {s["site"]: s["health"] for s in verdict["sites"]}
    assert wait_until(told, 60, "a verdict is agreed and told").keys() == {"a", "b", "c"}


def test_what_goes_through_it_is_counted(router, site, name):
    topic = create_topic(site, name)
    before = metrics(router)["trilog_router_request_bytes_total"].value()
    with wire.Connection(router) as c:
        for _ in range(10):
            c.ask(wire.PRODUCE, 3, wire.produce(topic, wire.batch([wire.record(b"x" * 1000)])))
        def is_counted():
            seen = metrics(router)
            return (seen["trilog_router_requests_total"].value(api="Produce") >= 10 and
                    seen["trilog_router_connections"].value() >= 1)
        wait_until(is_counted, 30, "the board is written")
    seen = metrics(router)
    assert seen["trilog_router_request_bytes_total"].value() > before + 10_000
    assert {"client_ended", "unknown_fate"} <= seen["trilog_router_errors_total"].labels("kind")
    assert len(seen["trilog_router_node_up"].samples) == 3


def test_its_port_refuses_what_the_nodes_port_refuses(router):
    assert ask(router.admin, "/nowhere").error == "no_such_path"
    assert ask(router.admin, "/v1/router", "POST", {}).error == "wrong_method"
    assert ask(router.admin, "/v1/router/reload").error == "wrong_method"
    assert ask(router.admin, "/v1/router", headers={"Host": "evil.example"}).error == "foreign_host"
    assert post(router.admin, "/v1/router/reload", {"file": "x"}).error == "unknown_field"


# ---- settings ----

def test_settings_change_while_a_connection_stays(router, site):
    with Connection(router) as c:
        assert ask_versions(c) == 0
        before = state(router)["settings"]["number"]
        site.configure_router(router, {"environment": "changed", "hold_ms_max": "7 s"})
        assert post(router.admin, "/v1/router/reload", {}).json == {"number": before + 1}
        assert state(router)["environment"] == "changed"
        wait_until(lambda: state(router)["settings"]["in_force"], 30, "all shards have them")
        assert ask_versions(c) == 0


API_VERSIONS_0 = b"\0\0\0\x0a\0\x12\0\0\0\0\0\x01\xff\xff"


def is_served(router, connections):
    """One more connection from an address of its own; it stays open when it is served."""
    host, port = router.address.rsplit(":", 1)
    c = socket.create_connection((host, int(port)), 30, source_address=("127.0.0.9", 0))
    try:
        c.sendall(API_VERSIONS_0)
        was_answered = c.recv(1) != b""
    except ConnectionError:
        was_answered = False
    if was_answered:
        connections.append(c)
    else:
        c.close()
    return was_answered


def test_one_address_has_so_many_connections_and_no_more(router, site):
    limit, connections = 5, []  # the other router's are from another address
    site.configure_router(router, {"max.connections.per.ip": limit})
    reload(router)
    before = metrics(router)["trilog_router_errors_total"].value(kind="client_limit")
    try:
        assert [is_served(router, connections) for _ in range(limit + 1)] == [True] * limit + [False]
        wait_until(lambda: metrics(router)["trilog_router_errors_total"].value(kind="client_limit")
                   > before, 30, "it is counted")
        assert any("address=::ffff:127.0.0.9" in line for line in events(router, "client_limit"))
        connections.pop().close()
        wait_until(lambda: is_served(router, connections), 30, "another one's place is free")
    finally:
        for c in connections:
            c.close()


def test_a_signal_reads_the_settings_again(router, site):
    before = state(router)["settings"]["number"]
    site.configure_router(router, {"environment": "by-signal"})
    router.process.send_signal(signal.SIGHUP)
    wait_until(lambda: state(router)["settings"]["number"] == before + 1, 30, "the signal is heeded")
    assert state(router)["environment"] == "by-signal"


# All that may change, each to something else that lets these clients work; but for `advertised`, which
# sends them elsewhere.
CHANGES = (
    {"environment": "changed", "environments": '[{environment: test, client_ids: "test-*"}]'},
    {"allow": '[{client_ids: "*", topics: "*", groups: "*", admin: true}]'},
    {"backlog_limits": "[{topic: nothing, group: none, records: 1}]", "backlog_check_ms": "200 ms"},
    {"site_networks": '[{site: a, addresses: "127.0.0.0/8"}]'},
    {"max.connections": 500, "max.connections.per.ip": 400},
    {"socket.request.max.bytes": "1 MiB", "requests_in_flight_max": 1, "memory_bytes_max": "8 MiB"},
    {"pipes_per_node": 1, "lanes_per_node_max": 2, "group_lanes_per_node_max": 2},
    {"pipes_per_node": 8, "metadata_refresh_ms": "100 ms", "node_silent_ms": "3 s"},
    {"hold_ms_max": "7 s", "drain_ms_max": "3 s", "event_level": "debug"},
    {})


def test_each_setting_changes_under_clients_at_work_and_none_of_them_is_told_of_an_error(router, site, name):
    topic = create_topic(site, name, 4)
    troubles, got, count = [], [], 0
    sender = Sender(site, topic, error_cb=troubles.append)
    reader = consumer(site, name, error_cb=troubles.append)
    reader.subscribe([topic])
    def work(more):
        nonlocal count
        wanted = len(got) + more
        def is_done():
            nonlocal count
            sender.send(b"%d" % count, partition=count % 4)
            count += 1
            message = reader.poll(0.002)
            if message is not None:
                assert message.error() is None
                got.append((message.partition(), message.value()))
            return len(got) >= wanted
        wait_until(is_done, 60, "records come through", 0)
    work(100)
    for i, changes in enumerate(CHANGES):
        before = state(router)["settings"]["number"]
        site.configure_router(router, changes)
        if i % 2 == 0:
            router.process.send_signal(signal.SIGHUP)
        else:
            assert post(router.admin, "/v1/router/reload", {}).status == 200
        work(50)
        wait_until(lambda n=before: state(router)["settings"]["number"] > n and
                   state(router)["settings"]["in_force"], 30, "all shards have them")
        work(50)
        assert not troubles and not sender.errors, changes
    sender.finish()
    work_left = {p: [b"%d" % i for i in range(p, count, 4)] for p in range(4)}
    def is_all_read():
        message = reader.poll(0.2)
        if message is not None and message.error() is None:
            got.append((message.partition(), message.value()))
        return len(got) >= count
    wait_until(is_all_read, 60, "all is read", 0)
    reader.close()
    assert {p: [value for at, value in got if at == p] for p in range(4)} == work_left
    assert not troubles


@pytest.mark.parametrize("wrong, status, words", [
    ({"hold_ms_max": "1 year"}, 400, "hold_ms_max"),
    ({"shards": "17"}, 409, "shards can't change while the router runs")])
def test_wrong_settings_change_nothing_and_are_told(router, site, wrong, status, words):
    before = state(router)
    told = len(events(router, "settings_refused"))
    site.configure_router(router, {"environment": "half", **wrong})
    answer = post(router.admin, "/v1/router/reload", {})
    assert answer.status == status
    assert words in answer.json["message"]
    after = state(router)
    assert (after["settings"], after["environment"]) == (before["settings"], before["environment"])
    assert len(events(router, "settings_refused")) == told + 1
    assert words in events(router, "settings_refused")[-1]
    wait_ready(router)


# ---- several routers ----

def leaders(router, topic):
    """Of each partition, as this router tells it."""
    with Connection(router) as c:
        told = c.call("Metadata", 4, topics=[{"name": topic}], allow_auto_topic_creation=False)
    return {p["partition_index"]: p["leader_id"] for p in told["topics"][0]["partitions"]}


def wait_shown(site, routers):
    ids = {r.id for r in routers}
    for one in routers:
        wait_until(lambda r=one: seen_brokers(r) == ids, 30, f"{one.id} shows {ids}")


def test_clients_are_told_of_all_routers_of_the_site_by_each_of_them_alike(site, name):
    wait_shown(site, site.routers)
    topic = create_topic(site, name, 24)
    told = [leaders(router, topic) for router in site.routers]
    assert told[0] == told[1]
    assert set(told[0].values()) == {r.id for r in site.routers}


def test_when_a_router_is_killed_its_clients_go_on_at_another(site, name):
    wait_shown(site, site.routers)
    topic = create_topic(site, name, 4)
    stays, dies = site.routers
    sender = Sender(site, topic)
    for i in range(2000):
        sender.send(b"%d" % i, partition=i % 4)
        if i == 1000:
            dies.kill9()
        sender.producer.poll(0.001)
    assert sender.producer.flush(60) == 0
    assert not sender.errors
    wait_shown(site, [stays])
    values = {p: [m.value() for m in read] for p, read in read_topic(site, topic, 4).items()}
    assert values == {p: [b"%d" % i for i in range(2000) if i % 4 == p] for p in range(4)}
    dies.start()
    wait_ready(dies)
    wait_shown(site, site.routers)


def test_when_a_router_is_told_to_end_its_clients_see_no_error_and_go_on_at_another(site, name):
    wait_shown(site, site.routers)
    topic = create_topic(site, name, 4)
    stays, ends = site.routers
    troubles, got = [], {p: [] for p in range(4)}
    sender = Sender(site, topic, error_cb=troubles.append)
    reader = consumer(site, name, error_cb=troubles.append)
    reader.subscribe([topic])
    def read(timeout_s):
        message = reader.poll(timeout_s)
        if message is not None:
            assert message.error() is None
            got[message.partition()].append(message.value())
    for i in range(2000):
        sender.send(b"%d" % i, partition=i % 4)
        if i == 1000:
            ends.process.send_signal(signal.SIGTERM)
        sender.producer.poll(0)
        read(0.001)
    assert ends.process.wait(30) == 0
    assert "is_complete=1" in events(ends, "drained")[-1]
    assert sender.producer.flush(60) == 0
    wanted = {p: [b"%d" % i for i in range(2000) if i % 4 == p] for p in range(4)}
    wait_until(lambda: read(0.2) or sum(map(len, got.values())) >= 2000, 60, "all is read", 0)
    reader.close()
    assert not sender.errors and got == wanted
    assert not [e for e in troubles if e.code() not in (KafkaError._TRANSPORT,)]
    wait_shown(site, [stays])
    ends.start()
    wait_ready(ends)
    wait_shown(site, site.routers)


# ---- who may do what ----

def test_a_client_of_another_environment_is_refused_with_the_reason_in_an_event(site, name):
    topic = create_topic(site, name)
    try:
        for router in site.routers:
            site.configure_router(router, {
                "environments": '[{environment: test, client_ids: "test-*"}]'})
            reload(router)
        stranger = Sender(site, topic, client_id="test-runner", enable_idempotence=False,
                          message_timeout_ms=20_000)
        stranger.send(b"never")
        stranger.producer.flush(60)
        assert [e.code() for e in stranger.errors] == [KafkaError.TOPIC_AUTHORIZATION_FAILED]
        own = Sender(site, topic)
        own.send(b"taken")
        assert own.producer.flush(60) == 0
        assert [m.value() for m in read_topic(site, topic)[0]] == [b"taken"]
        told = [line for router in site.routers for line in events(router, "client_not_allowed")]
        assert told and "test-runner" in told[-1] and "of the environment test" in told[-1]
        def is_counted():
            return sum(metrics(router)["trilog_router_errors_total"].value(kind="not_allowed")
                       for router in site.routers) > 0
        wait_until(is_counted, 30, "it is counted")
    finally:
        for router in site.routers:
            site.configure_router(router, {})
            reload(router)


# ---- backlogs ----

def commit(site, topic, group, offset):
    reader = consumer(site, group)
    try:
        reader.commit(offsets=[TopicPartition(topic, 0, offset)], asynchronous=False)
    finally:
        reader.close()


def produced_error(router, topic):
    with wire.Connection(router) as c:
        error, _ = wire.produced(c.ask(wire.PRODUCE, 3, wire.produce(topic, wire.batch())))
    return error


@pytest.mark.parametrize(("limit", "answer", "error"), [
    ("records: 100", "throttle", KafkaError.THROTTLING_QUOTA_EXCEEDED),
    ("ms: 100 ms", "refuse", KafkaError.POLICY_VIOLATION)])
def test_a_topic_whose_consumers_are_too_far_behind_takes_no_records_until_they_came_down(
        router, site, name, limit, answer, error):
    topic = create_topic(site, name)
    sender = Sender(site, topic)
    for i in range(200):
        sender.send(b"%d" % i)
    assert sender.producer.flush(60) == 0
    commit(site, topic, name, 0)
    site.configure_router(router, {
        "backlog_limits": f"[{{topic: {topic}, group: {name}, {limit}, answer: {answer}}}]",
        "backlog_check_ms": "200 ms"})
    reload(router)

    def is_open(wanted):
        return [b["open"] for b in state(router)["backlogs"]] == [wanted]
    wait_until(lambda: is_open(True), 60, "the backlog is found too large")
    assert state(router)["backlogs"][0]["records"] == 200
    wait_until(lambda: produced_error(router, topic) == error, 30, "all shards know it")
    assert metrics(router)["trilog_router_backlog_open"].value(topic=topic, group=name) == 1
    commit(site, topic, name, 200)
    wait_until(lambda: is_open(False), 60, "the group has come down")
    wait_until(lambda: produced_error(router, topic) == 0, 30, "records are taken again")
    assert events(router, "backlog_open") and events(router, "backlog_closed")


# ---- what it reports ----

def reports(port, family):
    """What became of them: a router's or a node's counts."""
    counts = read_metrics(ask(port, "/metrics").body.decode())[family]
    return {outcome: counts.value(outcome=outcome) for outcome in counts.labels("outcome")}


def test_a_site_that_answers_a_router_nothing_is_reported_to_the_nodes(router, site):
    """Last: what is left comes back when it was quiet for half a minute."""
    def told():
        return reports(router.admin, "trilog_router_site_reports_total")["taken"]

    def heard():
        return sum(reports(n.admin, "trilog_site_reports_total")["taken"] for n in site.nodes[:2])
    told_before, heard_before = told(), heard()
    site.nodes[2].pause()
    try:
        wait_until(lambda: told() >= told_before + 3, 60, "the router's reports are taken", 0.1)
        assert heard() >= heard_before + 3
    finally:
        site.nodes[2].resume()
    wait_until(lambda: all(n["up"] for n in state(router)["nodes"]), 60, "all nodes answer", 0.1)
