"""The command line: chaos/lab. Words in, calls of lab.py, tables out."""
import argparse
import json
import os
import signal
import sys

from . import control, enter
from .lab import Lab, Refused, can_separate
from .settings import parse_assignment
from .shape import NEEDS_ROOT

_EXAMPLES = """\
chaos/lab up --sites 3 --rtt 5ms          three sites, 2.5 ms from each to each
chaos/lab status                          nodes and links, also as JSON
chaos/lab exec a -- kcat -b 10.1.0.1:9092 -L      a client in site a
chaos/lab node kill 2                     kill -9; later: node start 2
chaos/lab link a b --delay 25ms --loss 1% --one-way
chaos/lab link a b --cut                  and --restore
chaos/lab down                            nothing is left behind
"""

_TIME_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000}
_RATE_UNITS = {"kbit": 1_000, "mbit": 1_000_000, "gbit": 1_000_000_000}


def _parse_unit(text: str, units: dict[str, int], what: str) -> int:
    for unit in sorted(units, key=len, reverse=True):
        if text.lower().endswith(unit):
            try:
                return round(float(text[:-len(unit)]) * units[unit])
            except ValueError:
                break
    raise argparse.ArgumentTypeError(f"{text!r} is no {what}: a number and {'|'.join(units)}")


def duration_us(text: str) -> int:
    return _parse_unit(text, _TIME_UNITS, "time")


def rate_bits(text: str) -> int:
    return 0 if text == "unlimited" else _parse_unit(text, _RATE_UNITS, "rate")


def percent(text: str) -> float:
    try:
        return float(text.removesuffix("%"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no percentage") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="chaos/lab", epilog=_EXAMPLES,
                                     description="Three sites of Trilog on this machine.",
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    _add_which(parser, "lab", None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        _add_which(added, argparse.SUPPRESS, argparse.SUPPRESS)
        return added

    _add_up(command("up", "start a lab"))
    status = command("status", "show nodes and links")
    status.add_argument("-o", "--output", choices=["table", "json"], default="table")
    execute = command("exec", "run a command in a site or a node's place")
    execute.add_argument("where", help="a site: where its clients are; or a node's number")
    execute.add_argument("argv", nargs=argparse.REMAINDER, metavar="-- COMMAND")
    node = command("node", "start, stop, kill, pause, resume a node or a router")
    node.add_argument("action", choices=["start", "stop", "kill", "pause", "resume"])
    node.add_argument("node", type=int)
    _add_link(command("link", "what happens between two sites"))
    command("down", "end a lab")
    return parser


def _add_which(parser: argparse.ArgumentParser, name, folder) -> None:
    """Before the command or after it."""
    parser.add_argument("--name", default=name, help="which lab, when there are several")
    parser.add_argument("--folder", default=folder, help="where labs keep settings, data and logs "
                        "(default: trilog-lab-UID in TMPDIR or /var/tmp)")


def _add_up(up: argparse.ArgumentParser) -> None:
    up.add_argument("--sites", type=int, default=3, help="1 to 5 (default: 3)")
    up.add_argument("--nodes-per-site", type=int, default=1)
    up.add_argument("--routers-per-site", type=int, default=0, help="trilog-routers")
    up.add_argument("--rtt", type=duration_us, default=0, metavar="TIME",
                    help="there and back between any two sites, such as 5ms")
    up.add_argument("--set", action="append", default=[], metavar="NAME=VALUE",
                    help="a setting of all nodes; may be repeated")
    up.add_argument("--binary", help="another trilogd than build/release/trilogd")
    up.add_argument("--owner", type=int, metavar="PID", help="the lab ends with this process")
    up.add_argument("--foreground", action="store_true", help="stay, until Ctrl-C ends the lab")
    up.add_argument("--faketime", action="store_true", help="nodes' wall clocks can be set")
    up.add_argument("--faultfs", action="store_true", help="nodes' disks can be told to fail")
    up.add_argument("--seed", type=int, default=1, help="of the disks' faults")
    up.add_argument("--loopback", action="store_true",
                    help="no namespaces: nodes on 127.0.SITE.NUMBER, to kill and pause")
    up.add_argument("--wait", type=float, default=20, metavar="SECONDS",
                    help="for the cluster to form (default: 20; 0: do not wait)")


def _add_link(link: argparse.ArgumentParser) -> None:
    link.add_argument("a")
    link.add_argument("b")
    link.add_argument("--one-way", action="store_true", help="only what A sends to B")
    link.add_argument("--delay", type=duration_us, dest="delay_us", metavar="TIME")
    link.add_argument("--jitter", type=duration_us, dest="jitter_us", metavar="TIME")
    link.add_argument("--loss", type=percent, dest="loss_percent", metavar="PERCENT")
    link.add_argument("--duplicate", type=percent, dest="duplicate_percent", metavar="PERCENT")
    link.add_argument("--rate", type=rate_bits, dest="rate_bits", metavar="RATE",
                      help="such as 5mbit, or unlimited")
    cut = link.add_mutually_exclusive_group()
    cut.add_argument("--cut", action="store_true")
    cut.add_argument("--restore", action="store_true", help="ends its cuts")


# ---- commands -----------------------------------------------------------------------------


def _up(arguments) -> int:
    if not arguments.loopback and not can_separate():
        print(f"lab: {NEEDS_ROOT.format('links, cuts and disk faults')}.", file=sys.stderr)
        arguments.loopback = True
    lab = Lab.up(arguments.name, arguments.sites, arguments.nodes_per_site, arguments.rtt,
                 dict(parse_assignment(text) for text in arguments.set), arguments.binary,
                 arguments.folder, os.getpid() if arguments.foreground else arguments.owner,
                 arguments.faketime, arguments.faultfs, arguments.loopback, arguments.seed,
                 arguments.wait, routers_per_site=arguments.routers_per_site)
    _print_status(lab.status())
    _print_next_steps(lab)
    if arguments.foreground:
        _stay(lab)
    return 0


def _stay(lab: Lab) -> None:
    sys.stdout.flush()
    try:
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except KeyboardInterrupt:
        pass
    lab.down()


def _print_next_steps(lab: Lab) -> None:
    chosen = "" if lab.name == "lab" else f" --name {lab.name}"
    first = next(iter(lab.nodes.values()))
    print(f"\nSettings, logs and data: {lab.folder}\n"
          f"Next: chaos/lab{chosen} exec {first.site} -- kcat -b {first.address} -L\n"
          f"      chaos/lab{chosen} node kill {first.id}\n"
          f"      chaos/lab{chosen} down")


def _status(arguments) -> int:
    status = Lab.attach(arguments.name, arguments.folder).status()
    if arguments.output == "json":
        print(json.dumps(status, indent=2))
    else:
        _print_status(status)
    return 0


def _print_status(status: dict) -> None:
    _print_table(["site", "node", "state", "pid", "clients", "peers"], [
        [node["site"], node["id"], _state_of(node), node["pid"] or "-", node["address"],
         node["peer_address"]] for node in status["nodes"]])
    if status["routers"]:
        print()
        _print_table(["site", "router", "state", "pid", "clients"], [
            [router["site"], router["id"], _state_of(router), router["pid"] or "-",
             router["address"]] for router in status["routers"]])
    if status["links"]:
        print()
        _print_table(["from", "to", "delay", "jitter", "loss", "duplicate", "rate", "cut"],
                     [_link_row(link) for link in status["links"]])
    for cut in status["cuts"]:
        if not cut["cut"].count(" to "):
            print(f"cut: {cut['cut']}")
    for trouble in status["troubles"]:
        print(f"trouble: {trouble}")


def _state_of(node: dict) -> str:
    status = node["exit_status"]
    if node["state"] != "ended" or status == 0:
        return node["state"]
    return f"ended ({signal.Signals(-status).name if status < 0 else status})"


def _link_row(link: dict) -> list:
    return [link["source"], link["target"], f"{link['delay_us'] / 1000:g} ms",
            f"{link['jitter_us'] / 1000:g} ms", f"{link['loss_percent']:g} %",
            f"{link['duplicate_percent']:g} %",
            f"{link['rate_bits'] / 1e6:g} Mbit/s" if link["rate_bits"] else "unlimited",
            "cut" if link["cut"] else "-"]


def _print_table(titles: list[str], rows: list[list]) -> None:
    lines = [[str(cell) for cell in row] for row in [titles, *rows]]
    widths = [max(len(line[column]) for line in lines) for column in range(len(titles))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def _exec(arguments) -> int:
    argv = arguments.argv[1:] if arguments.argv[:1] == ["--"] else arguments.argv
    if not argv:
        raise Refused("exec needs a command: chaos/lab exec a -- COMMAND")
    lab = control.lab_folder(arguments.name, arguments.folder)
    enter.run(lab, control.request(lab, "where", place=arguments.where), argv)
    return 0


def _node(arguments) -> int:
    lab = Lab.attach(arguments.name, arguments.folder)
    act = {"start": lab.start_node, "stop": lab.stop_node, "kill": lab.kill_node,
           "pause": lab.pause_node, "resume": lab.resume_node}
    act[arguments.action](arguments.node)
    print(f"node {arguments.node} is {lab.state(arguments.node)}")
    return 0


def _link(arguments) -> int:
    lab = Lab.attach(arguments.name, arguments.folder)
    link = lab.link(arguments.a, arguments.b, arguments.one_way)
    names = ("delay_us", "jitter_us", "loss_percent", "duplicate_percent", "rate_bits")
    changes = {name: getattr(arguments, name) for name in names
               if getattr(arguments, name) is not None}
    if changes or not (arguments.cut or arguments.restore):
        link.set(**changes)
    if arguments.cut:
        link.cut()
    if arguments.restore:
        link.restore()
    _print_table(["from", "to", "delay", "jitter", "loss", "duplicate", "rate", "cut"],
                 [_link_row(one) for one in link.settings()])
    return 0


def _down(arguments) -> int:
    Lab.attach(arguments.name, arguments.folder).down()
    return 0


_COMMANDS = {"up": _up, "status": _status, "exec": _exec, "node": _node, "link": _link,
             "down": _down}


def main() -> int:
    arguments = _parser().parse_args()
    try:
        return _COMMANDS[arguments.command](arguments)
    except (Refused, OSError) as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
