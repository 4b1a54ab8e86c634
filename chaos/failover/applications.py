"""The applications of a drill: for each site and way one ledger, which can be killed and replaced."""

from drill.load import SETTLE_S, Ledgers

from .ways import STOCK, WAYS, bootstrap


class Applications(Ledgers):
    """`size` says how many clients each ledger has: see plan.Size."""

    def __init__(self, ground, program, folder, topic, seed, partitions, read_s_max, size, ways=WAYS):
        super().__init__(ground, program, folder, topic, seed, partitions, read_s_max)
        self.size, self.ways = size, ways
        self._lives = {}

    def start_all(self):
        for site in self.ground.sites:
            self.start_site(site)

    def start_site(self, site):
        """A later life has names of its own, and is of the same groups."""
        for way in self.ways:
            life = self._lives[site, way] = self._lives.get((site, way), 0) + 1
            tag = way.name if life == 1 else f"{way.name}.{life}"
            self._running[f"{site}-{tag}"] = self._start_load(site, way, tag)

    def kill_site(self, site):
        """At once, as when their machines lose power: nothing is settled, nobody leaves a group."""
        killed = [name for name in self._running if name.startswith(f"{site}-")]
        for name in killed:
            self._running[name].kill()
        for name in killed:
            self._running.pop(name).wait()

    def _start_load(self, site, way, tag):
        size, name = self.size, f"{site}-{tag}"
        argv = [self.program, "load", "--site", site, "--tag", tag, "--topic", self.topic,
                "--bootstrap", bootstrap(self.ground.lab, way, site),
                "--group-prefix", f"{self.topic}-{way.name}-g", "--seed", self.seed,
                "--history", self.folder / f"{name}.jsonl", "--partitions", self.partitions,
                "--producers", size.producers, "--plain-producers", 1, "--rate", size.rate,
                "--size", "100-300", "--groups", size.groups, "--members", 1, "--assigned", 0,
                "--admin-ms", 0, "--metadata-ms", 0, "--fetch-offsets-ms", 0,
                "--settle-seconds", SETTLE_S]
        argv += [x for pair in STOCK.items() for x in ("--client", "=".join(map(str, pair)))]
        with open(self.folder / f"{name}.log", "wb") as log:
            return self.ground.start_client(site, [str(x) for x in argv], log)
