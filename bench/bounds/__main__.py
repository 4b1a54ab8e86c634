"""Does the cluster stay within its bounds? One case after another, each on fresh nodes.

    python3 -m bounds LOAD TRILOGD ROUTER [--case NAME]… [--short] [--rounds N]

Each case starts its own three nodes, does to them what its page says, and adds rows of figures,
each with its goal. A goal that is not met makes the end red. The table goes to stdout and to
build/bench/bounds.md.
"""
import argparse
import importlib
import pathlib
import shutil
import signal
import sys
import time

from bounds.cluster import Cluster
from bounds.report import Report

# What each needs at most, of time and disk: README.md.
CASES = ["idle", "routed", "routed_memory", "slow", "flood", "large", "partitions", "behind", "backlog", "absent"]
SHORT = ["idle", "slow", "flood"]
FOLDER = pathlib.Path("build/bench")
DISK_BYTES = 20 << 30  # what the largest case needs, and some more


class Bench:
    """What cases need of each other's surroundings."""

    def __init__(self, load, trilogd, router, rounds):
        self.load, self.trilogd, self.router, self.rounds = load, trilogd, router, rounds

    def cluster(self, **options):
        if shutil.disk_usage(FOLDER).free < DISK_BYTES:
            raise RuntimeError(f"less than {DISK_BYTES >> 30} GiB of disk are free")
        return Cluster(FOLDER.resolve() / "bounds", self.load, self.trilogd, **options)


def run_case(bench, report, name, is_short):
    report.case = name
    since = time.monotonic()
    try:
        importlib.import_module(f"bounds.{name}").run(bench, report, is_short)
    except (OSError, RuntimeError, ValueError) as error:
        report.fail(f"ended by: {error}")
    report.tell("the case itself", time.monotonic() - since, "s")


def main():
    parser = argparse.ArgumentParser(prog="bounds", description="Is each bound held?")
    parser.add_argument("load")
    parser.add_argument("trilogd")
    parser.add_argument("router")
    parser.add_argument("--case", action="append", choices=CASES)
    parser.add_argument("--short", action="store_true", help="smaller and without measures of speed")
    parser.add_argument("--rounds", type=int, default=3, help="of what is measured side by side")
    options = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(130))  # unwinds, and so stops what runs
    FOLDER.mkdir(parents=True, exist_ok=True)
    binaries = (str(pathlib.Path(p).resolve()) for p in (options.load, options.trilogd, options.router))
    bench = Bench(*binaries, options.rounds)
    report = Report(lambda line: print(line, file=sys.stderr, flush=True))
    for name in options.case or (SHORT if options.short else CASES):
        run_case(bench, report, name, options.short)
    shutil.rmtree(FOLDER / "bounds", ignore_errors=True)
    text = report.table()
    (FOLDER / "bounds.md").write_text(f"{text}\n")
    print(text)
    judged = [row for row in report.rows if row.is_met is not None]
    for row in judged:
        if not row.is_met:
            print(f"FAILED {row.case}: {row.what}: {row.figure} {row.unit} (goal {row.goal})")
    print(f"\n{sum(r.is_met for r in judged)} passed, {sum(not r.is_met for r in judged)} failed")
    sys.exit(0 if report.is_met() else 1)


if __name__ == "__main__":
    main()
