"""One drill: applications in three sites, a fault upon one site after another, the judgement.

    start ─ level ─ warm-up ─▶ { the site leads its part ─ inject ─ hold ─ heal ─ level } × rounds ─▶ read, check

Everything is one history: the checker judges all rounds, all sites and all ways together."""

import os
import time
from types import SimpleNamespace

from drill.chronicle import now_us
from drill.figures import SECOND_US
from drill.frame import Frame
from drill.ground import GroundError
from drill.injury import Injury

from . import figures
from .applications import Applications, ApplicationsKilled
from .plan import APPLICATIONS, PARTITIONS, target

READY_S = 40
WARM_S = 6.0   # groups have shared out partitions, and all members read
LEVEL_S_MAX = 90.0
READ_S_MAX = 90
LEADS_S_MAX = 30.0


class Drill(Frame):
    def __init__(self, row, size, ground, programs, folder, seed):
        super().__init__(ground, programs, folder, seed, row.name)
        self.row, self.size = row, size
        self.rounds, self.ways = [], {}

    def run(self):
        """The drill's result: verdict, why, figures of each way."""
        self.open(Applications(self.ground, self.programs.ledger, self.folder, self.topic, self.seed,
                               PARTITIONS, READ_S_MAX, self.size, self.row.ways))
        return self._result(*self.hold())

    # ---- the story --------------------------------------------------------------------------
    def _play(self):
        self.chronicle.stage("load")
        self.observer.start()
        self.ledgers.start_all()
        self.wait_level(PARTITIONS, READY_S, " at the start")
        self.ledgers.wait_until_sending(READY_S)
        time.sleep(WARM_S)
        for number in range(1, self.size.rounds + 1):
            self._round(number)
        time.sleep(self.row.after_s)
        troubles = self.end_load()
        self._count()
        return self.judge(troubles)

    def _round(self, number):
        sites = self.ground.sites
        site = sites[(number - 1 + self.seed) % len(sites)]
        self._wait_until_leading(site)
        self.ledgers.check_running()
        self.injury = self._injury(site, number)
        inject_us = self.injury.inject()
        self.chronicle.inject(self.row.name, f"site {site}", inject_us, site, None, number)
        self.injury.hold(self.row.hold_s)
        heal_us = self.injury.heal()
        self.chronicle.heal(self.row.name, f"site {site}", heal_us, number)
        self.rounds.append(figures.Round(site, inject_us, heal_us))
        self.wait_level(PARTITIONS, LEVEL_S_MAX, f" after round {number}")
        self.ledgers.wait_until_sending(READY_S)
        time.sleep(max(self.row.after_s, self.size.look_s - (now_us() - inject_us) / SECOND_US))

    def _injury(self, site, number):
        if self.row.fault == APPLICATIONS:
            return ApplicationsKilled(self.ledgers, site)
        aim = SimpleNamespace(target=target(self.ground.lab, self.row.hit, site))
        kind = SimpleNamespace(fault=self.row.fault, options=dict(self.row.options),
                               hold_s=self.row.hold_s)
        return Injury(kind, aim, self.ground, self.seed + number - 1)

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

    # ---- what came of it --------------------------------------------------------------------
    def _count(self):
        self.figures["machine_load"] = os.getloadavg()[0]
        self.figures["rounds"] = len(self.rounds)
        book = figures.read(self.folder)
        self.ways = {way.name: figures.of_way(book, way.name, self.rounds, self.stop_us)
                     for way in self.ledgers.ways}

    def _result(self, verdict, why):
        missed = [figures.bound_text(bound) for bound in self.row.bounds
                  if not figures.is_met(bound, self.ways)]
        return {"name": self.row.name, "words": self.row.words, "verdict": verdict, "why": why,
                "bounds": [figures.bound_text(bound) for bound in self.row.bounds],
                "missed": missed, "ways": self.ways, "figures": self.figures,
                "properties": self.properties, "seed": self.seed,
                "command": f"make chaos-failover FAULT={self.row.name} SEED={self.seed}"
                           f"{'' if self.size.rounds == self.row.rounds else f' ROUNDS={self.size.rounds}'}"}
