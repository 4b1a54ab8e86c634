"""The clients of a drill: one ledger per site, and the final reads.

A ledger sends until it is told to stop (SIGTERM), waits for outcomes, and ends by itself within
a bound; one that does not is killed, and the drill says so. Its words stand beside its history."""

import signal
import subprocess
import time

# An application that cares for its way to another site: requests are given up after a second and
# not a minute, leaders are looked for all the time, sessions end within a drill.
CLIENTS = {"socket.timeout.ms": 1000, "request.timeout.ms": 1000, "reconnect.backoff.max.ms": 200,
           "topic.metadata.refresh.interval.ms": 500, "session.timeout.ms": 10000,
           "heartbeat.interval.ms": 1000}
SETTLE_S = 20
GRACE_S = 30


class LoadError(Exception):
    """A ledger did not do what it is for; the text says which and where its words are."""


class Ledgers:
    """`ground` starts programs at a site; see ground.py."""

    def __init__(self, ground, program, folder, topic, seed, partitions, read_s_max):
        self.read_s_max = read_s_max
        self.ground = ground
        self.program = str(program)
        self.folder = folder
        self.topic = topic
        self.seed = seed
        self.partitions = partitions
        self._running = {}

    def _start(self, name, site, command, options):
        argv = [self.program, command, "--site", site, "--bootstrap", self.ground.bootstrap(site),
                "--topic", self.topic, "--group-prefix", f"{self.topic}-g",
                "--history", str(self.folder / f"{name}.jsonl"), "--seed", str(self.seed)]
        for node_id, address in self.ground.addresses().items():
            argv += ["--node", f"{node_id}={address}"]
        for setting, value in CLIENTS.items():
            argv += ["--client", f"{setting}={value}"]
        argv += [str(x) for pair in options.items() for x in pair]
        with open(self.folder / f"{name}.log", "wb") as log:
            return self.ground.start_client(site, argv, log)

    def start(self, load, is_probed_beside=False):
        sites = self.ground.node_sites()
        for site in self.ground.sites:
            options = {"--partitions": self.partitions, "--settle-seconds": SETTLE_S, **load}
            if is_probed_beside:
                options["--probe-node"] = min(node for node, at in sites.items() if at == site)
            self._running[site] = self._start(f"{site}-load", site, "load", options)

    def check_running(self):
        for site, process in self._running.items():
            if process.poll() is not None:
                raise LoadError(f"the load of site {site} ended by itself with "
                                f"{process.returncode}: {self.folder}/{site}-load.log")

    def stop(self):
        """Ends all loads; returns when their histories are complete."""
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        self._join(self._running, SETTLE_S + GRACE_S, "load")
        self._running = {}

    def read(self):
        """The final reads, from every site at once."""
        readers = {site: self._start(f"{site}-read", site, "read",
                                     {"--timeout-seconds": self.read_s_max})
                   for site in self.ground.sites}
        self._join(readers, self.read_s_max + GRACE_S, "read")

    def _join(self, processes, timeout_s, what):
        give_up = time.monotonic() + timeout_s
        bad = []
        for site, process in processes.items():
            try:
                status = process.wait(max(give_up - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            if status != 0:
                bad.append(f"{site}-{what} ended with {status}")
        if bad:
            raise LoadError(f"{', '.join(bad)}: see {self.folder}/*-{what}.log")

    def kill(self):
        """Whatever still runs, at once."""
        for process in self._running.values():
            if process.poll() is None:
                process.kill()
                process.wait()
        self._running = {}
