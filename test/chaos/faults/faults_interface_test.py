"""Inject, heal, describe: what holds for every fault, seen on those that need no root."""
import json
import os
import random
import signal
import struct
import subprocess
import sys

import pytest
from faults import catalogue, performer, targets, view
from faults.fault import Fault, Impossible, Target, now_us
from testbed import kafka
from watching import (accepts, answers, end_by_kill, letters, make_topic, pair_of_sockets, starts,
                      states, wait_until)

CHAOS = os.path.dirname(os.path.dirname(os.path.abspath(catalogue.__file__)))
FAULTS = os.path.join(CHAOS, "faults")
SHELL = [sys.executable, "-B", FAULTS]


# ---- describing --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", catalogue.names())
def test_a_fault_describes_itself_with_target_duration_and_needs(name):
    fault = catalogue.make(name)
    words = fault.describe()
    assert "{" not in words and f"target {fault.target}" in words
    assert f"{fault.seconds:g} s" in words
    for need in fault.needs:
        assert need in words


def test_the_shell_lists_every_fault():
    listed = subprocess.run([*SHELL, "list"], capture_output=True, text=True,
                            check=True).stdout
    assert [line.split()[0] for line in listed.splitlines()] == catalogue.names()


def test_what_is_not_in_the_catalogue_is_refused_by_name():
    with pytest.raises(Impossible, match="earthquake"):
        catalogue.make("earthquake")
    with pytest.raises(Impossible, match="no option strength"):
        catalogue.make("loss", strength=9)
    with pytest.raises(Impossible, match="percent is 101"):
        catalogue.make("loss", percent=101)
    with pytest.raises(Impossible, match="operation is read, write or fsync"):
        catalogue.make("disk-error", operation="seek")


# ---- healing -----------------------------------------------------------------------------------


def test_what_is_injected_is_reported_with_its_instant_and_whom_it_hit(plain_lab):
    before_us = now_us()
    with catalogue.make("kill").inject(plain_lab, "b") as injection:
        assert before_us < injection.at_us < now_us()
        assert injection.target == Target("site b", (2,), ("b",))
        assert (injection.target.faulted_site, injection.target.faulted_node) == ("b", None)
        assert "site b" in injection.describe() and not injection.is_healed
        assert states(plain_lab) == ["running", "ended", "running"]
    assert injection.is_healed and injection.healed_at_us > injection.at_us
    wait_until(lambda: accepts(plain_lab, 2), "node 2 is back")


def test_healing_again_changes_nothing(plain_lab):
    injection = catalogue.make("pause").inject(plain_lab, "1")
    healed_at_us = injection.heal()
    with catalogue.make("pause").inject(plain_lab, "1"):
        assert injection.heal() == healed_at_us
        assert plain_lab.state(1) == "paused"
    assert injection.ended_by == "asked"


def test_a_fault_heals_at_its_deadline_by_itself(plain_lab):
    injection = catalogue.make("pause").inject(plain_lab, "2", seconds=0.3)
    assert plain_lab.state(2) == "paused"
    assert injection.wait(10) and plain_lab.state(2) == "running"
    assert injection.heal() - injection.at_us >= 300_000
    assert injection.ended_by == "deadline"


DRIVER = """
import os, sys
sys.path.insert(0, sys.argv[1])
from testbed.lab import Lab
from faults import catalogue
lab = Lab.attach(sys.argv[2], sys.argv[3])
injections = [catalogue.make(name).inject(lab, target, 600)
              for name, target in (("kill", "1"), ("pause", "2"), ("cpu", "3"))]
print("broken", flush=True)
sys.stdin.read()
"""


def test_a_fault_heals_when_its_driver_is_killed(plain_lab):
    driver = subprocess.Popen(
        [sys.executable, "-B", "-c", DRIVER, CHAOS, plain_lab.name,
         os.path.dirname(plain_lab.folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with driver:
        assert driver.stdout.readline() == b"broken\n"
        assert states(plain_lab)[:2] == ["ended", "paused"]
        end_by_kill(driver)
    wait_until(lambda: states(plain_lab) == ["running"] * 3, "all nodes run again")
    wait_until(lambda: "T" not in letters(plain_lab, 3, 0.3), "node 3 is not held any more")


def test_ctrl_c_in_the_shell_heals(plain_lab):
    command = [*SHELL, "inject", "pause", "--lab", plain_lab.name, "--folder",
               os.path.dirname(plain_lab.folder), "--target", "3", "--seconds", "600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout.readline().startswith("pause: node 3 at ")
        assert plain_lab.state(3) == "paused"
        shell.send_signal(signal.SIGINT)
        assert "(asked)" in shell.stdout.readline()
    assert shell.returncode == 0 and plain_lab.state(3) == "running"


def test_faults_overlap_and_each_heals_its_own(plain_lab):
    with catalogue.make("pause").inject(plain_lab, "1"):
        with catalogue.make("kill").inject(plain_lab, "2"):
            assert states(plain_lab) == ["paused", "ended", "running"]
        assert states(plain_lab) == ["paused", "running", "running"]


# ---- what can't be had -------------------------------------------------------------------------


@pytest.mark.parametrize("name, target, why", [
    ("cut-node", "1", "needs a lab that was started by root"),
    ("power", "1", "needs a lab that was started by root"),
    ("clock", "1", "not started with --faketime"),
    ("recover", "a-b", "needs a lab that was started by root"),
    ("kill", "7", "there is no node 7"),
    ("kill", "d", "'d' is no target"),
    ("kill", "leader:nothing/0", "there is no partition 'nothing/0'"),
    ("kill", "coordinator", "there is no group"),
])
def test_the_impossible_is_refused_with_a_sentence(plain_lab, name, target, why):
    with pytest.raises(Impossible, match=why):
        catalogue.make(name).inject(plain_lab, target)


def test_a_dead_node_is_none_to_kill_or_pause(plain_lab):
    with catalogue.make("kill").inject(plain_lab, "1"):
        for name in ("kill", "pause", "cpu", "restart"):
            with pytest.raises(Impossible, match="not (alive|running)"):
                catalogue.make(name).inject(plain_lab, "1")
        assert states(plain_lab) == ["ended", "running", "running"]


class HalfFault(Fault):
    """Pauses, and then can't go on."""
    name = "half"

    def begin(self, scene):
        scene.undo.add(lambda: scene.lab.resume_node(1))
        scene.lab.pause_node(1)
        raise OSError("no more of it")


def test_a_fault_that_fails_halfway_takes_back_its_first_half(plain_lab):
    with pytest.raises(Impossible, match="no more of it"):
        performer.set_up(HalfFault(), plain_lab, "1", seed=1)
    assert plain_lab.state(1) == "running"


# ---- whom a word means -------------------------------------------------------------------------


def test_leader_and_follower_are_those_of_the_partition(plain_lab):
    for partition in make_topic(plain_lab, "roles"):
        which = f"roles/{partition.number}"
        chance = random.Random(1)
        leader = targets.resolve(plain_lab, targets.NODES, f"leader:{which}", chance)
        follower = targets.resolve(plain_lab, targets.NODES, f"follower:{which}", chance)
        assert leader.nodes == (partition.leader,)
        assert follower.nodes[0] in set(partition.replicas) - {partition.leader}
        assert leader.faulted_node == partition.leader
        assert leader.sites == (plain_lab.nodes[partition.leader].site,)


def test_the_leader_is_who_leads_most(plain_lab):
    make_topic(plain_lab, "roles")
    def led():
        found = answers(plain_lab, 1).partitions
        return [sum(p.leader == node for p in found) for node in plain_lab.nodes]
    found = []
    def is_resolved():
        """Of one moment: while leaders go home it is asked again."""
        before = led()
        node = targets.resolve(plain_lab, targets.NODES, "leader", random.Random(1)).nodes[0]
        site = targets.resolve(plain_lab, targets.SITE, "site", random.Random(1)).sites[0]
        found[:] = [before[node - 1], before["abc".index(site)], max(before)]
        return led() == before
    wait_until(is_resolved, "leaders stay where they are for a moment")
    of_node, of_site, most = found
    assert of_node == of_site == most


def test_the_coordinator_is_who_the_nodes_say_it_is(plain_lab):
    target = targets.resolve(plain_lab, targets.NODES, "coordinator:billing", random.Random(1))
    with view.connect(plain_lab, 1, plain_lab.pid(1)) as connection:
        assert target.nodes == (kafka.coordinator(connection, "billing"),)


@pytest.mark.parametrize("word, nodes, sites", [
    ("2", (2,), ("b",)), ("3,1", (3, 1), ("c", "a")), ("all", (1, 2, 3), ("a", "b", "c")),
    ("c", (3,), ("c",))])
def test_nodes_and_sites_can_be_named(plain_lab, word, nodes, sites):
    target = targets.resolve(plain_lab, targets.NODES, word, random.Random(1))
    assert (target.nodes, target.sites) == (nodes, sites)


def test_two_sites_can_be_named_in_an_order(plain_lab):
    target = targets.resolve(plain_lab, targets.PAIR, "c-a", random.Random(1))
    assert (target.words, target.sites) == ("sites c and a", ("c", "a"))
    one_named = targets.resolve(plain_lab, targets.PAIR, "b", random.Random(1))
    assert one_named.sites[1] == "b" and one_named.sites[0] in "ac"


@pytest.mark.parametrize("answer", [
    b"", b"\0\0", struct.pack(">i", -5), struct.pack(">i", 2**31 - 1),
    struct.pack(">ii", 4, 99), struct.pack(">iiii", 12, 1, 0, 2**31 - 1),
    struct.pack(">iiiiih", 18, 1, 0, 1, 1, 30_000),
    struct.pack(">iii", 100, 1, 0) + b"\xff" * 40, struct.pack(">ii", 60, 1) + b"\x00" * 20])
def test_an_answer_that_makes_no_sense_is_no_answer(answer):
    ours, theirs = pair_of_sockets(answer)
    with ours, theirs, pytest.raises(kafka.NoAnswer):
        kafka.metadata(ours)


def test_a_performer_that_nobody_started_does_nothing():
    asked = {"driver": 1, "fault": "kill", "options": {}, "lab": "x", "folder": "/nonexistent",
             "target": "1", "seconds": 1, "seed": 1}
    done = subprocess.run([*SHELL, "perform"], input=json.dumps(asked) + "\n",
                          capture_output=True, text=True)
    assert done.returncode == 1 and done.stdout == ""


def test_a_restart_is_over_when_the_node_runs_again(plain_lab):
    before = starts(plain_lab)
    injection = catalogue.make("restart").inject(plain_lab, "2")
    assert injection.wait(60)
    injection.heal()
    assert injection.ended_by == "over"
    assert starts(plain_lab) == [before[0], before[1] + 1, before[2]]
