"""One drill: applications in three sites, a fault upon one site after another, the judgement.

    start ─ level ─ warm-up ─▶ { the site leads its part ─ inject ─ hold ─ heal ─ level } × rounds ─▶ read, check

Everything is one history: the checker judges all rounds, all sites and all ways together."""

import os
import time
from types import SimpleNamespace

from drill.chronicle import Chronicle, now_us
from drill.ground import GroundError
from drill.injury import Injury
from drill.judge import JudgeError, judge
from drill.load import LoadError
from drill.observer import Observer

from . import figures
from .applications import Applications, ApplicationsKilled
from .plan import APPLICATIONS, PARTITIONS, target

READY_S = 40
WARM_S = 3.0
LEVEL_S_MAX = 90.0
READ_S_MAX = 90
AFTER_S = 2.0      # between a heal and the next round, beside what level and leaders take
LEADS_S_MAX = 30.0


class Drill:
    def __init__(self, row, size, ground, programs, folder, seed, say):
        self.row, self.size, self.ground, self.programs = row, size, ground, programs
        self.folder, self.seed, self.say = folder, seed, say
        self.topic = row.name
        self.rounds, self.ways = [], {}
        self.figures, self.properties = {}, {}
        self.injury = None

    def run(self):
        """The drill's result: verdict, why, figures of each way."""
        self.chronicle = Chronicle(self.folder / "driver.jsonl", self.seed)
        self.applications = Applications(self.ground, self.programs.ledger, self.folder, self.topic,
                                         self.seed, PARTITIONS, READ_S_MAX, self.size)
        self.observer = Observer(self.ground.connections(), self.topic, self.chronicle)
        try:
            verdict, why = self._play()
        except (LoadError, GroundError, JudgeError) as error:
            verdict, why = "not judged", str(error)
        finally:
            self._clean()
        return self._result(verdict, why)

    def _clean(self):
        try:
            if self.injury is not None:
                self.injury.heal()
        except GroundError:
            pass  # what it broke is replaced with the lab
        self.observer.stop()
        self.applications.kill()
        self.chronicle.close()

    # ---- the story --------------------------------------------------------------------------
    def _play(self):
        self.chronicle.stage("load")
        self.observer.start()
        self.applications.start_all()
        self._wait_level(READY_S, "at the start")
        self.applications.wait_until_sending(READY_S)
        time.sleep(WARM_S)
        for number in range(1, self.size.rounds + 1):
            self._round(number)
        time.sleep(AFTER_S)
        troubles = self._end_load()
        self._count()
        return self._judge(troubles)

    def _round(self, number):
        sites = self.ground.sites
        site = sites[(number - 1 + self.seed) % len(sites)]
        self._wait_until_leading(site)
        self.applications.check_running()
        self.injury = self._injury(site, number)
        inject_us = self.injury.inject()
        self.chronicle.inject(self.row.name, f"site {site}", inject_us, site, None, number)
        self.injury.hold(self.row.hold_s)
        heal_us = self.injury.heal()
        self.chronicle.heal(self.row.name, f"site {site}", heal_us, number)
        self.rounds.append(figures.Round(site, inject_us, heal_us))
        self._wait_level(LEVEL_S_MAX, f"after round {number}")
        self.applications.wait_until_sending(READY_S)
        time.sleep(AFTER_S)

    def _injury(self, site, number):
        if self.row.fault == APPLICATIONS:
            return ApplicationsKilled(self.applications, site)
        aim = SimpleNamespace(target=target(self.ground.lab, self.row.hit, site))
        kind = SimpleNamespace(fault=self.row.fault, options=dict(self.row.options),
                               hold_s=self.row.hold_s)
        return Injury(kind, aim, self.ground, self.seed + number - 1)

    def _wait_level(self, seconds, when):
        if self.observer.wait_level(PARTITIONS, seconds) is None:
            raise GroundError(f"not level within {seconds:g} s {when}: "
                              f"{self.observer.why_not_level(PARTITIONS)}")

    def _wait_until_leading(self, site):
        """Its own part, as at rest: else the fault would hit a site that does nothing."""
        nodes = {node for node, at in self.ground.node_sites().items() if at == site}
        least = PARTITIONS // len(self.ground.sites) // 2
        give_up_at = time.monotonic() + LEADS_S_MAX
        while sum(leader in nodes for leader in self.observer.leaders().values()) < least:
            if time.monotonic() > give_up_at:
                raise GroundError(f"site {site} leads fewer than {least} partitions after "
                                  f"{LEADS_S_MAX:g} s")
            time.sleep(0.1)

    def _end_load(self):
        """Whatever goes wrong here, what was written is judged: it may show why."""
        troubles = []
        self.stop_us = now_us()
        self.chronicle.stage("settle")
        for stage, act in ((None, self.applications.check_running), (None, self.applications.stop),
                           ("final", self.applications.read)):
            if stage is not None:
                self.observer.stop()
                self.chronicle.stage(stage)
            try:
                act()
            except LoadError as error:
                troubles.append(("not judged", str(error)))
        self.chronicle.close()
        return troubles

    # ---- what came of it --------------------------------------------------------------------
    def _count(self):
        self.figures["machine_load"] = os.getloadavg()[0]
        self.figures["rounds"] = len(self.rounds)
        book = figures.read(self.folder)
        self.ways = {way.name: figures.of_way(book, way.name, self.rounds, self.stop_us)
                     for way in self.applications.ways}

    def _judge(self, troubles):
        """A violation outweighs that something could not be judged."""
        try:
            judgement = judge(self.programs.check, self.folder)
        except JudgeError as error:
            return (troubles + [("not judged", str(error))])[0]
        self.figures.update(judgement.figures)
        self.properties = judgement.properties
        if judgement.violations:
            return "unsafe", "; ".join(judgement.violations)
        return troubles[0] if troubles else ("safe", "")

    def _result(self, verdict, why):
        missed = [figures.bound_text(bound) for bound in self.row.bounds
                  if not figures.is_met(bound, self.ways)]
        return {"name": self.row.name, "words": self.row.words, "verdict": verdict, "why": why,
                "bounds": [figures.bound_text(bound) for bound in self.row.bounds],
                "missed": missed, "ways": self.ways, "figures": self.figures,
                "properties": self.properties, "seed": self.seed,
                "command": f"make chaos-failover FAULT={self.row.name} SEED={self.seed}"}
