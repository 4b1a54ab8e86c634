"""Consumers far behind: they read what has long left memory, from the disk, while a producer writes
at a steady rate and must not feel it.

Three things in turns: no consumers, consumers that read the newest MiB of their partition again and
again, and the same consumers, as fast, through all that is old. Nodes, producer and consumers share
this machine's processors, so that any consumer costs the producer something: what it costs that
they are far behind is the third beside the second.

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
NEWEST_RECORDS = 1024  # of 1 KiB


class Reader:
    """Reads one partition, a piece at a time, never faster than its rate; at its end once more."""

    def __init__(self, address, number, is_behind):
        self.connection = wire.Connection(address)
        self.number = number
        self.first = 0 if is_behind else max(self._end() - NEWEST_RECORDS, 0)
        self.read_bytes = 0
        self.error = None
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _ask(self, offset):
        return self.connection.ask(
            wire.fetch(side.BACKLOG_TOPIC, [(self.number, offset)], 100, MIB // 2, MIB // 2))

    def _end(self):
        return wire.read_end(self._ask(0))

    def _run(self):
        offset, since = self.first, time.monotonic()
        try:
            while not self.is_over.is_set():
                records = wire.read_fetched(self._ask(offset))
                if not records:
                    offset = self.first
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


def read_while(cluster, series, seconds, is_behind):
    brokers, topics = wire.ask_metadata(cluster.pair(0), [side.BACKLOG_TOPIC])
    name = "behind" if is_behind else "near"
    readers = [Reader(brokers[p.leader], p.number, is_behind)
               for p in topics[side.BACKLOG_TOPIC][:READERS]]
    since = time.monotonic()
    try:
        series.add(f"{name} p99", side.latency(cluster, seconds))
    finally:
        for reader in readers:
            reader.stop()
    series.add(f"{name} read",
               sum(r.read_bytes for r in readers) / MIB / (time.monotonic() - since))
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
            series.add("none p99", side.latency(cluster, seconds))
            read_while(cluster, series, seconds, False)
            read_while(cluster, series, seconds, True)
    least = 0.5 * READERS * BYTES_PER_SECOND / MIB  # else nobody was behind
    report.tell("p99 at 1,000/s without consumers", series.median("none p99"), "ms")
    report.at_least("read by them near the end", series.median("near read"), "MiB/s", least)
    report.at_least("read by them far behind", series.median("behind read"), "MiB/s", least)
    report.at_most("consumers that failed", max(series.values["errors"]), "", 0)
    report.tell("p99 with consumers near the end beside none", series.ratio("near p99", "none p99"), "×")
    report.tell("p99 with consumers far behind beside none", series.ratio("behind p99", "none p99"), "×")
    report.at_most("p99 with consumers far behind beside near the end",
                   series.ratio("behind p99", "near p99"), "×", 1.2)
