/* The fixture's toy machine: it remembers values, and checks that nobody sees another history. */
#include <stdlib.h>

#include "../log/batches.h"
#include "group_fixture.h"

static void remember(struct replica *r, uint64_t value)
{
    if (r->applied_count == r->applied_capacity) {
        r->applied_capacity = r->applied_capacity == 0 ? 256 : r->applied_capacity * 2;
        r->applied = realloc(r->applied, r->applied_capacity * sizeof *r->applied);
    }
    r->applied[r->applied_count++] = value;
}

static void record_in_partition(struct replica *r, const struct log_entry *entry, uint64_t value)
{
    struct log_partition *p = log_store_partition(r->store, PARTITION_RECORDS);
    if (p == NULL) {
        struct log_partition_id id = id_numbered(1);
        struct log_partition_settings settings = small_settings();
        settings.segment_bytes = r->cluster->segment_bytes;
        cr_assert_eq(log_store_partition_add(r->store, PARTITION_RECORDS, &id, &settings, 0, &p),
                     0);
    }
    struct batch_plan plan = {.base_offset = log_partition_next_offset(p),
                              .record_count = 1,
                              .leader_epoch = (int32_t)entry->term,
                              .base_timestamp = (int64_t)value,
                              .value_size = r->cluster->record_size != 0 ? r->cluster->record_size
                                                                         : r->cluster->value_size,
                              .wall_ms = (int64_t)entry->index};
    append_planned(p, &plan);
}

void proposal_answer(struct proposal *p, bool is_applied, int status)
{
    p->answers++;
    cr_assert_eq(p->answers, 1, "value %llu was answered twice", (unsigned long long)p->value);
    p->is_applied = is_applied;
    p->status = status;
}

static void check_history(struct replica *r, const struct log_entry *entry, uint64_t value)
{
    struct cluster *c = r->cluster;
    cr_assert_lt(entry->index, HISTORY_MAX);
    cr_assert_gt(entry->index, r->applied_index, "applied twice or out of order");
    if (c->history[entry->index].value == 0) {
        c->history[entry->index].value = value;
        c->history[entry->index].term = entry->term;
    }
    cr_assert_eq(c->history[entry->index].value, value, "node %u: index %llu has two values",
                 r->node_id, (unsigned long long)entry->index);
    cr_assert_eq(c->history[entry->index].term, entry->term);
}

static void on_apply(void *data, const struct log_entry *entry, const struct repl_entry_head *head,
                     struct repl_submit *own)
{
    struct replica *r = data;
    cr_assert_eq(head->kind, COMMAND_KIND);
    cr_assert_geq(entry->body.bytes.size, 8);
    uint64_t value = bytes_get_le64(entry->body.bytes.data);
    check_history(r, entry, value);
    r->applied_index = entry->index;
    remember(r, value);
    if (r->cluster->has_partition)
        record_in_partition(r, entry, value);
    if (own != NULL) {
        struct proposal *p = own->data;
        cr_assert_eq(p->value, value, "a request got another's entry");
        proposal_answer(p, true, 0);
    }
}

static void on_role(void *data, enum repl_role role, uint64_t term)
{
    struct replica *r = data;
    r->role = role;
    r->role_term = term;
    r->role_changes++;
    if (role != REPL_LEADER)
        return;
    cr_assert_lt(term, TERMS_MAX);
    uint32_t *leader = &r->cluster->leaders[term];
    cr_assert(*leader == 0 || *leader == r->node_id, "term %llu has two leaders",
              (unsigned long long)term);
    *leader = r->node_id;
}

static void on_progress(void *data)
{
    (void)data;
}

static int on_encode_state(void *data, uint8_t **bytes, size_t *size, uint32_t *feature_level)
{
    struct replica *r = data;
    *size = 8 + r->applied_count * 8;
    *bytes = malloc(*size);
    uint8_t *at = bytes_put_le64(*bytes, r->applied_index);
    for (size_t i = 0; i < r->applied_count; i++)
        at = bytes_put_le64(at, r->applied[i]);
    *feature_level = 1;
    return 0;
}

static int on_restore(void *data, struct log_store *store, const struct log_store_state *state)
{
    struct replica *r = data;
    (void)store;
    r->restores++;
    r->applied_count = 0;
    r->applied_index = 0;
    if (state->machine.size < 8)
        return 0;
    r->applied_index = bytes_get_le64(state->machine.data);
    for (size_t at = 8; at < state->machine.size; at += 8)
        remember(r, bytes_get_le64(state->machine.data + at));
    return 0;
}

static uint32_t on_count(void *data, const struct repl_entry_head *head, struct bytes body)
{
    (void)data, (void)head, (void)body;
    return RECORDS_A_VALUE;
}

static void on_totals(void *data, struct repl_totals *totals)
{
    const struct replica *r = data;
    *totals = (struct repl_totals){.records = r->applied_count * RECORDS_A_VALUE,
                                   .bytes = r->applied_count * (8 + r->cluster->value_size)};
}

struct repl_machine machine_of(struct replica *r)
{
    return (struct repl_machine){.data = r,
                                 .count = on_count,
                                 .totals = on_totals,
                                 .apply = on_apply,
                                 .on_role = on_role,
                                 .on_progress = on_progress,
                                 .encode_state = on_encode_state,
                                 .restore = on_restore};
}
