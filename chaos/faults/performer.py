"""The process in which a fault happens: it begins it, keeps it up, and heals it.

    driver ──{fault, lab, target, seconds}──▶ performer ──{at_us, target …} or {refused}──▶ driver
           ──"heal", or its own death───────▶           ──{healed_at_us, why, told}───────▶

It has a process of its own so that a fault can't outlive its deadline: not when the driver dies
(its death is an event here), hangs, or is too busy to keep a rhythm of milliseconds. When the lab
ends, there is nothing left to heal. Only if this very process is killed does the fault stay, until
the lab ends.
"""
import json
import os
import random
import select
import signal
import sys
import time

from testbed.lab import Lab, NotUp, Refused

from . import catalogue
from .fault import Fault, Impossible, Scene, now_us, refuse_unless_possible
from .targets import resolve

SECONDS_MAX = 3600


def set_up(fault: Fault, lab: Lab, target: str | None, seed: int) -> Scene:
    """Begins the fault. Raises Impossible, and then all of it is taken back."""
    scene = None
    try:
        refuse_unless_possible(fault, lab)
        chance = random.Random(f"{seed} {fault.name}")
        scene = Scene(lab, resolve(lab, fault.scope, target or fault.target, chance), chance)
        fault.begin(scene)
        return scene
    except BaseException as error:
        trouble = scene.undo.run() if scene is not None else ""
        if isinstance(error, (Refused, OSError, Impossible)):
            raise Impossible(f"{error}{f'; and then: {trouble}' if trouble else ''}") from error
        raise


def keep_up(fault: Fault, scene: Scene, deadline: float, ends: list) -> str:
    """Until the deadline, an event on one of `ends`, or the fault's own end; says which."""
    turn_at = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= deadline:
            return "deadline"
        if turn_at is not None and now >= turn_at:
            try:
                pause = fault.turn(scene)
            except NotUp:
                return "the lab is down"
            if fault.is_over:
                return "over"
            turn_at = None if pause is None else now + pause
        wake_at = deadline if turn_at is None else min(deadline, turn_at)
        if select.select(ends, [], [], max(wake_at - time.monotonic(), 0))[0]:
            return "asked"


def check_seconds(seconds: float) -> float:
    if not 0 < seconds <= SECONDS_MAX:
        raise Impossible(f"{seconds:g} s: up to {SECONDS_MAX} s are possible")
    return seconds


def heal(scene: Scene, why: str) -> dict:
    healed_at_us = now_us()
    return {"healed_at_us": healed_at_us, "why": why, "trouble": scene.undo.run()}


def effect(scene: Scene) -> dict:
    target = scene.target
    return {"at_us": now_us(), "target": target.words, "nodes": target.nodes,
            "sites": target.sites, "is_one_node": target.is_one_node}


def _say(message: dict) -> None:
    """To a driver that may be gone."""
    try:
        os.write(1, json.dumps(message).encode() + b"\n")
    except OSError:
        pass


def main() -> int:
    """`chaos/faults perform`: for injection.py. What it is told stands in one line on stdin."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # ends by asking, by deadline, or with its driver
    asked = json.loads(sys.stdin.readline())
    driver = os.pidfd_open(os.getppid())
    if os.getppid() != asked["driver"]:
        return 1
    try:
        lab = Lab.attach(asked["lab"], asked["folder"])
        fault = catalogue.make(asked["fault"], **asked["options"])
        seconds = check_seconds(asked["seconds"])
        scene = set_up(fault, lab, asked["target"], asked["seed"])
    except (Impossible, Refused) as error:
        _say({"refused": str(error)})
        return 1
    why, trouble = "the fault failed", ""
    try:
        _say(effect(scene))
        why = keep_up(fault, scene, time.monotonic() + seconds, [sys.stdin, driver])
    except (Impossible, Refused, OSError) as error:
        trouble = str(error)
    finally:
        message = {**heal(scene, why), "told": fault.told}
        message["trouble"] = "; ".join(filter(None, [trouble, message["trouble"]]))
        _say(message)
    return 0
