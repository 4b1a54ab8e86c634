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
    is_libtrilog: bool = False  # its producers and members, with a settings file
    client: str = ""            # of clients/voices.py; none: the ledger's librdkafka
    judges_members: bool = True # else they are only timed
    rate_max: int = 1000        # records a second in a site that it can keep up with


ROUTER = Way("router", "a stock client that knows routers: its site's, then the others", True)
LIBTRILOG = Way("libtrilog", "libtrilog with its settings as they come (send_timeout_ms 30 s) but for "
                "session_timeout_ms 6 s (10 s as it comes); the same addresses, no spool", True,
                is_libtrilog=True)
DIRECT = Way("direct", "a stock client that knows the nodes, its site's first", False)
CONFLUENT = Way("confluent", "confluent-kafka 2.16.1 (Python, on a librdkafka of its own: socket.timeout.ms 60 s, "
                "message.timeout.ms 300 s), knows routers", True, client="confluent")
KAFKA_PYTHON = Way("kafkapython", "kafka-python 3.0.12 (request_timeout_ms 30 s, delivery_timeout_ms 120 s), "
                   "knows routers; its members are told to begin at what is committed after each rebalance: "
                   "of itself it goes on where it was", True, client="kafkapython")
KAFKAJS = Way("kafkajs", "kafkajs 2.2.4 (requestTimeout 30 s; tries again after 0.1 to 0.5 s, a member thrice before "
              "it comes back as another one, a producer for 9 s; maxWaitTimeInMs 0.5 s), knows routers; one send "
              "at a time to each partition, else it keeps no order, and of itself to each broker, so 2 "
              "records/s; its members are timed and not judged: after a rebalance they go on where they were, "
              "whatever is committed",
              True, client="kafkajs", judges_members=False, rate_max=24)
JAVA = Way("java", "Kafka's own Java client 4.3.1 (request.timeout.ms 30 s, delivery.timeout.ms 120 s, "
           "reconnect.backoff.ms 0.5 s), knows "
           "routers", True, client="java")
KCAT = Way("kcat", "kcat 1.7.1 (on librdkafka as it comes), knows routers; producers, each to one partition: it "
           "says what became of a record when the next one is sent; members, which are timed and not judged: it "
           "commits by itself and says nothing of it", True, client="kcat", judges_members=False)
WAYS = (ROUTER, LIBTRILOG, DIRECT)
LANGUAGES = (CONFLUENT, KAFKA_PYTHON, KAFKAJS, JAVA, KCAT)


def bootstrap(lab, way, site):
    """Addresses, the site's own first, as an application there is configured."""
    doors = lab.routers if way.uses_routers else lab.nodes
    return [one.address for one in
            sorted(doors.values(), key=lambda one: (one.site != site, one.id))]


def libtrilog_settings(lab, way, site):
    """The text of its settings file."""
    return "\n".join([f"site: {site}", f"session_timeout_ms: {STOCK['session.timeout.ms']}", "bootstrap:",
                      *(f'  - "{address}"' for address in bootstrap(lab, way, site))]) + "\n"


def site_and_way(process):
    """Of a ledger's process, whose name begins SITE-WAY- or, in a later life, SITE-WAY.LIFE-."""
    site, tag, *_ = process.split("-")
    return site, tag.partition(".")[0]
