"""The operator's port: health, metrics, what there is; who may ask; and hostile clients."""

import socket
import subprocess
import time

import pytest

import cluster as clusters
import records
import wire
from admin_port import ask, exchange_raw, post
from cluster import OwnCluster, rss_bytes_of, trilogd, wait_until
from metric_text import Malformed, read_metrics

pytestmark = pytest.mark.trilog_only

PATHS = ["/livez", "/readyz", "/v1/cluster", "/v1/nodes", "/v1/groups", "/v1/disk",
         "/v1/scrub"]
TOKEN = "correct-horse-battery-staple"
MIB = 1 << 20


def reasons(address):
    return {reason["code"] for reason in ask(address, "/readyz").json["reasons"]}


def wait_ready(node, timeout_s=60):
    wait_until(lambda: ask(node.admin, "/readyz").status == 200, timeout_s,
               f"node {node.id} is ready", 0.1)


@pytest.fixture
def lone(tmp_path):
    """Nodes of a cluster, none of them started."""
    own = OwnCluster("lone")
    yield own
    own.stop()


# ---- what there is ----

@pytest.mark.parametrize("path", PATHS)
def test_every_path_answers_json_on_every_node(cluster, path):
    for node in cluster.nodes:
        if path == "/readyz":
            wait_ready(node)
        answer = ask(node.admin, path)
        assert answer.status == 200, answer.body
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert "error" not in answer.json
        head = ask(node.admin, path, "HEAD")
        assert (head.status, head.body) == (200, b"")


def test_what_comes_in_pieces_waits_for_nothing_else(cluster):
    """A body of 60 KB is many pieces; each once waited for a timer of 250 ms. The quickest of ten
    says whether they do: what else slows an answer down is not there each time."""
    took = []
    for _ in range(10):
        begun = time.monotonic()
        answer = post(cluster.nodes[0].admin, "/v1/nodes/add", {"node_id": 4, "site": "x" * 60_000})
        assert answer.status == 400
        took.append(time.monotonic() - begun)
    assert min(took) < 0.2


def test_the_cluster_is_told_alike_by_every_node(cluster):
    told = [ask(node.admin, "/v1/cluster").json for node in cluster.nodes]
    assert [t["node_id"] for t in told] == [1, 2, 3]
    assert [t["site"] for t in told] == ["a", "b", "c"]
    assert len({t["cluster_id"] for t in told}) == 1

    def is_whole(node):
        t = ask(node.admin, "/v1/cluster").json
        return t["groups_led"] == t["groups"] > 1 and (
            t["sites"] == {site: {"nodes": 1, "alive": 1} for site in "abc"})
    for node in cluster.nodes:
        wait_until(lambda n=node: is_whole(n), 30, f"node {node.id} sees all of it")


def test_nodes_have_the_addresses_and_groups_that_clients_and_leaders_see(cluster):
    wait_ready(cluster.node(2))
    told = ask(cluster.node(2).admin, "/v1/nodes").json
    assert [(n["node_id"], n["site"], n["client_address"]) for n in told["nodes"]] == [
        (n.id, n.site, n.address) for n in cluster.nodes]

    def are_as_they_are():
        told = ask(cluster.node(2).admin, "/v1/nodes").json
        return (all(n["is_alive"] and n["state"] == "active" for n in told["nodes"]) and
                sum(n["groups_led"] for n in told["nodes"]) == told["groups"] and
                {n["groups_voting"] for n in told["nodes"]} == {told["groups"]})
    wait_until(are_as_they_are, 30, "all are alive and vote, and each group has one leader")


def test_a_leader_tells_how_far_its_replicas_lag(cluster, new_topic):
    records.send_all(cluster, new_topic(), [b"x" * 100] * 50)
    wanted = ask(cluster.nodes[0].admin, "/v1/cluster").json["groups"]

    def told_by_leaders():
        groups = [group for node in cluster.nodes
                  for group in ask(node.admin, "/v1/groups").json["groups"] if "replicas" in group]
        return sorted(group["group_id"] for group in groups) == list(range(wanted)) and groups
    for group in wait_until(told_by_leaders, 30, "each group has one leader"):
        assert [r["node_id"] for r in group["replicas"]] == [1, 2, 3]
        assert group["replica"]["role"] in ("leader", "elected")
        assert all(r["lag_ms"] >= 0 and r["lag_entries"] >= 0 for r in group["replicas"])


# ---- metrics ----

def metrics_of(node):
    answer = ask(node.admin, "/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return read_metrics(answer.body.decode())


def test_metrics_count_requests_errors_and_what_was_written(cluster, new_topic):
    topic = new_topic()
    leader = cluster.leader(topic)
    before = metrics_of(leader)
    records.send_all(cluster, topic, [b"x" * 1000] * 100)
    # Two others may have been the majority: the leader's own disk is waited for.
    wait_until(lambda: metrics_of(leader)["trilog_wal_written_bytes_total"].value() >
               before["trilog_wal_written_bytes_total"].value() + 100_000, 30, "it is written")
    after = metrics_of(leader)

    def rise(name, suffix="", **labels):
        return after[name].value(suffix, **labels) - before[name].samples.get(
            (suffix, tuple(sorted(labels.items()))), 0)
    assert rise("trilog_requests_total", api="Produce") > 0
    assert rise("trilog_request_duration_seconds", "_count", api="Produce") > 0
    assert rise("trilog_wal_syncs_total") > 0
    assert rise("trilog_wal_write_duration_seconds", "_sum") > 0
    assert after["trilog_node_info"].value(cluster="client-test", site=leader.site,
                                           node=str(leader.id)) == 1
    assert after["trilog_replica_lag_seconds"].labels("replica_site") == {"a", "b", "c"}


def test_metrics_count_parked_requests_and_connections_that_wait_at_a_limit(target):
    """More long polls on one connection than may be unanswered."""
    node = target.node

    def value(name, **labels):
        return metrics_of(node)[name].samples.get(("", tuple(sorted(labels.items()))), 0)
    before = value("trilog_connection_pauses_total", limit="requests_in_flight_max")
    waiting = wire.fetch(target.topic, target.log_end(), max_wait_ms=4000)
    with target.connect() as c:
        for i in range(100):
            c.send(wire.frame(wire.header(wire.FETCH, 4, i) + waiting))
        wait_until(lambda: value("trilog_requests_in_progress", api="Fetch") >= 64, 30,
                   "as many are parked as may be")
        assert value("trilog_requests_in_progress", api="Fetch") < 100
        assert value("trilog_connection_pauses_total", limit="requests_in_flight_max") > before
        assert value("trilog_connections") >= 1
    wait_until(lambda: value("trilog_requests_in_progress", api="Fetch") == 0, 30,
               "what was parked has ended")


def test_the_strict_reader_refuses_what_prometheus_would():
    sound = '# HELP trilog_x X\n# TYPE trilog_x gauge\ntrilog_x{a="b\\"\\\\\\n"} 1\n'
    assert read_metrics(sound)["trilog_x"].value(a='b\\"\\\\\\n') == 1
    for wrong in (sound[:-1], sound + sound, sound + 'trilog_x{a="b"} 1\ntrilog_x{a="b"} 1\n',
                  sound.replace("gauge", "meter"), sound.replace(" 1\n", " one\n"),
                  sound + "trilog_y 1\n", sound.replace("trilog_x", "trilog_x_ms"),
                  sound.replace("gauge", "counter"), sound.replace('\\"', '"'), "\n", ""):
        with pytest.raises((Malformed, ValueError)):
            read_metrics(wrong)


# ---- form ----

def test_what_is_not_there_is_refused_by_a_code(cluster):
    address = cluster.nodes[0].admin
    assert (ask(address, "/v2/nodes").status, ask(address, "/v2/nodes").error) == (
        404, "no_such_path")
    wrong = ask(address, "/v1/nodes", "DELETE")
    assert (wrong.status, wrong.error, wrong.headers["allow"]) == (405, "wrong_method", "GET")
    assert ask(address, "/livez", "OPTIONS").status == 405


def test_pages_in_a_browser_can_neither_read_nor_change(cluster):
    address = cluster.nodes[0].admin
    port = address.split(":")[1]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", ""):
        assert ask(address, "/v1/cluster", headers={"Host": host}).status in (400, 403), host
    for host in (address, "localhost", f"localhost:{port}", "[::1]", "10.0.0.1:80"):
        assert ask(address, "/v1/cluster", headers={"Host": host}).status == 200, host
    answer = ask(address, "/v1/cluster", headers={"Origin": f"http://{address}"})
    assert (answer.status, answer.error) == (403, "foreign_origin")


# ---- hostile clients ----

def test_headers_and_lines_beyond_their_bound_are_refused(cluster):
    node = cluster.nodes[0]
    before = rss_bytes_of(node.pid())
    start = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    for sent in (start + b"X-Large: " + b"x" * MIB + b"\r\n\r\n",
                 start + b"".join(b"X-%d: y\r\n" % i for i in range(50_000)) + b"\r\n",
                 b"GET /" + b"x" * MIB + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"):
        said = exchange_raw(node.admin, sent)
        assert said == b"" or said.split()[1] in (b"400", b"413", b"414", b"431"), said[:100]
    for sent in (b"\x00" * 1000, b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"\r\n" * 1000,
                 b"GET /livez HTTP/9.9\r\n\r\n", b"POST /livez HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\n\r\n"):
        said = exchange_raw(node.admin, sent)
        assert b" 200 " not in said.split(b"\r\n")[0], sent
    assert ask(node.admin, "/livez").status == 200
    assert rss_bytes_of(node.pid()) - before < 32 * MIB


def test_clients_that_send_no_whole_request_do_not_keep_others_out(cluster):
    """As many as there may be, each with a byte now and then, which no silence would end."""
    node = cluster.nodes[0]
    host, port = node.admin.split(":")
    slow = []
    try:
        for i in range(64):
            s = socket.create_connection((host, int(port)), 10)
            s.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: " if i % 2 else
                      b"POST /v1/nodes/add HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9999\r\n"
                      b"Content-Type: application/json\r\n\r\n{")
            slow.append(s)
        give_up = time.monotonic() + 30
        while slow and time.monotonic() < give_up:
            for s in list(slow):
                try:
                    s.send(b"x")
                except OSError:
                    slow.remove(s)
                    s.close()
            if len(slow) < 48:
                break
            time.sleep(0.1)
        assert len(slow) < 48, "the slow ones are closed while most connections are theirs"
        assert ask(node.admin, "/livez").status == 200
    finally:
        for s in slow:
            s.close()


def test_a_client_that_goes_away_in_the_middle_harms_nobody(cluster):
    node = cluster.nodes[0]
    host, port = node.admin.split(":")
    for _ in range(100):
        with socket.create_connection((host, int(port)), 10) as s:
            s.sendall(b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert ask(node.admin, "/livez").status == 200


# ---- starting, stopping, token ----

def test_a_node_that_waits_for_its_founders_is_alive_and_not_ready(lone):
    node = lone.nodes[0]
    node.start()
    wait_until(lambda: answers(node), 30, "the admin port answers")
    assert ask(node.admin, "/livez").json == {"alive": True, "reasons": []}
    answer = ask(node.admin, "/readyz")
    assert (answer.status, answer.json["ready"]) == (503, False)
    assert reasons(node.admin) == {"starting"}
    assert (ask(node.admin, "/v1/nodes").status, ask(node.admin, "/v1/nodes").error) == (
        503, "starting")


def answers(node):
    try:
        return ask(node.admin, "/livez").status == 200
    except OSError:
        return False


@pytest.mark.timeout(180)
def test_a_node_without_a_majority_says_why_it_is_not_ready(lone):
    lone.start()
    for node in lone.nodes:
        wait_ready(node)
    lone.node(2).kill9()
    lone.node(3).kill9()
    address = lone.node(1).admin
    wait_until(lambda: {"no_controller", "no_leader"} <= reasons(address), 60, "it is not ready", 0.1)
    assert ask(address, "/livez").status == 200, "a restart would not help"
    assert ask(address, "/v1/cluster").json["controller_node_id"] is None

    def alive():
        return {n["node_id"]: n["is_alive"] for n in ask(address, "/v1/nodes").json["nodes"]}
    wait_until(lambda: alive() == {1: True, 2: False, 3: False}, 30, "it knows who is gone", 0.1)
    lone.node(2).start()
    wait_ready(lone.node(1))
    wait_until(lambda: reasons(address) == set(), 30, "nothing stands against it")


def test_a_port_with_a_token_answers_nobody_else(lone, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text(TOKEN + "\n", encoding="ascii")
    token_file.chmod(0o600)
    lone.configure({"admin_token_file": token_file})
    node = lone.nodes[0]
    node.start()
    wait_until(lambda: answers(node), 30, "the admin port answers")
    for wrong in (None, "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}"):
        headers = {"Authorization": wrong} if wrong else {}
        for path in ("/metrics", "/v1/nodes", "/v1/disk"):
            answer = ask(node.admin, path, headers=headers)
            assert (answer.status, answer.error) == (401, "no_token"), wrong
            assert answer.headers["www-authenticate"] == "Bearer"
    assert ask(node.admin, "/readyz").status == 503, "probes have none"
    answer = ask(node.admin, "/v1/nodes", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.error == "starting", "it may ask; there is no cluster yet"
    answer = ask(node.admin, "/v1/nodes", headers={"Authorization": f"Bearer {TOKEN}",
                                                   "Host": "log-a.example"})
    assert answer.error == "starting", "the token says more than a name"


def refused_start(node, expected, is_check_enough=True):
    command = [trilogd(), "--config", str(node.config)]
    if is_check_enough:
        command.append("--check")
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert expected in ended.stderr, ended.stderr


def test_settings_that_would_open_the_port_to_all_are_refused_at_start(lone, tmp_path):
    node = lone.nodes[0]

    def configured(**settings):
        text = node.config.read_text(encoding="ascii")
        kept = [line for line in text.splitlines() if not line.startswith("admin_")]
        kept += [f"{name}: {value}" for name, value in settings.items()]
        node.config.write_text("\n".join(kept) + "\n", encoding="ascii")
    configured(admin_listen="0.0.0.0:9600")
    refused_start(node, "is reached from other machines, so admin_token_file must be set")
    short = tmp_path / "short"
    short.write_text("abc\n", encoding="ascii")
    configured(admin_listen=node.admin, admin_token_file=short)
    refused_start(node, "a token has 16 to 256 characters", is_check_enough=False)
    configured(admin_listen=node.admin, admin_token_file=tmp_path / "none")
    refused_start(node, "No such file", is_check_enough=False)


def test_a_port_that_was_set_and_is_taken_ends_the_start(lone):
    node = lone.nodes[0]
    host, port = node.admin.split(":")
    with socket.create_server((host, int(port))):
        refused_start(node, "admin_listen", is_check_enough=False)
