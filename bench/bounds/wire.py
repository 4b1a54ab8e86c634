"""Kafka's protocol by bare frames: what thousands of connections say costs nothing to make.

A frame is built once and sent as often as needed; answers are read whole or only counted. Versions
are old ones without the compact encoding, which every broker of the last years takes.

    request    size:int32  api:int16  version:int16  correlation:int32  client:string  …
    response   size:int32  correlation:int32  …
"""
import socket
import struct

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
API_VERSIONS, CREATE_TOPICS, DELETE_TOPICS = 18, 19, 20
ANSWER_BYTES_MAX = 1 << 28
CRC_POLYNOMIAL = 0x82F63B78


class Refused(Exception):
    """The node answered, with an error."""


# ---- checksums -------------------------------------------------------------------------------
def _table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ CRC_POLYNOMIAL if n & 1 else n >> 1
        table.append(n)
    return table


_TABLE = _table()


def _times(matrix, vector):
    product, row = 0, 0
    while vector:
        if vector & 1:
            product ^= matrix[row]
        vector >>= 1
        row += 1
    return product


def _after_zeros(crc, count):
    """The register after `count` zero bytes: megabytes of them cost as little as ten."""
    step = [_TABLE[1 << bit] if bit < 8 else 1 << bit - 8 for bit in range(32)]  # of one byte
    while count:
        if count & 1:
            crc = _times(step, crc)
        step = [_times(step, row) for row in step]
        count >>= 1
    return crc


def crc32c(data, zeros=0, after=b""):
    """Of `data`, so many zero bytes, and `after`."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc = _after_zeros(crc, zeros)
    for byte in after:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


# ---- values ----------------------------------------------------------------------------------
def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def varint(n):
    out, n = b"", n << 1
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def batch(value_bytes):
    """A record batch of one record, whose value is so many zero bytes."""
    head = b"\0" + varint(0) + varint(0) + b"\x01" + varint(value_bytes)  # key: -1, none
    size = varint(len(head) + value_bytes + 1)
    body = struct.pack(">hiqqqhii", 0, 0, 1, 1, -1, -1, -1, 1) + size + head
    crc = crc32c(body, value_bytes, b"\0")
    length = 9 + len(body) + value_bytes + 1
    return (struct.pack(">qiibI", 0, length, -1, 2, crc) + body + bytes(value_bytes) + b"\0")


def frame(api, version, body, correlation=1):
    head = struct.pack(">hhi", api, version, correlation) + text("bounds")
    return struct.pack(">i", len(head) + len(body)) + head + body


def produce(topic, batches, correlation=1, timeout_ms=30000):
    """`batches`: pairs of partition and bytes."""
    parts = [struct.pack(">hhii", -1, -1, timeout_ms, 1), text(topic), struct.pack(">i", len(batches))]
    for partition, data in batches:
        parts += [struct.pack(">ii", partition, len(data)), data]
    return frame(PRODUCE, 3, b"".join(parts), correlation)


def fetch(topic, positions, wait_ms, bytes_max, partition_bytes_max=1 << 20, correlation=1):
    """`positions`: pairs of partition and offset."""
    parts = [struct.pack(">iiiibi", -1, wait_ms, 1, bytes_max, 0, 1), text(topic),
             struct.pack(">i", len(positions))]
    for partition, offset in positions:
        parts.append(struct.pack(">iqi", partition, offset, partition_bytes_max))
    return frame(FETCH, 4, b"".join(parts), correlation)


def metadata(topics=()):
    names = b"".join(text(topic) for topic in topics)
    return frame(METADATA, 4, struct.pack(">i", len(topics)) + names + b"\0")


class Reader:
    """Takes fields off the front of an answer."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def text(self):
        (size,) = self.take(">h")
        self.at += max(size, 0)
        return None if size < 0 else self.data[self.at - size:self.at].decode()

    def count(self):
        return self.take(">i")[0]

    def int32s(self):
        return self.take(f">{self.count()}i")


class Partition:
    __slots__ = ("number", "leader", "in_sync_count")

    def __init__(self, number, leader, in_sync_count):
        self.number, self.leader, self.in_sync_count = number, leader, in_sync_count


def read_metadata(data):
    """({node id: (host, port)}, {topic: [Partition]})"""
    r = Reader(data)
    r.count()  # throttle time
    brokers = {}
    for _ in range(r.count()):
        node, host, port = r.count(), r.text(), r.count()
        r.text()
        brokers[node] = (host, port)
    r.text()
    r.count()  # controller
    topics = {}
    for _ in range(r.count()):
        (error,) = r.take(">h")
        name = r.text()
        r.take(">b")
        partitions = []
        for _ in range(r.count()):
            _, number, leader = r.take(">hii")
            r.int32s()
            partitions.append(Partition(number, leader, len(r.int32s())))
        topics[name] = [] if error else partitions
    return brokers, topics


def read_produced(data):
    """{partition: error code}"""
    r = Reader(data)
    answered = {}
    for _ in range(r.count()):
        r.text()
        for _ in range(r.count()):
            partition, error, _, _ = r.take(">ihqq")
            answered[partition] = error
    return answered


def read_produced_offset(data):
    """Of the first partition: where its batch is."""
    r = Reader(data)
    r.count()
    r.text()
    r.count()
    _, error, offset, _ = r.take(">ihqq")
    if error:
        raise Refused(f"error {error}")
    return offset


class Connection:
    """One question at a time, or frames as they are."""

    def __init__(self, address, patience_s=30, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(patience_s)
        try:
            self.socket.connect(address)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def _receive(self, size):
        data = bytearray(size)
        view, got = memoryview(data), 0
        while got < size:
            count = self.socket.recv_into(view[got:])
            if count == 0:
                raise ConnectionError("the node closed the connection")
            got += count
        return bytes(data)

    def send(self, request):
        self.socket.sendall(request)

    def receive(self):
        """The next answer, without its size and correlation."""
        (size,) = struct.unpack(">i", self._receive(4))
        if not 4 <= size <= ANSWER_BYTES_MAX:
            raise ValueError(f"an answer of {size} bytes")
        return self._receive(size)[4:]

    def ask(self, request):
        self.send(request)
        return self.receive()


def create_topic(address, name, partitions, configs=(), patience_s=120):
    pairs = b"".join(text(key) + text(value) for key, value in configs)
    body = (struct.pack(">i", 1) + text(name) + struct.pack(">ihii", partitions, -1, 0, len(configs))
            + pairs + struct.pack(">ib", patience_s * 1000, 0))
    with Connection(address, patience_s) as connection:
        _check_topics(connection.ask(frame(CREATE_TOPICS, 4, body)))


def delete_topic(address, name, patience_s=120):
    body = struct.pack(">i", 1) + text(name) + struct.pack(">i", patience_s * 1000)
    with Connection(address, patience_s) as connection:
        _check_topics(connection.ask(frame(DELETE_TOPICS, 1, body)))


def _check_topics(answer):
    r = Reader(answer)
    r.count()  # throttle time
    for _ in range(r.count()):
        name, (error,) = r.text(), r.take(">h")
        if error:
            raise Refused(f"{name}: error {error}")
        if r.at < len(answer):
            r.text()


def ask_metadata(address, topics=(), patience_s=30):
    with Connection(address, patience_s) as connection:
        return read_metadata(connection.ask(metadata(topics)))


def read_fetched(data):
    """The records of the answer's first partition; ValueError with an error."""
    r = Reader(data)
    r.count()  # throttle time
    r.count()  # topics
    r.text()
    r.count()  # partitions
    _, error, _, _ = r.take(">ihqq")
    if error:
        raise ValueError(f"fetch: error {error}")
    aborted = r.count()
    r.at += 16 * max(aborted, 0)  # of transactions: there are none
    size = r.count()
    return data[r.at:r.at + size]


def read_end(data):
    """The offset behind the last record that readers may have, of the answer's first partition."""
    r = Reader(data)
    r.count()  # throttle time
    r.count()  # topics
    r.text()
    r.count()  # partitions
    return r.take(">ihqq")[2]


def next_offset(records):
    """Behind the last whole batch; None without one."""
    at, found = 0, None
    while at + 61 <= len(records):
        base, length = struct.unpack_from(">qi", records, at)
        if at + 12 + length > len(records):
            break
        (delta,) = struct.unpack_from(">i", records, at + 23)
        found, at = base + delta + 1, at + 12 + length
    return found
