"""The wall clock of a node jumps. The lab's nodes then run with libfaketime; their monotonic clock
is the machine's, as on a real machine whose date is set."""
import time

from testbed.nodes import CLOCK_CACHE_SECONDS

from .fault import FAKETIME, Fault, Scene, check_number


# libfaketime reads the clock's file again when its cache is older than so many whole seconds.
SEEN_SECONDS = CLOCK_CACHE_SECONDS + 1


class Clock(Fault):
    sentence = "a node's wall clock goes wrong by {offset_s:+g} s"
    needs = (FAKETIME,)
    options = {"offset_s": 3600}

    def check(self) -> None:
        check_number("offset_s", self.values["offset_s"], -86_400 * 366, 86_400 * 366)

    def begin(self, scene: Scene) -> None:
        for node in scene.target.nodes:
            scene.undo.add(lambda node=node: scene.lab.set_wall_clock_offset(node, 0))
            scene.lab.set_wall_clock_offset(node, self.values["offset_s"])
        time.sleep(SEEN_SECONDS)
