"""What clients of any language did and were told, as a history: docs/history-format.md.

The clients themselves know nothing of histories. They say what happened and when, in a line each
(words.md); here it becomes operations, with names, sums and outcomes."""

import functools
import itertools
import threading

from drill.chronicle import Chronicle, now_us

FILLING = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
POLYNOMIAL = 0x82f63b78  # CRC-32C, reflected
NAME_BYTES_MAX = 255


def _table():
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (POLYNOMIAL if byte & 1 else 0)
        yield byte


TABLE = tuple(_table())


@functools.lru_cache(maxsize=20000)  # several groups read the same
def crc32c(data):
    total = 0xffffffff
    for byte in data:
        total = TABLE[(total ^ byte) & 0xff] ^ total >> 8
    return total ^ 0xffffffff


def make_value(name, size, chance):
    """Its name, a zero byte, filling: text, for kcat takes lines."""
    head = name.encode() + b"\0"
    return head + bytes(chance.choices(FILLING, k=max(0, size - len(head))))


def name_of(value):
    """Bytes that are no value of ours have a name that no send has."""
    name, zero, _ = value.partition(b"\0")
    is_ours = zero and 0 < len(name) <= NAME_BYTES_MAX and all(32 <= byte < 127 for byte in name)
    return name.decode() if is_ours else "?" + value[:64].decode("ascii", "replace")


class Book:
    """One file. Several threads may write to it; lines of a process keep their order."""

    def __init__(self, path, seed, site, tag, topic):
        self.topic = topic
        self._site = site
        self._chronicle = Chronicle(path, seed, f"{site}-{tag}-driver", site)
        self._ids = itertools.count(1)
        self._last_us = {}
        self._lock = threading.Lock()
        self.open_sends = {}  # id: (process, partition)
        self._commits = {}    # (process, number): ids by place

    def write(self, process, kind, at_us=None, **fields):
        with self._lock:
            self._write(process, kind, at_us, **fields)

    def _write(self, process, kind, at_us=None, **fields):
        at_us = max(at_us or now_us(), self._last_us.get(process, 0))
        self._last_us[process] = at_us
        self._chronicle.write(kind, at_us, process=process, **fields)

    def begin(self, process, role, client, idempotent=None, group=None):
        self.write(process, "process", role=role, idempotent=idempotent, group=group, client=client)

    def stage(self, name):
        self._chronicle.stage(name)

    def topic_is_there(self, partitions):
        self._chronicle.write("topic", topic=self.topic, partitions=partitions)

    def close(self):
        self._chronicle.close()

    # ---- sends --------------------------------------------------------------------------------
    def send(self, process, partition, key, value):
        """Before the client is asked. The number by which it tells of the outcome."""
        number = next(self._ids)
        with self._lock:
            self.open_sends[number] = process, partition
            self._write(process, "send", id=number, topic=self.topic, partition=partition, key=key,
                        value=name_of(value), size=len(value), crc=f"{crc32c(value):08x}")
        return number

    def send_end(self, number, outcome, at_us=None, partition=None, offset=None, error=None):
        with self._lock:
            if number not in self.open_sends:
                return  # told a second time: the first word counts, as it does for the application
            process, asked = self.open_sends.pop(number)
            self._write(process, "send", at_us, id=number, topic=self.topic,
                        partition=asked if partition is None else partition, offset=offset,
                        outcome=outcome, error=error)

    # ---- members of groups --------------------------------------------------------------------
    def assign(self, process, group, at_us, partitions, is_its_own):
        for partition in partitions:
            self.write(process, "assign" if is_its_own else "revoke", at_us, group=group,
                       topic=self.topic, partition=partition, offset=-1 if is_its_own else None)

    def poll(self, process, group, at_us, records):
        """`records`: (partition, offset, key or None, value) …, as one poll brought them."""
        number = next(self._ids)
        with self._lock:
            self._write(process, "poll", at_us, id=number)
            for partition, offset, key, value in records:
                self._write(process, "read", at_us, id=number, group=group, topic=self.topic,
                            partition=partition, offset=offset, key=key, value=name_of(value),
                            size=len(value), crc=f"{crc32c(value):08x}")
            self._write(process, "poll", at_us, id=number, count=len(records), outcome="ok")

    def commit(self, process, group, at_us, number, offsets):
        with self._lock:
            asked = self._commits[process, number] = []
            for partition, offset in offsets.items():
                asked.append((next(self._ids), partition, offset))
                self._write(process, "commit", at_us, id=asked[-1][0], group=group, topic=self.topic,
                            partition=partition, offset=offset)

    def commit_end(self, process, group, at_us, number, outcome, error=None):
        with self._lock:
            for one, partition, offset in self._commits.pop((process, number), ()):
                self._write(process, "commit", at_us, id=one, group=group, topic=self.topic,
                            partition=partition, offset=offset, outcome=outcome, error=error)
