"""The links between sites as they are now, and how a change reaches the kernel.

Holds what was asked for: the settings of each direction, and the cuts. Every change writes the
rules it touches anew from these, so that what is asked for and what is in force can't drift apart.
"""
import os

from .cuts import LinkCut, make_cut, router_table
from .links import (LinkSettings, hosts_of, kernel_has_netem, packet_rules, queue_rules,
                    queueing_commands, train_commands)
from .network import Network
from .processes import Processes
from .shape import Refused, Shape
from .wand import Wand


class Wan:
    def __init__(self, shape: Shape, network: Network, processes: Processes, wand_program: str,
                 folder: str):
        self._shape = shape
        self._network = network
        self._processes = processes
        self._wand_program = wand_program
        self._folder = folder
        self._wands: dict[str, Wand] = {}
        self._settings = {direction: LinkSettings() for direction in shape.directions()}
        self._cuts = {}
        self._next_cut = 1
        self._has_netem = False

    def start(self) -> None:
        self._has_netem = kernel_has_netem(self._network, self._shape.sites[0])
        self._write_tables(self._shape.sites)

    def change(self, directions: list[tuple[str, str]], changes: dict) -> None:
        """Raises Refused, and then nothing has changed."""
        wanted = {direction: self._settings_of(direction).changed(changes)
                  for direction in directions}
        before = self._settings
        directions = [direction for direction in wanted if wanted[direction] != before[direction]]
        self._settings = {**before, **wanted}
        try:
            self._apply(directions, before)
        except Refused:
            failed, self._settings = self._settings, before
            self._apply(directions, failed)
            raise

    def _apply(self, directions: list[tuple[str, str]], before: dict) -> None:
        sources = list(dict.fromkeys(source for source, _ in directions))
        if not self._has_netem:
            for source in sources:
                self._apply_delays(source)
        for direction in directions:
            self._apply_queueing(direction, before[direction], self._settings[direction])
        self._write_tables(sources)
        for source in sources:
            if _sends_one_by_one(source, before) != _sends_one_by_one(source, self._settings):
                self._apply_trains(source)

    def _settings_of(self, direction: tuple[str, str]) -> LinkSettings:
        if direction not in self._settings:
            raise Refused(f"there is no link from {direction[0]!r} to {direction[1]!r}")
        return self._settings[direction]

    # ---- cuts ------------------------------------------------------------------------------

    def add_cuts(self, wanted: list[dict]) -> list[int]:
        """All at once as far as each router goes; returns their numbers."""
        cuts = [make_cut(self._shape, str(cut.get("what")), list(cut.get("names", [])),
                         str(cut.get("direction", "out"))) for cut in wanted]
        numbers = list(range(self._next_cut, self._next_cut + len(cuts)))
        self._next_cut += len(cuts)
        self._cuts.update(zip(numbers, cuts))
        self._write_tables(self._sites_of(cuts))
        return numbers

    def remove_cuts(self, numbers: list[int]) -> None:
        """A number that is no cut any more is none of our business: it was restored before."""
        removed = [self._cuts.pop(number) for number in numbers if number in self._cuts]
        self._write_tables(self._sites_of(removed))

    def link_cuts(self, directions: list[tuple[str, str]]) -> list[int]:
        return [number for number, cut in self._cuts.items()
                if isinstance(cut, LinkCut) and (cut.source, cut.target) in directions]

    def all_cuts(self) -> list[int]:
        return list(self._cuts)

    def _sites_of(self, cuts) -> list[str]:
        return list(dict.fromkeys(rule[0] for cut in cuts for rule in cut.rules(self._shape)))

    # ---- into the kernel -------------------------------------------------------------------

    def _write_tables(self, sites) -> None:
        link_rules = [rule for (source, target), settings in self._settings.items()
                      for rule in packet_rules(source, target, settings)]
        self._processes.run([
            (self._network.file(f"router-{site}"), ["nft", "-f", "-"],
             router_table(self._shape, site, self._cuts.values(), link_rules)) for site in sites])

    def _apply_queueing(self, direction, before: LinkSettings, after: LinkSettings) -> None:
        """Left alone when nothing about it changes: making it anew drops what waits in it."""
        relevant = ["rate_bits"] + (["delay_us", "jitter_us"] if self._has_netem else [])
        if any(getattr(before, name) != getattr(after, name) for name in relevant):
            source, target = direction
            self._network.run_in(f"router-{source}", ["tc", "-batch", "-"],
                                 queueing_commands(f"to-{target}", after, self._has_netem))

    def _apply_trains(self, site: str) -> None:
        commands = train_commands(_sends_one_by_one(site, self._settings))
        self._processes.run([(self._network.file(host), ["ip", "-batch", "-"], commands)
                             for host in hosts_of(self._shape, site)])

    def _apply_delays(self, site: str) -> None:
        """A site whose links have no delay, and never had, needs no wand."""
        own = {target: settings for (source, target), settings in self._settings.items()
               if source == site}
        delayed = [target for target, settings in own.items() if settings.is_delayed]
        if not delayed and site not in self._wands:
            return
        wand = self._wand_of(site)
        for target, settings in own.items():
            wand.set(target, settings.delay_us, settings.jitter_us)
        self._network.run_in(f"router-{site}", ["iptables-restore"],
                             queue_rules(self._shape, site, delayed))

    def _wand_of(self, site: str) -> Wand:
        wand = self._wands.get(site)
        if wand is not None and wand.child.status is None:
            return wand
        if not os.access(self._wand_program, os.X_OK):
            raise Refused("this kernel has no netem, so delay needs build/release/wand: "
                          "make chaos-programs builds it")
        queues = {self._shape.number(other): other for other in self._shape.sites if other != site}
        wand = self._wands[site] = Wand(self._processes, self._wand_program,
                                        os.path.join(self._folder, f"wand-{site}"),
                                        self._network.file(f"router-{site}"), queues)
        return wand

    # ---- what is shown ---------------------------------------------------------------------

    def describe_links(self) -> list[dict]:
        cut = {(cut.source, cut.target) for cut in self._cuts.values() if isinstance(cut, LinkCut)}
        return [{"source": source, "target": target, "delay_us": settings.delay_us,
                 "jitter_us": settings.jitter_us, "loss_percent": settings.loss_percent,
                 "duplicate_percent": settings.duplicate_percent, "rate_bits": settings.rate_bits,
                 "cut": (source, target) in cut}
                for (source, target), settings in self._settings.items()]

    def describe_cuts(self) -> list[dict]:
        return [{"number": number, "cut": cut.describe()} for number, cut in self._cuts.items()]

    def troubles(self) -> list[str]:
        """What makes the lab a different one than was asked for."""
        return [trouble for site, wand in self._wands.items() for trouble in _troubles(site, wand)]


def _troubles(site: str, wand: Wand) -> list[str]:
    if wand.child.status is not None:
        return [f"wand of site {site} has ended with {wand.child.status}: its links have no delay"]
    try:
        dropped = wand.dropped()
    except (OSError, ValueError) as error:
        return [f"wand of site {site} does not answer: {error}"]
    return [f"wand of site {site} has dropped {count} packets to {target}: more were under way "
            "than it can hold" for target, count in dropped.items() if count > 0]


def _sends_one_by_one(site: str, links: dict[tuple[str, str], LinkSettings]) -> bool:
    """Do this site's hosts send packets rather than trains of them?"""
    return any(settings.is_per_packet for (source, _), settings in links.items() if source == site)
