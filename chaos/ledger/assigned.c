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

#define POLL_MS        100
#define ASK_TIMEOUT_MS 5000
#define ASK_AGAIN_US   200000

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
static bool find_start(struct assigned *a, struct note_place place, int64_t *start)
{
    while (!atomic_load(&a->load->is_over)) {
        int64_t first, next;
        if (client_list_offsets(a->client, &a->process, place, ASK_TIMEOUT_MS, &first, &next) ==
            0) {
            *start = a->is_from_beginning ? first : next;
            return true;
        }
        load_sleep_until(a->load, now_us() + ASK_AGAIN_US);
    }
    return false;
}

static bool assign_all(struct assigned *a)
{
    int32_t count = a->load->partition_count;
    bool is_found = true;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int32_t p = 0; p < count && is_found; p++) {
        struct note_place place = {a->load->options->topic, p};
        int64_t start = 0;
        is_found = find_start(a, place, &start);
        rd_kafka_topic_partition_list_add(list, place.topic, p)->offset = start;
    }
    for (int i = 0; i < list->cnt && is_found; i++)
        note_assign(&a->process, now_us(), NULL,
                    (struct note_place){list->elems[i].topic, list->elems[i].partition},
                    list->elems[i].offset);
    if (is_found)
        rd_kafka_assign(a->client, list);
    rd_kafka_topic_partition_list_destroy(list);
    return is_found;
}

static void live(struct assigned *a)
{
    const struct consume consume = {
        .client = a->client, .process = &a->process, .on_record = on_record, .data = a};
    bool is_assigned = assign_all(a);
    while (is_assigned && !atomic_load(&a->load->is_over))
        consume_poll(&consume, POLL_MS);
    rd_kafka_consumer_close(a->client);
    rd_kafka_destroy(a->client);
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
