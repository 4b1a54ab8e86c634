"""What the loss of sites would cost: as forecast by every node and by `trilog what-if`, and as it
then comes."""

import json

import pytest

import cluster as clusters
import records
from admin_port import ask, assert_both_are_told, trilog
from cluster import wait_until
from metric_text import read_metrics
from topics import create_topic

pytestmark = pytest.mark.trilog_only


@pytest.fixture(scope="module")
def doomed():
    """A cluster of its own, for a site of it is lost."""
    running = clusters.new_cluster("what-if")
    with running.while_used():
        topic = create_topic(running, "what-if", 6)
        running.wait_spread(topic)
        records.send_all(running, topic, [b"x"] * 100)
        yield running, topic


def forecast(node, *sites):
    answer = ask(node.admin, f"/v1/what-if?lose={','.join(sites)}")
    assert answer.status == 200, answer.json
    return answer.json


def led_by(node, asked):
    return sum(g["partitions"] for g in ask(asked.admin, "/v1/groups").json["groups"]
               if g["leader_node_id"] == node.id)


def test_one_site_costs_its_leaders_a_while_and_no_record(cluster):
    for lost in cluster.nodes:
        def is_so(lost=lost):
            told = forecast(cluster.nodes[0], lost.site)
            return (told["groups_without_majority"] == told["only_there_records"] == 0 and
                    told["groups_not_known"] == 0 and not told["is_metadata_lost"] and
                    told["partitions_without_leader"] == led_by(lost, cluster.nodes[0]))
        wait_until(is_so, 20, f"the partitions that site {lost.site} leads")


def test_two_sites_cost_every_majority(cluster):
    told = wait_until(
        lambda: (t := forecast(cluster.nodes[0], "b", "c"))["groups_without_majority_now"] == 0 and t,
        20, "a majority of each group is heard now")
    groups = ask(cluster.nodes[0].admin, "/v1/groups").json["groups"]
    assert told["groups_without_majority"] == len(groups)
    assert told["partitions_without_majority"] == sum(g["partitions"] for g in groups)
    assert told["is_metadata_lost"]
    assert told["groups_without_leader"] == told["pause_ms"] == 0, "nobody is left to elect"


def test_a_group_whose_members_name_the_lost_site_as_their_rack_is_left_empty(cluster, new_topic):
    topic = new_topic()
    records.send_all(cluster, topic, [b"x"])
    reader = records.consumer(cluster, group="at-b", **{"client.rack": "b"})
    reader.subscribe([topic])
    try:
        records.read_count(reader, 1)

        def left_empty_without(site):
            return [name for row in forecast(cluster.nodes[0], site)["consumer_groups"]
                    for name in row["names"]]
        wait_until(lambda: "at-b" in left_empty_without("b"), 20, "its only member to be counted")
        assert "at-b" not in left_empty_without("c")
        shown = trilog("what-if", "--lose", "b", "-a", cluster.nodes[0].admin)
        assert "\n  at-b\n" in shown.stdout

        def scraped(site):
            page = read_metrics(ask(cluster.nodes[0].admin, "/metrics").body.decode())
            return page["trilog_forecast_consumer_groups_left_empty"].value(lost_site=site)

        def told(site):
            return sum(row["groups_left_empty"]
                       for row in forecast(cluster.nodes[0], site)["consumer_groups"])
        wait_until(lambda: scraped("b") == told("b") > 0, 20, "the metric says it of site b")
        wait_until(lambda: scraped("c") == told("c") < told("b"), 20, "and of c something else")
    finally:
        reader.close()


def test_the_command_says_the_same_and_what_it_wants(cluster):
    address = cluster.nodes[1].admin
    done = trilog("what-if", "--lose", "b", "-a", address)
    assert (done.returncode, done.stderr) == (0, "")
    assert "raft groups without a leader" in done.stdout
    assert "without a leader for about" in done.stdout
    both = trilog("what-if", "--lose", "b", "--lose", "c", "-a", address)
    assert both.returncode == 0 and "nothing could be created" in both.stdout
    told = json.loads(trilog("what-if", "--lose", "b", "-o", "json", "-a", address).stdout)
    assert told["lost_sites"] == ["b"]
    nowhere = trilog("what-if", "--lose", "x", "-a", address)
    assert nowhere.returncode == 1 and "no node stands in a site x" in nowhere.stderr
    assert trilog("what-if", "-a", address).returncode == 2
    assert trilog("what-if", "b", "-a", address).returncode == 2
    long = trilog("what-if", "--lose", "b" * 300, "-a", address)
    assert long.returncode == 2 and "no site has a name as long" in long.stderr


@pytest.mark.parametrize("query", ["", "?lose=", "?lose=b,,c", "?lose=a,b,c,a,b,c", "?lost=b",
                                   "?lose=" + "b" * 40])
def test_a_question_that_is_none_is_refused(cluster, query):
    assert ask(cluster.nodes[0].admin, "/v1/what-if" + query).status == 400


def test_metrics_forecast_the_loss_of_each_site(cluster):
    def is_there():
        found = read_metrics(ask(cluster.nodes[0].admin, "/metrics").body.decode())
        return found["trilog_forecast_pause_seconds"].labels("lost_site") == {"a", "b", "c"}
    wait_until(is_there, 10, "a forecast for each site")


def test_the_loss_of_a_site_comes_as_forecast(doomed):
    running, topic = doomed
    lost, asked = running.nodes[2], running.nodes[0]

    def is_so():
        told = forecast(asked, "c")
        return (told["partitions_without_leader"] == led_by(lost, asked) > 0 and
                told["only_there_records"] == 0 and told)
    before = wait_until(is_so, 20, "the partitions that site c leads, all records elsewhere too")
    assert before["pause_is"] == "reckoned", "no leader was lost yet"
    lost.kill9()
    wait_until(lambda: led_by(lost, asked) == 0 and all(
        g["leader_node_id"] in (1, 2) for g in ask(asked.admin, "/v1/groups").json["groups"]),
               30, "others to lead")
    assert sum(map(len, records.read_topic(running, topic, 6).values())) == 100, "none was lost"
    wait_until(lambda: forecast(asked, "b")["groups_without_majority"] > 0, 30,
               "another site to be one too many")
    def compared():
        rows = [r for r in ask(asked.admin, "/v1/switch").json["history"]
                if (r["cause"], r["outcome"]) == ("site_lost", "done")]
        return rows[0] if rows else None
    wait_until(lambda: compared() is not None, 30, "forecast and outcome to stand together")
    row = compared()
    assert row["forecast_lost_records"] == before["only_there_records"] == 0
    assert row["forecast_pause_ms"] > 0, "as it was reckoned before"
    assert row["pause_ms"] > 0, "as elections then took"
    assert_both_are_told(running, row)
    lost.start()
    running.wait_healthy()
    wait_until(lambda: forecast(asked, "b")["groups_without_majority"] == 0, 30, "a majority again")
    wait_until(lambda: forecast(asked, "c")["partitions_without_leader"] == 0 or
               forecast(asked, "c")["pause_is"] == "measured", 30,
               "elections to be counted from now on")


def test_an_asynchronous_topic_is_not_called_lossless_in_its_home_site(doomed):
    running, _ = doomed
    alone = create_topic(running, "what-if-alone", 2,
                         trilog_replication="async", trilog_home_site="b")
    running.wait_led(alone, 2)
    records.send_all(running, alone, [b"x"] * 20)

    def is_told():
        told = forecast(running.nodes[0], "b")
        lost = [g for g in told["raft_groups"] if g["is_asynchronous"] and g["partitions"] > 0]
        return (all(g["loses"] == "majority" for g in lost) and
                told["partitions_without_majority"] == 2 == sum(g["partitions"] for g in lost) and
                all(g["only_there_records"] == 0 for g in lost))
    wait_until(is_told, 20, "both partitions to be lost with site b, their records copied by now")
    elsewhere = forecast(running.nodes[0], "c")
    assert (elsewhere["partitions_without_majority"], elsewhere["asynchronous_topics"]) == (0, 0)
    told = forecast(running.nodes[0], "b")
    assert (told["asynchronous_topics"], told["asynchronous_topic_names"]) == (1, [alone])
    shown = trilog("what-if", "--lose", "b", "-a", running.nodes[0].admin).stdout
    assert "async" in shown
    assert "consumers there wait\nfor their coordinators" in shown and f"\n  {alone}\n" in shown
