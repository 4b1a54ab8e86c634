"""Consumers far behind: they read what has long left memory, from the disk, while a producer writes
at a steady rate and must not feel it.

Three things in turns: no consumers, consumers that read the newest MiB of their partition again and
again, and the same consumers, as fast, through all that is old. Nodes, producer and consumers share
this machine's processors, so that any consumer costs the producer something: what it costs that
they are far behind is the third beside the second.

A disk that reads answers a sync late, whoever asks: where the WAL has no disk of its own, what is left to see is how
much of that is the disk's. So both are measured, and the bare disk with them; judged is what is ours.

Each reads at a rate of its own (as over a link), all together several times what is produced: what
they would take of this machine's processor as fast as they can is no question of the node's bounds.
"""
import os
import threading
import time

import systems
from bounds import bare_disk, sidebyside as side, wire
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


def measure_bare_disk(cluster, series, seconds):
    written = cluster.folder / "bare"
    bare_disk.prepare(written)
    series.add("bare", bare_disk.sync_p99_ms(written, seconds))
    reader = bare_disk.Reader(segments(cluster), READERS * BYTES_PER_SECOND)
    try:
        series.add("bare behind", bare_disk.sync_p99_ms(written, seconds))
    finally:
        reader.stop()


def segments(cluster):
    """The first of each partition, of one node."""
    return sorted((cluster.folder / systems.SITES[0] / "topics").glob("*/00000000000000000000.log"))


def forget(cluster):
    """The page cache keeps nothing of what was read before."""
    for path in cluster.folder.glob("*/topics/*/*.log"):
        with open(path, "rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(bench, rounds, seconds, has_wal_disks):
    series = side.Series()
    with bench.cluster(has_wal_disks=has_wal_disks) as cluster:
        side.prepare(cluster)
        side.fill(cluster, BACKLOG_BYTES)
        side.throughput(cluster, 4)  # pushes the backlog's end out of memory, too
        time.sleep(3)
        for _ in range(rounds):
            series.add("none p99", side.latency(cluster, seconds))
            read_while(cluster, series, seconds, False)
            forget(cluster)
            read_while(cluster, series, seconds, True)
            if not has_wal_disks:
                measure_bare_disk(cluster, series, seconds)
    return series


def tell(report, series, where):
    least = 0.5 * READERS * BYTES_PER_SECOND / MIB  # else nobody was behind
    report.tell(f"{where}: p99 at 1,000/s without consumers", series.median("none p99"), "ms")
    report.at_least(f"{where}: read near the end", series.median("near read"), "MiB/s", least)
    report.at_least(f"{where}: read far behind", series.median("behind read"), "MiB/s", least)
    report.at_most(f"{where}: consumers that failed", max(series.values["errors"]), "", 0)
    report.tell(f"{where}: p99, near the end beside none", series.ratio("near p99", "none p99"), "×")


def run(bench, report, is_short):
    rounds, seconds = (2, 2) if is_short else (4 * bench.rounds, 3)
    own = measure(bench, rounds, seconds, True)
    tell(report, own, "WAL on its own disk")
    report.at_most("WAL on its own disk: p99, far behind beside near the end",
                   own.ratio("behind p99", "near p99"), "×", 1.2)
    shared = measure(bench, rounds // 2, seconds, False)
    tell(report, shared, "one disk for all")
    report.tell("one disk for all: p99, far behind beside near the end",
                shared.ratio("behind p99", "near p99"), "×")
    report.tell("the bare disk: p99 of a write and sync, beside these reads and without",
                shared.ratio("bare behind", "bare"), "×")
