"""Has the cluster formed? Each node is asked, from its own namespace, whom it shows its clients;
and each router, whether it shows anybody.

Asked there, the answer does not depend on links, cuts or delays: it is what the node knows.
"""
import socket
import time

from . import kafka

PAUSE_SECONDS = 0.02
ASK_SECONDS_MAX = 0.5


def first_missing(lab) -> str | None:
    """None when every node that is running shows all nodes and a controller; otherwise who does
    not, as a part of a sentence."""
    expected = {node.id for node in lab.shape.nodes}
    for life in lab.lives.values():
        if life.state != "running":
            continue
        try:
            seen = _ask(lab, life.node)
        except (OSError, kafka.NoAnswer) as error:
            return f"node {life.node.id} does not answer ({error})"
        if not expected <= set(seen.brokers):
            missing = sorted(expected - set(seen.brokers))
            return f"node {life.node.id} does not show node {missing[0]}"
        if seen.controller < 0:
            return f"node {life.node.id} knows no controller"
    return _first_router_missing(lab)


def _first_router_missing(lab) -> str | None:
    for life in lab.router_lives.values():
        if life.state != "running":
            continue
        try:
            seen = _ask(lab, life.router)
        except (OSError, kafka.NoAnswer) as error:
            return f"{life.what} does not answer ({error})"
        if not seen.brokers:
            return f"{life.what} shows no broker"
    return None


def _ask(lab, one):
    with lab.socket_at(one, lambda: socket.socket(socket.AF_INET)) as connection:
        connection.settimeout(ASK_SECONDS_MAX)
        connection.connect((one.host, one.client_port))
        return kafka.metadata(connection, topics=())


def wait_until_formed(lab, seconds: float) -> dict:
    """The message for whoever asked. Blocks: for a child of the keeper's."""
    give_up_at = time.monotonic() + seconds
    while True:
        missing = first_missing(lab)
        if missing is None:
            return {"result": None}
        if time.monotonic() > give_up_at:
            return {"refused": f"the cluster has not formed in {seconds:g} s: {missing}"}
        time.sleep(PAUSE_SECONDS)
