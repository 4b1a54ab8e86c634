"""A trilog-router: the address that a site's applications know, where a lab has any.

Its configuration file is made as a node's is, of the shipped one. A site's router is told of the nodes
of its own site first, and of all other routers.
"""
import os
import re

from .lives import Life
from .processes import Processes
from .settings import sample_path, set_value
from .shape import Refused, Router, Shape


class RouterLife(Life):
    def __init__(self, router: Router, folder: str, binary: str, processes: Processes,
                 network: int | None):
        self.router = router
        self.settings_path = os.path.join(folder, f"router-{router.id}.yaml")
        super().__init__(f"router {router.id}", [binary, "--config", self.settings_path],
                         os.path.join(folder, f"router-{router.id}.log"), processes, network)

    def describe(self) -> dict:
        return {"id": self.router.id, "site": self.router.site, "address": self.router.address,
                **super().describe(), "settings_path": self.settings_path}


def _set_list(text: str, name: str, entries: list[str]) -> str:
    lines = "".join(f"  - {entry}\n" for entry in entries)
    made = f"{name}:\n{lines}" if entries else f"{name}: []\n"
    changed, count = re.subn(rf"(?m)^{name}:\n(?:  - .*\n)*", lambda _: made, text)
    if count != 1:
        raise Refused(f"the shipped configuration file of a router has no list of {name}")
    return changed


def settings_of(router: Router, shape: Shape, root: str, extra: dict[str, str]) -> str:
    """A router's configuration file, made of the shipped one."""
    with open(sample_path(root, router.site, "router"), encoding="utf-8") as file:
        text = file.read()
    own_first = sorted(shape.nodes, key=lambda node: (node.site != router.site, node.id))
    text = _set_list(text, "nodes", [f'"{node.address}"' for node in own_first])
    text = _set_list(text, "routers", [
        f'{{router_id: {other.id}, site: {other.site}, address: "{other.address}"}}'
        for other in shape.routers if other is not router])
    if not router.host.startswith("127."):  # on loopback all applications have one address
        text += "\nsite_networks:\n" + "".join(
            f'  - {{site: {site}, addresses: "{shape.lan(site)}"}}\n' for site in shape.sites)
    values = {"router_id": str(router.id), "site": router.site, "listen": router.address,
              "advertised": router.address}
    for name, value in {**values, **extra}.items():
        text = set_value(text, name, value)
    return text
