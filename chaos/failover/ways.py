"""How an application reaches the cluster: through its site's router, with libtrilog, or directly.

Each way has applications in every site, side by side in one drill: they are hurt by the same faults at
the same moments, write into one topic and are judged by one verdict. What differs is told per way."""

from dataclasses import dataclass

# Of all stock clients here; all else is as it comes. It is told with the figures.
STOCK = {"session.timeout.ms": 6000, "heartbeat.interval.ms": 1000}
STOCK_TEXT = ("librdkafka 2.0.2 as it comes (socket.timeout.ms 60 s, message.timeout.ms 300 s) but for "
              "session.timeout.ms 6 s")


@dataclass(frozen=True)
class Way:
    name: str      # in processes' names, too: see site_and_way()
    words: str
    uses_routers: bool
    is_libtrilog: bool = False  # its producers; of its consumers there are none here yet


ROUTER = Way("router", "a stock client that knows routers: its site's, then the others", True)
LIBTRILOG = Way("libtrilog", "libtrilog with its settings as they come; the same addresses, no spool; "
                "producers", True, is_libtrilog=True)
DIRECT = Way("direct", "a stock client that knows the nodes", False)
WAYS = (ROUTER, LIBTRILOG, DIRECT)


def bootstrap(lab, way, site):
    """Addresses, the site's own first, as an application there is configured."""
    doors = lab.routers if way.uses_routers else lab.nodes
    return [one.address for one in
            sorted(doors.values(), key=lambda one: (one.site != site, one.id))]


def libtrilog_settings(lab, way, site):
    """The text of its settings file."""
    return "\n".join([f"site: {site}", "bootstrap:",
                      *(f'  - "{address}"' for address in bootstrap(lab, way, site))]) + "\n"


def site_and_way(process):
    """Of a ledger's process, whose name begins SITE-WAY- or, in a later life, SITE-WAY.LIFE-."""
    site, tag, *_ = process.split("-")
    return site, tag.partition(".")[0]
