"""Members of consumer groups as processes, of each client; what happened to them, as it came."""

import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import cluster as clusters
import java_tools
from message import Connection

HERE = pathlib.Path(__file__).parent
COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"
REBALANCE = ("assigned", "revoked", "lost")
CLIENTS = ("confluent", "kafka-python", "kafkajs", "java")
numbers = itertools.count(1)


def _command(client, cluster, group, topic):
    if client == "kafkajs":
        return ["node", str(HERE / "group_member.js"), cluster.bootstrap, group, topic]
    if client == "java":
        return java_tools.command(
            "kafka-verifiable-consumer", "--bootstrap-server", cluster.bootstrap, "--topic", topic,
            "--group-id", group, "--session-timeout", 8000, "--reset-policy", "earliest",
            "--assignment-strategy", COOPERATIVE, "--command-config", HERE / "group_member.properties")
    settings = {"partition.assignment.strategy": "cooperative-sticky"} if client == "confluent" else {}
    return [sys.executable, "-B", str(HERE / "group_member.py"), client, cluster.bootstrap, group,
            topic, json.dumps(settings)]


def _from_java(told):
    """The verifiable consumer's words in ours; None for what is of no interest."""
    if told["name"] in ("partitions_assigned", "partitions_revoked"):
        partitions = [p["partition"] for p in told["partitions"]]
        return {"event": told["name"].split("_")[1], "partitions": partitions}
    if told["name"] != "offsets_committed":
        return None
    if not told["success"]:
        return {"event": "commit_failed", "why": told.get("error")}
    return {"event": "committed", "offsets": {str(p["partition"]): p["offset"] for p in told["offsets"]}}


class Member:
    """One process."""

    def __init__(self, client, cluster, group, topic):
        self.client, self.group = client, group
        self.events = []  # (seconds, dict), as they came
        self.partitions = set()
        self.log_path = clusters.LOGS / f"member-{group}-{next(numbers)}.log"  # its own, as it likes
        modules = clusters.ROOT / "build" / "clients" / "node" / "node_modules"
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                _command(client, cluster, group, topic), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=log, text=True,
                env={**os.environ, "NODE_PATH": str(modules)})
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        for line in self.process.stdout:
            if not line.startswith("{"):
                continue
            told = json.loads(line)
            event = _from_java(told) if self.client == "java" else told
            if event is not None:
                self._take(event)

    def _take(self, event):
        if event["event"] == "assigned":  # kafkajs always tells all that it has
            had = set() if self.client == "kafkajs" else self.partitions
            self.partitions = had | set(event["partitions"])
        elif event["event"] in ("revoked", "lost"):
            self.partitions = self.partitions - set(event["partitions"])
        self.events.append((time.monotonic(), event))

    def told(self, *kinds, since=0.0):
        return [event for at, event in list(self.events) if at >= since and event["event"] in kinds]

    def rebalances(self, since=0.0):
        return self.told(*REBALANCE, since=since)

    def rebalanced_at(self, since):
        return min(at for at, e in list(self.events) if at >= since and e["event"] in REBALANCE)

    def commit_gap_s(self, since):
        """The longest time between two commits, one of which was after `since`."""
        times = [at for at, event in list(self.events) if event["event"] == "committed"]
        return max(after - before for before, after in zip(times, times[1:]) if after >= since)

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(clusters.STOP_S)
        self._thread.join(clusters.STOP_S)

    def __str__(self):
        ended = "" if self.process.poll() is None else f", ended with {self.process.returncode}"
        return f"{self.client} {self.process.pid} {sorted(self.partitions)}{ended}"

    def story(self):
        """What happened to it last, and what it said of that."""
        now = time.monotonic()
        events = [f"  {now - at:.1f} s ago {event}" for at, event in self.events[-5:]]
        said = self.log_path.read_text(encoding="utf-8", errors="replace").splitlines()[-5:]
        return "\n".join([str(self), *events, *(f"  {line[:200]}" for line in said)])


def stories(members):
    return "\n".join(member.story() for member in members)


def wait_shared(members, partition_count, timeout_s=60):
    """Each group's members own all partitions, each once, and nobody is without."""
    groups = {}
    for member in members:
        groups.setdefault(member.group, []).append(member)

    def is_shared():
        return all(sorted(p for m in group for p in m.partitions) == list(range(partition_count)) and
                   all(m.partitions for m in group) for group in groups.values())
    try:
        clusters.wait_until(is_shared, timeout_s, "the partitions are shared")
    except AssertionError as trouble:
        raise AssertionError(f"{trouble}:\n{stories(members)}") from None


def wait_commits(members, count=3, timeout_s=60):
    """Each member has committed so many more times since now."""
    since = time.monotonic()

    def missing():
        return [m for m in members if len(m.told("committed", since=since)) < count]
    try:
        clusters.wait_until(lambda: not missing(), timeout_s, "all go on committing")
    except AssertionError as trouble:
        raise AssertionError(f"{trouble}: not\n{stories(missing())}") from None


def coordinator_of(cluster, group, asked=None):
    """Its node id; -1 while there is none."""
    with Connection(asked or cluster.nodes[0]) as c:
        return c.call("FindCoordinator", 3, key=group, key_type=0)["node_id"]


def group_at(cluster, node, prefix):
    """A name whose coordinator is this node."""
    for number in range(1000):
        name = f"{prefix}-{number}"
        found = clusters.wait_until(lambda n=name: max(coordinator_of(cluster, n), 0), 30, "a coordinator")
        if found == node.id:
            return name
    raise AssertionError(f"no group at node {node.id}")
