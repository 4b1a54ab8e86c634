"""Requests and answers as Python values, by the schema in protocol/schema.

    c.call("ListOffsets", 7, topics=[{"name": "t", "partitions": [{…}]}])  # the answer as a dict

What a call leaves out has the schema's default, or 0, "", False, []. A mistake in the schema would
not show here, but on Kafka: what these tests expect is what a real one answers."""

import functools
import pathlib
import struct
import sys

import wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "protocol"))
import schema_reader  # noqa: E402

FIXED = {"bool": ">?", "int8": ">b", "int16": ">h", "int32": ">i", "int64": ">q"}
API_VERSIONS = 18


@functools.cache
def api_named(name):
    for path in (ROOT / "protocol" / "schema").glob("*.txt"):
        api = schema_reader.read_api(path)
        if api.name == name:
            return api
    raise KeyError(name)


def _has(field, version):
    return field.versions[0] <= version <= field.versions[1]


def _default(field):
    if field.is_array:
        return None if field.default == "null" else []
    if field.default is not None:
        return None if field.default == "null" else (
            field.default == "true" if field.type == "bool" else int(field.default, 0))
    return {"string": "", "bool": False, "bytes": b"", "records": None, "uuid": bytes(16)}.get(
        field.type, {} if field.struct else 0)


# ---- encoding ----------------------------------------------------------------------------------
def _encode_value(field, value, version, is_flexible):
    if field.type in FIXED:
        return struct.pack(FIXED[field.type], value)
    if field.type == "uuid":
        return value
    if field.struct:
        return _encode_struct(field.struct, value, version, is_flexible)
    if field.type == "string":
        return wire.compact_string(value) if is_flexible else wire.string(value)
    return wire.compact_blob(value) if is_flexible else wire.blob(value)


def _encode_field(field, value, version, is_flexible):
    if not field.is_array:
        return _encode_value(field, value, version, is_flexible)
    if value is None:
        return wire.uvarint(0) if is_flexible else wire.int32(-1)
    items = [_encode_value(field, item, version, is_flexible) for item in value]
    return (wire.compact_array if is_flexible else wire.array)(*items)


def _encode_struct(described, values, version, is_flexible):
    unknown = set(values) - {f.name for f in described.fields}
    assert not unknown, f"{described.name} has no {unknown}"
    data = b"".join(_encode_field(f, values.get(f.name, _default(f)), version, is_flexible)
                    for f in described.fields if _has(f, version) and f.tag is None)
    return data + (_encode_tags(described, values, version) if is_flexible else b"")


def _encode_tags(described, values, version):
    """Those that were given."""
    given = sorted((f for f in described.fields if f.tag is not None and f.name in values),
                   key=lambda f: f.tag)
    data = [_encode_field(f, values[f.name], version, True) for f in given]
    return wire.uvarint(len(given)) + b"".join(
        wire.uvarint(f.tag) + wire.uvarint(len(d)) + d for f, d in zip(given, data))


# ---- decoding ----------------------------------------------------------------------------------
class _Reader:
    def __init__(self, data):
        self.data = data
        self.position = 0

    def take(self, size):
        taken = self.data[self.position:self.position + size]
        assert len(taken) == size, "the answer ends too soon"
        self.position += size
        return taken

    def uvarint(self):
        value, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def length(self, layout, is_flexible):
        return self.uvarint() - 1 if is_flexible else struct.unpack(
            layout, self.take(struct.calcsize(layout)))[0]


def _decode_value(r, field, version, is_flexible):
    if field.type in FIXED:
        layout = FIXED[field.type]
        return struct.unpack(layout, r.take(struct.calcsize(layout)))[0]
    if field.type == "uuid":
        return r.take(16)
    if field.struct:
        return _decode_struct(r, field.struct, version, is_flexible)
    size = r.length(">h" if field.type == "string" else ">i", is_flexible)
    if size < 0:
        return None
    return r.take(size).decode() if field.type == "string" else r.take(size)


def _decode_field(r, field, version, is_flexible):
    if not field.is_array:
        return _decode_value(r, field, version, is_flexible)
    count = r.length(">i", is_flexible)
    if count < 0:
        return None
    return [_decode_value(r, field, version, is_flexible) for _ in range(count)]


def _decode_struct(r, described, version, is_flexible):
    values = {f.name: _decode_field(r, f, version, is_flexible)
              for f in described.fields if _has(f, version) and f.tag is None}
    for _ in range(r.uvarint() if is_flexible else 0):
        tag, data = r.uvarint(), r.take(r.uvarint())
        for f in described.fields:
            if f.tag == tag:
                values[f.name] = _decode_field(_Reader(data), f, version, True)
    return values


class Connection(wire.Connection):
    """A connection that speaks by the schema."""

    def post(self, name, version, **values):
        """Sends only; False when the connection was closed meanwhile."""
        api = api_named(name)
        is_flexible = version >= api.flexible
        head = (struct.pack(">hhi", api.key, version, 1) + wire.string("message") +
                (wire.NO_TAGS if is_flexible else b""))
        body = _encode_struct(api.messages[0].root, values, version, is_flexible)
        return self.send(wire.frame(head + body))

    def take(self, name, version):
        """The next answer as a dict, whole; None when the connection was closed instead."""
        answer = self.answer()
        if answer is None:
            return None
        api = api_named(name)
        is_flexible = version >= api.flexible
        r = _Reader(answer)
        r.take(4)
        if is_flexible and api.key != API_VERSIONS:
            assert r.take(1) == wire.NO_TAGS
        values = _decode_struct(r, api.messages[1].root, version, is_flexible)
        assert r.position == len(answer), "more than the schema says"
        return values

    def call(self, name, version, **values):
        return self.take(name, version) if self.post(name, version, **values) else None
