/* A consumer by assignment: reads all partitions, without a group's help.
 *
 * It asks where each partition begins and ends and is told to start at exactly one of them, so the
 * history knows what it must see first. One that starts at the beginning falls back to the
 * beginning, one that starts at the end to the end: a broker that throws it anywhere is then seen
 * by where it reads on. */
#include <stdlib.h>
#include <string.h>

#include "consume.h"
#include "load.h"
#include "offsets.h"

#define POLL_MS 100

struct assigned {
    struct process process; /* first: what the client's callbacks are given */
    struct load *load;
    rd_kafka_t *client;
    bool is_from_beginning;
};

static void on_record(void *data, const rd_kafka_message_t *message)
{
    struct assigned *a = data;
    (void)message;
    atomic_fetch_add_explicit(&a->load->read_count, 1, memory_order_relaxed);
}

static bool open_client(struct assigned *a)
{
    const struct client_setting settings[] = {
        {"bootstrap.servers", a->load->options->bootstrap},
        {"group.id", "ledger-assigned"}, /* librdkafka wants one; nothing is stored under it */
        {"client.rack", a->load->options->site},
        {"enable.auto.commit", "false"},
        {"auto.offset.reset", a->is_from_beginning ? "earliest" : "latest"},
        {NULL, NULL},
    };
    a->client = client_create(RD_KAFKA_CONSUMER, NULL, &a->process, settings);
    if (a->client != NULL)
        rd_kafka_poll_set_consumer(a->client);
    return a->client != NULL;
}

/* Returns false when the load was over first. */
static bool assign_all(struct assigned *a)
{
    const char *topic = a->load->options->topic;
    struct offsets_range *ranges = NULL;
    int32_t count = offsets_find(&a->process, a->load->options, INT64_MAX, &a->load->is_over,
                                 &ranges);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int32_t p = 0; p < count && ranges[p].next >= 0; p++) {
        int64_t start = a->is_from_beginning ? ranges[p].first : ranges[p].next;
        note_assign(&a->process, now_us(), NULL, (struct note_place){topic, p}, start);
        rd_kafka_topic_partition_list_add(list, topic, p)->offset = start;
    }
    bool is_all = count > 0 && list->cnt == count;
    if (is_all)
        rd_kafka_assign(a->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    free(ranges);
    return is_all;
}

static void live(struct assigned *a)
{
    const struct consume consume = {
        .client = a->client, .process = &a->process, .on_record = on_record, .data = a};
    bool is_assigned = assign_all(a);
    while (is_assigned && !atomic_load(&a->load->is_over))
        consume_poll(&consume, POLL_MS);
    rd_kafka_consumer_close(a->client);
    client_end(a->client, atomic_load(&a->load->is_over));
}

void *assigned_run(void *data)
{
    struct load_worker *worker = data;
    struct assigned a = {.load = worker->load, .is_from_beginning = worker->index % 2 == 0};
    struct process_kind kind = {.role = "consumer", .idempotent = PROCESS_NO_PRODUCER};
    load_process_begin(worker, &a.process, "assigned", &kind);
    if (open_client(&a))
        live(&a);
    atomic_store(&worker->is_done, true);
    return NULL;
}
