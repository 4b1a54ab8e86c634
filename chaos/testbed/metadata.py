"""Which brokers a node shows its clients: one small Metadata request of Kafka's protocol.

    request    size:int32  api:int16=3  version:int16=1  correlation:int32  client:string
               topics:int32=0 (none)
    response   size:int32  correlation:int32
               brokers:[ id:int32  host:string  port:int32  rack:nullable string ]
               controller:int32  …
"""
import socket
import struct

ANSWER_BYTES_MAX = 1 << 20
_CORRELATION = 4
_REQUEST = struct.pack(">hhih3si", 3, 1, _CORRELATION, 3, b"lab", 0)


class _Reader:
    """Takes fields off the front; struct.error or ValueError when they are not there."""

    def __init__(self, data: bytes):
        self._data = data
        self._position = 0

    def int32(self) -> int:
        (value,) = struct.unpack_from(">i", self._data, self._position)
        self._position += 4
        return value

    def string(self) -> str:
        (size,) = struct.unpack_from(">h", self._data, self._position)
        self._position += 2 + max(size, 0)
        if self._position > len(self._data):
            raise ValueError("a string beyond the answer's end")
        return self._data[self._position - max(size, 0):self._position].decode()


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            raise ValueError("the connection ended within the answer")
        data += piece
    return data


def brokers_seen(connection: socket.socket) -> tuple[dict[int, str], int]:
    """({broker's id: "host:port"}, the controller's id or -1), as the node at the other end knows
    it. Raises OSError, ValueError or struct.error when there is no sound answer."""
    connection.sendall(struct.pack(">i", len(_REQUEST)) + _REQUEST)
    (size,) = struct.unpack(">i", _receive(connection, 4))
    if not 8 <= size <= ANSWER_BYTES_MAX:
        raise ValueError(f"an answer of {size} bytes")
    reader = _Reader(_receive(connection, size))
    if reader.int32() != _CORRELATION:
        raise ValueError("the answer to another question")
    brokers = {}
    for _ in range(reader.int32()):
        broker, host, port = reader.int32(), reader.string(), reader.int32()
        reader.string()
        brokers[broker] = f"{host}:{port}"
    return brokers, reader.int32()
