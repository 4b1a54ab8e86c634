/* Blocking: worker and home of the store are a pump. Memory stays bounded by checkpoints on the
 * way; they are of the old generation, in which the replica will not serve any more. */
#include "start/replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/event.h"
#include "replication/group.h"

#define CHECKPOINT_BYTES (64u << 20) /* of entries */
#define TEND_MAX         1000 /* looks for files that another group's store is to let go of */

static int find_place(struct replay *r, const struct log_store_state *state)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int err = 0;
    if (state->left_index > 0 || (state->index == 0 && r->founder_count == 0))
        return ERR_NOT_FOUND;
    if (state->index > 0) {
        size = state->configuration.size;
        bytes = malloc(size + 1);
        err = bytes == NULL ? UV_ENOMEM : 0;
        if (err == 0)
            memcpy(bytes, state->configuration.data, size);
    } else {
        err = repl_configuration_encode(r->founders, r->founder_count, &bytes, &size);
    }
    r->configuration = bytes_of(bytes, size);
    r->configuration_index = state->index > 0 ? state->configuration_index : 1;
    r->index = state->index > 0 ? state->index : 1;
    r->term = r->term_max = state->index > 0 ? state->term : 1;
    return err;
}

int replay_open(struct replay *r, struct err_note *note)
{
    const struct log_store_state *state = log_store_state(r->store);
    struct machine_options options = {.group_id = r->group_id, .metadata = r->metadata};
    struct log_wal_state wal;
    int err = find_place(r, state);
    if (err == 0)
        err = machine_create(&options, &r->machine);
    if (err == 0)
        err = machine_callbacks(r->machine).restore(r->machine, r->store, state);
    if (err == 0 && r->watch != NULL)
        r->watch->on_restored(r->watch->data, r);
    if (err == 0 && log_wal_state(r->wal, r->group_id, &wal) == 0 && wal.term > r->term_max)
        r->term_max = wal.term;
    if (err == 0)
        r->wall_ms = machine_wall_ms(r->machine);
    return err == 0 || err == ERR_NOT_FOUND
               ? err
               : err_set(note, err, "group %u: restore: %s", r->group_id, err_text(err));
}

static void trim(void *data, struct partition *p)
{
    (void)data;
    log_partition_trim_tail(p->log, 0);
}

static void on_checkpoint(struct log_checkpoint *req, int status)
{
    *(int *)req->data = status;
}

/* What a move between groups has left waiting is looked at until it is there: the other group's
 * store is open, too, and has its last checkpoint. */
static void tend(struct replay *r)
{
    unsigned waiting = log_store_tend(r->store);
    for (unsigned i = 0; i < TEND_MAX && (waiting > 0 || log_store_is_tending(r->store)); i++) {
        work_pump_run(r->pump);
        waiting = log_store_tend(r->store);
    }
    work_pump_run(r->pump);
}

int replay_checkpoint(struct replay *r, const struct log_store_state *state)
{
    int status = ERR_BUSY;
    uint8_t *machine = NULL;
    size_t machine_size = 0;
    struct log_checkpoint req = {.data = &status, .state = *state};
    tend(r);
    int err = machine_callbacks(r->machine)
                  .encode_state(r->machine, &machine, &machine_size, &req.state.feature_level);
    if (err != 0)
        return err;
    req.state.index = r->index;
    req.state.term = r->term;
    req.state.machine = bytes_of(machine, machine_size);
    err = log_store_checkpoint(r->store, &req, on_checkpoint);
    work_pump_run(r->pump);
    free(machine);
    r->applied_bytes = 0;
    if (err != 0 || status != 0)
        return err != 0 ? err : status;
    machine_each_partition(r->machine, trim, NULL);
    return 0;
}

static int checkpoint_on_the_way(struct replay *r)
{
    const struct log_store_state *state = log_store_state(r->store);
    struct log_store_state same = {.configuration = r->configuration,
                                   .configuration_index = r->configuration_index,
                                   .generation = state->generation,
                                   .recovery_id = state->recovery_id};
    return r->index > state->index ? replay_checkpoint(r, &same) : 0;
}

static void apply_command(struct replay *r, const struct log_entry *entry,
                          const struct repl_entry_head *head)
{
    if (r->watch != NULL)
        r->watch->on_applying(r->watch->data, r, entry, head);
#ifdef TRILOG_BREAK_OFFSETS_BY_CHECKPOINT
    if (head->kind != ENTRY_GROUP_STATE) /* on purpose wrong, for the simulation to find */
#endif
        machine_callbacks(r->machine).apply(r->machine, entry, head, NULL);
    if (r->watch != NULL)
        r->watch->on_applied(r->watch->data, r, entry, head);
}

static int apply(struct replay *r, const struct log_entry *entry)
{
    struct repl_entry_head head;
    int err = 0;
    if (entry->type == LOG_ENTRY_COMMAND) {
        err = repl_entry_head_decode(entry->head.bytes, &head);
        if (err != 0)
            return err;
        apply_command(r, entry, &head);
        r->wall_ms = head.wall_ms;
    }
    r->index = entry->index;
    r->term = entry->term;
    if (entry->term > r->term_max)
        r->term_max = entry->term;
    r->applied_bytes += log_entry_size(entry);
    if (r->applied_bytes >= CHECKPOINT_BYTES)
        err = checkpoint_on_the_way(r);
    return err == ERR_BUSY ? 0 : err;
}

static int apply_at(struct replay *r, uint64_t index)
{
    struct log_entry entry;
    int err = log_wal_read_one(r->wal, r->group_id, index, &entry);
    if (err != 0)
        return err;
    err = apply(r, &entry);
    slice_unref(&entry.head);
    slice_unref(&entry.body);
    return err;
}

/* Does what the WAL has go on from the checkpoint? Of another generation, or of a log that a
 * shipped snapshot has replaced, it does not. */
static bool does_wal_go_on(struct replay *r, const struct log_wal_state *wal)
{
    enum log_entry_type type;
    uint64_t term;
    if (wal->group.generation != log_store_state(r->store)->generation)
        return false;
    bool has_place = r->index >= wal->first_index && r->index <= wal->last_index;
    return !has_place || (log_wal_entry_term(r->wal, r->group_id, r->index, &term, &type) == 0 &&
                          term == r->term);
}

static uint64_t end_of(const struct replay *r, const struct log_wal_state *wal)
{
    bool is_bounded = r->until_index != 0 && r->until_index < wal->last_index;
    return is_bounded ? r->until_index : wal->last_index;
}

int replay_run(struct replay *r, struct err_note *note)
{
    struct log_wal_state wal = {0};
    int err = 0;
    if (log_wal_state(r->wal, r->group_id, &wal) == 0 && does_wal_go_on(r, &wal))
        for (uint64_t index = r->index + 1; index <= end_of(r, &wal) && err == 0; index++)
            err = apply_at(r, index);
    if (err == ERR_CORRUPT || err == ERR_COMPACTED) {
        event_error("replay_ended_early", "group=%u index=%llu last_index=%llu error=%s",
                    r->group_id, (unsigned long long)r->index, (unsigned long long)wal.last_index,
                    err_name(err));
        err = 0;
    }
    if (err == 0)
        err = checkpoint_on_the_way(r);
    return err == 0 ? 0
                    : err_set(note, err, "group %u: apply what is behind the checkpoint: %s",
                              r->group_id, err_text(err));
}

int replay_add(struct replay *r, uint64_t term, const struct repl_entry_head *head,
               struct bytes body)
{
    struct buffer *owner = buffer_create(body.size);
    if (owner == NULL)
        return UV_ENOMEM;
    memcpy(owner->data, body.data, body.size);
    uint8_t head_bytes[LOG_ENTRY_HEAD_SIZE];
    struct log_entry entry = {.term = term, .index = r->index + 1, .type = LOG_ENTRY_COMMAND};
    repl_entry_head_encode(head, head_bytes);
    entry.head.bytes = bytes_of(head_bytes, sizeof head_bytes);
    entry.body = (struct slice){.owner = owner, .bytes = bytes_of(owner->data, body.size)};
    apply_command(r, &entry, head);
    buffer_unref(owner);
    r->index = entry.index;
    r->term = term;
    return 0;
}

void replay_close(struct replay *r)
{
    machine_destroy(r->machine);
    free((void *)(uintptr_t)r->configuration.data);
    r->machine = NULL;
    r->configuration = (struct bytes){0};
}
