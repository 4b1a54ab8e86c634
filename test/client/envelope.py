"""A router as small as it can be: requests of several clients, each with an address of its own, go to
a node in envelopes on one connection (KIP-590, `protocol/schema/envelope.txt`)."""

import copy
import itertools
import socket

import wire
from message import Connection

ENVELOPE = 58


class Refused(Exception):
    """The envelope's own error: what a router is told of its client."""

    def __init__(self, error_code):
        super().__init__(f"error {error_code} of the envelope")
        self.error_code = error_code


class Router(Connection):
    """One connection of a router to a node."""

    def __init__(self, node, router_id=7, source="127.0.0.1"):
        self.socket = socket.create_connection((node.host, node.port), wire.ANSWER_S, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.router_id = router_id
        self.life = self.now = 0  # what the node says in its answers
        try:
            Client(self).ask(wire.API_VERSIONS, 0, b"")
        except Refused:
            pass

    def pass_on(self, content, address, number, principal=b"", **others):
        """Sends only; False when the node has closed the connection."""
        return self.post("Envelope", 0, **{
            "request_data": content, "request_principal": principal,
            "client_host_address": address, "router_id": self.router_id, "client_number": number,
            **others})

    def told(self):
        """The next answer: the client's frame without its size, or None. Raises Refused."""
        answer = self.take("Envelope", 0)
        assert answer is not None, "the node has closed the router's connection"
        self.life, self.now = answer["life"], answer["now"]
        if answer["error_code"] != 0:
            assert answer["response_data"] is None
            raise Refused(answer["error_code"])
        return answer["response_data"]


class Client(Connection):
    """A client's connection to a router, which the router takes when this is made. It asks one request
    after the other."""

    numbers = itertools.count(1)

    def __init__(self, router, address="10.1.2.3"):
        self.router = router
        self.address = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
        self.number = next(self.numbers)
        self.since = {"client_since": router.now, "node_life": router.life}

    def __exit__(self, *_):
        """The router's connection stays."""

    def by(self, router):
        """The same connection of the client's, passed on by another one of the router's."""
        same = copy.copy(self)
        same.router = router
        return same

    def send(self, data):
        return self.router.pass_on(data[4:], self.address, self.number, **self.since)

    def answer(self, timeout_s=wire.ANSWER_S):
        return self.router.told()
