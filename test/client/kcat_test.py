"""kcat: librdkafka as Debian ships it, an older one than the Python client's."""

import json
import subprocess

import pytest


def kcat(cluster, *arguments, stdin="", timeout_s=30):
    done = subprocess.run(["kcat", "-b", cluster.bootstrap, *arguments], input=stdin.encode(),
                          capture_output=True, timeout=timeout_s, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def test_kcat_reads_what_it_wrote_with_keys_and_headers(cluster, new_topic):
    topic = new_topic()
    kcat(cluster, "-P", "-t", topic, "-K", ":", "-H", "source=kcat", "-X", "acks=all",
         stdin="first:one\nsecond:two\nthird:three\n")
    read = kcat(cluster, "-C", "-t", topic, "-e", "-q", "-f", r"%o %k %s %h\n")
    assert read == ("0 first one source=kcat\n1 second two source=kcat\n"
                    "2 third three source=kcat\n")


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
def test_kcat_reads_what_it_wrote_compressed(cluster, new_topic, codec):
    topic = new_topic()
    lines = [f"{codec} line {i} " + "x" * 80 for i in range(2000)]
    kcat(cluster, "-P", "-t", topic, "-z", codec, stdin="\n".join(lines) + "\n")
    assert kcat(cluster, "-C", "-t", topic, "-e", "-q").splitlines() == lines


def test_kcat_lists_brokers_topics_and_leaders(cluster, new_topic):
    topic = new_topic(partitions=3)
    seen = json.loads(kcat(cluster, "-L", "-J"))
    assert {b["name"] for b in seen["brokers"]} == {f.address for f in cluster.faces}
    listed = {t["topic"]: t for t in seen["topics"]}[topic]
    assert [p["partition"] for p in listed["partitions"]] == [0, 1, 2]
    for partition in listed["partitions"]:
        assert sorted(r["id"] for r in partition["replicas"]) == [1, 2, 3]
        assert partition["leader"] in {f.id for f in cluster.faces}


def test_kcat_reads_as_a_group_and_goes_on_where_it_stopped(cluster, new_topic, name):
    topic = new_topic(partitions=2)
    group = ["-G", name, "-X", "auto.offset.reset=earliest", "-e", "-q", topic]
    kcat(cluster, "-P", "-t", topic, stdin="".join(f"first {i}\n" for i in range(100)))
    assert len(kcat(cluster, *group).splitlines()) == 100
    kcat(cluster, "-P", "-t", topic, stdin="".join(f"second {i}\n" for i in range(50)))
    again = kcat(cluster, *group).splitlines()
    assert sorted(again) == sorted(f"second {i}" for i in range(50))


def test_kcat_asks_for_offsets_by_time(cluster, new_topic):
    topic = new_topic()
    kcat(cluster, "-P", "-t", topic, stdin="one\ntwo\n")
    assert f"{topic} [0] offset 0" in kcat(cluster, "-Q", "-t", f"{topic}:0:1")
    assert f"{topic} [0] offset 2" in kcat(cluster, "-Q", "-t", f"{topic}:0:-1")
