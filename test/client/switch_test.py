"""A planned switch with real processes: planned, done, taken back, given up; under load, and with
the death of whoever could be thought to drive it."""

import json

import pytest

import records
from admin_port import ask, assert_both_are_told, post, ready_cluster, trilog
from cluster import wait_until
from fault_test import PARTITIONS, Load, finish
from topics import create_topic

pytestmark = pytest.mark.trilog_only

QUIET_MS = 500  # before leaders go home


@pytest.fixture(scope="module")
def own():
    yield from ready_cluster("switch", {"leader_return_quiet_ms": f"{QUIET_MS} ms",
                                        "leader_return_interval_ms": "20 ms"})


def somebody(own, but=None):
    return next(n for n in own.nodes if n.is_running() and n is not but).admin


def state(own):
    return ask(somebody(own), "/v1/switch").json


def leaders(own):
    """Of all raft groups, by site: how many each leads."""
    nodes = ask(somebody(own), "/v1/nodes").json["nodes"]
    return {node["site"]: node["groups_led"] for node in nodes}


def wait_home(own):
    """No switch, and each node leads what it is to lead."""
    def is_home():
        nodes = ask(somebody(own), "/v1/nodes").json["nodes"]
        return state(own)["phase"] == "none" and all(
            n["is_alive"] and n["groups_led"] == n["groups_to_lead"] for n in nodes)
    wait_until(is_home, 60, "every leader is where it belongs", 0.1)


def newest(own):
    return state(own)["history"][0]


def planned(own, *words):
    """How many partitions of each topic would move; nothing while the plan is refused."""
    done = run(own, *words, "--plan", "-o", "json")
    topics = json.loads(done.stdout)["topics"] if done.returncode == 0 else ()
    return {topic["topic"]: topic["partitions"] for topic in topics}


def begin_load(own, name, **configs):
    topic = create_topic(own, name, PARTITIONS, **configs)
    load = Load(own, topic)
    load.topic = topic
    load.wait_progress()
    return load


def async_load(own, name):
    """On a topic that site b acknowledges alone."""
    return begin_load(own, name + "-async", trilog_replication="async", trilog_home_site="b")


def async_voters(own, but=None):
    """Who votes in the raft groups that site b is to acknowledge alone, as their leaders say."""
    groups = [group for node in own.nodes if node.is_running() and node is not but
              for group in ask(node.admin, "/v1/groups").json["groups"]]
    return {replica["node_id"] for group in groups for replica in group.get("replicas", ())
            if (group["replication"], group["home_site"]) == ("async", "b") and replica["is_voter"]}


def run(own, *words):
    return trilog("switch", *words, "-a", somebody(own), timeout_s=90)


def test_a_plan_says_what_would_move_and_changes_nothing(own):
    wait_home(own)
    before = state(own)
    plan = run(own, "--from", "b", "--to", "c", "--plan")
    assert plan.returncode == 0, plan.stderr
    assert "read again  0 records, by 0 consumer groups" in plan.stdout
    told = json.loads(run(own, "--from", "b", "--to", "c", "--plan", "-o", "json").stdout)
    assert not told["begun"] and told["groups"] == leaders(own)["b"] > 0
    assert {m["to_node_id"] for m in told["moves"]} == {3}
    assert all(m["is_level"] for m in told["moves"])
    assert state(own) == before


@pytest.mark.timeout(240)
def test_leaders_go_and_come_back_under_load_and_nothing_is_lost_or_refused(own, name):
    """Those of an asynchronous topic, too, with their voters."""
    wait_home(own)
    load, alone = begin_load(own, name), async_load(own, name)
    wait_until(lambda: planned(own, "--from", "b", "--to", "c").get(alone.topic) == PARTITIONS, 60,
               "its raft groups are there, and in the plan")
    epoch = state(own)["failover_epoch"]
    done = run(own, "--from", "b", "--to", "c", "--yes")
    assert done.returncode == 0, done.stderr
    assert f"failover epoch {epoch + 1}" in done.stdout
    wait_until(lambda: (leaders(own)["b"], async_voters(own)) == (0, {3}), 30,
               "nobody leads or votes alone there, as the others hear it")
    assert state(own)["phase"] == "standing"
    row = newest(own)
    assert (row["cause"], row["outcome"], row["lost_records"]) == ("switch", "done", 0)
    assert row["forecast_pause_ms"] is not None and row["pause_ms"] is not None
    assert_both_are_told(own, row)
    assert f"pause {row['pause_ms']} ms, {row['forecast_pause_ms']} ms expected" in done.stdout
    refused = run(own, "--from", "a", "--yes")
    assert refused.returncode == 1 and "--back" in refused.stderr, "one switch at a time"
    load.wait_progress(300)
    alone.wait_progress(300)
    wait_until(lambda: planned(own, "--back").get(alone.topic) == PARTITIONS, 30, "its way back")
    back = run(own, "--back", "--yes")
    assert back.returncode == 0, back.stderr
    assert state(own)["failover_epoch"] == epoch + 2
    assert newest(own)["cause"] == "back"
    assert_both_are_told(own, newest(own))
    wait_home(own)
    wait_until(lambda: async_voters(own) == {2}, 30, "its home acknowledges alone again")
    load.wait_progress(300)
    finish(own, load)
    finish(own, alone)


@pytest.mark.timeout(240)
def test_it_survives_the_death_of_the_node_that_was_asked_and_of_group_0s_leader(own, name):
    wait_home(own)
    load = async_load(own, name)
    controller = ask(somebody(own), "/v1/cluster").json["controller_node_id"]
    asked = own.node(controller)
    gone = asked.site
    to = next(n.site for n in own.nodes if n.site not in (gone, "b"))
    answer = post(asked.admin, "/v1/switch/begin", {"from": "b" if gone != "b" else "c", "to": to})
    assert answer.status == 202, answer.body
    asked.kill9()
    def is_over():
        return state(own)["phase"] == "standing"
    wait_until(is_over, 60, "the next leader of group 0 says that it is done", 0.1)
    wait_until(lambda: leaders(own)[answer.json["from"]] == 0, 30, "nobody leads there")
    if gone != "b":
        load.wait_progress(300)  # its voters are not where the dead node was
    asked.start()
    own.wait_healthy()
    assert run(own, "--back", "--yes").returncode == 0
    wait_home(own)
    finish(own, load)


@pytest.mark.timeout(240)
def test_past_its_deadline_all_is_as_before(own, name):
    """The target stands still from just before it begins: nobody can go there in time. An
    asynchronous topic does not wait for it, neither before the deadline nor after."""
    wait_home(own)
    alone = async_load(own, name)
    wait_until(lambda: planned(own, "--from", "b", "--to", "c").get(alone.topic) == PARTITIONS, 60,
               "its raft groups are there, and in the plan")
    wait_home(own)
    before, victim = leaders(own), own.node(3)

    def begun_towards_the_victim():
        """It is asked for before the others miss the victim: else it is refused."""
        victim.pause()
        answer = post(own.node(1).admin, "/v1/switch/begin",
                      {"from": "b", "to": "c", "deadline_ms": 4000})
        if answer.status == 202:
            return True
        victim.resume()
        own.wait_healthy()
        wait_home(own)
        return False
    try:
        wait_until(begun_towards_the_victim, 60, "a switch towards a node that stands still", 0)
        alone.wait_progress(3000, 10)
        assert state(own)["phase"] == "leaving"
        wait_until(lambda: state(own)["phase"] == "none", 60, "it is given up", 0.1)
        row = next(r for r in state(own)["history"] if r["cause"] == "switch")
        assert row["outcome"] == "undone" and "deadline" in row["note"]
        wait_until(lambda: async_voters(own, victim) == {2}, 10, "its votes are where they were")
        alone.wait_progress(3000, 10)
    finally:
        victim.resume()
    own.wait_healthy()
    finish(own, alone)
    wait_until(lambda: leaders(own) == before, 60, "leaders are where they were", 0.1)
    wait_home(own)
    assert leaders(own) == before


def test_a_target_that_lags_or_is_silent_is_refused_with_a_sentence(own):
    wait_home(own)
    own.node(3).kill9()
    try:
        def is_known_to_be_gone():
            nodes = ask(somebody(own), "/v1/nodes").json["nodes"]
            return not next(n for n in nodes if n["node_id"] == 3)["is_alive"]
        wait_until(is_known_to_be_gone, 30, "node 3 is silent")
        done = run(own, "--from", "b", "--to", "c", "--yes", "--max-lag", "1s")
        assert done.returncode == 1 and "node 3" in done.stderr, done.stderr
        wait_until(lambda: state(own)["history"] and newest(own)["cause"] == "site_lost", 30,
                   "its site is lost", 0.1)
        lost = newest(own)
        assert lost["from"] == "c"
    finally:
        own.node(3).start()
    own.wait_healthy()
    def is_back():
        row = next(r for r in state(own)["history"] if r["epoch"] == lost["epoch"])
        return row["returned_at_ms"] is not None and row["outcome"] == "done"
    wait_until(is_back, 30, "it is heard again", 0.1)


@pytest.mark.parametrize("words, status, sentence", [
    (["--from", "x", "--yes"], 1, "there is no site x"),
    (["--from", "b", "--to", "b", "--yes"], 1, "from one site to another"),
    (["--back", "--yes"], 1, "no switch stands"),
    (["--back", "--from", "b", "--yes"], 1, "'back'"),
    (["--from", "b", "--max-lag", "soon", "--yes"], 2, "--max-lag is a time with its unit"),
    (["--from", "b", "--deadline", "1ms", "--yes"], 1, "deadline_ms"),
    (["--to", "c", "--yes"], 2, "--from"),
    (["--from", "b", "--from", "a", "--yes"], 2, "--from is given twice"),
    (["--plan"], 2, "--from"),
    (["--history", "--from", "b", "--yes"], 2, "switches nothing"),
    (["elsewhere"], 2, "no other word"),
])
def test_bad_input_gets_a_sentence_and_an_exit_status(own, words, status, sentence):
    done = run(own, *words)
    assert (done.returncode, sentence in done.stderr) == (status, True), done.stderr


def test_the_history_is_a_table_with_forecast_and_outcome(own):
    done = run(own, "--history")
    assert done.returncode == 0
    assert done.stdout.split("\n")[0].split()[:2] == ["EPOCH", "BEGUN"]


@pytest.fixture
def patient():
    """Nodes that take a silence of many seconds for nothing: one that stands still only lags."""
    yield from ready_cluster("switch-patient", {"gone_ms": "6 s", "election_timeout_ms": "20 s"})


def test_a_target_beyond_max_lag_is_refused_and_one_within_it_is_waited_for(patient, name):
    topic = create_topic(patient, name, PARTITIONS, trilog_home_site="b")
    wait_until(lambda: {p.leader for p in patient.partitions(topic).values()} == {2}, 30,
               "it is led in b")
    wait_until(lambda: planned(patient, "--from", "b", "--to", "c").get(topic) == PARTITIONS, 30,
               "its leaders are in the plan")
    asked, target = patient.node(1).admin, patient.node(3)
    def switch(*words):
        return trilog("switch", "--from", "b", "--to", "c", "-a", asked, *words, timeout_s=90)
    target.pause()
    try:
        records.send_all(patient, topic, [b"%d" % i for i in range(300)])
        def is_refused():
            done = switch("--max-lag", "300ms", "--plan")
            return done.returncode == 1 and "node 3 lags" in done.stderr
        wait_until(is_refused, 30, "more than 300 ms are missing there", 0.1)
        done = switch("--max-lag", "300ms", "--yes")
        assert done.returncode == 1 and "at most 300 ms are allowed" in done.stderr
        assert ask(asked, "/v1/switch").json["phase"] == "none", "refused, it changes nothing"
        begun = switch("--max-lag", "10m", "--yes", "--no-wait")
        assert begun.returncode == 0, begun.stderr
        assert 2 in {p.leader for p in patient.partitions(topic).values()}
        assert ask(asked, "/v1/switch").json["phase"] == "leaving", "it waits for its target"
    finally:
        target.resume()
    wait_until(lambda: ask(asked, "/v1/switch").json["phase"] == "standing", 60, "it is level", 0.1)
    assert newest(patient)["outcome"] == "done"
    wait_until(lambda: {p.leader for p in patient.partitions(topic).values()} == {3}, 30,
               "it is led in c")
    read = records.read_topic(patient, topic, PARTITIONS)
    assert sum(len(messages) for messages in read.values()) == 300
