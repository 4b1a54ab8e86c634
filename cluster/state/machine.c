/* A group's state machine: its tables, its waiters, and what it proposes.
 *
 * What entries do is in machine_apply.c. Waiters are woken once a turn, not once a batch: apply
 * only marks the partitions that have grown. */
#include "cluster/machine.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/err.h"
#include "state/machine_parts.h"

int machine_create(const struct machine_options *options, struct machine **machine)
{
    struct machine *m = calloc(1, sizeof *m);
    if (m == NULL)
        return UV_ENOMEM;
    m->options = *options;
    m->feature_level = 1;
    *machine = m;
    return 0;
}

void machine_destroy(struct machine *m)
{
    if (m == NULL)
        return;
    while (m->partitions != NULL)
        machine_forget(m, m->partitions);
    while (m->incoming != NULL)
        machine_forget_incoming(m, m->incoming->number);
    free(m);
}

struct partition_entry *machine_entry(struct machine *m, uint32_t number)
{
    struct partition_entry *entry;
    HASH_FIND(hh, m->partitions, &number, sizeof number, entry);
    return entry;
}

struct partition_entry *machine_add(struct machine *m, const struct partition *partition)
{
    struct partition_entry *entry = calloc(1, sizeof *entry);
    if (entry == NULL)
        return NULL;
    entry->partition = *partition;
    HASH_ADD(hh, m->partitions, partition.number, sizeof entry->partition.number, entry);
    return entry;
}

static void wake(struct partition_waiter *waiter)
{
    machine_wait_cancel(waiter);
    waiter->on_wake(waiter);
}

static void wake_all(struct partition *p)
{
    while (p->waiters != NULL)
        wake(p->waiters);
}

void machine_show_elsewhere(struct partition *p)
{
    if (p->is_shown_elsewhere)
        return;
    p->is_shown_elsewhere = true;
    wake_all(p);
}

void machine_forget(struct machine *m, struct partition_entry *entry)
{
    struct partition_entry **at = &m->grown;
    while (*at != NULL && *at != entry)
        at = &(*at)->grown_next;
    if (*at != NULL)
        *at = entry->grown_next;
    HASH_DEL(m->partitions, entry);
    wake_all(&entry->partition);
    consumer_table_destroy(entry->partition.consumers);
    free(entry);
}

void machine_mark_grown(struct machine *m, struct partition_entry *entry)
{
    if (entry->is_grown)
        return;
    entry->is_grown = true;
    entry->grown_next = m->grown;
    m->grown = entry;
}

static void wake_satisfied(struct partition *p)
{
    int64_t next_offset = log_partition_next_offset(p->log);
    struct partition_waiter *waiter = p->waiters;
    while (waiter != NULL) {
        struct partition_waiter *next = waiter->next;
        if (next_offset > waiter->offset)
            wake(waiter);
        waiter = next;
    }
}

static void on_progress(void *data)
{
    struct machine *m = data;
    while (m->grown != NULL) {
        struct partition_entry *entry = m->grown;
        m->grown = entry->grown_next;
        entry->is_grown = false;
        wake_satisfied(&entry->partition);
    }
    if (m->has_metadata_changed) {
        m->has_metadata_changed = false;
        if (m->options.on_metadata != NULL)
            m->options.on_metadata(m->options.metadata_data);
    }
}

static void on_role(void *data, enum repl_role role, uint64_t term)
{
    struct machine *m = data;
    m->is_ready = role == REPL_LEADER;
    m->term = term;
    struct partition_entry *entry, *next;
    HASH_ITER(hh, m->partitions, entry, next)
    wake_all(&entry->partition);
    if (m->options.on_role != NULL)
        m->options.on_role(m->options.role_data, role, term);
}

struct repl_machine machine_callbacks(struct machine *m)
{
    return (struct repl_machine){
        .data = m,
        .count = machine_count,
        .totals = machine_totals,
        .apply = machine_apply,
        .on_role = on_role,
        .on_progress = on_progress,
        .encode_state = machine_encode_state,
        .restore = machine_restore,
    };
}

void machine_set_group(struct machine *m, struct repl_group *group)
{
    m->group = group;
}

static struct machine_request *request_of(struct repl_submit *submit)
{
    return (struct machine_request *)((char *)submit - offsetof(struct machine_request, submit));
}

static void on_failed(struct repl_submit *submit, int status)
{
    struct machine_request *req = request_of(submit);
    req->cb(req, status);
}

int machine_submit(struct machine *m, struct machine_request *req, machine_cb cb)
{
    assert(m->group != NULL);
    req->cb = cb;
    return repl_group_submit(m->group, &req->submit, on_failed);
}

int machine_submit_ahead(struct machine *m, struct machine_request *req, machine_cb cb)
{
    assert(m->group != NULL);
    req->cb = cb;
    return repl_group_submit_ahead(m->group, &req->submit, on_failed);
}

struct partition *machine_partition(struct machine *m, uint32_t number)
{
    struct partition_entry *entry = machine_entry(m, number);
    return entry == NULL ? NULL : &entry->partition;
}

void machine_each_partition(struct machine *m, machine_partition_cb cb, void *data)
{
    struct partition_entry *entry, *next;
    HASH_ITER(hh, m->partitions, entry, next)
    cb(data, &entry->partition);
}

void machine_wait(struct partition *p, struct partition_waiter *waiter)
{
    waiter->next = p->waiters;
    waiter->previous = &p->waiters;
    if (p->waiters != NULL)
        p->waiters->previous = &waiter->next;
    p->waiters = waiter;
}

void machine_wait_cancel(struct partition_waiter *waiter)
{
    if (waiter->previous == NULL)
        return;
    *waiter->previous = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    waiter->next = NULL;
    waiter->previous = NULL;
}

bool machine_is_ready(const struct machine *m)
{
    return m->is_ready;
}

int32_t machine_leader_epoch(const struct machine *m, const struct partition *p)
{
    return p->epoch_base + (int32_t)m->term;
}

int64_t machine_wall_ms(const struct machine *m)
{
    return m->wall_ms;
}

uint32_t machine_feature_level(const struct machine *m)
{
    return m->feature_level;
}

void machine_counters(const struct machine *m, struct machine_counters *counters)
{
    *counters = m->counters;
}
