"""kafkajs: one script does all, the test judges what it saw."""

import json
import os
import pathlib
import subprocess

import cluster as clusters

SCRIPT = pathlib.Path(__file__).with_name("kafkajs_client.js")


def expected_values():
    return sorted((f"k{i}", f"{codec} {i}") for codec in (0, 1) for i in range(150))


def test_kafkajs_creates_writes_reads_in_a_group_and_administers(cluster, name):
    modules = clusters.ROOT / "build" / "clients" / "node" / "node_modules"
    done = subprocess.run(["node", str(SCRIPT), cluster.bootstrap, name, f"{name}-group"],
                          env={**os.environ, "NODE_PATH": str(modules),
                               "KAFKAJS_NO_PARTITIONER_WARNING": "1"},
                          capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert (seen["created"], seen["createdAgain"]) == (True, False)
    assert (seen["partitions"], seen["brokers"], seen["errors"]) == (3, len(cluster.faces), 0)
    for turn in ("first", "second"):
        read = seen[turn]
        assert sorted((key, value) for _, _, key, value, _ in read) == expected_values(), turn
        assert {header for *_, header in read} == {"v"}
        places = [(partition, offset) for partition, offset, *_ in read]
        assert len(set(places)) == len(places)
    assert not {(p, o) for p, o, *_ in seen["first"]} & {(p, o) for p, o, *_ in seen["second"]}
    assert seen["committed"] == seen["ends"] == 600
    assert (seen["listed"], seen["state"], seen["listedAfter"]) == (True, "Empty", False)
    assert (int(seen["retention"]), seen["altered"]) == (7 * 24 * 3_600_000, 0)
    assert seen["emptied"]
