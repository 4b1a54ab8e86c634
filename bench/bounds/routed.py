"""10,000 clients of one router, in another process: what each costs it, and that all are served."""
import time

import systems
from bounds import sidebyside as side, wire
from routed import Router

CONNECTIONS = 10000
RECORD = wire.batch(100)
METADATA = wire.metadata([side.TOPIC])
WAIT_MS = 500


def write(number):
    return wire.produce(side.TOPIC, [(number % 12, RECORD)])


def ends(address):
    """Of each partition: where the next record comes."""
    with wire.Connection(address) as connection:
        return [wire.read_produced_offset(connection.ask(write(number))) + 1 for number in range(12)]


def reading_from(offsets):
    return lambda number: wire.fetch(side.TOPIC, [(number % 12, offsets[number % 12])], WAIT_MS, 1 << 20)


def connect(address, count):
    """Each has asked a node something and written a record."""
    connections = []
    for number in range(count):
        connection = wire.Connection(address)
        connection.ask(METADATA)
        connection.ask(write(number))
        connections.append(connection)
    return connections


def ask_all(connections, request):
    """All at once; how many were answered, and the seconds until the last was."""
    since = time.monotonic()
    for number, connection in enumerate(connections):
        connection.send(request(number))
    answered = sum(bool(connection.receive()) for connection in connections)
    return answered, time.monotonic() - since


def cpu_share(router, seconds):
    before = router.cpu_seconds()
    time.sleep(seconds)
    return (router.cpu_seconds() - before) / seconds


def latency(cluster, router):
    got = cluster.load("latency", brokers=router.address, topic=side.TOPIC, rate=side.RATE, size=1024, seconds=5)
    return float(got["p50_ms"])


def run(bench, report, is_short):
    count = 2000 if is_short else CONNECTIONS
    series = side.Series()
    with bench.cluster() as cluster, Router(cluster, bench.router, shards=2) as router:
        side.prepare(cluster)
        address = (systems.HOSTS[0], router.port)
        connect(address, 100)[0].close()  # what is made once is made
        for _ in range(0 if is_short else bench.rounds):
            series.add("without", latency(cluster, router))
        quiet, before = cpu_share(router, 3), router.anonymous_bytes()
        connections = connect(address, count)
        grown = router.anonymous_bytes() - before
        report.at_most(f"memory of each of {count:,} idle clients", grown / count / 1024, "KiB", 64)
        report.at_most("processor time that they take of a core", (cpu_share(router, 3) - quiet) * 100, "%", 20)
        for what, request, seconds in (("a record each", lambda: write, 30),
                                       ("a fetch of nothing, 0.5 s", lambda: reading_from(ends(address)), 5)):
            answered, took = ask_all(connections, request())
            report.at_least(f"{what}, all at once: answered", answered, "", count)
            report.at_most(f"{what}, all at once: until the last was", took, "s", seconds)
        grown = router.anonymous_bytes() - before
        report.at_most("memory of each after that", grown / count / 1024, "KiB", 64)
        for _ in range(0 if is_short else bench.rounds):
            series.add("with", latency(cluster, router))
        if not is_short:
            report.at_most("acknowledgement's p50 beside without them", series.ratio("with", "without"), "×", 1.2)
        for connection in connections:
            connection.close()
