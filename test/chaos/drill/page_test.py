"""The plan, the goals, and the page that is made of results."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "chaos"))

import pytest  # noqa: E402

from drill import goals, page, plan  # noqa: E402
from faults import catalogue  # noqa: E402


def result(name="kill-leader", **changed):
    made = {"name": name, "words": "kill -9", "verdict": "safe", "why": "", "missed": [],
            "goal_text": "RTO p50 ≤ 0.5 s", "command": f"make chaos FAULT={name} SEED=1",
            "figures": {"rto_p50_s": 0.31, "rto_samples": 12, "rto_never": 0, "lost": 0}}
    made.update(changed)
    return made


def run_of(*rows):
    return {"one_way_ms": 25, "machine": "2 cores", "prompt": "-", "faults": list(rows)}


def test_every_fault_has_a_name_of_its_own_a_goal_and_a_lab():
    names = [row.name for row in plan.PLAN]
    assert len(set(names)) == len(names)
    for row in plan.PLAN:
        assert row.goal in goals.GOALS and row.lab in plan.LABS and row.hold_s > 0


def test_an_unknown_fault_is_answered_with_those_there_are():
    with pytest.raises(KeyError, match="kill-leader"):
        plan.row_named("kill-bill")


def test_what_was_not_measured_is_not_met():
    assert goals.missed("leader", {}) == ["RTO p50 ≤ 0.5 s", "p99 ≤ 1.0 s"]
    assert goals.missed("leader", {"rto_p50_s": 0.5, "rto_p99_s": 1.01}) == ["p99 ≤ 1.0 s"]


def test_least_and_most_are_told_apart():
    kept = {"throughput_ratio": 0.95, "ack_p99_ratio": 1.2, "elections": 0}
    assert goals.missed("minority", kept) == []
    assert goals.missed("minority", {**kept, "throughput_ratio": 0.85}) == ["throughput ≥ 90 %"]
    assert goals.missed("minority", {**kept, "elections": 1}) == ["no election"]


def test_a_row_says_what_was_missed():
    assert "**missed**: p99 ≤ 1.0 s" in page.row(result(missed=["p99 ≤ 1.0 s"]))
    assert "met: RTO p50" in page.row(result())
    assert "0.31 s" in page.row(result())


def test_every_row_has_as_many_cells_as_the_head():
    skipped = result(verdict="not drilled", why="needs root")
    lines = [x for x in page.text(run_of(result(), skipped)).splitlines() if x.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 4


def test_those_who_never_came_back_are_not_hidden():
    hurt = result(figures={"rto_samples": 10, "rto_never": 2})
    assert "10, 2 never" in page.row(hurt)


def test_what_a_forced_recovery_took_is_told_beside_what_it_had_said():
    figures = {"lost_by_recovery": 147, "known_lost": 18, "printed_loss_s": 1.264,
               "ordered_rto_max_s": 1.54}
    told = page.text(run_of(result("forced-recovery", figures=figures), result()))
    assert "147 acknowledged records are gone" in told and "it had known of 18" in told
    assert "within the 1.26 s before the loss" in told and "1.5 s after the order" in told


def test_handovers_are_told_beside_what_the_probes_see_at_rest():
    timed = {"handover_gap_p50_s": 0.11, "handover_gap_p99_s": 0.187, "handover_gap_max_s": 0.201,
             "handover_gap_samples": 230, "rest_gap_p50_s": 0.03}
    told = page.text(run_of(result("switch", figures=timed), result()))
    assert "110 ms (p50), 187 ms (p99), 201 ms at most, over 230" in told
    assert "for 30 ms at most" in told and "**kill-leader**" not in told


def test_one_fault_drilled_again_renews_its_own_row_only():
    old = run_of(result("gone"), result("b"), result("a"))
    new = run_of(result("c"), result("b", verdict="red"))
    assert [(r["name"], r["verdict"]) for r in page.merged(old, new, "abc")["faults"]] == [
        ("a", "safe"), ("b", "red"), ("c", "safe")]


def test_results_come_back_as_they_were_stored(tmp_path):
    rows = [result("a"), result("b")]
    page.store(run_of(*rows, result("c", kept="/somewhere")), tmp_path / "results.json")
    assert page.load(tmp_path / "results.json") == run_of(*rows, result("c"))
    page.store(run_of(), tmp_path / "results.json")
    assert page.load(tmp_path / "results.json") == run_of()
    assert page.load(tmp_path / "none.json") == {"faults": []}


def test_every_fault_of_the_plan_is_one_that_there_is_with_its_options():
    for row in plan.PLAN:
        catalogue.make(row.fault, **row.options)
