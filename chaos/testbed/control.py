"""How clients and the keeper speak: a line of JSON each way over a unix socket, then it closes.

    {"do": "link", …}  ──▶   keeper   ──▶  {"result": …}  or  {"refused": "a sentence"}

The socket lies in the lab's folder, which is its owner's alone.
"""
import json
import os
import socket
import struct

from .folder import default_base_name
from .shape import Refused
from .wand import connect_unix

LINE_BYTES_MAX = 1 << 20
ANSWER_SECONDS = 30


class NotUp(Refused):
    """There is no lab of this name."""


def base_folder(folder: str | None) -> str:
    """Where labs keep their folders: not below /run or /tmp, which may be memory, for the nodes'
    disks should be disks."""
    parent = os.environ.get("TMPDIR") or "/var/tmp"
    return os.path.abspath(folder or os.path.join(parent, default_base_name()))


def lab_folder(name: str, folder: str | None) -> str:
    if not name or len(name) > 64 or not all(c.isalnum() or c in "-_" for c in name):
        raise Refused(f"{name!r} is no name for a lab: letters, digits, - and _")
    return os.path.join(base_folder(folder), name)


def socket_path(lab: str) -> str:
    return os.path.join(lab, "control")


def connect(lab: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        connect_unix(connection, socket_path(lab))
    except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError) as error:
        connection.close()
        raise NotUp(f"no lab {os.path.basename(lab)!r} is up here: "
                    "chaos/lab up starts one") from error
    return connection


def keeper_pid(connection: socket.socket) -> int:
    """The process that listens at the other end, as this process would name it."""
    size = struct.calcsize("3i")
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", credentials)[0]


def send(connection: socket.socket, message: dict) -> None:
    connection.sendall(json.dumps(message).encode() + b"\n")


def receive(connection: socket.socket) -> dict | None:
    """None when the other end went away first."""
    data = b""
    while not data.endswith(b"\n"):
        piece = connection.recv(65_536)
        if not piece or len(data) > LINE_BYTES_MAX:
            return None
        data += piece
    return json.loads(data)


def take_result(answer: dict | None):
    if answer is None:
        raise NotUp("the lab ended before it answered")
    if "refused" in answer:
        raise Refused(answer["refused"])
    return answer["result"]


def request(lab: str, do: str, answer_seconds: float = ANSWER_SECONDS, **arguments):
    """Asks the keeper. Raises Refused with its sentence, NotUp when there is no lab."""
    with connect(lab) as connection:
        connection.settimeout(answer_seconds)
        try:
            send(connection, {"do": do, **arguments})
            return take_result(receive(connection))
        except TimeoutError as error:
            raise Refused(f"the lab did not answer in {answer_seconds:g} s") from error
        except (BrokenPipeError, ConnectionResetError):
            return take_result(None)
