"""make demo-failover: a site dies, and then its applications, while those of three sites work.

    start ─ 6 s ─▶ site b: broker and routers die ─ 8 s ─▶ its applications die ─ 10 s ─▶ all is back ─▶ table

Every site has the same applications: on libtrilog, on a stock client that knows routers, on one that
knows nodes. What became of each record is looked up in the final reads. Exit status: 0 nothing is
lost or there twice and the checker finds no violation; 1 something is; 2 it could not be held."""

import argparse
import json
import shutil
import signal
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass

from drill.chronicle import now_us
from drill.frame import Frame
from drill.ground import GroundError
from drill.judge import JudgeError, judge
from drill.load import LoadError
from drill.terminal import ONE_WAY_MS, ROOT, programs_of, say, status_of

from . import figures
from .applications import Applications
from .place import raise_ground
from .plan import Size, target
from .ways import WAYS, site_and_way

TOPIC, VICTIM, PARTITIONS, SEED = "demo", "b", 12, 1
SIZE = Size(producers=3, plain=0, groups=2, rate=60)
REST_S, DEAD_S, ORPHANED_S, BACK_S = 6, 8, 10, 4
LEVEL_S_MAX, READ_S_MAX = 40, 40


@dataclass
class Moments:
    inject_us: int = 0
    killed_us: int = 0      # the applications
    stop_us: int = 0


@dataclass
class Account:
    """Of all producers of one way in one site."""
    sent: int = 0
    acknowledged: int = 0
    gap_s: float = 0.0
    lost: int = 0
    repeated: int = 0
    failed: int = 0


# ---- what happens ------------------------------------------------------------------------------


class Story(Frame):
    def __init__(self, ground, programs, folder):
        super().__init__(ground, programs, folder, SEED, TOPIC)
        self.open(Applications(ground, programs.ledger, folder, TOPIC, SEED, PARTITIONS, READ_S_MAX,
                               SIZE))
        self.moments = Moments()

    def play(self):
        """Returns the moments; raises GroundError, LoadError."""
        try:
            self._begin()
            self._lose_site()
            self._lose_applications()
            self._come_back()
            self._end()
        finally:
            self.clean()
        return self.moments

    def _begin(self):
        say(f"Three sites, {ONE_WAY_MS} ms one way between any two: in each a broker, two trilog-routers and "
            f"applications, {SIZE.rate} records/s by {SIZE.producers} idempotent producers each:")
        for way in WAYS:
            say(f"  {way.name:<10} {way.words}")
        self.chronicle.stage("load")
        self.observer.start()
        self.ledgers.start_all()
        self._wait_level()
        time.sleep(REST_S)
        self.ledgers.check_running()

    def _lose_site(self):
        self._nodes = [int(n) for n in target(self.ground.lab, "all", VICTIM).split(",")]
        for node in self._nodes:
            self.ground.lab.signal_node(node, signal.SIGKILL)
        self.moments.inject_us = now_us()
        self.chronicle.inject(TOPIC, f"site {VICTIM}", self.moments.inject_us, VICTIM)
        say(f"Site {VICTIM}'s broker and routers die; its applications go on elsewhere.")
        time.sleep(DEAD_S)

    def _lose_applications(self):
        self.moments.killed_us = now_us()
        self.ledgers.kill_site(VICTIM)
        say(f"Site {VICTIM}'s applications die too; others of their groups take over.")
        time.sleep(ORPHANED_S)

    def _come_back(self):
        self.chronicle.heal(TOPIC, f"site {VICTIM}", now_us())
        for node in self._nodes:
            self.ground.lab.start_node(node)
        self.ledgers.start_site(VICTIM)
        say(f"Site {VICTIM} is back, with its applications.")
        self._wait_level()
        time.sleep(BACK_S)

    def _end(self):
        say("Everything is read, from every site and every replica.")
        for _, why in self.end_load():
            raise LoadError(why)
        self.moments.stop_us = self.stop_us

    def _wait_level(self):
        self.wait_level(PARTITIONS, LEVEL_S_MAX)
        self.ledgers.wait_until_sending(LEVEL_S_MAX)


# ---- what came of it ---------------------------------------------------------------------------


def finally_read(folder, site):
    """{value: how often it is there}, as the final read from one site has it."""
    counts = Counter()
    with open(folder / f"{site}-read.jsonl", encoding="utf-8") as file:
        for line in file:
            if '"type":"read"' in line and '"stage":"final"' in line and '"node":' not in line:
                counts[json.loads(line)["value"]] += 1
    return counts


def outcomes(folder):
    """(process, value, outcome) of every send."""
    for path in sorted(folder.glob("*.jsonl")):
        names = {}
        with open(path, encoding="utf-8") as file:
            for line in file:
                if '"type":"send"' not in line or not line.endswith("\n"):
                    continue
                fields = json.loads(line)
                key = fields["process"], fields["id"]
                if "outcome" in fields:
                    yield fields["process"], names.pop(key), fields["outcome"]
                else:
                    names[key] = fields["value"]
        for (process, _), value in names.items():
            yield process, value, "unknown"


def accounts(folder, moments):
    """{(site, way): Account}"""
    made = defaultdict(Account)
    there = finally_read(folder, "a")
    for process, value, outcome in outcomes(folder):
        account = made[site_and_way(process)]
        account.sent += 1
        account.acknowledged += outcome == "ok"
        account.failed += outcome == "fail"
        account.lost += outcome == "ok" and there[value] == 0
        account.repeated += there[value] > 1
    book = figures.read(folder)
    for process, sends in book.sends.items():
        site, way = site_and_way(process)
        end_us = moments.killed_us if site == VICTIM else moments.stop_us
        gap = figures.producer_gap_us(sends, moments.inject_us, end_us)
        made[site, way].gap_s = max(made[site, way].gap_s, (gap or 0) / 1e6)
    return made, taken_over_s(book, moments)


def taken_over_s(book, moments):
    """The longest time in which nobody read a partition that a consumer of the dead site had."""
    pauses = [figures.member_pause_us(book, process, moments.killed_us, moments.stop_us)
              for process in book.owns if site_and_way(process)[0] == VICTIM]
    return max((pause for pause in pauses if pause is not None), default=0) / 1e6


def tell(made, resumed_s):
    say(f"\n{'site':<6}{'application':<14}{'sent':>7}{'acknowledged':>14}{'refused':>9}"
        f"{'longest gap':>13}{'lost':>6}{'repeated':>10}")
    for (site, way), account in sorted(made.items()):
        say(f"{site:<6}{way:<14}{account.sent:>7}{account.acknowledged:>14}{account.failed:>9}"
            f"{account.gap_s:>11.2f} s{account.lost:>6}{account.repeated:>10}")
    say(f"\nGap: nothing acknowledged of a partition while something waited, from the site's death on; of "
        f"site {VICTIM}'s\napplications up to their own death. Lost: acknowledged and not there. After "
        f"site {VICTIM}'s applications died, the\npartitions of its consumers were read again by others "
        f"within {resumed_s:.1f} s.")


def hold(programs):
    began = time.monotonic()
    folder = ROOT / "build" / "failover" / "demo"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    ground = raise_ground(programs)
    try:
        moments = Story(ground, programs, folder).play()
        ground.copy_logs(folder)
    finally:
        ground.down()
    made, resumed_s = accounts(folder, moments)
    tell(made, resumed_s)
    judgement = judge(programs.check, folder)
    say(f"The checker: {'; '.join(judgement.violations) or 'no violation'}. "
        f"{time.monotonic() - began:.0f} s. Histories: {folder}")
    is_fine = not judgement.violations and not any(a.lost or a.repeated for a in made.values())
    return 0 if is_fine else 1


def main():
    parser = argparse.ArgumentParser(prog="failover.demo", description="a site dies")
    parser.add_argument("--programs", default="build/release", help="where the programs are")
    options = parser.parse_args()
    return status_of("demo-failover", lambda: hold(programs_of(options.programs)),
                     (GroundError, LoadError, JudgeError, OSError))


if __name__ == "__main__":
    sys.exit(main())
