"""/metrics under the names that Kafka's exporters have: what they say is compared with what real
clients did, promtool reads the page, and it stays small whatever the number of partitions."""

import shutil
import subprocess

import pytest
from confluent_kafka import KafkaException, TopicPartition

import records
from admin_port import ask, ready_cluster, wait_home
from cluster import ROOT, OwnCluster, wait_until
from metric_text import read_metrics
from topics import create_topic

pytestmark = pytest.mark.trilog_only
BOUND = 20
CONTROLLER = "kafka_controller_kafkacontroller"
REPLICAS = "kafka_server_replicamanager"
CLIENTS = "kafka_server_brokertopicmetrics"
KAFKA_EXPORTER = {  # danielqsj/kafka_exporter, but for ZooKeeper's
    "kafka_brokers", "kafka_broker_info", "kafka_topic_partitions",
    *(f"kafka_topic_partition_{name}" for name in (
        "current_offset", "oldest_offset", "leader", "leader_is_preferred", "replicas",
        "in_sync_replica", "under_replicated_partition")),
    *(f"kafka_consumergroup_{name}" for name in (
        "current_offset", "current_offset_sum", "lag", "lag_sum", "members"))}
JMX_EXPORTER = {  # by the sample rules of prometheus/jmx_exporter for Kafka
    *(f"{CLIENTS}_{name}_total" for name in (
        "messagesin", "bytesin", "bytesout", "failedproducerequests", "failedfetchrequests")),
    "kafka_network_requestmetrics_requests_total",
    *(f"{REPLICAS}_{name}" for name in (
        "partitioncount", "leadercount", "underreplicatedpartitions")),
    *(f"{CONTROLLER}_{name}" for name in (
        "activecontrollercount", "globaltopiccount", "globalpartitioncount",
        "offlinepartitionscount"))}


@pytest.fixture(name="small_page", scope="module")
def small_page_fixture():
    yield from ready_cluster("metrics", {"metrics_partitions_max": BOUND, **OwnCluster.UNHURT})


def page(node):
    return ask(node.admin, "/metrics").body.decode()


def values(cluster, name):
    """Of all nodes together: labels and value. No series comes from two of them."""
    found = {}
    for node in cluster.nodes:
        family = read_metrics(page(node)).get(name)
        for (suffix, labels), value in (family.samples if family else {}).items():
            assert suffix == "" and labels not in found, f"{name}{labels} of two nodes"
            found[labels] = value
    return found


def of_topic(cluster, name, topic):
    return {dict(labels)["partition"]: value for labels, value in values(cluster, name).items()
            if dict(labels)["topic"] == topic}


def test_partitions_are_told_once_by_their_leaders(cluster, new_topic):
    topic = new_topic(partitions=3)
    records.send_all(cluster, topic, [b"x"] * 90)
    def sum_of(name):
        return sum(of_topic(cluster, name, topic).values())
    wait_until(lambda: sum_of("kafka_topic_partition_current_offset") == 90, 20, "90 records")
    assert sum_of("kafka_topic_partition_oldest_offset") == 0
    assert sum_of("kafka_topic_partition_replicas") == 9
    wait_until(lambda: sum_of("kafka_topic_partition_in_sync_replica") == 9 and
               sum_of("kafka_topic_partition_under_replicated_partition") == 0, 20, "all in sync")
    leaders = of_topic(cluster, "kafka_topic_partition_leader", topic)
    listed = ask(cluster.nodes[0].admin, f"/v1/topics/describe?topic={topic}").json
    assert leaders == {str(p["partition"]): p["leader_node_id"] for p in listed["partition_list"]}
    assert values(cluster, "kafka_topic_partitions")[(("topic", topic),)] == 3
    assert values(cluster, "kafka_brokers") == {(): 3}
    assert values(cluster, "kafka_broker_info") == {
        (("address", n.address), ("id", str(n.id))): 1 for n in cluster.nodes}
    def is_led_at_home():
        return sum_of("kafka_topic_partition_leader_is_preferred") == 3
    wait_until(is_led_at_home, 30, "each partition is led where it is to be")


def test_nodes_tell_of_their_replicas_and_the_controller_of_the_cluster(cluster, new_topic):
    """Summed over the nodes each is what the cluster says of itself."""
    new_topic(partitions=5)
    def sums(*names):
        pages = [read_metrics(page(node)) for node in cluster.nodes]
        return tuple(sum(families[name].value() for families in pages) for name in names)
    def is_so():
        groups = ask(cluster.nodes[0].admin, "/v1/groups").json["groups"]
        partitions = sum(g["partitions"] for g in groups)
        assert sums(f"{CONTROLLER}_activecontrollercount") == (1,)
        return sums(f"{REPLICAS}_partitioncount", f"{REPLICAS}_leadercount",
                    f"{REPLICAS}_underreplicatedpartitions", f"{CONTROLLER}_globalpartitioncount",
                    f"{CONTROLLER}_offlinepartitionscount", f"{CONTROLLER}_globaltopiccount") == (
                        3 * partitions, partitions, 0, partitions, 0,
                        len(ask(cluster.nodes[0].admin, "/v1/topics").json["topics"]))
    wait_until(is_so, 30, "the sums are what /v1/groups and /v1/topics say")


def test_what_is_refused_is_counted(cluster, new_topic):
    topic = new_topic(**{"max_message_bytes": "1000"})
    leader = cluster.leader(topic)
    def failed(what):
        return read_metrics(page(leader))[f"{CLIENTS}_failed{what}requests_total"].value()
    before = failed("produce"), failed("fetch")
    sender = records.Sender(cluster, topic)
    sender.send(b"x" * 5000)
    assert sender.producer.flush(30) == 0 and sender.errors
    reader = records.consumer(cluster, "unused", auto_offset_reset="error")
    reader.assign([TopicPartition(topic, 0, 1000)])
    with pytest.raises(KafkaException):
        wait_until(lambda: records.poll_checked(reader), 20, "a fetch that is refused", 0)
    reader.close()
    assert failed("produce") > before[0] and failed("fetch") > before[1]


def test_the_names_are_those_of_kafka_s_exporters_and_are_documented(cluster, new_topic, name):
    topic = new_topic()
    records.send_all(cluster, topic, [b"x"])
    reader = records.consumer(cluster, name)
    reader.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    reader.close()
    def are_all_there():
        found = {family for node in cluster.nodes for family in read_metrics(page(node))
                 if family.startswith("kafka_")}
        assert found <= KAFKA_EXPORTER | JMX_EXPORTER, found - KAFKA_EXPORTER - JMX_EXPORTER
        return found == KAFKA_EXPORTER | JMX_EXPORTER
    wait_until(are_all_there, 30, "all of them")
    table = (ROOT / "docs/admin-api.md").read_text(encoding="utf-8")
    for family in KAFKA_EXPORTER | JMX_EXPORTER:
        parts = family.split("_")
        short = {"…_" + "_".join(parts[i:]) for i in range(1, len(parts))} | {"…_sum"}
        assert f"`{family}`" in table or any(f"`{s}`" in table for s in short), family


def test_consumer_groups_are_told_once_by_their_coordinators(cluster, new_topic, name):
    topic = new_topic()
    records.send_all(cluster, topic, [b"x"] * 100)
    reader = records.consumer(cluster, name)
    reader.commit(offsets=[TopicPartition(topic, 0, 30)], asynchronous=False)
    labels = {"consumergroup": name, "topic": topic, "partition": "0"}
    key, per_topic = tuple(sorted(labels.items())), (("consumergroup", name), ("topic", topic))
    assert values(cluster, "kafka_consumergroup_current_offset")[key] == 30
    # The coordinator's own replica of the partition may be a moment behind its leader's.
    wait_until(lambda: values(cluster, "kafka_consumergroup_lag").get(key) == 70, 20, "a lag of 70")
    assert values(cluster, "kafka_consumergroup_current_offset_sum")[per_topic] == 30
    assert values(cluster, "kafka_consumergroup_lag_sum")[per_topic] == 70
    member_key = (("consumergroup", name),)
    assert values(cluster, "kafka_consumergroup_members")[member_key] == 0
    reader.subscribe([topic])
    records.read_count(reader, 70)
    wait_until(lambda: values(cluster, "kafka_consumergroup_members")[member_key] == 1, 20, "it")
    reader.close()


def test_nodes_count_what_clients_send_and_read(cluster, new_topic):
    topic = new_topic()
    leader = cluster.leader(topic)
    def counts():
        families = read_metrics(page(leader))
        return [families[f"kafka_server_brokertopicmetrics_{name}_total"].value()
                for name in ("messagesin", "bytesin", "bytesout")]
    before = counts()
    records.send_all(cluster, topic, [b"x" * 1000] * 100)
    assert sum(len(read) for read in records.read_topic(cluster, topic).values()) == 100

    def are_counted():
        sent, sent_bytes, read_bytes = (b - a for a, b in zip(before, counts()))
        return sent >= 100 and sent_bytes >= 100_000 and read_bytes >= 100_000
    wait_until(are_counted, 20, "what was sent and read is counted")


def test_the_page_has_a_bound_and_says_what_it_leaves_out(small_page):
    create_topic(small_page, "many", partitions=100)
    wait_until(lambda: values_left_out(small_page, "partitions") > 0, 20, "some are left out")
    for node in small_page.nodes:
        families = read_metrics(page(node))
        for name, family in families.items():
            if name.startswith("kafka_topic_partition"):
                assert len(family.samples) <= BOUND, name
    wait_home(small_page)
    shown = len(of_topic(small_page, "kafka_topic_partition_leader", "many"))
    assert shown + values_left_out(small_page, "partitions") == 100
    before = {n.id: page(n).count("\n") for n in small_page.nodes}
    create_topic(small_page, "more", partitions=200)
    assert all(page(n).count("\n") - before[n.id] < 30 for n in small_page.nodes)


def test_consumer_groups_beyond_the_bound_are_counted(small_page):
    create_topic(small_page, "read", partitions=BOUND)
    wait_home(small_page)
    for i in range(8):
        reader = records.consumer(small_page, f"group-{i}")
        places = [TopicPartition("read", p, 0) for p in range(BOUND)]
        reader.commit(offsets=places, asynchronous=False)
        reader.close()
    shown = values(small_page, "kafka_consumergroup_current_offset")
    assert len(shown) + values_left_out(small_page, "committed_offsets") == 8 * BOUND
    assert len(shown) <= 3 * BOUND, "no node has more than its bound"


def values_left_out(cluster, kind):
    return sum(read_metrics(page(node))["trilog_metrics_left_out"].value(kind=kind)
               for node in cluster.nodes)


def test_promtool_reads_the_page_of_each_node(cluster):
    promtool = shutil.which("promtool") or ROOT / "build" / "clients" / "promtool"
    for node in cluster.nodes:
        done = subprocess.run([promtool, "check", "metrics"], input=page(node), text=True,
                              capture_output=True, timeout=60, check=False)
        assert done.returncode in (0, 3), done.stderr  # 3: read, and not to its taste
        said = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        # Names of Kafka's exporters are as they are.
        assert all(line.startswith("kafka_") for line in said), said
