"""A strict reader of Prometheus' text format, version 0.0.4: what it takes, Prometheus takes.

Stricter than that in what we hold to: every family has help and type, in this order and once; its
samples follow at once; names are trilog_… with a base unit, or kafka_… as Kafka's exporters have them;
counters end in _total; no sample comes twice."""

import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
TYPES = {"gauge", "counter", "summary"}
NOT_BASE_UNITS = ("_ms", "_us", "_milliseconds", "_kib", "_mib", "_percent", "_minutes")


class Malformed(Exception):
    """With the line."""


class Family:
    """`samples`: value by (suffix, labels as a sorted tuple of pairs)."""

    def __init__(self, name, text):
        self.name = name
        self.help = text
        self.type = None
        self.samples = {}

    def value(self, suffix="", **labels):
        return self.samples[suffix, tuple(sorted(labels.items()))]

    def labels(self, name):
        return {dict(labels)[name] for _, labels in self.samples}


def _check_name(family, line):
    if not family.name.startswith(("trilog_", "kafka_")) or family.name.endswith(NOT_BASE_UNITS):
        raise Malformed(line)
    if (family.type == "counter") != family.name.endswith("_total"):
        raise Malformed(line)


def _add_sample(family, line):
    match = SAMPLE.fullmatch(line)
    if match is None or family is None or family.type is None:
        raise Malformed(line)
    suffix = match.group(1)[len(family.name):]
    allowed = {"_sum", "_count"} if family.type == "summary" else {""}
    if 'quantile="' in line:
        allowed = {""} if family.type == "summary" else {}
    if not match.group(1).startswith(family.name) or suffix not in allowed:
        raise Malformed(line)
    labels = re.findall(LABEL, match.group(2) or "")
    key = suffix, tuple(sorted(labels))
    value = float(match.group(match.lastindex))
    if key in family.samples or len(dict(labels)) != len(labels):
        raise Malformed(f"twice: {line}")
    if family.type != "gauge" and (math.isnan(value) or value < 0):
        raise Malformed(line)
    family.samples[key] = value


def read_metrics(text):
    """Families by name. Raises Malformed."""
    families, current = {}, None
    if not text.endswith("\n"):
        raise Malformed("the last line has no end")
    for line in text[:-1].split("\n"):
        if match := re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line):
            if match.group(1) in families or (current and current.type is None):
                raise Malformed(line)
            current = families[match.group(1)] = Family(*match.groups())
        elif match := re.fullmatch(rf"# TYPE ({NAME}) (\w+)", line):
            if (current is None or current.name != match.group(1) or current.type
                    or match.group(2) not in TYPES):
                raise Malformed(line)
            current.type = match.group(2)
            _check_name(current, line)
        else:
            _add_sample(current, line)
    return families
