"""Without root: a lab on loopback addresses, with nodes to kill, pause and start."""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

import pytest
from testbed import control
from testbed.lab import ROOT, Lab, Refused

NOBODY = 65534
GONE_SECONDS_MAX = 15


@pytest.fixture(scope="module")
def loopback_lab(labs_folder):
    with Lab.up("loopback", folder=labs_folder, loopback=True) as lab:
        yield lab


def test_nodes_are_killed_paused_and_started(loopback_lab):
    assert [node.address.split(":")[0] for node in loopback_lab.nodes.values()] == [
        "127.0.1.1", "127.0.2.1", "127.0.3.1"]
    loopback_lab.kill_node(2)
    assert loopback_lab.state(2) == "ended"
    loopback_lab.pause_node(1)
    assert loopback_lab.state(1) == "paused"
    loopback_lab.resume_node(1)
    loopback_lab.start_node(2)
    loopback_lab.wait_until_formed()


def test_links_are_refused_with_what_needs_root(loopback_lab):
    for act in (lambda: loopback_lab.link("a", "b").set(delay_us=1),
                lambda: loopback_lab.cut_node(1), loopback_lab.restore_all):
        with pytest.raises(Refused, match="need root: without it"):
            act()


def test_commands_run_beside_the_nodes(loopback_lab):
    done = subprocess.run(loopback_lab.command_in("a", ["sh", "-c", "cat; exit 4"]), input=b"in",
                          capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (4, b"in")


def test_disk_faults_and_delays_are_refused_from_the_start(labs_folder):
    for wrong in ({"faultfs": True}, {"rtt_us": 1_000}):
        with pytest.raises(Refused, match="need root"):
            Lab.up("wrong", folder=labs_folder, loopback=True, **wrong)


def test_two_labs_do_not_collide_here_either(loopback_lab, labs_folder):
    with Lab.up("beside", folder=labs_folder, loopback=True, sites=1) as beside:
        assert beside.nodes[1].address != loopback_lab.nodes[1].address


@pytest.mark.parametrize("whom", ["keeper", "guardian"])
def test_a_killed_keeper_or_guardian_leaves_nothing(labs_folder, whom):
    lab = Lab.up("short", folder=labs_folder, loopback=True, wait_seconds=0)
    pids = [lab.pid(node_id) for node_id in lab.nodes]
    with control.connect(lab.folder) as connection:
        victim = control.keeper_pid(connection)
    if whom == "guardian":
        with open(f"/proc/{victim}/stat", encoding="ascii") as file:
            victim = int(file.read().rpartition(")")[2].split()[1])
    command = subprocess.Popen(lab.command_in("a", ["sh", "-c", "echo up; exec sleep 100"]),
                               stdout=subprocess.PIPE)
    assert command.stdout.readline() == b"up\n"
    os.kill(victim, signal.SIGKILL)
    assert command.wait(10) != 0
    give_up_at = time.monotonic() + GONE_SECONDS_MAX
    while os.path.exists(lab.folder) or any(os.path.exists(f"/proc/{pid}") for pid in pids):
        assert time.monotonic() < give_up_at
        time.sleep(0.01)


@pytest.fixture(scope="module")
def readable_copy():
    """What the lab needs, where anybody can read it: the sources may lie in a private folder."""
    with tempfile.TemporaryDirectory(dir="/tmp") as copy:
        os.chmod(copy, 0o755)
        for name in ("chaos/testbed", "conf/samples"):
            shutil.copytree(os.path.join(ROOT, name), os.path.join(copy, name))
        shutil.copy(os.path.join(ROOT, "chaos/lab"), os.path.join(copy, "chaos/lab"))
        os.makedirs(os.path.join(copy, "build/release"))
        shutil.copy(os.path.join(ROOT, "build/release/trilogd"),
                    os.path.join(copy, "build/release"))
        labs = os.path.join(copy, "labs")
        os.mkdir(labs)
        os.chmod(labs, 0o777)
        yield copy
        assert os.listdir(labs) == [], "left behind"


def as_nobody(copy, *words):
    """chaos/lab as a user without any rights; who has none to begin with stays who they are."""
    change = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return subprocess.run(
        [*(change if os.geteuid() == 0 else []), os.path.join(copy, "chaos/lab"), *words],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": os.path.join(copy, "labs")}, cwd=copy,
        capture_output=True, text=True, timeout=60, check=False)


def test_a_plain_user_is_told_what_needs_root_and_gets_a_lab(readable_copy):
    up = as_nobody(readable_copy, "up", "--wait", "10")
    try:
        assert up.returncode == 0, up.stderr
        assert up.stderr.count("need root") == 1 and up.stderr.count("\n") == 1
        assert "127.0.3.1" in up.stdout
        assert as_nobody(readable_copy, "node", "kill", "2").returncode == 0
        assert as_nobody(readable_copy, "node", "pause", "1").returncode == 0
        status = json.loads(as_nobody(readable_copy, "status", "-o", "json").stdout)
        assert [node["state"] for node in status["nodes"]] == ["paused", "ended", "running"]
        link = as_nobody(readable_copy, "link", "a", "b", "--cut")
        assert link.returncode == 1 and "need root" in link.stderr
    finally:
        assert as_nobody(readable_copy, "down").returncode == 0
