"""Consumers far behind: they read what has long left memory, from the disk, while a producer writes
at a steady rate and must not feel it.

Each reads at a rate of its own (as over a link), all together several times what is produced: what
they would take of this machine's processor as fast as they can is no question of the node's bounds.
"""
import threading
import time

from bounds import sidebyside as side, wire
from bounds.cluster import MIB

READERS = 12
BYTES_PER_SECOND = 2 * MIB  # of each reader
BACKLOG_BYTES = 1536 * MIB


class Reader:
    """Reads one partition from its start, a piece at a time, never faster than its rate."""

    def __init__(self, address, number):
        self.connection = wire.Connection(address)
        self.number = number
        self.read_bytes = 0
        self.error = None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        offset, since = 0, time.monotonic()
        try:
            while not self.is_over.is_set():
                request = wire.fetch(side.BACKLOG_TOPIC, [(self.number, offset)], 100, MIB // 2, MIB // 2)
                records = wire.read_fetched(self.connection.ask(request))
                if not records:
                    offset, since = 0, time.monotonic()  # the end: once more
                    continue
                offset = wire.next_offset(records) or offset
                self.read_bytes += len(records)
                ahead_s = self.read_bytes / BYTES_PER_SECOND - (time.monotonic() - since)
                self.is_over.wait(max(ahead_s, 0))
        except (OSError, ValueError) as error:
            self.error = error

    def stop(self):
        self.is_over.set()
        self.thread.join()
        self.connection.close()


def read_while(cluster, series, seconds):
    brokers, topics = wire.ask_metadata(cluster.pair(0), [side.BACKLOG_TOPIC])
    readers = [Reader(brokers[p.leader], p.number) for p in topics[side.BACKLOG_TOPIC][:READERS]]
    since = time.monotonic()
    try:
        series.add("with p99", side.latency(cluster, seconds))
    finally:
        for reader in readers:
            reader.stop()
    series.add("read", sum(r.read_bytes for r in readers) / MIB / (time.monotonic() - since))
    series.add("errors", sum(r.error is not None for r in readers))


def run(bench, report, is_short):
    seconds = 4 if is_short else 8
    series = side.Series()
    with bench.cluster() as cluster:
        side.prepare(cluster)
        side.fill(cluster, BACKLOG_BYTES)
        side.throughput(cluster, 4)  # pushes the backlog's end out of memory, too
        time.sleep(3)
        for _ in range(bench.rounds):
            series.add("without p99", side.latency(cluster, seconds))
            read_while(cluster, series, seconds)
    report.tell("p99 at 1,000/s without consumers", series.median("without p99"), "ms")
    report.tell("read from the disk meanwhile", series.median("read"), "MiB/s")
    report.at_most("consumers that failed", max(series.values["errors"]), "", 0)
    report.at_most("p99 with them beside without", series.ratio("with p99", "without p99"), "×", 1.2)
