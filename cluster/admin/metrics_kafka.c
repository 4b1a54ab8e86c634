/* What means the same here as in Kafka, under the names of its JMX exporter (the sample rules of
 * prometheus/jmx_exporter, names in small letters), so that what watches Kafka watches this, too.
 * What a name means there and is not so here is left out rather than made up.
 *
 * As in Kafka each node tells of itself, and the controller of the cluster: a sum over all nodes
 * counts nothing twice. */
#include <stdio.h>
#include <string.h>

#include "admin/metrics.h"
#include "membership/level.h"
#include "server/client_shard.h"
#include "site/try.h"

static void add_whole(struct metric_text *t, const char *name, enum metric_type type,
                      const char *help, uint64_t value)
{
    metric_family(t, name, type, help);
    metric_whole(t, "", value, 0);
}

/* ---- the node's clients ---- */

static uint64_t errors_of(const struct request_count *count, enum request_count_error_api api)
{
    uint64_t sum = 0;
    for (int i = 0; i < REQUEST_COUNT_ERRORS; i++)
        sum += atomic_load(&count->errors[api][i]);
    return sum;
}

static void add_requests(struct metric_text *t, struct broker *b)
{
    metric_family(t, "kafka_network_requestmetrics_requests_total", METRIC_COUNTER,
                  "Requests taken, by API");
    for (size_t place = 0; place < kafka_api_count; place++) {
        uint64_t sum = 0;
        for (unsigned i = 0; i < b->shard_count; i++)
            sum += atomic_load(&b->clients[i].count.apis[place].begun);
        if (sum > 0)
            metric_whole(t, "", sum, 1, "request", kafka_apis[place].name);
    }
}

static void add_traffic(struct metric_text *t, struct broker *b)
{
    uint64_t records_in = 0, bytes_in = 0, bytes_out = 0, failed_in = 0, failed_out = 0;
    for (unsigned i = 0; i < b->shard_count; i++) {
        struct request_count *count = &b->clients[i].count;
        records_in += atomic_load(&count->records_in);
        bytes_in += atomic_load(&count->bytes_in);
        bytes_out += atomic_load(&count->bytes_out);
        failed_in += errors_of(count, REQUEST_COUNT_PRODUCE);
        failed_out += errors_of(count, REQUEST_COUNT_FETCH);
    }
    add_whole(t, "kafka_server_brokertopicmetrics_messagesin_total", METRIC_COUNTER,
              "Records taken from producers", records_in);
    add_whole(t, "kafka_server_brokertopicmetrics_bytesin_total", METRIC_COUNTER,
              "Bytes of their batches", bytes_in);
    add_whole(t, "kafka_server_brokertopicmetrics_bytesout_total", METRIC_COUNTER,
              "Bytes of records in answers to consumers", bytes_out);
    add_whole(t, "kafka_server_brokertopicmetrics_failedproducerequests_total", METRIC_COUNTER,
              "Partitions of produce requests that were refused", failed_in);
    add_whole(t, "kafka_server_brokertopicmetrics_failedfetchrequests_total", METRIC_COUNTER,
              "Partitions of fetches that were refused", failed_out);
}

/* ---- the node's replicas ---- */

/* Not all of its voters are level, as its leader sees it. */
static bool is_under_replicated(struct broker *b, uint32_t group_id)
{
    uint64_t voters, learners;
    level_members(b, group_id, &voters, &learners);
    for (uint32_t id = 1; id < 64; id++)
        if (level_mask_has(voters, id) && !level_is_in_sync(b, group_id, id))
            return true;
    return false;
}

static void add_replicas(struct metric_text *t, const struct survey *survey)
{
    uint64_t all = 0, led = 0, under = 0;
    for (uint32_t id = 0; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        if (view == NULL)
            continue;
        all += view->partition_count;
        led += view->is_serving ? view->partition_count : 0;
        if (view->is_serving && is_under_replicated(survey->broker, id))
            under += view->partition_count;
    }
    add_whole(t, "kafka_server_replicamanager_partitioncount", METRIC_GAUGE,
              "Partitions of which this node has a replica", all);
    add_whole(t, "kafka_server_replicamanager_leadercount", METRIC_GAUGE,
              "Partitions that this node leads", led);
    add_whole(t, "kafka_server_replicamanager_underreplicatedpartitions", METRIC_GAUGE,
              "Of them, those whose replicas are not all in sync", under);
}

/* ---- the cluster, at its controller ---- */

struct topic_sums {
    struct broker *broker;
    uint64_t topics, partitions, offline;
};

static void add_topic(void *data, const struct metadata_topic *topic)
{
    struct topic_sums *sums = data;
    sums->topics += !site_is_canarys(topic->name, strlen(topic->name)); /* as it is listed */
    sums->partitions += (uint64_t)topic->partition_count;
    for (int32_t i = 0; i < topic->partition_count; i++)
        sums->offline += broker_group_leader(sums->broker, topic->partitions[i].group_id, NULL) ==
                         0;
}

static unsigned alive_count(struct broker *b)
{
    uint32_t node_ids[METADATA_NODES_MAX];
    unsigned count = broker_node_ids(b, node_ids), alive = 1;
    for (unsigned i = 0; i < count; i++)
        alive += repl_node_is_alive(b->node, node_ids[i]);
    return alive;
}

static bool is_alive(struct broker *b, uint32_t node_id)
{
    return node_id == (uint32_t)b->conf.node_id || repl_node_is_alive(b->node, node_id);
}

static void add_brokers(struct metric_text *t, struct broker *b)
{
    metric_family(t, "kafka_brokers", METRIC_GAUGE, "Nodes that the controller hears");
    metric_whole(t, "", alive_count(b), 0);
    metric_family(t, "kafka_broker_info", METRIC_GAUGE,
                  "Where clients reach them, as the controller knows it");
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < metadata_node_count(b->metadata); i++) {
        const struct metadata_node *node = metadata_node_at(b->metadata, i);
        char id[16], address[sizeof node->host + 16];
        if (node->port == 0 || !is_alive(b, node->node_id))
            continue;
        snprintf(id, sizeof id, "%u", node->node_id);
        snprintf(address, sizeof address, "%s:%u", node->host, node->port);
        metric_whole(t, "", 1, 2, "id", id, "address", address);
    }
    metadata_read_unlock(b->metadata);
}

static void add_cluster(struct metric_text *t, const struct survey *survey)
{
    struct topic_sums sums = {.broker = survey->broker};
    const struct survey_group *view = survey_group(survey, 0);
    bool is_controller = view != NULL && view->is_serving;
    if (is_controller) {
        metadata_read_lock(survey->broker->metadata);
        metadata_each_topic(survey->broker->metadata, add_topic, &sums);
        metadata_read_unlock(survey->broker->metadata);
    }
    add_whole(t, "kafka_controller_kafkacontroller_activecontrollercount", METRIC_GAUGE,
              "1 where this node leads the metadata", is_controller);
    add_whole(t, "kafka_controller_kafkacontroller_globaltopiccount", METRIC_GAUGE,
              "Topics of the cluster, at the controller", sums.topics);
    add_whole(t, "kafka_controller_kafkacontroller_globalpartitioncount", METRIC_GAUGE,
              "Partitions of the cluster, at the controller", sums.partitions);
    add_whole(t, "kafka_controller_kafkacontroller_offlinepartitionscount", METRIC_GAUGE,
              "Of them, those without a leader", sums.offline);
    if (is_controller)
        add_brokers(t, survey->broker);
}

void metrics_of_kafka(struct metric_text *t, const struct survey *survey)
{
    add_traffic(t, survey->broker);
    add_requests(t, survey->broker);
    add_replicas(t, survey);
    add_cluster(t, survey);
    metrics_of_partitions(t, survey);
}
