"""A member of a consumer group as a process of its own, which can be killed with its site.

    group_member.py CLIENT BOOTSTRAP GROUP TOPIC SETTINGS      CLIENT: confluent, kafka-python

Reads, commits what it has read, and prints each thing that happens to it as a line of JSON: assigned,
revoked, lost (partitions); committed (offsets by partition); commit_failed, read_failed, error,
not_begun (why). What the client says of its group goes to stderr. group_member.js is the same for kafkajs;
Kafka's verifiable consumer is its own."""

import json
import logging
import sys
import time

COMMIT_EVERY_S = 0.1


def say(event, **more):
    print(json.dumps({"event": event, **more}), flush=True)


class Confluent:
    def __init__(self, bootstrap, group, topic, settings):
        from confluent_kafka import Consumer
        self.topic = topic
        self.reader = Consumer({
            "bootstrap.servers": bootstrap, "group.id": group, "auto.offset.reset": "earliest",
            "enable.auto.commit": False, "session.timeout.ms": 8000, "heartbeat.interval.ms": 500,
            # Else what is under way to a node that is stopped waits a minute for its answer.
            "socket.timeout.ms": 3000, "log_level": 7, "debug": "cgrp",
            "error_cb": lambda why: say("error", why=str(why)), **settings})

        def told(event):
            return lambda _, places: say(event, partitions=[p.partition for p in places])
        self.reader.subscribe([topic], on_assign=told("assigned"), on_revoke=told("revoked"),
                              on_lost=told("lost"))

    def read(self):
        message = self.reader.poll(0.05)
        if message is None:
            return {}
        if message.error() is not None:
            say("error", why=str(message.error()))
            return {}
        return {message.partition(): message.offset() + 1}

    def commit(self, offsets):
        from confluent_kafka import TopicPartition
        places = [TopicPartition(self.topic, p, offset) for p, offset in offsets.items()]
        for place in self.reader.commit(offsets=places, asynchronous=False):
            assert place.error is None, place.error


class KafkaPython:
    def __init__(self, bootstrap, group, topic, settings):
        from kafka import ConsumerRebalanceListener, KafkaConsumer
        logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")

        class Listener(ConsumerRebalanceListener):
            def on_partitions_assigned(self, assigned):
                say("assigned", partitions=[p.partition for p in assigned])

            def on_partitions_revoked(self, revoked):
                say("revoked", partitions=[p.partition for p in revoked])
        self.topic = topic
        self.reader = KafkaConsumer(
            bootstrap_servers=bootstrap.split(","), group_id=group, auto_offset_reset="earliest",
            enable_auto_commit=False, session_timeout_ms=8000, heartbeat_interval_ms=500,
            request_timeout_ms=3000, **settings)
        self.reader.subscribe([topic], listener=Listener())

    def read(self):
        return {place.partition: messages[-1].offset + 1
                for place, messages in self.reader.poll(timeout_ms=2000).items()}  # see records.PYTHON_POLL_MS

    def commit(self, offsets):
        from kafka import OffsetAndMetadata, TopicPartition
        self.reader.commit({TopicPartition(self.topic, p): OffsetAndMetadata(offset, "", -1)
                            for p, offset in offsets.items()})


def begun(make):
    """On a machine where nine programs begin at once, one may be too slow for its own timeouts."""
    while True:
        try:
            return make()
        except Exception as why:  # pylint: disable=broad-except
            say("not_begun", why=repr(why))
            time.sleep(0.5)  # whoever waits for it to share has a bound


def main():
    client, bootstrap, group, topic, settings = sys.argv[1:]
    kind = {"confluent": Confluent, "kafka-python": KafkaPython}[client]
    member = begun(lambda: kind(bootstrap, group, topic, json.loads(settings)))
    read, commit_at = {}, 0.0
    while True:
        try:
            read.update(member.read())
        except Exception as why:  # pylint: disable=broad-except
            say("read_failed", why=repr(why))
        if not read or time.monotonic() < commit_at:
            continue
        try:
            member.commit(read)
            say("committed", offsets=read)
        except Exception as why:  # pylint: disable=broad-except
            say("commit_failed", why=repr(why))
        read, commit_at = {}, time.monotonic() + COMMIT_EVERY_S


if __name__ == "__main__":
    main()
