"""The plan, and the page that is made of results."""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "chaos"))

import pytest  # noqa: E402

from failover import figures, page, plan, ways  # noqa: E402
from faults import catalogue  # noqa: E402

WAY = {**figures.spread("gap", [400_000, 600_000]), **figures.spread("return", []),
       **figures.spread("others", []), **figures.spread("resumed", [None]), "sent": 10,
       "acknowledged": 9, "failed": 1, "unknown": 0}


def result(name="brokers-killed", **changed):
    return {"name": name, "words": "kill -9", "verdict": "safe", "why": "",
            "bounds": ["router: gap p99 ≤ 2 s"], "missed": [], "ways": {"router": WAY, "direct": WAY},
            "figures": {"lost": 0, "machine_load": 1.5}, "command": "make", **changed}


def run_of(*drills):
    return {"one_way_ms": 25, "machine": "2 cores", "drills": list(drills)}


def test_every_drill_has_a_name_of_its_own_a_fault_and_ways_for_its_bounds():
    names = [row.name for row in plan.PLAN]
    assert len(set(names)) == len(names)
    for row in plan.PLAN:
        assert row.fault in {*catalogue.KINDS, plan.APPLICATIONS}
        assert all(way in {w.name for w in row.ways} and figure in figures.WORDS
                   for way, figure, _ in row.bounds)


def test_clients_of_each_language_have_a_drill_in_which_their_sites_brokers_die():
    for way in ways.LANGUAGES:
        row = plan.row_named(f"brokers-killed-{way.name}")
        assert row.ways == (way,) and (way.name, "gap_p99_s", 2.0) in row.bounds


def test_every_fault_meets_the_clients_of_all_languages():
    for row in plan.PLAN:
        if row.ways == ways.WAYS:
            met_by = {way for other in plan.PLAN for way in other.ways
                      if (other.fault, other.hit) == (row.fault, row.hit)}
            assert met_by.issuperset(ways.LANGUAGES), row.name


def test_an_unknown_drill_is_answered_with_those_there_are():
    with pytest.raises(KeyError, match="brokers-killed"):
        plan.row_named("kill-bill")


def test_there_are_enough_samples_in_each_drill():
    for row in plan.PLAN:
        for _, figure, _ in row.bounds:
            sites = 2 if figure == "others_p99_s" else 1
            assert min(row.size.producers, row.size.groups * row.size.members) * sites * row.rounds >= 200


def test_the_page_in_docs_has_each_drill_of_the_plan_and_all_were_safe():
    stored = json.loads((ROOT / "docs" / "failover.json").read_text(encoding="utf-8"))
    assert [drill["name"] for drill in stored["drills"]] == [row.name for row in plan.PLAN]
    assert {drill["verdict"] for drill in stored["drills"]} == {"safe"}


def test_each_way_is_a_row_with_as_many_cells_as_the_head():
    failed = result("other", ways={}, verdict="not judged", why="no lab")
    lines = [x for x in page.text(run_of(result(), failed)).splitlines() if x.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1 and len(lines) == 5


def test_a_row_says_what_was_missed_and_only_of_its_own_way():
    missed = result(missed=["router: gap p99 ≤ 2 s"])
    router, direct = page.rows(missed)
    assert "**missed**: gap p99 ≤ 2 s" in router and "–" == direct[3]
    assert "met: gap p99 ≤ 2 s" in next(page.rows(result()))


def test_one_drill_again_renews_its_own_rows_only(tmp_path):
    made = tmp_path / "failover.md"
    page.renew(made, run_of(result("one"), result("two")), ["one", "two"])
    page.renew(made, run_of(result("two", words="again")), ["one", "two"])
    stored = json.loads((tmp_path / "failover.json").read_text(encoding="utf-8"))
    assert [(r["name"], r["words"]) for r in stored["drills"]] == [("one", "kill -9"), ("two", "again")]
    assert "again" in made.read_text(encoding="utf-8")


@pytest.mark.parametrize("process,where", [("a-router-producer-3", ("a", "router")),
                                           ("b-direct.2-member-0", ("b", "direct"))])
def test_a_process_tells_its_site_and_way(process, where):
    assert ways.site_and_way(process) == where
