"""What the tests send and read with librdkafka, and how the two are compared."""

import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

import cluster as clusters

READ_S = 45
QUIET = {"log_level": 0}
PYTHON_POLL_MS = 2000
"""Of kafka-python in a group; a poll ends as soon as something comes. 3.0.12 forgets a join whose last
answer comes between two polls when only new metadata had asked for it, and is then no member for good."""


def producer(cluster, **settings):
    """An idempotent producer with acks=all; `_` in names stands for `.`."""
    chosen = {"enable.idempotence": True, "acks": "all", "linger.ms": 2, **dotted(settings)}
    return Producer({"bootstrap.servers": cluster.bootstrap, **QUIET, **chosen})


def consumer(cluster, group="none", **settings):
    chosen = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
              **dotted(settings)}
    return Consumer({"bootstrap.servers": cluster.bootstrap, **QUIET, **chosen})


def dotted(settings):
    """Callbacks keep their names; in all others `_` stands for `.`."""
    return {name if name.endswith("_cb") or name.startswith("on_") else name.replace("_", "."):
            value for name, value in settings.items()}


class Sender:
    """Sends with one producer and keeps what was acknowledged, and every error."""

    def __init__(self, cluster, topic, **settings):
        self.producer = producer(cluster, **settings)
        self.topic = topic
        self.acknowledged = []  # (partition, offset, key, value), as the answers came
        self.errors = []
        self.gap_s_max = 0.0  # between two acknowledgements of one partition
        self._last_ack_at_s = {}

    def _on_delivery(self, error, message):
        now = time.monotonic()
        if error:
            self.errors.append(error)
            return
        before = self._last_ack_at_s.get(message.partition(), now)
        self.gap_s_max = max(self.gap_s_max, now - before)
        self._last_ack_at_s[message.partition()] = now
        self.acknowledged.append(
            (message.partition(), message.offset(), message.key(), message.value()))

    def send(self, value, key=None, partition=None, **more):
        place = {} if partition is None else {"partition": partition}
        while True:
            try:
                self.producer.produce(self.topic, value=value, key=key,
                                      on_delivery=self._on_delivery, **place, **more)
                break
            except BufferError:
                self.producer.poll(0.1)
        self.producer.poll(0)

    def finish(self, timeout_s=60):
        """Waits for all answers; each must be a success."""
        left = self.producer.flush(timeout_s)
        assert left == 0, f"{left} records without an answer"
        assert not self.errors, f"{len(self.errors)} records refused, the first: {self.errors[0]}"
        return self.acknowledged


def send_all(cluster, topic, values, partition=None, **settings):
    sender = Sender(cluster, topic, **settings)
    for value in values:
        sender.send(value, partition=partition)
    return sender.finish()


def poll_checked(reader, timeout_s=1.0):
    """One message or None; any error but passing ones fails the test."""
    message = reader.poll(timeout_s)
    if message is None:
        return None
    error = message.error()
    if error is None:
        return message
    if error.code() in (KafkaError._PARTITION_EOF, KafkaError._TRANSPORT,
                        KafkaError._ALL_BROKERS_DOWN):
        return None
    raise KafkaException(error)


def read_count(reader, count, timeout_s=READ_S):
    """The next `count` messages of a consumer that is assigned or subscribed."""
    messages, give_up = [], time.monotonic() + timeout_s
    while len(messages) < count:
        assert time.monotonic() < give_up, f"{len(messages)} of {count} messages in {timeout_s} s"
        message = poll_checked(reader, 0.5)
        if message is not None:
            messages.append(message)
    return messages


def read_topic(cluster, topic, partition_count=1, timeout_s=READ_S, **settings):
    """Everything from the log start to the log end, per partition, by assignment."""
    reader = consumer(cluster, enable_partition_eof=True, **settings)
    try:
        reader.assign([TopicPartition(topic, p, 0) for p in range(partition_count)])
        return _read_to_ends(reader, partition_count, timeout_s)
    finally:
        reader.close()


def _read_to_ends(reader, partition_count, timeout_s):
    read = {p: [] for p in range(partition_count)}
    at_end, give_up = set(), time.monotonic() + timeout_s
    while len(at_end) < partition_count:
        assert time.monotonic() < give_up, f"ends of {sorted(at_end)} only, in {timeout_s} s"
        message = reader.poll(0.5)
        if message is None:
            continue
        error = message.error()
        if error is None:
            read[message.partition()].append(message)
        elif error.code() == KafkaError._PARTITION_EOF:
            at_end.add(message.partition())
        elif error.code() not in (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN):
            raise KafkaException(error)
    return read


def assert_offsets_rise_by_one(messages):
    offsets = [m.offset() for m in messages]
    assert offsets == list(range(offsets[0], offsets[0] + len(offsets))) if offsets else True


def watermarks_at_once(cluster, topic, partition=0):
    """(log start, high watermark), asked of the leader as librdkafka does it: once."""
    asker = consumer(cluster)
    try:
        return asker.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
    finally:
        asker.close()


def watermarks(cluster, topic, partition=0):
    """The same, when its leader has been found: it may just have moved."""
    def ask():
        try:
            return watermarks_at_once(cluster, topic, partition)
        except KafkaException as why:
            if why.args[0].code() != KafkaError.NOT_LEADER_FOR_PARTITION:
                raise
            return None
    return clusters.wait_until(ask, 30, f"the leader of {topic}")
