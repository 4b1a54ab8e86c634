"""From rounds of figures to one table: medians, their ratio, and the bar each has to pass."""
import statistics

# name, unit, what it is, bar. A bar is ("ratio", at least | at most, x) of trilog to Kafka, or
# ("value", at most, x) of trilog alone.
AT_LEAST, AT_MOST = "≥", "≤"
MEASURES = [
    ("fresh_1k", "MB/s", "new nodes, seconds 3 to 23: 12 partitions, 1 KiB", None),
    ("sticky_1k", "MB/s", "12 partitions, 1 KiB, acks=all", ("ratio", AT_LEAST, 1.0)),
    ("sticky_100", "records/s", "12 partitions, 100 B, acks=all", ("ratio", AT_LEAST, 1.0)),
    ("spread_1k", "records/s", "1,000 partitions, keys spread, 1 KiB", ("ratio", AT_LEAST, 3.0)),
    ("spread_100", "records/s", "1,000 partitions, keys spread, 100 B", ("ratio", AT_LEAST, 3.0)),
    ("p50", "ms", "acknowledgement at 1,000/s, p50", None),
    ("p99", "ms", "acknowledgement at 1,000/s, p99", ("ratio", AT_MOST, 0.5)),
    ("p999", "ms", "acknowledgement at 1,000/s, p99.9", None),
    ("gap", "s", "leader killed -9, longest gap of one partition", ("value", AT_MOST, 1.0)),
    ("gap_all", "s", "leader killed -9, longest gap over all", None),
    ("cpu", "s/GB", "brokers' CPU per GB of 1 KiB", ("ratio", AT_MOST, 0.6)),
    ("read_1k", "MB/s", "warm read, 1 KiB", None),
    ("read_100", "records/s", "warm read, 100 B", None),
    ("start", "s", "start of a node, until Metadata is answered", ("value", AT_MOST, 0.5)),
    ("idle", "MB", "memory of an idle node", ("value", AT_MOST, 40)),
    ("loaded", "MB", "memory of a node after all this", None),
]


def figure(x):
    if x is None:
        return "–"
    if abs(x) >= 100:
        return f"{x:,.0f}"
    return f"{x:.3g}"


def middle(values):
    return statistics.median(values)


def verdict(is_met):
    return "yes" if is_met else "**no**"


def spread(values):
    """The median, and the least and the most when there are several."""
    if not values:
        return "–"
    text = figure(middle(values))
    return f"{text} ({figure(min(values))} – {figure(max(values))})" if len(values) > 1 else text


def judge(bar, ours, kafka):
    if bar is None or ours is None or (bar[0] == "ratio" and not kafka):
        return "", ""
    kind, side, limit = bar
    value = ours / kafka if kind == "ratio" else ours
    is_met = value >= limit if side == AT_LEAST else value <= limit
    return f"{side} {limit:g}" + (" ×" if kind == "ratio" else ""), verdict(is_met)


def table(rounds):
    """`rounds`: per system a list of {measure: value}, one of each round."""
    def values(system, name):
        return [r[name] for r in rounds.get(system, []) if name in r]

    lines = ["| measure | unit | trilog | Kafka 4.3 | ratio | bar | met |",
             "| --- | --- | --- | --- | --- | --- | --- |"]
    for name, unit, what, bar in MEASURES:
        ours, kafka = values("trilog", name), values("kafka", name)
        medians = [middle(v) if v else None for v in (ours, kafka)]
        ratio = f"{medians[0] / medians[1]:.2f}" if all(medians) else "–"
        limit, met = judge(bar, *medians)
        lines.append(f"| {what} | {unit} | {spread(ours)} | {spread(kafka)} | {ratio} | {limit} | {met} |")
    return "\n".join(lines)
