"""Faults of processes: killed, ended and started again, paused. No root is needed."""
import signal
import time

from testbed.lab import Refused

from . import view
from .fault import Fault, Impossible, Scene, wait_until

STOP_SECONDS_MAX = 20
LEVEL_SECONDS_MAX = 60
LOOK_SECONDS = 0.05


class Kill(Fault):
    sentence = "kill -9; healing starts the nodes again"

    def begin(self, scene: Scene) -> None:
        alive = [node for node in scene.target.nodes if scene.lab.pid(node) is not None]
        if not alive:
            raise Impossible(f"{scene.target.words}: not alive, so there is nobody to kill")
        for node in alive:
            scene.undo.add(lambda node=node: scene.lab.start_node(node))
        for node in alive:  # all of them before any is waited for: at once, as far as can be
            scene.lab.signal_node(node, signal.SIGKILL)
        for node in alive:
            scene.lab.wait_until_ended(node)


class Pause(Fault):
    sentence = "SIGSTOP; healing is SIGCONT"

    def begin(self, scene: Scene) -> None:
        paused = [node for node in scene.target.nodes if scene.lab.state(node) == "running"]
        if not paused:
            raise Impossible(f"{scene.target.words}: not running, so there is nobody to pause")
        for node in paused:
            scene.undo.add(lambda node=node: _resume(scene.lab, node))
        for node in paused:
            scene.lab.pause_node(node)
        for node in paused:
            pid = scene.lab.pid(node)
            wait_until(lambda: process_state(pid) in "TZ", 5, f"node {node} does not stop")


def _resume(lab, node: int) -> None:
    """Killed while it was paused, it is none to resume."""
    if lab.pid(node) is not None:
        lab.resume_node(node)


def process_state(pid: int) -> str:
    """The letter in /proc: R, S, T (stopped) …; Z also for one that is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(") ")[2][0]
    except FileNotFoundError:
        return "Z"


class Restart(Fault):
    """Over as soon as the nodes run again; the seconds are what that may take."""
    sentence = (f"SIGTERM, and when a node has ended it is started again (after {STOP_SECONDS_MAX} "
                "s: kill -9)")
    seconds = 60.0

    def begin(self, scene: Scene) -> None:
        self._waiting = [_Ending(scene, node) for node in scene.target.nodes]

    def turn(self, scene: Scene) -> float:
        self._waiting = [one for one in self._waiting if not one.has_started_again()]
        self.is_over = not self._waiting
        return LOOK_SECONDS


class RollingRestart(Fault):
    """Waits between nodes as a careful operator does: until the one that was restarted sees
    leaders and full in-sync lists everywhere."""
    sentence = "SIGTERM and start of one node after another, each when the one before is level"
    target = "all"
    seconds = 300.0

    def begin(self, scene: Scene) -> None:
        self._left = list(scene.target.nodes)
        self._next(scene)

    def _next(self, scene: Scene) -> None:
        self._node = self._left.pop(0)
        self._ending: _Ending | None = _Ending(scene, self._node)

    def turn(self, scene: Scene) -> float:
        if self._ending is not None:
            if self._ending.has_started_again():
                self._ending = None
                self._give_up_at = time.monotonic() + LEVEL_SECONDS_MAX
        elif view.is_level(scene.lab, self._node):
            self.is_over = not self._left
            if self._left:
                self._next(scene)
        elif time.monotonic() > self._give_up_at:
            raise Impossible(f"node {self._node} was restarted and is not level after "
                             f"{LEVEL_SECONDS_MAX} s")
        return LOOK_SECONDS


class _Ending:
    """One node on its way down and up again."""

    def __init__(self, scene: Scene, node: int):
        self._lab, self._node = scene.lab, node
        self._kill_at = time.monotonic() + STOP_SECONDS_MAX
        if scene.lab.pid(node) is None:
            raise Impossible(f"node {node} is not alive, so it can't be restarted")
        scene.undo.add(self._start_for_sure)
        scene.lab.signal_node(node, signal.SIGTERM)

    def has_started_again(self) -> bool:
        if self._lab.pid(self._node) is not None:
            if time.monotonic() > self._kill_at:
                self._lab.kill_node(self._node)
            return False
        self._lab.start_node(self._node)
        self._kill_at = float("inf")
        return True

    def _start_for_sure(self) -> None:
        """Asked to end and not yet ended, it would be gone in a moment and stay gone."""
        if self._kill_at != float("inf"):
            try:
                self._lab.wait_until_ended(self._node, STOP_SECONDS_MAX)
            except Refused:
                self._lab.kill_node(self._node)
        self._lab.start_node(self._node)
