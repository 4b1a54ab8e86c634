"""Nodes come and go by the operator's command, under load: clients see no error, nothing is lost."""

import os
import pty
import signal
import subprocess
import threading

import pytest

from admin_port import (ask, clean_environment, post, ready_cluster, trilog, trilog_at_terminal,
                        trilog_path, wait_home)
from cluster import wait_until
from fault_test import PARTITIONS, Load, finish
from topics import create_topic

pytestmark = pytest.mark.trilog_only

WAIT_S = 120


@pytest.fixture
def own():
    yield from ready_cluster("operator", {"raft_groups_per_node": 2})  # one moves a second


@pytest.fixture
def load(own, name):
    topic = create_topic(own, name, PARTITIONS)
    load = Load(own, topic)
    load.topic = topic
    load.wait_progress()
    yield load
    load._stop.set()


def change(own, *words):
    done = trilog(*words, "--yes", "--wait", WAIT_S, "-a", own.nodes[0].admin,
                  timeout_s=WAIT_S + 30)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert done.stdout == "done\n"
    return done.stderr.splitlines()


def listed(node):
    return {n["node_id"]: n for n in ask(node.admin, "/v1/nodes").json["nodes"]}


@pytest.mark.timeout(300)
def test_a_node_is_added_and_removed_while_clients_go_on(own, load):
    node = own.new_node(4, "a")
    node.start()
    said = change(own, "node", "add", 4, "--site", "a")
    assert not said, "progress is for a terminal"

    def has_come(other):
        seen = listed(other)
        return (seen[4]["state"] == "active" and
                seen[4]["groups_voting"] == seen[4]["groups_wanted"] >= 2 and
                seen[4]["client_address"] == node.address and
                sum(n["groups_voting"] for n in seen.values() if n["site"] == "a") == (
                    seen[2]["groups_voting"]))  # one replica a site
    for other in own.nodes:
        wait_until(lambda o=other: has_come(o), 30, f"node {other.id} knows of it and its part")
    load.wait_progress(2000)
    change(own, "node", "remove", 4)
    seen = listed(own.nodes[0])
    assert seen[4]["state"] == "gone" and seen[4]["groups_voting"] == 0
    node.end()
    finish(own, load)


@pytest.mark.timeout(300)
def test_a_lost_node_is_replaced_while_clients_go_on(own, load):
    own.node(3).kill9()
    load.wait_progress(1000)
    own.new_node(5, "c").start()
    change(own, "node", "replace", 3, "--by", 5)
    seen = listed(own.nodes[0])
    assert seen[3]["state"] == "gone"
    assert seen[5]["groups_voting"] == seen[2]["groups_voting"]
    own.node(2).kill9()  # its vote counts: without node 2 there is still a majority
    load.wait_progress(2000)
    own.node(2).start()
    finish(own, load)


def interrupted_at(progress, *words):
    """What the command said after Ctrl-C at this line of progress, which is for a terminal only;
    and its exit status."""
    ours, theirs = pty.openpty()
    command = subprocess.Popen([trilog_path(), *map(str, words)], stdin=subprocess.DEVNULL,
                               stdout=theirs, stderr=theirs, env=clean_environment())
    os.close(theirs)
    watchdog = threading.Timer(60, command.kill)  # ends the reading, too
    watchdog.start()
    shown = ""
    try:
        while progress not in shown:
            shown += os.read(ours, 4096).decode()
        command.send_signal(signal.SIGINT)
        status = command.wait()
        return os.read(ours, 4096).decode(), status
    finally:
        watchdog.cancel()
        os.close(ours)


def test_a_change_goes_on_when_nobody_waits_for_it_any_longer(own):
    """Ctrl-C, the end of --wait, and --no-wait leave it going on, and say so."""
    address = own.nodes[0].admin
    done = trilog("node", "add", 4, "--site", "a", "--yes", "--wait", 0, "-a", address)
    assert done.returncode == 3
    assert "it goes on" in done.stderr and "node 4 is not heard yet" in done.stderr
    done = trilog("node", "add", 5, "--site", "b", "--yes", "--no-wait", "-a", address)
    assert (done.returncode, done.stdout) == (0, "begun\n")
    said, status = interrupted_at("node 6 is not heard yet", "node", "add", 6, "--site", "c",
                                  "--yes", "-a", address)
    assert status == 3 and "it goes on" in said
    wait_until(lambda: {i: n["state"] for i, n in listed(own.nodes[1]).items() if i > 3} == {
        4: "joining", 5: "joining", 6: "joining"}, 30, "another node knows all three too")


def test_what_the_site_rule_forbids_is_refused_and_a_plan_changes_nothing(own):
    address = own.nodes[0].admin
    def places():
        nodes = listed(own.nodes[0])
        return {i: (n["site"], n["state"], n["groups_wanted"]) for i, n in nodes.items()}
    before = places()
    refused = trilog("node", "remove", 3, "--yes", "-a", address)
    assert refused.returncode == 1
    assert "site c" in refused.stderr
    for words in (["node", "add", 4, "--site", "a"], ["node", "replace", 3, "--by", 5]):
        planned = trilog(*words, "--plan", "-a", address)
        assert planned.returncode == 0
        assert "replicas move" in planned.stdout
    assert trilog("node", "add", 3, "--site", "c", "--plan", "-a", address).returncode == 1
    assert trilog("node", "remove", 9, "--plan", "-a", address).returncode == 1
    assert places() == before


@pytest.mark.timeout(180)
def test_a_partition_moves_to_another_group_while_clients_go_on(own, load):
    address = own.nodes[0].admin
    wait_home(own)  # whoever leads a group now goes on leading it
    planned = trilog("topic", "move", load.topic, "--plan", "-a", address)
    assert planned.returncode == 0 and "partitions move" in planned.stdout
    alone = trilog("topic", "move", load.topic, 0, "--plan", "-a", address)
    assert alone.returncode == 1 and "wants a group" in alone.stderr
    group = {n: ask(own.nodes[0].admin, "/v1/groups").json["groups"][n]["leader_node_id"]
             for n in range(1, ask(address, "/v1/cluster").json["groups"])}
    old_leader = own.leader(load.topic, 0).id
    target = next(n for n, leader in group.items() if leader != old_leader)
    change(own, "topic", "move", load.topic, 0, "--group", target)
    assert ask(address, "/v1/topics/moves").json == {"count": 0, "moves": []}
    wait_until(lambda: own.leader(load.topic, 0).id != old_leader, 30, "another node leads it")
    again = trilog("topic", "move", load.topic, 0, "--group", target, "--plan", "-a", address)
    assert again.returncode in (0, 1), again.stderr
    unknown = trilog("topic", "move", "no-such-topic", "--plan", "-a", address)
    assert unknown.returncode == 1
    assert trilog("topic", "move", "--group", 2, "--plan", "-a", address).returncode == 2
    assert trilog("topic", "moves", "-a", address).returncode == 0
    finish(own, load)


def test_asks_before_it_changes_anything_and_takes_only_yes(own):
    address = own.nodes[0].admin
    words = ["node", "add", 4, "--site", "a", "--no-wait", "-a", address]
    for answer in ("no", "", "y", "yes please"):
        status, shown = trilog_at_terminal(answer, *words)
        assert status == 1, shown
        assert "replicas move" in shown and "nothing was done" in shown
    assert set(listed(own.nodes[0])) == {1, 2, 3}
    status, shown = trilog_at_terminal("yes", *words)
    assert status == 0, shown
    assert set(listed(own.nodes[0])) == {1, 2, 3, 4}


@pytest.mark.parametrize("path, body, status, error", [
    ("add", "{", 400, "bad_json"), ("add", "[]", 400, "bad_json"), ("add", "", 400, "bad_json"),
    ("add", '{"node_id": 4, "node_id": 5}', 400, "bad_json"),
    ("add", "[" * 60000, 400, "bad_json"), ("add", "\xff\xfe", 400, "bad_json"),
    ("add", {"node_id": 4, "site": "a", "plann": True}, 400, "unknown_field"),
    ("add", {"node_id": "4", "site": "a"}, 400, "invalid_field"),
    ("add", {"node_id": 0, "site": "a"}, 400, "invalid_field"),
    ("add", {"node_id": 1e30, "site": "a"}, 400, "invalid_field"),
    ("add", {"node_id": 4}, 400, "invalid_field"),
    ("add", {"node_id": 4, "site": "x" * 100}, 400, "invalid_field"),
    ("add", {"node_id": 4, "site": "a", "plan": "yes"}, 400, "invalid_field"),
    ("add", {"node_id": 4, "site": "a", "peer_address": "::1:80"}, 400, "invalid_field"),
    ("add", {"node_id": 4, "site": "a", "peer_address": "h:99999"}, 400, "invalid_field"),
    ("remove", {"node_id": 3, "site": "a"}, 400, "unknown_field"),
    ("remove", {"node_id": 3, "plan": True}, 409, "not_allowed_now"),
    ("replace", {"node_id": 3}, 400, "invalid_field"),
    ("add", '{"site": "' + "x" * 70_000 + '"}', 413, "too_large")])
def test_changes_that_are_not_well_formed_are_refused(cluster, path, body, status, error):
    address = cluster.nodes[0].admin
    headers = {"Content-Type": "application/json"}
    if isinstance(body, str):
        body = body.encode("latin-1")
    answer = ask(address, f"/v1/nodes/{path}", "POST", body, headers)
    assert (answer.status, answer.error) == (status, error), answer.body
    assert set(listed(cluster.nodes[0])) == {1, 2, 3}


def test_a_change_that_is_not_json_by_type_or_comes_by_a_page_is_refused(cluster):
    address, body = cluster.nodes[0].admin, '{"node_id": 4, "site": "a"}'
    for kind in (None, "text/plain", "application/x-www-form-urlencoded"):
        headers = {"Content-Type": kind} if kind else {}
        answer = ask(address, "/v1/nodes/add", "POST", body, headers)
        assert (answer.status, answer.error) == (415, "not_json"), kind
    answer = post(address, "/v1/nodes/add", {"node_id": 4, "site": "a"}, Origin="http://evil.example")
    assert (answer.status, answer.error) == (403, "foreign_origin")
    answer = post(address, "/v1/nodes/add", {"node_id": 4, "site": "a"}, Host="evil.example")
    assert (answer.status, answer.error) == (403, "foreign_host")
    assert set(listed(cluster.nodes[0])) == {1, 2, 3}
