"""A tiny encoder of Kafka's protocol, and a socket: enough to say what no real client would say.

Values are written by small functions that return bytes, so that a test can replace any of them
by something that should not be there. Only a few versions of each request are known."""

import select
import socket
import struct
import time

ANSWER_S = 10

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR, JOIN_GROUP, HEARTBEAT = 8, 9, 10, 11, 12
LEAVE_GROUP, SYNC_GROUP, DESCRIBE_GROUPS, LIST_GROUPS, API_VERSIONS = 13, 14, 15, 16, 18
CREATE_TOPICS, DELETE_TOPICS, DELETE_RECORDS, INIT_PRODUCER_ID = 19, 20, 21, 22
OFFSET_FOR_LEADER_EPOCH, DESCRIBE_CONFIGS, CREATE_PARTITIONS, DELETE_GROUPS = 23, 32, 37, 42
INCREMENTAL_ALTER_CONFIGS, OFFSET_DELETE, DESCRIBE_CLUSTER = 44, 47, 60


# ---- values ------------------------------------------------------------------------------------
def int8(n):
    return struct.pack(">b", n)


def int16(n):
    return struct.pack(">h", n)


def int32(n):
    return struct.pack(">i", n)


def int64(n):
    return struct.pack(">q", n)


def uvarint(n):
    out = b""
    while n > 0x7F:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def varint(n):
    return uvarint(((n << 1) ^ (n >> 63)) & (2**64 - 1))


def string(text):
    return int16(-1) if text is None else int16(len(text.encode())) + text.encode()


def compact_string(text):
    return uvarint(0) if text is None else uvarint(len(text.encode()) + 1) + text.encode()


def blob(data):
    return int32(-1) if data is None else int32(len(data)) + data


def compact_blob(data):
    return uvarint(0) if data is None else uvarint(len(data) + 1) + data


def array(*items):
    return int32(len(items)) + b"".join(items)


def compact_array(*items):
    return uvarint(len(items) + 1) + b"".join(items)


NO_TAGS = b"\x00"


# ---- record batches ----------------------------------------------------------------------------
def _crc32c_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
        table.append(n)
    return table


_TABLE = _crc32c_table()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def record(value, delta=0, key=None, length=None, header_count=0):
    body = (int8(0) + varint(0) + varint(delta) +
            (varint(-1) if key is None else varint(len(key)) + key) +
            varint(len(value)) + value + varint(header_count))
    return (varint(len(body)) if length is None else length) + body


def batch(records=None, **fields):
    """A record batch of version 2; any header field can be set to what it should not be."""
    records = [record(b"v")] if records is None else records
    count = fields.get("count", len(records))
    body = (int16(fields.get("attributes", 0)) +
            int32(fields.get("last_offset_delta", len(records) - 1)) +
            int64(fields.get("base_timestamp", 1_700_000_000_000)) +
            int64(fields.get("max_timestamp", 1_700_000_000_000)) +
            int64(fields.get("producer_id", -1)) + int16(fields.get("producer_epoch", -1)) +
            int32(fields.get("base_sequence", -1)) + int32(count) + b"".join(records))
    crc = crc32c(body) ^ fields.get("crc_flip", 0)
    after_length = (int32(-1) + int8(fields.get("magic", 2)) + struct.pack(">I", crc) + body)
    length = fields.get("length", len(after_length))
    return int64(fields.get("base_offset", 0)) + int32(length) + after_length


def old_message_set(magic):
    """A message of the formats before record batches, with a sound CRC."""
    import zlib
    body = int8(magic) + int8(0) + (int64(1_700_000_000_000) if magic else b"")
    body += blob(None) + blob(b"value")
    message = struct.pack(">I", zlib.crc32(body)) + body
    return int64(0) + int32(len(message)) + message


# ---- requests ----------------------------------------------------------------------------------
FLEXIBLE_FROM = {PRODUCE: 9, FETCH: 12, METADATA: 9, API_VERSIONS: 3, FIND_COORDINATOR: 3,
                 INIT_PRODUCER_ID: 2, CREATE_TOPICS: 5, DESCRIBE_CLUSTER: 0, LIST_OFFSETS: 6,
                 OFFSET_COMMIT: 8, OFFSET_FETCH: 6, JOIN_GROUP: 6, DELETE_TOPICS: 4}


def header(api, version, correlation_id=1, client_id="wire"):
    tags = NO_TAGS if version >= FLEXIBLE_FROM.get(api, 1000) else b""
    return int16(api) + int16(version) + int32(correlation_id) + string(client_id) + tags


def frame(content):
    return int32(len(content)) + content


def produce(topic, data, version=3, acks=-1, partition=0, transactional_id=None,
            timeout_ms=10_000):
    if version >= 9:
        return (compact_string(transactional_id) + int16(acks) + int32(timeout_ms) +
                compact_array(compact_string(topic) +
                              compact_array(int32(partition) + compact_blob(data) + NO_TAGS) +
                              NO_TAGS) + NO_TAGS)
    return (string(transactional_id) + int16(acks) + int32(timeout_ms) +
            array(string(topic) + array(int32(partition) + blob(data))))


def fetch(topic, offset=0, max_wait_ms=0, max_bytes=1_000_000, min_bytes=1, partition=0):
    """Version 4."""
    return (int32(-1) + int32(max_wait_ms) + int32(min_bytes) + int32(max_bytes) + int8(0) +
            array(string(topic) + array(int32(partition) + int64(offset) + int32(max_bytes))))


def fetch_12(topic, offset=0):
    return (int32(-1) + int32(0) + int32(1) + int32(100_000) + int8(0) + int32(0) + int32(-1) +
            compact_array(compact_string(topic) + compact_array(
                int32(0) + int32(-1) + int64(offset) + int32(-1) + int64(-1) + int32(100_000) +
                NO_TAGS) + NO_TAGS) +
            compact_array() + compact_string("") + NO_TAGS)


def list_offsets(topic, timestamp=-1, partition=0):
    """Version 1."""
    return int32(-1) + array(string(topic) + array(int32(partition) + int64(timestamp)))


def metadata(*topics):
    """Version 1."""
    return array(*(string(topic) for topic in topics))


def requests_of(topic):
    """One sound request of each kind, (name, api, version, message), none of which changes what
    another one of these sees. Names of things that are not there, but for the topic."""
    group = string("no-such-group")
    no_topic = string("no-such-topic-here")
    return [
        ("ApiVersions 0", API_VERSIONS, 0, b""),
        ("ApiVersions 3", API_VERSIONS, 3, compact_string("wire") + compact_string("1") + NO_TAGS),
        ("Metadata 1", METADATA, 1, metadata(topic)),
        ("Metadata 9", METADATA, 9, compact_array(compact_string(topic) + NO_TAGS) +
         int8(0) * 3 + NO_TAGS),
        ("Metadata 12", METADATA, 12, compact_array(bytes(16) + compact_string(topic) + NO_TAGS) +
         int8(0) * 2 + NO_TAGS),
        ("Produce 3", PRODUCE, 3, produce(topic, batch())),
        ("Produce 9", PRODUCE, 9, produce(topic, batch(), version=9)),
        ("Fetch 4", FETCH, 4, fetch(topic)),
        ("Fetch 12", FETCH, 12, fetch_12(topic)),
        ("ListOffsets 1", LIST_OFFSETS, 1, list_offsets(topic)),
        ("FindCoordinator 1", FIND_COORDINATOR, 1, group + int8(0)),
        ("FindCoordinator 4", FIND_COORDINATOR, 4,
         int8(0) + compact_array(compact_string("no-such-group")) + NO_TAGS),
        ("JoinGroup 2", JOIN_GROUP, 2, group + int32(6000) + int32(6000) + string("no-such-member") +
         string("consumer") + array(string("range") + blob(b""))),
        ("SyncGroup 1", SYNC_GROUP, 1, group + int32(1) + string("m") + array(string("m") + blob(b""))),
        ("Heartbeat 1", HEARTBEAT, 1, group + int32(1) + string("m")),
        ("LeaveGroup 1", LEAVE_GROUP, 1, group + string("m")),
        ("OffsetCommit 2", OFFSET_COMMIT, 2, group + int32(1) + string("m") + int64(-1) +
         array(string(topic) + array(int32(0) + int64(1) + string("metadata")))),
        ("OffsetFetch 1", OFFSET_FETCH, 1, group + array(string(topic) + array(int32(0)))),
        ("DescribeGroups 0", DESCRIBE_GROUPS, 0, array(group)),
        ("ListGroups 0", LIST_GROUPS, 0, b""),
        ("InitProducerId 0", INIT_PRODUCER_ID, 0, string(None) + int32(1000)),
        ("InitProducerId 4", INIT_PRODUCER_ID, 4,
         compact_string(None) + int32(1000) + int64(-1) + int16(-1) + NO_TAGS),
        ("CreateTopics 2", CREATE_TOPICS, 2, array(
            string("bad/name") + int32(1) + int16(1) + array(int32(0) + array(int32(1))) +
            array(string("retention.ms") + string("1"))) + int32(1000) + int8(1)),
        ("DeleteTopics 1", DELETE_TOPICS, 1, array(no_topic) + int32(1000)),
        ("DeleteRecords 0", DELETE_RECORDS, 0,
         array(no_topic + array(int32(0) + int64(0))) + int32(1000)),
        ("OffsetForLeaderEpoch 2", OFFSET_FOR_LEADER_EPOCH, 2,
         array(string(topic) + array(int32(0) + int32(-1) + int32(0)))),
        ("DescribeConfigs 1", DESCRIBE_CONFIGS, 1,
         array(int8(2) + string(topic) + array(string("retention.ms"))) + int8(0)),
        ("CreatePartitions 0", CREATE_PARTITIONS, 0,
         array(no_topic + int32(3) + array(array(int32(1)), array(int32(2)))) + int32(1000) + int8(1)),
        ("DeleteGroups 0", DELETE_GROUPS, 0, array(group)),
        ("IncrementalAlterConfigs 0", INCREMENTAL_ALTER_CONFIGS, 0,
         array(int8(2) + no_topic + array(string("retention.ms") + int8(0) + string("1"))) + int8(1)),
        ("OffsetDelete 0", OFFSET_DELETE, 0, group + array(no_topic + array(int32(0)))),
        ("DescribeCluster 0", DESCRIBE_CLUSTER, 0, int8(0) + NO_TAGS),
    ]


# ---- the socket --------------------------------------------------------------------------------
class Connection:
    """One TCP connection to one node."""

    def __init__(self, node):
        self.socket = socket.create_connection((node.host, node.port), timeout=ANSWER_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        """False when the node has closed the connection meanwhile."""
        try:
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def _receive(self, size):
        data = b""
        while len(data) < size:
            try:
                piece = self.socket.recv(min(size - len(data), 1 << 20))
            except ConnectionResetError:
                return None
            if not piece:
                return None
            data += piece
        return data

    def answer(self, timeout_s=ANSWER_S):
        """The content of the next frame; None when the connection was closed instead. Neither in
        time is a failure."""
        self.socket.settimeout(timeout_s)
        try:
            size = self._receive(4)
            return None if size is None else self._receive(struct.unpack(">i", size)[0])
        except socket.timeout as silence:
            raise AssertionError(f"neither an answer nor a close in {timeout_s} s") from silence

    def is_silent(self, for_s):
        waiting = select.poll()  # select() itself knows no descriptor above 1023
        waiting.register(self.socket, select.POLLIN)
        return not waiting.poll(for_s * 1000)

    def ask(self, api, version, message, correlation_id=1):
        """The answer behind its correlation id, or None when the connection was closed."""
        if not self.send(frame(header(api, version, correlation_id) + message)):
            return None
        answer = self.answer()
        if answer is None:
            return None
        assert answer[:4] == int32(correlation_id), "the answer to something else"
        return answer[4:]

    def wait_closed(self, timeout_s=ANSWER_S):
        give_up = time.monotonic() + timeout_s
        while time.monotonic() < give_up:
            if self.answer(timeout_s) is None:
                return
        raise AssertionError("it is still open")


class Reader:
    """Reads an answer's values."""

    def __init__(self, data):
        self.data = data
        self.position = 0

    def take(self, layout):
        size = struct.calcsize(">" + layout)
        values = struct.unpack_from(">" + layout, self.data, self.position)
        self.position += size
        return values[0] if len(values) == 1 else values

    def string(self):
        size = self.take("h")
        if size < 0:
            return None
        self.position += size
        return self.data[self.position - size:self.position].decode()

    def blob(self):
        size = self.take("i")
        self.position += max(size, 0)
        return self.data[self.position - max(size, 0):self.position]

    def is_at_end(self):
        return self.position == len(self.data)


def produced(answer):
    """(error, base offset) of a Produce 3 answer for one partition."""
    r = Reader(answer)
    assert r.take("i") == 1
    r.string()
    assert r.take("i") == 1
    _, error, base_offset = r.take("ihq")
    return error, base_offset


def fetched(answer):
    """(error, high watermark, records) of a Fetch 4 answer for one partition."""
    r = Reader(answer)
    r.take("i")
    assert r.take("i") == 1
    r.string()
    assert r.take("i") == 1
    _, error, high_watermark, _ = r.take("ihqq")
    for _ in range(max(r.take("i"), 0)):
        r.take("qq")
    return error, high_watermark, r.blob()


def api_rows(r):
    return {row[0]: row[1:] for row in (r.take("hhh") for _ in range(r.take("i")))}
