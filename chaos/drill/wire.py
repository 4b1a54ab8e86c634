"""The two questions that a drill asks of a node: who leads what and is in sync, and who
coordinates a group.

Each question opens a connection of its own, so that it is this node that answers, and no other
that a client happens to be connected to. What a node can't answer within `ANSWER_S` counts as
not answered: AnswerError."""

from testbed import kafka
from testbed.kafka import NoAnswer as AnswerError
from testbed.kafka import Partition  # noqa: F401 (what ask_partitions returns)

ANSWER_S = 2.0


def _ask(connect, question):
    """`connect` opens a socket to the node, with the time limit that it is given."""
    try:
        with connect(ANSWER_S) as connection:
            connection.settimeout(ANSWER_S)
            return question(connection)
    except OSError as error:
        raise AnswerError(str(error)) from error


def ask_partitions(connect, topics=None):
    """What the node says of these topics, or of all."""
    return _ask(connect, lambda connection: kafka.metadata(connection, topics)).partitions


def ask_coordinator(connect, group):
    """The node's word on which node coordinates a consumer group."""
    node = _ask(connect, lambda connection: kafka.coordinator(connection, group))
    if node < 0:
        raise AnswerError(f"no coordinator of {group}")
    return node
