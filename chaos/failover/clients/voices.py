"""Clients as processes, and what passes between them and whoever keeps their history.

A program of ours in the client's language hosts all producers and members of one site. It takes lines

    send PRODUCER NUMBER PARTITION KEY VALUE      PARTITION -1, KEY -: the client's own choice, none

and says, with the machine's monotonic clock in microseconds in front,

    ready                                 everybody is connected
    ok NUMBER PARTITION OFFSET            of a send
    fail NUMBER WHY                       it certainly was not sent
    unknown NUMBER WHY
    assign MEMBER PARTITION …             before it reads from there
    revoke MEMBER PARTITION …
    read MEMBER PARTITION OFFSET KEY VALUE
    polled MEMBER                         those were the records of one poll
    commit MEMBER COUNT PARTITION:OFFSET …
    committed MEMBER COUNT ok|unknown WHY

Keys and values are base64. When its input ends it leaves its groups and ends. kcat is one process a
producer and one a member, and speaks for itself."""

import base64
import os
import pathlib
import re
import subprocess
import threading

from drill.chronicle import now_us
from drill.terminal import ROOT

HERE = pathlib.Path(__file__).parent
CLIENTS = ROOT / "build" / "clients"
PYTHON = CLIENTS / "venv" / "bin" / "python"
JARS = f"{CLIENTS}/kafka/*"
JAVA = ROOT / "build" / "failover-java"
PROGRAMS = {
    "confluent": [str(PYTHON), "-B", str(HERE / "client.py"), "confluent"],
    "kafkapython": [str(PYTHON), "-B", str(HERE / "client.py"), "kafkapython"],
    "kafkajs": ["node", str(HERE / "client.js")],
    "java": ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
             "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", f"{JAVA}:{JARS}", "Client"],
}
DIES_WITH_US = ["setpriv", "--pdeathsig", "KILL"]  # as an application's threads do


def build_java():
    """Once for all who start it."""
    source, made = HERE / "Client.java", JAVA / "Client.class"
    if not made.exists() or made.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["javac", "-d", str(JAVA), "-cp", JARS, str(source)], check=True)


def start(argv, **pipes):
    environment = {**os.environ, "NODE_PATH": str(CLIENTS / "node" / "node_modules")}
    return subprocess.Popen([*DIES_WITH_US, *argv], stdin=subprocess.PIPE, env=environment, **pipes)


class Program:
    """`take(at_us, kind, words)` is called with what it says."""

    fixed_partition = False

    def __init__(self, client, options, take):
        self._take = take
        argv = [*PROGRAMS[client], options.bootstrap, options.topic, options.producers,
                options.members, options.group_prefix, options.site]
        self._process = start([str(word) for word in argv], stdout=subprocess.PIPE)
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        for line in self._process.stdout:
            if not line.endswith(b"\n"):
                return  # it was killed
            at_us, kind, *words = line.decode("ascii", "replace").split()
            self._take(int(at_us), kind, words)

    def send(self, producer, number, partition, key, value):
        said = base64.b64encode(key.encode()).decode() if key is not None else "-"
        line = f"send {producer} {number} {partition} {said} {base64.b64encode(value).decode()}\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()

    def has_ended(self):
        return self._process.poll() is not None

    def end(self, seconds):
        """Whether it ended in order within this time."""
        try:
            self._process.stdin.close()
        except BrokenPipeError:
            pass  # it has ended already, and says how
        return _wait([self._process], [self._thread], seconds)


class Kcat:
    """One process a producer. With three -v it says of each record that it is there, in the order in
    which they were sent, for each writes to one partition."""

    fixed_partition = True
    DELIVERED = re.compile(rb"% Message delivered to partition (\d+) \(offset (-?\d+)\)")
    FAILED = re.compile(rb"% Delivery failed for message: (.*)")

    def __init__(self, _, options, take):
        self._take = take
        self._sent = [[] for _ in range(options.producers)]
        self._processes = []
        self._threads = []
        for index in range(options.producers):
            partition = partition_of(index, options)
            self._processes.append(start(
                ["kcat", "-P", "-E", "-b", options.bootstrap, "-t", options.topic, "-p",
                 str(partition), "-K", "\t", "-Z", "-v", "-v", "-v",
                 "-X", "enable.idempotence=true", "-X", "acks=all"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
            self._threads.append(threading.Thread(target=self._listen, args=(index,), daemon=True))
            self._threads[-1].start()
        self._members = [KcatMember(index, options, take) for index in range(options.members)]
        take(now_us(), "ready", [])

    def _listen(self, index):
        """What failed is told without saying which: from there on nothing is known for sure."""
        is_lost = False
        for line in self._processes[index].stderr:
            delivered = self.DELIVERED.match(line)
            is_lost = is_lost or bool(self.FAILED.match(line))
            if delivered and not is_lost and self._sent[index]:
                self._take(now_us(), "ok", [self._sent[index].pop(0), *map(int, delivered.groups())])

    def send(self, producer, number, _, key, value):
        self._sent[producer].append(number)
        line = (key.encode() + b"\t" if key is not None else b"") + value + b"\n"
        self._processes[producer].stdin.write(line)
        self._processes[producer].stdin.flush()

    def has_ended(self):
        """A member that does is seen in how long nobody reads."""
        return any(process.poll() is not None for process in self._processes)

    def end(self, seconds):
        for process in self._processes:
            process.stdin.close()
        for member in self._members:
            member.process.terminate()
        _wait([member.process for member in self._members],
              [thread for member in self._members for thread in member.threads], seconds)
        return _wait(self._processes, self._threads, seconds)


class KcatMember:
    """A process that reads as a member of a group, and commits by itself."""

    REBALANCED = re.compile(r"% Group \S+ rebalanced \(memberid \S*\): (assigned|revoked): (.*)")
    PARTITION = re.compile(r"\[(\d+)\]")

    def __init__(self, index, options, take):
        self._index, self._take = index, take
        self.process = start(
            ["kcat", "-G", f"{options.group_prefix}{index}", "-E", "-u", "-b", options.bootstrap,
             "-X", "session.timeout.ms=6000", "-X", "heartbeat.interval.ms=1000",
             "-X", "auto.offset.reset=earliest", "-X", "log_level=0", "-f", "%p\t%o\t%K\t%k\t%s\n", options.topic],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.threads = [threading.Thread(target=one, daemon=True) for one in (self._read, self._hear)]
        for thread in self.threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            if not line.endswith(b"\n"):
                return  # it was killed
            partition, offset, key_size, key, value = line[:-1].split(b"\t", 4)
            at_us = now_us()
            said = base64.b64encode(key).decode() if int(key_size) > 0 else "-"
            self._take(at_us, "read", [self._index, int(partition), int(offset), said,
                                       base64.b64encode(value).decode()])
            self._take(at_us, "polled", [self._index])

    def _hear(self):
        for line in self.process.stderr:
            told = self.REBALANCED.match(line.decode("utf-8", "replace"))
            if told:
                kind = {"assigned": "assign", "revoked": "revoke"}[told[1]]
                self._take(now_us(), kind, [self._index, *self.PARTITION.findall(told[2])])


def partition_of(index, options):
    """Of a producer that writes to one only: they lie apart, over sites as well."""
    return (index * 7 + ord(options.site)) % options.partitions


def _wait(processes, threads, seconds):
    give_up_at_us = now_us() + seconds * 1_000_000
    is_clean = True
    for process in processes:
        try:
            is_clean &= process.wait(max((give_up_at_us - now_us()) / 1e6, 0.1)) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            is_clean = False
    for thread in threads:
        thread.join(5)
    return is_clean


def voice_of(client):
    return Kcat if client == "kcat" else Program
