"""The three questions that a drill asks of a node, in Kafka's protocol: who leads what and is in
sync, who coordinates a group, and nothing else.

Each question opens a connection of its own, so that it is this node that answers, and no other
that a client happens to be connected to. Everything is bounded by `ANSWER_S` and
`ANSWER_BYTES_MAX`; what a node can't answer within them counts as not answered: AnswerError."""

import socket
import struct
from dataclasses import dataclass

ANSWER_S = 2.0
ANSWER_BYTES_MAX = 16 << 20
METADATA, METADATA_VERSION = 3, 7
FIND_COORDINATOR, FIND_COORDINATOR_VERSION = 10, 1
CLIENT_ID = "drill"


class AnswerError(Exception):
    """The node did not answer, or not in words we understand."""


@dataclass(frozen=True)
class Partition:
    """What one node says of one partition; leader is −1 where it knows none."""
    topic: str
    number: int
    leader: int
    epoch: int
    in_sync: tuple


class _Answer:
    """Reads the fields of an answer in their order; what is cut short is an AnswerError."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, layout):
        try:
            values = struct.unpack_from(">" + layout, self.data, self.at)
        except struct.error as e:
            raise AnswerError("the answer is cut short") from e
        self.at += struct.calcsize(">" + layout)
        return values[0]

    def string(self):
        size = self.take("h")
        if size < 0:
            return None
        text = self.data[self.at:self.at + size]
        if len(text) < size:
            raise AnswerError("the answer is cut short")
        self.at += size
        return text.decode(errors="replace")

    def array(self, read_item):
        count = self.take("i")
        if count > len(self.data):
            raise AnswerError("an array is larger than its answer")
        return [read_item() for _ in range(max(count, 0))]


def _string(text):
    return struct.pack(">h", len(text)) + text.encode()


def _receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(min(size - len(data), 1 << 16))
        if not piece:
            raise AnswerError("the connection was closed")
        data += piece
    return data


def _ask(connect, api, version, body):
    """`connect` opens a socket to the node, with the time limit that it is given."""
    head = struct.pack(">hhi", api, version, 1) + _string(CLIENT_ID)
    try:
        with connect(ANSWER_S) as connection:
            connection.settimeout(ANSWER_S)
            connection.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
            size, = struct.unpack(">i", _receive(connection, 4))
            if not 4 <= size <= ANSWER_BYTES_MAX:
                raise AnswerError(f"an answer of {size} bytes")
            return _Answer(_receive(connection, size)[4:])
    except OSError as e:
        raise AnswerError(str(e)) from e


def _read_broker(answer):
    answer.take("i"), answer.string(), answer.take("i"), answer.string()


def _read_partition(answer, topic):
    answer.take("h")
    number, leader, epoch = answer.take("i"), answer.take("i"), answer.take("i")
    answer.array(lambda: answer.take("i"))
    in_sync = tuple(answer.array(lambda: answer.take("i")))
    answer.array(lambda: answer.take("i"))
    return Partition(topic, number, leader, epoch, in_sync)


def _read_topic(answer):
    answer.take("h")
    topic = answer.string()
    answer.take("b")
    return answer.array(lambda: _read_partition(answer, topic))


def ask_partitions(connect, topics=None):
    """What the node says of these topics, or of all."""
    if topics is None:
        names = struct.pack(">i", -1)
    else:
        names = struct.pack(">i", len(topics)) + b"".join(_string(t) for t in topics)
    answer = _ask(connect, METADATA, METADATA_VERSION, names + b"\0")
    answer.take("i")
    answer.array(lambda: _read_broker(answer))
    answer.string(), answer.take("i")
    return [p for topic in answer.array(lambda: _read_topic(answer)) for p in topic]


def ask_coordinator(connect, group):
    """The node's word on which node coordinates a consumer group."""
    answer = _ask(connect, FIND_COORDINATOR, FIND_COORDINATOR_VERSION, _string(group) + b"\0")
    answer.take("i")
    error = answer.take("h")
    answer.string()
    if error != 0:
        raise AnswerError(f"no coordinator: error {error}")
    return answer.take("i")


def connect_to(host, port):
    """How a node is reached from where the drill itself runs."""
    return lambda timeout_s: socket.create_connection((host, port), timeout_s)
