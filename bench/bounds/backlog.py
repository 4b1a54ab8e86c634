"""A backlog larger than memory: nobody reads, producers must not feel it; then all of it is read
while they go on.

The three nodes together have a control group of 3 GiB, which counts their processes and the page
cache of their files. The backlog's files are several times that. Empty and full are two runs on
fresh nodes each, in turns, so that both see the same machine.
"""
import time

import systems
from bounds import sidebyside as side
from bounds.cluster import MIB, Watch

LIMIT_BYTES = 3 << 30
BACKLOG_BYTES = 3 << 30  # of records; each node stores all of them: three times the limit


def measure(cluster, series, name, seconds):
    series.add(f"{name} MB/s", side.throughput(cluster, seconds))
    time.sleep(2)  # what is still on its way to the disk is the throughput's, not the latency's
    series.add(f"{name} p99", side.latency(cluster, seconds))


def drain(cluster, series, seconds):
    """Reads all of it while producers go on at a steady rate."""
    reader = cluster.load_process("consume", topic=side.BACKLOG_TOPIC, partitions=12)
    try:
        series.add("draining p99", side.latency(cluster, seconds))
        read = cluster.result(reader, "consume")
        series.add("draining MB/s", float(read["mb_per_s"]))
    finally:
        reader.kill()
        reader.wait()


def one_round(bench, report, series, is_short):
    seconds = 4 if is_short else 6
    with bench.cluster(limit_bytes=LIMIT_BYTES) as cluster, Watch(cluster.holders()) as watch:
        side.prepare(cluster)
        side.throughput(cluster, 6)  # a write-ahead log fills its files once
        measure(cluster, series, "empty", seconds)
        side.fill(cluster, BACKLOG_BYTES)
        measure(cluster, series, "full", seconds)
        series.add("reached", cluster.limit.times_reached())
        drain(cluster, series, seconds)
        series.add("reached draining", cluster.limit.times_reached())
        series.add("most", watch.most_bytes() / MIB)
        series.add("peak", cluster.limit.peak_bytes() / MIB)
        series.add("kills", cluster.limit.kills())
        series.add("ended", sum(not cluster.is_running(i) for i in systems.NODES))


def run(bench, report, is_short):
    series = side.Series()
    for _ in range(bench.rounds):
        one_round(bench, report, series, is_short)
    report.tell("empty: throughput", series.median("empty MB/s"), "MB/s")
    report.tell("empty: p99 at 1,000/s", series.median("empty p99"), "ms")
    report.at_least("full: throughput beside empty", series.ratio("full MB/s", "empty MB/s"), "×", 0.8)
    report.at_most("full: p99 beside empty", series.ratio("full p99", "empty p99"), "×", 1.2)
    report.at_most("times that the limit was reached, until it is read",
                   max(series.values["reached"]), "", 0)
    report.tell("… and while it is", max(series.values["reached draining"]), "")
    report.tell("most that all of it took, page cache and all", series.median("peak"), "MiB")
    report.tell("read back while producing", series.median("draining MB/s"), "MB/s")
    report.tell("draining: p99 beside empty", series.ratio("draining p99", "empty p99"), "×")
    report.tell("memory of the largest node", series.median("most"), "MiB")
    report.at_most("nodes that the limit ended",
                   max(series.values["kills"]) + max(series.values["ended"]), "", 0)
