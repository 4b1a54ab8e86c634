"""What producers get, with and without something else going on.

Absolute figures differ from machine to machine and from minute to minute: so the same is measured
with and without in turns, in one run, and the ratio of the medians is judged.
"""
import statistics

TOPIC = "paced"
FAST_TOPIC = "fast"      # what is written for speed, and not kept
BACKLOG_TOPIC = "backlog"  # what is kept
NOT_KEPT = [("segment.bytes", str(16 << 20)), ("retention.bytes", str(16 << 20))]
RATE = 1000  # records a second of 1 KiB: far below what goes, so that its p99 is no queue's


def prepare(cluster):
    cluster.topic(TOPIC, 12)
    cluster.topic(FAST_TOPIC, 12, NOT_KEPT)
    cluster.topic(BACKLOG_TOPIC, 12)


def latency(cluster, seconds, rate=RATE):
    """p99 in ms."""
    got = cluster.load("latency", topic=TOPIC, rate=rate, size=1024, seconds=seconds)
    return float(got["p99_ms"])


def throughput(cluster, seconds):
    """MB/s."""
    return float(cluster.load("produce", topic=FAST_TOPIC, size=1024, seconds=seconds)["mb_per_s"])


def fill(cluster, size_bytes):
    """A backlog of so many bytes, by a producer as fast as it goes."""
    cluster.load("produce", topic=BACKLOG_TOPIC, size=1024, seconds=600, bytes=size_bytes)


class Series:
    """Values by name, in rounds."""

    def __init__(self):
        self.values = {}

    def add(self, name, value):
        self.values.setdefault(name, []).append(value)

    def median(self, name):
        return statistics.median(self.values[name])

    def ratio(self, over, under):
        return self.median(over) / self.median(under)
