"""A lab's life as a user sees it: up, status, exec, nodes, several at once."""
import json
import os
import signal
import socket
import subprocess
import sys
import time

import pytest
from testbed.lab import ROOT, Lab, NotUp, Refused
from testbed.wand import connect_unix

LAB = [sys.executable, "-B", os.path.join(ROOT, "chaos", "lab")]


def run_lab(lab, *words, check=True, **options):
    """The command line, for a lab of this run."""
    which = ["--name", lab.name, "--folder", os.path.dirname(lab.folder)]
    return subprocess.run([*LAB, words[0], *which, *words[1:]], capture_output=True, text=True,
                          check=check, timeout=60, **options)


def test_the_status_tells_nodes_and_links(lab):
    status = json.loads(run_lab(lab, "status", "-o", "json").stdout)
    assert [(node["id"], node["site"], node["state"], node["address"])
            for node in status["nodes"]] == [(1, "a", "running", "10.1.0.1:9092"),
                                             (2, "b", "running", "10.2.0.1:9092"),
                                             (3, "c", "running", "10.3.0.1:9092")]
    assert len(status["links"]) == 6
    table = run_lab(lab, "status").stdout
    assert "10.2.0.1:9092" in table and "unlimited" in table


def test_a_process_id_is_that_of_the_node_as_seen_from_here(lab):
    for node_id in lab.nodes:
        with open(f"/proc/{lab.pid(node_id)}/cmdline", "rb") as file:
            assert f"node-{node_id}.yaml".encode() in file.read()


def test_a_command_runs_in_its_place_with_input_output_and_exit_status(lab):
    done = run_lab(lab, "exec", "b", "--", "sh", "-c", "cat; ip -4 address show eth0 >&2; exit 7",
                   input="words\n", check=False)
    assert (done.returncode, done.stdout) == (7, "words\n")
    assert "10.2.0.100/24" in done.stderr
    assert "10.3.0.1/24" in run_lab(lab, "exec", "3", "--", "ip", "-o", "-4", "address").stdout
    assert run_lab(lab, "exec", "z", "--", "true", check=False).returncode == 1
    assert run_lab(lab, "exec", "a", "--", "no-such-program", check=False).returncode == 127


def test_a_command_keeps_the_folder_that_it_was_started_in(lab, tmp_path):
    done = run_lab(lab, "exec", "a", "--", "pwd", cwd=tmp_path)
    assert done.stdout.strip() == str(tmp_path)


def test_signals_reach_a_command_and_its_end_by_one_is_passed_on(lab):
    script = "trap 'echo told; exit 3' TERM; echo ready; while :; do sleep 0.05; done"
    with subprocess.Popen(lab.command_in("a", ["sh", "-c", script]), stdout=subprocess.PIPE,
                          text=True) as command:
        assert command.stdout.readline() == "ready\n"
        command.send_signal(signal.SIGTERM)
        assert command.stdout.readline() == "told\n"
        assert command.wait(10) == 3
    done = subprocess.run(lab.command_in("a", ["sh", "-c", "kill -USR1 $$"]), check=False)
    assert done.returncode == -signal.SIGUSR1


def test_a_command_ends_with_the_one_who_started_it(lab):
    with subprocess.Popen(lab.command_in("a", ["sh", "-c", "echo ready; exec sleep 100"]),
                          stdout=subprocess.PIPE) as command:
        command.stdout.readline()
        command.kill()
        assert command.stdout.read() == b"", "its end closes the pipe"


def test_a_node_is_killed_and_started(lab):
    assert "node 2 is ended" in run_lab(lab, "node", "kill", "2").stdout
    status = lab.node_status(2)
    assert (status["state"], status["exit_status"], status["pid"]) == ("ended", -9, None)
    assert "ended (SIGKILL)" in run_lab(lab, "status").stdout
    with pytest.raises(Refused, match="not alive"):
        lab.kill_node(2)
    run_lab(lab, "node", "start", "2")
    lab.wait_until_formed()
    assert (lab.state(2), lab.node_status(2)["starts"]) == ("running", 2)


def test_a_node_that_is_asked_to_stop_ends_by_itself(lab):
    lab.stop_node(3)
    assert lab.node_status(3)["exit_status"] == 0
    lab.start_node(3)
    lab.start_node(3)
    assert lab.state(3) == "running"


def test_a_node_is_paused_and_goes_on(lab):
    lab.pause_node(1)
    with open(f"/proc/{lab.pid(1)}/stat", encoding="ascii") as file:
        assert file.read().split()[2] == "T"
    assert lab.state(1) == "paused"
    with pytest.raises(Refused, match="not ended"):
        lab.wait_until_ended(1, 0.05)
    lab.resume_node(1)
    assert lab.state(1) == "running"
    lab.wait_until_formed()


def last_time_in_log(node):
    with open(node.log_path, encoding="utf-8") as file:
        stamps = [line.split()[0].removeprefix("time=") for line in file if "time=" in line[:5]]
    return time.mktime(time.strptime(stamps[-1][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone


@pytest.mark.parametrize("offset_seconds", [3600, -3600])
def test_a_wall_clock_is_set_while_its_node_runs(lab, offset_seconds):
    lab.set_wall_clock_offset(2, offset_seconds)
    give_up_at = time.monotonic() + 10
    while abs(last_time_in_log(lab.nodes[2]) - time.time() - offset_seconds) > 60:
        assert time.monotonic() < give_up_at, "the step is not seen"
        lab.kill_node(3)  # something to write about
        lab.start_node(3)
        lab.wait_until_formed()
    assert abs(last_time_in_log(lab.nodes[1]) - time.time()) < 60, "others keep their time"
    lab.set_wall_clock_offset(2, 0)


def test_two_labs_have_the_same_addresses_and_do_not_meet(lab, labs_folder):
    with Lab.up("second", folder=labs_folder, sites=1) as second:
        assert second.nodes[1].address == lab.nodes[1].address
        lab.cut_node(1)
        second.kill_node(1)
        assert lab.state(1) == "running"
        assert second.status()["cuts"] == []
        with pytest.raises(Refused, match="up already"):
            Lab.up("second", folder=labs_folder)
        assert second.state(1) == "ended"
    assert lab.state(1) == "running"


def test_a_disk_that_can_fail_is_seen_by_the_lab_only(root, labs_folder):
    with Lab.up("disks", folder=labs_folder, sites=1, faultfs=True) as disks:
        folder = disks.nodes[1].data_folder
        assert os.listdir(folder) == []
        seen = subprocess.run(disks.command_in(1, ["ls", folder]), capture_output=True, check=True)
        assert seen.stdout.split() != []
        disks.kill_node(1)
        assert ask_disk(disks, "fail write errno=EIO") == "ok"
        disks.start_node(1)
        assert disks.wait_until_ended(1) != 0, "no node stands on a disk that fails"
        assert ask_disk(disks, "heal") == "ok"
        disks.start_node(1)
        disks.wait_until_formed()
        with pytest.raises(Refused, match="not started with --faketime"):
            disks.set_wall_clock_offset(1, 5)


def ask_disk(disks, line):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connect_unix(connection, disks.faultfs_control(1))
        connection.sendall(line.encode() + b"\n")
        return connection.recv(1000).decode().split()[0]


def test_two_nodes_per_site_form_a_cluster_behind_delayed_links(root, labs_folder):
    with Lab.up("pairs", folder=labs_folder, nodes_per_site=2, rtt_us=4_000) as pairs:
        assert [node.id for node in pairs.nodes_of("c")] == [3, 6]
        assert {link["delay_us"] for link in pairs.status()["links"]} == {2_000}
        pairs.kill_node(6)


def test_what_can_not_come_up_says_why_and_leaves_nothing(root, labs_folder):
    for wrong, sentence in (({"sites": 9}, "1 to 5"), ({"binary": "/bin/false"}, "ended at once"),
                            ({"settings": {"gone_ms": "1"}}, "gone_ms"),
                            ({"binary": "/no/such"}, "make builds it")):
        with pytest.raises(Refused, match=sentence):
            Lab.up("wrong", folder=labs_folder, **wrong)
        assert not os.path.exists(os.path.join(labs_folder, "wrong"))


def test_there_is_a_sentence_when_there_is_no_lab(labs_folder):
    with pytest.raises(NotUp, match="no lab 'none' is up"):
        Lab.attach("none", labs_folder)
    done = subprocess.run([*LAB, "--folder", labs_folder, "--name", "none", "down"], check=False,
                          capture_output=True, text=True)
    assert done.returncode == 1 and "chaos/lab up" in done.stderr


def test_the_command_line_changes_links(lab):
    table = run_lab(lab, "link", "a", "b", "--loss", "1%", "--rate", "5mbit", "--one-way").stdout
    assert "1 %" in table and "5 Mbit/s" in table
    run_lab(lab, "link", "a", "b", "--cut")
    assert [link["cut"] for link in lab.link("a", "b").settings()] == [True, True]
    run_lab(lab, "link", "a", "b", "--restore", "--one-way")
    assert [link["cut"] for link in lab.link("a", "b").settings()] == [False, True]
    refused = run_lab(lab, "link", "a", "q", "--loss", "1%", check=False)
    assert refused.returncode == 1 and "no link" in refused.stderr
