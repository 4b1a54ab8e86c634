"""The drill's own history: what was done to the cluster, and what its nodes then said of leaders.

The lines are those of docs/history-format.md; `at` is the machine's monotonic clock, the one that
the clients' histories go by. Each line leaves the process when it is written: a drill that dies
has said everything up to there."""

import json
import threading
import time

PROCESS = "driver"


def now_us():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


def _plain(text):
    """Strings of a history are printable ASCII without quotes and backslashes."""
    kept = "".join(c if 32 <= ord(c) < 127 and c not in '"\\' else "?" for c in str(text))
    return kept[:255]


class Chronicle:
    """One history file; several threads may write to it."""

    def __init__(self, path, seed, process=PROCESS, site="-"):
        self._file = open(path, "w", encoding="ascii", buffering=1)
        self._lock = threading.Lock()
        self._who = {"process": process, "site": site}
        self.write("history", version=1, program="drill", seed=seed,
                   wall_us=time.time_ns() // 1000)
        self.write("process", role="driver")

    def write(self, kind, at_us=None, **fields):
        """One line. Fields without a value (None) are left out."""
        line = {"at": now_us() if at_us is None else at_us, "type": kind, **self._who}
        line.update({k: _plain(v) if isinstance(v, str) else v
                     for k, v in fields.items() if v is not None})
        with self._lock:
            if not self._file.closed:
                self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def inject(self, name, target, at_us, site=None, node=None, number=1):
        self.write("fault", at_us, action="inject", id=number, name=name, target=target,
                   faulted_site=site, faulted_node=node)

    def heal(self, name, target, at_us, number=1):
        self.write("fault", at_us, action="heal", id=number, name=name, target=target)

    def recovery(self, told):
        """By a process of its own: it happened before what was written down since."""
        self.write("recovery", told["at_us"], process="recovery", since=told["since_us"],
                   until=told["until_us"], known_lost=told["known_lost"])

    def stage(self, name):
        self.write("stage", name=name)

    def close(self):
        """Closing again does nothing."""
        self.stage("end")
        with self._lock:
            self._file.close()
