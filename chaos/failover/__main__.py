"""make chaos-failover, make chaos-failover-short: see README.md. Exit status: see drill/terminal.py."""

import shutil
import sys
import time
from dataclasses import replace

from drill.terminal import (ONE_WAY_MS, ROOT, machine, parser_of, programs_of, say, status_of,
                            sum_up)

from . import page
from .drill import Drill
from .place import raise_ground
from .plan import PLAN, SHORT, row_named

TRIES_MAX = 2  # of a drill that could not be judged: librdkafka fails an assertion at times


def read_options():
    parser = parser_of("failover", "applications when sites die",
                       "of the plan, by name; several: NAME,NAME", "build/failover",
                       "docs/failover.md")
    parser.add_argument("--rounds", type=int, default=0, help="of each drill")
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
    results = []
    for number, row in enumerate(rows, 1):
        say(f"[{number}/{len(rows)}] {row.name}: {row.words}")
        started = time.monotonic()
        size = SHORT if options.short else row.size
        rounds = options.rounds or size.rounds or row.rounds
        results.append(hold(row, replace(size, rounds=rounds), options, programs))
        say(page.spoken(results[-1], time.monotonic() - started))
        if not options.short:
            store(results, options)
    return results


def store(results, options):
    made_page = ROOT / options.page if options.page else ROOT / options.folder / "failover.md"
    page.renew(made_page, {"one_way_ms": ONE_WAY_MS, "machine": machine(), "drills": results},
               [row.name for row in PLAN])


def main():
    options = read_options()
    return status_of("failover", lambda: sum_up(run(options), options.short))


if __name__ == "__main__":
    sys.exit(main())
