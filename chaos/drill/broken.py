"""Builds of trilogd with one rule broken on purpose, each under the fault that exposes it: the checker
must turn red, and for the right reason, while the sound build under the same plan is green.

    python3 -B -m drill.broken [--only NAME] [--tries N] [--short]        make chaos-broken

| build | what is wrong | what exposes it |
| --- | --- | --- |
| SKIP_FDATASYNC | what is acknowledged is on no disk | a power cut of all nodes at once |
| ACK_BEFORE_MAJORITY | a leader's own disk is taken for enough | its site is cut off, with clients that go on |
| COUNT_VOTE_TWICE | one vote counts for all that are missing | six voters, three sites cut off each other: two of each |
| APPLY_READS_LOCAL | a node's own setting decides whether a batch is taken | a node with another setting |

A broken build may need luck: what a power cut leaves, or who stands first, is drawn. So each has a few
tries, with a seed each; the sound build is tried with the seed that showed it."""

import argparse
import pathlib
import signal
import subprocess
import sys
from dataclasses import dataclass, field

from .__main__ import ONE_WAY_MS, ROOT, Programs, say
from .aim import Aim
from .campaign import Campaign
from .ground import GroundError, has_network, raise_ground
from .injury import Injury
from .plan import Row


@dataclass(frozen=True)
class Case:
    name: str
    row: Row
    properties: tuple         # of the checker; one of them must be violated
    injury: type = Injury
    node_settings: dict = field(default_factory=dict)  # {node: {setting: value}}
    is_short: bool = False


class Shattered:
    """Every site alone: all links cut at once."""

    def __init__(self, row, aim, ground, seed):
        self.row, self.ground, self.cut = row, ground, None

    def inject(self):
        from .chronicle import now_us
        self.cut = self.ground.cut_all_links()
        return now_us()

    def hold(self, seconds):
        import time
        time.sleep(seconds)

    def heal(self):
        from .chronicle import now_us
        healed_us = now_us()
        if self.cut is not None:
            self.cut.restore()
        return healed_us


LOST = ("lost", "read-then-gone", "two-records-at-one-offset", "replicas-differ",
        "commit-rolled-back")
CASES = (
    Case("SKIP_FDATASYNC", Row("power-all", "power", "all", 2, "none", "power cut of every node",
                               "disk", {"keep": "none"}), LOST),
    Case("ACK_BEFORE_MAJORITY", Row("cut-site", "cut-site", "site", 3, "none",
                                    "a site is cut off, its clients go on"), LOST, is_short=True),
    Case("COUNT_VOTE_TWICE", Row("shattered", "shattered", "all", 4, "none",
                                 "every site alone", "pairs"),
         ("two-leaders-in-one-epoch", "two-records-at-one-offset", "lost"), Shattered),
    Case("APPLY_READS_LOCAL", Row("pause-leader", "pause", "leader", 1, "none",
                                  "a node has another largest batch"),
         ("replicas-differ", "two-records-at-one-offset", "lost", "read-then-gone"),
         node_settings={3: {"message.max.bytes": "600"}}, is_short=True),
)
