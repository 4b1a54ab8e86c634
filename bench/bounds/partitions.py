"""10,000 partitions on three nodes: created, written to, restarted, one site lost, deleted.

Each step is timed from outside, by bare frames: a record goes to every partition, at its leader,
until every one has acknowledged; what is refused or silent is asked again of whoever leads by then.
"""
import threading
import time

import systems
from bounds import wire

TOPIC = "many"
RECORD = wire.batch(100)
PART_MAX = 2000  # partitions of one request


class Writer:
    """One record to every partition; who has acknowledged is never asked again."""

    def __init__(self, cluster, partitions):
        self.cluster = cluster
        self.lacking = set(range(partitions))
        self.lock = threading.Lock()

    def leaders(self):
        """{address: [partition]} of what is lacking, as the first node that answers tells it."""
        for i in systems.NODES:
            if not self.cluster.is_running(i):
                continue
            try:
                brokers, topics = wire.ask_metadata(self.cluster.pair(i), [TOPIC], patience_s=2)
            except (OSError, ValueError):
                continue
            led = {}
            for p in topics[TOPIC]:
                if p.number in self.lacking and p.leader in brokers:
                    led.setdefault(brokers[p.leader], []).append(p.number)
            return led
        return {}

    def write(self, address, numbers):
        try:
            with wire.Connection(address, patience_s=2) as connection:
                for at in range(0, len(numbers), PART_MAX):
                    part = [(n, RECORD) for n in numbers[at:at + PART_MAX]]
                    answered = wire.read_produced(connection.ask(wire.produce(TOPIC, part, timeout_ms=1500)))
                    with self.lock:
                        self.lacking -= {n for n, error in answered.items() if error == 0}
        except (OSError, ValueError):
            pass  # asked again

    def run(self, patience_s=60):
        """Seconds until every partition has acknowledged."""
        since = time.monotonic()
        while self.lacking:
            if time.monotonic() - since > patience_s:
                raise RuntimeError(f"{len(self.lacking)} partitions take no records")
            threads = [threading.Thread(target=self.write, args=(address, numbers), daemon=True)
                       for address, numbers in self.leaders().items()]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            if self.lacking:
                time.sleep(0.01)
        return time.monotonic() - since


def write_to_all(cluster, partitions):
    return Writer(cluster, partitions).run()


def wait_until_serving(cluster, i, partitions, patience_s=60):
    """Until the node names a leader of every partition."""
    since = time.monotonic()
    while time.monotonic() - since < patience_s:
        try:
            _, topics = wire.ask_metadata(cluster.pair(i), [TOPIC], patience_s=5)
            if sum(p.leader >= 0 for p in topics.get(TOPIC, ())) == partitions:
                return time.monotonic() - since
        except (OSError, ValueError):
            pass
        time.sleep(0.005)
    raise RuntimeError("a restarted node does not know its partitions")


def count_folders(cluster, site):
    return sum(1 for _ in (cluster.folder / site / "topics").iterdir())


def wait_until_in_segments(cluster, partitions, patience_s=180):
    """Until a restart finds each partition's files, on every node."""
    since = time.monotonic()
    while min(count_folders(cluster, site) for site in systems.SITES) < partitions:
        if time.monotonic() - since > patience_s:
            raise RuntimeError("the partitions are not all in segments")
        time.sleep(0.2)
    return time.monotonic() - since


def wait_until_empty(cluster, patience_s=120):
    """Until no node has a file of any partition left."""
    since = time.monotonic()
    while time.monotonic() - since < patience_s:
        left = sum(count_folders(cluster, site) for site in systems.SITES)
        if left == 0:
            return time.monotonic() - since
        time.sleep(0.1)
    raise RuntimeError(f"{left} folders of deleted partitions are left")


def restart_all(cluster, partitions):
    """All three at once, killed: the worst case, for nobody has a leader to hear of."""
    for i in systems.NODES:
        cluster.kill_node(i)
    since = time.monotonic()
    for i in systems.NODES:
        cluster.start_node(i)
    write_to_all(cluster, partitions)
    return time.monotonic() - since


def restart_one(cluster, partitions):
    cluster.kill_node(2)
    write_to_all(cluster, partitions)
    since = time.monotonic()
    cluster.start_node(2)
    wait_until_serving(cluster, 2, partitions)
    took = time.monotonic() - since
    return took, took + cluster.wait_for_topic(TOPIC, partitions)


def lose_one(cluster, partitions):
    """Seconds without a write to the worst partition, of a site that dies."""
    cluster.kill_node(1)
    took = Writer(cluster, partitions).run()
    cluster.start_node(1)
    cluster.wait_for_topic(TOPIC, partitions)
    return took


def run(bench, report, is_short):
    partitions = 2000 if is_short else 10000
    with bench.cluster(settings=[f"topic_partitions_max: {partitions}"]) as cluster:
        idle = max(cluster.anonymous_bytes(i) for i in systems.NODES)
        since = time.monotonic()
        wire.create_topic(cluster.pair(0), TOPIC, partitions)
        report.tell("created, answered", time.monotonic() - since, "s")
        cluster.wait_for_topic(TOPIC, partitions)
        report.tell("created, all with leaders and in sync", time.monotonic() - since, "s")
        report.tell("first record to each", write_to_all(cluster, partitions), "s")
        report.tell("second record to each", write_to_all(cluster, partitions), "s")
        report.tell("all of them in segments", wait_until_in_segments(cluster, partitions), "s")
        grown = max(cluster.anonymous_bytes(i) for i in systems.NODES) - idle
        report.at_most("memory of a partition and node", grown / partitions / 1024, "KiB", 64)
        report.at_most("open files of a node", max(cluster.open_files(i) for i in systems.NODES), "", 1000)
        serves, in_sync = restart_one(cluster, partitions)
        report.at_most("one node killed and started, until it serves", serves, "s", 5)
        report.tell("… until all partitions are in sync", in_sync, "s")
        report.at_most("all nodes killed and started, until all partitions take records",
                       restart_all(cluster, partitions), "s", 5)
        cluster.wait_for_topic(TOPIC, partitions)
        report.at_most("site lost, until all partitions take records",
                       lose_one(cluster, partitions), "s", 2)
        since = time.monotonic()
        wire.delete_topic(cluster.pair(0), TOPIC)
        report.tell("deleted, answered", time.monotonic() - since, "s")
        wait_until_empty(cluster)
        report.tell("deleted, no folder left", time.monotonic() - since, "s")
