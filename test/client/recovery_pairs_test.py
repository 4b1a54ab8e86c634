"""The home site of asynchronous topics is lost, with two nodes in each site: for each raft group the
replica of the new home that has most goes on, and the other one is built anew from it."""

import pytest

import cluster as clusters
from admin_port import ask, trilog
from recovery_home_test import check_order, goes_on, lost_of, replicas
from recovery_test import PARTITIONS, Load, values_of
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
