"""What applications of the site that was hit saw: gaps of producers, pauses of consumers.

A sample is one client in one round: a producer (a librdkafka handle of its own, with connections and a
producer id of its own) of the site that was hit, or a member of a group there.

- **Gap** of a producer: the longest time, in any one of its partitions, in which something that it had
  sent waited and nothing was acknowledged. What failed counts as waiting until the next success.
- **Resumed**, of a group's member: the longest time, in any one of the partitions that it had when the
  fault came, in which a record that was sent there waited and nobody in its group read anything. (Where
  nothing is sent nobody can read: few keys belong to some partitions.)

Both are looked for from the fault to the next round's. `return`: the same gap, from healing on."""

import json
import pathlib
from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass, field

from drill.figures import SECOND_US, percentile

from .ways import site_and_way

TIMED = ".members"         # members that are not judged: see clients/keeper.py
NEVER_US = 1 << 62
SILENT_US = 2 * SECOND_US  # a member that has read nothing for so long before a fault is gone


@dataclass(frozen=True)
class Round:
    site: str
    inject_us: int
    heal_us: int


@dataclass
class Send:
    at_us: int
    partition: int = -1
    done_us: int = 0       # 0: never
    outcome: str = "unknown"
    offset: int = -1       # -1: not told


@dataclass
class Book:
    """What the figures want of all histories."""
    sends: dict = field(default_factory=lambda: defaultdict(list))   # process: its sends
    reads: dict = field(default_factory=lambda: defaultdict(list))   # (group, partition): moments
    first_reads: dict = field(default_factory=lambda: defaultdict(dict))
    # (group, partition): offset: when it was first read
    written: dict = field(default_factory=lambda: defaultdict(list)) # partition: (asked, offset)
    owns: dict = field(default_factory=lambda: defaultdict(list))
    # process: (at, group, partition, is it its own from here on)
    last_us: dict = field(default_factory=dict)                      # process: its last word
    _waiting: dict = field(default_factory=dict)

    def waiting(self, group, partition):
        if (group, partition) not in self._waiting:
            self._waiting[group, partition] = Waiting(self.written.get(partition, []),
                                                      self.first_reads.get((group, partition), {}))
        return self._waiting[group, partition]


def read(folder):
    book = Book()
    for path in sorted(pathlib.Path(folder).iterdir()):
        if path.suffix == TIMED or (path.suffix == ".jsonl" and not path.name.startswith("driver") and
                                    not path.name.endswith("-read.jsonl")):
            _read_file(path, book)
    for some in book.sends.values():
        for send in some:
            if send.outcome == "ok":
                book.written[send.partition].append((send.at_us, send.offset))
    for moments in (*book.reads.values(), *book.written.values()):
        moments.sort()
    return book


def _read_file(path, book):
    waiting = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if not line.endswith("\n"):
                break  # its writer was killed
            if '"type":"read"' in line:
                fields = json.loads(line)
                where = fields["group"], fields["partition"]
                book.reads[where].append(fields["at"])
                book.first_reads[where].setdefault(fields["offset"], fields["at"])
                book.last_us[fields["process"]] = fields["at"]
            elif '"type":"send"' in line:
                _take_send(book, waiting, json.loads(line))
            elif '"type":"assign"' in line or '"type":"revoke"' in line:
                fields = json.loads(line)
                book.owns[fields["process"]].append(
                    (fields["at"], fields["group"], fields["partition"],
                     fields["type"] == "assign"))


def _take_send(book, waiting, fields):
    key = fields["process"], fields["id"]
    if "outcome" not in fields:
        waiting[key] = Send(fields["at"], fields["partition"])
        book.sends[fields["process"]].append(waiting[key])
    elif key in waiting:
        send = waiting.pop(key)
        send.done_us, send.outcome = fields["at"], fields["outcome"]
        send.partition = fields.get("partition", send.partition)
        send.offset = fields.get("offset", send.offset)


# ---- producers ---------------------------------------------------------------------------------


def longest_gap_us(sends, from_us, to_us):
    """Of the sends of one producer to one partition. What waits before `from_us` counts from
    there, what still waits at `to_us` up to there."""
    events = sorted([(s.at_us, 0) for s in sends] +
                    [(s.done_us, 1) for s in sends if s.outcome == "ok"])
    asked = acknowledged = 0
    waits_since, longest = None, 0
    for at, is_done in events:
        if at >= to_us:
            break
        if not is_done:
            asked += 1
            waits_since = at if waits_since is None else waits_since
            continue
        acknowledged += 1
        if at >= from_us and waits_since is not None:
            longest = max(longest, at - max(waits_since, from_us))
        waits_since = at if acknowledged < asked else None
    if waits_since is not None:
        longest = max(longest, to_us - max(waits_since, from_us))
    return longest


def producer_gap_us(sends, from_us, to_us):
    """None when it sent nothing then: it was not there. What has no partition yet waits in one of
    its own."""
    if not any(from_us <= s.at_us < to_us for s in sends):
        return None
    around = [s for s in sends if s.at_us < to_us and (s.done_us == 0 or s.done_us >= from_us)]
    by_partition = defaultdict(list)
    for send in around:
        by_partition[send.partition].append(send)
    return max((longest_gap_us(some, from_us, to_us) for some in by_partition.values()),
               default=None)


# ---- consumers ---------------------------------------------------------------------------------


def owned_at(changes, at_us):
    """(group, partition) of all that a member had then."""
    owned = set()
    for at, group, partition, is_its_own in changes:
        if at > at_us:
            break
        (owned.add if is_its_own else owned.discard)((group, partition))
    return owned


class Waiting:
    """The records that a group has to read in a partition: since when does something wait?"""

    def __init__(self, written, first_reads):
        """What nobody ever read waits on, unless it was there before the group began."""
        began_us = min(first_reads.values(), default=0)
        known = sorted((first_reads.get(offset, NEVER_US), asked_us) for asked_us, offset in written
                       if offset in first_reads or (offset >= 0 and asked_us >= began_us))
        self._read_us = [read_us for read_us, _ in known]
        self._since_us = [asked_us for _, asked_us in known]  # of this one and of all read later
        for i in range(len(known) - 2, -1, -1):
            self._since_us[i] = min(self._since_us[i], self._since_us[i + 1])

    def since_us(self, at_us):
        """When the oldest was asked for of what is not read before then."""
        first = bisect_left(self._read_us, at_us)
        return self._since_us[first] if first < len(self._since_us) else NEVER_US


def longest_pause_us(moments, waiting, from_us, to_us):
    inside = moments[bisect_left(moments, from_us):bisect_right(moments, to_us)]
    edges = [from_us, *inside, to_us]
    return max(max(b - max(a, waiting.since_us(b)), 0) for a, b in zip(edges, edges[1:]))


def is_written(book, partition, from_us, to_us):
    asked = book.written.get(partition, [])
    return bisect_left(asked, (from_us,)) < bisect_left(asked, (to_us,))


def member_pause_us(book, process, from_us, to_us):
    """None when it had no partition at that moment to which records came, or was not there any more."""
    if book.last_us.get(process, 0) < from_us - SILENT_US:
        return None
    return max((longest_pause_us(book.reads.get(one, []), book.waiting(*one), from_us, to_us)
                for one in owned_at(book.owns[process], from_us)
                if is_written(book, one[1], from_us, to_us)), default=None)


# ---- of one way --------------------------------------------------------------------------------


def _windows(rounds, stop_us):
    """(round, where its time ends)"""
    ends = [one.inject_us for one in rounds[1:]] + [stop_us]
    return list(zip(rounds, ends))


def spread(name, values_us):
    known = [v for v in values_us if v is not None]
    figures = {f"{name}_{words}_s": percentile(known, share)
               for words, share in (("p50", 0.5), ("p99", 0.99), ("max", 1.0))}
    made = {key: None if us is None else us / SECOND_US for key, us in figures.items()}
    return {**made, f"{name}_samples": len(known)}


def of_way(book, way, rounds, stop_us):
    gaps, returns, others, pauses = [], [], [], []
    sends = {p: s for p, s in book.sends.items() if site_and_way(p)[1] == way}
    for one, end_us in _windows(rounds, stop_us):
        for process, some in sends.items():
            gap = producer_gap_us(some, one.inject_us, end_us)
            is_hit = site_and_way(process)[0] == one.site
            (gaps if is_hit else others).append(gap)
            if is_hit:
                returns.append(producer_gap_us(some, one.heal_us, end_us))
        pauses += [member_pause_us(book, process, one.inject_us, end_us)
                   for process in book.owns if site_and_way(process) == (one.site, way)]
    outcomes = [s.outcome for some in sends.values() for s in some]
    return {**spread("gap", gaps), **spread("return", returns), **spread("others", others),
            **spread("resumed", pauses), "sent": len(outcomes),
            "acknowledged": outcomes.count("ok"), "failed": outcomes.count("fail"),
            "unknown": outcomes.count("unknown")}


WORDS = {"gap_p99_s": "gap p99", "resumed_p99_s": "consumers resumed p99", "others_p99_s": "others' gap p99"}


def bound_text(bound):
    way, figure, limit_s = bound
    return f"{way}: {WORDS[figure]} ≤ {limit_s:g} s"


def is_met(bound, ways):
    """What was not measured is not claimed."""
    way, figure, limit_s = bound
    value = ways.get(way, {}).get(figure)
    return value is not None and value <= limit_s
