/* Producers.
 *
 * The retry rule of an idempotent one is librdkafka's: after a failure or an unknown fate it stops,
 * lets what is in flight end, and then sends again from the oldest batch that is not acknowledged,
 * with the same sequences. A batch behind a lost one is refused as out of order meanwhile. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "protocol/record_batch_builder.h"
#include "sim/sim_actor.h"
#include "sim/sim_compaction.h"
#include "sim/sim_history.h"

#define BACKOFF_NS (30 * WORLD_MS)
#define COUNT_AT   57 /* of a batch: how many records it has */

static size_t draw_size(struct world *w)
{
    if (random_chance(world_random(w), 0.05))
        return world_between(w, 2000, 20000);
    return world_between(w, 0, 400);
}

static void put_mark(uint8_t *value, unsigned client, uint64_t number)
{
    bytes_put_le64(value, client);
    bytes_put_le64(value + 8, number);
}

static struct slice make_batch(struct sim_actor *a, uint64_t number, int32_t record_count)
{
    static uint8_t value[SIM_BATCH_MARK_SIZE + 20000];
    struct world *w = a->sim->world;
    struct kafka_record_batch_builder b;
    struct slice batch;
    int64_t timestamp_ms = (int64_t)(world_now_ns(w) / WORLD_MS);
    kafka_record_batch_builder_init(&b, 1 << 20);
    if (a->is_idempotent) {
        b.head.producer_id = 1000 + a->number;
        b.head.producer_epoch = a->producer_epoch;
        b.head.base_sequence = a->next_sequence;
    }
    put_mark(value, a->number, number);
    for (int32_t i = 0; i < record_count; i++) {
        size_t size = SIM_BATCH_MARK_SIZE + draw_size(w);
        memset(value + SIM_BATCH_MARK_SIZE, 'a' + (int)(number % 26), size - SIM_BATCH_MARK_SIZE);
        uint8_t key = (uint8_t)('a' + world_between(w, 0, SIM_KEYS - 1));
        bool has_key = a->partition == SIM_COMPACTED_PARTITION;
        bool is_tombstone = has_key && i > 0 && random_chance(world_random(w), 0.2);
        kafka_record_batch_builder_append(
            &b, timestamp_ms, has_key ? bytes_of(&key, 1) : bytes_of(NULL, 0),
            is_tombstone ? bytes_of(NULL, 0) : bytes_of(value, size), NULL, 0);
    }
    if (kafka_record_batch_builder_finish(&b, &batch) != 0)
        abort();
    kafka_record_batch_builder_close(&b);
    return batch;
}

static void add_batch(struct sim_actor *a)
{
    assert(a->backlog_count < SIM_BACKLOG_MAX);
    int32_t record_count = (int32_t)world_between(a->sim->world, 1, SIM_BATCH_RECORDS_MAX);
    struct sim_batch *batch = &a->backlog[a->backlog_count++];
    *batch = (struct sim_batch){.number = a->next_number++, .base_sequence = a->next_sequence};
    batch->bytes = make_batch(a, batch->number, record_count);
    a->next_sequence += record_count;
    a->has_backlog = true;
    sim_check_sent(a->sim->check, a->number, batch->number, a->is_idempotent, batch->bytes.bytes);
    sim_history_sent(a->sim, a->number, batch->number, a->is_idempotent,
                     (struct sim_place){a->group_id, a->partition}, batch->bytes.bytes);
}

/* What a forced recovery has lost may lie between batches whose answers are awaited, too. Only one
 * such gap is taken (log/producer_state.c); at the next one clients take a new epoch, in which they
 * number what is left from 0 on. */
static void begin_epoch(struct sim_actor *a)
{
    a->needs_epoch = false;
    a->producer_epoch++;
    a->next_sequence = 0;
    for (unsigned i = 0; i < a->backlog_count; i++) {
        struct sim_batch *batch = &a->backlog[i];
        int32_t record_count = (int32_t)bytes_get_be32(batch->bytes.bytes.data + COUNT_AT);
        slice_unref(&batch->bytes);
        batch->base_sequence = a->next_sequence;
        batch->bytes = make_batch(a, batch->number, record_count);
        a->next_sequence += record_count;
        sim_check_sent(a->sim->check, a->number, batch->number, true, batch->bytes.bytes);
    }
    sim_count(a->sim, SIM_epochs_begun, 1);
}

static bool has_lost(const struct sim_actor *a, const struct sim_call *call)
{
    return a->sim->does_recover && a->is_idempotent && call->number == a->backlog[0].number &&
           call->request.result.verdict == LOG_PRODUCER_OUT_OF_ORDER;
}

static struct sim_batch *find(struct sim_actor *a, uint64_t number)
{
    for (unsigned i = 0; i < a->backlog_count; i++)
        if (a->backlog[i].number == number)
            return &a->backlog[i];
    return NULL;
}

static void drop(struct sim_actor *a, uint64_t number)
{
    struct sim_batch *batch = find(a, number);
    slice_unref(&batch->bytes);
    unsigned place = (unsigned)(batch - a->backlog);
    memmove(batch, batch + 1, (a->backlog_count - place - 1) * sizeof *batch);
    a->backlog_count--;
    a->has_backlog = a->backlog_count > 0;
}

static void on_answered(struct sim_call *call);

/* At the node: as its way of produce requests does. */
static void run_batch(struct sim_call *call)
{
    if (!repl_group_has_room(call->group->raft)) {
        sim_count(call->sim, SIM_refused_for_room, 1);
        sim_call_answer(call, ERR_NO_SPACE);
        return;
    }
    sim_call_submit(call);
}

static void send_batch(struct sim_actor *a, struct sim_batch *batch)
{
    struct sim_call *call = sim_actor_call(a, run_batch, on_answered);
    call->number = batch->number;
    call->request.submit.data = (void *)(uintptr_t)a->number;
    call->request.submit.head = (struct repl_entry_head){.kind = ENTRY_RECORD_BATCH,
                                                         .partition_number = call->partition};
    call->request.submit.body = slice_ref(batch->bytes);
    batch->is_in_flight = true;
    a->in_flight_count++;
    sim_actor_send(a, call);
}

static void send_what_may(struct sim_actor *a)
{
    unsigned window = a->is_idempotent ? SIM_WINDOW : 1;
    for (unsigned i = 0; i < a->backlog_count && i < window && !a->is_draining; i++)
        if (!a->backlog[i].is_in_flight)
            send_batch(a, &a->backlog[i]);
}

static bool is_accepted(const struct sim_call *call)
{
    enum log_producer_verdict verdict = call->request.result.verdict;
    return call->status == 0 && (verdict == LOG_PRODUCER_NEW || verdict == LOG_PRODUCER_DUPLICATE ||
                                 verdict == LOG_PRODUCER_OLD_DUPLICATE);
}

/* What the client now knows of the batch, for the history. */
static void tell(struct sim_actor *a, const struct sim_call *call, const struct sim_batch *batch,
                 enum sim_history_outcome outcome)
{
    bool has_offset = outcome == SIM_HISTORY_OK &&
                      call->request.result.verdict != LOG_PRODUCER_OLD_DUPLICATE;
    sim_history_answered(a->sim, a->number, batch->number,
                         (struct sim_place){a->group_id, a->partition}, batch->bytes.bytes, outcome,
                         has_offset ? call->request.result.base_offset : -1);
}

static void on_answered(struct sim_call *call)
{
    struct sim_actor *a = call->data;
    struct sim_batch *batch = find(a, call->number);
    a->open_count--;
    a->in_flight_count--;
    batch->is_in_flight = false;
    if (is_accepted(call)) {
        a->done_count++;
        tell(a, call, batch, SIM_HISTORY_OK);
        drop(a, call->number);
    } else if (call->status == 0) {
        sim_count(a->sim, SIM_out_of_order_batches, 1);
        a->needs_epoch |= has_lost(a, call);
        a->is_draining = true;
    } else if (!a->is_idempotent && sim_call_is_unknown(call->status)) {
        tell(a, call, batch, SIM_HISTORY_UNKNOWN);
        drop(a, call->number); /* sending it again might write it twice */
    } else {
        a->is_draining = true;
    }
    if (a->is_draining && a->in_flight_count > 0)
        return;
    sim_actor_act_in(a, a->is_draining ? BACKOFF_NS : sim_actor_pace(a));
}

static void act(struct sim_actor *a)
{
    if (a->in_flight_count == 0 && a->needs_epoch)
        begin_epoch(a);
    if (a->in_flight_count == 0)
        a->is_draining = false;
    if (!a->sim->clients->is_stopping) {
        unsigned burst = a->is_idempotent ? (unsigned)world_between(a->sim->world, 1, SIM_WINDOW)
                                          : 1;
        while (burst-- > 0 && a->backlog_count < (a->is_idempotent ? SIM_BACKLOG_MAX : 1))
            add_batch(a);
    }
    send_what_may(a);
    if (!a->is_draining && !a->sim->clients->is_stopping)
        sim_actor_act_in(a, sim_actor_pace(a));
}

void sim_idempotent_make(struct sim_actor *a)
{
    a->is_producer = a->is_idempotent = true;
    a->act = act;
}

void sim_plain_make(struct sim_actor *a)
{
    a->is_producer = true;
    a->act = act;
}
