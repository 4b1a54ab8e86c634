"""make chaos, make chaos-short: see README.md. Exit status: see terminal.py."""

import pathlib
import sys

from . import page
from .campaign import Campaign, skipped_result
from .ground import has_network, raise_ground
from .injury import Injury
from .plan import PLAN, row_named
from .terminal import (ONE_WAY_MS, ROOT, machine, parser_of, programs_of, say, status_of, sum_up)


def read_options():
    parser = parser_of("drill", "faults over a load, and verdicts",
                       "one fault of the plan, by its name", "build/chaos", "docs/faults.md")
    parser.add_argument("--trilogd", default="", help="another trilogd than that of --programs")
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


def run(options):
    programs = programs_of(options.programs)
    if options.trilogd:
        programs = programs._replace(trilogd=pathlib.Path(options.trilogd).resolve())
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
    return status_of("drill", lambda: sum_up(run(options), options.short))


if __name__ == "__main__":
    sys.exit(main())
