"""What a router costs: the same work on the same nodes, direct and through one router, in turns.

A router's price is its own processor time for what goes through it, and the time that it adds to
an acknowledgement. Both are measured while the nodes and the client share the machine's cores with
it, so its share of the throughput is what it takes from them here, not what it could carry alone.
"""
import subprocess

import systems
import table

RATE = 1000
TOPIC = "routed"

# name, unit, what it is, bar of "through a router" minus "direct" (or None)
MEASURES = [
    ("write_1k", "MB/s", "12 partitions, 1 KiB, acks=all", None),
    ("write_100", "records/s", "12 partitions, 100 B, acks=all", None),
    ("read_1k", "MB/s", "warm read, 1 KiB", None),
    ("p50", "ms", f"acknowledgement at {RATE:,}/s, p50", 0.2),
    ("p99", "ms", f"acknowledgement at {RATE:,}/s, p99", None),
    ("cpu_write", "s/GB", "processor time of the router, 1 KiB written", None),
    ("cpu_read", "s/GB", "processor time of the router, 1 KiB read", None),
    ("all_cpu_write", "s/GB", "processor time of nodes and router, 1 KiB written", None),
    ("all_cpu_read", "s/GB", "processor time of nodes and router, 1 KiB read", None),
    ("memory", "MB", "memory of the router after all this", None),
]


class Router:
    """One router of the first node's site, in front of a running system."""

    def __init__(self, system, binary, shards=1, settings=()):
        """`settings` are more lines of its file."""
        self.system, self.binary, self.shards, self.settings = system, binary, shards, settings
        self.process = None
        self.port = systems.free_ports(systems.HOSTS[0], 1)[0]
        self.address = f"{systems.HOSTS[0]}:{self.port}"

    def __enter__(self):
        nodes = "".join(f'  - "{self.system.address(i)}"\n' for i in systems.NODES)
        settings = self.system.folder / "router.yaml"
        settings.write_text(f"router_id: 1000001\nsite: {systems.SITES[0]}\nlisten: {self.address}\n"
                            f"shards: {self.shards}\nnodes:\n{nodes}"
                            + "".join(f"{line}\n" for line in self.settings))
        with open(self.system.folder / "router.log", "ab") as log:
            self.process = subprocess.Popen([self.binary, "--config", str(settings)], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, preexec_fn=systems.die_with_parent)
        self.system.load("up", brokers=self.address, count=1)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def cpu_seconds(self):
        return systems.cpu_seconds(self.process)

    def resident_mb(self):
        return systems.memory_kib(self.process) / 1024

    def anonymous_bytes(self):
        """What it holds itself."""
        return systems.memory_kib(self.process, "RssAnon") * 1024


class Processor:
    """The time that nodes and a router, where there is one, have had since it was made."""

    def __init__(self, system, router):
        self._clocks = [system.cpu_seconds, router.cpu_seconds if router else lambda: 0]
        self._before = [clock() for clock in self._clocks]

    def per_gb(self, size_bytes, name):
        nodes, router = (clock() - before for clock, before in zip(self._clocks, self._before))
        return {f"cpu_{name}": router / (size_bytes / 1e9),
                f"all_cpu_{name}": (nodes + router) / (size_bytes / 1e9)}


def throughput(system, router, brokers, seconds, settle):
    figures = {}
    for label, size in (("1k", 1024), ("100", 100)):
        topic = f"{TOPIC}-{label}"
        settle()
        used = Processor(system, router)
        wrote = system.load("produce", topic=topic, size=size, seconds=seconds, brokers=brokers)
        if size == 1024:
            figures["write_1k"] = float(wrote["mb_per_s"])
            figures.update(used.per_gb(float(wrote["total_bytes"]), "write"))
        else:
            figures["write_100"] = float(wrote["records_per_s"])
    used = Processor(system, router)
    read = system.load("consume", topic=f"{TOPIC}-1k", partitions=12, brokers=brokers)
    figures.update(used.per_gb(float(read["records"]) * 1024, "read"))
    figures["read_1k"] = float(read["mb_per_s"])
    return figures


def latency(system, brokers, seconds):
    got = system.load("latency", topic=f"{TOPIC}-latency", rate=RATE, size=1024, seconds=seconds, brokers=brokers)
    return {"p50": float(got["p50_ms"]), "p99": float(got["p99_ms"])}


def measure(system, binary, seconds, settle, turn):
    """{"direct": figures, "routed": figures} of nodes that are up and warm; `turn` says which comes first."""
    for label in ("1k", "100", "latency"):
        system.load("topic", topic=f"{TOPIC}-{label}", partitions=12)
    figures = {"direct": {}, "routed": {}}
    with Router(system, binary) as router:
        ways = [("direct", system.brokers(), None), ("routed", router.address, router)]
        for name, brokers, _ in ways[::-1] if turn % 2 else ways:
            settle()
            figures[name].update(latency(system, brokers, seconds))
        for name, brokers, through in ways[::-1] if turn % 2 else ways:
            figures[name].update(throughput(system, through, brokers, seconds, settle))
        figures["routed"]["memory"] = router.resident_mb()
    for name in ("cpu_write", "cpu_read"):
        del figures["direct"][name]  # it was not there
    return figures


def report(rounds):
    """`rounds`: what `measure` gave, one of each round."""
    lines = ["| measure | unit | direct | through a router | difference | bar | met |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, unit, what, bar in MEASURES:
        direct, routed = ([r[way][name] for r in rounds if name in r[way]] for way in ("direct", "routed"))
        added = [b - a for a, b in zip(direct, routed)]
        limit = f"≤ +{bar:g}" if bar is not None and added else ""
        met = table.verdict(table.middle(added) <= bar) if limit else ""
        lines.append(f"| {what} | {unit} | {table.spread(direct)} | {table.spread(routed)} "
                     f"| {table.spread(added)} | {limit} | {met} |")
    return "\n".join(lines)
