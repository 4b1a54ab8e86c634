/* One act at a time: noted, asked, waited for, noted.
 *
 * An act that was answered with an error is of unknown outcome, whatever the error: the client may
 * have asked twice, and "exists already" then means that the first question did it. */
#include "topic.h"

#include <string.h>

typedef void (*ask_cb)(rd_kafka_t *client, void *what, const rd_kafka_AdminOptions_t *options,
                       rd_kafka_queue_t *queue);

struct act {
    rd_kafka_t *client;
    struct process *process;
    struct note_admin admin;
    int timeout_ms;
    ask_cb ask;
    void *what;
};

/* What was said of the one topic that was asked for. */
static rd_kafka_resp_err_t topic_error(rd_kafka_event_t *event)
{
    const rd_kafka_topic_result_t **results = NULL;
    size_t count = 0;
    if (rd_kafka_event_CreateTopics_result(event) != NULL)
        results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event),
                                                      &count);
    else if (rd_kafka_event_CreatePartitions_result(event) != NULL)
        results = rd_kafka_CreatePartitions_result_topics(
            rd_kafka_event_CreatePartitions_result(event), &count);
    else if (rd_kafka_event_DeleteTopics_result(event) != NULL)
        results = rd_kafka_DeleteTopics_result_topics(rd_kafka_event_DeleteTopics_result(event),
                                                      &count);
    return count == 1 ? rd_kafka_topic_result_error(results[0]) : RD_KAFKA_RESP_ERR__BAD_MSG;
}

static rd_kafka_resp_err_t group_error(const rd_kafka_DescribeConsumerGroups_result_t *result)
{
    size_t count;
    const rd_kafka_ConsumerGroupDescription_t **groups =
        rd_kafka_DescribeConsumerGroups_result_groups(result, &count);
    const rd_kafka_error_t *error = count == 1 ? rd_kafka_ConsumerGroupDescription_error(groups[0])
                                               : NULL;
    return error != NULL ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t result_of(rd_kafka_event_t *event)
{
    if (event == NULL)
        return RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (rd_kafka_event_error(event) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return rd_kafka_event_error(event);
    if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DESCRIBECONSUMERGROUPS_RESULT)
        return group_error(rd_kafka_event_DescribeConsumerGroups_result(event));
    return topic_error(event);
}

static rd_kafka_resp_err_t perform(const struct act *act, rd_kafka_admin_op_t kind)
{
    char error[256];
    uint64_t id = note_admin(act->process, now_us(), &act->admin);
    rd_kafka_queue_t *queue = rd_kafka_queue_new(act->client);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(act->client, kind);
    rd_kafka_AdminOptions_set_request_timeout(options, act->timeout_ms, error, sizeof error);
    act->ask(act->client, act->what, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, act->timeout_ms + 1000);
    rd_kafka_resp_err_t err = result_of(event);
    bool is_query = kind == RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS;
    struct note_end end = is_query ? client_query_end(err, 0) : client_change_end(err, 0);
    note_admin_end(act->process, now_us(), id, &act->admin, &end);
    if (event != NULL)
        rd_kafka_event_destroy(event);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
    rd_kafka_poll(act->client, 0); /* its errors go into the history */
    return err;
}

static void ask_create(rd_kafka_t *client, void *what, const rd_kafka_AdminOptions_t *options,
                       rd_kafka_queue_t *queue)
{
    rd_kafka_NewTopic_t *topics[] = {what};
    rd_kafka_CreateTopics(client, topics, 1, options, queue);
}

rd_kafka_resp_err_t topic_create(rd_kafka_t *client, struct process *process, const char *topic,
                                 int partition_count, int replication, int timeout_ms)
{
    char error[256];
    rd_kafka_NewTopic_t *new_topic = rd_kafka_NewTopic_new(topic, partition_count, replication,
                                                           error, sizeof error);
    if (new_topic == NULL)
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    if (replication > 2) /* what acks=all means to who can't lose records */
        rd_kafka_NewTopic_set_config(new_topic, "min.insync.replicas", "2");
    struct act act = {client,     process,    {"create-topic", topic, NULL},
                      timeout_ms, ask_create, new_topic};
    rd_kafka_resp_err_t err = perform(&act, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_NewTopic_destroy(new_topic);
    return err;
}

static void ask_widen(rd_kafka_t *client, void *what, const rd_kafka_AdminOptions_t *options,
                      rd_kafka_queue_t *queue)
{
    rd_kafka_NewPartitions_t *partitions[] = {what};
    rd_kafka_CreatePartitions(client, partitions, 1, options, queue);
}

rd_kafka_resp_err_t topic_widen(rd_kafka_t *client, struct process *process, const char *topic,
                                int partition_count, int timeout_ms)
{
    char error[256];
    rd_kafka_NewPartitions_t *partitions = rd_kafka_NewPartitions_new(
        topic, (size_t)partition_count, error, sizeof error);
    if (partitions == NULL)
        return RD_KAFKA_RESP_ERR__INVALID_ARG;
    struct act act = {client,     process,   {"create-partitions", topic, NULL},
                      timeout_ms, ask_widen, partitions};
    rd_kafka_resp_err_t err = perform(&act, RD_KAFKA_ADMIN_OP_CREATEPARTITIONS);
    rd_kafka_NewPartitions_destroy(partitions);
    return err;
}

static void ask_delete(rd_kafka_t *client, void *what, const rd_kafka_AdminOptions_t *options,
                       rd_kafka_queue_t *queue)
{
    rd_kafka_DeleteTopic_t *topics[] = {what};
    rd_kafka_DeleteTopics(client, topics, 1, options, queue);
}

rd_kafka_resp_err_t topic_delete(rd_kafka_t *client, struct process *process, const char *topic,
                                 int timeout_ms)
{
    rd_kafka_DeleteTopic_t *deleted = rd_kafka_DeleteTopic_new(topic);
    struct act act = {client,     process,    {"delete-topic", topic, NULL},
                      timeout_ms, ask_delete, deleted};
    rd_kafka_resp_err_t err = perform(&act, RD_KAFKA_ADMIN_OP_DELETETOPICS);
    rd_kafka_DeleteTopic_destroy(deleted);
    return err;
}

static void ask_group(rd_kafka_t *client, void *what, const rd_kafka_AdminOptions_t *options,
                      rd_kafka_queue_t *queue)
{
    const char *groups[] = {what};
    rd_kafka_DescribeConsumerGroups(client, groups, 1, options, queue);
}

rd_kafka_resp_err_t topic_describe_group(rd_kafka_t *client, struct process *process,
                                         const char *group, int timeout_ms)
{
    struct act act = {client,     process,   {"describe-group", NULL, group},
                      timeout_ms, ask_group, (void *)(uintptr_t)group};
    return perform(&act, RD_KAFKA_ADMIN_OP_DESCRIBECONSUMERGROUPS);
}

int topic_partition_count(rd_kafka_t *client, const char *topic, int timeout_ms)
{
    const rd_kafka_metadata_t *metadata;
    int count = 0;
    if (rd_kafka_metadata(client, 1, NULL, &metadata, timeout_ms) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    for (int t = 0; t < metadata->topic_cnt; t++) {
        const rd_kafka_metadata_topic_t *seen = &metadata->topics[t];
        int led_count = 0;
        for (int p = 0; p < seen->partition_cnt; p++)
            led_count += seen->partitions[p].leader >= 0;
        if (strcmp(seen->topic, topic) == 0 && led_count == seen->partition_cnt)
            count = led_count;
    }
    rd_kafka_metadata_destroy(metadata);
    return count;
}
