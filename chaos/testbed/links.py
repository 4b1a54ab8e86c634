"""What happens to packets between two sites: delay, jitter, loss, duplication, rate.

    router-a:  forward ──▶ [ wand: delay, jitter ] ──▶ [ nft: loss, duplication, cuts ] ──▶
               [ tbf: rate ] ──▶ to-b ═══ to-a (router-b)

Delay is netem's where the kernel has it (it then stands in tbf's place, with tbf below it), and
otherwise wand's, to which an NFQUEUE hands each packet. A link without delay passes neither. They
differ in one thing: with jitter wand keeps packets in order, and netem does not.

Loss and duplication are per packet on the wire. Hosts hand whole trains of up to 64 KiB to
their device, to be cut up by hardware that a veth does not have; a lost train would be forty
lost packets. So while a site has a link that loses or doubles, its hosts send packets one by one.
"""
from dataclasses import dataclass, replace

from .network import Network, ports
from .shape import Refused, Shape

DELAY_US_MAX = 10_000_000
RATE_BITS_MIN = 8_000
RATE_BITS_MAX = 100_000_000_000
# What may wait for a slow link before it overflows: about a router's buffer.
RATE_QUEUE_MS = 100
# Packets that netem may hold: 10 Gbit/s over 100 ms of full packets.
NETEM_PACKETS_MAX = 100_000


@dataclass(frozen=True)
class LinkSettings:
    """One direction between two sites. Rate 0: as fast as the machine can."""
    delay_us: int = 0
    jitter_us: int = 0
    loss_percent: float = 0.0
    duplicate_percent: float = 0.0
    rate_bits: int = 0

    def changed(self, changes: dict) -> "LinkSettings":
        unknown = set(changes) - set(self.__dataclass_fields__)
        if unknown:
            raise Refused(f"a link has no {unknown.pop()}, only "
                          f"{', '.join(self.__dataclass_fields__)}")
        replace(self, **changes).check()
        whole = {name: round(value) for name, value in changes.items()
                 if not name.endswith("_percent")}
        return replace(self, **{**changes, **whole})

    def check(self) -> None:
        _check_range("delay_us", self.delay_us, 0, DELAY_US_MAX)
        _check_range("jitter_us", self.jitter_us, 0, DELAY_US_MAX)
        _check_range("loss_percent", self.loss_percent, 0, 100)
        _check_range("duplicate_percent", self.duplicate_percent, 0, 100)
        if self.rate_bits != 0:
            _check_range("rate_bits", self.rate_bits, RATE_BITS_MIN, RATE_BITS_MAX)

    @property
    def is_delayed(self) -> bool:
        return self.delay_us > 0 or self.jitter_us > 0

    @property
    def is_per_packet(self) -> bool:
        return self.loss_percent > 0 or self.duplicate_percent > 0


def _check_range(name: str, value, low, high) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise Refused(f"{name} is {value}: {low} to {high} is possible")


def packet_rules(source: str, target: str, settings: LinkSettings):
    """(site, device, hook, nft rule) for loss and duplication, in millionths."""
    device = f"to-{target}"
    chance = "meta protocol ip numgen random mod 1000000 < {} {}"
    if settings.loss_percent > 0:
        yield source, device, "egress", chance.format(round(settings.loss_percent * 10_000), "drop")
    if settings.duplicate_percent > 0:
        yield source, device, "egress", chance.format(
            round(settings.duplicate_percent * 10_000), f'dup to "{device}"')


def queueing_commands(device: str, settings: LinkSettings, has_netem: bool) -> str:
    """Lines for `tc -batch` that make the device's queue anew."""
    netem = has_netem and settings.is_delayed
    parent = "parent 1:1 handle 10:" if netem else "root"
    lines = [f"qdisc replace dev {device} root pfifo_fast", f"qdisc del dev {device} root"]
    if netem:
        lines.append(f"qdisc add dev {device} root handle 1: netem limit {NETEM_PACKETS_MAX} "
                     f"delay {settings.delay_us}us {settings.jitter_us}us")
    if settings.rate_bits:
        # The bucket must hold what passes between two ticks of a coarse clock, and a packet.
        burst_bytes = max(settings.rate_bits // 8 // 250, 3_200)
        lines.append(f"qdisc add dev {device} {parent} tbf rate {settings.rate_bits}bit "
                     f"burst {burst_bytes} latency {RATE_QUEUE_MS}ms")
    return "\n".join(lines) + "\n"


def train_commands(is_per_packet: bool) -> str:
    """Lines for `ip -batch` in a host's namespace: may it send trains?"""
    return f"link set eth0 gso_max_segs {1 if is_per_packet else 65535}\n"


def queue_rules(shape: Shape, site: str, delayed: list[str]) -> str:
    """The mangle table of a router: which packets wand gets, by the queue's number."""
    lines = [f"-A FORWARD -o to-{other} -j NFQUEUE --queue-num {shape.number(other)} "
             "--queue-bypass" for other in delayed]
    return "\n".join(["*mangle", ":FORWARD ACCEPT", *lines, "COMMIT", ""])


def hosts_of(shape: Shape, site: str) -> list[str]:
    return [namespace for _, namespace in ports(shape, site)]


def kernel_has_netem(network: Network, site: str) -> bool:
    try:
        network.run_in(f"router-{site}", ["tc", "qdisc", "add", "dev", "lo", "root", "netem",
                                          "delay", "1ms"])
    except Refused:
        return False
    network.run_in(f"router-{site}", ["tc", "qdisc", "del", "dev", "lo", "root"])
    return True
