"""Leaders that are sent from site to site, and home again, by the operator's own command."""
import json
import time

from testbed.lab import Refused

from .fault import ROOT, Fault, Impossible, Scene
from .membership import trilog
from .moves import somebody

LOOK_SECONDS = 0.2
SWITCHED_SECONDS_MAX = 45  # a performer is given 50


class Switch(Fault):
    """All leaders of a site go to the others and come back, site after site, again and again."""
    sentence = "leaders are switched out of one site after another, and back"
    needs = (ROOT,)
    target = "all"
    seconds = 30.0

    def begin(self, scene: Scene) -> None:
        self._sites = sorted({node.site for node in scene.lab.nodes.values()})
        if len(self._sites) < 2:
            raise Impossible("there is no other site")
        self._next = 0
        scene.undo.add(lambda: self._back_for_sure(scene))
        self._turn_over(scene)

    def turn(self, scene: Scene) -> float:
        self._turn_over(scene)
        return LOOK_SECONDS

    def _turn_over(self, scene: Scene) -> None:
        phase = phase_of(scene)
        if phase == "none":
            site = self._sites[self._next % len(self._sites)]
            self._next += 1
            trilog(scene, somebody(scene), "switch", "--from", site, "--yes", "--no-wait")
        elif phase == "standing":
            trilog(scene, somebody(scene), "switch", "--back", "--yes", "--no-wait")

    def _back_for_sure(self, scene: Scene) -> None:
        """Later drills want each node to lead its part."""
        give_up_at = time.monotonic() + SWITCHED_SECONDS_MAX
        while (phase := phase_of(scene)) != "none":
            if time.monotonic() > give_up_at:
                raise Refused("the leaders are not back where they belong")
            if phase == "standing":
                trilog(scene, somebody(scene), "switch", "--back", "--yes", "--no-wait")
            time.sleep(LOOK_SECONDS)


def phase_of(scene: Scene) -> str:
    return json.loads(trilog(scene, somebody(scene), "switch", "-o", "json"))["phase"]
