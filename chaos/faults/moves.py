"""Partitions that move from raft group to raft group and back, by the operator's own command."""
import json
import time
from collections import Counter

from testbed.lab import Refused

from . import view
from .fault import ROOT, Fault, Impossible, Scene
from .membership import trilog

LOOK_SECONDS = 0.2
MOVED_SECONDS_MAX = 60
HEALED_SECONDS_MAX = 50     # what a performer is given


class TopicMove(Fault):
    """All partitions of the largest topic go to one group, then evenly to all, again and again."""
    sentence = "partitions move to one raft group and back to all, again and again"
    needs = (ROOT,)
    target = "all"
    seconds = 20.0

    def begin(self, scene: Scene) -> None:
        counts = Counter(p.topic for p in view.partitions(scene.lab)[0]
                         if not p.topic.startswith("__"))
        if not counts:
            raise Impossible("there is no topic whose partitions could move")
        self._topic = counts.most_common(1)[0][0]
        self._groups = [group["group_id"] for group in ask(scene, "group", "list")["groups"]
                        if group["group_id"] != 0]
        self._is_gathered = False
        self._moves_over_at = 0.0
        scene.undo.add(lambda: self._spread_for_sure(scene))
        self._move(scene)

    def turn(self, scene: Scene) -> float:
        if not are_moving(scene):
            self._move(scene)
        elif time.monotonic() > self._moves_over_at:
            raise Impossible(f"moves take more than {MOVED_SECONDS_MAX} s")
        return LOOK_SECONDS

    def _move(self, scene: Scene) -> None:
        words = [] if self._is_gathered else ["--group", str(scene.chance.choice(self._groups))]
        trilog(scene, somebody(scene), "topic", "move", self._topic, *words, "--yes", "--no-wait")
        self._is_gathered = not self._is_gathered
        self._moves_over_at = time.monotonic() + MOVED_SECONDS_MAX

    def _spread_for_sure(self, scene: Scene) -> None:
        """Later drills want each node to lead its part."""
        give_up_at = time.monotonic() + HEALED_SECONDS_MAX
        while are_moving(scene) or self._is_gathered:
            if time.monotonic() > give_up_at:
                raise Refused("the partitions are not where they belong")
            if not are_moving(scene):
                self._move(scene)
            time.sleep(LOOK_SECONDS)


def somebody(scene: Scene) -> int:
    return next(node for node in scene.lab.nodes if scene.lab.state(node) == "running")


def ask(scene: Scene, *words: str) -> dict:
    return json.loads(trilog(scene, somebody(scene), *words, "-o", "json"))


def are_moving(scene: Scene) -> bool:
    return ask(scene, "topic", "moves")["count"] > 0
