"""What every fault is: a name, what it needs, how it begins, goes on, and is taken back.

A fault is described anywhere, but it happens in a process of its own (performer.py), where it is
made anew for each injection. So it may keep state in itself, and may sleep.
"""
import random
import time
from dataclasses import dataclass, field

from testbed.lab import Lab, NotUp, Refused

ROOT, FAULTFS, FAKETIME = "root", "faultfs", "faketime"


class Impossible(Exception):
    """The fault can't be had here, or not on this target; the text is a sentence. Nothing of it
    is left behind."""


class HealFailed(Exception):
    """Something that the fault broke could not be put right; the text says what and why."""


@dataclass(frozen=True)
class Target:
    """Whom a fault hits, as it was resolved when the fault began."""
    words: str
    nodes: tuple[int, ...]
    sites: tuple[str, ...]
    is_one_node: bool = False       # rather than the site or link it happens to be alone in

    @property
    def faulted_node(self) -> int | None:
        return self.nodes[0] if self.is_one_node else None

    @property
    def faulted_site(self) -> str | None:
        return self.sites[0] if len(self.sites) == 1 else None


class Undo:
    """What heals: noted step by step as the fault does its work, taken back from the end."""

    def __init__(self):
        self._steps = []

    def add(self, step) -> None:
        self._steps.append(step)

    def run(self) -> str:
        """All steps, also those after one that fails. Returns what failed, or ''. A lab that is
        gone has nothing left to heal."""
        troubles = []
        while self._steps:
            try:
                self._steps.pop()()
            except NotUp:
                self._steps.clear()
            except (Refused, OSError) as error:
                troubles.append(str(error))
        return "; ".join(troubles)


@dataclass
class Scene:
    """Where a fault happens."""
    lab: Lab
    target: Target
    chance: random.Random
    undo: Undo = field(default_factory=Undo)


class Fault:
    """One kind of fault. Subclasses say what they are in these, and override begin()."""
    sentence = ""                       # with places for the options: "{percent} % are lost"
    scope = "nodes"                     # what a target means to it: see targets.py
    target = "leader"                   # unless told otherwise
    seconds = 10.0                      # how long it lasts, unless told otherwise
    needs: tuple[str, ...] = ()
    options: dict = {}                  # by name, with defaults: numbers or words

    def __init__(self, name: str = "", **given):
        self.name = name
        self.values = {**self.options, **given}
        unknown = set(given) - set(self.options)
        if unknown:
            known = ", ".join(self.options) or "none"
            raise Impossible(f"{name} has no option {unknown.pop()}; it has: {known}")
        self.check()

    def check(self) -> None:
        """Raises Impossible for values that make no sense."""

    def describe(self) -> str:
        """A sentence: what it does, how long, what it needs."""
        needs = f"; needs {' and '.join(self.needs)}" if self.needs else ""
        return (f"{self.sentence.format(**self.values)} (target {self.target}, "
                f"{self.seconds:g} s{needs})")

    def inject(self, lab: Lab, target: str | None = None, seconds: float | None = None,
               seed: int = 1):
        """Returns an Injection when the fault has taken effect; raises Impossible."""
        from .injection import Injection
        return Injection(self, lab, target, seconds, seed)

    # ---- in the performer ------------------------------------------------------------------

    def begin(self, scene: Scene) -> None:
        """Takes effect; notes in scene.undo, before each step, how that step is taken back."""
        raise NotImplementedError

    def turn(self, scene: Scene) -> float | None:
        """Called when begin() has returned and then whenever the seconds that it returned have
        passed. None: there is nothing more to do but to wait."""
        return None

    is_over = False                     # set by a fault that has an end of its own
    told: dict = {}                     # set by one that learns what its driver must know


def check_number(name: str, value, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise Impossible(f"{name} is {value}: {low:g} to {high:g} is possible")


def refuse_unless_possible(fault: Fault, lab: Lab) -> None:
    """What can be told before anything is done."""
    if ROOT in fault.needs and lab.is_loopback:
        raise Impossible(f"{fault.name} needs a lab that was started by root: without it nodes "
                         "can only be killed, paused, slowed and started")
    if FAULTFS in fault.needs:
        lab.faultfs_control(next(iter(lab.nodes)))


def wait_until(is_so, seconds: float, sentence: str) -> None:
    give_up_at = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > give_up_at:
            raise Impossible(sentence)
        time.sleep(0.002)


def now_us() -> int:
    """The clock of histories: docs/history-format.md."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
