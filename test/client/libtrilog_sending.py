"""What tests of libtrilog have in common: an application that sends numbers, and what is in the log
of them."""

import itertools
import threading

import cluster as clusters
import libtrilog
import records

KEYS, PARTITIONS = 16, 6


class Sending:
    """A producer of libtrilog that sends numbers, from 0 on, until it is told to end."""

    def __init__(self, config, topic, pause_s=0.001):
        self.producer, self.topic = libtrilog.Producer(config), topic
        self.count = 0
        self._pause_s, self._is_ending = pause_s, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        for i in itertools.count():
            self.producer.send(self.topic, libtrilog.key_of(i, KEYS), b"%d" % i)
            self.count = i + 1
            if self._is_ending.wait(self._pause_s):
                return

    def wait_for_progress(self):
        told = self.producer.results[libtrilog.OK]
        clusters.wait_until(lambda: self.producer.results[libtrilog.OK] > told + 100, 60, "sent some")

    def end(self):
        """How many were sent; all of them are told of."""
        self._is_ending.set()
        self._thread.join()
        self.producer.flush(60)
        print(f"events {self.producer.events}; longest silence {self.producer.gap_s_max:.2f} s")
        self.producer.close()
        return self.count

    def finish(self):
        """The same, and all of them are acknowledged."""
        self.end()
        assert self.producer.results == {libtrilog.OK: self.count}
        return self.count


def assert_all_once_in_order(cluster, topic, count):
    """The numbers below `count` are in the log, as Sending sends them."""
    read = {}
    for messages in records.read_topic(cluster, topic, PARTITIONS).values():
        for m in messages:
            read.setdefault(m.key(), []).append(int(m.value()))
    assert read == {libtrilog.key_of(k, KEYS): list(range(k, count, KEYS)) for k in range(KEYS)}
