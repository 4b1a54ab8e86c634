"""Kafka's own command line tools, by the class that each script of Kafka starts."""

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
    "kafka-dump-log": "org.apache.kafka.tools.DumpLogSegments",
    "kafka-broker-api-versions": "org.apache.kafka.tools.BrokerApiVersionsCommand",
}
# A tool lives for seconds: start quickly, stay small.
JVM = ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto",
       "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "-cp", f"{JARS}/*"]


def command(tool, *arguments):
    return [*JVM, CLASSES[tool], *map(str, arguments)]


def run(tool, *arguments, stdin="", timeout_s=60):
    """The tool's output; it must succeed."""
    done = attempt(tool, *arguments, stdin=stdin, timeout_s=timeout_s)
    assert done.returncode == 0, f"{tool}: {done.stdout}\n{done.stderr}"
    return done.stdout


def attempt(tool, *arguments, stdin="", timeout_s=60):
    return subprocess.run(command(tool, *arguments), input=stdin, text=True, capture_output=True,
                          timeout=timeout_s, check=False)


def table(text):
    """The rows of a tool's table, as dictionaries by its headings."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    heading = next(i for i, line in enumerate(lines) if "GROUP" in line)
    return [dict(zip(lines[heading], line)) for line in lines[heading + 1:]
            if line != lines[heading] and len(line) >= len(lines[heading]) - 1]
