/* A group's machine on a store of its own, and entries for it. */
#ifndef TEST_CLUSTER_MACHINE_STAGE_H
#define TEST_CLUSTER_MACHINE_STAGE_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "../cluster/state/machine_parts.h"
#include "base/err.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"
#include "protocol/record_batch_builder.h"

struct machine_stage {
    struct fake_disk *disk;
    struct fake_work work; /* worker and home in one */
    struct log_store *store;
    struct machine *machine;
    struct repl_machine callbacks;
    uint64_t index, term; /* of the last entry */
    int64_t wall_ms;
};

static inline void machine_stage_open(struct machine_stage *s, struct metadata *metadata)
{
    struct machine_options options = {.group_id = metadata == NULL ? 5 : 0, .metadata = metadata};
    *s = (struct machine_stage){.disk = fake_disk_create(1), .term = 3, .wall_ms = 1000};
    fake_work_init(&s->work);
    cr_assert_eq(
        log_store_open(fake_disk_seam(s->disk), 5, &s->work.seam, &s->work.seam, &s->store, NULL),
        0);
    cr_assert_eq(machine_create(&options, &s->machine), 0);
    s->callbacks = machine_callbacks(s->machine);
    cr_assert_eq(s->callbacks.restore(s->machine, s->store, NULL), 0);
}

static inline void machine_stage_close(struct machine_stage *s)
{
    fake_work_run_all(&s->work, NULL);
    machine_destroy(s->machine);
    log_store_close(s->store);
    cr_assert_eq(fake_disk_open_count(s->disk), 0);
    fake_disk_destroy(s->disk);
}

/* What an apply answered, once. */
struct applied {
    struct machine_request request;
    unsigned count;
    struct machine_result result;
};

static inline void on_stage_applied(struct machine_request *req, int status)
{
    struct applied *a = req->data;
    cr_assert_eq(status, 0);
    a->count++;
    a->result = req->result;
}

/* Applies an entry as its proposer would see it. */
static inline struct machine_result stage_apply(struct machine_stage *s, enum entry_kind kind,
                                                uint32_t number, struct slice body)
{
    struct applied a = {.request = {.data = &a, .cb = on_stage_applied}};
    struct repl_entry_head head = {
        .kind = (uint8_t)kind, .partition_number = number, .wall_ms = s->wall_ms};
    struct log_entry entry = {
        .term = s->term, .index = ++s->index, .type = LOG_ENTRY_COMMAND, .body = body};
    a.request.data = &a;
    s->callbacks.apply(s->machine, &entry, &head, &a.request.submit);
    cr_assert_eq(a.count, 1, "each request is completed once");
    return a.result;
}

static inline struct machine_result stage_apply_bytes(struct machine_stage *s, enum entry_kind kind,
                                                      uint32_t number, struct bytes body)
{
    struct buffer *owner = buffer_create(body.size + 1);
    if (body.size > 0)
        memcpy(owner->data, body.data, body.size);
    struct slice slice = {.owner = owner, .bytes = bytes_of(owner->data, body.size)};
    struct machine_result result = stage_apply(s, kind, number, slice);
    buffer_unref(owner);
    return result;
}

static inline struct partition_state stage_state(enum partition_action action, uint32_t number)
{
    struct partition_state state = {
        .action = action,
        .settings = {.segment_bytes = 1 << 20,
                     .segment_ms = 604800000,
                     .index_interval_bytes = 4096,
                     .producer_count_max = 100},
    };
    bytes_put_le32(state.id.topic_id, number);
    return state;
}

static inline int stage_put_state(struct machine_stage *s, uint32_t number,
                                  const struct partition_state *state)
{
    uint8_t body[PARTITION_STATE_SIZE];
    size_t size = partition_state_encode(state, body);
    return stage_apply_bytes(s, ENTRY_PARTITION_STATE, number, bytes_of(body, size)).error;
}

static inline int stage_open_partition(struct machine_stage *s, uint32_t number)
{
    struct partition_state state = stage_state(PARTITION_OPEN, number);
    return stage_put_state(s, number, &state);
}

static inline int stage_close_partition(struct machine_stage *s, uint32_t number)
{
    struct partition_state state = stage_state(PARTITION_CLOSE, number);
    return stage_put_state(s, number, &state);
}

struct batch_of {
    int32_t record_count;
    int64_t producer_id; /* 0 here means none */
    int16_t producer_epoch;
    int32_t base_sequence;
    int64_t append_time_ms; /* 0 here means CreateTime */
};

/* Owned (slice_unref). */
static inline struct slice stage_batch(const struct batch_of *of)
{
    struct kafka_record_batch_builder b;
    struct slice slice;
    kafka_record_batch_builder_init(&b, 1 << 20);
    for (int32_t i = 0; i < of->record_count; i++)
        kafka_record_batch_builder_append(&b, 500 + i, bytes_of_text("key"), bytes_of_text("value"),
                                          NULL, 0);
    if (of->producer_id != 0) {
        b.head.producer_id = of->producer_id;
        b.head.producer_epoch = of->producer_epoch;
        b.head.base_sequence = of->base_sequence;
    }
    cr_assert_eq(kafka_record_batch_builder_finish(&b, &slice), 0);
    kafka_record_batch_builder_close(&b);
    struct kafka_record_batch batch;
    cr_assert_gt(kafka_record_batch_decode(slice.bytes, &batch), 0);
    if (of->append_time_ms != 0)
        kafka_record_batch_set_append_time(slice.owner->data, &batch, of->append_time_ms);
    return slice;
}

static inline struct machine_result stage_produce(struct machine_stage *s, uint32_t number,
                                                  struct batch_of of)
{
    struct slice slice = stage_batch(&of);
    struct machine_result result = stage_apply(s, ENTRY_RECORD_BATCH, number, slice);
    slice_unref(&slice);
    return result;
}

static inline int64_t stage_next_offset(struct machine_stage *s, uint32_t number)
{
    return log_partition_next_offset(machine_partition(s->machine, number)->log);
}

#endif
