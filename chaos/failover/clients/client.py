"""Producers and members of one site, on confluent-kafka or kafka-python; what it says: voices.py.

    client.py CLIENT BOOTSTRAP TOPIC PRODUCERS MEMBERS GROUP_PREFIX SITE

Each is as it comes: set are addresses, idempotence, group, rack, commits by hand, the session's time."""

import base64
import functools
import logging
import sys
import threading
import time

SESSION_MS, HEARTBEAT_MS = 6000, 1000
COMMIT_EVERY_S = 1.0
POLL_S = 0.1
over = threading.Event()
_lock = threading.Lock()


def say(*words):
    line = " ".join(map(str, (time.monotonic_ns() // 1000, *words)))
    with _lock:
        print(line, flush=True)


def told(data):
    return "-" if data is None else base64.b64encode(data).decode()


def reason(error):
    return type(error).__name__ + " " + "_".join(str(error).split())[:100]


class Progress:
    """What a member has read and not committed."""

    def __init__(self, index):
        self.index = index
        self._offsets, self._count = {}, 0
        self._next_at = 0.0

    def read(self, partition, offset, key, value):
        say("read", self.index, partition, offset, told(key), told(value))
        self._offsets[partition] = offset + 1

    def commit(self, act, is_due=False):
        """`act({partition: offset})` raises when it failed: what had come through nobody knows."""
        if not self._offsets or not (is_due or time.monotonic() >= self._next_at):
            return
        offsets, self._offsets = self._offsets, {}
        self._count += 1
        self._next_at = time.monotonic() + COMMIT_EVERY_S
        say("commit", self.index, self._count, *(f"{p}:{o}" for p, o in offsets.items()))
        try:
            act(offsets)
            say("committed", self.index, self._count, "ok")
        except Exception as error:  # pylint: disable=broad-except
            say("committed", self.index, self._count, "unknown", reason(error))

    def change(self, kind, places):
        """What is taken away was committed before, or is lost."""
        for place in places:
            self._offsets.pop(place.partition, None)
        if places:
            say(kind, self.index, *(place.partition for place in places))


# ---- confluent-kafka -------------------------------------------------------------------------------


class ConfluentProducer:
    def __init__(self, bootstrap, topic):
        from confluent_kafka import Producer
        self._topic = topic
        self._producer = Producer({"bootstrap.servers": bootstrap, "acks": "all",
                                   "enable.idempotence": True})
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            self._producer.poll(POLL_S)

    def send(self, number, partition, key, value):
        def end(error, message):
            if error is None:
                say("ok", number, message.partition(), message.offset())
            else:
                say("unknown", number, error.name())
        self._producer.produce(self._topic, value, key, partition, on_delivery=end)


def confluent_member(bootstrap, topic, group, site, index):
    from confluent_kafka import Consumer, TopicPartition
    progress = Progress(index)
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "client.rack": site,
                         "enable.auto.commit": False, "auto.offset.reset": "earliest",
                         "session.timeout.ms": SESSION_MS, "heartbeat.interval.ms": HEARTBEAT_MS})

    def act(offsets):
        places = [TopicPartition(topic, p, o) for p, o in offsets.items()]
        for place in consumer.commit(offsets=places, asynchronous=False):
            if place.error is not None:
                raise RuntimeError(place.error)

    def revoke(_, places):
        progress.commit(act, is_due=True)
        progress.change("revoke", places)
    consumer.subscribe([topic], on_assign=lambda _, places: progress.change("assign", places),
                       on_revoke=revoke, on_lost=lambda _, places: progress.change("revoke", places))
    while not over.is_set():
        messages = [consumer.poll(POLL_S)]
        for message in messages:
            if message is not None and message.error() is None:
                progress.read(message.partition(), message.offset(), message.key(), message.value())
                say("polled", index)
        progress.commit(act)
    consumer.close()


# ---- kafka-python ----------------------------------------------------------------------------------


class KafkaPythonProducer:
    def __init__(self, bootstrap, topic):
        from kafka import KafkaProducer
        self._topic = topic
        self._producer = KafkaProducer(bootstrap_servers=bootstrap.split(","), acks="all",
                                       enable_idempotence=True)

    def send(self, number, partition, key, value):
        future = self._producer.send(self._topic, value, key,
                                     partition=None if partition < 0 else partition)
        future.add_callback(lambda at: say("ok", number, at.partition, at.offset))
        future.add_errback(lambda error: say("unknown", number, reason(error)))


def kafka_python_member(bootstrap, topic, group, site, index):
    """Two things it wants of an application that commits by hand. A listener can't wait for a commit:
    it runs in the thread that would bring the answer. And after a rebalance the client goes on where
    it was in what it had before, though another member may have had it meanwhile: it has to be told
    to begin at what is committed."""
    from kafka import (ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata,
                       TopicPartition)
    progress = Progress(index)
    anew = set()  # got since the last poll: what that read of it may be old
    consumer = KafkaConsumer(bootstrap_servers=bootstrap.split(","), group_id=group,
                             client_rack=site, enable_auto_commit=False,
                             auto_offset_reset="earliest", session_timeout_ms=SESSION_MS,
                             heartbeat_interval_ms=HEARTBEAT_MS)

    def act(offsets):
        consumer.commit({TopicPartition(topic, p): OffsetAndMetadata(o, "", -1)
                         for p, o in offsets.items()})

    class Listener(ConsumerRebalanceListener):
        def on_partitions_assigned(self, assigned):
            anew.update(assigned)
            progress.change("assign", assigned)

        def on_partitions_revoked(self, revoked):
            anew.clear()
            progress.change("revoke", revoked)

    def begin_at_committed():
        """Meanwhile there may be a rebalance again."""
        for place in list(anew):
            anew.discard(place)
            offset = consumer.committed(place)
            if place not in consumer.assignment():
                continue
            if offset is None:
                consumer.seek_to_beginning(place)
            else:
                consumer.seek(place, offset)

    def take(polled):
        for place, records in polled.items():
            for record in records:
                progress.read(place.partition, record.offset, record.key, record.value)
        if polled:
            say("polled", index)
    consumer.subscribe([topic], listener=Listener())
    while not over.is_set():
        polled = consumer.poll(timeout_ms=round(POLL_S * 1000))
        if anew:
            begin_at_committed()
        else:
            take(polled)
        progress.commit(act)
    progress.commit(act, is_due=True)
    consumer.close()


# ---- both ------------------------------------------------------------------------------------------

KINDS = {"confluent": (ConfluentProducer, confluent_member),
         "kafkapython": (KafkaPythonProducer, kafka_python_member)}


def live(member):
    """As an application that must go on: what its library throws at it makes it begin anew."""
    while not over.is_set():
        try:
            member()
        except Exception:  # pylint: disable=broad-except
            logging.exception("a member begins anew")
            over.wait(1)


def begun(make):
    while True:
        try:
            return make()
        except Exception:  # pylint: disable=broad-except
            logging.exception("a producer could not begin")
            time.sleep(0.5)  # whoever waits for it has a bound


def take(producers, line):
    _, index, number, partition, key, value = line.split()
    key = None if key == "-" else base64.b64decode(key)
    try:
        producers[int(index)].send(number, int(partition), key, base64.b64decode(value))
    except Exception as error:  # pylint: disable=broad-except
        say("fail", number, reason(error))


def main():
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    client, bootstrap, topic, producer_count, member_count, prefix, site = sys.argv[1:]
    make_producer, make_member = KINDS[client]
    producers = [begun(lambda: make_producer(bootstrap, topic)) for _ in range(int(producer_count))]
    members = [threading.Thread(target=live, daemon=True, args=(functools.partial(
        make_member, bootstrap, topic, f"{prefix}{index}", site, index),))
        for index in range(int(member_count))]
    for member in members:
        member.start()
    say("ready")
    for line in sys.stdin:
        take(producers, line)
    over.set()
    for member in members:
        member.join()


if __name__ == "__main__":
    main()
