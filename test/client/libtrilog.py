"""libtrilog as an application has it: the shared library of this build, through its public calls.

As a program (`python3 libtrilog.py CONFIG TOPIC COUNT KEYS`) it sends records 0 … COUNT-1, says
"sent N" once all are told of, and then waits to be killed."""

import collections
import ctypes
import pathlib
import sys
import time

LIBRARY = pathlib.Path(__file__).resolve().parents[2] / "build" / "release" / "libtrilog.so.0"
OK, SPOOLED, QUEUE_FULL = 0, 1, -6
DISK_FULL, REFUSED, FATAL = -9, -11, -12
ID_HEADER = "trilog-id"
SETTINGS_CHANGED, SITE_CHANGED = 6, 8


class Header(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("value", ctypes.c_char_p),
                ("value_size", ctypes.c_size_t)]


class Record(ctypes.Structure):
    _fields_ = [("topic", ctypes.c_char_p), ("key", ctypes.c_char_p), ("key_size", ctypes.c_size_t),
                ("value", ctypes.c_char_p), ("value_size", ctypes.c_size_t),
                ("headers", ctypes.POINTER(Header)), ("header_count", ctypes.c_size_t),
                ("timestamp_ms", ctypes.c_int64), ("expires_at_ms", ctypes.c_int64),
                ("traceparent", ctypes.c_char_p), ("tracestate", ctypes.c_char_p)]


class Delivery(ctypes.Structure):
    _fields_ = [("result", ctypes.c_int), ("text", ctypes.c_char_p), ("opaque", ctypes.c_void_p),
                ("partition", ctypes.c_int32), ("offset", ctypes.c_int64)]


ON_DELIVERY = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.POINTER(Delivery))
ON_EVENT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)


class Options(ctypes.Structure):
    _fields_ = [("config_path", ctypes.c_char_p), ("on_delivery", ON_DELIVERY),
                ("on_event", ON_EVENT), ("data", ctypes.c_void_p)]


class SpoolState(ctypes.Structure):
    _fields_ = [("record_count", ctypes.c_uint64), ("bytes", ctypes.c_uint64)]


class SiteState(ctypes.Structure):
    _fields_ = [("site", ctypes.c_char * 64), ("has_routers", ctypes.c_int), ("is_heard", ctypes.c_int),
                ("failover_epoch", ctypes.c_uint64), ("verdict_epoch", ctypes.c_uint64)]


class Producer:
    """One of libtrilog's. Results of asynchronous sends are counted by what they were."""

    def __init__(self, config):
        self.library = ctypes.CDLL(str(LIBRARY))
        for name in ("trilog_send", "trilog_send_and_wait", "trilog_flush", "trilog_spool_state",
                     "trilog_site_state",
                     "trilog_producer_close", "trilog_producer_destroy"):
            getattr(self.library, name).argtypes = {
                "trilog_send": [ctypes.c_void_p, ctypes.POINTER(Record), ctypes.c_void_p],
                "trilog_send_and_wait": [ctypes.c_void_p, ctypes.POINTER(Record), ctypes.c_int,
                                         ctypes.c_void_p],
                "trilog_flush": [ctypes.c_void_p, ctypes.c_int],
                "trilog_site_state": [ctypes.c_void_p, ctypes.POINTER(SiteState)],
                "trilog_spool_state": [ctypes.c_void_p, ctypes.POINTER(SpoolState)],
                "trilog_producer_close": [ctypes.c_void_p, ctypes.c_int],
                "trilog_producer_destroy": [ctypes.c_void_p]}[name]
        self.results = collections.Counter()
        self.events = []
        self.gap_s_max, self.told_at_s = 0.0, None
        self.options = Options(str(config).encode(), ON_DELIVERY(self._on_delivery),
                               ON_EVENT(lambda _, kind, text: self.events.append((kind, text))), 0)
        self.handle = ctypes.c_void_p()
        why = ctypes.create_string_buffer(512)
        result = self.library.trilog_producer_open(
            ctypes.byref(self.handle), ctypes.byref(self.options), why)
        assert result == OK, why.value

    def _on_delivery(self, _, delivery):
        now = time.monotonic()
        if self.told_at_s is not None:
            self.gap_s_max = max(self.gap_s_max, now - self.told_at_s)
        self.told_at_s = now
        self.results[delivery.contents.result] += 1

    @staticmethod
    def _record(topic, key, value):
        return Record(topic.encode(), key, len(key), value, len(value), None, 0, 0)

    def send(self, topic, key, value):
        record = self._record(topic, key, value)
        while True:
            result = self.library.trilog_send(self.handle, ctypes.byref(record), None)
            if result != QUEUE_FULL:
                assert result == OK, result
                return
            time.sleep(0.01)

    def send_and_wait(self, topic, key, value, timeout_ms):
        record = self._record(topic, key, value)
        return self.library.trilog_send_and_wait(self.handle, ctypes.byref(record), timeout_ms,
                                                 None)

    def flush(self, timeout_s):
        assert self.library.trilog_flush(self.handle, int(timeout_s * 1000)) == OK

    def spooled(self):
        state = SpoolState()
        assert self.library.trilog_spool_state(self.handle, ctypes.byref(state)) == OK
        return state.record_count

    def site(self):
        state = SiteState()
        assert self.library.trilog_site_state(self.handle, ctypes.byref(state)) == OK
        return state

    def close(self):
        self.library.trilog_producer_close(self.handle, 10_000)
        self.library.trilog_producer_destroy(self.handle)


def write_config(path, cluster, site, faces=None, **settings):
    """`faces` are those whose addresses it knows: routers, or else all nodes."""
    lines = [f"site: {site}", "bootstrap:", *(f"  - {n.address}" for n in faces or cluster.nodes),
             *(f"{name}: {value}" for name, value in settings.items())]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


def key_of(number, keys):
    return f"key-{number % keys}".encode()


def main(config, topic, count, keys):
    producer = Producer(config)
    for i in range(int(count)):
        producer.send(topic, key_of(i, int(keys)), b"%d" % i)
    producer.flush(60)
    print("sent", dict(producer.results), flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])
