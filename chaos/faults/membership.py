"""Nodes that leave the cluster and come back, by the operator's own command. Needs two nodes in the
node's site: a site's last node is not let go."""
import json
import os
import subprocess
import time

from testbed.lab import PROGRAMS, Refused

from .fault import ROOT, Fault, Impossible, Scene

ADMIN_STEP = 508            # the operator's port is so far above the clients', on loopback
ANSWER_SECONDS_MAX = 30
MOVED_SECONDS_MAX = 240
HEALED_SECONDS_MAX = 50     # what a performer is given
LOOK_SECONDS = 0.5


class Leave(Fault):
    """Over when the node is back and carries its part."""
    sentence = ("a node is removed from the cluster; when it is gone it is emptied, started and added "
                "again")
    needs = (ROOT,)
    seconds = 300.0

    def begin(self, scene: Scene) -> None:
        self._node = scene.target.nodes[0]
        site = scene.lab.nodes[self._node].site
        if len(scene.lab.nodes_of(site)) < 2:
            raise Impossible(f"node {self._node} is the only one of site {site}: it can't leave")
        self._give_up_at = time.monotonic() + MOVED_SECONDS_MAX
        self._step = self._wait_until_gone
        scene.undo.add(lambda: self._come_back_for_sure(scene))
        operate(scene, self._node, "remove", str(self._node))

    def turn(self, scene: Scene) -> float:
        if time.monotonic() > self._give_up_at:
            raise Impossible(f"node {self._node} has not left and come back within "
                             f"{MOVED_SECONDS_MAX} s")
        self._step(scene)
        return LOOK_SECONDS

    def _wait_until_gone(self, scene: Scene) -> None:
        if state_of(scene, self._node) == "gone" and scene.lab.pid(self._node) is None:
            self._come_back(scene)

    def _wait_until_back(self, scene: Scene) -> None:
        said = nodes(scene, self._node)
        back = next(node for node in said["nodes"] if node["node_id"] == self._node)
        self.is_over = (back["state"] == "active" and said["groups_moving"] == 0
                        and said["groups_to_move"] == 0)

    def _come_back(self, scene: Scene) -> None:
        """Known again before it starts: who is told that it was removed ends."""
        self._step = self._wait_until_back
        operate(scene, self._node, "add", str(self._node), "--site", scene.lab.nodes[self._node].site)
        self._start_emptied(scene, self._node)

    @staticmethod
    def _start_emptied(scene: Scene, node: int) -> None:
        folder = scene.lab.nodes[node].data_folder
        run_at(scene, node, "find", folder, "-mindepth", "1", "-delete")
        scene.lab.start_node(node)

    def _come_back_for_sure(self, scene: Scene) -> None:
        give_up_at = time.monotonic() + HEALED_SECONDS_MAX
        while not self.is_over:
            if time.monotonic() > give_up_at:
                raise Refused(f"node {self._node} is not back")
            self._step(scene)
            time.sleep(LOOK_SECONDS)


class Replace(Leave):
    """Over when all nodes of the site are back. The new node is the other one of the site, which
    has left before: a lab has no spare ones."""
    sentence = ("a node is replaced by one of its site that had left; then it is emptied, started "
                "and added again")
    seconds = 600.0

    def begin(self, scene: Scene) -> None:
        self._replaced = scene.target.nodes[0]
        site = scene.lab.nodes[self._replaced].site
        spares = [node.id for node in scene.lab.nodes_of(site) if node.id != self._replaced]
        if not spares:
            raise Impossible(f"node {self._replaced} is the only one of site {site}")
        self._node = spares[0]
        self._give_up_at = time.monotonic() + 2 * MOVED_SECONDS_MAX
        self._step = self._wait_until_gone
        scene.undo.add(lambda: self._come_back_for_sure(scene))
        operate(scene, self._node, "remove", str(self._node))

    def _come_back(self, scene: Scene) -> None:
        if self._node == self._replaced:
            super()._come_back(scene)
            return
        spare, self._node = self._node, self._replaced
        self._step = self._wait_until_gone  # the replaced one is gone in the end, and comes back
        operate(scene, self._replaced, "replace", str(self._replaced), "--by", str(spare))
        self._start_emptied(scene, spare)


def others(scene: Scene, node: int) -> list[int]:
    """In its own site somebody may have just been started, and not serve yet."""
    site = scene.lab.nodes[node].site
    return [one.id for one in scene.lab.nodes.values()
            if one.site != site and scene.lab.state(one.id) == "running"]


def operate(scene: Scene, node: int, verb: str, *words: str) -> None:
    """By another node's port, and without waiting for the moves."""
    trilog(scene, others(scene, node)[0], "node", verb, *words, "--yes", "--no-wait")


def nodes(scene: Scene, node: int) -> dict:
    return json.loads(trilog(scene, others(scene, node)[0], "node", "list", "-o", "json"))


def state_of(scene: Scene, node: int) -> str:
    return next(one["state"] for one in nodes(scene, node)["nodes"] if one["node_id"] == node)


def trilog(scene: Scene, at: int, *words: str) -> str:
    port = int(scene.lab.nodes[at].address.rsplit(":", 1)[1]) + ADMIN_STEP
    return run_at(scene, at, os.path.join(PROGRAMS, "trilog"), *words, "--admin", f"127.0.0.1:{port}")


def run_at(scene: Scene, node: int, *command: str) -> str:
    done = subprocess.run(scene.lab.command_in(node, list(command)), capture_output=True, text=True,
                          timeout=ANSWER_SECONDS_MAX, check=False)
    if done.returncode != 0:
        raise Refused(f"{command[0]} at node {node}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
