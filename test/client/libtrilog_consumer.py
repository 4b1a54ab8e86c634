"""libtrilog's consumer as an application has it: the shared library of this build, through its
public calls.

As a program (`python3 libtrilog_consumer.py CONFIG TOPIC GROUP [INSTANCE]`) it takes records, says
"PARTITION OFFSET VALUE" for each and then is done with it, until it is killed or its standard input
ends."""

import ctypes
import pathlib
import select
import sys
import threading
import time

import libtrilog

EMPTY = -18
EVENTS = ("partitions", "stuck", "unstuck", "behind", "gone", "repeats", "expired",
          "unknown_topic", "not_committed", "failures_found", "failures_lost",
          "failure_given_up", "settings", "left_site", "refused", "fatal",
          "site_changed", "back_at_site")


class Message(ctypes.Structure):
    _fields_ = [("record", libtrilog.Record), ("partition", ctypes.c_int32),
                ("offset", ctypes.c_int64), ("failure_count", ctypes.c_uint32)]


class Options(ctypes.Structure):
    _fields_ = [("config_path", ctypes.c_char_p), ("topics", ctypes.POINTER(ctypes.c_char_p)),
                ("topic_count", ctypes.c_size_t), ("group", ctypes.c_char_p),
                ("broadcast_instance", ctypes.c_char_p), ("on_event", libtrilog.ON_EVENT),
                ("data", ctypes.c_void_p), ("start", ctypes.c_int), ("start_at", ctypes.c_int64),
                ("commits_nothing", ctypes.c_int), ("stops_at_end", ctypes.c_int)]


def load():
    library = ctypes.CDLL(str(libtrilog.LIBRARY))
    pointer = ctypes.c_void_p
    library.trilog_consumer_take.argtypes = [pointer, ctypes.c_int,
                                             ctypes.POINTER(ctypes.POINTER(Message))]
    library.trilog_message_done.argtypes = [pointer, ctypes.POINTER(Message)]
    library.trilog_message_failed.argtypes = [pointer, ctypes.POINTER(Message), ctypes.c_char_p]
    library.trilog_consumer_commit.argtypes = [pointer, ctypes.c_int]
    library.trilog_consumer_close.argtypes = [pointer, ctypes.c_int]
    library.trilog_consumer_destroy.argtypes = [pointer]
    return library


class Consumer:
    """One of libtrilog's; `events` are pairs of a kind's name and a text."""

    def __init__(self, config, topic, group, instance=None):
        self.library = load()
        self.events = []
        topics = (ctypes.c_char_p * 1)(topic.encode())
        self.options = Options(
            str(config).encode(), topics, 1, group.encode(),
            instance.encode() if instance else None,
            libtrilog.ON_EVENT(lambda _, kind, text: self.events.append((EVENTS[kind], text))), 0)
        self.handle = ctypes.c_void_p()
        why = ctypes.create_string_buffer(512)
        result = self.library.trilog_consumer_open(
            ctypes.byref(self.handle), ctypes.byref(self.options), why)
        assert result == libtrilog.OK, why.value

    def take(self, timeout_s):
        """A message in hand, or None."""
        message = ctypes.POINTER(Message)()
        result = self.library.trilog_consumer_take(self.handle, int(timeout_s * 1000),
                                                   ctypes.byref(message))
        assert result in (libtrilog.OK, EMPTY), result
        return message if result == libtrilog.OK else None

    def done(self, message):
        return self.library.trilog_message_done(self.handle, message)

    def failed(self, message, reason):
        return self.library.trilog_message_failed(self.handle, message, reason.encode())

    def commit(self, timeout_s):
        assert self.library.trilog_consumer_commit(self.handle, int(timeout_s * 1000)) == \
            libtrilog.OK

    def kinds(self):
        return [kind for kind, _ in self.events]

    def close(self, timeout_s=10):
        result = self.library.trilog_consumer_close(self.handle, int(timeout_s * 1000))
        self.library.trilog_consumer_destroy(self.handle)
        return result


def value_of(message):
    record = message.contents.record
    return ctypes.string_at(record.value, record.value_size)


class Reader:
    """Takes on a thread of its own, and is done with each at once: what came, in order."""

    def __init__(self, *arguments, **more):
        self.consumer = Consumer(*arguments, **more)
        self.records = []  # (partition, offset, value)
        self.gap_s_max, self.came_at_s = 0.0, None
        self._is_ending = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._is_ending:
            message = self.consumer.take(0.1)
            if message is None:
                continue
            now = time.monotonic()
            if self.came_at_s is not None:
                self.gap_s_max = max(self.gap_s_max, now - self.came_at_s)
            self.came_at_s = now
            self.records.append((message.contents.partition, message.contents.offset,
                                 int(value_of(message))))
            self.consumer.done(message)

    def numbers(self):
        return {number for _, _, number in self.records}

    def close(self):
        self._is_ending = True
        self._thread.join()
        return self.consumer.close()


def main(config, topic, group, instance=None):
    consumer = Consumer(config, topic, group, instance)
    while not select.select([sys.stdin], [], [], 0)[0]:
        message = consumer.take(0.1)
        if message is not None:
            m = message.contents
            print(m.partition, m.offset, value_of(message).decode(), flush=True)
            consumer.done(message)
    consumer.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
