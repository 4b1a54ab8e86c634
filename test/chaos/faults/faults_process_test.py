"""Processes: killed, paused, slowed, restarted; disks and clocks; two faults at once."""
import datetime
import time

import pytest
from faults import catalogue, clock, disk
from faults.fault import Impossible
from watching import accepts, letters, log_lines, make_topic, starts, states, wait_until

HOUR = 3600


# ---- without root ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["kill-leader", "kill-follower", "kill-all"])
def test_killed_nodes_take_no_connections_until_they_are_healed(plain_lab, name):
    with catalogue.make(name).inject(plain_lab) as injection:
        hit = injection.target.nodes
        assert len(hit) == (3 if name == "kill-all" else 1)
        assert [node for node in plain_lab.nodes if not accepts(plain_lab, node)] == sorted(hit)
    wait_until(lambda: all(accepts(plain_lab, node) for node in plain_lab.nodes), "all are back")


def test_a_paused_leader_stands_still_and_goes_on(plain_lab):
    with catalogue.make("pause-leader-2s").inject(plain_lab) as injection:
        (node,) = injection.target.nodes
        assert set(letters(plain_lab, node, 0.1)) == {"T"}
    assert "T" not in letters(plain_lab, node, 0.1)


def test_a_slowed_node_runs_a_small_part_of_the_time(plain_lab):
    with catalogue.make("cpu-10").inject(plain_lab, "2"):
        seen = letters(plain_lab, 2, 1.0)
    share = 1 - seen.count("T") / len(seen)
    assert 0.02 < share < 0.4
    assert "T" not in letters(plain_lab, 2, 0.3)


def test_a_rolling_restart_has_one_node_down_at_a_time(plain_lab):
    before, down_max = starts(plain_lab), 0
    injection = catalogue.make("rolling-restart").inject(plain_lab)
    while not injection.is_healed:
        down_max = max(down_max, sum(state != "running" for state in states(plain_lab)))
        time.sleep(0.01)
    injection.heal()
    assert injection.ended_by == "over" and down_max == 1
    assert starts(plain_lab) == [count + 1 for count in before]


def test_two_faults_at_once_are_chosen_by_the_seed(plain_lab):
    def chosen(seed):
        with catalogue.make("random-pairs").inject(plain_lab, seed=seed) as injection:
            assert states(plain_lab) != ["running"] * 3 or "cpu" in injection.target.words
            names = [words.split(":")[0] for words in injection.target.words.split("; ")]
        plain_lab.wait_until_formed(30)
        return names
    pairs = [chosen(seed) for seed in (1, 1, 2, 3)]
    assert all(len(set(pair)) == 2 for pair in pairs)
    assert pairs[0] == pairs[1] and len({tuple(pair) for pair in pairs}) > 1


# ---- with root ---------------------------------------------------------------------------------


def clock_ahead_s(line):
    """How far the time of a log's line is ahead of this machine's."""
    text = line.split("time=")[1].split(" ")[0].replace("Z", "+00:00")
    return datetime.datetime.fromisoformat(text).timestamp() - time.time()


@pytest.mark.parametrize("name, offset_s", [("clock-forward", HOUR), ("clock-back", -HOUR)])
def test_a_node_lives_in_another_hour_until_it_is_healed(lab, name, offset_s):
    with catalogue.make(name).inject(lab, "1"):
        count = len(log_lines(lab, 1))
        with catalogue.make("kill").inject(lab, "2"):
            wait_until(lambda: len(log_lines(lab, 1)) > count, "node 1 notices")
        ahead_s = clock_ahead_s(log_lines(lab, 1)[count])
        assert abs(ahead_s - offset_s) < 300
    time.sleep(clock.SEEN_SECONDS)
    count = len(log_lines(lab, 1))
    with catalogue.make("kill").inject(lab, "3"):
        wait_until(lambda: len(log_lines(lab, 1)) > count, "node 1 notices again")
    assert abs(clock_ahead_s(log_lines(lab, 1)[count])) < 300


@pytest.mark.parametrize("seed", [
    1, pytest.param(2, marks=pytest.mark.slow), pytest.param(3, marks=pytest.mark.slow)])
def test_two_faults_of_any_kind_are_healed_together(lab, seed):
    with catalogue.make("random-pairs").inject(lab, seed=seed) as injection:
        assert len(injection.target.words.split("; ")) == 2


def disk_status(lab, node):
    return disk.tell(lab, [node], "status")[0]


@pytest.mark.parametrize("name, in_force", [
    ("disk-read-error", "fail read errno=EIO"), ("disk-write-error", "fail write errno=EIO"),
    ("disk-fsync-error", "fail fsync errno=EIO"), ("disk-slow-fsync", "slow fsync ms=200"),
    ("disk-full", None)])
def test_a_disk_fails_in_its_way_until_it_is_healed(lab, name, in_force):
    with catalogue.make(name).inject(lab, "2"):
        shown = f'fault="{in_force}' if in_force else "full=yes"
        assert shown in disk_status(lab, 2) and shown not in disk_status(lab, 1)
    assert shown not in disk_status(lab, 2)


def test_a_node_that_ends_on_its_disk_is_started_when_the_disk_is_healed(lab):
    make_topic(lab, "before")
    with catalogue.make("disk-fsync-error").inject(lab, "2"):
        make_topic(lab, "written-now")
        wait_until(lambda: lab.state(2) == "ended", "node 2 ends, as a disk's error wants it")
    assert lab.state(2) == "running"


@pytest.mark.parametrize("name, nodes", [("power-node", 1), ("power-all", 3), ("torn", 1)])
def test_without_power_a_node_and_its_disk_are_gone(lab, name, nodes):
    with catalogue.make(name).inject(lab, seed=5) as injection:
        assert len(injection.target.nodes) == nodes
        for node in injection.target.nodes:
            assert lab.state(node) == "ended" and "power=off" in disk_status(lab, node)
    for node in injection.target.nodes:
        assert "power=on" in disk_status(lab, node)


@pytest.mark.parametrize("name", ["bit-flips", "stale-blocks"])
def test_damage_at_rest_is_met_by_a_node_that_starts(lab, name):
    before = starts(lab)
    with catalogue.make(name, count=1, path="*.wal").inject(lab, "3"):
        assert starts(lab) == [before[0], before[1], before[2] + 1]


def test_damage_where_there_is_no_file_is_refused_and_the_node_runs(lab):
    with pytest.raises(Impossible, match="disk of node 3"):
        catalogue.make("bit-flips", path="*.nothing").inject(lab, "3")
    assert lab.state(3) == "running"


def test_two_lost_sites_are_gone_until_the_third_goes_on_without_them_and_then_return(lab):
    make_topic(lab, "recovered")
    with catalogue.make("recover", behind_ms=0).inject(lab, "a-b") as injection:
        assert injection.target.sites == ("a", "b") and states(lab) == ["ended", "ended", "running"]
        wait_until(lambda: any(" event=recovery_carried_out " in line for line in log_lines(lab, 3)),
                   "node 3 is recovered")
    told = injection.told["recovery"]
    assert told["since_us"] <= told["until_us"] <= injection.at_us < told["at_us"]
    assert told["at_us"] < told["served_us"] and told["known_lost"] >= 0
    assert states(lab) == ["running"] * 3
