"""Topics for tests."""

from confluent_kafka.admin import NewTopic


def create_topic(cluster, topic, partitions=1, replication=3, **config):
    """Creates a topic and waits until all its partitions are led. `_` in names stands for `.`."""
    config = {key.replace("_", "."): str(value) for key, value in config.items()}
    new = NewTopic(topic, num_partitions=partitions, replication_factor=replication, config=config)
    admin = cluster.admin()  # must outlive the answer
    admin.create_topics([new], operation_timeout=30)[topic].result(40)
    cluster.wait_led(topic, partitions)
    return topic
