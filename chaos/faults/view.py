"""What the nodes of a lab say about leaders and groups, at this moment.

Each node is asked in its own network namespace: cuts and delays don't matter there, and the answer
is what that node knows. Nodes can differ while a fault is there; of two answers about a
partition the one with the higher leader epoch is the newer. Who is paused or dead is not asked.
"""
import socket
from collections import Counter

from testbed import kafka, sockets
from testbed.lab import Lab

from .fault import Impossible

ANSWER_SECONDS = 1.0


def connect(lab: Lab, node_id: int, pid: int) -> socket.socket:
    """To a running node, from its own place. Raises OSError."""
    host, port = lab.nodes[node_id].address.rsplit(":", 1)
    connection = _socket_at(pid) if not lab.is_loopback else socket.socket(socket.AF_INET)
    try:
        connection.settimeout(ANSWER_SECONDS)
        connection.connect((host, int(port)))
    except OSError:
        connection.close()
        raise
    return connection


def _socket_at(pid: int) -> socket.socket:
    with open(f"/proc/{pid}/ns/net", encoding="ascii") as namespace:
        return sockets.socket_in(namespace.fileno())


def ask_each(lab: Lab, question) -> dict:
    """{node id: the answer} of all that are running and answer."""
    answers = {}
    for node in lab.status()["nodes"]:
        if node["state"] != "running":
            continue
        try:
            with connect(lab, node["id"], node["pid"]) as connection:
                answers[node["id"]] = question(connection)
        except (OSError, kafka.NoAnswer):
            continue
    return answers


def partitions(lab: Lab) -> tuple[list[kafka.Partition], int]:
    """The newest that is known of each partition, and the controller most nodes name, or -1."""
    newest: dict[tuple[str, int], kafka.Partition] = {}
    controllers = Counter()
    for said in ask_each(lab, kafka.metadata).values():
        controllers[said.controller] += 1
        for partition in said.partitions:
            key = partition.topic, partition.number
            if key not in newest or newest[key].epoch < partition.epoch:
                newest[key] = partition
    if not controllers:
        raise Impossible("no node is running and answers")
    return list(newest.values()), controllers.most_common(1)[0][0]


def led_counts(lab: Lab) -> Counter:
    """{node id: partitions that it leads}, of nodes that lead any; where there is no partition yet
    the controller counts as the leader of one."""
    found, controller = partitions(lab)
    counts = Counter(p.leader for p in found if p.leader in lab.nodes)
    if not found and controller in lab.nodes:
        counts[controller] = 1
    if not counts:
        raise Impossible("no partition has a leader now")
    return counts


def coordinated_counts(lab: Lab) -> Counter:
    """{node id: groups that it coordinates}"""
    names = {name for found in ask_each(lab, kafka.groups).values() for name in found}
    counts = Counter(coordinator(lab, name) for name in names)
    counts.pop(-1, None)
    return counts


def coordinator(lab: Lab, group: str) -> int:
    """The node that most nodes name, or -1."""
    named = ask_each(lab, lambda connection: kafka.coordinator(connection, group)).values()
    votes = Counter(node for node in named if node in lab.nodes)
    return votes.most_common(1)[0][0] if votes else -1


def is_level(lab: Lab, node_id: int) -> bool:
    """Does this node, asked itself, see a leader and all replicas in sync everywhere?"""
    status = lab.node_status(node_id)
    if status["state"] != "running":
        return False
    try:
        with connect(lab, node_id, status["pid"]) as connection:
            said = kafka.metadata(connection)
    except (OSError, kafka.NoAnswer):
        return False
    return said.controller >= 0 and all(
        p.leader >= 0 and set(p.in_sync) == set(p.replicas) for p in said.partitions)
