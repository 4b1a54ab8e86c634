/* What committed entries do to a group's state. Pure (invariant 12): reads the entry and the
 * state that earlier entries made, nothing else: no clock, no settings, no other group.
 *
 * An entry that can't be applied (its partition is not open, its bytes are of no known form) has
 * a verdict, the same on every replica; checks before proposing only refuse early. Memory that
 * runs out in the middle of apply ends the process: a replica may be behind, never different. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "log/compact.h"
#include "protocol/record_batch.h"
#include "state/machine_parts.h"

static void end_process(const char *why)
{
    event_error("apply_failed", "reason=\"%s\"", why);
    abort();
}

static void check_memory(int err)
{
    if (err != 0)
        end_process(err_text(err));
}

/* ---- record batches ---- */

/* Sequences count up to INT32_MAX and then from 0 again (KIP-98). */
static int32_t last_sequence(const struct kafka_record_batch *batch)
{
    int64_t last = (int64_t)batch->base_sequence + batch->last_offset_delta;
    return (int32_t)(last & INT32_MAX);
}

static struct log_producer_batch producer_part(const struct kafka_record_batch *batch)
{
    return (struct log_producer_batch){
        .producer_id = batch->producer_id,
        .producer_epoch = batch->producer_epoch,
        .base_sequence = batch->base_sequence,
        .last_sequence = last_sequence(batch),
        .max_timestamp = batch->max_timestamp,
    };
}

/* Gives the batch its place: offset, tail, producer window. */
static void append_batch(struct machine *m, struct partition_entry *entry,
                         const struct kafka_record_batch *batch, struct slice data, uint64_t term)
{
    struct partition *p = &entry->partition;
    struct log_batch placed = {
        .base_offset = log_partition_next_offset(p->log),
        .record_count = batch->last_offset_delta + 1,
        .leader_epoch = p->epoch_base + (int32_t)term,
        .max_timestamp = batch->max_timestamp,
        .wall_ms = m->wall_ms,
        .data = data,
    };
    check_memory(log_partition_append(p->log, &placed));
    machine_mark_grown(m, entry);
}

static void count_verdict(struct machine *m, enum log_producer_verdict verdict)
{
    switch (verdict) {
    case LOG_PRODUCER_NEW:
        m->counters.batches++;
        break;
    case LOG_PRODUCER_DUPLICATE:
    case LOG_PRODUCER_OLD_DUPLICATE:
        m->counters.duplicates++;
        break;
    case LOG_PRODUCER_OUT_OF_ORDER:
    case LOG_PRODUCER_UNKNOWN:
        m->counters.out_of_order++;
        break;
    case LOG_PRODUCER_FENCED:
        m->counters.fenced++;
        break;
    }
}

/* 0, or why the batch can't be part of this partition. */
static int check_batch(struct machine *m, struct partition_entry *entry, struct bytes body,
                       struct kafka_record_batch *batch)
{
    if (entry == NULL) {
        m->counters.unknown_partition++;
        return ERR_NOT_FOUND;
    }
#ifdef TRILOG_BREAK_APPLY_READS_LOCAL
    /* On purpose wrong, for the simulation to find: a node's own setting decides. */
    if (body.size > m->options.broken_batch_size_max)
        return ERR_INVALID;
#endif
    bool is_sound = kafka_record_batch_decode(body, batch) == (int)body.size &&
                    !(entry->partition.flags & PARTITION_IS_OFFSETS);
    int64_t next_offset = log_partition_next_offset(entry->partition.log);
    if (!is_sound || batch->last_offset_delta == INT32_MAX || /* the count must be a number too */
        next_offset > INT64_MAX - batch->last_offset_delta - 1) {
        m->counters.malformed++;
        return ERR_MALFORMED;
    }
    return 0;
}

static void apply_record_batch(struct machine *m, struct partition_entry *entry,
                               const struct log_entry *raft_entry, struct machine_result *result)
{
    struct kafka_record_batch batch;
    result->error = check_batch(m, entry, raft_entry->body.bytes, &batch);
    if (result->error != 0)
        return;
    struct log_partition *log = entry->partition.log;
    struct log_producer_batch producer = producer_part(&batch);
    int64_t first_time_ms = -1;
    result->log_start_offset = log_partition_start_offset(log);
    result->verdict = log_producer_check(log_partition_producers(log), &producer,
                                         &result->base_offset, &first_time_ms);
    count_verdict(m, result->verdict);
    if (kafka_record_batch_is_log_append_time(&batch))
        result->log_append_time_ms = result->verdict == LOG_PRODUCER_DUPLICATE
                                         ? first_time_ms
                                         : batch.max_timestamp;
    if (result->verdict != LOG_PRODUCER_NEW)
        return;
    result->base_offset = log_partition_next_offset(log);
    append_batch(m, entry, &batch, raft_entry->body, raft_entry->term);
    check_memory(log_producer_record(log_partition_producers(log), &producer, result->base_offset,
                                     m->wall_ms));
}

/* ---- partition state ---- */

static void open_partition(struct machine *m, uint32_t number, const struct partition_state *state,
                           struct machine_result *result)
{
    if (machine_entry(m, number) != NULL || number == 0) {
        result->error = ERR_EXISTS;
        return;
    }
    if (state->metadata_version < m->closed_version) {
        result->error = ERR_INVALID; /* perhaps of a partition that is closed: never used again */
        return;
    }
    struct partition p = {.number = number,
                          .flags = state->flags,
                          .epoch_base = state->epoch_base,
                          .id = state->id,
                          .settings = state->settings};
    bool begins_behind_gap = state->start_offset % LOG_OFFSET_STRIDE == 0;
    int64_t log_start = begins_behind_gap ? 0 : state->start_offset;
    check_memory(
        log_store_partition_add(m->store, number, &state->id, &state->settings, log_start, &p.log));
    if (p.flags & PARTITION_IS_OFFSETS)
        check_memory(consumer_table_create(&p.consumers));
    check_memory(machine_stride_to(&p, state->start_offset));
    if (machine_add(m, &p) == NULL)
        check_memory(UV_ENOMEM);
}

static void close_partition(struct machine *m, uint32_t number, const struct partition_state *state,
                            struct machine_result *result)
{
    struct partition_entry *entry = machine_entry(m, number);
    bool is_incoming = machine_forget_incoming(m, number);
    if (entry == NULL && !is_incoming) {
        result->error = ERR_NOT_FOUND;
        return;
    }
    if (state->metadata_version > m->closed_version)
        m->closed_version = state->metadata_version;
    if (entry == NULL)
        return;
    machine_forget(m, entry);
    log_store_partition_remove(m->store, number);
}

/* Of an open partition. */
static void change_partition(struct machine *m, struct partition_entry *entry,
                             const struct partition_state *state,
                             const struct log_entry *raft_entry, struct machine_result *result)
{
    if (entry == NULL || entry->partition.moved_index != 0) {
        result->error = entry == NULL ? ERR_NOT_FOUND : ERR_MOVED;
    } else if (state->action == PARTITION_SETTINGS) {
        entry->partition.settings = state->settings;
        log_partition_set_settings(entry->partition.log, &state->settings);
    } else if (state->action == PARTITION_MOVE_OUT) {
        machine_apply_move_out(m, entry, raft_entry);
    } else {
        log_partition_settle(entry->partition.log);
    }
}

static void apply_partition_state(struct machine *m, uint32_t number,
                                  const struct log_entry *raft_entry, struct machine_result *result)
{
    struct bytes body = raft_entry->body.bytes;
    struct partition_state state;
    if (body.size > PARTITION_STATE_SIZE) {
        check_memory(machine_apply_move_in(m, number, raft_entry, result));
        return;
    }
    result->error = partition_state_decode(body, &state);
    if (result->error != 0)
        return;
    if (state.action == PARTITION_MOVE_IN)
        result->error = ERR_MALFORMED; /* has no piece */
    else if (state.action == PARTITION_OPEN)
        open_partition(m, number, &state, result);
    else if (state.action == PARTITION_CLOSE)
        close_partition(m, number, &state, result);
    else
        change_partition(m, machine_entry(m, number), &state, raft_entry, result);
}

static void apply_log_start(struct partition_entry *entry, struct bytes body,
                            struct machine_result *result)
{
    struct log_start_advance advance;
    result->error = entry == NULL ? ERR_NOT_FOUND : log_start_advance_decode(body, &advance);
    if (result->error != 0)
        return;
    log_partition_advance_start(entry->partition.log, advance.start_offset);
    result->log_start_offset = log_partition_start_offset(entry->partition.log);
}

static void apply_compaction_step(struct partition_entry *entry, struct bytes body,
                                  struct machine_result *result)
{
    result->error = entry == NULL ? ERR_NOT_FOUND
                                  : log_partition_compact(entry->partition.log, body);
    if (result->error == UV_ENOMEM)
        check_memory(result->error);
}

/* ---- consumer groups ---- */

/* Appends what the table accepted as records of __consumer_offsets. */
static void append_own_batch(struct machine *m, struct partition_entry *entry, const uint8_t *bytes,
                             size_t size, uint64_t term)
{
    struct kafka_record_batch batch;
    struct buffer *owner = buffer_create(size);
    if (owner == NULL)
        check_memory(UV_ENOMEM);
    memcpy(owner->data, bytes, size);
    struct slice data = {.owner = owner, .bytes = bytes_of(owner->data, size)};
    if (kafka_record_batch_decode(data.bytes, &batch) != (int)size)
        end_process("the consumer table made a malformed batch");
    append_batch(m, entry, &batch, data, term);
    buffer_unref(owner);
}

static void apply_group_state(struct machine *m, struct partition_entry *entry,
                              const struct log_entry *raft_entry, struct machine_result *result,
                              uint8_t **detail)
{
    uint8_t *batch = NULL;
    size_t batch_size = 0, detail_size = 0;
    if (entry == NULL || entry->partition.consumers == NULL) {
        result->error = ERR_NOT_FOUND;
        return;
    }
    check_memory(consumer_table_apply(entry->partition.consumers, raft_entry->body.bytes,
                                      m->wall_ms, &result->error, &batch, &batch_size, detail,
                                      &detail_size));
    result->detail = bytes_of(*detail, detail_size);
    if (batch_size > 0)
        append_own_batch(m, entry, batch, batch_size, raft_entry->term);
    free(batch);
}

/* ---- the rest ---- */

static void apply_producer_state(struct partition_entry *entry, struct bytes body,
                                 struct machine_result *result)
{
    struct bytes_reader r = bytes_reader_of(body);
    uint16_t version = bytes_read_le16(&r);
    int64_t before_ms = (int64_t)bytes_read_le64(&r);
    if (entry == NULL)
        result->error = ERR_NOT_FOUND;
    else if (r.is_bad || version != 1)
        result->error = ERR_MALFORMED;
    else
        log_producer_expire(log_partition_producers(entry->partition.log), before_ms);
}

static void apply_metadata(struct machine *m, const struct log_entry *entry,
                           struct machine_result *result)
{
    if (m->options.metadata == NULL) {
        result->error = ERR_INVALID; /* only group 0 carries metadata */
        return;
    }
    check_memory(metadata_apply(m->options.metadata, entry->index, m->wall_ms, entry->body.bytes,
                                &result->metadata));
    result->error = result->metadata.error;
    m->has_metadata_changed = true;
}

static void apply_feature_level(struct machine *m, struct bytes body, struct machine_result *result)
{
    struct bytes_reader r = bytes_reader_of(body);
    uint16_t version = bytes_read_le16(&r);
    uint32_t level = bytes_read_le32(&r);
    if (r.is_bad || version != 1 || level < m->feature_level) {
        result->error = ERR_MALFORMED;
        return;
    }
    if (level > ENTRY_FEATURE_LEVEL_MAX)
        end_process("the group's feature level is above what this release can apply");
    m->feature_level = level;
}

static void apply_kind(struct machine *m, const struct log_entry *entry,
                       const struct repl_entry_head *head, struct machine_result *result,
                       uint8_t **detail)
{
    struct partition_entry *target = machine_entry(m, head->partition_number);
    if (target != NULL && target->partition.moved_index != 0 &&
        head->kind != ENTRY_PARTITION_STATE) {
        result->error = ERR_MOVED; /* certainly not done: its log is closed */
        return;
    }
    switch (head->kind) {
    case ENTRY_RECORD_BATCH:
        apply_record_batch(m, target, entry, result);
        break;
    case ENTRY_PARTITION_STATE:
        apply_partition_state(m, head->partition_number, entry, result);
        break;
    case ENTRY_LOG_START:
        apply_log_start(target, entry->body.bytes, result);
        break;
    case ENTRY_COMPACTION_STEP:
        apply_compaction_step(target, entry->body.bytes, result);
        break;
    case ENTRY_GROUP_STATE:
        apply_group_state(m, target, entry, result, detail);
        break;
    case ENTRY_PRODUCER_STATE:
        apply_producer_state(target, entry->body.bytes, result);
        break;
    case ENTRY_METADATA:
        apply_metadata(m, entry, result);
        break;
    case ENTRY_FEATURE_LEVEL:
        apply_feature_level(m, entry->body.bytes, result);
        break;
    case ENTRY_RECOVERY:
        check_memory(machine_apply_recovery(m, entry, result));
        break;
    case ENTRY_NOTHING:
        break;
    default:
        result->error = ERR_INVALID; /* of a later level, which this group has not reached */
    }
}

void machine_apply(void *data, const struct log_entry *entry, const struct repl_entry_head *head,
                   struct repl_submit *own)
{
    struct machine *m = data;
    struct machine_result result = {.base_offset = -1, .log_append_time_ms = -1};
    uint8_t *detail = NULL;
    m->wall_ms = head->wall_ms;
    machine_add_to_totals(m, head, entry->body.bytes);
    apply_kind(m, entry, head, &result, &detail);
    if (own != NULL) {
        struct machine_request *req =
            (struct machine_request *)((char *)own - offsetof(struct machine_request, submit));
        req->result = result;
        req->cb(req, 0);
    }
    free(detail);
}
