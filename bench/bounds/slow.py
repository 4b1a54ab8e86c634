"""1,000 slow consumers: each asks for much, takes a few kilobytes a second, and asks again; as many
wait for records that do not come. Memory stays in its setting, producers do not feel them.

Records of 1 KiB wait in twelve partitions. A consumer's socket has a small buffer, so that what it
does not take stays with the node.
"""
import selectors
import threading

from bounds import sidebyside as side, wire
from bounds.cluster import MIB, Watch

CONSUMERS = 1000
TAKEN_BYTES = 4096  # at a time
MEMORY_MIB = 64     # of the setting under test
TAIL_MIB = 32


class Crowd:
    """Consumers, served by one thread: some take a little each, the others wait."""

    def __init__(self, address, count):
        """`address`: whom to ask for leaders."""
        self.connections = []
        self.taken_bytes = 0
        self.lost_count = 0
        self._is_over = threading.Event()
        leaders = self._leaders(address)
        for i in range(count):
            self.connections.append(self._begin(leaders, i))
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    @staticmethod
    def _leaders(address):
        brokers, topics = wire.ask_metadata(address, [side.BACKLOG_TOPIC, side.TOPIC])
        return {(topic, p.number): brokers[p.leader] for topic, found in topics.items() for p in found}

    def _begin(self, leaders, i):
        """Every second one reads what is there, the others wait for what comes."""
        number = i // 2 % 12
        topic = side.BACKLOG_TOPIC if i % 2 == 0 else side.TOPIC
        connection = wire.Connection(leaders[topic, number], receive_buffer=TAKEN_BYTES)
        wait_ms = 600000 if i % 2 else 500
        for _ in range(3):  # as many as a client may have on its way
            connection.send(wire.fetch(topic, [(number, 0)], wait_ms, 8 * MIB, 4 * MIB))
        connection.socket.setblocking(False)
        return connection

    def _take(self):
        """Each gets a turn once a second."""
        waiting = selectors.EpollSelector()
        for connection in self.connections:
            waiting.register(connection.socket, selectors.EVENT_READ)
        while not self._is_over.wait(1):
            for key, _ in waiting.select(0):
                try:
                    got = key.fileobj.recv(TAKEN_BYTES)
                    self.taken_bytes += len(got)
                    if got:
                        continue
                except OSError:
                    pass
                self.lost_count += 1
                waiting.unregister(key.fileobj)

    def close(self):
        self._is_over.set()
        self._thread.join()
        for connection in self.connections:
            connection.close()


def settings():
    return [f"memory_bytes_max: {MEMORY_MIB} MiB", "socket.request.max.bytes: 40 MiB", f"tail_memory_bytes: {TAIL_MIB} MiB",
            "catch_up_kept_bytes: 16 MiB", "wal_queue_bytes_max: 64 MiB", "peer_window_bytes: 40 MiB"]


def bound_mib():
    """Of a node with these settings: README.md says what adds up to it."""
    return 3 * MEMORY_MIB + 2 * TAIL_MIB + 16 + 64 + 2 * 40 + 64


def run(bench, report, is_short):
    count = 200 if is_short else CONSUMERS
    with bench.cluster(settings=settings()) as cluster:
        side.prepare(cluster)
        side.fill(cluster, (64 if is_short else 256) * MIB)
        series = side.Series()
        with Watch(cluster.holders()) as watch:
            for _ in range(1 if is_short else bench.rounds):
                if not is_short:
                    series.add("without", side.latency(cluster, 4))
                crowd = Crowd(cluster.pair(0), count)
                try:
                    series.add("with", side.latency(cluster, 1 if is_short else 4))
                finally:
                    crowd.close()
                series.add("taken", crowd.taken_bytes / MIB)
                series.add("lost", crowd.lost_count)
        report.at_most(f"memory of the largest node, {count:,} slow consumers",
                       watch.most_bytes() / MIB, "MiB", bound_mib())
        report.at_most("of them that the node gave up", max(series.values["lost"]), "", 0)
        report.tell("taken by them", series.median("taken"), "MiB")
        if not is_short:
            report.at_most("produce p99 beside without them", series.ratio("with", "without"), "×", 1.2)
