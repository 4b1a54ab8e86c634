"""How far replicas are behind: told by every node and by `trilog lag`, in records sent."""

import itertools
import json
import signal

import pytest

import cluster as clusters
import records
from admin_port import ask, trilog, trilog_running
from cluster import wait_until
from metric_text import read_metrics
from topics import create_topic

pytestmark = pytest.mark.trilog_only


def is_level(node):
    """Does it say of all replicas that they lack nothing, as their leaders just told it?"""
    told = ask(node.admin, "/v1/lag").json
    assert (told["node_id"], told["site"]) == (node.id, node.site)
    kinds = [g["kind"] for g in told["groups"]]
    assert kinds[0] == "metadata" and set(kinds[1:]) <= {"data", "offsets"}
    return (all(g["leader_node_id"] == g["told_by_node_id"] and g["told_ms_ago"] < 3000 and
                len(g["replicas"]) == 3 for g in told["groups"]) and
            all(r["certainty"] == "measured" and r["lag_entries"] == 0
                for g in told["groups"] for r in g["replicas"]))


@pytest.fixture(scope="module")
def lagging():
    """A cluster of its own, for a node of it is stopped, with one topic."""
    running = clusters.new_cluster("lag")
    with running.while_used():
        topic = create_topic(running, "lag", 6)
        running.wait_spread(topic)
        for node in running.nodes:
            wait_until(lambda n=node: is_level(n), 20, f"node {node.id} to say that all are level")
        yield running, topic


def lag_of(node, asked):
    """Of all data groups' replicas on a node: records, and how they are known."""
    told = ask(asked.admin, "/v1/lag").json
    replicas = [r for g in told["groups"] if g["kind"] != "metadata"
                for r in g["replicas"] if r["node_id"] == node.id]
    return sum(r["lag_records"] or 0 for r in replicas), {r["certainty"] for r in replicas}


def test_every_node_tells_of_all_groups_and_nobody_is_behind_at_rest(cluster):
    for node in cluster.nodes:
        wait_until(lambda n=node: is_level(n), 20, f"node {node.id} to say that all are level")


def test_counts_the_records_that_a_stopped_site_lacks_by_site_and_topic(lagging):
    running, topic = lagging
    lost, asked = running.nodes[2], running.nodes[0]
    lost.kill9()
    wait_until(lambda: all(g["leader_node_id"] in (1, 2)
                           for g in ask(asked.admin, "/v1/lag").json["groups"]),
               30, "others to lead")
    records.send_all(running, topic, [b"x" * 100] * 700)
    wait_until(lambda: lag_of(lost, asked)[0] >= 700, 30, "the lag of what was sent")
    wanted, certainties = lag_of(lost, asked)
    assert wanted == 700, "no more than was sent"
    assert certainties <= {"measured", "at_most"}, "it was level when it was lost"
    all_nodes = [word for n in running.nodes[:2] for word in ("-a", n.admin)]
    shown = trilog("lag", *all_nodes)
    assert shown.returncode == 0, shown.stderr
    row = [line.split() for line in shown.stdout.splitlines() if line.startswith("c ")][0]
    assert row[:2] == ["c", "3"] and int(row[6]) >= 700
    told = [json.loads("[" + trilog("lag", "-o", "json", "-a", n.admin).stdout + "]")[0]
            for n in running.nodes[:2]]
    by_topic = sum(row["lag_records"] for t in told for row in t["topics"]
                   if row["topic"] == topic and row["node_id"] == 3)
    measured = sum(r["lag_records"] for g in told[0]["groups"] if g["kind"] != "metadata"
                   for r in g["replicas"] if r["node_id"] == 3 and r["certainty"] == "measured")
    assert by_topic == measured > 0
    scraped = [read_metrics(ask(n.admin, "/metrics").body.decode()) for n in running.nodes[:2]]
    labels = {"topic": topic, "replica_node": "3", "replica_site": "c"}
    key = "", tuple(sorted(labels.items()))
    assert sum(page["trilog_topic_lag_records"].samples.get(key, 0) for page in scraped) == by_topic
    assert sum(page["trilog_topic_lag_bytes"].samples.get(key, 0) for page in scraped) > 100 * by_topic
    lost.start()
    running.wait_healthy()
    wait_until(lambda: lag_of(lost, asked) == (0, {"measured"}), 60, "it to have caught up")


def test_survivors_say_what_they_know_of_leaders_that_are_gone(lagging):
    running, topic = lagging
    survivor = running.nodes[0]
    records.send_all(running, topic, [b"y"] * 50)
    wait_until(lambda: is_level(survivor), 30, "all have it, and the survivor has heard of that")
    for node in running.nodes[1:]:
        node.kill9()

    def leaderless():
        return [g for g in ask(survivor.admin, "/v1/lag").json["groups"]
                if g["leader_node_id"] is None and g["heard"] is not None]
    wait_until(lambda: len(leaderless()) > 1, 20, "leaders to be gone")
    for group in leaderless():
        heard = group["heard"]
        assert heard["leader_node_id"] in (2, 3)
        assert heard["lacking_entries"] == heard["lacking_records"] == heard["lacking_bytes"] == 0
        assert heard["level_until_ms"] is not None
        assert heard["level_until_ms"] <= heard["leader_clock_ms"]
    shown = trilog("lag", "-a", survivor.admin, "-a", running.nodes[1].admin)
    assert shown.returncode == 3, "a node does not answer"
    assert "without a leader" in shown.stdout and "HAS ALL UNTIL" in shown.stdout
    for node in running.nodes[1:]:
        node.start()
    running.wait_healthy()


@pytest.mark.parametrize("form, is_shown_again", [
    ("table", lambda line: line.startswith("SITE")), ("json", lambda line: line == "{\n")])
def test_a_watch_goes_on_until_it_is_interrupted_and_then_ends_well(cluster, form, is_shown_again):
    with trilog_running("lag", "--watch", "-o", form, "-a", cluster.nodes[0].admin) as watch:
        shown = (line for line in watch.stdout if is_shown_again(line))
        assert len(list(itertools.islice(shown, 3))) == 3
        watch.send_signal(signal.SIGINT)
        rest, error = watch.communicate(timeout=30)
        assert watch.returncode == 0, error
        assert "\x1b" not in rest + error, "a pipe is no terminal"


def test_metrics_have_lag_in_records_round_trips_and_what_was_heard(cluster):
    for node in cluster.nodes:
        found = read_metrics(ask(node.admin, "/metrics").body.decode())
        for name in ("trilog_replica_lag_records", "trilog_group_records_total",
                     "trilog_group_heard_seconds", "trilog_peer_round_trip_seconds"):
            assert name in found, name
