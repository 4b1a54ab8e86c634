"""Kafka's own command line tools, by the class that each script of Kafka starts.

Each run is a Java of its own, which spends most of its second on reading the same classes. So the
first run of each kind leaves them as the JVM has them in memory, in a file that the others map."""

import os
import subprocess

import cluster as clusters

JARS = clusters.ROOT / "build" / "clients" / "kafka"
CLASSES = {
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "kafka-consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "kafka-verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "kafka-log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
}
# A tool lives for seconds: start quickly, stay small. What the JVM says of archives of classes that
# don't fit, which it then does without, would stand among the tool's own words.
JVM = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
       "-Xlog:disable", "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{JARS}/*"]


def _archive(tool):
    """Where the classes of tools of its kind are kept."""
    kinds = () if tool == "kafka-consumer-groups" else ("consumer", "producer")
    kind = next((kind for kind in kinds if kind in tool), "admin")
    return clusters.ROOT / "build" / f"java-classes-{kind}.jsa"


def _is_current(archive):
    """It was made of these very jars."""
    stamp = JARS.with_name(f"{JARS.name}.stamp")
    return archive.exists() and archive.stat().st_mtime > stamp.stat().st_mtime


def command(tool, *arguments):
    archive = _archive(tool)
    mapped = [f"-XX:SharedArchiveFile={archive}"] if _is_current(archive) else []
    return [JVM[0], *mapped, *JVM[1:], CLASSES[tool], *map(str, arguments)]


def run(tool, *arguments, stdin="", timeout_s=60):
    """The tool's output; it must succeed."""
    done = attempt(tool, *arguments, stdin=stdin, timeout_s=timeout_s)
    assert done.returncode == 0, f"{tool}: {done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(tool, *arguments, stdin="", timeout_s=60):
    words, archive = command(tool, *arguments), _archive(tool)
    made = archive.with_suffix(f".{os.getpid()}")
    if not _is_current(archive):
        words.insert(1, f"-XX:ArchiveClassesAtExit={made}")
    done = subprocess.run(words, input=stdin, text=True, capture_output=True, timeout=timeout_s,
                          check=False)
    if made.exists():
        made.replace(archive)
    return done


def table(text):
    """The rows of a tool's table, as dictionaries by its headings."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    heading = next(i for i, line in enumerate(lines) if "GROUP" in line)
    return [dict(zip(lines[heading], line)) for line in lines[heading + 1:]
            if line != lines[heading] and len(line) >= len(lines[heading]) - 1]
