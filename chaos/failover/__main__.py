"""make chaos-failover, make chaos-failover-short: see README.md.

Exit status: 0 all safe, and (but for --short) every bound kept; 1 something was not; 2 it could not
be tried; 130 interrupted, cleaned up."""

import argparse
import shutil
import signal
import sys
import time
from dataclasses import replace

from drill.__main__ import machine
from drill.ground import GroundError

from . import page
from .drill import Drill
from .place import ONE_WAY_MS, ROOT, programs_of, raise_ground
from .plan import PLAN, SHORT, Size, row_named

TRIES_MAX = 2  # of a drill that could not be judged: librdkafka fails an assertion at times


def say(text):
    print(text, flush=True)


def read_options():
    parser = argparse.ArgumentParser(prog="failover", description="applications when sites die")
    parser.add_argument("--fault", default="", help="of the plan, by name; several: NAME,NAME")
    parser.add_argument("--short", action="store_true", help="what belongs to every change")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=0, help="of each drill")
    parser.add_argument("--programs", default="build/release", help="where the programs are")
    parser.add_argument("--folder", default="build/failover", help="for histories and logs")
    parser.add_argument("--page", default="docs/failover.md",
                        help="to make, with its results as .json beside it; empty: in --folder")
    parser.add_argument("--keep", action="store_true", help="keep the folders of safe drills, too")
    return parser.parse_args()


def hold(row, size, options, programs):
    """One drill in a lab of its own, until it could be judged."""
    for number in range(1, TRIES_MAX + 1):
        folder = (ROOT / options.folder / row.name).resolve()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        ground = raise_ground(programs)
        try:
            result = Drill(row, size, ground, programs, folder, options.seed).run()
            if result["verdict"] != "safe" or options.keep:
                ground.copy_logs(folder)
                say(f"  kept: {folder}")
            else:
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            ground.down()
        if result["verdict"] != "not judged" or number == TRIES_MAX:
            return result
        say(f"  {result['verdict']}, and held again: {result['why']}")


def run(options):
    programs = programs_of(options.programs)
    rows = [row_named(name) for name in options.fault.split(",")] if options.fault else list(PLAN)
    rows = [row for row in rows if row.is_short or not options.short]
    size = SHORT if options.short else Size()
    size = replace(size, rounds=options.rounds or size.rounds)
    results = []
    for number, row in enumerate(rows, 1):
        say(f"[{number}/{len(rows)}] {row.name}: {row.words}")
        started = time.monotonic()
        results.append(hold(row, size, options, programs))
        say(page.spoken(results[-1], time.monotonic() - started))
        if not options.short:
            store(results, options)
    return results


def store(results, options):
    made_page = ROOT / options.page if options.page else ROOT / options.folder / "failover.md"
    page.renew(made_page, {"one_way_ms": ONE_WAY_MS, "machine": machine(), "drills": results},
               [row.name for row in PLAN])


def is_bad(result, is_short):
    return result["verdict"] != "safe" or (not is_short and bool(result["missed"]))


def main():
    options = read_options()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # unwinds, and so ends what runs
    try:
        results = run(options)
    except (GroundError, KeyError, OSError) as error:
        print(f"failover: {error}", file=sys.stderr)
        return 2
    bad = [r for r in results if is_bad(r, options.short)]
    for result in bad:
        say(f"FAILED {result['name']}: {result['verdict']} {result['why']} "
            f"{', '.join(result['missed'])} ({result['command']})")
    say(f"{len(results) - len(bad)} passed, {len(bad)} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
