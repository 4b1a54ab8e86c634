"""10,000 idle connections to one node: what each costs it, and that others do not feel them."""
import time

from bounds import sidebyside as side, wire

CONNECTIONS = 10000
SETTINGS = [f"{name}: {CONNECTIONS + 1000}" for name in ("max.connections", "max.connections.per.ip")]
QUESTION = wire.frame(wire.API_VERSIONS, 0, b"")


def connect(address, count):
    """Each has asked once and been answered, as a client's has."""
    return [_greeted(address) for _ in range(count)]


def _greeted(address):
    connection = wire.Connection(address)
    connection.ask(QUESTION)
    return connection


def cpu_share(cluster, seconds):
    """Of one core, all nodes, while nobody asks anything."""
    before = cluster.cpu_seconds()
    time.sleep(seconds)
    return (cluster.cpu_seconds() - before) / seconds


def run(bench, report, is_short):
    count = 2000 if is_short else CONNECTIONS
    with bench.cluster(settings=SETTINGS) as cluster:  # a producer comes on top of them
        side.prepare(cluster)
        connect(cluster.pair(0), 100)[0].close()  # what is made once is made
        series = side.Series()
        for _ in range(0 if is_short else bench.rounds):
            series.add("without", side.latency(cluster, 5))
        quiet = cpu_share(cluster, 3)
        before = cluster.anonymous_bytes(0)
        connections = connect(cluster.pair(0), count)
        grown = cluster.anonymous_bytes(0) - before
        report.at_most(f"memory of each of {count:,} idle connections", grown / count / 1024, "KiB", 64)
        report.at_most("processor time that they take of a core",
                       (cpu_share(cluster, 3) - quiet) * 100, "%", 20)
        report.at_least("of them answered again",
                        sum(bool(c.ask(QUESTION)) for c in connections), "", count)
        for _ in range(0 if is_short else bench.rounds):
            series.add("with", side.latency(cluster, 5))
        if not is_short:
            report.at_most("p99 beside without them", series.ratio("with", "without"), "×", 1.2)
        for connection in connections:
            connection.close()
