"""The questions to nodes and what is made of their answers, against sockets that answer as told."""

import json
import pathlib
import socket
import struct
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "chaos"))

import pytest  # noqa: E402

from drill import wire  # noqa: E402
from drill.chronicle import Chronicle  # noqa: E402
from drill.observer import Observer  # noqa: E402


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def numbers(*values):
    return struct.pack(">i", len(values)) + b"".join(struct.pack(">i", v) for v in values)


def metadata(topic, partitions):
    """An answer with one node, one topic and (number, leader, epoch, in sync) of its partitions."""
    body = struct.pack(">i", 0)
    body += struct.pack(">ii", 1, 1) + text("h") + struct.pack(">i", 9092) + text("a")
    body += text("cluster") + struct.pack(">i", 1)
    body += struct.pack(">i", 1) + struct.pack(">h", 0) + text(topic) + b"\0"
    body += struct.pack(">i", len(partitions))
    for number, leader, epoch, in_sync in partitions:
        body += struct.pack(">hiii", 0, number, leader, epoch)
        body += numbers(1, 2) + numbers(*in_sync) + numbers()
    return body


def answering(body, cut_to=None):
    """A connect function whose socket answers one request with these bytes."""
    def connect(timeout_s):
        ours, theirs = socket.socketpair()

        def serve():
            with theirs:
                size, = struct.unpack(">i", theirs.recv(4))
                theirs.recv(size)
                answer = struct.pack(">i", 1) + body
                whole = struct.pack(">i", len(answer)) + answer
                theirs.sendall(whole[:cut_to])
        threading.Thread(target=serve, daemon=True).start()
        return ours
    return connect


def refusing(timeout_s):
    raise ConnectionRefusedError("nobody listens")


def test_partitions_are_read_from_metadata():
    said = wire.ask_partitions(answering(metadata("t", [(0, 2, 7, (1, 2))])), ["t"])
    assert said == (wire.Partition("t", 0, 2, 7, (1, 2), (1, 2)),)


def test_a_coordinator_is_read():
    body = struct.pack(">ih", 0, 0) + struct.pack(">h", -1) + struct.pack(">i", 3) + text("h")
    assert wire.ask_coordinator(answering(body), "g") == 3


@pytest.mark.parametrize("cut_to", [2, 10, 30])
def test_an_answer_cut_short_is_no_answer(cut_to):
    with pytest.raises(wire.AnswerError):
        wire.ask_partitions(answering(metadata("t", [(0, 2, 7, (1,))]), cut_to), ["t"])


def test_an_array_larger_than_its_answer_is_refused():
    with pytest.raises(wire.AnswerError):
        wire.ask_partitions(answering(struct.pack(">ii", 0, 2**30)), ["t"])


def test_nobody_there_is_no_answer():
    with pytest.raises(wire.AnswerError):
        wire.ask_partitions(refusing, ["t"])


def observer_of(tmp_path, answers):
    chronicle = Chronicle(tmp_path / "driver.jsonl", 1)
    return Observer(answers, "t", chronicle), chronicle


def test_all_is_level_only_when_every_node_says_so(tmp_path):
    level = answering(metadata("t", [(0, 1, 5, (1, 2))]))
    observer, _ = observer_of(tmp_path, {1: level, 2: level})
    observer.start()
    assert observer.wait_level(1, 10) is not None
    observer.stop()
    assert observer.leaders() == {0: 1}


def test_what_is_not_level_is_said_in_words(tmp_path):
    lags = answering(metadata("t", [(0, 1, 5, (1,))]))
    observer, _ = observer_of(tmp_path, {1: lags, 2: lags})
    observer.start()
    assert observer.wait_level(1, 0.8) is None
    observer.stop()
    assert "[2] lag in partition 0" in observer.why_not_level(1)


def test_a_node_that_is_silent_is_not_level(tmp_path):
    level = answering(metadata("t", [(0, 1, 5, (1, 2))]))
    observer, _ = observer_of(tmp_path, {1: level, 2: refusing})
    observer.start()
    assert observer.wait_level(1, 0.8) is None
    observer.stop()
    assert observer.why_not_level(1) == "node 2 does not answer"


def test_an_epoch_that_rises_is_an_election_and_stands_in_the_history(tmp_path):
    observer, chronicle = observer_of(tmp_path, {})
    observer._note(1, wire.Partition("t", 0, 1, 5, (1, 2), (1, 2)))
    observer._note(2, wire.Partition("t", 0, 1, 5, (1, 2), (1, 2)))
    assert observer.elections(0, 2**62) == 0
    observer._note(2, wire.Partition("t", 0, 2, 6, (1, 2), (1, 2)))
    observer._note(1, wire.Partition("t", 0, 2, 6, (1, 2), (1, 2)))
    assert observer.elections(0, 2**62) == 1 and observer.elections(0, 2**62, {1}) == 0
    chronicle.close()
    lines = [json.loads(line) for line in (tmp_path / "driver.jsonl").read_text().splitlines()]
    assert [x["type"] for x in lines] == ["history", "process"] + ["metadata"] * 4 + ["stage"]
    assert lines[-1]["name"] == "end"


def test_words_of_others_can_not_break_a_line_of_the_history(tmp_path):
    chronicle = Chronicle(tmp_path / "driver.jsonl", 1)
    chronicle.write("error", error='a "quoted"\nline \\ of ünknown length' + "x" * 300)
    chronicle.close()
    line = json.loads((tmp_path / "driver.jsonl").read_text().splitlines()[2])
    assert line["error"].startswith("a ?quoted??line ? of ?nknown") and len(line["error"]) == 255
