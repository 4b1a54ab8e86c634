"""Every fault by name.

Kinds are what can be done; the named faults are kinds with a target, options and a duration that
mean something in a cluster of three sites. Both are names for make() and the command line.
"""
from dataclasses import dataclass, field

from . import (clock, disk, membership, moves, network, pairs, process, processor, recovery,
               switches)
from .fault import Fault, Impossible

KINDS: dict[str, type[Fault]] = {
    "kill": process.Kill, "restart": process.Restart, "rolling-restart": process.RollingRestart,
    "pause": process.Pause,
    "cut-node": network.CutNode, "cut-site": network.CutSite, "cut-in": network.CutIn,
    "cut-out": network.CutOut, "cut-pair": network.CutPair, "cut-one-way": network.CutOneWay,
    "cut-client": network.CutClient, "flap": network.Flap, "flap-pair": network.FlapPair,
    "delay": network.Delay, "jitter": network.Jitter, "loss": network.Loss,
    "duplicate": network.Duplicate, "rate": network.Rate,
    "clock": clock.Clock, "cpu": processor.Processor,
    "disk-error": disk.DiskError, "disk-slow": disk.DiskSlow, "disk-full": disk.DiskFull,
    "power": disk.Power, "torn": disk.Torn, "bit-flips": disk.BitFlips,
    "stale-blocks": disk.StaleBlocks, "lost-writes": disk.LostWrites,
    "misdirected-writes": disk.MisdirectedWrites, "cut-off": disk.CutOff, "emptied": disk.Emptied,
    "node-leaves": membership.Leave, "node-replace": membership.Replace,
    "topic-move": moves.TopicMove, "mode-change": moves.ModeChange,
    "home-killed": moves.HomeKilled, "switch": switches.Switch,
    "recover": recovery.Recover, "recover-home": recovery.RecoverHome,
    "random-pairs": pairs.RandomPair,
}


@dataclass(frozen=True)
class Named:
    kind: str
    target: str | None = None
    seconds: float | None = None
    options: dict = field(default_factory=dict)


NAMED: dict[str, Named] = {
    "kill-leader": Named("kill", "leader"),
    "kill-follower": Named("kill", "follower"),
    "kill-coordinator": Named("kill", "coordinator"),
    "kill-site": Named("kill", "site"),
    "kill-all": Named("kill", "all", 2),
    "restart-leader": Named("restart", "leader"),
    "restart-follower": Named("restart", "follower"),
    "pause-leader-200ms": Named("pause", "leader", 0.2),
    "pause-leader-2s": Named("pause", "leader", 2),
    "pause-leader-30s": Named("pause", "leader", 30),
    "pause-follower": Named("pause", "follower"),
    "pause-site": Named("pause", "site"),
    "loss-1": Named("loss", options={"percent": 1}),
    "loss-5": Named("loss", options={"percent": 5}),
    "loss-20": Named("loss", options={"percent": 20}),
    "rate-5mbit": Named("rate", options={"mbit_per_s": 5}),
    "clock-forward": Named("clock", options={"offset_s": 3600}),
    "clock-back": Named("clock", options={"offset_s": -3600}),
    "cpu-10": Named("cpu", options={"percent": 10}),
    "disk-read-error": Named("disk-error", options={"operation": "read"}),
    "disk-write-error": Named("disk-error", options={"operation": "write"}),
    "disk-fsync-error": Named("disk-error", options={"operation": "fsync"}),
    "disk-slow-fsync": Named("disk-slow", options={"operation": "fsync", "delay_ms": 200}),
    "power-node": Named("power", "leader"),
    "power-site": Named("power", "site"),
    "power-all": Named("power", "all", 2),
}


def names() -> list[str]:
    return [*KINDS, *NAMED]


def make(name: str, **options) -> Fault:
    """Raises Impossible when there is no such fault, or no such option of it."""
    named = NAMED.get(name, Named(name))
    if named.kind not in KINDS:
        raise Impossible(f"there is no fault {name!r}: `python3 -B chaos/faults list` shows all")
    fault = KINDS[named.kind](name, **{**named.options, **options})
    fault.target = named.target or fault.target
    fault.seconds = fault.seconds if named.seconds is None else named.seconds
    return fault
