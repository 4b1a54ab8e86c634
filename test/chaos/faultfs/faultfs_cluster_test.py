"""Three trilogd on three disks that break. Needs /dev/fuse and root."""

import pytest

from faultfs_cluster import Cluster, Load, lost_of, read_all, wait_until
from faultfs_mount import why_not

TOPIC = "books"


@pytest.fixture
def cluster(tmp_path):
    if why_not():
        pytest.skip(why_not())
    with Cluster(tmp_path) as founded:
        founded.create_topic(TOPIC, 6)
        yield founded


def check_books(cluster, acknowledged):
    """Every acknowledged record is where its acknowledgement said, once, and nothing twice."""
    found = read_all(cluster.bootstrap, TOPIC)
    lost = lost_of(acknowledged, found)
    assert not lost, f"{len(lost)} of {len(acknowledged)} lost, for example {min(lost.items())}"
    assert len(set(found.values())) == len(found), "records are there twice"


@pytest.mark.parametrize("options", [
    "keep=none", "keep=random torn=1", pytest.param("keep=random", marks=pytest.mark.slow)])
def test_all_that_was_acknowledged_survives_a_power_cut_of_all_sites(cluster, options):
    acknowledged, first = {}, 0
    for round_number in range(2):
        with Load(cluster.bootstrap, TOPIC, first) as load:
            load.wait_acknowledged(10_000)
            for node in cluster.nodes:  # so that the cut finds something to lose
                node.disk.ask("slow fsync ms=20 jitter_ms=40")
            load.wait_acknowledged(2_000)
            wait_until(lambda: any(int(node.disk.status("unsynced_files")) > 0
                                   for node in cluster.nodes), "something is unsynced")
            answers = cluster.cut_power(f"{options} seed={round_number}")
            assert any(int(answer["files"][0]) > 0 for answer in answers), "nothing was unsynced"
            cluster.start()
            load.wait_acknowledged(1_000)
        first = load.number
        acknowledged |= load.acknowledged
    check_books(cluster, acknowledged)


@pytest.mark.parametrize("fault", [
    "fail fsync", "fail write errno=ENOSPC", pytest.param("fail write", marks=pytest.mark.slow)])
def test_a_node_whose_disk_fails_ends_itself_and_returns_when_it_is_healed(cluster, fault):
    broken = cluster.nodes[0]
    with Load(cluster.bootstrap, TOPIC) as load:
        load.wait_acknowledged(5_000)
        broken.disk.ask(fault)
        wait_until(lambda: not broken.is_running(), "the node has ended itself")
        assert broken.process.returncode != 0
        assert broken.events("error"), "it must say why"
        load.wait_acknowledged(5_000)
        broken.disk.ask("heal")
        cluster.start()
        cluster.wait_in_sync(TOPIC)
        load.wait_acknowledged(1_000)
    assert load.failures == 0
    check_books(cluster, load.acknowledged)


def test_disks_that_lie_about_fsync_lose_what_was_acknowledged_and_the_books_show_it(cluster):
    with Load(cluster.bootstrap, TOPIC) as load:
        load.wait_acknowledged(2_000)
        for node in cluster.nodes:
            node.disk.ask("lose fsync")
        load.wait_acknowledged(5_000)
        acknowledged = dict(load.acknowledged)
        cluster.cut_power("keep=none")
        load.end_at_once()
    for node in cluster.nodes:
        node.disk.ask("heal")
    cluster.start()
    cluster.wait_in_sync(TOPIC)
    assert lost_of(acknowledged, read_all(cluster.bootstrap, TOPIC))
