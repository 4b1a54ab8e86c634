"""What tests look at, and the one thing that they ask of the cluster: a topic."""
import os
import signal
import socket
import struct
import time

from faults import process, view
from testbed import kafka

WAIT_SECONDS = 15


def wait_until(is_so, what):
    """What `is_so` says when that is true at last."""
    give_up_at = time.monotonic() + WAIT_SECONDS
    while not (found := is_so()):
        assert time.monotonic() < give_up_at, f"not within {WAIT_SECONDS} s: {what}"
        time.sleep(0.01)
    return found


def states(lab):
    return [node["state"] for node in lab.status()["nodes"]]


def starts(lab):
    return [node["starts"] for node in lab.status()["nodes"]]


def letters(lab, node, seconds):
    """The states that the kernel gives a node's process in that time."""
    pid, seen = lab.pid(node), []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen.append(process.process_state(pid))
        time.sleep(0.002)
    return seen


def accepts(lab, node):
    """Does it take a connection, asked at its own place?"""
    pid = lab.pid(node)
    try:
        return pid is not None and view.connect(lab, node, pid).close() is None
    except OSError:
        return False


def answers(lab, node):
    """The leaders that it names, or nothing."""
    try:
        with view.connect(lab, node, lab.pid(node)) as connection:
            return kafka.metadata(connection)
    except (OSError, TypeError, kafka.NoAnswer):
        return None


def log_lines(lab, node):
    with open(lab.nodes[node].log_path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def make_topic(lab, name, partitions=3):
    """With a replica in each site. Asks until it is there and led."""
    def is_led():
        found = [p for p in view.partitions(lab)[0] if p.topic == name and p.leader >= 0]
        if len(found) == partitions:
            return found
        _create(lab, name, partitions)
        return None
    return wait_until(is_led, f"topic {name}")


def _create(lab, name, partitions):
    """CreateTopics, version 2, to whoever takes it; is it there already, nothing happens."""
    topic = struct.pack(">h", len(name)) + name.encode() + struct.pack(
        ">ihii", partitions, len(lab.sites), 0, 0)
    body = struct.pack(">i", 1) + topic + struct.pack(">i?", 5000, False)
    request = struct.pack(">hhih4s", 19, 2, 1, 4, b"test") + body
    for node in lab.nodes:
        try:
            with view.connect(lab, node, lab.pid(node)) as connection:
                connection.sendall(struct.pack(">i", len(request)) + request)
                connection.recv(4096)
        except (OSError, TypeError):
            continue


def end_by_kill(child):
    os.kill(child.pid, signal.SIGKILL)
    child.wait(WAIT_SECONDS)


def pair_of_sockets(answer):
    """A connection at whose other end `answer` lies, and then nothing."""
    ours, theirs = socket.socketpair()
    theirs.sendall(answer)
    theirs.shutdown(socket.SHUT_WR)
    ours.settimeout(1)
    return ours, theirs
