/* One node's own replica of every partition that it has one of, whether it leads or follows.
 *
 * The node is told its own rack, by which a follower knows that it may answer (KIP-392) and a
 * leader that nobody is nearer. It may refuse for a while, as a follower does that has not heard
 * its leader lately: it is asked again until the time is up. Where nodes have come and gone, others
 * have some of the partitions: the node's own word on that is taken, once all is level. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "final.h"
#include "note.h"
#include "wire_fetch.h"
#include "wire_metadata.h"

#define TIMEOUT_MS   5000
#define ASK_AGAIN_NS 100000000

struct place {
    bool is_somewhere, is_here;
};

struct replica {
    struct process process;
    struct final *final;
    struct wire_connection connection;
    struct wire_fetch_from *from; /* room for all partitions */
    int64_t *next;                /* by partition: the next offset to read */
    const char **errors;          /* by partition: the last trouble, or NULL */
    struct place *places;         /* by partition: as the node says */
    int32_t node;
    char rack[64]; /* its own */
    uint64_t poll_id;
    int64_t asked_at_us, count; /* of this poll */
};

static void on_partition(void *data, int32_t partition, int32_t leader, int32_t epoch)
{
    (void)data, (void)partition, (void)leader, (void)epoch;
}

static void on_broker(void *data, int32_t node, const char *address, struct wire_bytes rack)
{
    struct replica *r = data;
    (void)address;
    if (node == r->node && rack.data != NULL && rack.size < sizeof r->rack)
        snprintf(r->rack, sizeof r->rack, "%.*s", (int)rack.size, (const char *)rack.data);
}

static void on_replica(void *data, int32_t partition, int32_t node)
{
    struct replica *r = data;
    if (partition < 0 || partition >= r->final->partition_count)
        return;
    r->places[partition].is_somewhere = true;
    r->places[partition].is_here |= node == r->node;
}

/* Records that were there before, of a batch that began earlier, and those that came since the end
 * was asked for, are not of this reading. */
static void on_record(void *data, const struct wire_record *record)
{
    struct replica *r = data;
    const struct final *f = r->final;
    if (record->partition < 0 || record->partition >= f->partition_count ||
        record->offset < r->next[record->partition] ||
        record->offset >= f->ranges[record->partition].next)
        return;
    struct note_read read = {
        .place = {f->options->topic, record->partition},
        .offset = record->offset,
        .key = record->key.data,
        .key_size = record->key.size,
        .value = record->value.data,
        .size = record->value.size,
        .stage = "final",
        .epoch = record->epoch,
        .node = r->node,
    };
    if (r->count++ == 0)
        r->poll_id = note_poll(&r->process, r->asked_at_us);
    note_read(&r->process, now_us(), r->poll_id, &read);
    r->next[record->partition] = record->offset + 1;
}

/* A trouble is noted when it is another one than before. */
static void on_answer(void *data, int32_t partition, const char *error)
{
    struct replica *r = data;
    if (partition < 0 || partition >= r->final->partition_count)
        return;
    if (error != NULL && error != r->errors[partition])
        note_error(&r->process, now_us(), error,
                   (struct note_place){r->final->options->topic, partition}, "replica read");
    r->errors[partition] = error;
}

static bool is_left(const struct replica *r, int32_t partition)
{
    const struct place *place = &r->places[partition];
    return r->next[partition] < r->final->ranges[partition].next &&
           (place->is_here || !place->is_somewhere);
}

/* Those that are not at their end, starting behind the last one that had its turn. */
static int32_t choose(struct replica *r, int32_t after)
{
    int32_t count = 0, all = r->final->partition_count;
    for (int32_t i = 0; i < all && count < WIRE_FETCH_PARTITIONS_MAX; i++) {
        int32_t partition = (after + 1 + i) % all;
        if (is_left(r, partition))
            r->from[count++] = (struct wire_fetch_from){partition, r->next[partition]};
    }
    return count;
}

static void note_ends(struct replica *r, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        int32_t partition = r->from[i].partition;
        if (!is_left(r, partition))
            note_read_end(&r->process, now_us(),
                          (struct note_place){r->final->options->topic, partition},
                          r->final->ranges[partition].next, r->node);
    }
}

/* The node's rack, and who has which partition. */
static const char *learn(struct replica *r)
{
    const char *error = NULL;
    const struct wire_metadata ask = {.topic = r->final->options->topic,
                                      .on_broker = on_broker,
                                      .on_partition = on_partition,
                                      .on_replica = on_replica,
                                      .data = r};
    r->count = 0;
    return wire_metadata(&r->connection, &ask, TIMEOUT_MS, &error) < 0 ? error : NULL;
}

static const char *fetch_once(struct replica *r, int32_t count)
{
    const char *error;
    const struct wire_fetch fetch = {.topic = r->final->options->topic,
                                     .rack = r->rack,
                                     .from = r->from,
                                     .count = count,
                                     .on_record = on_record,
                                     .on_answer = on_answer,
                                     .data = r};
    r->count = 0;
    r->asked_at_us = now_us();
    wire_fetch(&r->connection, &fetch, TIMEOUT_MS, &error);
    if (r->count > 0)
        note_poll_end(&r->process, now_us(), r->poll_id, r->count);
    note_ends(r, count);
    return error;
}

/* What has no records is at its end before anything is read; what has no known end never is. */
static void note_empty(struct replica *r)
{
    for (int32_t p = 0; p < r->final->partition_count; p++) {
        const struct offsets_range *range = &r->final->ranges[p];
        r->next[p] = range->first;
        if (range->next >= 0 && range->first >= range->next)
            note_read_end(&r->process, now_us(), (struct note_place){r->final->options->topic, p},
                          range->next, r->node);
    }
}

static int32_t read_all(struct replica *r)
{
    int32_t count, last = -1, left_count = 0;
    const char *last_error = NULL;
    note_empty(r);
    while ((count = choose(r, last)) > 0 && now_us() < r->final->until_us) {
        const char *error = r->rack[0] == '\0' ? learn(r) : fetch_once(r, count);
        if (error != NULL && error != last_error)
            note_error(&r->process, now_us(), error, (struct note_place){NULL, NOTE_NONE},
                       "replica read");
        last_error = error;
        last = r->from[count - 1].partition;
        if (r->count == 0)
            nanosleep(&(struct timespec){.tv_nsec = ASK_AGAIN_NS}, NULL);
    }
    for (int32_t p = 0; p < r->final->partition_count; p++)
        left_count += is_left(r, p) || r->final->ranges[p].next < 0;
    return left_count;
}

void *final_replica_run(void *data)
{
    struct final_replica *task = data;
    size_t count = (size_t)task->final->partition_count;
    struct replica *r = calloc(1, sizeof *r);
    struct wire_fetch_from *from = calloc(count, sizeof *from);
    int64_t *next = calloc(count, sizeof *next);
    const char **errors = calloc(count, sizeof *errors);
    struct place *places = calloc(count, sizeof *places);
    int32_t left_count = task->final->partition_count;
    if (r != NULL && from != NULL && next != NULL && errors != NULL && places != NULL) {
        char what[32];
        snprintf(what, sizeof what, "replica-%d", (int)task->node.id);
        r->final = task->final;
        r->node = task->node.id;
        r->from = from;
        r->next = next;
        r->errors = errors;
        r->places = places;
        wire_init(&r->connection, task->node.address);
        final_process_begin(r->final, task->pen, &r->process, what, "reader", PROCESS_WIRE_CLIENT);
        left_count = read_all(r);
        wire_close(&r->connection);
    }
    atomic_fetch_add(&task->final->missing_count, left_count);
    free(places);
    free(errors);
    free(next);
    free(from);
    free(r);
    return NULL;
}
