"""`trilog`, the operator's command: what it prints, how it ends, which node it asks."""

import http.server
import json
import re
import threading

import pytest

import records
from admin_port import ask, trilog
from cluster import free_port, wait_until

pytestmark = pytest.mark.trilog_only


@pytest.fixture
def nowhere():
    """An address where nobody listens."""
    return f"127.0.0.1:{free_port('127.0.0.1')}"


def test_lists_nodes_as_a_table_for_people(cluster):
    done = trilog("node", "list", "--admin", cluster.nodes[0].admin)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["NODE", "SITE", "STATE", "ALIVE", "VOTES", "LEVEL", "LEADS", "DISK",
                                "CLIENTS", "PEERS"]
    assert [line.split()[:4] for line in lines[1:4]] == [
        [str(n.id), n.site, "active", "yes"] for n in cluster.nodes]


@pytest.mark.parametrize("words, path", [("cluster status", "/v1/cluster"),
                                         ("node list", "/v1/nodes")])
def test_prints_what_the_node_said_as_json(cluster, words, path):
    address = cluster.nodes[1].admin
    # Numbers of leaders may move between two questions, so twice the same is waited for.
    def is_same():
        done = trilog(*words.split(), "-o", "json", "-a", address)
        assert done.returncode == 0
        return json.loads(done.stdout) == ask(address, path).json
    wait_until(is_same, 20, "the same answer")


def test_says_how_whole_the_cluster_is(cluster):
    done = trilog("cluster", "status", "-a", cluster.nodes[0].admin)
    assert done.returncode == 0
    assert "client-test" in done.stdout
    assert "SITE  NODES  ALIVE" in done.stdout


def test_tables_of_groups_and_disks_join_what_all_nodes_say(cluster):
    all_nodes = [word for node in cluster.nodes for word in ("-a", node.admin)]

    def is_each_leader_asked():
        groups = trilog("raft", "list", *all_nodes)
        assert groups.returncode == 0
        return "?" not in groups.stdout
    wait_until(is_each_leader_asked, 20, "each group's leader was asked")
    disks = trilog("disk", "status", *all_nodes)
    assert disks.returncode == 0
    assert [line.split()[:2] for line in disks.stdout.splitlines()[1:]] == [
        ["1", "ok"], ["2", "ok"], ["3", "ok"]]


def test_reads_all_segments_when_asked_and_waits_for_it(cluster, new_topic):
    records.send_all(cluster, new_topic(), [b"x" * 10_000] * 100)
    all_nodes = [word for node in cluster.nodes for word in ("-a", node.admin)]
    before = [ask(n.admin, "/v1/scrub").json["passes_finished"] for n in cluster.nodes]
    done = trilog("disk", "scrub", "--wait", 60, *all_nodes, timeout_s=90)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "progress is for terminals"
    told = [ask(n.admin, "/v1/scrub").json for n in cluster.nodes]
    assert all(t["passes_finished"] > b for t, b in zip(told, before))
    assert all(t["segments_suspected"] == 0 for t in told)
    assert all(t["done_bytes"] == t["total_bytes"] for t in told)
    looked = trilog("disk", "scrub", "--plan", *all_nodes)
    assert looked.returncode == 0
    assert "100 %" in looked.stdout


def test_some_nodes_that_do_not_answer_make_it_partly(cluster, nowhere):
    done = trilog("disk", "status", "-a", nowhere, "-a", cluster.nodes[0].admin)
    assert done.returncode == 3
    assert len(done.stdout.splitlines()) == 2
    assert nowhere in done.stderr


def test_asks_the_next_node_when_one_is_not_reached(cluster, nowhere):
    done = trilog("node", "list", "--admin", nowhere, "--admin", cluster.nodes[2].admin)
    assert done.returncode == 0
    listed = trilog("node", "list", environment={
        "TRILOG_ADMIN": f"{nowhere},{cluster.nodes[2].admin}"})
    assert listed.returncode == 0


def test_takes_addresses_from_a_file(cluster, tmp_path):
    file = tmp_path / "cli.conf"
    file.write_text(f"# ours\nadmin {cluster.nodes[0].admin}\n", encoding="ascii")
    assert trilog("node", "list", environment={"TRILOG_CONFIG": str(file)}).returncode == 0
    file.write_text("nonsense\n", encoding="ascii")
    done = trilog("node", "list", environment={"TRILOG_CONFIG": str(file)})
    assert done.returncode == 2
    assert "nonsense" in done.stderr


def test_ends_with_4_when_no_node_answers_and_says_what_to_look_at(nowhere):
    done = trilog("node", "list", "-a", nowhere)
    assert done.returncode == 4
    assert nowhere in done.stderr and "admin_listen" in done.stderr
    assert done.stdout == ""


def test_ends_with_1_when_it_is_refused_and_gives_scripts_the_nodes_own_words(cluster):
    done = trilog("node", "remove", "9", "--yes", "-o", "json", "-a", cluster.nodes[0].admin)
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"] == "not_found"
    assert "node 9 is not in the cluster" in done.stderr


def test_a_topic_that_is_no_text_is_not_taken_for_all_topics(cluster):
    done = trilog("topic", "move", "\udcff", "--yes", "-a", cluster.nodes[0].admin)
    assert (done.returncode, done.stdout) == (2, "") and "UTF-8" in done.stderr


class Starting(http.server.BaseHTTPRequestHandler):
    """A node that can't yet."""

    def do_GET(self):  # pylint: disable=invalid-name
        self.send_response(503)
        self.end_headers()
        self.wfile.write(b'{"error": "starting", "message": "not yet"}')

    def log_message(self, *_):
        pass


def test_a_node_that_says_why_it_can_not_tells_more_than_silent_ones(nowhere):
    with http.server.HTTPServer(("127.0.0.1", 0), Starting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = trilog("node", "list", "-a", f"127.0.0.1:{server.server_port}", "-a", nowhere)
        server.shutdown()
    assert done.returncode == 1
    assert "refused: not yet" in done.stderr


@pytest.mark.parametrize("words", [
    [], ["node"], ["nodes", "list"], ["node", "lists"], ["node", "list", "1"],
    ["node", "list", "--yes"], ["node", "list", "--nonsense"], ["node", "list", "-o", "xml"],
    ["node", "list", "--admin"], ["node", "list", "--admin", "no-port"], ["node", "add"],
    ["node", "add", "4"], ["node", "add", "x", "--site", "a", "--yes"],
    ["node", "add", "4", "5", "--site", "a"], ["node", "replace", "4"],
    ["node", "remove", "0", "--yes"], ["node", "remove", "3", "--wait", "soon", "--yes"],
    ["node", "list", "--token-file", "/nonexistent"]])
def test_ends_with_2_when_the_command_line_is_wrong(words, nowhere):
    done = trilog(*words, environment={"TRILOG_ADMIN": nowhere})
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr != ""


def test_helps_with_an_example_for_each_command():
    listed = trilog("--help")
    assert listed.returncode == 0
    commands = re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)(?= [A-Z\[]|  )",
                          listed.stdout.split("options of")[0], re.M)
    assert "node add" in commands and "lag" in commands and len(commands) > 5
    for name in commands:
        done = trilog(*name.split(), "--help")
        assert done.returncode == 0
        assert f"usage: trilog {name} " in done.stdout
        assert f"\nexample:\n  trilog {name}" in done.stdout


@pytest.mark.parametrize("words", [["node", "add", "4", "--site", "a"], ["node", "remove", "3"],
                                   ["node", "replace", "3", "--by", "4"]])
def test_changes_nothing_where_nobody_can_be_asked(cluster, words):
    done = trilog(*words, "-a", cluster.nodes[0].admin)
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert len(ask(cluster.nodes[0].admin, "/v1/nodes").json["nodes"]) == 3
