"""Sockets in a lab's network namespaces, all held by the test: so one clock sees both ends."""
import os
import select
import socket
import time

from testbed import control, sockets

SILENCE_SECONDS = 0.3
ARRIVAL_SECONDS_MAX = 5
RECEIVE_BUFFER_BYTES = 8 << 20
SO_RCVBUFFORCE = 33  # Python has no name for it


def socket_at(lab, where, kind=socket.SOCK_DGRAM):
    """A socket where a site's applications are ("a") or at a node (1)."""
    name = control.request(lab.folder, "where", place=str(where))
    there = sockets.open_namespace(lab.folder, name)
    try:
        return sockets.socket_in(there, kind)
    finally:
        os.close(there)


def host_at(lab, where):
    """The address of a place."""
    if where in lab.nodes:
        return lab.nodes[where].address.split(":")[0]
    return lab.status()["applications"][where]


class Way:
    """Datagrams from one place to another."""

    def __init__(self, lab, source, target):
        self._out, self._in = socket_at(lab, source), socket_at(lab, target)
        self._in.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
        self._in.bind((host_at(lab, target), 0))
        # Connected, it would be told of an error that came back.
        self._out.connect(self._in.getsockname())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._out.close()
        self._in.close()

    def send(self, text=b"x"):
        self._out.send(text)

    def has_arrived(self, seconds_max):
        return bool(select.select([self._in], [], [], seconds_max)[0])

    def error(self):
        """What came back instead, or 0."""
        return self._out.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)

    def seconds_under_way(self, count):
        """Of `count` datagrams, one at a time."""
        seconds = []
        for _ in range(count):
            sent_at = time.monotonic()
            self.send()
            assert self._take_all(ARRIVAL_SECONDS_MAX, enough=1), "nothing arrived"
            seconds.append(time.monotonic() - sent_at)
        return seconds

    def received_of(self, count, size_bytes=100):
        """Numbers of those that arrive when `count` are sent, in the order of arrival."""
        received = []
        for number in range(count):
            self.send(number.to_bytes(4, "big") + bytes(size_bytes - 4))
            received += self._take_all(0)
        received += self._take_all(SILENCE_SECONDS)
        return [int.from_bytes(text[:4], "big") for text, _ in received]

    def arrivals(self, count, size_bytes):
        """(bytes, when) of each that arrives."""
        for _ in range(count):
            self.send(bytes(size_bytes))
        return [(len(text), at) for text, at in self._take_all(SILENCE_SECONDS)]

    def _take_all(self, silence_seconds, enough=None):
        taken = []
        while len(taken) != enough and self.has_arrived(silence_seconds):
            taken.append((self._in.recv(65_536), time.monotonic()))
        return taken


def which_arrive(ways):
    """Those on which a datagram arrives. Silence is believed a while after the last one."""
    for way in ways:
        way.send()
    arrived, give_up_at = set(), time.monotonic() + SILENCE_SECONDS
    while len(arrived) < len(ways) and time.monotonic() < give_up_at:
        for way in ways:
            if way not in arrived and way.has_arrived(0.002):
                arrived.add(way)
                give_up_at = time.monotonic() + SILENCE_SECONDS
    return arrived


def stream(lab, source, target):
    """A TCP connection: (the end at `source`, the end at `target`)."""
    with socket_at(lab, target, socket.SOCK_STREAM) as listener:
        listener.bind((host_at(lab, target), 0))
        listener.listen(1)
        client = socket_at(lab, source, socket.SOCK_STREAM)
        client.settimeout(ARRIVAL_SECONDS_MAX)
        client.connect(listener.getsockname())
        server, _ = listener.accept()
    server.settimeout(ARRIVAL_SECONDS_MAX)
    return client, server
