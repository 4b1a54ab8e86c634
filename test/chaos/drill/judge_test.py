"""What is made of the checker's words; the checker here is a script that says what it is told."""

import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "chaos"))

import pytest  # noqa: E402

from drill.judge import JudgeError, judge  # noqa: E402


def said(**changed):
    return {"properties": {"lost": 0, "poll-gap": 0}, "violations": [], "incomplete": [],
            "counts": {"duplicates_of_plain_producers": 1, "reads": 9},
            "rpo": {"records": 0, "bytes": 0, "time_ms": 0.0},
            "lost_by_recovery": {"recoveries": 0, "records": 0, "bytes": 0, "read_records": 0,
                                 "known_lost": 0},
            "figures": {"group_rereads": 2, "faults": []}, **changed}


def checker(tmp_path, words, status):
    program = tmp_path / "checker"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{words}\nEND\nexit {status}\n")
    program.chmod(0o755)
    return program


def run(tmp_path, words, status):
    return judge(checker(tmp_path, words, status), tmp_path)


def test_a_clean_history_has_no_violation(tmp_path):
    judgement = run(tmp_path, json.dumps(said()), 0)
    assert (judgement.violations, judgement.properties) == ([], {})
    assert judgement.figures["lost"] == 0 and judgement.figures["group_rereads"] == 2


def test_a_violation_is_told_in_words(tmp_path):
    lost = {"property": "lost", "what": "is not there", "topic": "t", "partition": 3, "offset": 7}
    judgement = run(tmp_path, json.dumps(said(properties={"lost": 2}, violations=[lost])), 1)
    assert judgement.properties == {"lost": 2}
    assert judgement.violations == ["lost: t/3 offset 7 is not there"]


def test_what_could_not_all_be_judged_is_not_clean(tmp_path):
    with pytest.raises(JudgeError, match="partition 4"):
        run(tmp_path, json.dumps(said(incomplete=["partition 4 was not read"])), 2)


@pytest.mark.parametrize("words,status", [("not JSON", 0), ("{}", 7)])
def test_a_checker_that_fails_is_no_verdict(tmp_path, words, status):
    with pytest.raises(JudgeError):
        run(tmp_path, words, status)
