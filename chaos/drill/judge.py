"""The checker's word on the histories of one drill."""

import json
import subprocess
from dataclasses import dataclass

JUDGE_S = 120
SHOWN = 3


class JudgeError(Exception):
    """The checker could not judge, or not all of it; a sentence."""


@dataclass(frozen=True)
class Judgement:
    properties: dict  # how many violations of each, none of those without
    violations: list  # the first few, in words
    figures: dict


def judge(program, folder):
    """Raises JudgeError for what can be called neither clean nor broken."""
    try:
        done = subprocess.run([str(program), "--json", "--max-shown", str(SHOWN), str(folder)],
                              capture_output=True, text=True, timeout=JUDGE_S, check=False)
        said = json.loads(done.stdout) if done.stdout else None
    except (subprocess.TimeoutExpired, json.JSONDecodeError, OSError) as error:
        raise JudgeError(f"the checker came to no verdict: {error}") from error
    (folder / "check.json").write_text(done.stdout, encoding="utf-8")
    if not said or done.returncode not in (0, 1, 2):
        raise JudgeError(f"the checker ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    if done.returncode == 2:
        raise JudgeError(f"incomplete: {'; '.join(said['incomplete'][:SHOWN])}")
    return judgement_of(said)


def judgement_of(said):
    """Of the checker's JSON."""
    properties = {name: count for name, count in said["properties"].items() if count}
    return Judgement(properties, [in_words(v) for v in said["violations"]], figures_of(said))


def in_words(violation):
    where = ""
    if "partition" in violation:
        where = f" {violation['topic']}/{violation['partition']}"
        where += f" offset {violation['offset']}" if violation["offset"] >= 0 else ""
    return f"{violation['property']}:{where} {violation['what']}"


def figures_of(said):
    """What the table and the results want of the checker's figures."""
    figures = {"lost": said["rpo"]["records"], "lost_bytes": said["rpo"]["bytes"],
               "lost_ms": said["rpo"]["time_ms"],
               "lost_by_recovery": said["lost_by_recovery"]["records"],
               "known_lost": said["lost_by_recovery"]["known_lost"],
               "duplicates_of_plain_producers": said["counts"]["duplicates_of_plain_producers"],
               "reads": said["counts"]["reads"]}
    if said.get("figures"):
        figures["group_rereads"] = said["figures"]["group_rereads"]
        for fault in said["figures"]["faults"][:1]:
            figures["check"] = {"rto": fault["rto"], "availability": fault["availability"]["all"]}
    return figures
