"""Figures of sends that are made up, so that the right answer is known."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "chaos"))

from drill import figures  # noqa: E402
from drill.figures import Send, Window  # noqa: E402

MS = 1000
FAULT = 10_000 * MS


def steady(from_ms, to_ms, took_ms=60, every_ms=50, partition=0, process="a-producer-0"):
    return [Send(process, process[0], partition, at * MS, (at + took_ms) * MS, "ok")
            for at in range(from_ms, to_ms, every_ms)]


def test_recovery_is_the_first_acknowledgement_of_what_was_asked_for_after_the_fault():
    sends = steady(8_000, 10_000) + steady(10_700, 14_000)
    assert figures.recovery_us(sends, FAULT) == 760 * MS


def test_an_answer_that_was_under_way_when_the_fault_came_is_no_recovery():
    sends = [Send("a-producer-0", "a", 0, FAULT - 10 * MS, FAULT + 20 * MS, "ok")]
    assert figures.recovery_us(sends + steady(11_000, 13_000), FAULT) == 1_060 * MS


def test_recovery_waits_until_a_whole_second_succeeds():
    bad = Send("a-producer-0", "a", 0, FAULT + 900 * MS, FAULT + 950 * MS, "fail")
    sends = steady(10_500, 10_600) + [bad] + steady(11_000, 14_000)
    assert figures.recovery_us(sends, FAULT) == 1_060 * MS


def test_who_never_comes_back_has_no_recovery_and_is_counted():
    sends = steady(8_000, 10_000) + [Send("a-producer-0", "a", 0, FAULT + 5 * MS)]
    assert figures.recovery_us(sends, FAULT) is None
    got = figures.recovery(sends, Window(8_000 * MS, FAULT, 12_000 * MS, 14_000 * MS, {0}))
    assert (got["rto_samples"], got["rto_never"]) == (0, 1)


def test_only_partitions_that_were_led_by_what_broke_count_for_recovery():
    sends = steady(10_500, 14_000, partition=0) + steady(10_000, 14_000, partition=1)
    got = figures.recovery(sends, Window(8_000 * MS, FAULT, 12_000 * MS, 14_000 * MS, {0}))
    assert got["rto_samples"] == 1 and got["rto_p50_s"] == 0.56


def test_clients_of_a_lost_site_do_not_count():
    sends = steady(10_500, 14_000) + steady(10_900, 14_000, process="b-producer-0")
    window = Window(8_000 * MS, FAULT, 12_000 * MS, 14_000 * MS, {0}, {"a"})
    assert figures.recovery(sends, window)["rto_max_s"] == 0.96


def test_the_longest_gap_counts_the_edges_too():
    assert figures.longest_gap_us(steady(1_000, 2_000), 0, 2_000 * MS) == 1_060 * MS


def probed(site, node, moments_ms, partition=0):
    return [Send(f"{site}-probe-{node}", site, partition, at * MS, at * MS, "ok", True, node)
            for at in moments_ms]


def test_a_handovers_gap_is_told_by_the_probes_beside_the_brokers_alone():
    """Node 1 in a acknowledges until 10 s, node 2 in b from 10.15 s on; what reaches c comes late."""
    sends = (probed("a", 1, range(7_000, 10_001, 10)) + probed("b", 2, range(10_150, 13_001, 10)) +
             probed("c", 1, range(7_025, 10_026, 10)) + probed("a", 2, range(10_175, 13_001, 10)) +
             steady(7_000, 13_000))
    got = figures.handover_gaps(sends, [(10_200 * MS, 0, 5, 2)], {1: "a", 2: "b", 3: "c"},
                                (7_000 * MS, 8_000 * MS))
    assert (got["handover_gap_max_s"], got["handover_gap_samples"]) == (0.15, 1)
    assert got["rest_gap_p99_s"] == 0.01


def test_a_handover_that_nobody_was_beside_is_no_short_gap():
    got = figures.handover_gaps(probed("c", 1, range(7_000, 13_000, 10)), [(10_000 * MS, 0, 5, 2)],
                                {1: "a"}, (7_000 * MS, 8_000 * MS))
    assert got["handover_gap_max_s"] == 2.25 and got["rest_gap_p50_s"] is None


def test_probes_beside_the_brokers_tell_no_recovery():
    told = {"rto_max_s": 9.0, "gap_max_s": 9.0, "client_rto_max_s": 1.0, "handover_gap_max_s": 0.1}
    figures.leave_out_recovery(told)
    assert told == {"client_rto_max_s": 1.0, "handover_gap_max_s": 0.1}


def test_speed_during_is_held_against_speed_before():
    sends = steady(8_000, 10_000, took_ms=50) + steady(10_000, 12_000, took_ms=100, every_ms=100)
    got = figures.speeds(sends, Window(8_000 * MS, FAULT, 12_000 * MS, 14_000 * MS))
    assert abs(got["throughput_ratio"] - 0.5) < 0.03 and got["ack_p99_ratio"] == 2.0


def test_slots_without_an_acknowledgement_are_seen():
    window = Window(8_000 * MS, FAULT, 11_000 * MS, 14_000 * MS)
    assert figures.slots(steady(9_000, 12_000), window) == 1.0
    assert figures.slots(steady(9_000, 10_400) + steady(10_640, 12_000), window) == 0.8


def test_a_percentile_is_one_of_the_values():
    assert figures.percentile([3, 1, 2], 0.5) == 2
    assert figures.percentile(list(range(1, 101)), 0.99) == 99
    assert figures.percentile([], 0.5) is None


def test_sends_are_read_from_histories_and_a_torn_last_line_is_left(tmp_path):
    lines = [
        {"at": 5, "type": "send", "process": "a-p", "site": "a", "id": 1, "partition": -1},
        {"at": 6, "type": "send", "process": "a-p", "site": "a", "id": 2, "partition": 4},
        {"at": 9, "type": "send", "process": "a-p", "site": "a", "id": 1, "partition": 3,
         "offset": 7, "outcome": "ok"}]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    (tmp_path / "a.jsonl").write_text(text + '{"at":10,"type":"send","id":2,"outc')
    first, second = figures.read_sends(tmp_path)
    assert (first.partition, first.done_us, first.outcome) == (3, 9, "ok")
    assert second.outcome == "unknown"
