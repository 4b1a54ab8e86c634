"""Ledgers at the sites of a lab, and what their histories say."""
import json
import os
import signal
import subprocess
import time
from collections import Counter

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
PROGRAMS = os.path.join(ROOT, "build", "release")
SITES = ("a", "b", "c")
END_SECONDS_MAX = 120
WAIT_SECONDS_MAX = 60


def wait_until(is_true, what):
    give_up_at = time.monotonic() + WAIT_SECONDS_MAX
    while not is_true():
        assert time.monotonic() < give_up_at, f"not within {WAIT_SECONDS_MAX} s: {what}"
        time.sleep(0.02)


class History:
    """The lines of some files; a last one without its newline does not count."""

    def __init__(self, *paths):
        self.files = []
        for path in paths:
            with open(path, encoding="ascii") as file:
                whole, _, _ = file.read().rpartition("\n")
            assert all(len(line) < 4096 for line in whole.split("\n"))
            self.files.append([json.loads(line) for line in whole.split("\n")])
        self.lines = [line for file in self.files for line in file]

    def of_type(self, kind):
        return [line for line in self.lines if line["type"] == kind]

    def invoked(self, kind):
        return {(line["process"], line["id"]): line
                for line in self.of_type(kind) if "outcome" not in line}

    def completed(self, kind):
        return {(line["process"], line["id"]): line
                for line in self.of_type(kind) if "outcome" in line}

    def outcomes(self, kind="send"):
        return Counter(line["outcome"] for line in self.completed(kind).values())

    def final_reads(self, node=None):
        """Content by place: as one node has it, or (None) as the site's consumer read it."""
        return {(line["partition"], line["offset"]): content(line) for line in self.of_type("read")
                if line.get("stage") == "final" and line.get("node") == node}

    def read_ends(self, node=None):
        return {line["partition"]: line["offset"] for line in self.of_type("read-end")
                if line.get("node") == node}

    def acknowledged(self):
        """Content by place."""
        sends = self.invoked("send")
        return {(line["partition"], line["offset"]): content(sends[operation])
                for operation, line in self.completed("send").items()
                if line["outcome"] == "ok" and line["offset"] >= 0}


def content(line):
    return line["value"], line["size"], line["crc"], line.get("key")


class Ledger:
    """One process."""

    def __init__(self, lab, folder, command, site, topic, *options):
        self.path = os.path.join(folder, f"{site}-{command}.jsonl")
        nodes = [f"{node.id}={node.address}" for node in lab.nodes.values()]
        bootstrap = ",".join(node.address for node in lab.nodes.values())
        self.process = subprocess.Popen(
            [os.path.join(PROGRAMS, "ledger"), command, "--site", site, "--bootstrap", bootstrap,
             "--history", self.path, "--topic", topic,
             *(word for node in nodes for word in ("--node", node)), *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def wait(self):
        """Its exit status; what it said is kept."""
        self.out, self.err = self.process.communicate(timeout=END_SECONDS_MAX)
        return self.process.returncode

    def count(self, text):
        """How often that is in its history so far."""
        try:
            with open(self.path, encoding="ascii") as file:
                return file.read().count(text)
        except FileNotFoundError:
            return 0

    def has_written(self, text, times=1):
        return self.count(text) >= times

    def wait_until_written(self, text, times=1):
        wait_until(lambda: self.has_written(text, times), f"{text} is in {self.path}")

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.wait()

    def clear_away(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def check(*paths):
    """What chaos/check says: (exit status, text)."""
    done = subprocess.run([os.path.join(PROGRAMS, "check"), *paths], capture_output=True,
                          text=True, timeout=END_SECONDS_MAX, check=False)
    return done.returncode, done.stdout + done.stderr
