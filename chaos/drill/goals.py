"""What a cluster is meant to do under each kind of fault, and whether it did.

A goal is a list of bounds on figures of one drill. A bound without a figure (no sample, because
nothing was led where the fault fell) is not met: what was not measured is not claimed.
Safety and coming back are no goals but conditions; they are judged by the runner."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Bound:
    figure: str    # a key of the figures
    limit: float
    is_least: bool  # at least this, or at most
    text: str

    def is_met(self, figures):
        value = figures.get(self.figure)
        if value is None:
            return False
        return value >= self.limit if self.is_least else value <= self.limit


def at_most(figure, limit, text):
    return Bound(figure, limit, False, text)


def at_least(figure, limit, text):
    return Bound(figure, limit, True, text)


GOALS = {
    "leader": (at_most("rto_p50_s", 0.5, "RTO p50 ≤ 0.5 s"),
               at_most("rto_p99_s", 1.0, "p99 ≤ 1.0 s")),
    "node": (at_most("rto_p50_s", 0.8, "RTO p50 ≤ 0.8 s"),
             at_most("rto_p99_s", 1.5, "p99 ≤ 1.5 s")),
    "site": (at_most("rto_max_s", 2.0, "every partition's RTO ≤ 2 s"),),
    "minority": (at_least("throughput_ratio", 0.9, "throughput ≥ 90 %"),
                 at_most("ack_p99_ratio", 2.0, "ack p99 ≤ 2 ×"),
                 at_most("elections", 0, "no election")),
    # It is a second before a disk is believed to be slow; then leadership moves, and nobody waits
    # long for that.
    "handover": (at_most("rto_max_s", 2.0, "RTO ≤ 2 s"), at_most("gap_max_s", 1.0, "gap ≤ 1 s"),
                 at_least("elections_all", 1, "others lead"),
                 at_most("level_s", 10.0, "level within 10 s")),
    "full": (at_most("rto_p99_s", 1.0, "RTO p99 ≤ 1.0 s"),
             at_least("elections_all", 1, "others lead"),
             at_most("level_s", 10.0, "level within 10 s of room")),
    # Nobody has room for five seconds: then all go on within ten.
    "full-all": (at_most("rto_max_s", 15.0, "RTO ≤ 10 s after there is room"),
                 at_most("level_s", 10.0, "level within 10 s of room")),
    # Without a fault: nobody is told an error, and each pause is short.
    "switch": (at_most("handover_gap_p99_s", 0.2, "gap at each handover p99 ≤ 0.2 s"),
               at_least("handover_gap_samples", 200, "≥ 200 of them"),
               at_most("failed", 0, "no error")),
    "recovery": (at_most("ordered_rto_max_s", 60.0, "serves ≤ 60 s after the order"),
                 at_most("ordered_rto_never", 0, "all partitions do")),
    "progress": (at_least("slots_ratio", 0.95, "progress in ≥ 95 % of slots"),),
    "none": (),
}


def text_of(goal):
    return ", ".join(bound.text for bound in GOALS[goal]) or "–"


def missed(goal, figures):
    """The bounds that were not kept, in words."""
    return [bound.text for bound in GOALS[goal] if not bound.is_met(figures)]
