"""Two faults at once, as a seed chooses: what is bearable alone may not be together.

Both are begun one right after the other, and healed together, the second one first. What can't be
had in this lab, or not beside the first one, is passed over; so the same seed gives the same pair
in the same kind of lab.
"""
import random
import time

from testbed.lab import Refused

from .fault import Fault, Impossible, Scene, Target, Undo, refuse_unless_possible
from .targets import resolve

# (name, target): short enough to be together, and every family of faults is among them.
CHOICES = [
    ("kill", "leader"), ("kill", "follower"), ("pause", "leader"), ("pause", "follower"),
    ("cut-node", "leader"), ("cut-site", "follower"), ("cut-in", "leader"), ("cut-out", "leader"),
    ("cut-pair", "leader"), ("cut-client", "leader"), ("flap", "follower"), ("delay", "leader"),
    ("jitter", "follower"), ("loss-5", "leader"), ("loss-20", "follower"), ("rate-5mbit", "leader"),
    ("clock-forward", "leader"), ("clock-back", "follower"), ("cpu-10", "leader"),
    ("disk-slow", "leader"), ("disk-fsync-error", "follower"), ("power-node", "follower"),
]


class RandomPair(Fault):
    sentence = "two faults at once, which ones as the seed says"
    scope = "site"                      # nobody's: each fault has its own target
    target = "all"

    def begin(self, scene: Scene) -> None:
        from . import catalogue
        choices = scene.chance.sample(CHOICES, len(CHOICES))
        self._faults: list[tuple[Fault, Scene]] = []
        for name, target in choices:
            if len(self._faults) == 2:
                break
            self._try(scene, catalogue.make(name), target)
        if len(self._faults) < 2:
            raise Impossible("there are no two faults that this lab can have")
        scene.target = _joined([f"{fault.name}: {own.target.words}" for fault, own in self._faults],
                               [own for _, own in self._faults])
        self._turn_at = [time.monotonic()] * 2

    def _try(self, scene: Scene, fault: Fault, target: str) -> None:
        own = None
        try:
            refuse_unless_possible(fault, scene.lab)
            chance = random.Random(scene.chance.random())
            own = Scene(scene.lab, resolve(scene.lab, fault.scope, target, chance), chance, Undo())
            if any(_disturb(fault, own, *other) for other in self._faults):
                return
            fault.begin(own)
        except (Impossible, Refused, OSError):
            if own is not None:
                own.undo.run()
            return
        self._faults.append((fault, own))
        scene.undo.add(lambda: _run(own.undo))

    def turn(self, scene: Scene) -> float | None:
        now = time.monotonic()
        for i, (fault, own) in enumerate(self._faults):
            if self._turn_at[i] <= now:
                pause = fault.turn(own)
                self._turn_at[i] = float("inf") if pause is None else now + pause
        next_at = min(self._turn_at)
        return None if next_at == float("inf") else max(next_at - time.monotonic(), 0)


def _disturb(fault: Fault, scene: Scene, other: Fault, other_scene: Scene) -> bool:
    """Two faults of one node's process would take back each other's work; two of one sort differ in
    degree only."""
    if type(fault) is type(other):
        return True
    on_nodes = fault.scope == other.scope == "nodes"
    return on_nodes and bool(set(scene.target.nodes) & set(other_scene.target.nodes))


def _joined(words: list[str], scenes: list[Scene]) -> Target:
    nodes = tuple(dict.fromkeys(node for scene in scenes for node in scene.target.nodes))
    sites = tuple(dict.fromkeys(site for scene in scenes for site in scene.target.sites))
    return Target("; ".join(words), nodes, sites)


def _run(undo: Undo) -> None:
    trouble = undo.run()
    if trouble:
        raise Refused(trouble)
