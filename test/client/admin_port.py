"""The operator's port and the operator's command, as the tests use them: plain HTTP with the standard
library, and `trilog` as a process."""

import contextlib
import http.client
import json
import os
import pathlib
import pty
import re
import socket
import subprocess
import time

from cluster import new_cluster, trilogd, wait_until

ANSWER_S = 30


class Answer:
    """Status, headers (names in lower case) and body; `json` where it is one."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def error(self):
        """The code of a refusal, or None."""
        return self.json.get("error")


def ask(address, path, method="GET", body=None, headers=None, timeout_s=ANSWER_S):
    """One request on a connection of its own. A dict as body is sent as JSON."""
    host, port = address.rsplit(":", 1)
    sent = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
        sent.setdefault("Content-Type", "application/json")
    connection = http.client.HTTPConnection(host, int(port), timeout=timeout_s)
    try:
        connection.request(method, path, body=body, headers=sent)
        answer = connection.getresponse()
        return Answer(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def post(address, path, body, **headers):
    return ask(address, path, "POST", body, headers)


def ready_cluster(name, settings=None):
    """For a fixture: a cluster of its own, each node of which says that it is ready."""
    running = new_cluster(name, settings)
    with running.while_used():
        wait_until(lambda: all(ask(n.admin, "/readyz").status == 200 for n in running.nodes), 60,
                   "all nodes are ready", 0.1)
        yield running


def assert_both_are_told(cluster, row):
    """An end of a failover epoch: what was forecast and what then was, in its event as in its row."""
    told = [line for node in cluster.nodes for line in node.events_since({})
            if "event=failover_epoch_ends" in line and f" epoch={row['epoch']} " in line]
    assert told, row
    for line in told:
        fields = dict(re.findall(r"(\w+)=(\S+)", line))
        assert (fields["cause"], fields["outcome"]) == (row["cause"], row["outcome"]), line
        for name in ("forecast_pause_ms", "pause_ms", "forecast_lost_records", "lost_records"):
            assert int(fields[name]) == (row[name] if row[name] is not None else -1), (name, line)


def wait_home(cluster):
    """Each node leads what it is to lead, as the first that runs sees it."""
    asked = next(node for node in cluster.nodes if node.is_running())

    def is_home():
        nodes = ask(asked.admin, "/v1/nodes").json["nodes"]
        return all(n["groups_led"] == n["groups_to_lead"] for n in nodes)
    wait_until(is_home, 60, "every leader is where it belongs", 0.1)


def exchange_raw(address, sent, timeout_s=ANSWER_S):
    """What comes back for these bytes until the node closes, or says no more for a moment."""
    host, port = address.rsplit(":", 1)
    received = b""
    with socket.create_connection((host, int(port)), timeout_s) as s:
        try:
            s.sendall(sent)
            s.settimeout(0.3)
            while piece := s.recv(65536):
                received += piece
        except (TimeoutError, ConnectionError):
            pass
    return received


def trilog_path():
    return str(pathlib.Path(trilogd()).parent / "trilog")


def clean_environment(environment=None):
    """No address or token but those that a test names."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TRILOG_")}
    return {**kept, "TRILOG_CONFIG": "/dev/null", **(environment or {})}


def trilog(*words, environment=None, timeout_s=ANSWER_S):
    """Runs the command where nobody can be asked. The process's result, with text."""
    return subprocess.run([trilog_path(), *map(str, words)], stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", timeout=timeout_s,
                          env=clean_environment(environment), check=False)


@contextlib.contextmanager
def trilog_running(*words):
    """The command, that ends when it is told to; its output is a pipe."""
    process = subprocess.Popen([trilog_path(), *map(str, words)], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                               env=clean_environment())
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def trilog_at_terminal(answer, *words, timeout_s=ANSWER_S, output=None):
    """Runs the command at a terminal and types `answer` once it asks, or, of a dictionary, what
    stands there by the question. Exit status and all that was shown. `output` is where its standard
    output goes instead."""
    answers = dict(answer) if isinstance(answer, dict) else {"Type yes": answer}
    ours, theirs = pty.openpty()
    process = subprocess.Popen([trilog_path(), *map(str, words)], stdin=theirs,
                               stdout=theirs if output is None else output, stderr=theirs,
                               env=clean_environment())
    os.close(theirs)
    shown, give_up = "", time.monotonic() + timeout_s
    while time.monotonic() < give_up:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        shown += piece.decode(errors="replace")
        for question in [q for q in answers if q in shown]:
            os.write(ours, str(answers.pop(question)).encode() + b"\n")
    try:
        status = process.wait(timeout_s)
    finally:
        process.kill()
        os.close(ours)
    return status, shown
