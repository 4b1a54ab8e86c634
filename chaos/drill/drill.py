"""One drill: a load, a fault upon it, its end, and the judgement of what clients were told.

    load ─ level ─ warm-up ─ before ─▶ inject ─ hold ─▶ heal ─ level ─ after ─▶ stop, read, check

Every drill has a topic, groups and histories of its own, though several share a cluster: so a
violation belongs to the fault under which it happened, and its folder alone tells all of it. What
the checker needs and what the figures need are two questions to the same histories.

What becomes of it when something goes wrong: see frame.py."""

import os
import random
import time
from dataclasses import dataclass, replace

from . import figures, goals
from .aim import Aimer
from .chronicle import now_us
from .frame import Frame
from .ground import GroundError
from .load import Ledgers
from .plan import LABS

READY_S = 30
POLICIES = ("guard", "deny", "allow")  # of what a commit may lower: docs/offsets.md


@dataclass(frozen=True)
class Times:
    """Seconds of the parts of a drill that the plan does not say, and at most."""
    warm_s: float = 1.5
    before_s: float = 3.0
    between_s: float = 1.0
    after_s: float = 2.0
    level_s_max: float = 90.0
    read_s_max: int = 60


class Drill(Frame):
    """`injure(row, aim, ground, seed)` gives the fault: see injury.py."""

    def __init__(self, row, ground, programs, folder, seed, injure, times=Times()):
        super().__init__(ground, programs, folder, seed, row.name)
        self.row, self.injure, self.times = row, injure, times
        self.partitions = LABS[row.lab].partitions
        self.aim = None

    def run(self):
        """The drill's result: verdict, why, figures."""
        self.open(Ledgers(self.ground, self.programs.ledger, self.folder, self.topic, self.seed,
                          self.partitions, self.times.read_s_max))
        return self._result(*self.hold())

    # ---- the story --------------------------------------------------------------------------
    def _play(self):
        self._start_load()
        self._break()
        level_s = self.observer.wait_level(self.partitions, self.times.level_s_max)
        self.figures["level_s"] = level_s
        troubles = []
        if level_s is None:
            troubles.append(("not back", f"not level within {self.times.level_s_max:g} s: "
                             f"{self.observer.why_not_level(self.partitions)}"))
        time.sleep(self.times.after_s)
        troubles += self.end_load()
        self._count()
        return self._judge(troubles)

    def _start_load(self):
        self.chronicle.stage("load")
        self.observer.start()
        kind = LABS[self.row.lab]
        self.ledgers.start(load_options(kind), kind.is_probed_beside)
        if self.observer.wait_level(self.partitions, READY_S) is None:
            raise GroundError(f"not ready within {READY_S} s: "
                              f"{self.observer.why_not_level(self.partitions)}")
        self._set_policy()
        time.sleep(self.times.warm_s)
        self.warm_us = now_us()
        time.sleep(self.times.before_s)
        self.ledgers.check_running()

    def _set_policy(self):
        """Its members commit lower now and then: one group keeps the default, which lets them take
        back what they have committed themselves; the other gets what the seed says."""
        policy = random.Random(f"{self.seed} {self.row.name}").choice(POLICIES)
        self.figures["policy"] = policy
        self.ground.set_policy(f"{self.topic}-g1", policy)

    def _break(self):
        aimer = Aimer(self.ground.node_sites(),
                      lambda: self.ground.coordinator(f"{self.topic}-g0"))
        self.leaders = self.observer.leaders()
        self.aim = aimer.aim(self.row.target, self.row.fault, self.leaders, self.seed)
        said = self.ground.log_sizes()
        self.inject_us = self._hurt(1)
        for number in range(2, self.row.repeats + 1):
            self._come_back(number)
            self._hurt(number)
        self.figures["rounds"] = self.row.repeats
        if self.row.is_damage:
            self.figures["damage"] = self.ground.damage_said(self.aim.nodes, said)

    def _hurt(self, number):
        """One injury, healed again. Returns when it took effect."""
        self.injury = self.injure(self.row, self.aim, self.ground, self.seed + number - 1)
        inject_us = self.injury.inject()
        self.chronicle.inject(self.row.name, self.aim.words, inject_us, self.aim.faulted_site,
                              self.aim.faulted_node, number)
        self.injury.hold(self.row.hold_s)
        self.heal_us = self.injury.heal()
        self.chronicle.heal(self.row.name, self.aim.words, self.heal_us, number)
        if self.row.is_recovery:
            self._note_recovery(self.injury.told().get("recovery"))
        return inject_us

    def _note_recovery(self, told):
        if told is None:
            raise GroundError(f"no recovery was ordered within {self.row.hold_s:g} s")
        self.chronicle.recovery(told)
        self.recovery_us = told["at_us"]
        self.figures["printed_loss_s"] = (told["until_us"] - told["since_us"]) / 1e6

    def _come_back(self, number):
        """Between two injuries: level, and a little load."""
        self.wait_level(self.partitions, self.times.level_s_max, f" before round {number}")
        time.sleep(self.times.between_s)

    # ---- what came of it --------------------------------------------------------------------
    def _count(self):
        hit = set(self.aim.nodes) & set(self.injury.hit())  # fewer, where the fault chose itself
        is_all = self.row.is_recovery  # without a majority nobody leads
        hurt = {p for p, leader in self.leaders.items() if is_all or leader in hit}
        window = figures.Window(self.warm_us, self.inject_us, self.heal_us, self.stop_us, hurt,
                                set(self.aim.lost_sites))
        self.figures["machine_load"] = os.getloadavg()[0]
        sends = figures.read_sends(self.folder)
        self.figures.update(figures.all_figures(sends, window))
        if LABS[self.row.lab].is_probed_beside:
            figures.leave_out_recovery(self.figures)
        others = set(range(self.partitions)) - hurt
        self.figures["elections"] = self.observer.elections(self.inject_us, self.stop_us, others)
        self.figures["elections_all"] = self.observer.elections(self.inject_us, self.stop_us)
        if self.row.is_recovery:
            self.figures.update(figures.recovery([s for s in sends if s.is_probe],
                                                 replace(window, inject_us=self.recovery_us),
                                                 "ordered_"))
        if self.row.fault == "switch":
            self.figures.update(figures.handover_gaps(
                sends, self.observer.changes_between(self.inject_us, self.stop_us),
                self.ground.node_sites(), (self.warm_us, self.inject_us)))

    def _judge(self, troubles):
        verdict, why = self.judge(troubles)
        if verdict == "safe" and not self.figures.get("acknowledged"):
            return "not judged", "nothing was acknowledged"
        return verdict, why

    def _result(self, verdict, why):
        goal = self.row.goal
        return {"name": self.row.name, "words": self.row.words,
                "target": self.aim.words if self.aim else "", "verdict": verdict, "why": why,
                "goal_text": goals.text_of(goal), "missed": goals.missed(goal, self.figures),
                "figures": self.figures, "properties": self.properties, "seed": self.seed,
                "command": f"make chaos FAULT={self.row.name} SEED={self.seed}"}


def load_options(kind):
    """The ledger's options for one site."""
    return {"--producers": 2, "--plain-producers": 1, "--rate": kind.records_per_s,
            "--groups": 2, "--members": 1, "--rewind-percent": 5, "--assigned": 1, "--size": "100-1000",
            "--metadata-ms": kind.metadata_ms, "--probe-ms": kind.probe_ms,
            "--probe-lanes": kind.probe_lanes, "--admin-ms": 2000,
            "--fetch-offsets-ms": 1000}
