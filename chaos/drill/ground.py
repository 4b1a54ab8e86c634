"""What a drill stands on: a lab of the testbed, as the drill needs it.

Clients are started where a site's applications are. Nodes are asked from their own network
namespace, by threads of this process: their answers then do not depend on what is cut. Everything
that can go wrong with a lab is a GroundError with a sentence."""

import os
import pathlib
import re
import shutil
import socket
import subprocess

from faults.membership import ADMIN_STEP
from testbed import sockets
from testbed.lab import PROGRAMS, Lab, Refused
from testbed.settings import set_value

from . import wire
from .plan import LABS


OPERATOR_S = 30
DAMAGE = re.compile(r" event=(\w+_(?:damaged|corrupt|lost|restored))\b")


class GroundError(Exception):
    """The lab can't be had, or did not do what was asked; a sentence."""


def has_network():
    """Network namespaces, mounts and packet filters need root."""
    return os.geteuid() == 0


def raise_ground(kind_name, programs, one_way_ms, is_loopback, settings=None):
    """A lab of this kind with a cluster that has formed."""
    kind = LABS[kind_name]
    try:
        lab = Lab.up(name=f"drill-{os.getpid()}", nodes_per_site=kind.nodes_per_site,
                     rtt_us=0 if is_loopback else 2000 * one_way_ms, binary=str(programs.trilogd),
                     programs=str(programs.check.parent), faultfs=kind.disk == "faultfs",
                     faketime=kind.clock == "faketime", loopback=is_loopback,
                     settings={**dict(kind.settings), **(settings or {})})
    except Refused as error:
        raise GroundError(str(error)) from error
    return Ground(lab)


class Ground:
    def __init__(self, lab):
        self.lab = lab
        self.sites = list(lab.sites)
        self._namespaces = {} if lab.is_loopback else self._open_namespaces()

    def _open_namespaces(self):
        return {node: sockets.open_namespace(self.lab.folder, f"node-{node}")
                for node in self.lab.nodes}

    # ---- who is there -----------------------------------------------------------------------
    def node_sites(self):
        return {node.id: node.site for node in self.lab.nodes.values()}

    def addresses(self):
        return {node.id: node.address for node in self.lab.nodes.values()}

    def bootstrap(self, site):
        """The site's own nodes first, as an application there is configured."""
        own_first = sorted(self.lab.nodes.values(), key=lambda n: (n.site != site, n.id))
        return ",".join(node.address for node in own_first)

    def connections(self):
        """{node: a function that opens a socket to it}"""
        return {node: self._connector(node) for node in self.lab.nodes}

    def _connector(self, node):
        host, _, port = self.lab.nodes[node].address.rpartition(":")

        def connect(timeout_s):
            connection = self._socket_at(node)
            try:
                connection.settimeout(timeout_s)
                connection.connect((host, int(port)))
            except OSError:
                connection.close()
                raise
            return connection
        return connect

    def _socket_at(self, node):
        if node not in self._namespaces:
            return socket.socket()
        return sockets.socket_in(self._namespaces[node])

    def coordinator(self, group):
        """The node that coordinates a group, by the word of the first that knows."""
        for connect in self.connections().values():
            try:
                return wire.ask_coordinator(connect, group)
            except wire.AnswerError:
                continue
        raise GroundError(f"no node knows the coordinator of {group}")

    # ---- for what no fault of the catalogue does ----------------------------------------------
    def cut_all_links(self):
        return self.lab.all_links().cut()

    # ---- what nodes say -----------------------------------------------------------------------
    def _log(self, node):
        return pathlib.Path(self.lab.nodes[node].log_path)

    def log_sizes(self):
        return {node: self._log(node).stat().st_size for node in self.lab.nodes
                if self._log(node).exists()}

    def damage_said(self, nodes, sizes):
        """Names of events in which these nodes said, since their logs had these sizes, that
        something on their disks is damaged or gone."""
        names = set()
        for node in nodes:
            with open(self._log(node), "rb") as file:
                file.seek(sizes.get(node, 0))
                names.update(DAMAGE.findall(file.read().decode(errors="replace")))
        return sorted(names)

    def restart_with(self, node, settings):
        """One node only gets these settings, as when an operator changed one file."""
        path = self.lab.nodes[node].settings_path
        with open(path, encoding="utf-8") as file:
            text = file.read()
        for name, value in settings.items():
            text = set_value(text, name, value)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        try:
            self.lab.stop_node(node)
            self.lab.start_node(node)
            self.lab.wait_until_formed()
        except Refused as error:
            raise GroundError(str(error)) from error

    # ---- what an operator says ------------------------------------------------------------------
    def set_policy(self, group, policy):
        """By the first node; any of them finds the coordinator."""
        node = min(self.lab.nodes)
        host, _, port = self.lab.nodes[node].address.rpartition(":")
        admin = f"{host if self.lab.is_loopback else '127.0.0.1'}:{int(port) + ADMIN_STEP}"
        command = [os.path.join(PROGRAMS, "trilog"), "group", "policy", group, policy, "--yes",
                   "--admin", admin]
        done = subprocess.run(self.lab.command_in(node, command), capture_output=True, text=True,
                              timeout=OPERATOR_S, check=False)
        if done.returncode != 0:
            raise GroundError(f"the policy of {group} is not set: {done.stderr.strip()}")

    # ---- clients ----------------------------------------------------------------------------
    def start_client(self, site, argv, log):
        return subprocess.Popen(self.lab.command_in(site, argv), stdin=subprocess.DEVNULL,
                                stdout=log, stderr=log, start_new_session=True)

    # ---- the end ----------------------------------------------------------------------------
    def copy_logs(self, folder):
        """What the nodes and the lab said, beside the histories of a drill."""
        for name in sorted(os.listdir(self.lab.folder)):
            if name.endswith((".log", ".yaml")):
                shutil.copy(os.path.join(self.lab.folder, name), os.path.join(folder, name))

    def down(self):
        for namespace in self._namespaces.values():
            os.close(namespace)  # else it would outlive the lab
        self._namespaces = {}
        try:
            self.lab.down()
        except Refused as error:
            raise GroundError(str(error)) from error
