"""Partitions that move from raft group to raft group and back, by the operator's own commands: for
balance, or because their topic is to be replicated otherwise."""
import json
import time
from collections import Counter

from testbed.lab import Refused

from . import view
from .fault import ROOT, Fault, Impossible, Scene, wait_until
from .membership import trilog

LOOK_SECONDS = 0.2
MOVED_SECONDS_MAX = 60
HEALED_SECONDS_MAX = 50     # what a performer is given
STARTED_SECONDS_MAX = 20


class TopicMove(Fault):
    """All partitions of the largest topic go to one group, then evenly to all, again and again."""
    sentence = "partitions move to one raft group and back to all, again and again"
    needs = (ROOT,)
    target = "all"
    seconds = 20.0

    def begin(self, scene: Scene) -> None:
        self._topic = largest_topic(scene)
        self._groups = [group["group_id"] for group in ask(scene, "raft", "list")["groups"]
                        if group["group_id"] != 0 and kind_of(group) == USUAL]
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


class ModeChange(Fault):
    """The largest topic is asynchronous at home in one site after the other, and synchronous at
    last: each time when all of it is as it was told before."""
    sentence = "a topic is acknowledged by one site alone, then by another, by two again, and so on"
    needs = (ROOT,)
    target = "all"
    seconds = 20.0

    def begin(self, scene: Scene) -> None:
        self._note_as_it_is(scene)
        self._kinds = [*(("async", site) for site in sorted(scene.lab.sites)), USUAL]
        scene.chance.shuffle(self._kinds)
        self._turns = 0
        scene.undo.add(lambda: self._back_for_sure(scene))
        self._next(scene)

    def _note_as_it_is(self, scene: Scene) -> None:
        self._topic = largest_topic(scene)
        # A home site alone can't keep what asks for two; it is asked for again in the end.
        configs = ask(scene, "topic", "describe", self._topic)["configs"]
        self._sites_asked = next((config["value"] for config in configs
                                  if config["name"] == SITES_ASKED and config["source"] == "topic"),
                                 "")

    def turn(self, scene: Scene) -> float:
        if self._is_as_told(scene):
            self._next(scene)
        elif time.monotonic() > self._over_at:
            raise Impossible(f"a change takes more than {MOVED_SECONDS_MAX} s")
        return LOOK_SECONDS

    def _next(self, scene: Scene) -> None:
        self._tell(scene, self._kinds[self._turns % len(self._kinds)])
        self._turns += 1

    def _tell(self, scene: Scene, kind) -> None:
        self._told = kind
        replication, home = kind
        sites_asked = self._sites_asked if replication == "sync" else ""
        trilog(scene, somebody(scene), "topic", "config", self._topic,
               f"trilog.replication={replication}", f"trilog.home.site={home or ''}",
               f"{SITES_ASKED}={sites_asked}", "--yes")
        self._over_at = time.monotonic() + MOVED_SECONDS_MAX

    def _is_as_told(self, scene: Scene) -> bool:
        kinds = {group["group_id"]: kind_of(group)
                 for group in ask(scene, "raft", "list")["groups"]}
        places = ask(scene, "topic", "describe", self._topic)["partition_list"]
        return all(kinds.get(place["group_id"]) == self._told for place in places) and \
            not are_moving(scene)

    def _back_for_sure(self, scene: Scene) -> None:
        self._tell(scene, USUAL)
        give_up_at = time.monotonic() + HEALED_SECONDS_MAX
        while not self._is_as_told(scene):
            if time.monotonic() > give_up_at:
                raise Refused("the partitions are not where they belong")
            time.sleep(LOOK_SECONDS)


class HomeKilled(ModeChange):
    """What its home site alone has acknowledged is on that site's disks: it waits, and goes on when
    the nodes do. Then the topic is synchronous again."""
    sentence = "a topic is acknowledged by one site alone, and then that site's nodes are killed"
    target = "site"

    def begin(self, scene: Scene) -> None:
        self._note_as_it_is(scene)
        scene.undo.add(lambda: self._back_for_sure(scene))
        self._tell(scene, ("async", scene.target.sites[0]))
        wait_until(lambda: self._is_as_told(scene), HEALED_SECONDS_MAX,
                   "the partitions have not moved to their home site")
        for node in scene.target.nodes:
            scene.undo.add(lambda node=node: self._start_for_sure(scene, node))
            scene.lab.kill_node(node)

    def turn(self, scene: Scene) -> None:
        return None

    @staticmethod
    def _start_for_sure(scene: Scene, node: int) -> None:
        scene.lab.start_node(node)
        give_up_at = time.monotonic() + STARTED_SECONDS_MAX
        while not serves(scene, node):
            if time.monotonic() > give_up_at:
                raise Refused(f"node {node} does not serve")
            time.sleep(LOOK_SECONDS)


SITES_ASKED = "min.insync.replicas"
USUAL = ("sync", None)      # replication and home site of groups that are for every topic


def kind_of(group: dict) -> tuple:
    return group.get("replication", "sync"), group.get("home_site")


def largest_topic(scene: Scene) -> str:
    counts = Counter(p.topic for p in view.partitions(scene.lab)[0]
                     if not p.topic.startswith("__"))
    if not counts:
        raise Impossible("there is no topic whose partitions could move")
    return counts.most_common(1)[0][0]


def somebody(scene: Scene) -> int:
    return next(node for node in scene.lab.nodes if scene.lab.state(node) == "running")


def ask(scene: Scene, *words: str) -> dict:
    return json.loads(trilog(scene, somebody(scene), *words, "-o", "json"))


def serves(scene: Scene, node: int) -> bool:
    """Does it know who leads each partition?"""
    try:
        groups = json.loads(trilog(scene, node, "raft", "list", "-o", "json"))["groups"]
    except Refused:
        return False
    return all(group.get("leader_node_id") is not None for group in groups)


def are_moving(scene: Scene) -> bool:
    return ask(scene, "topic", "moves")["count"] > 0
