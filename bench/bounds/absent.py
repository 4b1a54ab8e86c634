"""A site away for an hour under load, then back: those who stay do not grow with what it lacks, and
producers keep their speed while it catches up.

An hour is simulated by volume, not by waiting: a node that is away costs the others what they keep for
it, and every place where something is kept has a bound in bytes: entries in memory
(catch_up_kept_bytes), its share of the window (peer_window_bytes), WAL files (wal_kept_bytes). These
are set small, and written is many times their sum; from there on an hour and a day are the same. What
it lacks then is shipped as segments. A second, shorter absence stays within the WAL: it catches up by
entries.

Producers write at a steady rate, some half of what the machine can do: as fast as it goes, on the
processors that all three nodes and the client share, would measure only who gets them.
"""
import pathlib
import time

from bounds import sidebyside as side, wire
from bounds.cluster import MIB, Watch

KEPT_MIB = 64     # of WAL
AWAY_BYTES = 2048 * MIB
SHORT_AWAY_BYTES = 24 * MIB
RATE = 40000      # records of 1 KiB a second
AWAY = 2          # the node
PIECE_SECONDS = 2


def settings():
    return [f"wal_kept_bytes: {KEPT_MIB} MiB", "wal_file_bytes: 16 MiB", "catch_up_kept_bytes: 16 MiB",
            "peer_window_bytes: 16 MiB", "tail_memory_bytes: 64 MiB", "ship_bytes_per_second: 64 MiB"]


def wal_bytes(cluster, i):
    folder = pathlib.Path(cluster.folder) / "abc"[i] / "wal"
    return sum(file.stat().st_size for file in folder.iterdir())


def steady(cluster, seconds):
    """MB/s at a steady rate: what was acknowledged by the seconds that it took."""
    got = cluster.load("steady", topic=side.FAST_TOPIC, size=1024, rate=RATE, seconds=seconds)
    return float(got["mb_per_s"]), float(got["p99_ms"])


def steady_before(cluster):
    """The same in pieces as long as those of a catch-up: connecting, and waiting for the last answers,
    takes the same share of each."""
    pieces = [steady(cluster, PIECE_SECONDS) for _ in range(4)]
    return [sum(values) / len(pieces) for values in zip(*pieces)]


def count_events(cluster, name):
    return (pathlib.Path(cluster.folder) / f"{'abc'[AWAY]}.log").read_text().count(f"event={name} ")


def in_sync(cluster):
    names = [side.TOPIC, side.FAST_TOPIC, side.BACKLOG_TOPIC]
    _, topics = wire.ask_metadata(cluster.pair(0), names)
    return (all(topics[name] for name in names) and
            all(p.in_sync_count == 3 for partitions in topics.values() for p in partitions))


def catch_up(cluster, series, name):
    """Starts the node; producers go on until it is in sync, and a last time after that."""
    cluster.start_node(AWAY)
    since = time.monotonic()
    speeds = []
    while not speeds or not in_sync(cluster):
        if time.monotonic() - since > 180:
            raise RuntimeError("the node that was away is not in sync after three minutes")
        speed, p99 = steady(cluster, PIECE_SECONDS)
        speeds.append(speed)
        series.add(f"{name} p99", p99)
    series.add(f"{name} seconds", time.monotonic() - since)
    series.add(f"{name} speed", sum(speeds) / len(speeds))


def one_round(bench, report, series, is_short):
    with bench.cluster(settings=settings()) as cluster:
        side.prepare(cluster)
        side.throughput(cluster, 4)
        speed, p99 = steady_before(cluster)
        series.add("before speed", speed)
        series.add("before p99", p99)
        cluster.kill_node(AWAY)
        side.fill(cluster, 256 * MIB)
        early = max(cluster.anonymous_bytes(i) for i in (0, 1))
        with Watch(cluster.holders()) as watch:
            side.fill(cluster, (512 * MIB if is_short else AWAY_BYTES))
        series.add("growth", (watch.most_bytes() - early) / MIB)
        series.add("wal", max(wal_bytes(cluster, i) for i in (0, 1)) / MIB)
        catch_up(cluster, series, "shipped")
        series.add("shipped groups", count_events(cluster, "snapshot_installed"))
        cluster.kill_node(AWAY)
        side.fill(cluster, SHORT_AWAY_BYTES)
        before = count_events(cluster, "snapshot_installed")
        catch_up(cluster, series, "entries")
        series.add("entries snapshots", count_events(cluster, "snapshot_installed") - before)


def run(bench, report, is_short):
    series = side.Series()
    for _ in range(1 if is_short else bench.rounds):
        one_round(bench, report, series, is_short)
    report.at_most("memory of those who stay: growth over the last 7/8 of the absence",
                   max(series.values["growth"]), "MiB", 64)
    report.at_most("their WAL on disk", max(series.values["wal"]), "MiB", KEPT_MIB + 4 * 16 + 64)
    report.tell("before: speed", series.median("before speed"), "MB/s")
    report.at_least("groups that were shipped", min(series.values["shipped groups"]), "", 1)
    report.tell("long absence: until in sync", series.median("shipped seconds"), "s")
    report.at_least("… producers' speed meanwhile", series.ratio("shipped speed", "before speed"), "×", 0.9)
    report.tell("… their p99 beside before", series.ratio("shipped p99", "before p99"), "×")
    report.tell("short absence: until in sync", series.median("entries seconds"), "s")
    report.at_least("… producers' speed meanwhile", series.ratio("entries speed", "before speed"), "×", 0.9)
