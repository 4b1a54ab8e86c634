"""Reads the message schema: one file per API, a line per field.

    api 1 Fetch versions 4-12 flexible 12 [advertised 0-12]

    request
      cluster_id string 12+ nullable tag 0 = null   # a comment ends up in the header
      topics []topic
        name string
        partitions []partition
          fetch_offset int64

    name type [versions] [nullable[(versions)]] [tag N] [= default]

Versions are `4+`, `2-7` or `3`; without any a field is in all versions of what it stands in.
A type that is not built in is a struct of this message: its fields follow, indented, or it was
described further up. `flexible` says from which version on strings and arrays are compact and
structs end in tagged fields (KIP-482); without it none is.
"""
import re
from dataclasses import dataclass, field
from typing import List, Optional, Tuple

Range = Tuple[int, int]

BUILT_IN = {"bool", "int8", "int16", "int32", "int64", "string", "bytes", "records", "slices",
            "uuid"}
NEVER = 32767  # the flexible version of a message that has none


class SchemaError(Exception):
    pass


@dataclass
class Struct:
    name: str  # C name without "struct"
    versions: Range
    fields: List["Field"] = field(default_factory=list)


@dataclass
class Field:
    name: str
    type: str  # built in, or a struct's own name
    is_array: bool
    versions: Range
    nullable: Optional[Range]
    tag: Optional[int]
    default: Optional[str]
    comment: str
    struct: Optional[Struct] = None


@dataclass
class Message:
    name: str  # kafka_fetch_request
    root: Struct
    structs: List[Struct]  # dependencies first, the root last


@dataclass
class Api:
    key: int
    name: str  # Fetch
    snake: str  # fetch
    about: str
    versions: Range
    advertised: Range
    flexible: int
    messages: List[Message]


def snake_case(name):
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def parse_range(text, within):
    match = re.fullmatch(r"(\d+)(\+|-(\d+))?", text)
    if not match:
        raise SchemaError(f"not a version range: {text}")
    low = int(match[1])
    high = within[1] if match[2] == "+" else int(match[3] or low)
    if low < within[0] or high > within[1] or low > high:
        raise SchemaError(f"versions {text} are not within {within[0]}-{within[1]}")
    return low, high


FIELD = re.compile(r"(?P<name>\w+) (?P<array>\[\])?(?P<type>\w+)(?: (?P<versions>\d+[-+\d]*))?"
                   r"(?P<nullable> nullable(?:\((?P<null>[-+\d]+)\))?)?"
                   r"(?: tag (?P<tag>\d+))?(?: = (?P<default>\S+))?")


def parse_field(text, comment, within):
    match = FIELD.fullmatch(text)
    if not match:
        raise SchemaError(f"not a field: {text}")
    versions = parse_range(match["versions"], within) if match["versions"] else within
    nullable = None
    if match["nullable"]:
        nullable = parse_range(match["null"], versions) if match["null"] else versions
    tag = int(match["tag"]) if match["tag"] else None
    return Field(match["name"], match["type"], bool(match["array"]), versions, nullable, tag,
                 match["default"], comment)


class MessageReader:
    """Builds one message from its indented lines."""

    def __init__(self, name, versions):
        self.root = Struct(name, versions)
        self.known = {}
        self.order = []
        self.open = [(0, self.root)]  # (indentation of its line, struct)

    def add(self, indent, text, comment):
        while self.open[-1][0] >= indent:
            self.close_struct()
        outer, owner = self.open[-1]
        if indent != outer + 2:
            raise SchemaError("indented as if it belonged to something")
        added = parse_field(text, comment, owner.versions)
        if added.type not in BUILT_IN:
            self.open_struct(indent, added)
        if any(f.name == added.name for f in owner.fields):
            raise SchemaError(f"{added.name} is there twice")
        owner.fields.append(added)

    def open_struct(self, indent, added):
        if added.type not in self.known:
            self.known[added.type] = Struct(f"{self.root.name}_{added.type}", self.root.versions)
            self.known[added.type].versions = added.versions
            self.open.append((indent, self.known[added.type]))
        else:  # described further up: it is in the versions of all its uses
            shared = self.known[added.type]
            widened = (min(shared.versions[0], added.versions[0]),
                       max(shared.versions[1], added.versions[1]))
            self.widen(shared, shared.versions, widened)
        added.struct = self.known[added.type]

    def widen(self, struct, before, after):
        """Fields that were in all versions of the struct, or up to its last, stay so."""
        struct.versions = after
        for f in struct.fields:
            low, high = f.versions
            f_after = (after[0] if low == before[0] else low,
                       after[1] if high == before[1] else high)
            if f.nullable == f.versions:
                f.nullable = f_after
            f.versions = f_after
            if f.struct:
                self.widen(f.struct, before, after)

    def close_struct(self):
        _, struct = self.open.pop()
        if not struct.fields:
            raise SchemaError(f"{struct.name} has no fields")
        self.order.append(struct)

    def finish(self):
        while len(self.open) > 1:
            self.close_struct()
        return Message(self.root.name, self.root, self.order + [self.root])


HEAD = re.compile(r"api (\d+) (\w+) versions (\d+)-(\d+)(?: flexible (\d+))?"
                  r"(?: advertised (\d+)-(\d+))?")


def read_lines(path):
    with open(path, encoding="ascii") as file:
        for number, line in enumerate(file, 1):
            text, _, comment = line.partition("#")
            yield number, len(text) - len(text.lstrip(" ")), text.strip(), comment.strip()


def read_api(path):
    api, reader, readers, about = None, None, {}, ""
    for number, indent, text, comment in read_lines(path):
        try:
            if not text:
                about = about or comment
            elif api is None:
                api = parse_head(text, about)
            elif indent == 0 and text in ("request", "response"):
                reader = MessageReader(f"kafka_{api.snake}_{text}", api.versions)
                readers[text] = reader
            elif reader is None or indent == 0:
                raise SchemaError(f"not expected here: {text}")
            else:
                reader.add(indent, text, comment)
        except SchemaError as error:
            raise SchemaError(f"{path}:{number}: {error}") from None
    if api is None or set(readers) != {"request", "response"}:
        raise SchemaError(f"{path}: an api line, a request and a response are needed")
    api.messages = [readers["request"].finish(), readers["response"].finish()]
    return api


def parse_head(text, about):
    match = HEAD.fullmatch(text)
    if not match:
        raise SchemaError(f"not an api line: {text}")
    versions = int(match[3]), int(match[4])
    advertised = (int(match[6]), int(match[7])) if match[6] else versions
    flexible = int(match[5]) if match[5] else NEVER
    return Api(int(match[1]), match[2], snake_case(match[2]), about, versions, advertised,
               flexible, [])
