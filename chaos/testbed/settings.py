"""Configuration files: the shipped ones, with this lab's addresses.

Whoever reads the files of a lab reads what a deployment has: conf/samples/site-a.yaml and its
sisters, comments included. Only what must differ does: ids, site names, addresses, the data folder,
the list of nodes, and what the user sets.
"""
import os
import re

from .shape import Node, Refused, Shape


def sample_path(root: str, site: str, kind: str = "site") -> str:
    """There are three samples of each kind ("site", "router"); a fourth site begins with the
    first one's."""
    own = os.path.join(root, "conf", "samples", f"{kind}-{site}.yaml")
    return own if os.path.exists(own) else os.path.join(root, "conf", "samples", f"{kind}-a.yaml")


def set_value(text: str, name: str, value: str) -> str:
    """In its place when the file has the setting, otherwise as a last line."""
    line = f"{name}: {value}"
    changed, count = re.subn(rf"(?m)^{re.escape(name)}:.*$", lambda _: line, text)
    return changed if count else f"{text.rstrip()}\n\n{line}\n"


def _set_nodes(text: str, shape: Shape) -> str:
    entries = "".join(f'  - {{id: {node.id}, site: {node.site}, peer: "{node.peer_address}"}}\n'
                      for node in shape.nodes)
    changed, count = re.subn(r"(?m)^nodes:\n(?:  - .*\n)*", lambda _: "nodes:\n" + entries, text)
    if count != 1:
        raise Refused("the shipped configuration file has no list of nodes")
    return changed


def settings_of(node: Node, shape: Shape, sample: str, data_folder: str,
                extra: dict[str, str]) -> str:
    """A node's configuration file, made of a shipped one."""
    text = _set_nodes(sample, shape)
    values = {"node_id": str(node.id), "site": node.site, "data_directory": data_folder,
              "listen": node.address, "advertised": node.address}
    if len(shape.sites) != 3:
        values["min.insync.replicas"] = str(len(shape.sites) // 2 + 1)
    for name, value in {**values, **extra}.items():
        text = set_value(text, name, value)
    return text


def parse_assignment(text: str) -> tuple[str, str]:
    """`name=value`"""
    name, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z0-9._]+", name) or "\n" in value:
        raise Refused(f"{text!r} is not of the form name=value")
    return name, value
