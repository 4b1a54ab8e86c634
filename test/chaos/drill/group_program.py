"""A program of a consumer group, as a process where a site's applications are: what it does is its
arguments, what it saw and was told is one line of JSON each.

    group_program.py CLIENT BOOTSTRAP GROUP TOPIC STEP…     CLIENT: confluent, kafka-python

Steps of a member (it joins at the first, and leaves in the end): read (the offset of the first record
that it gets), commit=N. Of no member: stored (what the group has committed), store=N. A step that is
not answered in time, or refused, says so in `failed`; the program goes on."""

import json
import sys
import time

JOIN_S = 60
ANSWER_S = 3


class Confluent:
    def __init__(self, bootstrap, group, topic):
        from confluent_kafka import Consumer, TopicPartition
        self.place = TopicPartition
        self.topic = topic
        self.reader = Consumer({
            "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500,
            "socket.timeout.ms": 1000 * ANSWER_S, "log_level": 0})
        self.first = None

    def poll(self):
        message = self.reader.poll(0.05)
        if message is not None and message.error() is None and self.first is None:
            self.first = message.offset()

    def join(self):
        self.reader.subscribe([self.topic])

    def is_assigned(self):
        return bool(self.reader.assignment())

    def commit(self, offset):
        for place in self.reader.commit(offsets=[self.place(self.topic, 0, offset)],
                                        asynchronous=False):
            assert place.error is None, place.error

    def stored(self):
        place, = self.reader.committed([self.place(self.topic, 0)], timeout=ANSWER_S)
        assert place.error is None, place.error
        return place.offset

    def leave(self):
        self.reader.close()


class KafkaPython:
    def __init__(self, bootstrap, group, topic):
        from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
        self.reader = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","), group_id=group, auto_offset_reset="earliest",
            enable_auto_commit=False, session_timeout_ms=6000, heartbeat_interval_ms=500,
            request_timeout_ms=1000 * ANSWER_S, consumer_timeout_ms=1000 * ANSWER_S)
        self.topic = topic
        self.place = TopicPartition(topic, 0)
        self.told = OffsetAndMetadata
        self.first = None

    def poll(self):
        for messages in self.reader.poll(timeout_ms=2000).values():  # a short one may forget its join
            if self.first is None:
                self.first = messages[0].offset

    def join(self):
        self.reader.subscribe([self.topic])

    def is_assigned(self):
        return bool(self.reader.assignment())

    def commit(self, offset):
        self.reader.commit({self.place: self.told(offset, "", -1)})

    def stored(self):
        return self.reader.committed(self.place)

    def leave(self):
        self.reader.close(autocommit=False)


def wait_until(client, is_true):
    give_up = time.monotonic() + JOIN_S
    while not is_true():
        if time.monotonic() > give_up:
            raise TimeoutError(f"not within {JOIN_S} s")
        client.poll()


def perform(client, step, is_member):
    name, _, offset = step.partition("=")
    if name in ("read", "commit") and not is_member:
        client.join()
        wait_until(client, client.is_assigned)
    if name == "read":
        wait_until(client, lambda: client.first is not None)
        return client.first
    if name == "stored":
        return client.stored()
    return client.commit(int(offset))


def main():
    kind, bootstrap, group, topic, *steps = sys.argv[1:]
    client = {"confluent": Confluent, "kafka-python": KafkaPython}[kind](bootstrap, group, topic)
    is_member = False
    for step in steps:
        answer = {"step": step}
        try:
            answer["offset"] = perform(client, step, is_member)
        except Exception as why:  # pylint: disable=broad-except
            answer["failed"] = repr(why)
        is_member = is_member or step.startswith(("read", "commit"))
        print(json.dumps(answer), flush=True)
    client.leave()


if __name__ == "__main__":
    main()
