"""Watches, all through a drill, what every node says of the partitions of a topic.

Each node is asked by a thread of its own, several times a second, on a new connection each time.
What changed goes to the chronicle as `metadata` lines, so that the checker sees two leaders of one
epoch; the newest answer of each node is kept, so that the drill knows whom to break and when all
is level again. A node that does not answer says nothing: its last word is forgotten."""

import threading
import time

from . import wire
from .chronicle import now_us

PAUSE_S = 0.15
REPLICAS_MIN = 3  # of a partition, one in each site


class Observer:
    """`nodes` is {node id: a function that opens a socket to it}."""

    def __init__(self, nodes, topic, chronicle):
        self.nodes = nodes
        self.topic = topic
        self.chronicle = chronicle
        self.said = {node: None for node in nodes}
        self.changes = []  # (at_us, topic, partition, epoch, leader), as epochs rise
        self._epochs = {}
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._threads = [threading.Thread(target=self._watch, args=(node,), daemon=True)
                         for node in nodes]

    def start(self):
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._ends.set()
        for thread in self._threads:
            thread.join(4 * wire.ANSWER_S)

    def _watch(self, node):
        last = {}
        while not self._ends.wait(PAUSE_S):
            try:
                said = wire.ask_partitions(self.nodes[node], [self.topic])
            except wire.AnswerError:
                self.said[node] = None
                continue
            for p in said:
                if last.get(p.number) != (p.leader, p.epoch):
                    last[p.number] = (p.leader, p.epoch)
                    self._note(node, p)
            self.said[node] = said

    def _note(self, node, p):
        self.chronicle.write("metadata", node=node, topic=p.topic, partition=p.number,
                             leader=p.leader, epoch=p.epoch)
        with self._lock:
            if p.leader >= 0 and p.epoch > self._epochs.get(p.number, -1):
                if p.number in self._epochs:
                    self.changes.append((now_us(), p.number, p.epoch, p.leader))
                self._epochs[p.number] = p.epoch

    # ---- what is asked of it ----------------------------------------------------------------
    def leaders(self):
        """{partition: leader}, by the word of the node that knows the newest epoch."""
        best = {}
        for said in list(self.said.values()):
            for p in said or ():
                if p.leader >= 0 and p.epoch >= best.get(p.number, (-1, 0))[0]:
                    best[p.number] = (p.epoch, p.leader)
        return {number: leader for number, (_, leader) in best.items()}

    def why_not_level(self, partition_count):
        """None when every node says of every partition that it is led and all its replicas are in
        sync: not fewer than a lost node's site leaves while another takes its place."""
        least = min(REPLICAS_MIN, len(self.nodes))
        for node, said in list(self.said.items()):
            if said is None:
                return f"node {node} does not answer"
            if len(said) < partition_count:
                return f"node {node} knows {len(said)} of {partition_count} partitions"
            for p in said:
                if p.leader < 0:
                    return f"node {node} knows no leader of partition {p.number}"
                missing = sorted(set(p.replicas) - set(p.in_sync))
                if missing or len(p.replicas) < least:
                    return (f"node {node} says that {missing} lag in partition {p.number}, of "
                            f"{len(p.replicas)} replicas")
        return None

    def wait_level(self, partition_count, timeout_s):
        """Seconds until all was level, or None: then `why_not_level` says what is not."""
        started = time.monotonic()
        while time.monotonic() - started < timeout_s:
            if self.why_not_level(partition_count) is None:
                return time.monotonic() - started
            if self._ends.wait(PAUSE_S):
                return None
        return None

    def changes_between(self, from_us, to_us):
        return [change for change in list(self.changes) if from_us <= change[0] <= to_us]

    def elections(self, from_us, to_us, partitions=None):
        """How often a partition's leader epoch was seen to rise."""
        return sum(1 for at, number, _, _ in list(self.changes)
                   if from_us <= at <= to_us and (partitions is None or number in partitions))
