"""A flood of one-record requests: connections that send as many as the socket takes. Memory stays
in its setting, every request is answered, and who sends little is still served."""
import threading
import time

from bounds import sidebyside as side, slow, wire
from bounds.cluster import MIB, Watch

FLOODERS = 64
REQUESTS = 512  # of one write to the socket
RECORD = wire.batch(100)


class Flooder:
    """Sends without waiting, until told to stop; another thread reads what comes back."""

    def __init__(self, address, number, is_over):
        self.connection = wire.Connection(address)
        self.request = wire.produce(side.TOPIC, [(number, RECORD)])
        self.is_over = is_over
        self.sent_count = self.answer_bytes = 0
        self.error = None
        self.threads = [threading.Thread(target=run, daemon=True) for run in (self.send, self.take)]

    def start(self):
        answer = self.connection.ask(self.request)
        self.answer_size = len(answer) + 8
        for thread in self.threads:
            thread.start()

    def send(self):
        block = self.request * REQUESTS
        try:
            while not self.is_over.is_set():
                self.connection.send(block)
                self.sent_count += REQUESTS
        except OSError as error:
            self.error = error

    def take(self):
        """Answers are all of one size: their bytes say how many."""
        try:
            while not self.is_over.is_set() or self.answered_count() < self.sent_count:
                got = len(self.connection.socket.recv(1 << 16))
                if got == 0:
                    raise ConnectionError("the node closed the connection")
                self.answer_bytes += got
        except OSError as error:
            self.error = error

    def answered_count(self):
        return self.answer_bytes // self.answer_size

    def finish(self):
        for thread in self.threads:
            thread.join(60)
        self.connection.close()


def flood(cluster, count, seconds, series):
    is_over = threading.Event()
    brokers, topics = wire.ask_metadata(cluster.pair(0), [side.TOPIC])
    leaders = {p.number: brokers[p.leader] for p in topics[side.TOPIC]}
    flooders = [Flooder(leaders[i % 12], i % 12, is_over) for i in range(count)]
    for flooder in flooders:
        flooder.start()
    since = time.monotonic()
    series.add("little's p99", side.latency(cluster, seconds, rate=100))
    is_over.set()
    for flooder in flooders:
        flooder.finish()
    took = time.monotonic() - since
    series.add("per second", sum(f.sent_count for f in flooders) / took)
    series.add("unanswered", sum(f.sent_count - f.answered_count() for f in flooders))
    series.add("errors", sum(f.error is not None for f in flooders))


def run(bench, report, is_short):
    with bench.cluster(settings=slow.settings()) as cluster:
        side.prepare(cluster)
        series = side.Series()
        with Watch(cluster.holders()) as watch:
            for _ in range(1 if is_short else bench.rounds):
                flood(cluster, 16 if is_short else FLOODERS, 1 if is_short else 4, series)
        report.at_most("memory of the largest node", watch.most_bytes() / MIB, "MiB", slow.bound_mib())
        report.at_most("requests without an answer", max(series.values["unanswered"]), "", 0)
        report.at_most("connections that failed", max(series.values["errors"]), "", 0)
        report.tell("requests of one record", series.median("per second"), "/s")
        report.tell("p99 of one who sends 100 a second meanwhile", series.median("little's p99"), "ms")
