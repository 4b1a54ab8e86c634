"""Three trilogd on disks that are full, or do not answer. Needs /dev/fuse and root."""

import itertools

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from faultfs_cluster import Cluster, Load, lost_of, read_all, wait_until
from faultfs_mount import why_not

TOPIC = "books"
RESUME_S = 10  # of an operator's patience after there is room


def founded(folder, settings=None):
    if why_not():
        pytest.skip(why_not())
    return Cluster(folder, settings)


def check_books(cluster, acknowledged):
    found = read_all(cluster.bootstrap, TOPIC)
    assert not lost_of(acknowledged, found)
    assert len(set(found.values())) == len(found), "records are there twice"


def has_said(node, event):
    return f"event={event} " in node.log.read_text(errors="replace")


def leaders(cluster, seen_by):
    seen = cluster.metadata(seen_by, TOPIC)
    return {p.leader for p in seen.topics[TOPIC].partitions.values()} if seen else set()


def test_a_node_without_a_byte_left_gives_its_leadership_away_lives_and_comes_back(tmp_path):
    with founded(tmp_path) as cluster:
        cluster.create_topic(TOPIC, 6)
        full, well = cluster.nodes[0], cluster.nodes[1]
        with Load(cluster.bootstrap, TOPIC) as load:
            load.wait_acknowledged(2_000)
            full.disk.ask("full free_bytes=0")
            wait_until(lambda: full.id not in leaders(cluster, well), "others lead")
            load.wait_acknowledged(20_000)
            assert full.is_running(), full.last_words()
            assert cluster.metadata(full) is not None, "it answers"
            full.disk.ask("heal")
            cluster.wait_in_sync(TOPIC)
            wait_until(lambda: full.id in leaders(cluster, well), "it leads again", RESUME_S + 5)
            load.wait_acknowledged(1_000)
        assert load.failures == 0
        assert has_said(full, "disk_full") and has_said(full, "disk_well")
        check_books(cluster, load.acknowledged)


def refusal(cluster, numbers=itertools.count(1_000_000_000)):
    """The error of one record, sent without retries; None when it was taken."""
    producer = Producer({"bootstrap.servers": cluster.bootstrap, "log_level": 0, "retries": 0,
                         "message.timeout.ms": 5_000})
    errors = []
    producer.produce(TOPIC, b"%d more" % next(numbers), on_delivery=lambda e, m: errors.append(e))
    producer.flush(10)
    return errors[0] if errors else None


def test_without_room_anywhere_records_are_refused_and_everything_else_goes_on(tmp_path):
    with founded(tmp_path) as cluster:
        cluster.create_topic(TOPIC, 3)
        with Load(cluster.bootstrap, TOPIC) as load:
            load.wait_acknowledged(5_000)
        for node in cluster.nodes:
            node.disk.ask("full free_bytes=0")
        wait_until(lambda: (e := refusal(cluster)) is not None and
                   e.code() == KafkaError.KAFKA_STORAGE_ERROR, "records are refused", 20)

        check_books(cluster, load.acknowledged)  # reads
        reader = Consumer({"bootstrap.servers": cluster.bootstrap, "group.id": "g",
                           "log_level": 0})
        for offset in range(1, 50):  # commits of offsets, and the metadata that make them possible
            reader.commit(offsets=[TopicPartition(TOPIC, 0, offset)], asynchronous=False)
        assert reader.committed([TopicPartition(TOPIC, 0)], timeout=10)[0].offset == 49
        reader.close()
        admin = AdminClient({"bootstrap.servers": cluster.bootstrap, "log_level": 0})
        # What makes room.
        gone = admin.delete_topics([TOPIC], operation_timeout=10)[TOPIC]
        gone.result(20)
        assert all(node.is_running() for node in cluster.nodes)

        for node in cluster.nodes:
            node.disk.ask("heal")
        cluster.create_topic("next", 3)
        with Load(cluster.bootstrap, "next") as load:
            load.wait_acknowledged(1_000, RESUME_S)
        assert load.failures == 0


def test_a_disk_that_hangs_ends_its_process_and_nobody_waits_for_it(tmp_path):
    with founded(tmp_path, {"disk_hang_ms_max": "4 s"}) as cluster:
        cluster.create_topic(TOPIC, 6)
        hung, well = cluster.nodes[0], cluster.nodes[1]
        with Load(cluster.bootstrap, TOPIC) as load:
            load.wait_acknowledged(2_000)
            hung.disk.ask("slow fsync ms=600000")
            wait_until(lambda: hung.id not in leaders(cluster, well), "others lead", 10)
            load.wait_acknowledged(5_000)
            wait_until(lambda: has_said(hung, "disk_hangs"), "the process says why it ends", 30)
            wait_until(lambda: cluster.metadata(hung) is None, "and is gone for its clients")
            hung.disk.ask("heal")  # the thread in the kernel comes back
            assert hung.process.wait(30) != 0
            hung.start()
            cluster.wait_healthy()
            cluster.wait_in_sync(TOPIC)
            load.wait_acknowledged(1_000)
        assert load.failures == 0
        check_books(cluster, load.acknowledged)


def test_one_full_disk_of_three_refuses_nothing(tmp_path):
    with founded(tmp_path) as cluster:
        cluster.create_topic(TOPIC, 3)
        cluster.nodes[2].disk.ask("full free_bytes=0")
        wait_until(lambda: has_said(cluster.nodes[2], "disk_full"), "it is seen to be full")
        with Load(cluster.bootstrap, TOPIC) as load:
            load.wait_acknowledged(5_000)
        assert load.failures == 0
        assert cluster.nodes[2].is_running()
