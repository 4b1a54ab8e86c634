"""The checker as a program: what it prints, how it ends, on histories that it makes itself."""

import json
import subprocess
from pathlib import Path

import pytest

CHECK = Path(__file__).resolve().parents[3] / "build" / "release" / "check"
RUN_S = 60


def run(*arguments):
    """What the checker says to these arguments."""
    return subprocess.run([CHECK, *map(str, arguments)], capture_output=True, text=True,
                          timeout=RUN_S, check=False)


@pytest.fixture(name="good")
def good_history(tmp_path):
    """A folder with a history in which nothing is wrong."""
    folder = tmp_path / "good"
    assert run("generate", "--seed", 7, "--sends", 500, folder).returncode == 0
    return folder


def test_a_good_history_is_clean_and_ends_with_0(good):
    done = run("--figures", good)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("clean: 0 violations in ")


def test_a_spoilt_history_ends_with_1_and_names_what_and_where(good, tmp_path):
    spoilt = tmp_path / "spoilt"
    assert run("mutate", "two-leaders", "--seed", 3, good, spoilt).returncode == 0
    done = run(spoilt)
    assert done.returncode == 1
    assert "two-leaders-in-one-epoch: 1 (" in done.stdout
    assert f"({spoilt}/drill.jsonl:" in done.stdout


def test_the_json_has_all_that_a_drill_wants(good, tmp_path):
    spoilt = tmp_path / "spoilt"
    assert run("mutate", "lost", "--seed", 3, good, spoilt).returncode == 0
    done = run("--json", spoilt)
    result = json.loads(done.stdout)
    assert done.returncode == 1
    assert result["verdict"] == "violations"
    assert result["properties"]["lost"] == 1
    assert result["rpo"]["records"] == 1
    lost = next(v for v in result["violations"] if v["property"] == "lost")
    assert lost["value"] and lost["topic"] == "orders" and lost["neighbours"]
    fault = result["figures"]["faults"][0]
    assert fault["rto"]["partitions"]["samples"] > 0
    assert fault["rto"]["clients_elsewhere"]["samples"] > 0
    assert {"before", "during", "after", "availability", "elections"} <= fault.keys()


def test_no_more_violations_are_shown_than_asked_for(good, tmp_path):
    spoilt = tmp_path / "spoilt"
    assert run("mutate", "replica-short", "--seed", 3, good, spoilt).returncode == 0
    result = json.loads(run("--json", "--max-shown", 2, spoilt).stdout)
    assert result["properties"]["replicas-differ"] > 2
    assert len(result["violations"]) == 2


def test_without_final_reads_a_run_is_incomplete_and_ends_with_2(good):
    (good / "final.jsonl").unlink()
    done = run(good)
    assert done.returncode == 2
    assert "was not read to its end" in done.stdout


def test_a_malformed_line_ends_with_2_and_is_named(good):
    path = good / "b-load.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    lines[4] = '{"at":17,"type":[]}\n'
    path.write_text("".join(lines))
    done = run(good)
    assert done.returncode == 2
    assert f"{path}:5: " in done.stderr


@pytest.mark.parametrize("arguments", [[], ["--nonsense", "x"], ["--max-shown", "-1", "x"],
                                       ["/nonexistent"], ["generate"], ["mutate", "nothing"]])
def test_what_can_not_be_done_ends_with_2_and_says_why(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr


def test_a_folder_without_histories_is_nothing_to_judge(tmp_path):
    done = run(tmp_path)
    assert done.returncode == 2
    assert "nothing to judge" in done.stderr
