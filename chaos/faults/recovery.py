"""Sites that are gone for good, and another, which is ordered to go on without them: two of three, or
the home of an asynchronous topic.

    begin   the survivor falls behind for a while; then the others end at once, and nothing that
            they have said and that is still on its way arrives any more, as when they are off
    turn    the plan is asked for until the lost ones are known to be silent; then the order, with
            the loss that it says typed back
    undo    the lost sites return together, with all their old data

What the plan said stands in `told`, on the clock of histories: it is what the operator was promised,
so it is what a history of this is judged by.
"""
import json
import os
import signal
import subprocess
import time

from testbed.lab import PROGRAMS, Refused

from .fault import ROOT, Fault, Impossible, Scene, check_number, now_us, wait_until
from .membership import ADMIN_STEP, run_at
from .moves import HEALED_SECONDS_MAX, ModeChange
from .network import hold

LOOK_SECONDS = 0.2
SERVES_SECONDS_MAX = 25     # the goal is 60; a performer is given 50 to heal
SILENT_SECONDS_MAX = 30


class Recover(Fault):
    """The target is the two sites that are lost."""
    sentence = ("kill -9 of every node of two sites, after the third heard nothing for up to "
                "{behind_ms:g} ms; it is recovered by force, then the lost return with their data")
    scope = "pair"
    needs = (ROOT,)
    seconds = 40.0
    options = {"behind_ms": 1000}

    def check(self) -> None:
        check_number("behind_ms", self.values["behind_ms"], 0, 5_000)

    def begin(self, scene: Scene) -> None:
        left = [node for node in scene.lab.nodes.values() if node.site not in scene.target.sites]
        if len(left) != 1:
            raise Impossible("two sites are lost, said as a-b, and one node must be left")
        self._lose(scene, left[0], [node.id for node in scene.lab.nodes.values()
                                    if node.site != left[0].site])

    def _lose(self, scene: Scene, survivor, lost: list[int]) -> None:
        self._survivor, self._site, self._lost = survivor.id, survivor.site, lost
        scene.undo.add(lambda: self._return(scene))
        behind = scene.lab.cut_site(self._site)
        hold(scene, behind)
        time.sleep(scene.chance.uniform(0, self.values["behind_ms"]) / 1000)
        # Else their kernels would go on sending what is in their sockets, also acknowledgements.
        hold(scene, scene.lab.cut([{"what": "node", "names": [node], "direction": direction}
                                   for node in self._lost for direction in ("in", "out")]))
        for node in self._lost:     # all of them before any is waited for: at once
            scene.lab.signal_node(node, signal.SIGKILL)
        for node in self._lost:
            scene.lab.wait_until_ended(node)
        self._until_us = now_us()
        behind.restore()
        self._give_up_at = time.monotonic() + SILENT_SECONDS_MAX

    def turn(self, scene: Scene) -> float | None:
        plan = self._recover(scene, "--plan")
        if plan.returncode == 0:
            self._order(scene, json.loads(plan.stdout)["total"]["known_lost_records"])
            return None
        if time.monotonic() > self._give_up_at:
            raise Refused(f"no recovery after {SILENT_SECONDS_MAX} s: {plan.stderr.strip()}")
        return LOOK_SECONDS

    def _order(self, scene: Scene, known_lost: int) -> None:
        at_us = now_us()
        done = self._recover(scene, "--lost", str(known_lost), "--sites-off", "--wait",
                             str(SERVES_SECONDS_MAX))
        if done.returncode != 0:
            raise Refused(f"it is not recovered: {done.stderr.strip()}")
        total = json.loads(done.stdout)["total"]  # as it was printed right before the order
        if total["groups_of_unknown_time"] or total["possibly_lost_since_ms"] is None:
            raise Refused("it is not printed of all raft groups since when records may be lost")
        self.told = {"recovery": {
            "at_us": at_us, "until_us": self._until_us, "served_us": now_us(),
            "since_us": history_us(total["possibly_lost_since_ms"]),
            "known_lost": known_lost}}

    def _recover(self, scene: Scene, *words: str) -> subprocess.CompletedProcess:
        """Its exit status is the caller's to judge."""
        port = int(scene.lab.nodes[self._survivor].address.rsplit(":", 1)[1]) + ADMIN_STEP
        command = [os.path.join(PROGRAMS, "trilog"), "recover", "--survivor", self._site, *words,
                   "-o", "json", "--admin", f"127.0.0.1:{port}"]
        return subprocess.run(scene.lab.command_in(self._survivor, command), capture_output=True,
                              text=True, timeout=SERVES_SECONDS_MAX + 20, check=False)

    def _return(self, scene: Scene) -> None:
        """Half of the times as an operator is told to: with a file that says that they return."""
        if scene.chance.random() < 0.5:
            for node in self._lost:
                run_at(scene, node, "touch",
                       os.path.join(scene.lab.nodes[node].data_folder, "returning"))
        for node in self._lost:
            scene.lab.start_node(node)


class RecoverHome(Recover, ModeChange):
    """The target is the home. Group 0, the offsets and all else go on without it; the topic goes on
    where it was recovered, and is synchronous again in the end."""
    sentence = ("a topic is acknowledged by one site alone; kill -9 of that site, after another heard "
                "nothing for up to {behind_ms:g} ms; that one becomes its home, then the lost one returns")
    scope, target = "nodes", "site"

    def begin(self, scene: Scene) -> None:
        home = scene.target.sites[0]
        self._note_as_it_is(scene)
        scene.undo.add(lambda: self._back_for_sure(scene))
        self._tell(scene, ("async", home))
        wait_until(lambda: self._is_as_told(scene), HEALED_SECONDS_MAX,
                   "the partitions have not moved to their home site")
        others = [node for node in scene.lab.nodes.values() if node.site != home]
        self._lose(scene, scene.chance.choice(others),
                   [node.id for node in scene.lab.nodes.values() if node.site == home])


def history_us(wall_ms: int) -> int:
    """An instant of the wall clock on the clock of histories."""
    return wall_ms * 1000 - (time.time_ns() // 1000 - now_us())

