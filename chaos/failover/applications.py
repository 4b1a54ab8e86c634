"""The applications of a drill: for each site and way one ledger, which can be killed and replaced."""

import pathlib
import time

from drill.chronicle import now_us
from drill.load import SETTLE_S, Ledgers, LoadError

from .clients.voices import PYTHON, build_java
from .ways import STOCK, WAYS, bootstrap, libtrilog_settings

KEEPER = pathlib.Path(__file__).parent / "clients" / "keeper.py"

UNTOLD = "untold-"  # before the names of groups that the ledger's final reading leaves alone
BEGIN_S = 60


class Applications(Ledgers):
    """`size` says how many clients each ledger has: see plan.Size."""

    def __init__(self, ground, program, folder, topic, seed, partitions, read_s_max, size, ways=WAYS):
        super().__init__(ground, program, folder, topic, seed, partitions, read_s_max)
        self.size, self.ways = size, ways
        self._lives = {}

    def start_all(self):
        """Programs of other languages take long to begin: one way after another."""
        if any(way.client == "java" for way in self.ways):
            build_java()
        for way in self.ways:
            for site in self.ground.sites:
                self._start_way(site, way)
            if way.client:
                self.wait_until_sending(BEGIN_S)

    def start_site(self, site):
        for way in self.ways:
            self._start_way(site, way)

    def _start_way(self, site, way):
        """A later life has names of its own, and is of the same groups."""
        life = self._lives[site, way] = self._lives.get((site, way), 0) + 1
        tag = way.name if life == 1 else f"{way.name}.{life}"
        self._running[f"{site}-{tag}"] = self._start_load(site, way, tag)

    def wait_until_sending(self, seconds):
        """All of them: what is told to end while it starts has no history."""
        give_up_at = time.monotonic() + seconds
        for name in self._running:
            while not is_sending(self.folder / f"{name}.jsonl"):
                if time.monotonic() > give_up_at:
                    raise LoadError(f"the load of {name} does not send after {seconds:g} s: "
                                    f"{self.folder}/{name}.log")
                time.sleep(0.05)

    def kill_site(self, site):
        """At once, as when their machines lose power: nothing is settled, nobody leaves a group."""
        killed = [name for name in self._running if name.startswith(f"{site}-")]
        for name in killed:
            self._running[name].kill()
        for name in killed:
            self._running.pop(name).wait()

    def _start_load(self, site, way, tag):
        argv = self._keeper(site, way, tag) if way.client else self._ledger(site, way, tag)
        with open(self.folder / f"{site}-{tag}.log", "wb") as log:
            return self.ground.start_client(site, [str(x) for x in argv], log)

    def _keeper(self, site, way, tag):
        """Clients of other languages: see clients/."""
        size = self.size
        return [PYTHON, "-B", KEEPER, "--client", way.client, "--says", way.words, "--site", site,
                "--tag", tag, "--topic", self.topic,
                "--bootstrap", ",".join(bootstrap(self.ground.lab, way, site)),
                "--group-prefix", f"{'' if way.judges_members else UNTOLD}{self.topic}-{way.name}-g",
                "--seed", self.seed,
                "--history", self.folder / f"{site}-{tag}.jsonl", "--partitions", self.partitions,
                "--producers", size.producers, "--rate", min(size.rate, way.rate_max),
                "--members", size.groups,
                "--settle-seconds", SETTLE_S,
                *(() if way.judges_members else ("--timed-members",))]

    def _ledger(self, site, way, tag):
        size, name = self.size, f"{site}-{tag}"
        argv = [self.program, "load", "--site", site, "--tag", tag, "--topic", self.topic,
                "--bootstrap", ",".join(bootstrap(self.ground.lab, way, site)),
                "--group-prefix", f"{self.topic}-{way.name}-g", "--seed", self.seed,
                "--history", self.folder / f"{name}.jsonl", "--partitions", self.partitions,
                "--producers", size.producers, "--rate", size.rate, "--size", "100-300",
                "--members", size.members, "--assigned", 0,
                "--admin-ms", 0, "--metadata-ms", 0, "--fetch-offsets-ms", 0,
                "--settle-seconds", SETTLE_S]
        argv += self._library(way, site)
        return argv + [x for pair in STOCK.items() for x in ("--client", "=".join(map(str, pair)))]

    def _library(self, way, site):
        """Every producer of libtrilog is idempotent."""
        groups = ["--groups", self.size.groups]
        if not way.is_libtrilog:
            return ["--plain-producers", self.size.plain, *groups]
        settings = self.folder / f"{site}-{way.name}.yaml"
        settings.write_text(libtrilog_settings(self.ground.lab, way, site), encoding="ascii")
        return ["--plain-producers", 0, *groups, "--trilog", settings]


def is_sending(path):
    return path.exists() and '"type":"stage"' in path.read_text(encoding="utf-8")


class ApplicationsKilled:
    """A fault of the drill's own, which is taken for one of chaos/faults: see drill/injury.py."""

    def __init__(self, applications, site):
        self.applications, self.site = applications, site
        self._is_there = False

    def inject(self):
        self._is_there = True
        self.applications.kill_site(self.site)
        return now_us()

    @staticmethod
    def hold(seconds):
        time.sleep(seconds)

    def heal(self):
        """Healing again does nothing."""
        healed_us = now_us()
        if self._is_there:
            self._is_there = False
            self.applications.start_site(self.site)
        return healed_us
