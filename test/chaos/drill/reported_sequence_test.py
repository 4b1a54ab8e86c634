"""The sequence that was reported of a replicated queue, with everything as it was: the slave's disk
fails, so its offsets stand at 500 while the master's go on to 1001; the master is cut off from the
other sites, its own applications still reach it, and the cluster switches; later it switches back.
There the group went on at 500. Stock clients, where each site's applications are."""

import json
import pathlib
import subprocess
import sys
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "chaos"))

from drill import wire  # noqa: E402
from drill.ground import Ground, has_network  # noqa: E402
from faults.disk import tell  # noqa: E402
from testbed.lab import Lab  # noqa: E402

PROGRAM = pathlib.Path(__file__).with_name("group_program.py")
SETTINGS = {"num.partitions": "1", "offsets.topic.num.partitions": "1",
            "checkpoint_interval_ms": "1 s"}
GROUP, TOPIC, RECORDS = "the-reported-group", "reported", 1200
WAIT_S = 60
ALONE_S = 8  # librdkafka looks for a coordinator until it is ended


def wait_until(is_true, what):
    give_up = time.monotonic() + WAIT_S
    while not (answer := is_true()):
        assert time.monotonic() < give_up, f"not within {WAIT_S} s: {what}"
        time.sleep(0.05)
    return answer


@pytest.fixture
def ground(tmp_path):
    if not has_network():
        pytest.skip("network namespaces, mounts and packet filters need root")
    made = Ground(Lab.up("sequence", folder=str(tmp_path), rtt_us=2000, faultfs=True,
                         settings=SETTINGS))
    yield made
    made.down()


class Sites:
    """The lab, by the words of the report."""

    def __init__(self, ground):
        self.ground, self.lab = ground, ground.lab

    def run(self, site, argv, stdin=""):
        return subprocess.run(self.lab.command_in(site, argv), input=stdin, text=True,
                              capture_output=True, timeout=2 * WAIT_S, check=True).stdout

    def program(self, site, *steps, client="confluent"):
        """Of each step the offset that it told, or None when it was done; or why it failed."""
        said = self.run(site, [sys.executable, "-B", str(PROGRAM), client,
                               self.ground.bootstrap(site), GROUP, TOPIC, *steps])
        return [answer.get("failed", answer.get("offset"))
                for answer in map(json.loads, said.splitlines())]

    def try_at(self, node, step):
        """Begins a program in the node's site that knows no other; what it is told is on stdout."""
        argv = ["timeout", str(ALONE_S), sys.executable, "-B", str(PROGRAM), "confluent",
                self.lab.nodes[node].address, GROUP, TOPIC, step]
        return subprocess.Popen(self.lab.command_in(self.lab.nodes[node].site, argv), text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def kcat(self, site, *arguments, stdin=""):
        return self.run(site, ["kcat", "-q", "-b", self.ground.bootstrap(site), *arguments], stdin)

    def coordinator(self, among=None):
        """As the first of these nodes that knows it says."""
        connections = self.ground.connections()
        for node in among or connections:
            try:
                return wire.ask_coordinator(connections[node], GROUP)
            except wire.AnswerError:
                continue
        return None

    def are_level(self):
        """All sites have what the leaders of both topics have."""
        topics = json.loads(self.kcat(self.ground.sites[0], "-L", "-J"))["topics"]
        return all(len(p["isrs"]) == 3 for t in topics for p in t["partitions"]
                   if t["topic"] in (TOPIC, "__consumer_offsets"))


def test_a_group_at_1001_goes_on_at_1001_when_its_master_is_cut_off_and_when_it_is_back(ground):
    sites = Sites(ground)
    lab, site_of = ground.lab, ground.node_sites()
    sites.kcat("a", "-P", "-t", TOPIC, stdin="".join(f"{i}\n" for i in range(RECORDS)))
    assert sites.program("a", "read", "commit=500", "stored") == [0, None, 500]
    wait_until(sites.are_level, "all have 500")
    master = sites.coordinator()
    slave, third = (node for node in lab.nodes if node != master)

    # The slave's disk fails: it keeps 500. The master and the third site go on.
    tell(lab, [slave], "fail write errno=EIO")
    tell(lab, [slave], "fail fsync errno=EIO")
    assert sites.program(site_of[third], "read", "commit=1001") == [500, None]
    lab.wait_until_ended(slave, WAIT_S)

    # The master is cut off, and only then the slave comes back, with what its disk has kept. The
    # master's own applications reach it still.
    cut = lab.cut_site(site_of[master])
    alone = [sites.try_at(master, "store=700"), sites.try_at(master, "stored")]
    tell(lab, [slave], "heal")
    lab.start_node(slave)
    wait_until(lambda: sites.coordinator([third]) not in (None, master), "the cluster has switched")
    assert sites.program(site_of[slave], "stored", "read", "commit=500") == [1001, 1001, None]
    assert sites.program(site_of[third], "stored") == [1001], "told success, and nothing went back"

    for program in alone:
        said, _ = program.communicate(timeout=WAIT_S)
        assert all("failed" in json.loads(line) for line in said.splitlines()), said

    # Back again: leaders return to their sites once these are level.
    cut.restore()
    wait_until(sites.are_level, "all are level")
    wait_until(lambda: sites.coordinator() == master, "the group is back")
    for client in ("confluent", "kafka-python"):
        assert sites.program(site_of[master], "stored", "read", "commit=500",
                             client=client) == [1001, 1001, None], client
    first = sites.kcat(site_of[slave], "-G", GROUP, "-c", "1", "-f", "%o\n", "-X",
                       "auto.offset.reset=earliest", "-X", "enable.auto.commit=false", TOPIC)
    assert first.splitlines() == ["1001"]
