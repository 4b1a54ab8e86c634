/* The order is written on the shard: it is a few hundred bytes, and what comes after must not begin
 * before it is durable. */
#include "membership/recovered.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/event.h"
#include "membership/recovered_message.h"

#define ORDERS_EVERY_MS 1000 /* also when nothing has changed: the disk may have had no room */
#define FAREWELL_MS     300  /* for the answer to who gave the order */

/* ---- telling ---- */

static unsigned rows_of(const struct broker *b, struct recovery_row rows[METADATA_GROUPS_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < b->group_count; i++)
        if (b->groups[i] != NULL)
            rows[count++] = (struct recovery_row){.group_id = b->groups[i]->group_id,
                                                  .generation = b->groups[i]->generation,
                                                  .recovery_id = b->groups[i]->recovery_id};
    return count;
}

void recovered_tell(struct broker *b, uint32_t node_id)
{
    struct byte_list list = {0};
    struct recovery_row rows[METADATA_GROUPS_MAX];
    uint32_t node_ids[METADATA_NODES_MAX] = {node_id};
    unsigned said = recovered_message_put(&list, rows, rows_of(b, rows));
    unsigned count = node_id != 0 ? 1 : broker_node_ids(b, node_ids);
    for (unsigned i = 0; i < count && said > 0 && !list.is_failed; i++)
        repl_node_send(b->node, node_ids[i], bytes_of(list.data, list.size));
    free(list.data);
}

/* ---- hearing ---- */

/* Two recoveries of one generation: an operator has let both sides go on. Neither yields, nor sends
 * its clients to the other. */
static void tell_two(struct broker *b, uint32_t from_node_id, const struct recovery_row *row)
{
    repl_node_ignore_leaders(b->node, from_node_id);
    if (b->has_told_two)
        return;
    b->has_told_two = true;
    event_error("two_recoveries",
                "group=%u generation=%u peer=%u next=\"both sides were recovered: "
                "put one of them away, it can't come back\"",
                row->group_id, row->generation, from_node_id);
}

static bool is_behind(struct broker *b, uint32_t from_node_id, const struct recovery_row *row)
{
    const struct broker_group *g = broker_group(b, row->group_id);
    if (g == NULL)
        return false;
    if (g->generation == row->generation && g->recovery_id != row->recovery_id)
        tell_two(b, from_node_id, row);
    return g->generation < row->generation;
}

void recovered_on_message(struct broker *b, uint32_t from_node_id, struct bytes message)
{
    struct recovery_order order;
    unsigned kept = 0;
    if (b->restart_at_ms != 0 || !recovered_message_read(message, &order))
        return;
    for (unsigned i = 0; i < order.row_count; i++)
        if (is_behind(b, from_node_id, &order.rows[i]))
            order.rows[kept++] = order.rows[i];
    order.row_count = kept;
    if (order.row_count == 0)
        return;
    event_error("recovery_heard",
                "peer=%u groups=%u next=\"this node's replicas of them are put "
                "aside, and built anew\"",
                from_node_id, order.row_count);
    recovered_begin(b, &order);
}

/* ---- beginning again ---- */

struct stepping_aside {
    struct work_item item;
    struct broker_group *group;
    uint32_t generation;
};

static void on_step_aside(struct work_item *item)
{
    struct stepping_aside *s = item->data;
    repl_group_set_aside(s->group->raft, s->generation);
    free(s);
}

static void step_aside(struct broker *b, const struct recovery_row *row)
{
    struct broker_group *g = broker_group(b, row->group_id);
    struct stepping_aside *s = g == NULL ? NULL : calloc(1, sizeof *s);
    if (s == NULL)
        return;
    s->group = g;
    s->generation = row->generation;
    s->item.data = s;
    broker_group_post(g, &s->item, on_step_aside);
}

int recovered_begin(struct broker *b, const struct recovery_order *order)
{
    if (b->restart_at_ms != 0)
        return ERR_BUSY;
    int err = recovery_order_write(&b->disk, order);
    if (err != 0) {
        event_error("recovery_not_begun", "error=%s", err_name(err));
        return err;
    }
    b->restart_at_ms = clock_now_ms(&b->clock) + FAREWELL_MS;
    for (unsigned i = 0; i < order->row_count; i++)
        step_aside(b, &order->rows[i]);
    return 0;
}

/* ---- what group 0 orders ---- */

static void add_survivor(const struct metadata_recovered *r, const struct recovery_row *row,
                         struct recovery_order *order)
{
    struct recovery_entry *entry = &order->entry;
    order->rows[order->row_count++] = *row;
    entry->group_ids[entry->group_count++] = row->group_id;
    entry->forecast_pause_ms = -1; /* group 0 has it */
    entry->generation = row->generation;
    entry->recovery_id = row->recovery_id;
    if (entry->producer_id_end < r->producer_id_end)
        entry->producer_id_end = r->producer_id_end;
}

/* Others keep what they have until they hear the named one: it may never come to it. */
static void take_orders(struct broker *b, struct recovery_order *order)
{
    bytes_copy_text(order->entry.site, sizeof order->entry.site, b->conf.site);
    metadata_read_lock(b->metadata);
    for (unsigned i = 1; i < b->group_count; i++) {
        const struct metadata_recovered *r = metadata_recovered_of(b->metadata, i);
        if (r == NULL || r->generation <= b->groups[i]->generation)
            continue;
        struct recovery_row row = {.group_id = i,
                                   .action = RECOVERY_SURVIVE,
                                   .generation = r->generation,
                                   .recovery_id = r->recovery_id,
                                   .kept_index = atomic_load(&b->groups[i]->kept_index)};
        if (r->node_id == (uint32_t)b->conf.node_id)
            add_survivor(r, &row, order);
        else
            step_aside(b, &row);
    }
    metadata_read_unlock(b->metadata);
}

static void look_at_orders(struct broker *b)
{
    static _Thread_local struct recovery_order order;
    uint64_t now_ms = clock_now_ms(&b->clock), version = metadata_version(b->metadata);
    if (b->restart_at_ms != 0 ||
        (version == b->recovered_version && now_ms - b->recovered_at_ms < ORDERS_EVERY_MS))
        return;
    b->recovered_version = version;
    b->recovered_at_ms = now_ms;
    order = (struct recovery_order){.stage = RECOVERY_REPLAY};
    take_orders(b, &order);
    if (order.row_count > 0)
        recovered_begin(b, &order);
}

/* ---- who was away ---- */

void recovered_hold(struct broker_group *g)
{
    struct repl_member members[REPL_MEMBERS_MAX];
    unsigned count = repl_group_members(g->raft, members);
    const char *site = NULL;
    bool is_one = g->group_id != 0;
    for (unsigned i = 0; i < count && is_one; i++) {
        if (!members[i].is_voter)
            continue;
        is_one = site == NULL || strcmp(site, members[i].site) == 0;
        site = members[i].site;
    }
    if (is_one && site != NULL)
        repl_group_hold(g->raft, true);
}

/* A leader knows what was committed before its term once an entry of its own is. */
static bool is_of_leader(const struct broker_group *g, const struct repl_heard *heard)
{
    const struct log_store_state *state = log_store_state(g->store);
    enum log_entry_type type;
    uint64_t term = 0;
    if (log_wal_entry_term(g->broker->wal, 0, heard->commit_index, &term, &type) != 0 &&
        heard->commit_index == state->index)
        term = state->term;
    return term != 0 && term == heard->term;
}

static void watch_group_zero(struct broker_group *g)
{
    struct broker *b = g->broker;
    struct repl_group_status status;
    if (atomic_load(&b->is_current))
        return;
    repl_group_status(g->raft, &status);
    bool hears = status.leader_node_id != 0 && status.heard.leader_raft_id != 0;
    if (status.role == REPL_LEADER)
        b->current_index = status.is_ready ? status.applied_index : 0;
    else if (b->current_index == 0 && hears && is_of_leader(g, &status.heard))
        b->current_index = status.heard.commit_index;
    if (b->current_index != 0 && status.applied_index >= b->current_index)
        atomic_store(&b->is_current, true);
}

static bool is_over(const struct broker_group *g)
{
    struct metadata *m = g->broker->metadata;
    metadata_read_lock(m);
    const struct metadata_recovered *r = metadata_recovered_of(m, g->group_id);
    bool is_newer = r != NULL && r->generation > g->generation;
    metadata_read_unlock(m);
    return is_newer;
}

/* Whoever gives the order does so on another shard. No majority has been heard for a while by then,
 * so that a look of just before is as good. */
static void publish_kept(struct broker_group *g)
{
    atomic_store(&g->kept_index, repl_group_kept_index(g->raft));
}

void recovered_group_tick(struct broker_group *g)
{
    publish_kept(g);
    if (g->group_id == 0)
        watch_group_zero(g);
    else if (repl_group_is_held(g->raft) && atomic_load(&g->broker->is_current) && !is_over(g))
        repl_group_hold(g->raft, false);
}

void recovered_tick(struct broker *b)
{
    look_at_orders(b);
    if (b->restart_at_ms == 0 || clock_now_ms(&b->clock) < b->restart_at_ms ||
        atomic_exchange(&b->should_restart, true))
        return;
    event_warn("restarting",
               "reason=\"a forced recovery is carried out before anything is opened\"");
    kill(getpid(), SIGTERM);
}
