"""The command line: python3 -B chaos/faults list | describe NAME | inject NAME."""
import argparse
import os
import signal
import sys
import time

from testbed import control
from testbed.lab import Lab, Refused

from . import catalogue, performer
from .fault import Impossible

EXAMPLES = """\
python3 -B chaos/faults list
python3 -B chaos/faults inject kill-leader --seconds 20
python3 -B chaos/faults inject loss --set percent=3 --target b --seconds 60
python3 -B chaos/faults inject pause --target leader:orders/3 --seconds 2
Ctrl-C heals before the seconds are over.
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="faults", epilog=EXAMPLES,
                                     description="Faults for a lab (chaos/lab up).",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("list", help="describe every fault")
    describe = commands.add_parser("describe", help="describe one fault")
    describe.add_argument("name")
    _add_set(describe)
    inject = commands.add_parser("inject", help="break something, wait, and heal it")
    inject.add_argument("name")
    _add_set(inject)
    inject.add_argument("--lab", default="lab", help="name of a lab that is up (default: lab)")
    inject.add_argument("--folder", help="where labs are, as for chaos/lab")
    inject.add_argument("--target", help="2, b, all, leader, leader:orders/3, follower, "
                        "coordinator:billing, site, a-b … (default: the fault's own)")
    inject.add_argument("--seconds", type=float, help="until it heals (default: the fault's own)")
    inject.add_argument("--seed", type=int, default=1, help="of choices among equals")
    return parser


def _add_set(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE",
                        help="of this fault; may be repeated")


def parse_options(words: list[str]) -> dict:
    options = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise Impossible(f"{word!r} is not of the form option=value")
        try:
            options[name] = float(value)
        except ValueError:
            options[name] = value
    return options


def _list() -> None:
    width = max(len(name) for name in catalogue.names())
    for name in catalogue.names():
        print(f"{name.ljust(width)}  {catalogue.make(name).describe()}")


def _inject(arguments) -> int:
    """In this process: it is its own performer. Without a driver it heals at its deadline, or when
    it is told to by a signal."""
    fault = catalogue.make(arguments.name, **parse_options(arguments.set))
    seconds = performer.check_seconds(
        fault.seconds if arguments.seconds is None else arguments.seconds)
    told, tell = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(tell)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    lab = Lab.attach(arguments.lab, arguments.folder)
    scene = performer.set_up(fault, lab, arguments.target, arguments.seed)
    at_us = performer.now_us()
    print(f"{fault.name}: {scene.target.words} at {at_us} us, for {seconds:g} s", flush=True)
    trouble = ""
    try:
        why = performer.keep_up(fault, scene, time.monotonic() + seconds, [told])
    except (Impossible, Refused, OSError) as error:
        why, trouble = "the fault failed", str(error)
    healed = performer.heal(scene, why)
    print(f"{fault.name}: healed at {healed['healed_at_us']} us ({healed['why']})")
    trouble = "; ".join(filter(None, [trouble, healed["trouble"]]))
    if trouble:
        print(f"faults: {trouble}", file=sys.stderr)
    return 1 if trouble else 0


def main() -> int:
    arguments = _parser().parse_args()
    try:
        if arguments.command == "inject":
            return _inject(arguments)
        if arguments.command == "list":
            _list()
        else:
            print(catalogue.make(arguments.name, **parse_options(arguments.set)).describe())
        return 0
    except (Impossible, Refused, control.NotUp) as error:
        print(f"faults: {error}", file=sys.stderr)
        return 2
