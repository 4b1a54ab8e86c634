"""What shells complete and what the manual says is what the command takes: table, help, manual pages
and completions agree, command by command."""

import pathlib
import re
import shutil
import subprocess

import pytest

from admin_port import clean_environment, trilog, trilog_path

pytestmark = pytest.mark.trilog_only

PAGES = pathlib.Path(trilog_path()).parent / "pages"


def commands():
    """As words; those of one word are a noun alone."""
    listed = trilog("--help").stdout.split("options of")[0]
    return [tuple(name.split()) for name in re.findall(r"(?m)^  ([a-z-]+(?: [a-z-]+)?)(?: |$)",
                                                       listed)]


def options_of(command):
    listed = trilog(*command, "--help").stdout.split("\noptions:")[1].split("\nexample:")[0]
    return set(re.findall(r"(?m)^  (?:-\w, |    )(--[a-z-]+)", listed))


def run_shell(shell, script):
    done = subprocess.run([shell, *(["-f"] if shell == "zsh" else []), "-c", script], timeout=30,
                          capture_output=True, text=True, env=clean_environment(), check=True)
    assert done.stderr == ""
    return set(done.stdout.split("\n")) - {""}


def bash_completes(*typed):
    words = " ".join(f"'{word}'" for word in typed)
    return run_shell("bash", f"source {PAGES}/trilog.bash; COMP_WORDS=({words}); COMP_CWORD="
                     f"{len(typed) - 1}; _trilog; printf '%s\\n' \"${{COMPREPLY[@]}}\"")


def zsh_completes(*typed):
    """With a stand-in for zsh's own display of what it is given."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not here: it comes with Debian's package zsh")
    words = " ".join(f"'{word}'" for word in typed)
    told = run_shell("zsh", "_describe() { print -l -- ${(P)2} }; _files() { print files }; "
                     f"words=({words}); CURRENT={len(typed)}; source {PAGES}/_trilog")
    return {line.split(":")[0] for line in told}


@pytest.mark.parametrize("typed, expected", [
    (["tri", "no"], {"node"}), (["trilog", "node", ""], {"list", "add", "remove", "replace"}),
    (["trilog", "node", "re"], {"remove", "replace"}),
    (["trilog", "node", "list", "--adm"], {"--admin"}),
    (["trilog", "node", "add", "--p"], {"--plan", "--peer"}), (["trilog", "x"], set()),
    (["trilog", "node", "list", "-o", "j"], {"json"}), (["trilog", "node", "list", ""], set()),
    (["trilog", "node", "add", "--site", ""], set())])
def test_bash_completes_nouns_verbs_options_and_values(typed, expected):
    assert bash_completes(*typed) == expected


def test_both_shells_know_exactly_the_commands_there_are():
    nouns = {command[0] for command in commands()}
    assert bash_completes("trilog", "") == zsh_completes("trilog", "") == nouns | {"--help"}
    for noun in nouns:
        verbs = {verb for name, *verbs in commands() if name == noun for verb in verbs}
        assert bash_completes("trilog", noun, "") == zsh_completes("trilog", noun, "") == verbs


def test_both_shells_and_the_manual_know_exactly_the_options_of_each_command():
    for command in commands():
        options = options_of(command)
        assert "--help" in options
        assert bash_completes("trilog", *command, "--") == options, command
        assert zsh_completes("trilog", *command, "--") == options, command
        page = PAGES / f"trilog-{'-'.join(command)}.1"
        text = page.read_text(encoding="utf-8").replace("\\-", "-")
        named = re.findall(r"\\fB(--[a-z-]+)\\fR", text.split(".SH OPTIONS")[1])
        assert set(named) == options and len(named) == len(options), command


def test_zsh_completes_values_too():
    assert zsh_completes("trilog", "node", "list", "-o", "") == {"table", "json"}
    assert zsh_completes("trilog", "node", "list", "--token-file", "") == {"files"}


def test_there_is_a_sound_manual_page_for_each_command_and_one_for_all():
    names = {f"trilog-{'-'.join(command)}.1" for command in commands()} | {"trilog.1"}
    assert {p.name for p in PAGES.glob("*.1")} == names
    main = (PAGES / "trilog.1").read_text(encoding="utf-8")
    for command in commands():
        assert f"\\fBtrilog {' '.join(command)}\\fR" in main.replace("\\-", "-")
    if shutil.which("man") is None:
        pytest.skip("no man here to read the pages: it comes with Debian's package man-db")
    for name in ("trilog.1", "trilog-group-reset.1", "trilog-topic-config.1"):
        done = subprocess.run(["man", "--warnings", "-l", str(PAGES / name)], text=True, timeout=60,
                              capture_output=True, env={**clean_environment(), "MANWIDTH": "100"},
                              check=True)
        assert done.stderr == "" and "EXIT STATUS" in done.stdout


def test_pages_that_can_not_be_written_are_an_error(tmp_path):
    done = trilog("pages", "write", tmp_path / "not-there")
    assert done.returncode == 1 and "not-there" in done.stderr
    assert trilog("pages", "write", tmp_path).returncode == 0
    assert (tmp_path / "trilog.1").read_bytes() == (PAGES / "trilog.1").read_bytes()
