"""What clients of other languages say, and the history that is made of it. The clients themselves are
tried by the drills."""

import base64
import json
import pathlib
import stat
import sys
import threading
from types import SimpleNamespace

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "chaos"))

from failover import figures  # noqa: E402
from failover.clients import book as books  # noqa: E402
from failover.clients import keeper as keepers  # noqa: E402
from failover.clients import voices  # noqa: E402

WAIT_S = 30
MEMBER, GROUP = "a-java-member-0", "t-java-g0"


def lines_of(path):
    return [json.loads(line) for line in path.read_text(encoding="ascii").splitlines()]


def of_kind(path, kind):
    return [line for line in lines_of(path) if line["type"] == kind]


def a_book(tmp_path):
    return books.Book(tmp_path / "a-java.jsonl", 1, "a", "java", "t"), tmp_path / "a-java.jsonl"


def an_options(tmp_path, **more):
    words = {"client": "java", "says": "java", "site": "a", "tag": "java", "topic": "t",
             "bootstrap": "x:1", "group-prefix": "t-java-g", "history": tmp_path / "a-java.jsonl",
             "seed": 1, "partitions": 4, "producers": 2, "members": 1, "rate": 400,
             "settle-seconds": 1, **more}
    return keepers.read_options([str(x) for name, value in words.items()
                                 for x in (f"--{name}", value) if x != ""])


def test_the_sum_is_crc_32c():
    assert books.crc32c(b"123456789") == 0xe3069283


def test_a_value_tells_its_name_and_strange_bytes_have_none_of_ours():
    made = books.make_value("a-java-producer-0-1", 100, __import__("random").Random(1))
    assert len(made) == 100 and b"\n" not in made and b"\t" not in made
    assert books.name_of(made) == "a-java-producer-0-1"
    assert books.name_of(b"no end").startswith("?")


def test_a_send_is_noted_before_it_is_asked_for_and_ends_once(tmp_path):
    book, path = a_book(tmp_path)
    number = book.send("a-java-producer-0", -1, None, b"a\0b")
    book.send_end(number, "ok", partition=2, offset=7)
    book.send_end(number, "unknown", error="late")
    begun, ended = of_kind(path, "send")
    assert "outcome" not in begun and "key" not in begun and begun["size"] == 3
    assert (ended["outcome"], ended["partition"], ended["offset"]) == ("ok", 2, 7)


def test_lines_of_a_client_never_go_back_in_time(tmp_path):
    book, path = a_book(tmp_path)
    book.assign(MEMBER, GROUP, 5_000, [0], True)
    book.assign(MEMBER, GROUP, 4_000, [0], False)
    assert [line["at"] for line in lines_of(path)[-2:]] == [5_000, 5_000]


def test_records_of_one_poll_stand_within_it(tmp_path):
    book, path = a_book(tmp_path)
    book.poll(MEMBER, GROUP, 9, [(0, 1, "k", b"x\0"), (0, 2, None, b"y\0")])
    assert [line["type"] for line in lines_of(path)[-4:]] == ["poll", "read", "read", "poll"]
    assert of_kind(path, "poll")[-1]["count"] == 2


def test_a_commit_ends_for_each_of_its_partitions(tmp_path):
    book, path = a_book(tmp_path)
    book.commit(MEMBER, GROUP, 1, 1, {0: 5, 3: 8})
    book.commit_end(MEMBER, GROUP, 2, 1, "unknown", "why")
    ends = [line for line in of_kind(path, "commit") if "outcome" in line]
    assert [(line["partition"], line["offset"], line["outcome"]) for line in ends] == [
        (0, 5, "unknown"), (3, 8, "unknown")]


class Echo:
    """A client that acknowledges at once, but the fifth never and every seventh as unknown."""
    fixed_partition = False

    def __init__(self, _, __, take):
        self._take, self._count = take, 0
        take(1, "ready", [])

    def send(self, _, number, __, ___, ____):
        self._count += 1
        if self._count == 5:
            return
        if self._count % 7 == 0:
            self._take(1, "unknown", [str(number), "Why"])
        else:
            self._take(1, "ok", [str(number), "1", str(self._count)])

    @staticmethod
    def has_ended():
        return False

    @staticmethod
    def end(_):
        return True


def test_a_keeper_sends_until_it_is_told_and_tells_every_outcome(tmp_path, monkeypatch):
    monkeypatch.setattr(keepers, "prepare_topic", lambda _: True)
    monkeypatch.setattr(keepers, "voice_of", lambda _: Echo)
    keeper = keepers.Keeper(an_options(tmp_path))
    statuses = []
    thread = threading.Thread(target=lambda: statuses.append(keeper.run()))
    thread.start()
    while len(of_kind(tmp_path / "a-java.jsonl", "send")) < 40:
        thread.join(0.05)
        assert thread.is_alive()
    keeper.ends.set()
    thread.join(WAIT_S)
    assert statuses == [0]
    sends = of_kind(tmp_path / "a-java.jsonl", "send")
    asked = {line["value"] for line in sends if "outcome" not in line}
    outcomes = [line["outcome"] for line in sends if "outcome" in line]
    assert len(asked) == len(outcomes) + 1 and set(outcomes) == {"ok", "unknown"}
    stages = [line["name"] for line in of_kind(tmp_path / "a-java.jsonl", "stage")]
    assert stages == ["load", "settle", "end"]


def test_a_keeper_whose_client_ends_by_itself_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(keepers, "prepare_topic", lambda _: True)
    monkeypatch.setattr(keepers, "voice_of", lambda _: type("Dead", (Echo,), {
        "has_ended": staticmethod(lambda: True)}))
    assert keepers.Keeper(an_options(tmp_path)).run() == 1


def test_members_that_are_only_timed_are_beside_the_history_and_have_their_figures(tmp_path):
    keeper = keepers.Keeper(an_options(tmp_path, **{"timed-members": ""}))
    keeper._members = [keeper._member(0)]
    keeper.take(10, "assign", ["0", "2"])
    keeper.take(20, "read", ["0", "2", "7", "-", "YQBi"])
    keeper.take(30, "polled", ["0"])
    keeper.book.close()
    keeper.members_book.close()
    assert not of_kind(tmp_path / "a-java.jsonl", "assign") + of_kind(tmp_path / "a-java.jsonl", "read")
    book = figures.read(tmp_path)
    assert book.owns[MEMBER] and book.reads[GROUP, 2] == [30]


FAKE_KCAT = """#!/bin/bash
if [ "$1" = -G ]; then
    echo "% Group $2 rebalanced (memberid rdkafka-1): assigned: t [0], t [3]" >&2
    printf '3\\t7\\t-1\\t\\tname\\0filling\\n0\\t8\\t2\\tk5\\tother\\0\\n'
    exec sleep 60
fi
while IFS= read -r line; do
    echo "% Message delivered to partition 3 (offset $((offset++)))" >&2
done
"""


class Said(list):
    """Knows when so much was said."""

    def __init__(self, count):
        super().__init__()
        self.count, self.is_whole = count, threading.Event()

    def append(self, one):
        super().append(one)
        if len(self) >= self.count:
            self.is_whole.set()


def fake_kcat(tmp_path, monkeypatch, said, **counts):
    program = tmp_path / "kcat"
    program.write_text(FAKE_KCAT, encoding="ascii")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    options = SimpleNamespace(partitions=4, bootstrap="x:1", topic="t", site="a", group_prefix="g", **counts)
    return voices.Kcat("kcat", options, lambda _, kind, words: said.append((kind, words)))


def test_kcat_tells_of_records_in_the_order_in_which_they_were_sent(tmp_path, monkeypatch):
    said = []
    kcat = fake_kcat(tmp_path, monkeypatch, said, producers=1, members=0)
    for number in (11, 12):
        kcat.send(0, number, 3, None, b"name\0filling")
    assert kcat.end(WAIT_S)
    assert said == [("ready", []), ("ok", [11, 3, 0]), ("ok", [12, 3, 1])]


def test_kcat_tells_of_what_its_members_have_and_read(tmp_path, monkeypatch):
    said = Said(6)
    kcat = fake_kcat(tmp_path, monkeypatch, said, producers=0, members=1)
    assert said.is_whole.wait(WAIT_S)
    kcat.end(WAIT_S)

    def text(data):
        return base64.b64encode(data).decode()
    assert [one for one in said if one[0] in ("read", "polled")] == [
        ("read", [0, 3, 7, "-", text(b"name\0filling")]), ("polled", [0]),
        ("read", [0, 0, 8, text(b"k5"), text(b"other\0")]), ("polled", [0])]
    assert ("assign", [0, "0", "3"]) in said
