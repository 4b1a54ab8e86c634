"""Topics for tests."""

from confluent_kafka.admin import NewTopic

import cluster as clusters
from message import Connection

TOPIC = 2  # among resources that have configs


def create_topic(cluster, topic, partitions=1, replication=3, **config):
    """Creates a topic and waits until all its partitions are led. `_` in names stands for `.`."""
    config = {key.replace("_", "."): str(value) for key, value in config.items()}
    new = NewTopic(topic, num_partitions=partitions, replication_factor=replication, config=config)
    admin = cluster.admin()  # must outlive the answer
    admin.create_topics([new], operation_timeout=30)[topic].result(40)
    cluster.wait_led(topic, partitions)
    return topic


def wait_config(cluster, topic, name, value):
    """Each running node goes by it: who changed it was told so by one, and the others follow."""
    def is_known(node):
        with Connection(node) as c:
            answer = c.call("DescribeConfigs", 4, resources=[
                {"resource_type": TOPIC, "resource_name": topic, "configuration_keys": [name]}])
        return [c["value"] for c in answer["resources"][0]["configs"]] == [value]
    for node in cluster.nodes:
        if node.is_running():
            clusters.wait_until(lambda n=node: is_known(n), 30, f"{name}={value} at node {node.id}")
