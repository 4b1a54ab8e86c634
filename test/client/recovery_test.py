"""Two of three sites are gone for good: `trilog recover` on the third, and the return of the lost.

What is printed before is compared with what then turns out to be lost; clients of all kinds go on
without being thrown back or ahead; the lost sites, together and with their old data, never outvote
the one that was recovered."""

import json
import re
import threading
import time

import pytest
from confluent_kafka import TopicPartition

import cluster as clusters
import records
from admin_port import ask, assert_both_are_told, trilog, trilog_at_terminal
from old_client import NOT_LEADER, REFUSALS, OldClient
from topics import create_topic

pytestmark = pytest.mark.trilog_only

STRIDE = 1 << 40
PARTITIONS = 3


@pytest.fixture
def three():
    """A cluster for one test, whatever becomes of its nodes."""
    running = clusters.OwnCluster("recovery")
    try:
        running.start()
        yield running
    finally:
        running.stop()


class Load:
    """One idempotent producer that writes numbers until it is told to stop; it keeps when each
    record was acknowledged, by this machine's clock, which is every node's."""

    def __init__(self, cluster, topic):
        self.acknowledged = []  # (wall ms, partition, offset, value)
        self.errors = []
        self.producer = records.producer(cluster, message_timeout_ms=120_000,
                                         retry_backoff_max_ms=200, reconnect_backoff_max_ms=500)
        self.topic = topic
        self.is_over = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _on_delivery(self, error, message):
        if error:
            self.errors.append(error)
        else:
            self.acknowledged.append(
                (time.time() * 1000, message.partition(), message.offset(), message.value()))

    def _run(self):
        number = 0
        while not self.is_over.is_set():
            try:
                self.producer.produce(self.topic, value=str(number).encode(),
                                      partition=number % PARTITIONS,
                                      on_delivery=self._on_delivery)
                number += 1
            except BufferError:
                pass
            self.producer.poll(0.001)

    def stop(self):
        self.is_over.set()
        self.thread.join(60)
        left = self.producer.flush(90)
        assert left == 0 and not self.errors, (left, self.errors[:3])


def wait_applied_everywhere(cluster):
    """Every node has applied what any of them has: the survivor's own table says all."""
    def applied(node):
        return {g["group_id"]: g["replica"]["applied_index"]
                for g in ask(node.admin, "/v1/groups").json["groups"]}
    def is_same():
        first, *others = [applied(node) for node in cluster.nodes]
        return all(other == first for other in others)
    clusters.wait_until(is_same, 30, "all nodes have applied the same", 0.1)


def lose_sites(cluster):
    """Nodes 1 and 2 end at once, as the power of two sites."""
    for node in cluster.nodes[:2]:
        node.process.kill()
    for node in cluster.nodes[:2]:
        node.process.wait(clusters.STOP_S)


def silent(cluster):
    """The plan, once the lost nodes are known to be silent."""
    def look():
        try:
            plan = ask(cluster.node(3).admin, "/v1/recover?survivor=c").json
        except OSError:
            return None  # it is starting
        return plan if plan.get("may_begin") else None
    return clusters.wait_until(look, 30, "the lost nodes are silent", 0.2)


def recover(cluster, plan):
    began = time.monotonic()
    done = trilog("recover", "--survivor", "c", "-a", cluster.node(3).admin, "--lost",
                  plan["total"]["known_lost_records"], "--sites-off", "--wait", 60, timeout_s=90)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - began


def values_of(cluster, topic):
    """What is read now, per partition: (offset, value)."""
    read = records.read_topic(cluster, topic, PARTITIONS)
    return {p: [(m.offset(), m.value()) for m in messages] for p, messages in read.items()}


def send_to_each(cluster, topic, count=100):
    """To every partition, so that each goes on behind its gap."""
    return [row for p in range(PARTITIONS)
            for row in records.send_all(cluster, topic, [b"new %d" % i for i in range(count)], p)]


def by_place(values):
    return {(p, offset): value for p, rows in values.items() for offset, value in rows}


def lags_of(node, group):
    """By partition, as the command and as a scrape tell them."""
    told = ask(node.admin, f"/v1/consumer-groups/describe?group={group}").json["offsets"]
    page = ask(node.admin, "/metrics").body.decode()
    scraped = {}
    for line in page.splitlines():
        if line.startswith("kafka_consumergroup_lag{") and f'"{group}"' in line:
            partition = re.search(r'partition="(\d+)"', line).group(1)
            scraped[int(partition)] = int(line.rsplit(" ", 1)[1])
    return {row["partition"]: row["lag_records"] for row in told}, scraped


def check_lag_leaves_the_gap_out(cluster, topic, kept):
    reader = records.consumer(cluster, "reader")
    places = [TopicPartition(topic, partition, 0) for partition in range(PARTITIONS)]
    assert all(p.error is None for p in reader.commit(offsets=places, asynchronous=False))
    reader.close()
    there = {partition: len(rows) for partition, rows in kept.items()}
    assert lags_of(cluster.node(3), "reader") == (there, there)


def test_goes_on_with_one_site_and_says_what_is_lost(three):
    topic = create_topic(three, "orders", PARTITIONS)
    load = Load(three, topic)
    clusters.wait_until(lambda: len(load.acknowledged) > 2000, 60, "some load")
    lose_sites(three)
    plan = silent(three)
    print(json.dumps(plan["total"]))
    took = recover(three, plan)
    count = len(load.acknowledged)
    clusters.wait_until(lambda: len(load.acknowledged) > count + 500, 60, "the producer goes on")
    load.stop()
    kept = values_of(three, topic)
    there = by_place(kept)
    lost = [row for row in load.acknowledged if there.get((row[1], row[2])) != row[3]]
    total = plan["total"]
    print(f"recovered in {took:.1f} s, known lost {total['known_lost_records']}, "
          f"measured {len(lost)} of {len(load.acknowledged)}")
    assert total["known_lost_records"] <= len(lost)
    assert all(row[0] >= total["possibly_lost_since_ms"] for row in lost)
    for partition, rows in kept.items():
        offsets = [offset for offset, _ in rows]
        assert offsets == sorted(set(offsets))
        assert any(offset >= STRIDE for offset in offsets), "what is new lies behind the stride"
        assert len({value for _, value in rows}) == len(rows), "nothing is there twice"
        numbers = [int(value) for _, value in rows]
        assert numbers == sorted(numbers), "a producer's records keep their order"
    check_lag_leaves_the_gap_out(three, topic, kept)
    history = ask(three.node(3).admin, "/v1/switch").json["history"]
    row, = [row for row in history if row["cause"] == "recovery"]
    assert (row["outcome"], row["to"]) == ("done", "c")
    assert row["forecast_lost_records"] == total["known_lost_records"] >= row["lost_records"]
    assert row["forecast_pause_ms"] > 0 and row["pause_ms"] > 0
    assert_both_are_told(three, row)


def positions(nodes):
    """How far the leaders of all raft groups that these nodes lead are."""
    groups = [g for node in nodes for g in ask(node.admin, "/v1/groups").json["groups"]]
    return {g["group_id"]: g["replica"]["applied_index"] for g in groups
            if g.get("replica") and g["replica"]["role"] == "leader"}


def lacking(node, told):
    """Records that the node lacks of where its leaders say they are; None while it has not heard
    that from all."""
    heard = {g["group_id"]: g["heard"] for g in ask(node.admin, "/v1/lag").json["groups"]}
    if any(heard[g] is None or heard[g]["position"] < told[g] for g in told):
        return None
    return sum(heard[g]["lacking_records"] or 0 for g in told)


def stand_still_while_others_write(cluster, topic):
    """Node 3, which then hears how much. What was written, and how many records of it it lacks."""
    survivor, others = cluster.node(3), cluster.nodes[:2]
    survivor.pause()
    clusters.wait_until(lambda: all(
        g["leader_node_id"] in (1, 2) for n in others
        for g in ask(n.admin, "/v1/groups").json["groups"]), 30, "the others lead", 0.1)
    sent = records.send_all(cluster, topic, [b"%d " % i + b"x" * 20_000 for i in range(8000)])
    told = positions(others)
    survivor.resume()
    count, = clusters.wait_until(
        lambda: (n := lacking(survivor, told)) is not None and (n,), 30, "it hears of that", 0)
    return sent, count


def test_known_lost_is_all_that_is_lost_where_nobody_wrote_since_the_last_word(three):
    topic = create_topic(three, "orders", PARTITIONS)
    sent = records.send_all(three, topic, [b"before"] * 300)
    for _ in range(5):  # it may have caught up by then
        more, count = stand_still_while_others_write(three, topic)
        sent += more
        if count > 0:
            break
    lose_sites(three)
    total = silent(three)["total"]
    recover(three, {"total": total})
    there = by_place(values_of(three, topic))
    lost = [row for row in sent if there.get((row[0], row[1])) != row[3]]
    print(f"known lost {total['known_lost_records']}, measured {len(lost)} of {len(sent)}")
    assert total["known_lost_records"] == len(lost) > 0 and not total["is_at_most"]


def generations(node):
    """Of all raft groups of the node that have a replica there."""
    groups = ask(node.admin, "/v1/groups").json["groups"]
    return {g["group_id"]: g["replica"]["generation"] for g in groups if g.get("replica")}


def is_whole(cluster):
    """Every group has three voters again, all of generation 1."""
    try:
        for node in cluster.nodes:
            if set(generations(node).values()) != {1}:
                return False
        nodes = ask(cluster.node(3).admin, "/v1/nodes").json["nodes"]
        return all(n["is_alive"] and n["groups_voting"] == n["groups_wanted"] and
                   n["groups_level"] == n["groups_wanted"] for n in nodes)
    except (AssertionError, KeyError, OSError, AttributeError):
        return False


def lost_tail(node):
    """All bytes of segments that a returned node has put aside."""
    return b"".join(path.read_bytes() for path in node.data.glob("aside/*/topics/*/*.log"))


def test_refuses_what_it_must_not_do(three):
    address = three.node(3).admin
    def begin(*words):
        done = trilog("recover", "-a", address, *words)
        return done.returncode, done.stderr
    assert begin()[0] == 2, "a site must be named"
    status, said = begin("--survivor", "c", "--lost", 0, "--sites-off")
    assert status == 1 and "nothing to recover" in said
    elsewhere = begin("--survivor", "a", "--lost", 0, "--sites-off")[1]
    assert "another site" in elsewhere and "of site a" not in elsewhere, "node 3 is none of a's"
    for word in ("-1", "1e3", "all", "9" * 20):
        status, said = begin("--survivor", "c", "--lost", word, "--sites-off")
        assert status == 2 and "--lost is a number" in said, "the operator's own word"
    lose_sites(three)
    plan = silent(three)
    assert begin("--survivor", "c", "--sites-off")[0] == 2, "the loss is not said"
    assert begin("--survivor", "c", "--lost", 0)[0] == 2, "nor that the sites are off"
    wrong = plan["total"]["known_lost_records"] + 1
    assert begin("--survivor", "c", "--lost", wrong, "--sites-off")[0] == 1
    for body, code in (({"survivor": "c", "known_lost_records": 0}, "not_said"),
                       ({"survivor": "c", "known_lost_records": wrong,
                         "lost_sites_are_off": True}, "other_loss")):
        answer = ask(address, "/v1/recover/begin", "POST", body)
        assert answer.json["error"] == code
    three.node(1).start()
    three.node(2).start()
    three.wait_healthy()
    assert set(generations(three.node(3)).values()) == {0}, "nothing was begun"


def test_at_a_terminal_it_asks_for_the_loss_and_for_the_operators_word(three):
    topic, address = create_topic(three, "orders", PARTITIONS), three.node(3).admin
    lose_sites(three)
    lost = silent(three)["total"]["known_lost_records"]
    loss, word = "are known to be lost: ", "are off: "
    def typed(**answers):
        asked = {{"loss": loss, "word": word}[name]: text for name, text in answers.items()}
        return trilog_at_terminal(asked, "recover", "--survivor", "c", "-a", address, timeout_s=90)
    for answers, expected, sentence in (
            ({"loss": lost + 1}, 1, f"{lost} records are known to be lost, not {lost + 1}"),
            ({"loss": ""}, 2, "by --lost"), ({"loss": "all"}, 2, "by --lost"),
            ({"loss": lost, "word": ""}, 2, "give your word"),
            ({"loss": lost, "word": "yes"}, 2, "give your word")):
        status, shown = typed(**answers)
        assert (status, sentence in shown) == (expected, True), shown
        assert (word in shown) == ("word" in answers), "what is wrong is not asked further"
    assert set(generations(three.node(3)).values()) == {0}, "nothing was begun"
    status, shown = typed(loss=lost, word="off")
    assert status == 0 and "failover epoch" in shown, shown
    assert "possibly lost: what was acknowledged since" in shown.split(loss)[0], "the price first"
    assert "nodes serve" in shown, "progress on a terminal"
    send_to_each(three, topic, 1)


def commit_many_beyond(cluster, topic, partitions, groups):
    places = [TopicPartition(topic, p, 10) for p in range(partitions)]
    for number in range(groups):
        committer = records.consumer(cluster, f"group-{number}")
        assert all(p.error is None for p in committer.commit(offsets=places, asynchronous=False))
        committer.close()


def test_a_plan_counts_the_offsets_that_it_does_not_list(three):
    topic = create_topic(three, "wide", 110)
    commit_many_beyond(three, topic, 110, 10)
    wait_applied_everywhere(three)
    lose_sites(three)
    plan = silent(three)
    assert len(plan["consumer_offsets_beyond"]) == 1000
    assert plan["consumer_offsets_beyond_count"] == 1100
    assert plan["consumer_offsets_not_looked_at"] == 0
    told = trilog("recover", "--survivor", "c", "-a", three.node(3).admin, "--plan").stdout
    assert told.count("group-") == 1000 and "\nand 100 more\n" in told


def come_back_together(cluster):
    at_once = [threading.Thread(target=node.start, daemon=True) for node in cluster.nodes[:2]]
    for thread in at_once:
        thread.start()
    for thread in at_once:
        thread.join(30)


def come_back_in_turn(cluster):
    """The second when the first has begun anew: it still knows that one of before."""
    cluster.node(1).start()
    def has_begun_anew():
        try:
            return set(generations(cluster.node(1)).values()) == {1}
        except (OSError, KeyError):
            return False
    clusters.wait_until(has_begun_anew, 60, "the first has begun anew", 0.2)
    cluster.node(2).start()


def check_old_clients(cluster, topic, clients):
    """None was told a success by who led before the recovery: what was acknowledged is there,
    behind the stride, from a node that leads again by then."""
    acknowledged = [row for client in clients for row in client.stop()]
    there = by_place(values_of(cluster, topic))
    for client in clients:
        print(f"node {client.node.id} answered clients of before: {dict(client.answers)}")
        assert set(client.answers) <= {0, *REFUSALS}
        assert client.answers[NOT_LEADER] > 0
    for partition, offset, value in acknowledged:
        assert offset >= STRIDE and there[partition, offset] == value


@pytest.mark.parametrize("come_back", [
    come_back_together, pytest.param(come_back_in_turn, marks=pytest.mark.slow)])
def test_lost_sites_that_return_never_outvote_the_survivor(three, come_back):
    topic = create_topic(three, "orders", PARTITIONS)
    records.send_all(three, topic, [b"both %d" % i for i in range(300)])
    # The survivor is away while the others go on: what they acknowledge now will be lost, and only
    # since when can be said.
    three.node(3).kill9()
    three.wait_led(topic, PARTITIONS)
    lost_since_ms = time.time() * 1000
    lost = records.send_all(three, topic, [b"lost %d" % i for i in range(300)])
    lose_sites(three)
    three.node(3).start()
    plan = silent(three)
    looked = trilog("recover", "--survivor", "c", "-a", three.node(3).admin, "--plan")
    print(looked.stdout)
    assert looked.returncode == 0, looked.stderr
    assert plan["total"]["possibly_lost_since_ms"] <= lost_since_ms
    assert [(n["node_id"], n["site"], n["is_silent"]) for n in plan["lost_nodes"]] == [
        (1, "a", True), (2, "b", True)]
    recover(three, plan)
    new = send_to_each(three, topic)
    before = values_of(three, topic)
    old_clients = [OldClient(node, topic, PARTITIONS) for node in three.nodes[:2]]
    come_back(three)
    clusters.wait_until(lambda: is_whole(three), 90, "the lost sites vote again", 0.3)
    check_old_clients(three, topic, old_clients)
    after = values_of(three, topic)
    assert all(after[p][:len(before[p])] == before[p] for p in before), "one history"
    there = by_place(before)
    assert all(there[(p, offset)] == value for p, offset, _, value in new)
    gone = [row for row in lost if there.get((row[0], row[1])) != row[3]]
    print(f"known lost {plan['total']['known_lost_records']}, measured {len(gone)}")
    assert len(gone) == len(lost) >= plan["total"]["known_lost_records"]
    assert all(b"lost" in lost_tail(node) for node in three.nodes[:2]), "it is kept where it was"
    # The survivor may go now: the others have all of it.
    three.node(3).kill9()
    three.wait_led(topic, PARTITIONS, 60)
    assert values_of(three, topic) == after


def recover_alone(node):
    """The only one that runs."""
    def plan():
        try:
            told = ask(node.admin, f"/v1/recover?survivor={node.site}").json
        except OSError:
            return None
        return told if told.get("may_begin") else None
    lost = clusters.wait_until(plan, 30, "all others are silent", 0.2)["total"]
    done = trilog("recover", "--survivor", node.site, "-a", node.admin, "--lost",
                  lost["known_lost_records"], "--sites-off", "--wait", 60, timeout_s=90)
    assert done.returncode == 0, done.stderr


def as_it_is(node, topic):
    """Who leads there, in which generation, and how far the topic goes, by the node's own word."""
    groups = ask(node.admin, "/v1/groups").json["groups"]
    told = ask(node.admin, f"/v1/topics/describe?topic={topic}").json["partition_list"]
    return ([(g["group_id"], g["leader_node_id"], g["replica"]["generation"]) for g in groups],
            [(p["partition"], p["leader_node_id"], p["end_offset"]) for p in told])


def test_two_sites_that_were_both_recovered_say_so_and_neither_yields(three):
    """The word that the lost sites are off was no good: both sides of it went on."""
    topic, first, second = create_topic(three, "orders", PARTITIONS), three.node(1), three.node(3)
    records.send_all(three, topic, [b"%d" % i for i in range(90)])
    lose_sites(three)
    recover_alone(second)
    second.kill9()
    first.start()
    recover_alone(first)
    clusters.wait_until(lambda: all(p[2] for p in as_it_is(first, topic)[1]), 30, "it is served")
    before = as_it_is(first, topic)
    assert {g[1:] for g in before[0]} == {(1, 1)}
    second.start()

    def have_told():
        return all("event=two_recoveries" in "".join(node.events_since({}))
                   for node in (first, second))
    clusters.wait_until(have_told, 60, "both say that there are two", 0.2)
    clusters.wait_until(lambda: {g[1:] for g in as_it_is(second, topic)[0]} == {(3, 1)}, 30,
                        "the other one leads what it led", 0.2)
    assert as_it_is(first, topic) == before, "nothing of it went to the other"
    assert as_it_is(second, topic)[1] == [(p, 3, end) for p, _, end in before[1]]
    assert not any(node.data.joinpath("aside").exists() for node in (first, second))
