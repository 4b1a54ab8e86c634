"""The systems under measure: three nodes each, as processes of ours.

A system knows how to write its settings and how to start one node; everything else (waiting,
killing, CPU time, memory) is the same for all and looks at processes and ports only. Nodes are
killed by process id, and die with this program.
"""
import ctypes
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
SITES = ["a", "b", "c"]
NODES = range(3)
PR_SET_PDEATHSIG = 1
TICKS = os.sysconf("SC_CLK_TCK")


def free_ports(host, count):
    """Different ones: each is held until all are known."""
    held = [socket.socket() for _ in range(count)]
    try:
        for s in held:
            s.bind((host, 0))
        return [s.getsockname()[1] for s in held]
    finally:
        for s in held:
            s.close()


def die_with_parent():
    os.setpgid(0, 0)  # Ctrl-C at the terminal is for the parent to handle
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def cpu_seconds(process):
    """User and system time."""
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_kib(process, name="VmRSS"):
    for line in pathlib.Path(f"/proc/{process.pid}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    return 0


class System:
    """Three nodes. Subclasses give `name`, `prepare` and `command`."""

    def __init__(self, folder, load):
        self.folder = pathlib.Path(folder)
        self.load_binary = load
        self.processes = [None] * 3
        self.ports, self.peer_ports = [], []

    def start(self):
        """All nodes, until each of them names three brokers."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.ports, self.peer_ports = zip(*(free_ports(h, 2) for h in HOSTS))
        self.prepare()
        for i in NODES:
            self.start_node(i)
        for i in NODES:
            self.load("up", brokers=self.address(i), count=3)

    def start_node(self, i):
        with open(self.folder / f"{SITES[i]}.log", "ab") as log:
            self.processes[i] = subprocess.Popen(
                self.command(i), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                preexec_fn=self.begin_node)

    def begin_node(self):
        """In the new process, before it becomes the node."""
        die_with_parent()

    def kill_node(self, i):
        process, self.processes[i] = self.processes[i], None
        if process is not None:
            process.kill()
            process.wait()

    def stop(self):
        for i in NODES:
            self.kill_node(i)
        shutil.rmtree(self.folder, ignore_errors=True)

    def measure_start(self, i):
        """Seconds from the start of a process to its answer to Metadata, the others being up."""
        self.kill_node(i)
        time.sleep(1)
        waiting = self.load_process("up", brokers=self.address(i), count=1)
        time.sleep(0.1)  # the client is trying by now
        since = time.monotonic()
        self.start_node(i)
        return float(self.result(waiting, "up")["at_us"]) / 1e6 - since

    def address(self, i):
        return f"{HOSTS[i]}:{self.ports[i]}"

    def brokers(self):
        return ",".join(self.address(i) for i in NODES)

    def cpu_seconds(self):
        """User and system time of all nodes' processes."""
        return sum(cpu_seconds(process) for process in filter(None, self.processes))

    def resident_mb(self):
        """Of the node that holds most."""
        return max(memory_kib(process) / 1024 for process in filter(None, self.processes))

    def load_process(self, mode, **options):
        options.setdefault("brokers", self.brokers())
        return subprocess.Popen(
            [self.load_binary, mode] + [f"{k}={v}" for k, v in options.items()],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)

    def result(self, process, mode):
        last = ""
        for line in process.stdout:
            last = line
            if line.startswith("kill "):
                self.kill_node(self.ports.index(int(line.split()[1])))
                process.stdin.write("killed\n")
                process.stdin.flush()
        if process.wait() != 0:
            raise RuntimeError(f"{self.name}: load {mode} failed")
        return dict(pair.split("=") for pair in last.split())

    def load(self, mode, **options):
        return self.result(self.load_process(mode, **options), mode)


class Trilog(System):
    name = "trilog"

    def __init__(self, folder, load, binary):
        super().__init__(folder, load)
        self.binary = binary

    def prepare(self):
        peers = "".join(f'  - {{id: {i + 1}, site: {SITES[i]}, peer: "{HOSTS[i]}:{self.peer_ports[i]}"}}\n'
                        for i in NODES)
        for i in NODES:
            (self.folder / f"{SITES[i]}.yaml").write_text(
                f"cluster_name: bench\nnode_id: {i + 1}\nsite: {SITES[i]}\n"
                f"data_directory: {self.folder}/{SITES[i]}\n"
                f"listen: {self.address(i)}\nadvertised: {self.address(i)}\n"
                f"peer_listen: {HOSTS[i]}:{self.peer_ports[i]}\nnodes:\n{peers}")

    def command(self, i):
        return [self.binary, "--config", str(self.folder / f"{SITES[i]}.yaml")]


class Kafka(System):
    """Kafka as it comes: combined nodes, no fsync, 1 GiB of heap as its own script gives it."""
    name = "kafka"

    def __init__(self, folder, load, jars):
        super().__init__(folder, load)
        self.jars = pathlib.Path(jars)

    def fetch(self):
        if list(self.jars.glob("kafka_2.13-*.jar")):
            return
        self.jars.mkdir(parents=True, exist_ok=True)
        pom = pathlib.Path(__file__).parent / "peers" / "kafka-pom.xml"
        subprocess.run(["mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(pom.resolve()), "dependency:copy-dependencies",
                        "-DincludeScope=runtime", f"-DoutputDirectory={self.jars.resolve()}"], check=True)

    def java(self, *arguments):
        return ["java", "-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
                "-cp", f"{self.jars}/*", *arguments]

    def prepare(self):
        self.fetch()
        voters = ",".join(f"{i + 1}@{HOSTS[i]}:{self.peer_ports[i]}" for i in NODES)
        for i in NODES:
            self.settings(i).write_text("\n".join([
                "process.roles=broker,controller", f"node.id={i + 1}", f"broker.rack={SITES[i]}",
                f"controller.quorum.voters={voters}", f"log.dirs={self.folder}/{SITES[i]}",
                f"listeners=PLAINTEXT://{self.address(i)},CONTROLLER://{HOSTS[i]}:{self.peer_ports[i]}",
                "controller.listener.names=CONTROLLER", "inter.broker.listener.name=PLAINTEXT",
                "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
                "default.replication.factor=3", "min.insync.replicas=2",
                "offsets.topic.replication.factor=3", "group.initial.rebalance.delay.ms=0", ""]))
        tool = "kafka.tools.StorageTool"
        cluster_id = subprocess.run(self.java(tool, "random-uuid"), check=True, capture_output=True,
                                    text=True).stdout.split()[-1]
        for i in NODES:
            subprocess.run(self.java(tool, "format", "-t", cluster_id, "-c", str(self.settings(i))),
                           check=True, capture_output=True)

    def settings(self, i):
        return self.folder / f"{SITES[i]}.properties"

    def command(self, i):
        tuning = ["-Xms1g", "-Xmx1g", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
                  "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent"]
        java, *rest = self.java("kafka.Kafka", str(self.settings(i)))
        return [java, *tuning, *rest]
