"""Whom a fault falls upon, and what a campaign does with labs and folders."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "chaos"))

import pytest  # noqa: E402

from drill import campaign as campaign_module  # noqa: E402
from drill.aim import Aimer  # noqa: E402
from drill.campaign import Campaign  # noqa: E402
from drill.ground import GroundError  # noqa: E402
from drill.plan import Row  # noqa: E402

SITES = {1: "a", 2: "b", 3: "c"}
PAIRS = {1: "a", 2: "b", 3: "c", 4: "a", 5: "b", 6: "c"}
LEADERS = {0: 2, 1: 2, 2: 1, 3: 3}


def aim(target, fault="kill", sites=SITES, leaders=LEADERS, seed=1):
    return Aimer(sites, lambda: 3).aim(target, fault, leaders, seed)


def test_the_leader_is_the_node_that_leads_most():
    assert aim("leader").nodes == (2,) and aim("leader").faulted_site == "b"


def test_of_several_that_lead_as_many_the_seed_chooses_always_the_same():
    even = {0: 1, 1: 2, 2: 3}
    chosen = [aim("leader", leaders=even, seed=seed).nodes for seed in range(20)]
    assert len(set(chosen)) == 3
    assert chosen == [aim("leader", leaders=even, seed=seed).nodes for seed in range(20)]


def test_a_site_is_all_its_nodes():
    assert aim("site", sites=PAIRS).nodes == (2, 5)


def test_clients_of_a_site_that_is_cut_off_are_not_asked_but_those_of_a_killed_one_are():
    assert aim("site", "cut-site").lost_sites == {"b"}
    assert aim("site", "kill").lost_sites == frozenset()


def test_the_coordinator_is_asked_for():
    assert aim("coordinator").nodes == (3,)


def test_a_pair_is_two_sites_and_no_node():
    assert len(set(aim("pair").sites)) == 2 and aim("pair").nodes == ()
    assert aim("pair").faulted_site is None and aim("pair").faulted_node is None


def test_two_sites_are_all_their_nodes():
    two = aim("two_sites")
    assert len(set(two.sites)) == 2 and two.faulted_site is None
    assert [SITES[node] for node in two.nodes] == list(two.sites) and two.target == "-".join(two.sites)


# ---- campaigns ------------------------------------------------------------------------------
class FakeGround:
    def __init__(self, kind, log):
        self.kind, self.log = kind, log
        log.append(f"up {kind}")

    def down(self):
        self.log.append(f"down {self.kind}")

    def copy_logs(self, folder):
        self.log.append("logs")


def rows(*kinds):
    return [Row(f"f{i}", "kill", "leader", 1, "none", "words", kind)
            for i, kind in enumerate(kinds)]


def run(monkeypatch, tmp_path, wanted, verdicts, raise_ground=None):
    log = []

    class FakeDrill:
        def __init__(self, row, ground, *_):
            self.row = row
            log.append(f"drill {row.name} on {ground.kind}")

        def run(self):
            verdict = verdicts.get(self.row.name, "safe")
            return {"name": self.row.name, "target": "", "verdict": verdict, "why": "",
                    "missed": [], "figures": {}}

    monkeypatch.setattr(campaign_module, "Drill", FakeDrill)
    monkeypatch.setattr(campaign_module, "PAUSE_S", 0)
    raise_one = raise_ground or (lambda kind: FakeGround(kind, log))
    said = []
    results = Campaign(wanted, 1, tmp_path, None, raise_one, None, said.append).run()
    return log, results, said


def test_drills_share_a_lab_of_their_kind(monkeypatch, tmp_path):
    log, _, _ = run(monkeypatch, tmp_path, rows("plain", "plain", "disk"), {})
    assert log == ["up plain", "drill f0 on plain", "drill f1 on plain", "down plain", "up disk",
                   "drill f2 on disk", "down disk"]


def test_a_drill_that_ended_badly_ends_its_lab_and_its_folder_is_kept_and_named(monkeypatch,
                                                                                tmp_path):
    log, results, said = run(monkeypatch, tmp_path, rows("plain", "plain"), {"f0": "unsafe"})
    assert log == ["up plain", "drill f0 on plain", "logs", "down plain", "up plain",
                   "drill f1 on plain", "down plain"]
    assert results[0]["kept"] == str(tmp_path / "f0") and f"  kept: {tmp_path / 'f0'}" in said
    assert (tmp_path / "f0").exists() and not (tmp_path / "f1").exists()


def test_a_drill_that_could_not_be_judged_is_held_once_more_in_a_new_lab(monkeypatch, tmp_path):
    log, results, said = run(monkeypatch, tmp_path, rows("plain"), {"f0": "not judged"})
    assert log == ["up plain", "drill f0 on plain", "logs", "down plain"] * 2
    assert [r["verdict"] for r in results] == ["not judged"]
    assert (tmp_path / "f0").exists() and (tmp_path / "f0-again").exists()


def test_a_lab_that_can_not_be_raised_fails_its_drill_and_not_the_others(monkeypatch, tmp_path):
    made = []

    def raise_one(kind):
        if len(made) < 2:
            made.append(kind)
            raise GroundError("no room")
        return FakeGround(kind, [])

    _, results, _ = run(monkeypatch, tmp_path, rows("plain", "plain"), {}, raise_one)
    assert [(r["verdict"], r["why"]) for r in results] == [("not judged", "no room"), ("safe", "")]


def test_ctrl_c_ends_the_lab(monkeypatch, tmp_path):
    log = []

    class Interrupted:
        def __init__(self, *_):
            pass

        def run(self):
            raise SystemExit(130)

    monkeypatch.setattr(campaign_module, "Drill", Interrupted)
    with pytest.raises(SystemExit):
        Campaign(rows("plain"), 1, tmp_path, None, lambda kind: FakeGround(kind, log), None,
                 lambda text: None).run()
    assert log == ["up plain", "down plain"]
