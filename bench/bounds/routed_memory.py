"""A router of little memory in front of nodes of little memory: 1,000 slow consumers, then batches at
the size limit, more at once than there is room for. Its memory stays in its setting; who writes beside
them is served; what is sent whole is answered."""
import systems
from bounds import large, sidebyside as side, slow, wire
from bounds.cluster import MIB, Watch
from routed import Router

MEMORY_MIB = 64  # of the setting under test
SHARDS = 2
SETTINGS = [f"memory_bytes_max: {MEMORY_MIB} MiB", "socket.request.max.bytes: 36 MiB"]


def bound_mib():
    """Requests, as much again of answers; of each, and in each shard, which has its part of both, one batch
    above that; 64 MiB for all else."""
    return 2 * MEMORY_MIB + 2 * SHARDS * 32 + 64


def beside(cluster, router, seconds):
    """p99 in ms of who sends 100 a second through the router meanwhile."""
    got = cluster.load("latency", brokers=router.address, topic=side.TOPIC, rate=100, size=1024, seconds=seconds)
    return float(got["p99_ms"])


def slow_consumers(cluster, router, report, address, is_short):
    count = 200 if is_short else slow.CONSUMERS
    with Watch([router.anonymous_bytes]) as watch:
        crowd = slow.Crowd(address, count)
        try:
            p99 = beside(cluster, router, 1 if is_short else 10)
        finally:
            crowd.close()
    report.at_most(f"memory of the router, {count:,} slow consumers", watch.most_bytes() / MIB, "MiB", bound_mib())
    report.at_most("of them that it gave up", crowd.lost_count, "", 0)
    report.tell("taken by them", crowd.taken_bytes / MIB, "MiB")
    report.tell("p99 of one who sends 100 a second meanwhile", p99, "ms")


def large_batches(cluster, router, report, address, is_short):
    count = 6 if is_short else large.SENDERS
    data = wire.batch(large.BATCH_BYTES - 100)
    with Watch([router.anonymous_bytes]) as watch:
        p99, senders = large.send_all(address, count, 0 if is_short else 2, data,
                                      lambda: beside(cluster, router, 1 if is_short else 4))
    report.at_most("memory of the router, batches of 32 MiB", watch.most_bytes() / MIB, "MiB", bound_mib())
    report.at_least("of them acknowledged", sum(s.acknowledged_count for s in senders), "", 2 * count)
    report.tell("asked again", sum(s.refused_count for s in senders), "")
    report.tell("p99 of one who sends 100 a second meanwhile", p99, "ms")


def run(bench, report, is_short):
    """Each part has a router of its own: what one has held is not the next one's."""
    with bench.cluster(settings=slow.settings()) as cluster:
        side.prepare(cluster)
        cluster.topic(large.TOPIC, 12, large.CONFIGS)
        side.fill(cluster, (64 if is_short else 256) * MIB)
        for part in (slow_consumers, large_batches):
            with Router(cluster, bench.router, SHARDS, SETTINGS) as router:
                part(cluster, router, report, (systems.HOSTS[0], router.port), is_short)
