"""Every fault that is drilled, on whom, for how long, and what the cluster is meant to do.

The order is that of the run: faults of one kind of lab stand together, for they share it. A lab
that a fault has left in a bad state is replaced before the next one."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One drill. `name` is what `make chaos FAULT=name` takes."""
    name: str
    fault: str          # as chaos/faults calls it
    target: str         # whom: see target.py
    hold_s: float       # from injecting to healing
    goal: str           # a key of goals.GOALS
    words: str          # for the page
    lab: str = "plain"  # which lab it wants: see LABS
    options: dict = field(default_factory=dict)
    is_short: bool = False    # part of make chaos-short
    on_loopback: bool = False  # possible without root
    is_damage: bool = False    # whether the node found it is looked for in what it says
    repeats: int = 1           # so often in one drill, the cluster level again in between
    parts: int = 1             # so many drills, each with a load of its own, make this one
    is_long: bool = False      # only when it is asked for by its name

    @property
    def is_recovery(self):
        """Is there one to be ordered, which may take what it has printed?"""
        return self.goal == "recovery"


@dataclass(frozen=True)
class LabKind:
    """What a lab is made of; the load upon it is the same but for the partitions."""
    words: str
    partitions: int = 24
    nodes_per_site: int = 1
    disk: str = "plain"       # or "faultfs"
    clock: str = "plain"      # or "faketime"
    records_per_s: int = 240  # of one site's producers
    settings: tuple = ()      # of all nodes: (name, value) …
    probe_ms: int = 100       # between two records of a site's probe to each partition
    probe_lanes: int = 4      # of them to one node under way at once
    is_probed_beside: bool = False  # each site's probe asks its own site's first node alone
    metadata_ms: int = 100    # between two looks at who leads


LABS = {
    "plain": LabKind("three sites of one node each"),
    "handover": LabKind("the same, looked at often enough to time single handovers",
                        records_per_s=60, probe_ms=10, probe_lanes=16, metadata_ms=20,
                        is_probed_beside=True,
                        settings=(("leader_return_quiet_ms", "500 ms"),)),
    "pairs": LabKind("three sites of two nodes each", nodes_per_site=2),
    "thousand": LabKind("three sites of one node each, 3,000 partitions, 1,000 led in each site",
                        partitions=3000, records_per_s=1500),
    "clock": LabKind("every node under libfaketime", clock="faketime"),
    "disk": LabKind("every node's data folder on faultfs", disk="faultfs"),
    "segments": LabKind("the same, with a checkpoint each second: there are segments to damage",
                        disk="faultfs", settings=(("checkpoint_interval_ms", "1 s"),)),
}


def _rows():
    yield from _processes()
    yield from _pauses()
    yield from _cuts()
    yield from _links()
    yield from _rest()
    yield from _disks()


def _processes():
    yield Row("kill-leader", "kill", "leader", 4, "leader",
              "kill -9 of the node that leads most", is_short=True, on_loopback=True)
    yield Row("kill-follower", "kill", "follower", 4, "minority",
              "kill -9 of a node, seen from what others lead", on_loopback=True)
    yield Row("kill-coordinator", "kill", "coordinator", 4, "leader",
              "kill -9 of the node that coordinates the groups", on_loopback=True)
    yield Row("kill-all", "kill", "all", 1, "none", "kill -9 of every node at once",
              is_short=True, on_loopback=True)
    yield Row("restart", "restart", "leader", 1, "none", "a clean end (SIGTERM) and start",
              on_loopback=True)
    yield Row("rolling-restart", "rolling-restart", "all", 12, "none",
              "a clean end and start of each node, one after another", on_loopback=True)


def _pauses():
    for seconds, name in ((0.2, "200ms"), (2, "2s"), (30, "30s")):
        goal = "none" if seconds < 1 else "node"
        yield Row(f"pause-leader-{name}", "pause", "leader", seconds, goal,
                  f"SIGSTOP of the node that leads most for {seconds} s",
                  is_short=seconds == 2, on_loopback=True)
    yield Row("pause-follower", "pause", "follower", 4, "minority",
              "SIGSTOP of a node, seen from what others lead", on_loopback=True)
    yield Row("pause-site", "pause", "site", 4, "node", "SIGSTOP of all of a site", "pairs")


def _cuts():
    yield Row("cut-node", "cut-node", "leader", 5, "node", "a node hears and reaches nobody",
              is_short=True)
    yield Row("cut-site", "cut-site", "site", 5, "node",
              "a site with its clients hears and reaches no other")
    yield Row("cut-one-way-in", "cut-in", "site", 5, "progress",
              "a site hears no other, the others hear it")
    yield Row("cut-one-way-out", "cut-out", "site", 5, "progress",
              "a site hears the others, they don't hear it", is_short=True)
    yield Row("cut-pair", "cut-pair", "pair", 5, "progress",
              "two sites can't reach each other, the third reaches both")
    yield Row("cut-client", "cut-client", "client", 5, "progress",
              "the clients of one site can't reach the node of another")
    yield Row("flapping", "flap", "site", 10, "progress", "a site's links come and go every second")


def _links():
    yield Row("delay", "delay", "site", 5, "progress", "a site's links take 150 ms more",
              options={"delay_ms": 150})
    yield Row("jitter", "jitter", "site", 5, "progress", "a site's links take 0 to 50 ms more",
              options={"jitter_ms": 50})
    for percent in (1, 5, 20):
        yield Row(f"loss-{percent}", "loss", "site", 5, "minority" if percent < 20 else "progress",
                  f"{percent} % of a site's packets are lost, each way",
                  options={"percent": percent})
    yield Row("duplication", "duplicate", "site", 5, "progress",
              "5 % of a site's packets come twice", options={"percent": 5})
    yield Row("slow-link", "rate", "site", 5, "minority", "a site's links carry 5 Mbit/s",
              options={"mbit_per_s": 5})


def _rest():
    yield Row("slow-cpu", "cpu", "follower", 5, "minority",
              "a node has 10 % of a core, seen from what others lead", options={"percent": 10})
    yield Row("topic-move", "topic-move", "all", 15, "progress",
              "all partitions move to one raft group and back to all, again and again")
    yield Row("mode-change", "mode-change", "all", 15, "progress",
              "a topic is acknowledged by one site alone, by another, by two again, and so on")
    yield Row("home-killed", "home-killed", "site", 5, "none",
              "a topic is acknowledged by one site alone; kill -9 of that site, which returns")
    yield Row("forced-recovery", "recover", "two_sites", 15, "recovery",
              "two sites are lost, the third is recovered by force; then both return with their data")
    yield Row("home-recovered", "recover-home", "site", 15, "recovery",
              "the home of an asynchronous topic is lost, another site made its home; it returns")
    yield Row("switch", "switch", "all", 120, "switch",
              "all leaders of a site are switched away and back, site after site", "handover")
    yield Row("random-pairs", "random-pairs", "any", 8, "none",
              "two faults of this table at a time, as the seed says", "disk")
    yield Row("kill-site", "kill", "site", 4, "node", "kill -9 of all of a site", "pairs")
    yield Row("node-leaves", "node-leaves", "leader", 240, "progress",
              "a node is removed; gone, it is emptied and added again", "pairs", is_long=True)
    yield Row("node-replace", "node-replace", "leader", 480, "progress",
              "a node is replaced by one of its site; gone, it is emptied and added again", "pairs",
              is_long=True)
    yield Row("kill-site-1000", "kill", "site", 5, "site",
              "kill -9 of all of a site that leads 1,000 partitions", "thousand")
    yield Row("clock-forward", "clock", "leader", 5, "none",
              "a node's wall clock is an hour ahead", "clock", {"offset_s": 3600})
    yield Row("clock-back", "clock", "leader", 5, "none",
              "a node's wall clock is an hour behind", "clock", {"offset_s": -3600})


def _disks():
    disk = "disk"
    yield Row("disk-read-error", "disk-error", "leader", 4, "none", "EIO on every read", disk,
              {"operation": "read"})
    yield Row("disk-write-error", "disk-error", "leader", 4, "leader", "EIO on every write", disk,
              {"operation": "write"})
    yield Row("disk-sync-error", "disk-error", "leader", 4, "leader", "EIO on every fsync", disk,
              {"operation": "fsync"}, is_short=True)
    yield Row("disk-slow-sync", "disk-slow", "follower", 5, "minority",
              "every fsync takes 200 ms more, seen from what others lead", disk,
              {"operation": "fsync", "delay_ms": 200})
    yield Row("disk-slow-leader", "disk-slow", "leader", 6, "handover",
              "every fsync of the node that leads most takes 400 ms more", disk,
              {"operation": "fsync", "delay_ms": 400})
    yield Row("disk-hang-leader", "disk-slow", "leader", 6, "handover",
              "no fsync of the node that leads most comes back", disk,
              {"operation": "fsync", "delay_ms": 600_000})
    yield Row("disk-hang-follower", "disk-slow", "follower", 6, "minority",
              "no fsync of a node comes back, seen from what others lead", disk,
              {"operation": "fsync", "delay_ms": 600_000})
    yield Row("disk-full", "disk-full", "leader", 6, "full",
              "no room on the disk of the node that leads most", disk, is_short=True)
    yield Row("disk-full-all", "disk-full", "all", 5, "full-all", "no room on any disk", disk)
    yield Row("power-node", "power", "leader", 4, "node", "power cut of a node", disk)
    yield Row("power-site", "power", "site", 4, "node", "power cut of all of a site", disk)
    yield Row("power-all", "power", "all", 1, "none",
              "power cut of every node, three times one after another", disk, is_short=True, repeats=3)
    yield Row("power-all-100", "power", "all", 0.5, "none",
              "power cut of every node, a hundred times one after another", disk, repeats=10,
              parts=10, is_long=True)
    yield Row("torn-writes", "torn", "leader", 2, "none",
              "power cut in the midst of writes of which half is there", disk)
    yield from _damage()


def _damage():
    """The node meets it when it starts again, and mends itself: nobody empties or replaces it."""
    wal, manifest, identity = "wal/*.wal", "groups/*/manifest", "node*"
    segments = "topics/*"
    flips = (("", wal, 64, "64 bits of a node's write-ahead log"),
             ("-manifest", manifest, 4, "4 bits of a node's manifests"),
             ("-identity", identity, 4, "4 bits of a node's identity and its copy"))
    for suffix, path, count, what in flips:
        yield Row(f"bit-flips{suffix}", "bit-flips", "follower", 4, "none",
                  f"{what} are flipped; killed and started", "disk", {"path": path, "count": count},
                  is_damage=True)
    yield Row("stale-blocks", "stale-blocks", "follower", 4, "none",
              "32 blocks of a node's write-ahead log lose their last write; the same", "disk",
              {"path": wal, "count": 32}, is_damage=True)
    yield Row("lost-writes", "lost-writes", "follower", 4, "none",
              "4 writes of a node's write-ahead log are never made; the same", "disk", {"path": wal},
              is_damage=True)
    yield Row("misdirected-writes", "misdirected-writes", "follower", 4, "none",
              "4 writes of a node's write-ahead log land elsewhere; the same", "disk", {"path": wal},
              is_damage=True)
    yield Row("cut-off", "cut-off", "follower", 4, "none",
              "a file of a node's write-ahead log is cut off; the same", "disk", {"path": wal},
              is_damage=True)
    yield Row("cut-off-manifest", "cut-off", "follower", 4, "none",
              "a manifest of a node is cut off; the same", "disk", {"path": manifest},
              is_damage=True)
    yield Row("bit-flips-segments", "bit-flips", "leader", 6, "node",
              "64 bits of a node's segments and indexes are flipped; the same", "segments",
              {"path": segments, "count": 64}, is_damage=True)
    yield Row("stale-blocks-segments", "stale-blocks", "leader", 6, "node",
              "8 blocks of a node's segments and indexes lose their last write; the same",
              "segments", {"path": segments, "count": 8}, is_damage=True)
    yield Row("cut-off-segments", "cut-off", "leader", 6, "node",
              "6 segments or indexes of a node are cut off; the same", "segments",
              {"path": segments, "count": 6}, is_damage=True)
    yield Row("emptied-disk", "emptied", "follower", 4, "none",
              "a node's disk is emptied; killed and started", "disk", is_damage=True)


PLAN = tuple(_rows())


def row_named(name):
    for row in PLAN:
        if row.name == name:
            return row
    raise KeyError(f"no fault {name!r}; there are: {', '.join(r.name for r in PLAN)}")
