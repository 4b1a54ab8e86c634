"""What a forced recovery has lost comes back with the lost sites: `trilog salvage` brings it into
topics of its own, with where and when it was and whose, and adds nothing twice."""

import http.client
import json
import re
import time

import pytest

import records
from admin_port import ask, trilog
from old_client import OldClient
from recovery_test import (PARTITIONS, STRIDE, by_place, check_old_clients, come_back_in_turn,
                           is_whole, lose_sites, recover, send_to_each, silent, three,
                           values_of, wait_applied_everywhere)
import cluster as clusters
from topics import create_topic

pytestmark = pytest.mark.trilog_only

LOST = 300
LATE = "late"            # a topic that only the lost sites have heard of
LONG = "long-" + "x" * 240  # its salvage topic's name would be longer than names may be
SALVAGE = "/v1/recover/salvage"
OWN_HEADERS = ["trilog.offset", "trilog.leader.epoch", "trilog.timestamp", "trilog.producer"]
SENT_MS = int(time.time() * 1000)  # by the senders' word, of the first record of each batch
REFUSED = 150  # answers of one node that it does not lead: more than a hundred a second


def lose_records(cluster, topic):
    """Acknowledged by the sites that are lost next, in batches of all kinds, tombstones among them:
    (partition, offset) → (key, value)."""
    lost = {}
    for number, compression in enumerate(("none", "gzip", "snappy", "lz4", "zstd")):
        sender = records.Sender(cluster, topic, compression_type=compression, linger_ms=20)
        for i in range(LOST // 5):
            value = None if i % 10 == 9 else b"lost %s %d " % (compression.encode(), i) + b"x" * 200
            sender.send(value, key=b"key %d" % i, partition=(i + number) % PARTITIONS,
                        headers=[("own", b"header %d" % i)], timestamp=SENT_MS - 1000 * i)
        assert sender.producer.flush(60) == 0 and not sender.errors
        lost |= {(p, offset): (key, value) for p, offset, key, value in sender.acknowledged}
    assert len(lost) == LOST
    return lost


def lose_and_recover(cluster, *more):
    """The topic, what was lost of it, and what there is. In topics named beside it, one is lost."""
    topic = create_topic(cluster, "orders", PARTITIONS)
    records.send_all(cluster, topic, [b"both %d" % i for i in range(90)])
    wait_applied_everywhere(cluster)
    cluster.node(3).kill9()
    cluster.wait_led(topic, PARTITIONS)
    create_topic(cluster, LATE)
    records.send_all(cluster, LATE, [b"late"])
    for name in more:
        records.send_all(cluster, name, [b"lost"])
    lost = lose_records(cluster, topic)
    lose_sites(cluster)
    cluster.node(3).start()
    recover(cluster, silent(cluster))
    send_to_each(cluster, topic, 30)
    return topic, lost, by_place(values_of(cluster, topic))


def late_target(told):
    return f"{LATE}.salvage.{told['epoch']}"


def salvage(*nodes, status=0):
    words = [word for node in nodes for word in ("-a", node.admin)]
    done = trilog("salvage", *words, "-o", "json", timeout_s=120)
    print(done.stdout, done.stderr)
    assert done.returncode == status, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout)


def salvaged(cluster, topic):
    """(partition, old offset) → (key, value), of records whose headers are as they should be."""
    found = {}
    for partition, messages in records.read_topic(cluster, topic, PARTITIONS).items():
        offsets = []
        for m in messages:
            headers = dict(m.headers())
            assert [name for name, _ in m.headers()] == ["own", *OWN_HEADERS]
            number = re.fullmatch(rb"key (\d+)", m.key())
            sent_ms = SENT_MS - 1000 * int(number[1]) if number else m.timestamp()[1]
            assert m.timestamp()[1] == sent_ms == int(headers["trilog.timestamp"])
            assert int(headers["trilog.leader.epoch"]) >= 0
            producer_id, epoch, sequence = map(int, headers["trilog.producer"].split(b","))
            assert producer_id >= 0 and epoch >= 0 and sequence >= 0
            offsets.append(int(headers["trilog.offset"]))
            found[partition, offsets[-1]] = (m.key(), m.value())
        assert offsets == sorted(set(offsets)), "nothing is there twice"
    return found


def damage_newest_batch(node):
    """Of what lies aside, in one partition: its last byte is another one. Returns its file."""
    path = max(node.data.glob("aside/*/topics/*/*.log"), key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    return path


def leave_in_the_middle(node):
    """Somebody asks, and is gone before the answer."""
    asking = http.client.HTTPConnection(*node.admin.split(":"))
    asking.request("POST", SALVAGE, b"{}", {"Content-Type": "application/json"})
    asking.close()


def is_free(node):
    """No salvage is under way there."""
    return ask(node.admin, SALVAGE, "POST", {"next": 1 << 30}).json.get("is_done")


def come_back_fenced(cluster, topic):
    """Both together while the survivor is down, with the operator's word that they were lost: they
    elect nobody, acknowledge nothing, and go on when they hear of the recovery."""
    cluster.node(3).kill9()
    old = [OldClient(node, topic, PARTITIONS) for node in cluster.nodes[:2]]
    for node in cluster.nodes[:2]:
        (node.data / "returning").touch()
        node.start()
    clusters.wait_until(lambda: all(sum(c.answers.values()) >= REFUSED for c in old), 60,
                        "both answer clients of before", 0.2)
    assert not any(client.acknowledged for client in old)
    said = ask(cluster.node(1).admin, "/readyz").json["reasons"]
    assert any("returning" in reason["message"] for reason in said)
    cluster.node(3).start()
    clusters.wait_until(lambda: is_whole(cluster), 90, "the lost sites vote again", 0.3)
    check_old_clients(cluster, topic, old)
    assert not any((node.data / "returning").exists() for node in cluster.nodes)


def test_a_lost_tail_can_be_read_as_a_topic_when_the_lost_sites_are_back(three):
    topic, lost, live = lose_and_recover(three)
    come_back_fenced(three, topic)
    damaged = damage_newest_batch(three.node(1))
    leave_in_the_middle(three.node(1))
    clusters.wait_until(lambda: is_free(three.node(1)), 30, "the one that was left has ended")

    first = salvage(three.node(1), status=3)
    target = f"{topic}.salvage.{first['epoch']}"
    assert {(t["topic"], t["partition"], t["salvage_topic"]) for t in first["tails"]} == {
        *((topic, p, target) for p in range(PARTITIONS)), (LATE, 0, late_target(first))}
    assert all(t["lost_until"] < STRIDE for t in first["tails"])
    assert [m.value() for m in records.read_topic(three, late_target(first))[0]] == [b"late"]
    troubles = [t["trouble"] for t in first["tails"] if t["trouble"]]
    assert len(troubles) == 1 and "checksum" in troubles[0], "damaged bytes are not brought"
    there = salvaged(three, target)
    assert there.items() < lost.items()

    salvage(three.node(2), three.node(1))
    assert salvaged(three, target) == lost, "the other one has what was damaged here"
    assert salvage(three.node(2))["records"] == 0, "again: nothing is new"
    assert salvaged(three, target) == lost
    assert damaged.exists(), "what lies aside stays"
    after = by_place(values_of(three, topic))
    assert after.items() >= live.items(), "the topic itself is as it was"
    assert not {value for _, value in lost.values() if value} & set(after.values())

    refused = trilog("salvage", "-a", three.node(3).admin)
    assert refused.returncode == 1 and "nothing lies aside" in refused.stderr
    for body, code in (({"recovery_id": "0" * 16}, "not_found"), ({"next": -1}, "invalid_field"),
                       ({"recovery_id": "x" * 40}, "invalid_field"), ({"nxt": 1}, "unknown_field")):
        assert ask(three.node(1).admin, SALVAGE, "POST", body).json["error"] == code


@pytest.mark.slow
def test_a_lost_tail_is_complete_when_the_lost_sites_come_back_in_turn(three):
    create_topic(three, LONG)
    topic, lost, live = lose_and_recover(three, LONG)
    come_back_in_turn(three)
    # Its replicas may still be on their way: it waits for them.
    first = salvage(three.node(1), status=3)
    target = f"{topic}.salvage.{first['epoch']}"
    assert first["records"] == LOST + 1 and salvaged(three, target) == lost
    assert [t["topic"] for t in first["tails"] if t["trouble"]] == [LONG]
    clusters.wait_until(lambda: is_whole(three), 90, "the lost sites vote again", 0.3)
    assert salvage(three.node(2), status=3)["records"] == 0
    assert salvaged(three, target) == lost
    assert by_place(values_of(three, topic)) == live


@pytest.mark.slow
def test_what_two_lost_sites_take_while_nobody_tells_them_is_set_aside_and_can_be_read(three):
    """Without the file, and with the survivor down, two lost sites are a majority of what they
    know: that is so, and documented. The survivor's history stays, and theirs can be read."""
    topic, lost, live = lose_and_recover(three)
    three.node(3).kill9()
    for node in three.nodes[:2]:
        node.start()
    three.wait_led(topic, PARTITIONS)
    sender = records.Sender(three, topic)
    for i in range(30):
        sender.send(b"taken %d" % i, key=b"key", partition=i % PARTITIONS,
                    headers=[("own", b"header")])
    lost |= {(p, offset): (key, value) for p, offset, key, value in sender.finish()}
    assert all(offset < STRIDE for _, offset in lost), "of the old generation"
    three.node(3).start()
    clusters.wait_until(lambda: is_whole(three), 90, "the lost sites vote again", 0.3)
    assert by_place(values_of(three, topic)) == live, "the survivor is not outvoted"
    first = salvage(*three.nodes[:2])
    assert salvaged(three, f"{topic}.salvage.{first['epoch']}") == lost
