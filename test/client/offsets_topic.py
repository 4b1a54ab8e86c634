"""What __consumer_offsets says, in Kafka's own layout: every commit and every generation of a group,
in the order in which they counted."""

import struct
import time

from confluent_kafka import KafkaException, TopicPartition

import cluster as clusters
import records

TOPIC = "__consumer_offsets"


def _text(data, at):
    size, = struct.unpack_from(">h", data, at)
    return data[at + 2:at + 2 + size].decode(), at + 2 + size


class Story:
    """Of one group: `commits` is [(topic, partition, offset)], `generations` as members were stored."""

    def __init__(self):
        self.commits, self.generations = [], []

    def _take(self, version, key, at, value):
        if version == 2:
            _, behind = _text(value, 2)
            self.generations.append(struct.unpack_from(">i", value, behind)[0])
            return
        topic, at = _text(key, at)
        self.commits.append((topic, struct.unpack_from(">i", key, at)[0],
                             struct.unpack_from(">q", value, 2)[0]))

    def steps_back(self):
        """Commits that lowered an offset: (topic, partition, from, to)."""
        stored, lowered = {}, []
        for topic, partition, offset in self.commits:
            if offset < stored.get((topic, partition), 0):
                lowered.append((topic, partition, stored[topic, partition], offset))
            stored[topic, partition] = offset
        return lowered


def _end(reader, place):
    """Its high watermark, when its leader has been found: it may just have moved."""
    def ask():
        try:
            return (reader.get_watermark_offsets(place, timeout=5)[1],)
        except KafkaException:
            return None
    return clusters.wait_until(ask, 30, f"the end of {place}")[0]


def _messages(cluster, partition_count):
    """All up to what is the end now: commits may go on meanwhile."""
    reader = records.consumer(cluster)
    try:
        places = [TopicPartition(TOPIC, p, 0) for p in range(partition_count)]
        ends = {p.partition: _end(reader, p) for p in places}
        reader.assign(places)
        while any(reader.position([p])[0].offset < ends[p.partition] for p in places if ends[p.partition]):
            message = records.poll_checked(reader, 0.5)
            if message is not None:
                yield message
    finally:
        reader.close()


def stories(cluster, groups, partition_count=12):
    """{group: Story}"""
    told = {group: Story() for group in groups}
    give_up = time.monotonic() + records.READ_S
    for message in _messages(cluster, partition_count):
        assert time.monotonic() < give_up, f"{TOPIC} is not read in {records.READ_S} s"
        version, = struct.unpack_from(">h", message.key())
        group, at = _text(message.key(), 2)
        if group in told and message.value() is not None:
            told[group]._take(version, message.key(), at, message.value())
    return told
