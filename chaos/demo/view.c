/* What one node says about the cluster.
 *
 * A librdkafka handle that has just been made knows its bootstrap address and nothing else,
 * and its first question goes there: so a new handle per question is how one node, and not
 * whichever happens to be connected, is asked. Sites are told apart by the address that
 * Metadata gives for a broker, and what is in sync there is level: a replica that lags is not
 * in the list. */
#include "view.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>

static void silent(const rd_kafka_t *client, int level, const char *facility, const char *text)
{
    (void)client, (void)level, (void)facility, (void)text; /* a refused connection is no news */
}

static rd_kafka_t *connect_to(const char *addresses)
{
    char error[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, silent);
    if (rd_kafka_conf_set(conf, "bootstrap.servers", addresses, error, sizeof error) != 0 ||
        rd_kafka_conf_set(conf, "reconnect.backoff.ms", "10", error, sizeof error) != 0 ||
        rd_kafka_conf_set(conf, "reconnect.backoff.max.ms", "50", error, sizeof error) != 0) {
        fprintf(stderr, "demo: %s\n", error);
        rd_kafka_conf_destroy(conf);
        return NULL;
    }
    rd_kafka_t *client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, error, sizeof error);
    if (client == NULL) {
        fprintf(stderr, "demo: %s\n", error);
        rd_kafka_conf_destroy(conf);
    }
    return client;
}

/* The site whose address a broker has; -1 for a broker that is none of them. */
static int site_of(const struct cluster *cluster, const rd_kafka_metadata_t *metadata, int32_t id)
{
    for (int b = 0; b < metadata->broker_cnt; b++) {
        char address[CLUSTER_ADDRESS_BYTES];
        if (metadata->brokers[b].id != id)
            continue;
        snprintf(address, sizeof address, "%s:%d", metadata->brokers[b].host,
                 metadata->brokers[b].port);
        for (int i = 0; i < CLUSTER_SITES; i++)
            if (strcmp(cluster->sites[i].address, address) == 0)
                return i;
    }
    return -1;
}

static void take_partition(struct view *view, const struct cluster *cluster,
                           const rd_kafka_metadata_t *metadata,
                           const rd_kafka_metadata_partition_t *partition)
{
    if (partition->id < 0 || partition->id >= LEDGER_PARTITIONS_MAX)
        return;
    struct view_partition *p = &view->partitions[partition->id];
    int leader = site_of(cluster, metadata, partition->leader);
    p->leader = leader >= 0 ? leader : VIEW_NO_LEADER;
    for (int i = 0; i < partition->isr_cnt; i++) {
        int site = site_of(cluster, metadata, partition->isrs[i]);
        if (site >= 0)
            p->in_sync[site] = true;
    }
    view->partition_count++;
}

static void take(struct view *view, const struct cluster *cluster, const char *topic,
                 const rd_kafka_metadata_t *metadata)
{
    memset(view, 0, sizeof *view);
    for (int b = 0; b < metadata->broker_cnt; b++)
        view->broker_count += site_of(cluster, metadata, metadata->brokers[b].id) >= 0;
    for (int t = 0; t < metadata->topic_cnt && topic != NULL; t++)
        for (int p = 0; p < metadata->topics[t].partition_cnt; p++)
            if (strcmp(metadata->topics[t].topic, topic) == 0)
                take_partition(view, cluster, metadata, &metadata->topics[t].partitions[p]);
}

int view_take(struct view *view, const struct cluster *cluster, int site, const char *topic,
              int timeout_ms)
{
    rd_kafka_t *client = connect_to(cluster->sites[site].address);
    if (client == NULL)
        return -1;
    const rd_kafka_metadata_t *metadata;
    rd_kafka_resp_err_t err = rd_kafka_metadata(client, 1, NULL, &metadata, timeout_ms);
    if (err == RD_KAFKA_RESP_ERR_NO_ERROR) {
        take(view, cluster, topic, metadata);
        rd_kafka_metadata_destroy(metadata);
    }
    rd_kafka_destroy(client);
    return err == RD_KAFKA_RESP_ERR_NO_ERROR ? 0 : -1;
}

bool view_is_level(const struct view *view, int partition_count, int site)
{
    if (view->partition_count != partition_count)
        return false;
    for (int p = 0; p < partition_count; p++)
        if (view->partitions[p].leader == VIEW_NO_LEADER || !view->partitions[p].in_sync[site])
            return false;
    return true;
}

bool view_is_healthy(const struct view *view, int partition_count)
{
    bool is_healthy = view->broker_count == CLUSTER_SITES;
    for (int i = 0; i < CLUSTER_SITES && partition_count > 0; i++)
        is_healthy = is_healthy && view_is_level(view, partition_count, i);
    return is_healthy;
}

int view_led_count(const struct view *view, int site)
{
    int led_count = 0;
    for (int p = 0; p < view->partition_count; p++)
        led_count += view->partitions[p].leader == site;
    return led_count;
}

int view_leads_most(const struct view *view)
{
    int most = 0;
    for (int i = 1; i < CLUSTER_SITES; i++)
        if (view_led_count(view, i) > view_led_count(view, most))
            most = i;
    return most;
}

static rd_kafka_NewTopic_t *describe_topic(const char *topic, int partition_count)
{
    char error[256];
    rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(topic, partition_count, CLUSTER_SITES,
                                                           error, sizeof error);
    if (new_topic != NULL)
        rd_kafka_NewTopic_set_config(new_topic, "min.insync.replicas", "2");
    else
        fprintf(stderr, "demo: %s\n", error);
    return new_topic;
}

static int read_result(rd_kafka_event_t *event)
{
    if (event == NULL) {
        fprintf(stderr, "demo: no answer to the creation of the topic\n");
        return -1;
    }
    const char *why = rd_kafka_event_error(event) ? rd_kafka_event_error_string(event) : NULL;
    size_t count = 0;
    const rd_kafka_CreateTopics_result_t *result = rd_kafka_event_CreateTopics_result(event);
    const rd_kafka_topic_result_t **topics = why == NULL && result != NULL
                                                 ? rd_kafka_CreateTopics_result_topics(result,
                                                                                       &count)
                                                 : NULL;
    if (count == 1 && rd_kafka_topic_result_error(topics[0]) != RD_KAFKA_RESP_ERR_NO_ERROR)
        why = rd_kafka_topic_result_error_string(topics[0]);
    if (why == NULL && count == 1)
        return 0;
    fprintf(stderr, "demo: the topic was not created: %s\n", why != NULL ? why : "odd answer");
    return -1;
}

int view_create_topic(const struct cluster *cluster, const char *topic, int partition_count)
{
    char addresses[CLUSTER_SITES * CLUSTER_ADDRESS_BYTES];
    cluster_addresses(cluster, addresses, sizeof addresses);
    rd_kafka_NewTopic_t *new_topic = describe_topic(topic, partition_count);
    rd_kafka_t *client = new_topic != NULL ? connect_to(addresses) : NULL;
    int err = -1;
    if (client != NULL) {
        rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
        rd_kafka_CreateTopics(client, &new_topic, 1, NULL, queue);
        rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
        err = read_result(event);
        if (event != NULL)
            rd_kafka_event_destroy(event);
        rd_kafka_queue_destroy(queue);
        rd_kafka_destroy(client);
    }
    if (new_topic != NULL)
        rd_kafka_NewTopic_destroy(new_topic);
    return err;
}
