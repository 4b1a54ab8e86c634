"""Several routers before a cluster, for tests of what an operator does with them."""

import pathlib
import re
import signal

from admin_port import ask
from cluster import OwnCluster, Router, wait_until
from message import Connection


class SiteRouters(OwnCluster):
    """Three nodes, and a router for each letter of `sites`; the clients of `bootstrap` know those of
    site a."""

    def __init__(self, name, sites="aa", router_settings=None):
        super().__init__(name, self.UNHURT)
        hosts = {node.site: node.host for node in self.nodes}
        log = self.nodes[0].log_path
        self.routers = [Router(1_000_011 + i, site, hosts[site], self.folder,
                               log.with_name(f"{name}-router-{1 + i}.log")) for i, site in enumerate(sites)]
        for router in self.routers:
            router.log_path.unlink(missing_ok=True)
            self.configure_router(router, router_settings or {})

    @property
    def faces(self):
        return self.at("a")

    def at(self, site):
        return [router for router in self.routers if router.site == site]

    def metadata(self, topic=None, node=None, timeout_s=10):
        """As the nodes tell it: who really leads."""
        return super().metadata(topic, node or self.nodes[0], timeout_s)

    def configure_router(self, router, settings):
        router.write_config(self.nodes, self.routers, settings)

    def start(self):
        super().start()
        for router in self.routers:
            router.start()
        for router in self.routers:
            wait_ready(router)

    def stop(self):
        statuses = {router.id: router.end() for router in self.routers}
        super().stop()
        assert set(statuses.values()) <= {0, -signal.SIGKILL}, f"exit statuses: {statuses}"


def wait_ready(router):
    wait_until(lambda: ask(router.admin, "/readyz").status == 200, 60, f"{router.id} is ready", 0.1)


def state(router):
    return ask(router.admin, "/v1/router").json


def seen_brokers(router):
    """The ids of brokers that a client is told of."""
    with Connection(router) as c:
        return {b["node_id"] for b in c.call("Metadata", 4, topics=[])["brokers"]}


def events(router, name):
    """The router's events of that name, as text."""
    text = pathlib.Path(router.log_path).read_text(encoding="utf-8")
    return re.findall(rf"^.* event={name}\b.*$", text, re.MULTILINE)
