"""Where it happens: three sites of one node and two routers each, 25 ms one way between any two."""

import os

from drill.ground import Ground, GroundError, has_network
from drill.terminal import ONE_WAY_MS
from testbed.lab import Lab, Refused

SETTINGS = {"leader_return_quiet_ms": "500 ms"}


def raise_ground(programs):
    """A lab whose cluster has formed. Without root: on loopback addresses, without distances."""
    is_loopback = not has_network()
    try:
        lab = Lab.up(name=f"failover-{os.getpid()}", rtt_us=0 if is_loopback else 2000 * ONE_WAY_MS,
                     binary=str(programs.trilogd), programs=str(programs.check.parent),
                     loopback=is_loopback, settings=SETTINGS, routers_per_site=2)
    except Refused as error:
        raise GroundError(str(error)) from error
    return Ground(lab)
