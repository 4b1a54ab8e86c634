"""`trilog cluster health` and `site list`: what stands against a cluster, waiting until nothing does,
and that progress is for terminals only."""

import json

import pytest

from admin_port import ask, ready_cluster, trilog, trilog_at_terminal
from cluster import wait_until

pytestmark = pytest.mark.trilog_only


@pytest.fixture(name="hurt", scope="module")
def hurt_fixture():
    yield from ready_cluster("health")


def test_a_whole_cluster_is_healthy_by_each_node(cluster):
    for node in cluster.nodes:
        done = trilog("cluster", "health", "--wait", 30, "-a", node.admin, timeout_s=40)
        assert (done.returncode, done.stdout, done.stderr) == (0, "healthy\n", "")


def test_sites_are_listed_with_what_they_carry(cluster):
    sites = ask(cluster.nodes[1].admin, "/v1/sites").json["sites"]
    assert [(s["site"], s["node_ids"], s["is_own"]) for s in sites] == [
        ("a", [1], False), ("b", [2], True), ("c", [3], False)]
    groups = ask(cluster.nodes[1].admin, "/v1/cluster").json["groups"]
    assert sum(s["groups_to_lead"] for s in sites) == groups
    table = trilog("site", "list", "-a", cluster.nodes[0].admin).stdout.splitlines()
    assert table[0].split()[:3] == ["SITE", "NODES", "ALIVE"] and len(table) == 4


def test_a_lost_node_is_named_and_its_return_waited_for(hurt):
    lost, asked = hurt.nodes[2], hurt.nodes[0].admin
    lost.kill9()
    def reasons():
        told = trilog("cluster", "health", "-o", "json", "-a", asked)
        return told.returncode, [(r["code"], r.get("node_id"))
                                 for r in json.loads(told.stdout)["reasons"]]
    wait_until(lambda: reasons() == (1, [("node_silent", 3)]), 20, "the others lead, and say who")
    waited = trilog("cluster", "health", "--wait", 1, "-a", asked)
    assert waited.returncode == 1 and "node 3 (site c) is not heard" in waited.stdout
    assert len(waited.stderr.splitlines()) == 1, "no progress where there is no terminal"
    lost.start()
    status, shown = trilog_at_terminal("", "cluster", "health", "--wait", "60", "-a", asked,
                                       timeout_s=70)
    assert status == 0 and "healthy" in shown
    assert "\r\033[K" in shown, "progress on a terminal"
