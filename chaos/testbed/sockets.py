"""Sockets in the network namespaces of a lab, for a program that stands outside it.

A socket stays in the namespace in which it was made, whoever holds it. So one program can hold
both ends of a link, by one clock. Namespaces are the calling thread's alone.
"""
import os
import socket

from . import control, linux
from .network import NAMESPACE_FOLDER


def open_namespace(lab_folder: str, name: str) -> int:
    """A descriptor of it, for as long as the caller wants; `name` as in network.py: "node-1"."""
    with control.connect(lab_folder) as connection:
        keeper = control.keeper_pid(connection)
    seen_by_keeper = os.path.join("/proc", str(keeper), "root")
    return os.open(seen_by_keeper + os.path.join(NAMESPACE_FOLDER, name), os.O_RDONLY)


def socket_in(namespace: int, kind: int = socket.SOCK_STREAM) -> socket.socket:
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        linux.enter_namespace(namespace, linux.CLONE_NEWNET)
        return socket.socket(socket.AF_INET, kind)
    finally:
        linux.enter_namespace(own, linux.CLONE_NEWNET)
        os.close(own)
