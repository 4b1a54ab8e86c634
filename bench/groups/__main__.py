"""Commits of many groups at once, and a large group that one leaves, on three fresh nodes each round.

    python3 -m groups LOAD GROUP_LOAD MACHINE TRILOGD    environment: ROUNDS=3 SECONDS=10
                                                         BENCH_ONLY=trilog|kafka GROUPS_MODE=commit|leave

The table goes to stdout and to build/bench/groups.md.
"""
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import time

import systems
from bounds import wire

SECONDS = int(os.environ.get("SECONDS_EACH") or 10)
ROUNDS = int(os.environ.get("ROUNDS") or 3)
ONLY = os.environ.get("BENCH_ONLY") or "trilog"
MODE = os.environ.get("GROUPS_MODE", "")
GROUPS, PARTITIONS = 1000, 10
RATE = 20_000
MEMBERS, MEMBER_PARTITIONS = 1000, 2000
FOLDER = pathlib.Path("build/bench")

# name, unit, what, the least or the most that is wanted (or None)
MEASURES = [
    ("commits", "commits/s", f"{GROUPS:,} groups, {PARTITIONS} partitions in each commit, as many as go",
     ("≥", 20_000)),
    ("offsets", "offsets/s", "the same, in offsets", None),
    ("p50", "ms", "the same: answered after, p50", None),
    ("p99", "ms", "the same: answered after, p99", None),
    ("cpu", "µs", "the same: CPU time of all three nodes for a commit", None),
    ("single", "commits/s", f"{GROUPS:,} groups, one partition in each commit, as many as go", ("≥", 20_000)),
    ("paced_p50", "ms", f"{RATE:,} commits/s of {PARTITIONS} partitions: answered after, p50", None),
    ("paced_p99", "ms", "the same, p99", None),
    ("join", "s", f"{MEMBERS:,} members join a new group: until all have their assignment", None),
    ("stable", "s", f"one of {MEMBERS:,} members leaves: until all others have their assignment, "
                    "heartbeats every 3 s", None),
    ("after", "s", "the same: since the last of them has joined again", None),
    ("generations", "", "the same: generations that it took", ("≤", 1)),
    ("held", "partitions", f"held by the one that left, of {MEMBER_PARTITIONS:,}", None),
    ("moved", "partitions", "moved to another member", None),
]


def say(text):
    print(text, file=sys.stderr, flush=True)


class Bench:
    """One round on a system."""

    def __init__(self, system, group_load):
        self.system, self.group_load = system, group_load

    def topic(self, name, partitions):
        """Once its leaders are spread no coordinator moves by itself any more."""
        self.system.load("topic", topic=name, partitions=partitions)
        give_up = time.monotonic() + 60
        while not self.is_spread(name, partitions):
            if time.monotonic() > give_up:
                raise RuntimeError(f"the leaders of {name} are not spread")
            time.sleep(0.2)
        return name

    def is_spread(self, name, partitions):
        host, port = self.system.address(0).split(":")
        _, topics = wire.ask_metadata((host, int(port)), [name])
        leaders = [p.leader for p in topics[name]]
        counts = [leaders.count(node) for node in (1, 2, 3)]
        return sum(counts) == partitions and max(counts) <= min(counts) * 1.2 + 1

    def run(self, mode, **options):
        done = subprocess.run(
            [self.group_load, mode, f"brokers={self.system.brokers()}",
             *(f"{k}={v}" for k, v in options.items())],
            stdout=subprocess.PIPE, text=True, check=True, preexec_fn=systems.die_with_parent,
            timeout=600)
        return dict(pair.split("=") for pair in done.stdout.split())

    def commits(self):
        topic, single = self.topic("many", PARTITIONS), self.topic("single", 1)
        cpu = self.system.cpu_seconds()
        got = self.run("commit", topic=topic, groups=GROUPS, partitions=PARTITIONS, seconds=SECONDS)
        cpu = self.system.cpu_seconds() - cpu
        paced = self.run("commit", topic=topic, groups=GROUPS, partitions=PARTITIONS, seconds=SECONDS,
                         rate=RATE)
        one = self.run("commit", topic=single, groups=GROUPS, partitions=1, seconds=SECONDS)
        return {"commits": float(got["commits_per_s"]), "offsets": float(got["offsets_per_s"]),
                "p50": float(got["p50_ms"]), "p99": float(got["p99_ms"]),
                "cpu": cpu / float(got["total"]) * 1e6, "single": float(one["commits_per_s"]),
                "paced_p50": float(paced["p50_ms"]), "paced_p99": float(paced["p99_ms"])}

    def leave(self):
        topic = self.topic("large", MEMBER_PARTITIONS)
        got = self.run("leave", topic=topic, members=MEMBERS, partitions=MEMBER_PARTITIONS)
        return {"join": float(got["join_ms"]) / 1000, "stable": float(got["stable_ms"]) / 1000,
                "after": float(got["after_last_join_ms"]) / 1000,
                "generations": float(got["generations"]), "held": float(got["held"]),
                "moved": float(got["moved"])}

    def round(self):
        figures = {}
        try:
            for mode in ("commit", "leave"):
                if MODE in ("", mode):
                    self.system.start()
                    figures.update(self.commits() if mode == "commit" else self.leave())
                    self.system.stop()
        finally:
            self.system.stop()
        return figures


def figure(x):
    return f"{x:,.0f}" if abs(x) >= 100 or x == int(x) else f"{x:.3g}"


def row(measure, rounds):
    name, unit, what, bar = measure
    values = [r[name] for r in rounds if name in r]
    middle = statistics.median(values)
    shown = figure(middle)
    if len(values) > 1:
        shown += f" ({figure(min(values))} – {figure(max(values))})"
    is_met = bar is None or (middle >= bar[1] if bar[0] == "≥" else middle <= bar[1])
    goal = "" if bar is None else f"{bar[0]} {figure(bar[1])}"
    verdict = "" if bar is None else "yes" if is_met else "**no**"
    return f"| {what} | {shown} {unit}".rstrip() + f" | {goal} | {verdict} |", is_met


def machine(binary):
    line = subprocess.run([binary, str(FOLDER)], check=True, capture_output=True, text=True).stdout
    got = dict(pair.split("=") for pair in line.split())
    return (f"{ONLY}; {os.cpu_count()} cores, memcpy {got['memcpy_gb_per_s']} GB/s, fdatasync "
            f"{got['fdatasync_4k_us']} µs after 4 KiB; {ROUNDS} rounds of {SECONDS} s; medians (least – most).")


def main():
    load, group_load, machine_binary, trilogd = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:5])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # unwinds, and so stops what runs
    here = FOLDER.resolve()
    system = (systems.Kafka(here / "kafka", load, here.parent / "peers/kafka") if ONLY == "kafka"
              else systems.Trilog(here / "trilog", load, trilogd))
    text, rounds = machine(machine_binary), []
    for i in range(ROUNDS):
        say(f"round {i + 1} of {ROUNDS}")
        rounds.append(Bench(system, group_load).round())
        say(f"  {rounds[-1]}")
    rows = [row(m, rounds) for m in MEASURES if m[0] in rounds[0]]
    text = "\n".join([text, "", "| measure | figure | goal | met |", "| --- | --- | --- | --- |",
                      *(line for line, _ in rows)]) + "\n"
    (FOLDER / "groups.md").write_text(text)
    print(text)
    sys.exit(0 if all(is_met for _, is_met in rows) else 1)


if __name__ == "__main__":
    main()
