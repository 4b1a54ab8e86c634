"""Many drills, one after another: labs come and go, drills follow each other in them.

A lab is made when the first fault wants its kind, shared by those that follow, and replaced after
a drill that did not end well: the next fault is not to be judged by what the last one left. Folders
of drills that ended well are removed; the others are kept and named."""

import dataclasses
import shutil
import time

from .drill import Drill
from .ground import GroundError

PAUSE_S = 1.0  # between two drills in one lab
TRIES_MAX = 2  # of a drill that could not be judged: librdkafka fails an assertion at times


class Campaign:
    """`raise_ground(kind's name)` brings a lab up; `injure` as in drill.py. `on_results` gets all
    results so far, after each drill: a run that is cut short has not been for nothing."""

    def __init__(self, rows, seed, folder, programs, raise_ground, injure, say, keep=False,
                 on_results=lambda results: None):
        self.on_results = on_results
        self.rows, self.seed, self.folder, self.programs = rows, seed, folder, programs
        self.raise_ground, self.injure, self.say, self.keep = raise_ground, injure, say, keep
        self.ground = None
        self.ground_kind = None

    def run(self):
        """The results of all rows, in order."""
        results = []
        try:
            for number, row in enumerate(self.rows, 1):
                self.say(f"[{number}/{len(self.rows)}] {row.name}: {row.words}")
                started = time.monotonic()
                results.append(self._run_parts(row))
                self._tell(results[-1], time.monotonic() - started)
                self.on_results(results)
        finally:
            self._lower()
        return results

    def _tell(self, result, took_s):
        f = result["figures"]
        rto = f.get("rto_max_s")
        parts = [f"  {result['verdict']}", result["target"], f"{took_s:.0f} s"]
        if rto is not None:
            parts.append(f"RTO p50 {f['rto_p50_s']:.2f} max {rto:.2f} s of {f['rto_samples']}")
        if result["missed"]:
            parts.append(f"missed: {', '.join(result['missed'])}")
        if result["why"]:
            parts.append(result["why"])
        self.say("; ".join(p for p in parts if p))

    def _run_parts(self, row):
        """A long one in parts: each has a load of its own, and ends with its judgement."""
        if row.parts == 1:
            return self._run_until_judged(row)
        results = []
        for number in range(row.parts):
            part = dataclasses.replace(row, name=f"{row.name}-{number + 1}")
            results.append(self._run_until_judged(part, self.seed + number * row.repeats))
            self.say(f"  part {number + 1} of {row.parts}: {results[-1]['verdict']}, "
                     f"{results[-1]['figures'].get('acknowledged', 0)} acknowledged, "
                     f"{results[-1]['figures'].get('lost', 0)} lost")
        return joined(row, results, self.seed)

    def _run_until_judged(self, row, seed=None):
        """What failed to be a drill says nothing of the cluster: it is held once more."""
        for number in range(1, TRIES_MAX + 1):
            result = self._run_row(row, row.name if number == 1 else f"{row.name}-again",
                                   self.seed if seed is None else seed)
            if result["verdict"] != "not judged" or number == TRIES_MAX:
                return result
            self.say(f"  {result['verdict']}, and held again: {result['why']}")

    def _run_row(self, row, name, seed):
        folder = self.folder / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            self._have_ground(row.lab)
            result = Drill(row, self.ground, self.programs, folder, seed, self.injure).run()
        except GroundError as error:
            result = failed_result(row, seed, str(error))
        self._after(row, result, folder)
        return result

    def _have_ground(self, kind):
        if self.ground is not None and self.ground_kind == kind:
            time.sleep(PAUSE_S)
            return
        self._lower()
        self.ground = self.raise_ground(kind)
        self.ground_kind = kind

    def _after(self, row, result, folder):
        if result["verdict"] == "safe" and not self.keep:
            shutil.rmtree(folder, ignore_errors=True)
            return
        result["kept"] = str(folder)
        self.say(f"  kept: {folder}")
        if self.ground is not None:
            self.ground.copy_logs(folder)
        if result["verdict"] != "safe":
            self._lower()

    def _lower(self):
        if self.ground is not None:
            ground, self.ground = self.ground, None
            ground.down()


def joined(row, results, seed):
    """One result of many parts: the worst verdict, sums of what is counted, the longest of what is
    waited for."""
    order = ("unsafe", "not back", "not judged", "safe")
    worst = min(results, key=lambda r: order.index(r["verdict"]))
    figures = {}
    for name in ("rounds", "acknowledged", "lost"):
        figures[name] = sum(r["figures"].get(name) or 0 for r in results)
    for name in ("level_s", "gap_max_s", "machine_load"):
        figures[name] = max((r["figures"].get(name) or 0 for r in results), default=0)
    return {**worst, "name": row.name, "words": row.words, "figures": figures, "missed": [],
            "seed": seed, "command": f"make chaos FAULT={row.name} SEED={seed}"}


def failed_result(row, seed, why):
    """Of a drill for which there was no lab."""
    return {"name": row.name, "words": row.words, "target": "", "verdict": "not judged",
            "why": why, "goal_text": "", "missed": [], "figures": {}, "seed": seed,
            "command": f"make chaos FAULT={row.name} SEED={seed}"}


def skipped_result(row, seed, why):
    return {**failed_result(row, seed, why), "verdict": "not drilled"}
