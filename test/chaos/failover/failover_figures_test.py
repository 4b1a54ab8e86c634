"""Gaps and pauses, from histories that are made here."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "chaos"))

from failover import figures  # noqa: E402
from failover.figures import Round, Send  # noqa: E402

S = 1_000_000


def sends(*pairs, partition=0):
    """(asked, acknowledged) in seconds; None: never."""
    return [Send(round(asked * S), partition, round((done or 0) * S), "ok" if done else "unknown")
            for asked, done in pairs]


def test_a_gap_lasts_from_the_last_acknowledgement_while_something_waits():
    some = sends((1, 1.1), (2, 2.1), (2.05, 4), (3, 4.2), (5, 5.1))
    assert figures.longest_gap_us(some, 0, 6 * S) == 1.9 * S  # 2.1 to 4


def test_a_time_in_which_nothing_was_asked_is_no_gap():
    assert figures.longest_gap_us(sends((1, 1.1), (9, 9.2)), 0, 10 * S) == 0.2 * S


def test_what_is_never_acknowledged_waits_to_the_end_of_the_round():
    assert figures.longest_gap_us(sends((1, 1.1), (2, None)), 0, 10 * S) == 8 * S


def test_what_failed_waits_until_the_next_success():
    failed = Send(2 * S, 0, 3 * S, "fail")
    some = [*sends((1, 1.1), (3.5, 4)), failed]
    assert figures.longest_gap_us(some, 0, 4 * S + 1) == 2 * S


def test_a_gap_counts_from_the_fault_and_in_the_worst_partition():
    some = [*sends((1, 6)), *sends((2, 2.1), (5, 5.1), partition=1)]
    assert figures.producer_gap_us(some, 4 * S, 8 * S) == 2 * S
    assert figures.producer_gap_us(some, 7 * S, 8 * S) is None  # it had ended


def test_a_member_has_what_it_was_given_and_not_taken_from_it():
    changes = [(1, "g", 0, True), (1, "g", 1, True), (5, "g", 0, False)]
    assert figures.owned_at(changes, 3) == {("g", 0), ("g", 1)}
    assert figures.owned_at(changes, 9) == {("g", 1)}


def test_a_member_that_was_killed_before_is_no_sample():
    book = figures.Book()
    book.owns["a-router-member-0"] = [(1, "g", 0, True)]
    book.last_us["a-router-member-0"] = 3 * S
    book.written[0] = [(3 * S, 0), (8 * S, 1)]
    assert figures.member_pause_us(book, "a-router-member-0", 4 * S, 9 * S) == 5 * S
    assert figures.member_pause_us(book, "a-router-member-0", 8 * S, 9 * S) is None


def test_a_partition_to_which_nothing_was_written_pauses_nobody():
    book = figures.Book()
    book.owns["a-java-member-0"] = [(1, "g", 0, True), (1, "g", 1, True)]
    book.last_us["a-java-member-0"] = 9 * S
    book.reads["g", 0] = [4 * S, 6 * S, 8 * S]
    book.first_reads["g", 0] = {0: 4 * S, 1: 6 * S, 2: 8 * S}
    book.written[0] = [(3 * S, 0), (4 * S, 1), (6 * S, 2)]
    book.written[1] = [(3 * S, 0), (9 * S, 1)]
    assert figures.member_pause_us(book, "a-java-member-0", 4 * S, 9 * S) == 2 * S


def pause(written, reads, from_s, to_s):
    """`written`: when each record was asked for; `reads`: when each was read first; None: never."""
    firsts = {offset: at * S for offset, at in enumerate(reads) if at is not None}
    waiting = figures.Waiting([(at * S, offset) for offset, at in enumerate(written)], firsts)
    return figures.longest_pause_us(sorted(firsts.values()), waiting, from_s * S, to_s * S) / S


def test_a_partition_that_nobody_reads_any_more_pauses_to_the_end():
    assert pause([1, 2, 3, 4, 5], [1, 2, 3, None, None], 0, 10) == 6
    assert pause([1, 4, 5], [1, None, None], 5, 10) == 5


def test_nobody_pauses_where_there_is_nothing_to_read():
    assert pause([1, 8], [2, 9], 0, 10) == 1


def test_a_record_that_waits_is_a_pause_from_the_last_that_was_read_or_since_it_was_sent():
    assert pause([1, 2, 2, 7], [2, 3, 6, 8], 0, 10) == 3
    assert pause([1, 4, 4], [2, 9, 9], 0, 10) == 5


def test_what_was_there_before_its_group_pauses_nobody():
    assert pause([1, 5, 6], [None, 5, 7], 4, 10) == 1


def line(at, kind, process, **fields):
    return json.dumps({"at": round(at * S), "type": kind, "process": process, "site": "-", **fields},
                      separators=(",", ":")) + "\n"


def a_history():
    """A producer and a member of site a, a producer of b; whom each asks for what when."""
    def send(process, number, asked, done, offset):
        yield line(asked, "send", process, id=number, topic="t", partition=-1)
        yield line(done, "send", process, id=number, topic="t", partition=3, outcome="ok", offset=offset)
    yield from send("a-router-producer-0", 1, 1.0, 1.1, 1)
    yield from send("a-router-producer-0", 2, 2.5, 4.0, 6)
    yield from send("b-router-producer-0", 1, 2.5, 3.0, 5)
    yield line(0.5, "assign", "a-router-member-0", group="g", topic="t", partition=3, offset=-1)
    for at in (1, 2, 5, 6, 7, 8, 9):
        yield line(at, "read", "c-router-member-0", id=1, group="g", topic="t", partition=3, offset=at)


def test_a_way_is_told_by_the_clients_of_the_site_that_was_hit(tmp_path):
    (tmp_path / "a-router.jsonl").write_text("".join(a_history()) + '{"at":1', encoding="utf-8")
    (tmp_path / "a-read.jsonl").write_text(
        line(3, "read", "x", id=1, topic="t", partition=3, offset=0), encoding="utf-8")
    book = figures.read(tmp_path)
    told = figures.of_way(book, "router", [Round("a", 2 * S, 5 * S)], 9 * S)
    assert (told["gap_max_s"], told["gap_samples"]) == (1.5, 1)
    assert (told["others_max_s"], told["others_samples"]) == (0.5, 1)
    assert (told["resumed_max_s"], told["resumed_samples"]) == (2.5, 1)
    assert (told["sent"], told["acknowledged"], told["failed"]) == (3, 3, 0)
    assert figures.of_way(book, "direct", [Round("a", 2 * S, 5 * S)], 9 * S)["gap_samples"] == 0


def test_what_was_not_measured_keeps_no_bound():
    assert not figures.is_met(("router", "gap_p99_s", 2.0), {"router": {"gap_p99_s": None}})
    assert not figures.is_met(("router", "gap_p99_s", 2.0), {"router": {"gap_p99_s": 2.1}})
    assert figures.is_met(("router", "gap_p99_s", 2.0), {"router": {"gap_p99_s": 2.0}})
