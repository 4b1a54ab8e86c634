"""Builds of trilogd with one rule broken on purpose, each under the fault that exposes it: the
checker must turn red, and for the right reason, while the sound build under the same plan is green.

    python3 -B -m drill.broken --make MAKE [--only NAME] [--tries N] [--short]     make chaos-broken

| build | what is wrong | what exposes it |
| --- | --- | --- |
| SKIP_FDATASYNC | what is acknowledged is on no disk | a power cut of all nodes at once |
| ACK_BEFORE_MAJORITY | a leader's own disk is taken for enough | its site is cut off |
| COUNT_VOTE_TWICE | one vote counts for all that are missing | six voters, every site alone |
| APPLY_READS_LOCAL | a node's own setting decides what is taken | a node with another setting |

A broken build may need luck: what a power cut leaves, or who stands first, is drawn. So each has a
few tries, with a seed each; the sound build then gets the seed that showed it. A violation of other
properties than the named ones is not enough. The last line counts the builds as tests.

With three voters a vote that counts twice changes nothing, for one vote beside its own is a
majority anyway: hence six."""

import argparse
import pathlib
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

from .chronicle import now_us
from .drill import Drill, Times
from .ground import GroundError, has_network, raise_ground
from .injury import Injury
from .plan import Row
from .terminal import ONE_WAY_MS, ROOT, programs_of, say, unwind_on_signals

# A broken cluster may never be level again, nor be read to its end: that is not waited for.
QUICK = Times(warm_s=1.0, before_s=1.5, after_s=2.0, level_s_max=15.0, read_s_max=20)
BUILD_S = 600


class Alone:
    """Every site is cut off from every other."""

    def __init__(self, row, aim, ground, seed):
        self.ground, self.cut = ground, None

    def inject(self):
        self.cut = self.ground.cut_all_links()
        return now_us()

    def hit(self):
        return ()

    def hold(self, seconds):
        time.sleep(seconds)

    def heal(self):
        healed_us = now_us()
        if self.cut is not None:
            self.cut.restore()
        return healed_us


class Nothing(Alone):
    """No fault: what is wrong shows by itself."""

    def inject(self):
        return now_us()


@dataclass(frozen=True)
class Case:
    name: str
    row: Row
    properties: tuple        # the checker's: one of these must be violated
    injure: type = Injury
    odd_node: dict = None    # settings of the last node only
    is_short: bool = False   # belongs to every change


GONE = ("lost", "read-then-gone", "two-records-at-one-offset", "commit-rolled-back")
CASES = (
    Case("SKIP_FDATASYNC", Row("power-all", "power", "all", 1, "none", "power cut of every node",
                               "disk", {"keep": "none"}), GONE, is_short=True),
    Case("ACK_BEFORE_MAJORITY", Row("cut-site", "cut-site", "site", 3, "none",
                                    "a site is cut off, its clients go on"), GONE),
    Case("COUNT_VOTE_TWICE", Row("alone", "alone", "all", 4, "none", "every site alone", "pairs"),
         ("two-leaders-in-one-epoch",) + GONE, Alone),
    Case("APPLY_READS_LOCAL", Row("odd-setting", "nothing", "all", 2, "none",
                                  "one node has a smaller largest batch"),
         ("replicas-differ",) + GONE, Nothing, {"message.max.bytes": "700"}),
)


def build(make, case):
    """The broken trilogd. Its log is kept beside it."""
    log = ROOT / f"build/break-{case.name}-trilogd.log"
    with open(log, "wb") as file:
        done = subprocess.run(["tools/build-broken", make, case.name, "trilogd"], cwd=ROOT,
                              stdout=file, stderr=file, timeout=BUILD_S, check=False)
    if done.returncode != 0:
        raise GroundError(f"{case.name} does not build: see {log}")
    return ROOT / f"build/break-{case.name}-trilogd/trilogd"


def drill(case, programs, seed, folder):
    """The drill's result; its histories stay in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ground = raise_ground(case.row.lab, programs, ONE_WAY_MS, False)
    try:
        if case.odd_node:
            ground.restart_with(max(ground.node_sites()), case.odd_node)
        result = Drill(case.row, ground, programs, folder, seed, case.injure, QUICK).run()
        ground.copy_logs(folder)
        return result
    finally:
        ground.down()


def shown_by(case, result):
    """The violations that show what is broken; empty when none does."""
    return [name for name in case.properties if result["properties"].get(name)]


def try_case(case, make, programs, tries, folder):
    """A sentence with the name; one that begins with FAILED when it is not as it should be."""
    broken = programs._replace(trilogd=build(make, case))
    result = None
    for seed in range(1, tries + 1):
        result = drill(case, broken, seed, folder / f"{case.name}-{seed}")
        if shown_by(case, result):
            break
    else:
        return (f"FAILED {case.name}: not found in {tries} tries; last: {result['verdict']} "
                f"{result['why']}")
    sound = drill(case, programs, seed, folder / f"{case.name}-{seed}-sound")
    if sound["verdict"] != "safe":
        return (f"FAILED {case.name}: the sound build under the same plan: {sound['verdict']} "
                f"{sound['why']}")
    counts = ", ".join(f"{name} {result['properties'][name]}" for name in shown_by(case, result))
    return f"{case.name}: red as it should be (seed {seed}: {counts}), and green without"


def read_options():
    parser = argparse.ArgumentParser(prog="drill.broken")
    parser.add_argument("--make", default="make")
    parser.add_argument("--only", default="")
    parser.add_argument("--tries", type=int, default=4)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--programs", default="build/release")
    parser.add_argument("--folder", default="build/chaos-broken")
    return parser.parse_args()


def main():
    options = read_options()
    unwind_on_signals()
    if not has_network():
        say("broken builds are not tried: cuts and power cuts need root")
        say("0 passed, 0 failed")
        return 0
    programs = programs_of(options.programs)
    chosen = [case for case in CASES if options.only in ("", case.name) and
              (case.is_short or not options.short)]
    failed = 0
    for case in chosen:
        try:
            said = try_case(case, options.make, programs, options.tries,
                            pathlib.Path(ROOT / options.folder))
        except GroundError as error:
            said = f"FAILED {case.name}: {error}"
        failed += said.startswith("FAILED")
        say(said)
    say(f"{len(chosen) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
