"""Which sites are to be used, as real processes agree on it: told to anyone who asks by Kafka's own
protocol, and heard of from anyone who tries."""

import json
import struct
import time

import pytest

from admin_port import ask, post, ready_cluster, trilog
from cluster import OwnCluster, wait_until
from envelope import Client, Router
from fault_test import PARTITIONS, Load, finish
from message import Connection
from topics import create_topic

BROKER, SET = 4, 0
VERDICT, REPORT = "trilog.site.verdict", "trilog.site.report"
CLUSTER = "trilog.cluster.id"
UNKNOWN_TOPIC, INVALID_CONFIG, INVALID_REQUEST, THROTTLED = 3, 40, 42, 89
HEALTH, DRAIN = ("whole", "cut", "left"), ("in", "drained", "ending")
STAGES = ("none", "connect", "answer", "produce", "commit", "fetch")
CANARY = {"site_canary_ms": "500 ms"}
BOUND_S = 60  # on what is awaited; how long it took is printed

pytestmark = [pytest.mark.trilog_only, pytest.mark.direct_only]


@pytest.fixture(scope="module")
def own():
    """Without the canary: what nodes find by it, nobody outvotes."""
    yield from ready_cluster("site")


# ---- the verdict, as docs/verdict_format.md has it -----------------------------------------------
def decode(data):
    """epoch, failover epoch, and of each site health, drain, and the stage that failed."""
    version, flags, epoch, failover_epoch, count = struct.unpack_from("<HHQQH", data)
    assert (version, flags & ~1) == (1, 0)  # bit 0: calm
    at, sites = 22, {}
    for _ in range(count):
        health, drain, _, stage, _, zero, weight, size = struct.unpack_from("<6BHH", data, at)
        name = data[at + 10:at + 10 + size].decode()
        assert zero == 0 and weight > 0
        sites[name] = (HEALTH[health], DRAIN[drain], STAGES[stage])
        at += 10 + size
    assert at == len(data)
    return epoch, failover_epoch, sites


def described(node, resource_name, keys):
    with Connection(node) as c:
        return c.call("DescribeConfigs", 4, resources=[
            {"resource_type": BROKER, "resource_name": resource_name, "configuration_keys": keys},
        ])["resources"][0]


def verdict(node, resource_name=None):
    """None while the node knows of none."""
    answer = described(node, resource_name or str(node.id), [VERDICT])
    assert answer["error_code"] == 0
    entry, = answer["configs"]
    assert entry["name"] == VERDICT and entry["read_only"]
    return decode(bytes.fromhex(entry["value"])) if entry["value"] else None


def wait_verdict(nodes, is_it, what):
    def told():
        told_by = [verdict(node) for node in nodes]
        return told_by[0] if all(v is not None and is_it(v) for v in told_by) else None
    return wait_until(told, BOUND_S, what, 0.05)


@pytest.fixture(scope="module")
def tried():
    """With the canary, as whoever says nothing of it has it."""
    yield from ready_cluster("site-canary", CANARY)


def stand(cluster, site, health):
    """Seconds until all nodes that run tell so, and what else they tell of it."""
    begin = time.monotonic()
    nodes = [node for node in cluster.nodes if node.site != site]
    agreed = wait_verdict(nodes, lambda v: v[2][site][0] == health, f"site {site} is {health}")
    return time.monotonic() - begin, agreed[2][site]


def report_on(connection, text, resource_name="1", name=REPORT):
    answer, = connection.call("IncrementalAlterConfigs", 1, resources=[
        {"resource_type": BROKER, "resource_name": resource_name, "configs": [
            {"name": name, "config_operation": SET, "value": text}]}])["resources"]
    return answer["error_code"], answer["error_message"]


def report(node, text, resource_name="1", name=REPORT):
    with Connection(node) as c:
        return report_on(c, text, resource_name, name)


def report_as_router(node, router_id, text):
    """What a router says for itself, which no client of it can."""
    with Router(node, router_id) as connection:
        own = Client(connection)
        own.number = 1
        return report_on(own, text)


# ---- told ----------------------------------------------------------------------------------------
def test_every_node_tells_the_same_verdict_whichever_broker_is_named(own):
    _, _, sites = wait_verdict(own.nodes, lambda v: len(v[2]) == 3, "a first verdict")
    assert sites == {site: ("whole", "in", "none") for site in "abc"}
    told = {verdict(node, str(other.id))[0] for node in own.nodes for other in own.nodes}
    assert len(told) == 1
    listed = described(own.nodes[0], "1", None)["configs"]
    assert VERDICT in {entry["name"] for entry in listed}, "among its own settings"
    assert described(own.nodes[0], "2", [VERDICT, "site"])["error_code"] == INVALID_REQUEST


def test_and_whose_it_is_in_one_question(own):
    with Connection(own.nodes[0]) as c:
        cluster_id = c.call("DescribeCluster", 0)["cluster_id"]
        told = c.call("DescribeConfigs", 4, resources=[
            {"resource_type": BROKER, "resource_name": "2", "configuration_keys": [key]}
            for key in (VERDICT, CLUSTER)])["resources"]
    assert [[entry["name"] for entry in one["configs"]] for one in told] == [[VERDICT], [CLUSTER]]
    assert told[1]["configs"][0]["value"] == cluster_id and len(cluster_id) == 22


def test_reports_are_read_bounded_and_never_stored(own):
    node = own.nodes[0]
    sound = "from=a to=b stage=none age_ms=20; from=a to=c stage=none"
    wait_until(lambda: report(node, sound)[0] == 0, BOUND_S, "it knows the sites", 0.15)
    assert report(node, "from=a to=b stage=none", name="log.retention.ms")[0] == INVALID_REQUEST
    for text in ("", "from=a to=b", "from=a to=x stage=none", "from=a to=b stage=bad",
                 "from=a to=b stage=none age_ms=99999", "from=a to=b stage=none;" * 17):
        error, why = report(node, text)
        assert error == INVALID_CONFIG and why, text
    with Connection(node) as c:
        answers = [c.call("IncrementalAlterConfigs", 1, resources=[
            {"resource_type": BROKER, "resource_name": "1", "configs": [
                {"name": REPORT, "config_operation": SET, "value": "from=b to=c stage=none"}]}]
            )["resources"][0]["error_code"] for _ in range(20)]
    assert answers[0] == 0 and THROTTLED in answers


def test_a_client_has_one_voice_however_many_connections_it_has(own):
    node = own.nodes[0]
    wait_verdict(own.nodes, lambda v: len(v[2]) == 3, "a first verdict")

    def is_counted():
        for _ in range(5):
            report(node, "from=a to=c stage=answer")
        return ways(own, "c", own.nodes[1])["a"]["failing"] > 0
    wait_until(is_counted, BOUND_S, "another node has been told", 0.05)
    for each in own.nodes[:2]:
        way = ways(own, "c", each)["a"]
        assert way["failing"] <= 1 and way["reporters"] <= 2, way


def test_what_most_routers_report_is_agreed_and_taken_back_by_nobody_else(own):
    """Of each site a node has signs of life, and two routers try it."""
    before, _, _ = wait_verdict(own.nodes, lambda v: len(v[2]) == 3, "a first verdict")
    text = "; ".join(f"from={a} to={b} stage={'answer' if b == 'c' else 'none'}"
                     for a in "ab" for b in "abc")

    def is_left():
        for router_id in (71, 72):
            report_as_router(own.nodes[0], router_id, text)
        agreed = verdict(own.nodes[1])
        return agreed if agreed[2]["c"][0] == "left" else None
    epoch, _, sites = wait_until(is_left, BOUND_S, "site c is left", 0.25)
    assert epoch > before
    assert sites == {"a": ("whole", "in", "none"), "b": ("whole", "in", "none"),
                     "c": ("left", "in", "answer")}
    wait_verdict(own.nodes, lambda v: v[2]["c"][0] == "left", "all nodes follow")


# ---- by an operator's word -----------------------------------------------------------------------
def listed(own):
    return {site["site"]: site for site in ask(own.nodes[0].admin, "/v1/sites").json["sites"]}


def run(own, *words):
    return trilog("--admin", own.nodes[0].admin, *words)


def test_a_site_is_drained_under_load_and_no_client_sees_an_error(own):
    """Last: what is drained is in use again only when it was quiet for half a minute."""
    topic = create_topic(own, "drained", PARTITIONS)
    load = Load(own, topic)
    load.topic = topic
    load.wait_progress()
    planned = json.loads(run(own, "site", "drain", "b", "--plan", "-o", "json").stdout)
    assert planned["drained"] and not planned["begun"]
    assert listed(own)["b"]["drain"] == "in", "a plan changes nothing"
    done = run(own, "site", "drain", "b", "--yes", "--wait", "60")
    assert done.returncode == 0, done.stderr
    assert listed(own)["b"]["groups_led"] == 0
    wait_verdict(own.nodes, lambda v: v[2]["b"][1] == "drained", "all nodes follow")
    load.wait_progress()
    finish(own, load)
    told = run(own, "site", "list").stdout
    assert "whole, drained" in told, told
    assert 'trilog_site_drain{of_site="b"' in ask(own.nodes[2].admin, "/metrics").body.decode()
    undone = run(own, "site", "undrain", "b", "--yes")
    assert undone.returncode == 0, undone.stderr
    wait_verdict(own.nodes, lambda v: v[2]["b"][1] == "ending", "all nodes follow")


def test_a_sites_weight_is_in_the_verdict_of_all_nodes(own):
    node = own.nodes[0].admin
    assert post(node, "/v1/sites/weight", {"site": "b", "weight": 0}).error == "invalid_field"
    assert post(node, "/v1/sites/weight", {"site": "x", "weight": 2}).error == "not_found"
    assert run(own, "site", "weight", "b", "101", "--yes").returncode == 2
    planned = json.loads(run(own, "site", "weight", "b", "3", "--plan", "-o", "json").stdout)
    assert not planned["begun"] and listed(own)["b"]["weight"] == 1, "a plan changes nothing"
    done = run(own, "site", "weight", "b", "3", "--yes")
    assert done.returncode == 0, done.stderr
    for each in own.nodes:
        wait_until(lambda: {s["site"]: s["weight"] for s in ask(each.admin, "/v1/sites").json["sites"]}
                   == {"a": 1, "b": 3, "c": 1}, BOUND_S, "all nodes follow", 0.1)


def test_what_is_no_site_or_the_last_one_is_not_drained(own):
    node = own.nodes[0].admin
    assert post(node, "/v1/sites/drain", {"site": "x"}).error == "not_found"
    assert post(node, "/v1/sites/drain", {"site": ""}).error == "invalid_field"
    for site in "ac":
        answer = post(node, "/v1/sites/drain", {"site": site})
    assert answer.error == "not_allowed_now", answer.body
    assert post(node, "/v1/sites/drain", {"site": "a", "drained": False}).error is None


# ---- by the real path ----------------------------------------------------------------------------
def ways(cluster, site, node):
    sites = {s["site"]: s for s in ask(node.admin, "/v1/sites").json["sites"]}
    return {way["from"]: way for way in sites[site].get("ways", ())}


def wait_tried(cluster):
    """Every site finds the way to every other, by records that were produced and fetched."""
    def is_heard():
        return all(way["state"] == "heard" for node in cluster.nodes for site in "abc"
                   for way in ways(cluster, site, node).values()) and produced(cluster) > 0
    wait_until(is_heard, BOUND_S, "all sites hear each other", 0.1)


def produced(cluster):
    topics = ask(cluster.nodes[0].admin, "/v1/topics/describe?topic=__trilog_canary")
    return sum(p["end_offset"] or 0 for p in topics.json.get("partition_list", ()))


def groups_listed(cluster):
    listed = set()
    for node in cluster.nodes:
        with Connection(node) as c:
            listed |= {group["group_id"] for group in c.call("ListGroups", 4)["groups"]}
    return listed


def coordinator_of(cluster, group):
    """The first question makes the topic of offsets."""
    def found():
        with Connection(cluster.nodes[0]) as c:
            answer = c.call("FindCoordinator", 3, key=group, key_type=0)
        return cluster.node(answer["node_id"]) if answer["error_code"] == 0 else None
    return wait_until(found, BOUND_S, "there is a coordinator", 0.1)


def canarys_commits(cluster):
    """What its groups have stored for its topic, all together."""
    total = 0
    for group in (f"__trilog_canary.{node.id}.{i}" for node in cluster.nodes for i in range(32)):
        with Connection(coordinator_of(cluster, group)) as c:
            topics = c.call("OffsetFetch", 7, group_id=group, topics=None)["topics"]
        total += sum(p["committed_offset"] for t in topics for p in t["partitions"])
    return total


def test_the_canary_commits_offsets_once_there_are_groups_and_is_not_listed(tried):
    """The topic of offsets is there from the first group on."""
    wait_tried(tried)
    first = canarys_commits(tried)
    wait_until(lambda: canarys_commits(tried) > first, BOUND_S, "offsets go on", 0.2)
    assert not any(name.startswith("__trilog") for name in groups_listed(tried))
    with Connection(tried.nodes[0]) as c:
        topics = c.call("Metadata", 9, topics=None)["topics"]
    assert "__trilog_canary" not in {topic["name"] for topic in topics}
    listed = ask(tried.nodes[0].admin, "/v1/topics").json["topics"]
    assert "__trilog_canary" not in {topic["topic"] for topic in listed}
    metrics = "".join(ask(node.admin, "/metrics").body.decode() for node in tried.nodes)
    assert "__trilog_canary" not in metrics


def test_nodes_of_one_site_have_nothing_to_choose_between_and_no_canary():
    cluster = OwnCluster("one-site")
    for node in cluster.nodes:
        node.site = "a"
    cluster.configure(CANARY)
    with cluster.while_used():
        wait_verdict(cluster.nodes, lambda v: set(v[2]) == {"a"}, "a verdict on one site")
        create_topic(cluster, "t", 1)
        with Connection(cluster.nodes[0]) as c:
            found, = c.call("Metadata", 9, topics=[{"name": "__trilog_canary"}],
                            allow_auto_topic_creation=False)["topics"]
    assert found["error_code"] == UNKNOWN_TOPIC


def test_the_canary_writes_and_reads_a_few_small_records_and_no_more(tried):
    wait_tried(tried)
    begin, first = time.monotonic(), produced(tried)
    wait_until(lambda: produced(tried) >= first + 20, BOUND_S, "records keep coming", 0.2)
    a_second = (produced(tried) - first) / (time.monotonic() - begin)
    print(f"{a_second:.1f} records a second of 9 pairs of nodes")
    assert a_second < 9 * 5


@pytest.mark.timeout(240)
def test_a_site_that_takes_connections_and_answers_nothing_is_left(tried):
    wait_tried(tried)
    node = tried.nodes[1]
    node.pause()
    try:
        took_s, standing = stand(tried, "b", "left")
    finally:
        node.resume()
    print(f"left after {took_s:.2f} s: {standing}")
    assert standing[2] in ("connect", "answer", "produce", "fetch")
    wait_until(lambda: ways(tried, "b", tried.nodes[0])["a"]["state"] == "heard", BOUND_S,
               "it is heard again; it is used again when it was quiet", 0.1)
