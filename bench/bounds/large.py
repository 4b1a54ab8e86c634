"""Requests at the size limit: 32 MiB batches, more of them at once than memory has room for, some
sent whole, some begun and left half. Memory stays in its setting; what is sent whole is answered."""
import threading
import time

from bounds import sidebyside as side, slow, wire
from bounds.cluster import MIB, Watch

SENDERS = 12
BATCH_BYTES = 32 * MIB
CONFIGS = [("max.message.bytes", str(BATCH_BYTES)), ("segment.bytes", str(64 * MIB)),
           ("retention.bytes", str(64 * MIB))]
TOPIC = "large"


class Sender:
    """Two batches, one after the other; asks again, of whoever leads by then, as a client would."""
    PATIENCE_S = 120

    def __init__(self, address, number, request):
        """`address`: whom to ask for leaders."""
        self.address, self.number, self.request = address, number, request
        self.acknowledged_count = self.refused_count = 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        deadline = time.monotonic() + self.PATIENCE_S
        while self.acknowledged_count < 2 and time.monotonic() < deadline:
            try:
                with wire.Connection(leader(self.address, self.number), patience_s=100) as connection:
                    error = wire.read_produced(connection.ask(self.request))[self.number]
            except OSError:
                error = -1
            self.acknowledged_count += error == 0
            self.refused_count += error != 0


def leader(address, number):
    brokers, topics = wire.ask_metadata(address, [TOPIC])
    return next((brokers[p.leader] for p in topics[TOPIC] if p.number == number and p.leader in brokers),
                address)


def begin_half(address, request):
    connection = wire.Connection(address)
    connection.socket.setblocking(False)
    try:
        connection.socket.send(request[:1 << 20])
    except OSError:
        pass
    return connection


def send_all(address, count, half_count, data, meanwhile):
    """What `meanwhile` gave, and the senders, which have ended."""
    halves = [begin_half(leader(address, 0), wire.produce(TOPIC, [(0, data)])) for _ in range(half_count)]
    senders = [Sender(address, i % 12, wire.produce(TOPIC, [(i % 12, data)], timeout_ms=100000))
               for i in range(count)]
    found = meanwhile()
    for sender in senders:
        sender.thread.join()
    for half in halves:
        half.close()
    return found, senders


def run(bench, report, is_short):
    senders = 6 if is_short else SENDERS
    data = wire.batch(BATCH_BYTES - 100)
    with bench.cluster(settings=slow.settings()) as cluster:
        side.prepare(cluster)
        cluster.topic(TOPIC, 12, CONFIGS)
        since = time.monotonic()
        with Watch(cluster.holders()) as watch:
            little, all_senders = send_all(cluster.pair(0), senders, 0 if is_short else 2, data,
                                           lambda: side.latency(cluster, 1 if is_short else 4, rate=100))
        # Beyond the sums of small batches: of each kind of room one batch may be above its limit.
        report.at_most("memory of the largest node", watch.most_bytes() / MIB, "MiB",
                       slow.bound_mib() + 4 * 32)
        report.at_least("batches of 32 MiB acknowledged",
                        sum(s.acknowledged_count for s in all_senders), "", 2 * senders)
        report.tell("asked again", sum(s.refused_count for s in all_senders), "")
        report.tell("all of them took", time.monotonic() - since, "s")
        report.tell("p99 of one who sends 100 a second meanwhile", little, "ms")
