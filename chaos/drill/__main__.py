"""make chaos, make chaos-short: see README.md.

Exit status: 0 all safe, back, and (but for --short) every goal met; 1 something was not; 2 it could
not be tried; 130 interrupted, cleaned up."""

import argparse
import os
import pathlib
import signal
import sys
from collections import namedtuple

from . import page
from .campaign import Campaign, skipped_result
from .ground import GroundError, has_network, raise_ground
from .injury import Injury
from .plan import PLAN, row_named

ROOT = pathlib.Path(__file__).resolve().parents[2]
ONE_WAY_MS = 25
Programs = namedtuple("Programs", "trilogd ledger check")


def say(text):
    print(text, flush=True)


def read_options():
    parser = argparse.ArgumentParser(prog="drill", description="faults over a load, and verdicts")
    parser.add_argument("--fault", default="", help="one fault of the plan, by its name")
    parser.add_argument("--short", action="store_true", help="what belongs to every change")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--programs", default="build/release", help="where the programs are")
    parser.add_argument("--trilogd", default="", help="another trilogd than that of --programs")
    parser.add_argument("--folder", default="build/chaos", help="for histories, logs and results")
    parser.add_argument("--page", default="docs/faults.md",
                        help="to make, with its results as .json beside it; empty: in --folder")
    parser.add_argument("--keep", action="store_true", help="keep the folders of safe drills, too")
    parser.add_argument("--loopback", action="store_true", help="as if there were no root")
    return parser.parse_args()


def choose(options):
    """(the rows to drill, those that can't be here)."""
    rows = [row_named(options.fault)] if options.fault else [r for r in PLAN if not r.is_long]
    if options.short:
        rows = [row for row in rows if row.is_short]
    if has_network() and not options.loopback:
        return rows, []
    return [r for r in rows if r.on_loopback], [r for r in rows if not r.on_loopback]


def machine():
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} cores, {pages >> 30} GiB"


def is_bad(result, is_short):
    if result["verdict"] == "not drilled":
        return False
    return result["verdict"] != "safe" or (not is_short and bool(result["missed"]))


def run(options):
    base = (ROOT / options.programs).resolve()
    programs = Programs(pathlib.Path(options.trilogd or base / "trilogd").resolve(),
                        base / "ledger", base / "check")
    folder = (ROOT / options.folder).resolve()
    rows, skipped = choose(options)
    if skipped:
        say(f"without root, {len(skipped)} faults that need networks, mounts or clocks are not "
            f"drilled: {', '.join(r.name for r in skipped)}")
    raise_one = lambda kind: raise_ground(  # noqa: E731
        kind, programs, ONE_WAY_MS, bool(skipped) or options.loopback)
    results = Campaign(rows, options.seed, folder, programs, raise_one, Injury, say,
                       options.keep, lambda so_far: store(so_far, options, folder)).run()
    results += [skipped_result(row, options.seed, "needs root") for row in skipped]
    store(results, options, folder)
    report(results)
    return results


def store(results, options, folder):
    """The results file, and the page that is made of it."""
    if options.short:
        return
    made = {"seed": options.seed, "one_way_ms": ONE_WAY_MS, "machine": machine(),
            "prompt": "requests are given up after 1 s, leaders are looked for every 0.5 s",
            "faults": results}
    folder.mkdir(parents=True, exist_ok=True)
    made_page = ROOT / options.page if options.page else folder / "faults.md"
    stored = made_page.with_suffix(".json")
    made = page.merged(page.load(stored), made, [row.name for row in PLAN])
    page.store(made, stored)
    made_page.write_text(page.text(made), encoding="utf-8")


def report(results):
    missed = [r for r in results if r["missed"] and r["verdict"] == "safe"]
    for result in missed:
        say(f"goal missed: {result['name']}: {', '.join(result['missed'])} ({result['command']})")
    say(page.summary(results))


def main():
    options = read_options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # unwinds, and so ends what runs
    try:
        results = run(options)
    except (GroundError, KeyError, OSError) as error:
        print(f"drill: {error}", file=sys.stderr)
        return 2
    bad = [r for r in results if is_bad(r, options.short)]
    held = [r for r in results if r["verdict"] != "not drilled"]
    for result in bad:
        say(f"FAILED {result['name']}: {result['verdict']} {result['why']} "
            f"{', '.join(result['missed'])} ({result['command']})")
    say(f"{len(held) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
