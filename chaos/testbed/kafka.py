"""What a node says of brokers, leaders and groups: three small requests of Kafka's protocol.

    request    size:int32  api:int16  version:int16  correlation:int32  client:string  …
    response   size:int32  correlation:int32  …

Metadata version 7 (the first with leader epochs), FindCoordinator 1, ListGroups 1: all older than
the compact encoding, and known to every broker of the last years. What comes back is checked: a
node that is being broken on purpose may answer anything.
"""
import functools
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

METADATA, FIND_COORDINATOR, LIST_GROUPS = 3, 10, 16
ANSWER_BYTES_MAX = 64 << 20
CORRELATION = 1
CLIENT = "lab"


class NoAnswer(Exception):
    """The node did not answer, or not in a way that makes sense."""


@dataclass(frozen=True)
class Partition:
    topic: str
    number: int
    leader: int  # node id, -1: none
    epoch: int
    replicas: tuple[int, ...]
    in_sync: tuple[int, ...]


@dataclass(frozen=True)
class Metadata:
    brokers: dict[int, str]  # {id: "host:port"}
    controller: int  # node id, -1: none
    partitions: tuple[Partition, ...]


class _Reader:
    """Takes fields off the front; struct.error or ValueError when they are not there."""

    def __init__(self, data: bytes):
        self._data = data
        self._position = 0

    def take(self, form: str):
        (value,) = struct.unpack_from(form, self._data, self._position)
        self._position += struct.calcsize(form)
        return value

    def int16(self) -> int:
        return self.take(">h")

    def int32(self) -> int:
        return self.take(">i")

    def string(self) -> str | None:
        size = self.int16()
        if size < 0:
            return None
        text = self._data[self._position:self._position + size]
        if len(text) < size:
            raise ValueError("a string beyond the answer's end")
        self._position += size
        return text.decode()

    def count(self) -> int:
        count = self.int32()
        if count > len(self._data):
            raise ValueError(f"{count} elements in {len(self._data)} bytes")
        return max(count, 0)

    def array(self, read_element) -> tuple:
        return tuple(read_element(self) for _ in range(self.count()))

    def int32s(self) -> tuple[int, ...]:
        return self.array(_Reader.int32)


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text.encode())) + text.encode()


def _receive(connection: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ValueError("the connection ended within the answer")
        data += piece
    return bytes(data)


def _ask(connection: socket.socket, api: int, version: int, body: bytes) -> _Reader:
    request = struct.pack(">hhi", api, version, CORRELATION) + _string(CLIENT) + body
    connection.sendall(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    if not 4 <= size <= ANSWER_BYTES_MAX:
        raise ValueError(f"an answer of {size} bytes")
    reader = _Reader(_receive(connection, size))
    if reader.int32() != CORRELATION:
        raise ValueError("the answer to another question")
    return reader


def _checked(ask):
    """Whatever goes wrong on the way becomes NoAnswer."""
    @functools.wraps(ask)
    def checked(*arguments, **named):
        try:
            return ask(*arguments, **named)
        except (OSError, ValueError, struct.error) as error:
            raise NoAnswer(str(error)) from error
    return checked


@_checked
def metadata(connection: socket.socket, topics: Sequence[str] | None = None) -> Metadata:
    """Of these topics, or of all that are not internal."""
    named = -1 if topics is None else len(topics)
    names = b"".join(_string(topic) for topic in topics or ())
    reader = _ask(connection, METADATA, 7, struct.pack(">i", named) + names + b"\x00")
    reader.int32()  # throttle time
    brokers = dict(reader.array(_broker))
    reader.string()  # cluster id
    controller = reader.int32()
    found = reader.array(_topic)
    return Metadata(brokers, controller, tuple(p for partitions in found for p in partitions))


def _broker(reader: _Reader) -> tuple[int, str]:
    broker, host, port = reader.int32(), reader.string(), reader.int32()
    reader.string()  # rack
    return broker, f"{host}:{port}"


def _topic(reader: _Reader) -> tuple[Partition, ...]:
    reader.int16()  # error; its partitions, if any, say themselves whether they have a leader
    topic, is_internal = reader.string(), reader.take(">?")
    partitions = reader.array(lambda _: _partition(reader, topic))
    return () if is_internal else partitions


def _partition(reader: _Reader, topic: str) -> Partition:
    reader.int16()  # error
    number, leader, epoch = reader.int32(), reader.int32(), reader.int32()
    replicas, in_sync = reader.int32s(), reader.int32s()
    reader.int32s()  # offline
    return Partition(topic, number, leader, epoch, replicas, in_sync)


@_checked
def groups(connection: socket.socket) -> list[str]:
    """The consumer groups that this node coordinates."""
    reader = _ask(connection, LIST_GROUPS, 1, b"")
    reader.int32()  # throttle time
    if reader.int16() != 0:
        return []
    return list(reader.array(_group))


def _group(reader: _Reader) -> str | None:
    group = reader.string()
    reader.string()  # protocol
    return group


@_checked
def coordinator(connection: socket.socket, group: str) -> int:
    """The id of the node that coordinates the group, -1 when there is none now."""
    reader = _ask(connection, FIND_COORDINATOR, 1, _string(group) + b"\x00")
    reader.int32()  # throttle time
    error = reader.int16()
    reader.string()
    return reader.int32() if error == 0 else -1
