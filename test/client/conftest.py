"""Fixtures of the client suite: one cluster for all tests that hurt nobody, topics, clients."""

import itertools
import os
import re
import time

import pytest

import cluster as clusters
from topics import create_topic
from wire_target import target, wire_topic  # noqa: F401 fixtures

numbers = itertools.count(1)
session = format(time.time_ns() // 1_000_000 % 36**5, "x")  # a foreign cluster outlives a run


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: only in the full run")
    config.addinivalue_line("markers", "direct_only: about nodes, which clients of a router don't see")
    config.addinivalue_line("markers", "trilog_only: where Kafka differs from us by intention")


# Of two halves that run side by side (see run): what is about clusters of its own. Both take as long.
SECOND_HALF = ("compaction", "damage", "group_failover", "membership", "node", "offset_switch", "operator",
               "recovery", "recovery_clients", "recovery_gap", "repair", "replication_mode", "router_operator",
               "salvage", "segment", "shipping", "switch", "topic_move")


def pytest_collection_modifyitems(config, items):
    """Faults run last: they have a cluster of their own, and the shared one can end before."""
    items.sort(key=lambda item: item.path.name == "fault_test.py")
    if clusters.HALF:
        halves = {"first": [], "second": []}
        for item in items:
            is_second = item.path.stem.removesuffix("_test") in SECOND_HALF
            halves["second" if is_second else "first"].append(item)
        items[:] = halves.pop(clusters.HALF)
        config.hook.pytest_deselected(items=[item for others in halves.values() for item in others])
    if "CLIENT_TEST_BOOTSTRAP" in os.environ:
        skip = pytest.mark.skip(reason="another cluster than ours is asked")
        for item in items:
            if item.get_closest_marker("trilog_only"):
                item.add_marker(skip)


    if "CLIENT_TEST_ROUTED" in os.environ:
        skip = pytest.mark.skip(reason="about nodes, which clients of a router don't see")
        for item in items:
            if item.get_closest_marker("direct_only"):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def shared_cluster():
    running = clusters.new_cluster("shared", clusters.OwnCluster.UNHURT)
    with running.while_used():
        if running.is_own:
            # From here on no leader moves by itself: those that went to whoever started first
            # have gone home.
            running.wait_spread(create_topic(running, f"spread-{session}", 12))
        yield running


@pytest.fixture
def cluster(shared_cluster):
    """The shared cluster. No test may end one of its nodes, by fault or by success."""
    yield shared_cluster
    if shared_cluster.is_own:
        dead = [node.id for node in shared_cluster.nodes if not node.is_running()]
        for node_id in dead:
            shared_cluster.node(node_id).start()
        assert not dead, f"the test ended nodes {dead}"


@pytest.fixture(autouse=True)
def story_of_a_failure(request):
    """Where each node's log stood when the test began, for the report of its failure."""
    for name in ("shared_cluster", "faulty_cluster", "damaged_cluster"):
        if name in request.fixturenames:
            running = request.getfixturevalue(name)
            request.node.stash_of_logs = (running, running.log_lengths())
    yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed and hasattr(item, "stash_of_logs"):
        running, lengths = item.stash_of_logs
        lines = running.warnings_since(lengths)
        report.sections.append(("what the nodes said", "\n".join(lines) or "no warning, no error"))


@pytest.fixture
def name(request):
    """A name that no other test uses, for topics and groups."""
    words = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")
    return f"{words[:60]}-{session}-{next(numbers)}"


@pytest.fixture
def new_topic(cluster, name):
    """Makes topics named for the test."""
    made = itertools.count(1)

    def make(partitions=1, replication=3, **config):
        return create_topic(cluster, f"{name}-{next(made)}", partitions, replication, **config)
    return make
