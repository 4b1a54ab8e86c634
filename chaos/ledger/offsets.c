/* Both ends of all partitions.
 *
 * rd_kafka_query_watermark_offsets() has no bound of its own where a leader is silent, and goes on
 * asking the one it knew. Here Metadata comes from one node after the other, each leader is asked
 * for all its partitions at once, and what has no answer is asked again of whoever leads by then.
 */
#include "offsets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "note.h"
#include "wire_metadata.h"

#define TIMEOUT_MS     3000
#define ASK_AGAIN_NS   100000000
#define PARTITIONS_MAX 10000
#define BROKERS_MAX    64

struct broker {
    int32_t id;
    char address[WIRE_ADDRESS_BYTES];
};

struct finder {
    struct process *process;
    const char *topic, *which;
    struct offsets_range *ranges;
    int32_t leaders[PARTITIONS_MAX], chosen[PARTITIONS_MAX];
    uint64_t ids[PARTITIONS_MAX]; /* of the operation under way, or 0 */
    int32_t partition_count, chosen_count;
    struct broker brokers[BROKERS_MAX];
    int broker_count;
    struct wire_connection connection;
};

/* ---- who leads ---- */

static void on_broker(void *data, int32_t node, const char *address, struct wire_bytes rack)
{
    struct finder *f = data;
    (void)rack;
    if (f->broker_count < BROKERS_MAX) {
        struct broker *broker = &f->brokers[f->broker_count++];
        broker->id = node;
        snprintf(broker->address, sizeof broker->address, "%s", address);
    }
}

static void on_partition(void *data, int32_t partition, int32_t leader, int32_t epoch)
{
    struct finder *f = data;
    (void)epoch;
    if (partition < 0 || partition >= PARTITIONS_MAX)
        return;
    f->leaders[partition] = leader;
    if (partition >= f->partition_count)
        f->partition_count = partition + 1;
}

static void find_leaders(struct finder *f, const char *address)
{
    const char *error; /* who does not answer is passed over: the next node is asked */
    const struct wire_metadata ask = {
        .topic = f->topic, .on_broker = on_broker, .on_partition = on_partition, .data = f};
    f->broker_count = 0;
    wire_init(&f->connection, address);
    wire_metadata(&f->connection, &ask, TIMEOUT_MS, &error);
    wire_close(&f->connection);
}

static int make_ranges(struct finder *f)
{
    if (f->ranges != NULL || f->partition_count == 0)
        return 0;
    f->ranges = calloc(PARTITIONS_MAX, sizeof *f->ranges);
    for (int32_t p = 0; p < PARTITIONS_MAX && f->ranges != NULL; p++)
        f->ranges[p].next = -1;
    return f->ranges != NULL ? 0 : -1;
}

/* ---- where they begin and end ---- */

static void end(struct finder *f, int32_t partition, const struct note_end *how)
{
    note_list_offsets_end(f->process, now_us(), f->ids[partition],
                          (struct note_place){f->topic, partition}, f->which, how);
    f->ids[partition] = 0;
}

static void on_offset(void *data, int32_t partition, int64_t offset, int32_t epoch,
                      const char *error)
{
    struct finder *f = data;
    struct note_end how = {.outcome = error == NULL ? NOTE_OK : NOTE_FAIL,
                           .error = error,
                           .offset = offset,
                           .epoch = epoch >= 0 ? epoch : NOTE_NONE};
    if (partition < 0 || partition >= f->partition_count || f->ids[partition] == 0)
        return; /* not asked for, or said twice */
    end(f, partition, &how);
    if (error != NULL)
        return;
    if (f->which[0] == 'e')
        f->ranges[partition].first = offset;
    else
        f->ranges[partition].next = offset;
}

/* The first offset comes first: what is known to have an end has a beginning too. */
static bool ask(struct finder *f, const char *which)
{
    struct note_end failed = {.outcome = NOTE_FAIL, .error = "not_answered"};
    bool is_first = which[0] == 'e', is_answered = true;
    const struct wire_list_offsets question = {.topic = f->topic,
                                               .partitions = f->chosen,
                                               .count = f->chosen_count,
                                               .which = is_first ? WIRE_OFFSETS_EARLIEST
                                                                 : WIRE_OFFSETS_LATEST,
                                               .on_offset = on_offset,
                                               .data = f};
    f->which = which;
    int64_t at_us = now_us();
    for (int32_t i = 0; i < f->chosen_count; i++)
        f->ids[f->chosen[i]] = note_list_offsets(
            f->process, at_us, (struct note_place){f->topic, f->chosen[i]}, which);
    wire_list_offsets(&f->connection, &question, TIMEOUT_MS, &failed.error);
    for (int32_t i = 0; i < f->chosen_count; i++) {
        if (f->ids[f->chosen[i]] != 0) {
            end(f, f->chosen[i], &failed);
            is_answered = false;
        }
    }
    return is_answered;
}

static void ask_broker(struct finder *f, const struct broker *broker)
{
    f->chosen_count = 0;
    for (int32_t p = 0; p < f->partition_count; p++)
        if (f->ranges[p].next < 0 && f->leaders[p] == broker->id)
            f->chosen[f->chosen_count++] = p;
    if (f->chosen_count == 0)
        return;
    wire_init(&f->connection, broker->address);
    if (ask(f, "earliest"))
        ask(f, "latest");
    wire_close(&f->connection);
}

/* ---- until all is known ---- */

static bool is_all_known(const struct finder *f)
{
    for (int32_t p = 0; p < f->partition_count; p++)
        if (f->ranges[p].next < 0)
            return false;
    return f->partition_count > 0;
}

static int ask_all(struct finder *f, const char *address)
{
    find_leaders(f, address);
    if (make_ranges(f) < 0)
        return -1;
    for (int b = 0; b < f->broker_count; b++)
        ask_broker(f, &f->brokers[b]);
    return 0;
}

int32_t offsets_find(struct process *process, const struct options *options, int64_t until_us,
                     const atomic_bool *is_over, struct offsets_range **ranges)
{
    struct options_node nodes[OPTIONS_NODES_MAX];
    int node_count = options_nodes(options, nodes), turn = 0, err = 0;
    struct finder *f = calloc(1, sizeof *f);
    if (f == NULL)
        return 0;
    f->process = process;
    f->topic = options->topic;
    while (err == 0 && node_count > 0 && !is_all_known(f) && now_us() < until_us &&
           (is_over == NULL || !atomic_load(is_over))) {
        if (turn > 0)
            nanosleep(&(struct timespec){.tv_nsec = ASK_AGAIN_NS}, NULL);
        err = ask_all(f, nodes[turn++ % node_count].address);
    }
    int32_t count = f->ranges != NULL ? f->partition_count : 0;
    *ranges = f->ranges;
    free(f);
    return count;
}
