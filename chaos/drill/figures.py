"""How long, how much, how fast: figures of one drill, from the sends in its histories.

A send is judged by the moment it was asked for. Before: from the end of the warm-up to the fault.
During: from the fault until it is taken back. The time to recover (RTO) of one producer in one
partition is counted from the fault to the first acknowledgement, of a record asked for after the
fault, from which on all that is sent in the next second succeeds. It is taken where the fault
hurts: in the partitions that were led by what was broken, for producers that could still reach the
rest. Twice: for the ledger's probe, which has no pauses of its own (its lanes at one site are one
producer), and for librdkafka, whose own pauses are a part of what its user sees. The other
partitions, which merely lost a follower, have the throughput, the acknowledgement times and the
elections of the same fault."""

import json
import math
import pathlib
from collections import defaultdict
from dataclasses import dataclass, field

SECOND_US = 1_000_000
SLOT_US = 100_000
HANDOVER_US = 1_500_000  # a new leader is seen so much after it leads, at most


@dataclass
class Send:
    process: str
    site: str
    partition: int
    at_us: int
    done_us: int = 0  # 0: never
    outcome: str = "unknown"
    is_probe: bool = False
    node: int = 0  # of a probe: whom it asks


@dataclass
class Window:
    """The moments of one drill, and what its fault was aimed at."""
    warm_us: int
    inject_us: int
    heal_us: int
    stop_us: int  # from here on nothing is sent any more
    hurt: set = field(default_factory=set)  # partitions led by what was broken
    lost_sites: set = field(default_factory=set)  # whose clients were cut off, too


def read_sends(folder):
    """Every send of every history below the folder. The files were written by others: a line that
    is cut short ends its file."""
    sends = []
    for path in sorted(pathlib.Path(folder).glob("*.jsonl")):
        sends += _read_file(path)
    return sends


def _read_file(path):
    book = _Book()
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                break
            if '"type":"send"' in line:
                book.take_send(json.loads(line))
            elif '"type":"process"' in line:
                book.take_process(json.loads(line))
    return book.sends


class _Book:
    """The sends of one file, as its lines come."""

    def __init__(self):
        self.sends, self._open, self._probes = [], {}, {}

    def take_process(self, fields):
        if fields.get("role") == "probe":
            self._probes[fields["process"]] = fields.get("node", 0)

    def take_send(self, fields):
        process = fields["process"]
        key = process, fields["id"]
        if "outcome" not in fields:
            send = Send(process, fields["site"], fields["partition"], fields["at"],
                        is_probe=process in self._probes, node=self._probes.get(process, 0))
            self._open[key] = send
            self.sends.append(send)
        elif key in self._open:
            send = self._open.pop(key)
            send.done_us, send.outcome = fields["at"], fields["outcome"]
            send.partition = fields.get("partition", send.partition)


def percentile(values, share):
    """The least value that is not below `share` of them all; None without any."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def recovery_us(sends, fault_us):
    """The RTO of one producer and partition; None when the sends end before it is back."""
    after = sorted((s for s in sends if s.at_us >= fault_us), key=lambda s: s.at_us)
    bad = [s.at_us for s in after if s.outcome != "ok"]
    if not after:
        return None
    for back_us in sorted(s.done_us for s in after if s.outcome == "ok"):
        if any(back_us <= at < back_us + SECOND_US for at in bad):
            continue
        return back_us - fault_us if after[-1].at_us >= back_us else None
    return None


def longest_gap_us(sends, from_us, to_us):
    """The longest time without an acknowledgement."""
    moments = sorted(s.done_us for s in sends
                     if s.outcome == "ok" and from_us <= s.done_us <= to_us)
    edges = [from_us, *moments, to_us]
    return max(b - a for a, b in zip(edges, edges[1:]))


def _by_client(sends):
    groups = defaultdict(list)
    for send in sends:
        groups[send.site if send.is_probe else send.process, send.partition].append(send)
    return groups


def _seconds(us):
    return None if us is None else us / SECOND_US


def recovery(sends, window, prefix=""):
    """RTO over producers and partitions. One that never came back is counted, not left out."""
    hurt = [s for s in sends if s.partition in window.hurt and s.site not in window.lost_sites]
    clients = _by_client(hurt).values()
    times = [recovery_us(c, window.inject_us) for c in clients]
    known = [t for t in times if t is not None]
    gaps = [longest_gap_us(c, window.inject_us, window.stop_us) for c in clients]
    figures = {"rto_p50_s": _seconds(percentile(known, 0.5)),
               "rto_p99_s": _seconds(percentile(known, 0.99)),
               "rto_max_s": _seconds(max(known, default=None)), "rto_samples": len(known),
               "rto_never": len(times) - len(known), "gap_max_s": _seconds(max(gaps, default=None))}
    return {prefix + name: value for name, value in figures.items()}


def _speed(sends, from_us, to_us):
    """Acknowledged per second, and p99 of the acknowledgement time, of what was asked for then."""
    asked = [s for s in sends if from_us <= s.at_us < to_us]
    took = [s.done_us - s.at_us for s in asked if s.outcome == "ok"]
    done = sum(1 for s in sends if s.outcome == "ok" and from_us <= s.done_us < to_us)
    return done * SECOND_US / max(to_us - from_us, 1), percentile(took, 0.99)


def speeds(sends, window, prefix=""):
    """Before against during."""
    rate_before, p99_before = _speed(sends, window.warm_us, window.inject_us)
    rate, p99 = _speed(sends, window.inject_us, window.heal_us)
    return {prefix + "throughput_before": rate_before, prefix + "throughput": rate,
            prefix + "throughput_ratio": rate / rate_before if rate_before else None,
            prefix + "ack_p99_before_ms": p99_before and p99_before / 1000,
            prefix + "ack_p99_ms": p99 and p99 / 1000,
            prefix + "ack_p99_ratio": p99 / p99_before if p99 and p99_before else None}


def handover_gaps(sends, changes, node_sites, rest):
    """For each time that a partition was seen to have changed its leader: the longest time around
    that moment in which no broker acknowledged anything of it. Told by probes beside the brokers,
    so by nobody's way to them or patience. Beside it, how long the probes see nothing while all
    is at rest, from one moment to the other: so much of each gap is theirs."""
    beside = defaultdict(list)
    for send in sends:
        if send.is_probe and send.outcome == "ok" and node_sites.get(send.node) == send.site:
            beside[send.partition].append(send)
    gaps = [longest_gap_us(beside.get(number, []), at - HANDOVER_US, at + HANDOVER_US // 2)
            for at, number, _, _ in changes]
    at_rest = [longest_gap_us(own, *rest) for own in beside.values()]
    return {"handover_gap_p50_s": _seconds(percentile(gaps, 0.5)),
            "handover_gap_p99_s": _seconds(percentile(gaps, 0.99)),
            "handover_gap_max_s": _seconds(max(gaps, default=None)),
            "handover_gap_samples": len(gaps),
            "rest_gap_p50_s": _seconds(percentile(at_rest, 0.5)),
            "rest_gap_p99_s": _seconds(percentile(at_rest, 0.99))}


def leave_out_recovery(figures):
    """Where each site's probe asks its own site's node alone, it has no partition to ask while
    that is led elsewhere: no time to recover follows from its silence."""
    for name in [n for n in figures if n.startswith("rto_") or n == "gap_max_s"]:
        del figures[name]


def slots(sends, window):
    """The share of slots of 100 ms, while the fault is there, in which anything is acknowledged."""
    count = (window.heal_us - window.inject_us) // SLOT_US
    seen = {(s.done_us - window.inject_us) // SLOT_US for s in sends if s.outcome == "ok"}
    return sum(1 for i in range(count) if i in seen) / count if count > 0 else None


def all_figures(sends, window):
    """Everything that the table and the goals ask for, but what the checker and observer say."""
    probes = [s for s in sends if s.is_probe]
    clients = [s for s in sends if not s.is_probe]
    kept = [s for s in clients if s.site not in window.lost_sites]
    others = [s for s in kept if s.partition not in window.hurt]
    reached = [s for s in sends if s.site not in window.lost_sites]
    return {**recovery(probes, window), **recovery(clients, window, "client_"),
            **speeds(others, window), **speeds(kept, window, "all_"),
            "slots_ratio": slots(reached, window), "sends": len(clients), "probes": len(probes),
            "acknowledged": sum(1 for s in clients if s.outcome == "ok"),
            "failed": sum(1 for s in clients if s.outcome == "fail"),
            "hurt_partitions": len(window.hurt)}
