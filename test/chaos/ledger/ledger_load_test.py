"""The ledger against three nodes on loopback addresses, which needs no root."""
import signal

import pytest
from ledger_runs import SITES, History, Ledger, check, wait_until
from testbed.lab import Lab

SEND_OK = '"outcome":"ok"}'


@pytest.fixture(scope="module")
def common_lab(tmp_path_factory):
    with Lab.up("ledger", folder=str(tmp_path_factory.mktemp("ledger-lab")), loopback=True) as lab:
        yield lab


@pytest.fixture
def lab(common_lab):
    """All nodes run, and go on running."""
    yield common_lab
    for node_id in common_lab.nodes:
        if common_lab.state(node_id) == "paused":
            common_lab.resume_node(node_id)
        common_lab.start_node(node_id)
    common_lab.wait_until_formed()


@pytest.fixture
def start(lab, tmp_path, request):
    """Starts ledgers of this test's own topic; none survives the test."""
    started = []

    def start_one(command, site, *options):
        started.append(Ledger(lab, str(tmp_path), command, site, request.node.name, *options))
        return started[-1]
    yield start_one
    for ledger in started:
        ledger.clear_away()


def load_everywhere(start, *options):
    return [start("load", site, *options) for site in SITES]


def assert_everything_is_everywhere(lab, history):
    acknowledged = history.acknowledged()
    assert acknowledged
    for node in (None, *lab.nodes):
        read = history.final_reads(node)
        missing = [place for place, sent in acknowledged.items() if read.get(place) != sent]
        assert missing == [], f"as node {node} has it"
        assert len(history.read_ends(node)) == 12


def test_what_was_acknowledged_is_in_the_final_reads_of_every_node(lab, start):
    loads = load_everywhere(start, "--seconds", "3", "--admin-ms", "200", "--rebalance-ms", "1000")
    assert [(load.wait(), load.err) for load in loads] == [(0, "")] * 3
    readers = [start("read", site) for site in SITES]
    assert [(reader.wait(), reader.err) for reader in readers] == [(0, "")] * 3
    paths = [ledger.path for ledger in (*loads, *readers)]
    history = History(*paths)
    assert set(history.outcomes()) == {"ok"}
    assert_everything_is_everywhere(lab, history)
    assert check(*paths)[0] == 0, check(*paths)[1]


def test_a_history_holds_what_each_kind_of_client_does(lab, start):
    load = start("load", "b", "--admin-ms", "100", "--commit-ms", "200")
    load.wait_until_written('"action":"delete-topic"', times=2)
    load.wait_until_written('"type":"commit"', times=8)
    load.wait_until_written('"type":"offset-fetch"', times=8)
    assert load.end() == 0, load.err
    history = History(load.path)
    assert {line["role"] for line in history.of_type("process")} == {
        "driver", "producer", "consumer", "observer", "admin"}
    assert {line.get("idempotent") for line in history.of_type("process")} == {0, 1, None}
    assert {"create-topic", "create-partitions", "alter-config", "describe-group",
            "delete-topic"} == {line["action"] for line in history.of_type("admin")}
    assert set(history.outcomes("admin")) == {"ok"}
    assert "ok" in history.outcomes("commit") and "ok" in history.outcomes("offset-fetch")
    assert {line["node"] for line in history.of_type("metadata")} == set(lab.nodes)
    sends = history.invoked("send").values()
    assert {"key" in line for line in sends} == {True, False}
    assert {line["partition"] >= 0 for line in sends} == {True, False}


def test_sigterm_ends_it_with_every_outcome_known(start):
    load = start("load", "a")
    load.wait_until_written(SEND_OK, times=200)
    assert (load.end(), load.err) == (0, "")
    history = History(load.path)
    assert history.lines[0]["type"] == "history"
    assert [line["name"] for line in history.of_type("stage")] == ["load", "settle", "end"]
    assert history.lines[-1] == history.of_type("stage")[-1]
    settle_at = history.of_type("stage")[1]["at"]
    assert history.invoked("send").keys() == history.completed("send").keys()
    assert all(line["at"] <= settle_at + 100_000 for line in history.invoked("send").values())


def test_members_commit_a_last_time_and_leave(start):
    load = start("load", "a", "--commit-ms", "3600000")  # so only leaving commits
    members = ("a-member-0", "a-member-1")
    for member in members:
        load.wait_until_written(f'"type":"read","process":"{member}"', times=50)
    assert load.end() == 0, load.err
    history = History(load.path)
    for member in members:
        own = [line for line in history.lines if line.get("process") == member]
        read = {line["partition"]: line["offset"] + 1 for line in own if line["type"] == "read"}
        committed = {line["partition"]: line["offset"] for line in own
                     if line["type"] == "commit" and line.get("outcome") == "ok"}
        assert read and committed == read
        assert own[-1]["type"] == "revoke"


def test_members_commit_lower_now_and_then_and_go_on_where_they_were(start):
    load = start("load", "a", "--seconds", "4", "--commit-ms", "100", "--rewind-percent", "50")
    assert (load.wait(), load.err) == (0, "")
    history, steps = History(load.path), {}
    for line in history.invoked("commit").values():
        steps.setdefault((line["process"], line["partition"]), []).append(line["offset"])
    assert any(later < before for offsets in steps.values()
               for before, later in zip(offsets, offsets[1:]))
    assert set(history.outcomes("commit")) == {"ok"}, "by default a member may take back its own"
    reader = start("read", "a")
    assert (reader.wait(), reader.err) == (0, "")
    assert check(load.path, reader.path)[0] == 0, check(load.path, reader.path)[1]


def trilog_settings(lab, tmp_path, site):
    path = tmp_path / f"{site}-trilog.yaml"
    path.write_text(f"site: {site}\nsession_timeout_ms: 6 s\nbootstrap:\n" + "".join(
        f'  - "{node.address}"\n' for node in lab.nodes.values()), encoding="ascii")
    return str(path)


def test_producers_of_libtrilog_are_judged_as_others(lab, start, tmp_path):
    """Which go on through the death of a node, too."""
    load = start("load", "a", "--groups", "0", "--trilog", trilog_settings(lab, tmp_path, "a"))
    load.wait_until_written(SEND_OK, times=200)
    lab.kill_node(1)
    load.wait_until_written(SEND_OK, times=History(load.path).outcomes()["ok"] + 500)
    lab.start_node(1)
    lab.wait_until_formed()
    assert load.end() == 0, load.err
    history = History(load.path)
    clients = {line["client"] for line in history.of_type("process") if line["role"] == "producer"}
    assert clients == {"libtrilog"} and set(history.outcomes()) == {"ok"}
    reader = start("read", "a")
    assert (reader.wait(), reader.err) == (0, "")
    assert check(load.path, reader.path)[0] == 0, check(load.path, reader.path)[1]


def test_members_of_libtrilog_are_judged_as_others(lab, start, tmp_path):
    """Which come and go at two sites, and go on through the death of a node, too. Where a group starts is
    stored, too, and is no commit of a member: so it is not asked for before there are others."""
    loads = [start("load", site, "--commit-ms", "200", "--rebalance-ms", "3000", "--fetch-offsets-ms", "0",
                   "--trilog", trilog_settings(lab, tmp_path, site)) for site in ("a", "b")]
    for load in loads:
        load.wait_until_written('"role":"consumer","group":"g', times=3)
    lab.kill_node(1)
    for load in loads:
        load.wait_until_written('"type":"read"', times=load.count('"type":"read"') + 500)
    lab.start_node(1)
    lab.wait_until_formed()
    wait_until(lambda: len(committed_by(loads)) == 24, "each of both groups' partitions has a commit")
    assert [load.end() for load in loads] == [0, 0], [load.err for load in loads]
    history = History(*(load.path for load in loads))
    members = {line["process"]: line["client"] for line in history.of_type("process")
               if "member" in line["process"]}
    assert set(members.values()) == {"libtrilog"}
    reads = [line for line in history.of_type("read") if line["process"] in members]
    commits = [line for line in history.of_type("commit") if line.get("outcome") == "ok"]
    assert len(reads) > 500 and {line["process"] for line in commits} <= members.keys() and commits
    assert is_each_read_within_an_assignment(history)
    reader = start("read", "a")
    assert (reader.wait(), reader.err) == (0, "")
    paths = [*(load.path for load in loads), reader.path]
    assert check(*paths)[0] == 0, check(*paths)[1]


def committed_by(loads):
    return {(line["group"], line["partition"])
            for line in History(*(load.path for load in loads)).of_type("commit")
            if line.get("outcome") == "ok"}


def is_each_read_within_an_assignment(history):
    own = set()
    for line in history.lines:
        if line.get("group") is None or line["type"] not in ("assign", "revoke", "read"):
            continue
        place = line["process"], line["partition"]
        if (place in own) == (line["type"] == "assign"):
            return False
        if line["type"] != "read":
            (own.add if line["type"] == "assign" else own.remove)(place)
    return own == set()


def test_a_second_signal_ends_it_at_once(lab, start):
    load = start("load", "a")
    load.wait_until_written(SEND_OK, times=100)
    for node_id in lab.nodes:
        lab.pause_node(node_id)
    sent = len(History(load.path).invoked("send"))
    load.wait_until_written('"type":"send"', times=sent * 2 + 100)  # some have no outcome now
    load.process.send_signal(signal.SIGTERM)
    load.wait_until_written('"name":"settle"')
    assert load.end(signal.SIGINT) == 1
    with open(load.path, encoding="ascii") as file:
        assert file.read().endswith("}\n")
    assert [line["name"] for line in History(load.path).of_type("stage")] == ["load", "settle"]


def test_kill_9_leaves_whole_lines(start):
    load = start("load", "a", "--rate", "5000")
    load.wait_until_written('"type":"send"', times=5000)
    assert load.end(signal.SIGKILL) == -signal.SIGKILL
    history = History(load.path)  # which takes each line apart
    assert len(history.invoked("send")) >= 2000
    assert "end" not in {line["name"] for line in history.of_type("stage")}


def test_sends_have_outcomes_also_when_a_node_dies_under_them(lab, start):
    loads = load_everywhere(start)
    loads[0].wait_until_written(SEND_OK, times=500)
    lab.kill_node(2)
    acknowledged = sum(History(loads[0].path).outcomes().values())
    loads[0].wait_until_written(SEND_OK, times=acknowledged + 3000)
    lab.start_node(2)
    lab.wait_until_formed()
    assert [load.end() for load in loads] == [0, 0, 0], [load.err for load in loads]
    reader = start("read", "a")
    assert reader.wait() == 0, reader.err
    paths = [ledger.path for ledger in (*loads, reader)]
    history = History(*paths)
    assert history.invoked("send").keys() == history.completed("send").keys()
    assert_everything_is_everywhere(lab, history)
    assert check(*paths)[0] == 0, check(*paths)[1]


def test_what_cannot_be_read_has_no_end_and_is_told(lab, start):
    load = start("load", "a", "--seconds", "1")
    assert load.wait() == 0, load.err
    lab.pause_node(3)
    reader = start("read", "a", "--timeout-seconds", "10")
    assert reader.wait() == 1
    assert "could not be read" in reader.err
    history = History(reader.path)
    assert history.read_ends(3) == {}
    assert len(history.read_ends(1)) == len(history.read_ends(2)) == 12
    assert history.lines[-1]["name"] == "end"
    assert check(load.path, reader.path)[0] == 0, "what was read elsewhere is enough to judge"


def test_a_cluster_that_is_not_there_is_told_and_not_waited_for(start, lab):
    for node_id in lab.nodes:
        lab.kill_node(node_id)
    load = start("load", "a")
    load.wait_until_written('"type":"error"')
    assert load.end() == 1
    assert "is not there, or has no leaders" in load.err
