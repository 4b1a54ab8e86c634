"""Two nodes in each site, and a forced recovery: for each raft group the replica of the surviving site
that has most goes on, and another one there is built anew from it. Of asynchronous topics the home
site is lost, or of all topics two sites, each with both of its nodes."""

import pytest

import cluster as clusters
import records
from admin_port import ask, trilog
from kcat_test import kcat
from recovery_home_test import check_order, goes_on, lost_of, replicas
from recovery_test import PARTITIONS, STRIDE, Load, values_of
from topics import create_topic

pytestmark = [pytest.mark.trilog_only, pytest.mark.slow]

SITES = "abcabc"


@pytest.fixture
def six():
    """Nodes 1 and 4 in site a, 2 and 5 in b, 3 and 6 in c."""
    running = clusters.OwnCluster("recovery-pairs", {"raft_groups_per_node": 1, "shards": 1})
    for node_id in (4, 5, 6):
        running.new_node(node_id, SITES[node_id - 1])
    running.founders = tuple(running.nodes)
    running.configure({"raft_groups_per_node": 1, "shards": 1})
    try:
        for node in running.nodes:
            node.start()
        running.wait_healthy(6)
        yield running
    finally:
        running.stop()


def kill(cluster, *node_ids):
    """At once, as the power of their sites."""
    for node_id in node_ids:
        cluster.node(node_id).process.kill()
    for node_id in node_ids:
        cluster.node(node_id).process.wait(clusters.STOP_S)


def recoverable(cluster, survivor, node_ids):
    """The plans of these nodes, once all others are known to be silent."""
    def look():
        try:
            plans = [ask(cluster.node(i).admin, f"/v1/recover?survivor={survivor}").json
                     for i in node_ids]
        except OSError:
            return None  # one is starting
        told = {plan.get("refusal") for plan in plans}
        return plans if told <= {"", "other_survivor"} and plans[0]["groups"] else None
    return clusters.wait_until(look, 60, "the lost nodes are silent", 0.2)


def recover(cluster, survivor, node_ids):
    """Returns which node was to go on with which raft group, by the plans of both."""
    addresses = [word for i in node_ids for word in ("-a", cluster.node(i).admin)]
    plans = recoverable(cluster, survivor, node_ids)
    best = {}
    for plan in plans:
        for row in plan["groups"]:
            place = (row["last_term"], row["last_index"])
            known = best.setdefault(row["group_id"], (place, plan["node_id"], row))
            if place > known[0]:
                best[row["group_id"]] = (place, plan["node_id"], row)
    lost = sum(row["known_lost_records"] for _, _, row in best.values())
    done = trilog("recover", "--survivor", survivor, *addresses, "--lost", lost, "--sites-off",
                  "--wait", 60, timeout_s=90)
    print(done.stderr, done.stdout)
    assert done.returncode == 0, done.stderr
    return {group_id: node_id for group_id, (_, node_id, _) in best.items()}


def wait_generation(cluster, node_ids, group_ids):
    """These groups are of generation 1 on all these nodes, and led."""
    def is_whole():
        try:
            return all(replicas(cluster.node(i)).get(g, (0, 0, 0))[2] == 1
                       for i in node_ids for g in group_ids)
        except OSError:
            return False
    clusters.wait_until(is_whole, 60, "both nodes of the site follow the survivors", 0.3)


def test_of_two_nodes_of_the_new_home_the_one_with_more_goes_on(six):
    topic = create_topic(six, "orders", PARTITIONS, trilog_replication="async",
                         trilog_home_site="a")
    safe = create_topic(six, "safe", PARTITIONS)
    load, safe_load = Load(six, topic), Load(six, safe)
    clusters.wait_until(lambda: len(load.acknowledged) > 500, 60, "some load")
    six.node(2).kill9()
    goes_on(load)
    kill(six, 1, 4)
    six.node(2).start()
    survivors = recover(six, "b", (2, 5))
    assert set(survivors.values()) == {5}, "node 2 was away"
    goes_on(load)
    goes_on(safe_load)
    load.stop()
    safe_load.stop()
    wait_generation(six, (2, 5, 3, 6), survivors)
    check_order(values_of(six, topic))
    assert lost_of(safe_load, values_of(six, safe)) == []


def by_kcat(cluster, topic):
    """As values_of."""
    read = {p: [] for p in range(PARTITIONS)}
    for line in kcat(cluster, "-C", "-t", topic, "-o", "beginning", "-e", "-q", "-f",
                     r"%p %o %s\n", timeout_s=60).splitlines():
        partition, offset, value = line.split(" ", 2)
        read[int(partition)].append((int(offset), value.encode()))
    return read


def come_back(cluster, node_ids):
    for node_id in node_ids:
        cluster.node(node_id).start()
    def is_whole():
        nodes = ask(cluster.node(3).admin, "/v1/nodes").json["nodes"]
        return {g[2] for n in cluster.nodes for g in replicas(n).values()} == {1} and all(
            n["is_alive"] and n["groups_voting"] == n["groups_level"] == n["groups_wanted"]
            for n in nodes)
    clusters.wait_until(is_whole, 120, "the lost sites vote again", 0.5)


def test_with_two_sites_of_two_nodes_lost_everything_that_survives_is_read_at_once(six):
    """Nobody writes between recovery and reading, so each partition ends in a gap."""
    topic = create_topic(six, "orders", PARTITIONS)
    sent = records.send_all(six, topic, [b"%d" % i for i in range(300)])
    producer = records.Sender(six, topic)
    producer.send(b"before")
    producer.finish()
    kill(six, 1, 4, 2, 5)
    survivors = recover(six, "c", (3, 6))
    assert set(survivors.values()) == {3}, "the first of equals"
    there = values_of(six, topic)
    assert by_kcat(six, topic) == there
    kept = {(p, offset, value) for p, rows in there.items() for offset, value in rows}
    assert kept == {(p, offset, value) for p, offset, _, value in sent + producer.acknowledged}
    for i in range(30):
        producer.send(b"after %d" % i, partition=i % PARTITIONS)
    new = producer.finish()[1:]
    assert {row[1] for row in new} == set(range(STRIDE, STRIDE + 10))
    after = values_of(six, topic)
    assert by_kcat(six, topic) == after
    assert all(len(after[p]) == len(there[p]) + 10 for p in there)


def test_with_two_sites_of_two_nodes_lost_the_survivors_go_on_and_the_lost_return(six):
    topic = create_topic(six, "orders", PARTITIONS)
    load = Load(six, topic)
    clusters.wait_until(lambda: len(load.acknowledged) > 500, 60, "some load")
    six.node(6).kill9()
    goes_on(load)
    kill(six, 1, 4, 2, 5)
    six.node(6).start()
    recover(six, "c", (3, 6))
    goes_on(load)
    load.stop()
    there = values_of(six, topic)
    assert by_kcat(six, topic) == there
    check_order(there)
    come_back(six, (1, 4, 2, 5))
    assert values_of(six, topic) == there
    again = Load(six, topic)
    goes_on(again)
    again.stop()
