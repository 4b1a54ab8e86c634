"""docs/operations.md says what is so: events, settings, metrics, commands that it names are there, and
each event that wants an operator is named."""

import re
import subprocess

import pytest

from admin_port import ask, trilog
from cluster import ROOT, trilogd
from metric_text import read_metrics

pytestmark = pytest.mark.trilog_only

PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
FOLDERS = ("base", "log", "replication", "cluster", "conf")
# Rows of tables whose first column is events.
EVENT_TABLES = re.findall(r"\| event \| means \| you do \|\n\| --- \| --- \| --- \|\n((?:\|.*\n)+)",
                          PAGE)
CODE = re.compile(r"`([^`]+)`")


def sources():
    return "\n".join(path.read_text(encoding="utf-8") for folder in FOLDERS
                     for path in sorted((ROOT / folder).rglob("*.c")))


NAME = '"([a-z]+(?:_[a-z]+)*)"'


def events_of(text):
    """All that are written: by name, by one of two names, or by a name for each state."""
    found = set(re.findall(rf"event_(?:debug|info|warn|error)\(\s*{NAME}", text))
    for call in re.findall(r"event_write\([^;]*;", text):
        found |= set(re.findall(NAME, call))
    for two in re.findall(rf"\? {NAME} : {NAME}", text):
        found |= set(two)
    for names in re.findall(r"names\[\] = \{([^}]*)\}", text):
        found |= set(re.findall(NAME, names))
    return found


def errors_of(text):
    """Those of level error, also where it depends."""
    found = set(re.findall(rf"event_error\(\s*{NAME}", text))
    for call in re.findall(r"event_write\([^;]*EVENT_ERROR[^;]*;", text):
        found |= set(re.findall(NAME, call))
    return found


def named_in_the_page():
    return {name for name in CODE.findall(PAGE) if re.fullmatch(r"[a-z]+(_[a-z]+)+", name)}


def test_events_that_the_page_explains_are_written_by_the_node():
    assert len(EVENT_TABLES) >= 2
    explained = {name for table in EVENT_TABLES for row in table.splitlines()
                 for name in CODE.findall(row.split("|")[1])}
    missing = explained - events_of(sources())
    assert not missing, f"no such events: {sorted(missing)}"


def test_every_event_that_wants_an_operator_is_in_the_page():
    missing = errors_of(sources()) - set(CODE.findall(PAGE))
    assert not missing, f"docs/operations.md does not say what to do at: {sorted(missing)}"


def test_names_in_the_page_are_events_settings_or_metrics(cluster):
    done = subprocess.run([trilogd(), "--config", cluster.nodes[0].config, "--print-config"],
                          capture_output=True, text=True, timeout=30, check=True)
    settings = set(re.findall(r"(?m)^#? ?([a-z_.]+):", done.stdout))
    events = events_of(sources())
    metrics = set()
    for node in cluster.nodes:
        metrics |= set(read_metrics(ask(node.admin, "/metrics").body.decode()))
    fields = {"key", "token_file", "not_repairable"}
    unknown = named_in_the_page() - settings - events - metrics - fields
    assert not unknown, f"neither event, setting nor metric: {sorted(unknown)}"
    named = set(re.findall(r"`(trilog_[a-z_]+)", PAGE))
    assert len(named) > 10 and named <= metrics, sorted(named - metrics)


def test_commands_in_the_page_are_those_of_the_command():
    listed = trilog("--help").stdout.split("options of")[0]
    commands = set(re.findall(r"^  ([a-z-]+(?: [a-z-]+)?)(?= [A-Z\[]|  )", listed, re.M))
    words = {command for command in commands if " " not in command}
    nouns = "|".join(sorted({command.split()[0] for command in commands - words}))
    named = set(re.findall(rf"trilog ((?:{nouns}) [a-z-]+)", PAGE))
    named |= {f"{noun} {verb}" for noun, first, rest in re.findall(
        r"`trilog (\w+) (\w+)`((?:, `\w+`)*)", PAGE) if noun not in words
              for verb in [first, *CODE.findall(rest)]}
    named |= {word for word in words if re.search(rf"trilog {word}(?![a-z-])", PAGE)}
    assert commands == named
