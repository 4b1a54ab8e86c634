"""Nothing is left behind, whatever ends a lab."""
import os
import signal
import subprocess
import sys
import time

import pytest
from testbed import control
from testbed.lab import ROOT, Lab, Refused
from testbed.linux import has_ended
from traces import Traces, mounted, text_of

LAB = os.path.join(ROOT, "chaos", "lab")
pytestmark = pytest.mark.usefixtures("root")


@pytest.fixture
def short_lab(labs_folder):
    """Nodes need not form a cluster to be left behind. Their disks are mounts of this lab."""
    lab = Lab.up("short", folder=labs_folder, rtt_us=2_000, faultfs=True, wait_seconds=0)
    yield lab
    if os.path.exists(lab.folder):
        lab.down()


def keeper_of(lab):
    with control.connect(lab.folder) as connection:
        return control.keeper_pid(connection)


def parent_of(pid):
    status = text_of(f"/proc/{pid}/status").decode()
    return int(status.split("PPid:")[1].split()[0])


def test_down_leaves_nothing_when_it_returns(short_lab):
    traces = Traces(short_lab.folder)
    assert f"{short_lab.folder}/node-1 ".encode() in mounted()
    short_lab.down()
    assert not os.path.exists(short_lab.folder)
    traces.assert_gone()


def test_a_killed_keeper_leaves_nothing(short_lab):
    traces = Traces(short_lab.folder)
    command = subprocess.Popen(short_lab.command_in("a", ["sh", "-c", "echo up; sleep 100"]),
                               stdout=subprocess.PIPE)
    assert command.stdout.readline() == b"up\n"
    os.kill(keeper_of(short_lab), signal.SIGKILL)
    traces.assert_gone()
    assert command.wait(10) != 0, "what ran inside has ended too"


def test_a_killed_guardian_leaves_nothing(short_lab):
    traces = Traces(short_lab.folder)
    os.kill(parent_of(keeper_of(short_lab)), signal.SIGKILL)
    traces.assert_gone()


def kill_both(lab):
    """Neither can clear up after the other."""
    keeper = keeper_of(lab)
    guardian = parent_of(keeper)
    ends = [os.pidfd_open(pid) for pid in (keeper, guardian)]
    os.kill(guardian, signal.SIGSTOP)
    os.kill(keeper, signal.SIGKILL)
    os.kill(guardian, signal.SIGKILL)
    assert all(has_ended(end, 10) for end in ends)
    for end in ends:
        os.close(end)


def test_when_both_are_killed_the_next_lab_clears_up(short_lab, labs_folder):
    traces = Traces(short_lab.folder)
    kill_both(short_lab)
    assert os.path.exists(short_lab.folder)
    with Lab.up("short", folder=labs_folder, sites=1, wait_seconds=0) as second:
        assert sorted(second.nodes) == [1]
        assert not os.path.exists(os.path.join(second.folder, "node-2.log"))
    traces.assert_gone()


def test_a_lab_of_any_name_clears_up_what_was_abandoned_long_ago(short_lab, labs_folder):
    kill_both(short_lab)
    with Lab.up("another", folder=labs_folder, sites=1, wait_seconds=0):
        assert os.path.exists(short_lab.folder), "it may be about to be used"
    os.utime(short_lab.folder, (0, 0))
    with Lab.up("another", folder=labs_folder, sites=1, wait_seconds=0) as another:
        assert not os.path.exists(short_lab.folder)
        os.utime(another.folder, (0, 0))
        with Lab.up("third", folder=labs_folder, sites=1, wait_seconds=0):
            assert another.state(1) == "running", "a lab that lives is not cleared away"


def test_a_folder_that_is_no_labs_is_never_emptied(labs_folder, tmp_path):
    (tmp_path / "mine" / "inner").mkdir(parents=True)
    os.utime(tmp_path / "mine", (0, 0))
    with pytest.raises(Refused, match="no lab's"):
        Lab.up("mine", folder=str(tmp_path), wait_seconds=0)
    with Lab.up("other", folder=str(tmp_path), sites=1, wait_seconds=0):
        pass
    assert os.listdir(tmp_path / "mine") == ["inner"]


def hears_ctrl_c():
    """What a shell starts in the background ignores it, and so do all its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_ending_the_command_while_it_brings_a_lab_up_leaves_nothing(labs_folder, number):
    folder = os.path.join(labs_folder, "early")
    command = subprocess.Popen([LAB, "--name", "early", "--folder", labs_folder, "up", "--set",
                                "gone_ms=60000", "--set", "election_timeout_ms=60000"],
                               start_new_session=True, stderr=subprocess.DEVNULL,
                               preexec_fn=hears_ctrl_c)
    give_up_at = time.monotonic() + 20
    while not os.path.exists(os.path.join(folder, "node-3.log")):
        assert command.poll() is None and time.monotonic() < give_up_at, "it should be under way"
        time.sleep(0.001)
    traces = Traces(folder)
    os.killpg(command.pid, number)
    command.wait(10)
    traces.assert_gone()


def test_ctrl_c_ends_a_lab_in_the_foreground(labs_folder):
    with subprocess.Popen([LAB, "--name", "front", "--folder", labs_folder, "up", "--foreground",
                           "--wait", "0"], stdout=subprocess.PIPE, start_new_session=True,
                          text=True, preexec_fn=hears_ctrl_c) as command:
        while "down" not in command.stdout.readline():
            assert command.poll() is None
        traces = Traces(os.path.join(labs_folder, "front"))
        os.killpg(command.pid, signal.SIGINT)
        assert command.wait(20) == 0
    traces.assert_gone()


def test_a_lab_ends_with_its_owner(labs_folder):
    owner = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    lab = Lab.up("owned", folder=labs_folder, wait_seconds=0, owner=owner.pid)
    traces = Traces(lab.folder)
    assert lab.state(1) == "running"
    owner.kill()
    owner.wait()
    traces.assert_gone()


def test_a_stopped_keeper_is_ended_by_force(short_lab, monkeypatch):
    monkeypatch.setattr("testbed.lab.DOWN_SECONDS", 1)
    traces = Traces(short_lab.folder)
    os.kill(keeper_of(short_lab), signal.SIGSTOP)
    short_lab.down()
    traces.assert_gone()
