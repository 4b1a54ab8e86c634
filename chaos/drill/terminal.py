"""What the commands of drills have in common: their options, their last words, their exit status.

Exit status: 0 all safe, back, and (but for --short) every goal met; 1 something was not; 2 it could
not be tried; 130 interrupted, cleaned up."""

import argparse
import os
import pathlib
import signal
import sys
from collections import namedtuple

from .ground import GroundError

ROOT = pathlib.Path(__file__).resolve().parents[2]
ONE_WAY_MS = 25
Programs = namedtuple("Programs", "trilogd ledger check")


def say(text):
    print(text, flush=True)


def parser_of(name, words, fault, folder, page):
    """With what every one of them takes; `fault` is the help for --fault, the last two defaults."""
    parser = argparse.ArgumentParser(prog=name, description=words)
    parser.add_argument("--fault", default="", help=fault)
    parser.add_argument("--short", action="store_true", help="what belongs to every change")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", default="build/release", help="where the programs are")
    parser.add_argument("--folder", default=folder, help="for histories, logs and results")
    parser.add_argument("--page", default=page,
                        help="to make, with its results as .json beside it; empty: in --folder")
    parser.add_argument("--keep", action="store_true", help="keep the folders of safe drills, too")
    return parser


def programs_of(folder):
    base = (ROOT / folder).resolve()
    return Programs(base / "trilogd", base / "ledger", base / "check")


def machine():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores, {pages >> 30} GiB"


def unwind_on_signals():
    """So that what runs is ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))


def is_bad(result, is_short):
    if result["verdict"] == "not drilled":
        return False
    return result["verdict"] != "safe" or (not is_short and bool(result["missed"]))


def sum_up(results, is_short):
    """The last lines, and the exit status."""
    bad = [r for r in results if is_bad(r, is_short)]
    held = [r for r in results if r["verdict"] != "not drilled"]
    for result in bad:
        say(f"FAILED {result['name']}: {result['verdict']} {result['why']} "
            f"{', '.join(result['missed'])} ({result['command']})")
    say(f"{len(held) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


def status_of(name, act, errors=(GroundError, KeyError, OSError)):
    """The exit status that `act` returns, or 2 for what it could not try."""
    unwind_on_signals()
    try:
        return act()
    except errors as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
