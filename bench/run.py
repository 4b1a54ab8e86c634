"""Side by side with Kafka: rounds in which each system gets the same work, alone.

    run.py LOAD MACHINE TRILOGD ROUTER      environment: ROUNDS=5 SECONDS=10 BENCH_ONLY=trilog|kafka|router

Only one system runs at a time, on an empty folder; rounds alternate which comes first, so that
what the machine does meanwhile (a slow disk, a busy neighbour) falls on both. Ratios are ratios
of medians. Then the same work direct and through a router (routed.py). The tables go to stdout and
to build/bench/result.md.
"""
import os
import pathlib
import signal
import subprocess
import sys
import time

import routed
import systems
import table

SECONDS = int(os.environ.get("SECONDS_EACH") or 10)
ROUNDS = int(os.environ.get("ROUNDS") or 5)
ONLY = os.environ.get("BENCH_ONLY", "")
IDLE_SECONDS = 5
WARM_SECONDS = 20
FOLDER = pathlib.Path("build/bench")


def say(text):
    print(text, file=sys.stderr, flush=True)


def settle():
    """What one measurement left unwritten must not be the next one's load."""
    os.sync()
    time.sleep(1)


def measure_idle(system):
    time.sleep(IDLE_SECONDS)
    return {"idle": system.resident_mb()}


def measure_fresh(system):
    """The first seconds of new nodes; they also warm both systems for what comes after: a virtual
    machine compiles, a write-ahead log fills its first files."""
    system.load("topic", topic="fresh", partitions=12)
    wrote = system.load("produce", topic="fresh", size=1024, seconds=WARM_SECONDS)
    return {"fresh_1k": float(wrote["mb_per_s"])}


def measure_latency(system):
    system.load("topic", topic="latency", partitions=12)
    system.load("latency", topic="latency", rate=1000, size=1024, seconds=WARM_SECONDS)
    got = system.load("latency", topic="latency", rate=1000, size=1024, seconds=SECONDS)
    return {"p50": float(got["p50_ms"]), "p99": float(got["p99_ms"]), "p999": float(got["p999_ms"])}


def measure_throughput(system):
    """12 partitions, written and then read."""
    figures = {}
    for label, size in (("1k", 1024), ("100", 100)):
        topic = f"sticky-{label}"
        system.load("topic", topic=topic, partitions=12)
        settle()
        cpu = system.cpu_seconds()
        wrote = system.load("produce", topic=topic, size=size, seconds=SECONDS)
        cpu = system.cpu_seconds() - cpu
        read = system.load("consume", topic=topic, partitions=12)
        if size == 1024:
            figures["cpu"] = cpu / (float(wrote["total_bytes"]) / 1e9)
            figures["sticky_1k"] = float(wrote["mb_per_s"])
            figures["read_1k"] = float(read["mb_per_s"])
        else:
            figures["sticky_100"] = float(wrote["records_per_s"])
            figures["read_100"] = float(read["records_per_s"])
    return figures


def measure_spread(system):
    figures = {}
    for label, size in (("1k", 1024), ("100", 100)):
        topic = f"spread-{label}"
        system.load("topic", topic=topic, partitions=1000)
        settle()
        wrote = system.load("produce", topic=topic, partitions=1000, size=size, keys=1, seconds=SECONDS)
        figures[f"spread_{label}"] = float(wrote["records_per_s"])
    return figures


def measure_outage(system):
    """On fresh nodes: a thousand partitions of an earlier measurement are another question."""
    system.stop()
    system.start()
    start_seconds = system.measure_start(2)
    system.load("up", brokers=system.address(2), count=3)
    system.load("topic", topic="kill", partitions=12)
    settle()
    got = system.load("kill", topic="kill", rate=5000, size=1024, keys=1, idempotent=1)
    return {"start": start_seconds, "gap": float(got["partition_gap_s"]), "gap_all": float(got["gap_s"])}


def measure(system):
    figures = {}
    try:
        system.start()
        for step in (measure_idle, measure_fresh, measure_throughput, measure_latency, measure_spread):
            say(f"  {system.name}: {step.__name__[8:]}")
            settle()
            figures.update(step(system))
        figures["loaded"] = system.resident_mb()
        say(f"  {system.name}: outage")
        figures.update(measure_outage(system))
    finally:
        system.stop()
    return figures


def measure_routed(system, router, turn):
    try:
        system.start()
        measure_fresh(system)
        return routed.measure(system, router, SECONDS, settle, turn)
    finally:
        system.stop()


def machine(binary):
    line = subprocess.run([binary, str(FOLDER)], check=True, capture_output=True, text=True).stdout
    got = dict(pair.split("=") for pair in line.split())
    return (f"The machine: {os.cpu_count()} cores, memcpy {got['memcpy_gb_per_s']} GB/s, fdatasync "
            f"{got['fdatasync_4k_us']} µs after 4 KiB and {got['fdatasync_1m_us']} µs after 1 MiB. "
            f"{ROUNDS} rounds of {SECONDS} s each; medians (least – most).")


def route(system, router):
    rounds = []
    for i in range(ROUNDS):
        say(f"router, round {i + 1} of {ROUNDS}")
        rounds.append(measure_routed(system, router, i))
        say(f"  {rounds[-1]}")
    return rounds


def main():
    load, machine_binary, trilogd, router = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:5])
    FOLDER.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # unwinds, and so stops what runs
    here = FOLDER.resolve()
    both = [systems.Trilog(here / "trilog", load, trilogd),
            systems.Kafka(here / "kafka", load, here.parent / "peers/kafka")]
    chosen = [s for s in both if ONLY in ("", s.name)]
    rounds = {s.name: [] for s in chosen}
    text = machine(machine_binary)
    for i in range(ROUNDS):
        for system in chosen[::-1] if i % 2 else chosen:
            say(f"round {i + 1} of {ROUNDS}")
            rounds[system.name].append(measure(system))
    if chosen:
        text = f"{text}\n\n{table.table(rounds)}\n"
    if ONLY in ("", "router"):
        text = f"{text}\n\n{routed.report(route(both[0], router))}\n"
    (FOLDER / "result.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
