"""The home site of asynchronous topics is gone for good, and the two other sites live: group 0, the
offsets and all synchronous topics go on, and `trilog recover` makes another site the home.

What was printed before is compared with what is lost; synchronous topics lose nothing; the old home
returns with what it had, and takes no part before it has been built anew."""

import time

import pytest
from confluent_kafka import TopicPartition

import cluster as clusters
import records
from admin_port import ask, trilog
from old_client import OldClient
from recovery_test import PARTITIONS, STRIDE, Load, by_place, lost_tail, values_of
from topics import create_topic

pytestmark = pytest.mark.trilog_only


@pytest.fixture
def three(request):
    """A cluster for one test, whatever becomes of its nodes; may be given settings."""
    running = clusters.OwnCluster("recovery-home", getattr(request, "param", {}))
    try:
        running.start()
        yield running
    finally:
        running.stop()


def replicas(node):
    """Of all raft groups that the node has: (how they are replicated, home site, generation)."""
    groups = ask(node.admin, "/v1/groups").json["groups"]
    return {g["group_id"]: (g["replication"], g["home_site"], g["replica"]["generation"])
            for g in groups if g.get("replica")}


def recoverable(node, survivor, beyond=0):
    """The plan, once the lost nodes are known to be silent, and so many offsets lie beyond."""
    def look():
        try:
            plan = ask(node.admin, f"/v1/recover?survivor={survivor}").json
        except OSError:
            return None  # it is starting
        is_whole = plan.get("may_begin") and plan["consumer_offsets_beyond_count"] == beyond
        return plan if is_whole else None
    return clusters.wait_until(look, 30, "the lost nodes are silent", 0.2)


def recover(node, survivor, plan):
    began = time.monotonic()
    done = trilog("recover", "--survivor", survivor, "-a", node.admin, "--lost",
                  plan["total"]["known_lost_records"], "--sites-off", "--wait", 60, timeout_s=90)
    print(done.stderr, done.stdout)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def commit_ends(cluster, topic, group):
    """The group has read all that there is now."""
    reader = records.consumer(cluster, group)
    places = [TopicPartition(topic, p, records.watermarks(cluster, topic, p)[1])
              for p in range(PARTITIONS)]
    assert all(p.error is None for p in reader.commit(offsets=places, asynchronous=False))
    reader.close()
    return {p.partition: p.offset for p in places}


def goes_on(load, count=300):
    before = len(load.acknowledged)
    clusters.wait_until(lambda: len(load.acknowledged) > before + count, 60, "a producer goes on")


def lost_of(load, kept):
    """What was acknowledged and is not there."""
    there = {(p, offset): value for p, rows in kept.items() for offset, value in rows}
    return [row for row in load.acknowledged if there.get((row[1], row[2])) != row[3]]


def longest_gap_ms(load, since_ms):
    times = [row[0] for row in load.acknowledged if row[0] >= since_ms]
    return max((b - a for a, b in zip(times, times[1:])), default=0)


def check_order(kept):
    for rows in kept.values():
        offsets = [offset for offset, _ in rows]
        numbers = [int(value) for _, value in rows]
        assert offsets == sorted(set(offsets))
        assert numbers == sorted(set(numbers)), "each once, and in the order of its producer"
        assert any(offset >= STRIDE for offset in offsets), "what is new lies behind the stride"


def first_behind(cluster, topic, group, partition):
    """What a member whose committed offset lies beyond what survived gets first."""
    reader = records.consumer(cluster, group, auto_offset_reset="earliest")
    reader.subscribe([topic])
    found = {}
    while partition not in found:
        for message in records.read_count(reader, 1):
            found.setdefault(message.partition(), message.offset())
    reader.close()
    return found[partition]


def level_until_ms(node):
    """By group of asynchronous topics: up to when, by its leader's clock, the node has all of it."""
    kinds = replicas(node)
    return {g["group_id"]: (g["heard"] or {}).get("level_until_ms")
            for g in ask(node.admin, "/v1/lag").json["groups"]
            if kinds.get(g["group_id"], ("",))[0] == "async"}


def wait_time_kept(node):
    """The node knows such a time of each group, also when it starts anew: it is kept once a second."""
    def known():
        times = level_until_ms(node)
        return times if times and all(times.values()) else None
    first = clusters.wait_until(known, 60, "it had all at some time")
    def is_kept():
        now = known()
        return now and all(now[group_id] > ms + 1000 for group_id, ms in first.items())
    clusters.wait_until(is_kept, 60, "and a second later")


def lose_home(cluster, load, topic):
    """Site b is away for a moment, and when it is back, a is gone: b lacks the end."""
    wait_time_kept(cluster.node(2))
    cluster.node(2).kill9()
    goes_on(load)
    ends = commit_ends(cluster, topic, "late")
    goes_on(load, 10)
    cluster.node(1).kill9()
    cluster.node(2).start()
    return ends


def test_another_site_becomes_the_home_of_asynchronous_topics(three):
    topic = create_topic(three, "orders", PARTITIONS, trilog_replication="async",
                         trilog_home_site="a")
    safe = create_topic(three, "safe", PARTITIONS)
    load, safe_load = Load(three, topic), Load(three, safe)
    clusters.wait_until(lambda: len(load.acknowledged) > 1000, 60, "some load")
    ends = lose_home(three, load, topic)
    goes_on(safe_load)
    plan = recoverable(three.node(2), "b", PARTITIONS)
    kinds = replicas(three.node(2))
    assert {kinds[row["group_id"]][:2] for row in plan["groups"]} == {("async", "a")}
    assert [(n["node_id"], n["site"]) for n in plan["lost_nodes"]] == [(1, "a")]
    assert [row["topic"] for row in plan["topics"]] == [topic]
    assert plan["ordered_by"] == "group_0"
    beyond = {row["partition"]: row for row in plan["consumer_offsets_beyond"]}
    assert {p: row["committed"] for p, row in beyond.items()} == ends
    assert all(row["survives"] < row["committed"] for row in beyond.values())
    recovered_ms = time.time() * 1000
    took = recover(three.node(2), "b", plan)
    goes_on(load)
    goes_on(safe_load)
    load.stop()
    safe_load.stop()
    kept = values_of(three, topic)
    lost, total = lost_of(load, kept), plan["total"]
    print(f"recovered in {took:.1f} s, known lost {total['known_lost_records']}, measured "
          f"{len(lost)} of {len(load.acknowledged)}; the synchronous topic was without an "
          f"acknowledgement for {longest_gap_ms(safe_load, recovered_ms):.0f} ms at most")
    assert total["known_lost_records"] <= len(lost)
    assert all(row[0] >= total["possibly_lost_since_ms"] for row in lost)
    assert lost_of(safe_load, values_of(three, safe)) == [], "synchronous topics lose nothing"
    check_order(kept)
    first_new = min(offset for offset, _ in kept[0] if offset >= STRIDE)
    assert first_behind(three, topic, "late", 0) == first_new
    check_return(three, topic, kept)


@pytest.fixture
def four():
    """Two nodes in site a, so that one of them may be lost and the other heard."""
    running = clusters.OwnCluster("recovery-word")
    running.new_node(4, "a")
    running.founders = tuple(running.nodes)
    running.configure({})
    try:
        for node in running.nodes:
            node.start()
        running.wait_healthy(4)
        yield running
    finally:
        running.stop()


def test_while_a_voter_of_the_lost_site_is_heard_it_is_refused(four):
    topic = create_topic(four, "orders", PARTITIONS, trilog_replication="async",
                         trilog_home_site="a")
    load, asked = Load(four, topic), four.node(2).admin
    clusters.wait_until(lambda: len(load.acknowledged) > 500, 60, "some load")
    four.node(1).kill9()  # one of its two votes: nothing is acknowledged, and nothing is lost
    def look():
        plan = ask(asked, "/v1/recover?survivor=b").json
        return plan if plan["groups"] else None
    plan = clusters.wait_until(look, 30, "there is no majority", 0.1)
    assert (plan["may_begin"], plan["refusal"]) == (False, "not_silent")
    assert {n["node_id"]: n["is_silent"] for n in plan["lost_nodes"]} == {1: True, 4: False}
    done = trilog("recover", "--survivor", "b", "-a", asked, "--plan")
    assert done.returncode == 1 and "node 4 is heard" in done.stderr
    done = trilog("recover", "--survivor", "b", "-a", asked, "--lost",
                  plan["total"]["known_lost_records"], "--sites-off")
    assert done.returncode == 1 and "node 4 is heard" in done.stderr, "whatever the operator says"
    answer = ask(asked, "/v1/recover/begin", "POST", {
        "survivor": "b", "known_lost_records": plan["total"]["known_lost_records"],
        "lost_sites_are_off": True})
    assert (answer.status, answer.error) == (409, "not_silent")
    four.node(1).start()
    goes_on(load)
    load.stop()
    assert lost_of(load, values_of(four, topic)) == [], "it came back, and nothing was lost"
    assert {row[2] for row in replicas(four.node(2)).values()} == {0}, "nothing was begun"


def are_checkpointed(node):
    """All that each of its replicas has applied stands in segments and manifests."""
    rows = [g["replica"] for g in ask(node.admin, "/v1/groups").json["groups"] if g.get("replica")]
    return all(row["checkpoint_index"] == row["applied_index"] for row in rows)


@pytest.mark.parametrize("three", [{"checkpoint_interval_ms": "100 ms"}], indirect=True)
def test_a_home_that_starts_alone_acknowledges_nothing_before_it_has_heard_the_cluster(three):
    """Another site may have become the home meanwhile, and it would not know."""
    topic = create_topic(three, "orders", PARTITIONS, trilog_replication="async",
                         trilog_home_site="a")
    before = records.send_all(three, topic, [b"%d" % i for i in range(30)])
    clusters.wait_until(lambda: are_checkpointed(three.node(1)), 30, "it knows of the topic alone")
    for node in three.nodes:
        node.kill9()
    old_client = OldClient(three.node(1), topic, PARTITIONS, timeout_ms=1000)
    three.node(1).start()
    clusters.wait_until(lambda: sum(old_client.answers.values()) > PARTITIONS, 60, "it is answered")
    assert old_client.stop() == [], "no success, whatever its answers"
    for node in three.nodes[1:]:
        node.start()
    after = records.send_all(three, topic, [b"%d" % i for i in range(30, 60)])
    there = by_place(values_of(three, topic))
    assert there == {(p, offset): value for p, offset, _, value in before + after}


@pytest.mark.parametrize("three", [{"checkpoint_interval_ms": "1 h"}], indirect=True)
def test_a_survivor_that_began_anew_names_who_committed_in_what_no_checkpoint_of_it_has(three):
    topic = create_topic(three, "young", PARTITIONS, trilog_replication="async",
                         trilog_home_site="a")
    load = Load(three, topic)
    clusters.wait_until(lambda: len(load.acknowledged) > 1000, 60, "some load")
    ends = lose_home(three, load, topic)
    plan = recoverable(three.node(2), "b", PARTITIONS)
    beyond = {row["partition"]: row for row in plan["consumer_offsets_beyond"]}
    assert {p: (row["committed"], row["survives"]) for p, row in beyond.items()} == {
        p: (end, 0) for p, end in ends.items()}
    recover(three.node(2), "b", plan)
    goes_on(load)
    load.stop()
    kept = values_of(three, topic)
    assert all(row[0] >= plan["total"]["possibly_lost_since_ms"] for row in lost_of(load, kept))
    assert any(offset < STRIDE for rows in kept.values() for offset, _ in rows), \
        "what was not applied is kept all the same"


def check_return(cluster, topic, kept):
    """With all that it had, of which a part is in no other place."""
    history = ask(cluster.node(2).admin, "/v1/switch").json["history"]
    assert [(row["from"], row["to"]) for row in history if row["cause"] == "recovery"] == [
        ("a", "b")]
    cluster.node(1).start()
    def is_whole():
        try:
            kinds = [row for node in cluster.nodes for row in replicas(node).values()]
            nodes = ask(cluster.node(2).admin, "/v1/nodes").json["nodes"]
            return kinds.count(("async", "b", 1)) == 3 and \
                all(row[2] == 0 for row in kinds if row[0] == "sync") and \
                all(n["is_alive"] and n["groups_level"] == n["groups_wanted"] for n in nodes)
        except (OSError, KeyError, AttributeError):
            return False
    clusters.wait_until(is_whole, 90, "the old home follows the new one", 0.3)
    assert values_of(cluster, topic) == kept, "one history, also after its return"
    assert lost_tail(cluster.node(1)), "what it had is kept where it was"
    send_it_home(cluster, topic, kept)


def send_it_home(cluster, topic, kept):
    """By the way that any topic is sent home."""
    done = trilog("topic", "config", topic, "trilog.home.site=a", "--yes", "-a",
                  cluster.node(2).admin)
    assert done.returncode == 0, done.stderr
    clusters.wait_until(lambda: {p.leader for p in cluster.partitions(topic).values()} == {1}, 60,
                        "it is led in a again")
    new = records.send_all(cluster, topic, [b"%d" % (10 ** 9 + i) for i in range(90)])
    after = values_of(cluster, topic)
    there = {(p, offset): value for p, rows in after.items() for offset, value in rows}
    assert all(there[(p, offset)] == value for p, offset, _, value in new)
    assert all(after[p][:len(rows)] == rows for p, rows in kept.items())
