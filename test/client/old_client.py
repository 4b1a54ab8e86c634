"""A client whose metadata is of before: it takes one node for every partition's leader and sends
to it, whatever it is told."""

import collections
import threading

import wire

PAUSE_S = 0.01
ANSWER_S = 20
NOT_LEADER = 6
# What else a node that comes back may say, beside a success: it has begun anew and has no metadata
# yet; or the fate is not known, as of a node that ends.
UNKNOWN_TOPIC, TIMED_OUT = 3, 7
REFUSALS = {NOT_LEADER, UNKNOWN_TOPIC, TIMED_OUT}


class OldClient:
    """Produces to the node from its first breath on, over and over, with acks=-1."""

    def __init__(self, node, topic, partition_count, timeout_ms=10_000):
        self.node, self.topic, self.partition_count = node, topic, partition_count
        self.timeout_ms = timeout_ms
        self.answers = collections.Counter()  # by error code
        self.acknowledged = []                # (partition, offset, value)
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _send_one(self, connection, number):
        partition = number % self.partition_count
        value = b"old client %d of node %d" % (number, self.node.id)
        message = wire.produce(self.topic, wire.batch([wire.record(value)]), partition=partition,
                               timeout_ms=self.timeout_ms)
        if not connection.send(wire.frame(wire.header(wire.PRODUCE, 3) + message)):
            return False
        answer = connection.answer(ANSWER_S)
        if answer is None:
            return False
        error, offset = wire.produced(answer[4:])
        self.answers[error] += 1
        if error == 0:
            self.acknowledged.append((partition, offset, value))
        return True

    def _run(self):
        number = 0
        while not self.is_over.wait(PAUSE_S):
            try:
                with wire.Connection(self.node) as connection:
                    while not self.is_over.wait(PAUSE_S) and self._send_one(connection, number):
                        number += 1
            except OSError:
                pass  # it does not listen yet, or begins again

    def stop(self):
        self.is_over.set()
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.acknowledged
