"""A cluster of three nodes, one per site, as the tests see it: processes and addresses.

OwnCluster starts three `trilogd` on 127.0.0.1, .2 and .3, each with a config and a data folder of
its own, and can end, pause and start each of them again. ForeignCluster is any cluster that runs
already, named by CLIENT_TEST_BOOTSTRAP: so the same tests run against real Kafka, and a test that
passes there is evidence that the test is right. Its nodes can be killed only when the environment
says how (see README.md).

Every wait has a bound, every process is ended by its own id, and nothing here knows Kafka's
protocol: a real client says whether the cluster is healthy and who leads."""

import collections
import contextlib
import glob
import os
import pathlib
import random
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

ROOT = pathlib.Path(__file__).resolve().parents[2]
HALF = os.environ.get("CLIENT_TEST_HALF", "")  # "first" or "second", when they run side by side
LOGS = ROOT / "build" / "logs" / "client" / HALF
SITES = ("a", "b", "c")
HEALTHY_S = 60
STOP_S = 30


def wait_until(is_true, timeout_s, what, pause_s=0.05, passing=()):
    """Calls `is_true` until it answers something true, which is returned. A port that is closed and
    an answer without what was asked for are a node that starts, or has not heard of it: not yet
    true, as are exceptions in `passing`."""
    give_up = time.monotonic() + timeout_s
    while True:
        trouble = None
        try:
            answer = is_true()
        except (OSError, KeyError, *passing) as why:
            answer, trouble = None, why
        if answer:
            return answer
        if time.monotonic() > give_up:
            why = f" ({trouble!r})" if trouble else ""
            raise AssertionError(f"not within {timeout_s} s: {what}{why}")
        time.sleep(pause_s)


def is_stopped(pid):
    """All of its threads: the signal stops the first that takes it, and that one the others."""
    states = []
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        states.append((task / "stat").read_text().rpartition(")")[2].split()[0])
    return set(states) == {"T"}


def stop(pid):
    """On a busy machine some threads go on for a while after the signal was sent."""
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: is_stopped(pid), STOP_S, f"all threads of {pid} stand still", 0.001)


# Below those that the kernel gives to whoever connects, and apart from the other half's: a node that
# is down for a while has its port again when it is back.
OWN_PORTS = range(10_000, 20_000) if HALF == "first" else range(20_000, 32_000)
ports_given = set()


def free_port(host):
    """One that nobody has, that nobody gets by chance, and that was not given before."""
    while True:
        port = random.choice(OWN_PORTS)
        with socket.socket() as s:
            try:
                s.bind((host, port))
            except OSError:
                continue
        if (host, port) not in ports_given:
            ports_given.add((host, port))
            return port


def rss_bytes_of(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


class OwnNode:
    """One trilogd: its config, data folder, log and process."""

    def __init__(self, node_id, folder, log_path, site=None):
        self.id = node_id
        self.site = site or SITES[node_id - 1]
        self.host = f"127.0.0.{node_id}"
        self.port = free_port(self.host)
        self.peer = f"{self.host}:{free_port(self.host)}"
        self.admin = f"{self.host}:{free_port(self.host)}"
        self.data = folder / f"node-{node_id}"
        self.config = folder / f"node-{node_id}.yaml"
        self.log_path = log_path
        self.process = None

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def write_config(self, nodes, settings):
        lines = [
            "cluster_name: client-test",
            f"node_id: {self.id}",
            f"site: {self.site}",
            f"data_directory: {self.data}",
            f"listen: {self.address}",
            f"advertised: {self.address}",
            f"peer_listen: {self.peer}",
            f"admin_listen: {self.admin}",
            *(f"{name}: {value}" for name, value in settings.items()),
            "nodes:",
            *(f'  - {{id: {n.id}, site: {n.site}, peer: "{n.peer}"}}' for n in nodes),
        ]
        self.config.write_text("\n".join(lines) + "\n", encoding="ascii")

    def start(self):
        assert not self.is_running()
        self.data.mkdir(exist_ok=True)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [trilogd(), "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.data.parent)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def events_since(self, lengths):
        """The event lines behind its log's position among Cluster.log_lengths()."""
        with open(self.log_path, "rb") as f:
            f.seek(lengths.get(self.id, 0))
            return f.read().decode(errors="replace").splitlines()

    def pid(self):
        return self.process.pid

    def kill9(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_S)

    def terminate(self):
        """A clean end; its exit status is returned."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def pause(self):
        stop(self.process.pid)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def end(self):
        """Ends it, whatever state it is in; its exit status, which is 0 when it ended cleanly."""
        if not self.is_running():
            return 0
        self.resume()
        try:
            return self.terminate()
        except subprocess.TimeoutExpired:
            self.kill9()
            return self.process.returncode


class ForeignNode:
    """A node of a running cluster; CLIENT_TEST_PIDS and CLIENT_TEST_START say how to end and start
    it, with {node} for its number."""

    def __init__(self, node_id, address):
        self.id = node_id
        self.site = SITES[node_id - 1]
        self.host, port = address.rsplit(":", 1)
        self.port = int(port)
        self.address = address

    def pid(self):
        path = os.environ["CLIENT_TEST_PIDS"].format(node=self.id)
        return int(pathlib.Path(path).read_text(encoding="ascii"))

    def is_running(self):
        if "CLIENT_TEST_PIDS" not in os.environ:
            return True
        try:
            with open(f"/proc/{self.pid()}/stat", encoding="ascii") as f:
                return f.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def _signal_and_wait(self, number):
        os.kill(self.pid(), number)
        wait_until(lambda: not self.is_running(), STOP_S, f"node {self.id} has ended")

    def start(self):
        subprocess.run(shlex.split(os.environ["CLIENT_TEST_START"].format(node=self.id)),
                       check=True, timeout=HEALTHY_S, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL)

    def kill9(self):
        self._signal_and_wait(signal.SIGKILL)

    def terminate(self):
        self._signal_and_wait(signal.SIGTERM)
        return 0

    def pause(self):
        stop(self.pid())

    def resume(self):
        os.kill(self.pid(), signal.SIGCONT)


class Cluster:
    """What both kinds of cluster share: asking it, by a real client."""

    nodes = ()
    is_own = False

    @property
    def faces(self):
        """Whom clients are told of: id, address, site."""
        return self.nodes

    @property
    def bootstrap(self):
        return ",".join(face.address for face in self.faces)

    def node(self, node_id):
        return next(node for node in self.nodes if node.id == node_id)

    @contextlib.contextmanager
    def while_used(self):
        """Started, and whatever happens, stopped: for a fixture."""
        try:
            self.start()
            yield self
        finally:
            self.stop()

    def start_ended(self):
        """All nodes run and are healthy, whichever were ended."""
        for node in self.nodes:
            if not node.is_running():
                node.start()
        self.wait_healthy()

    def admin(self, **settings):
        return AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0, **settings})

    def metadata(self, topic=None, node=None, timeout_s=10):
        """A client's metadata, asked of one node if one is named: a new client knows no other."""
        admin = self.admin(**({"bootstrap.servers": node.address} if node else {}))
        return admin.list_topics(topic, timeout=timeout_s)

    def wait_healthy(self, node_count=3, timeout_s=HEALTHY_S):
        """Each running node names `node_count` brokers and a controller."""
        def is_healthy(node):
            try:
                seen = self.metadata(node=node, timeout_s=2)
            except KafkaException:
                return False
            return len(seen.brokers) == node_count and seen.controller_id in seen.brokers
        for node in self.nodes:
            if node.is_running():
                wait_until(lambda n=node: is_healthy(n), timeout_s, f"node {node.id} is healthy")

    def partitions(self, topic):
        return self.metadata(topic).topics[topic].partitions

    def leader(self, topic, partition=0, timeout_s=30):
        """The node that leads the partition, once there is one."""
        def led():
            try:
                leader = self.partitions(topic)[partition].leader
            except (KafkaException, KeyError):
                return None
            return leader if leader > 0 else None
        return self.node(wait_until(led, timeout_s, f"{topic} has a leader"))

    def wait_led(self, topic, partition_count, timeout_s=30):
        """All the topic's partitions have a leader, in the eyes of each running node."""
        def is_led(node):
            try:
                seen = self.metadata(topic, node, 5).topics[topic].partitions
            except (KafkaException, KeyError):
                return False
            return len(seen) == partition_count and all(p.leader > 0 for p in seen.values())
        for node in self.nodes:
            if node.is_running():
                wait_until(lambda n=node: is_led(n), timeout_s, f"{topic} is led, seen by {node.id}")

    def wait_spread(self, topic, timeout_s=30):
        """Each running node leads as many of the topic's partitions as any other, but for one."""
        def is_spread():
            leaders = [p.leader for p in self.partitions(topic).values()]
            counts = [leaders.count(node.id) for node in self.nodes if node.is_running()]
            return sum(counts) == len(leaders) and max(counts) - min(counts) <= 1
        wait_until(is_spread, timeout_s, "leaders are spread evenly", 0.1, [KafkaException])


class OwnCluster(Cluster):
    """Three trilogd of this build, in a temporary folder."""

    is_own = True
    # Segments and checkpoints are on disk, and leaders at home, soon enough for a test to wait. The
    # disk is everybody's: that one node had to wait for it says nothing of that node. Neither is a
    # site left for half a minute because its node was ended, or stood still: what is about sites
    # turns the canary on (site_test.py); labs have it as it comes (test/chaos/).
    SETTINGS = {"checkpoint_interval_ms": "1 s", "leader_return_quiet_ms": "1 s",
                "site_canary_ms": "0",
                "disk_slow_ms": "10 s", "disk_reserve_bytes": "16 MiB", "disk_reserve_percent": "0"}

    # For a cluster that nobody hurts: no leader goes because the machine had no time for its node.
    UNHURT = {"gone_ms": "2 s", "election_timeout_ms": "4 s"}

    made = collections.Counter()  # by name: a test's failure is read in its own nodes' logs

    def __init__(self, name, settings=None):
        LOGS.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.made[name] += 1
        log_name = name if self.made[name] == 1 else f"{name}-{self.made[name]}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"trilog-client-{name}-"))
        self.nodes = [OwnNode(i, self.folder, LOGS / f"{log_name}-node-{i}.log") for i in (1, 2, 3)]
        for node in self.nodes:
            node.log_path.unlink(missing_ok=True)
        self.founders = tuple(self.nodes)
        self.settings = {}
        self.configure(settings or {})

    def configure(self, settings):
        """Settings for each node's next start."""
        self.settings = {**self.SETTINGS, **settings}
        for node in self.nodes:
            node.write_config(self.founders, self.settings)

    def new_node(self, node_id, site):
        """One more node, not started; the cluster knows nothing of it yet."""
        log_path = LOGS / f"{self.folder.name}-node-{node_id}.log"
        node = OwnNode(node_id, self.folder, log_path, site)
        node.write_config(self.founders, self.settings)
        self.nodes.append(node)
        return node

    def start(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        for node in self.nodes:
            node.start()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        try:
            self.wait_healthy()
        except AssertionError as trouble:
            said = "\n".join(self.warnings_since({}))
            raise AssertionError(f"{trouble}; the nodes said:\n{said}") from None

    def stop(self):
        """Ends one after the other: the last ones without a majority, so without anyone to hand
        over to. Each must end cleanly."""
        statuses = {node.id: node.end() for node in self.nodes}
        shutil.rmtree(self.folder, ignore_errors=True)
        assert set(statuses.values()) == {0}, f"exit statuses of the nodes: {statuses}"

    def can_kill(self):
        return True

    def segment_files(self):
        return [p for node in self.nodes for p in glob.glob(f"{node.data}/**/*.log", recursive=True)]

    def log_lengths(self):
        return {n.id: n.log_path.stat().st_size for n in self.nodes if n.log_path.exists()}

    def warnings_since(self, lengths, count_max=40):
        """The event lines of level warn or error, and what is no event line at all (an assertion,
        a sanitizer), behind the given positions of the nodes' logs."""
        lines = []
        for node in self.nodes:
            if not node.log_path.exists():
                continue
            with open(node.log_path, "rb") as f:
                f.seek(lengths.get(node.id, 0))
                for line in f.read().decode(errors="replace").splitlines():
                    if "level=info" not in line and "level=debug" not in line:
                        lines.append(f"node {node.id}: {line[:400]}")
        if len(lines) > count_max:
            lines = [*lines[:5], f"… {len(lines) - count_max} more …", *lines[5 - count_max:]]
        return lines


class Router:
    """One trilog-router, on its site's address."""

    def __init__(self, router_id, site, host, folder, log_path):
        self.id, self.site, self.host = router_id, site, host
        self.port = free_port(host)
        self.admin = f"{host}:{free_port(host)}"
        self.config = folder / f"router-{router_id}.yaml"
        self.log_path = log_path
        self.process = None

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    def write_config(self, nodes, routers, settings):
        others = [r for r in routers if r is not self]
        lines = [
            f"router_id: {self.id}",
            f"site: {self.site}",
            f"listen: {self.address}",
            f"admin_listen: {self.admin}",
            *(f"{name}: {value}" for name, value in settings.items()),
            "nodes:",
            *(f'  - "{node.address}"' for node in nodes),
        ]
        if others:
            lines += ["routers:", *(f'  - {{router_id: {r.id}, site: {r.site}, address: "{r.address}"}}'
                                    for r in others)]
        self.config.write_text("\n".join(lines) + "\n", encoding="ascii")

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [trilog_router(), "--config", str(self.config)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def end(self):
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def pause(self):
        stop(self.process.pid)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def kill9(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_S)


class RoutedCluster(OwnCluster):
    """Its clients know only a router, that of the first site; there is one in each."""

    def __init__(self, name, settings=None, router_settings=None):
        super().__init__(name, settings)
        self.routers = [Router(1_000_000 + n.id, n.site, n.host, self.folder,
                               n.log_path.with_name(n.log_path.name.replace("node", "router")))
                        for n in self.nodes]
        for router in self.routers:
            router.log_path.unlink(missing_ok=True)
            router.write_config(self.nodes, self.routers, router_settings or {})

    @property
    def faces(self):
        return self.routers[:1]

    def metadata(self, topic=None, node=None, timeout_s=10):
        """As the nodes tell it: who really leads."""
        return super().metadata(topic, node or next(n for n in self.nodes if n.is_running()), timeout_s)

    def start(self):
        for router in self.routers:
            router.start()
        super().start()

    def stop(self):
        statuses = {router.id: router.end() for router in self.routers}
        super().stop()
        assert set(statuses.values()) == {0}, f"exit statuses of the routers: {statuses}"


class ForeignCluster(Cluster):
    """A cluster that others started and will stop."""

    def __init__(self, addresses):
        self.nodes = [ForeignNode(i, address) for i, address in enumerate(addresses.split(","), 1)]

    def start(self):
        self.wait_healthy(len(self.nodes))

    def stop(self):
        """Not ours to stop."""

    def can_kill(self):
        return "CLIENT_TEST_PIDS" in os.environ and "CLIENT_TEST_START" in os.environ

    def segment_files(self):
        return glob.glob(os.environ.get("CLIENT_TEST_DATA", "/nonexistent") + "/**/*.log",
                         recursive=True)

    def log_lengths(self):
        return {}

    def warnings_since(self, _lengths):
        return []


def trilogd():
    """Nodes run elsewhere: TRILOGD is looked up from here, as it was given to `run`."""
    return str(ROOT / (os.environ.get("TRILOGD") or "build/release/trilogd"))


def trilog_router():
    """Likewise TRILOG_ROUTER."""
    return str(ROOT / (os.environ.get("TRILOG_ROUTER") or "build/release/trilog-router"))


def new_cluster(name, settings=None):
    """The cluster that the environment asks for, not yet started."""
    addresses = os.environ.get("CLIENT_TEST_BOOTSTRAP")
    if addresses:
        return ForeignCluster(addresses)
    return (RoutedCluster if "CLIENT_TEST_ROUTED" in os.environ else OwnCluster)(name, settings)
