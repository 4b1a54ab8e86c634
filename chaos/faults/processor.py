"""A node gets a part of a core only.

It may run for some of each 100 ms and is stopped for the rest, all its threads at once: SIGCONT,
SIGSTOP. A cgroup's limit would share out more finely, but must be set up by root, differs between
two generations of cgroups, and is left behind when its maker dies; this ends with the performer.
"""
import os
import signal

from testbed.lab import Lab

from .fault import Fault, Impossible, Scene, check_number

PERIOD_SECONDS = 0.1


class Processor(Fault):
    sentence = "a node runs {percent:g} % of the time only"
    options = {"percent": 10}

    def check(self) -> None:
        check_number("percent", self.values["percent"], 1, 99)

    def begin(self, scene: Scene) -> None:
        self._processes = []
        for node in scene.target.nodes:
            pid = scene.lab.pid(node)
            if pid is None:
                raise Impossible(f"node {node} is not alive")
            self._processes.append(os.pidfd_open(pid))
            scene.undo.add(lambda node=node: _let_run(scene.lab, node))
        self._is_stopped = True
        self._signal(signal.SIGSTOP)

    def turn(self, scene: Scene) -> float:
        self._is_stopped = not self._is_stopped
        self._signal(signal.SIGSTOP if self._is_stopped else signal.SIGCONT)
        share = self.values["percent"] / 100
        return PERIOD_SECONDS * (1 - share if self._is_stopped else share)

    def _signal(self, number: int) -> None:
        """One that has died is slow enough."""
        for process in self._processes:
            try:
                signal.pidfd_send_signal(process, number)
            except ProcessLookupError:
                pass


def _let_run(lab: Lab, node: int) -> None:
    if lab.pid(node) is not None:
        lab.resume_node(node)
