/* A replica of one raft group: submits, turns, status. The rest is in group_*.c, by phase.
 *
 * A turn of the shard: what was queued enters the log in one step, the WAL gets what is to be
 * stored, peers get what is to be sent, committed entries are applied, reads are served. Frames
 * and completions between turns only change libraft's state and these queues. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "group_internal.h"

#define SUBMITS_A_STEP 1024
#define CONTACT_MS     2000 /* a replica not heard of for so long is not level */
#define LEVEL_LAG_MS   1000

/* ---- submit ---- */

static int enqueue(struct repl_group *g, struct repl_submit *req, repl_submit_cb on_failed)
{
    size_t size = LOG_ENTRY_HEAD_SIZE + req->body.bytes.size;
    if (size > LOG_ENTRY_SIZE_MAX)
        return ERR_TOO_LARGE;
    if (g->pending_bytes > 0 && g->pending_bytes + size > g->options.in_flight_bytes_max)
        return ERR_BUSY;
    req->on_failed = on_failed;
    req->next = NULL;
    slice_ref(req->body);
    g->pending_bytes += size;
    if (g->queued_last != NULL)
        g->queued_last->next = req;
    else
        g->queued = req;
    g->queued_last = req;
    return 0;
}

int repl_group_submit(struct repl_group *g, struct repl_submit *req, repl_submit_cb on_failed)
{
    return g->role == REPL_LEADER && repl_group_may_submit_ahead(g) ? enqueue(g, req, on_failed)
                                                                    : ERR_NOT_LEADER;
}

/* Raft asks for nothing more: it is the answer that waits for the term's first entry, and that is
 * before it in the log. Who is held may lead in a generation that is over, where a sole voter's
 * own disk would answer. */
bool repl_group_may_submit_ahead(const struct repl_group *g)
{
    bool is_held = g->is_held;
#ifdef TRILOG_BREAK_SERVE_AT_OLD_HOME
    is_held = false; /* on purpose wrong, for the simulation to find */
#endif
    return repl_group_is_elected(g) && !g->needs_barrier && !is_held;
}

int repl_group_submit_ahead(struct repl_group *g, struct repl_submit *req, repl_submit_cb on_failed)
{
    return repl_group_may_submit_ahead(g) ? enqueue(g, req, on_failed) : ERR_NOT_LEADER;
}

static struct slice encode_head(struct buffer *heads, unsigned position,
                                const struct repl_entry_head *head)
{
    uint8_t *at = heads->data + (size_t)position * LOG_ENTRY_HEAD_SIZE;
    repl_entry_head_encode(head, at);
    return (struct slice){.owner = heads, .bytes = bytes_of(at, LOG_ENTRY_HEAD_SIZE)};
}

static uint32_t entry_crc(struct bytes head, const struct repl_submit *req)
{
    struct bytes body = req->body.bytes;
    size_t first_size = body.size - req->summed_size;
    uint32_t crc = crc32c(crc32c(0, head), bytes_of(body.data, first_size));
    return crc32c_known(crc, bytes_of(body.data + first_size, req->summed_size), req->summed_crc);
}

static void make_entries(struct repl_group *g, struct repl_submit *req, unsigned count,
                         struct buffer *heads, struct raft_entry *raft_entries,
                         struct log_entry *entries)
{
    static char batch[1]; /* libraft wants one and never frees it here */
    uint64_t index = raft_last_index(&g->raft) + 1;
    int64_t wall_ms = clock_wall_ms(g->options.clock);
    if (wall_ms < g->wall_ms)
        wall_ms = g->wall_ms; /* never below the previous entry's */
    for (unsigned i = 0; i < count; i++, req = req->next) {
        req->head.wall_ms = wall_ms;
        req->index = index + i;
        req->term = g->raft.current_term;
        entries[i] = (struct log_entry){.term = req->term,
                                        .index = req->index,
                                        .type = LOG_ENTRY_COMMAND,
                                        .head = encode_head(heads, i, &req->head),
                                        .body = req->body};
        entries[i].crc = entry_crc(entries[i].head.bytes, req);
        raft_entries[i] = (struct raft_entry){
            .term = req->term, .type = RAFT_COMMAND, .batch = batch};
    }
}

static void move_to_pending(struct repl_group *g, unsigned count)
{
    struct repl_submit *last = g->queued;
    for (unsigned i = 1; i < count; i++)
        last = last->next;
    if (g->pending_last != NULL)
        g->pending_last->next = g->queued;
    else
        g->pending = g->queued;
    g->pending_last = last;
    g->queued = last->next;
    if (g->queued == NULL)
        g->queued_last = NULL;
    last->next = NULL;
}

/* How many enter together: what they are must fit into one append to the WAL. */
static unsigned queued_count(const struct repl_group *g)
{
    unsigned count = 0;
    size_t bytes = 0;
    for (const struct repl_submit *req = g->queued; req != NULL && count < SUBMITS_A_STEP;
         req = req->next) {
        bytes += LOG_ENTRY_HEAD_SIZE + req->body.bytes.size + LOG_WAL_RECORD_OVERHEAD;
        if (count > 0 && bytes > g->options.append_bytes_max)
            break;
        count++;
    }
    return count;
}

/* False when nothing more can enter now. */
static bool submit_some(struct repl_group *g)
{
    static _Thread_local struct raft_entry raft_entries[SUBMITS_A_STEP];
    static _Thread_local struct log_entry entries[SUBMITS_A_STEP];
    unsigned count = queued_count(g);
    struct buffer *heads = buffer_create((size_t)count * LOG_ENTRY_HEAD_SIZE);
    if (heads == NULL)
        return false;
    make_entries(g, g->queued, count, heads, raft_entries, entries);
    struct raft_event event = {.type = RAFT_SUBMIT};
    event.submit.entries = raft_entries;
    event.submit.n = count;
    move_to_pending(g, count); /* before the step: it may already fail them */
    int err = group_step(g, &event, entries, entries[0].index);
    buffer_unref(heads);
    if (err < 0)
        group_fail_pending(g, ERR_LEADERSHIP_LOST);
    else if (g->role != REPL_LEADER)
        group_send_ahead(g, entries[0].index, count);
    return err >= 0;
}

static void submit_queued(struct repl_group *g)
{
    while (g->queued != NULL && group_is_leader(g) && g->raft.leader_state.transferee == 0 &&
           !g->is_wal_full && submit_some(g)) {
    }
}

/* ---- turn and tick ---- */

static void bound_cache(struct repl_group *g)
{
    uint64_t keep_from = g->applied_index + 1;
    if (g->raft.last_stored + 1 < keep_from)
        keep_from = g->raft.last_stored + 1; /* the WAL can't give it back yet */
    while (g->cache.count > 0 && g->cache.bytes > g->options.cache_bytes_max &&
           g->cache.first < keep_from)
        cache_drop_before(&g->cache, g->cache.first + 1);
}

void repl_group_turn(struct repl_group *g)
{
    if (group_is_over(g) || g->leave != NULL)
        return;
    if (!g->is_set_aside)
        submit_queued(g);
    group_pump(g);
    persist_flush(g);
    group_apply(g);
    if (!g->is_set_aside) {
        group_handover_turn(g);
        group_role_ready(g);
        group_role_tell(g);
    }
    persist_flush(g); /* a barrier, perhaps */
    group_pump(g);
    group_tell_commit(g);
    group_reads_advance(g);
    bound_cache(g);
    if (g->has_progress) {
        g->has_progress = false;
        g->options.machine.on_progress(g->options.machine.data);
    }
}

void repl_group_tick(struct repl_group *g)
{
    if (group_is_over(g))
        return;
    if (g->leave != NULL) {
        group_leave_tick(g);
        return;
    }
    if (!g->is_set_aside) {
        if (group_role_is_timeout_due(g))
            group_role_timeout(g);
        group_role_tick(g);
    }
    group_ship_tick(g);
    group_install_tick(g);
    group_repair_tick(g);
    group_leave_tick(g);
    repl_group_turn(g);
}

/* ---- life ---- */

void repl_group_stop(struct repl_group *g)
{
    if (g->is_stopped)
        return;
    g->is_stopped = true;
    group_install_stop(g);
    group_repair_stop(g);
    group_leave_stop(g);
    group_fail_pending(g, ERR_CLOSED);
    group_reads_fail(g, ERR_CLOSED);
    node_publish(g->options.node, g->options.identity.group_id, 0, g->raft.current_term,
                 g->raft.commit_index, NULL);
}

bool repl_group_is_idle(const struct repl_group *g)
{
    bool is_reading = g->is_apply_reading;
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++)
        is_reading |= g->peers[i].is_reading || g->peers[i].pin_reads > 0;
    return persist_is_idle(g) && !g->is_keeping_heard && !is_reading && !g->is_checkpointing &&
           g->installation == NULL && g->repair == NULL && g->leave == NULL && g->help_count == 0 &&
           !log_store_is_scrubbing(g->options.store);
}

void repl_group_destroy(struct repl_group *g)
{
    assert(g->is_stopped && repl_group_is_idle(g));
    repl_node_remove_group(g->options.node, g->options.identity.group_id);
    group_forget_peers(g);
    persist_drop_all(g);
    cache_close(&g->cache);
    growth_close(&g->growth);
    raft_close(&g->raft, NULL);
    free(g);
}

void repl_group_set_cache(struct repl_group *g, size_t bytes_max)
{
    g->options.cache_bytes_max = bytes_max;
}

void repl_group_set_preferred(struct repl_group *g, uint32_t node_id)
{
    g->preferred_node_id = node_id;
}

void repl_group_set_avoided(struct repl_group *g, const char *site)
{
    bytes_copy_text(g->avoided_site, sizeof g->avoided_site, site);
}

/* ---- status ---- */

static void fill_replica(const struct repl_group *g, const struct raft_server *server,
                         struct repl_replica_status *r)
{
    uint64_t last = raft_last_index((struct raft *)(uintptr_t)&g->raft);
    bool is_own = server->id == g->options.raft_id;
    raft_index match = 0;
    uint64_t heard_ns = 0;
    configuration_member(server, &r->member);
    raft_match_index(&g->raft, server->id, &match);
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++)
        if (g->peers[i].raft_id == server->id)
            heard_ns = g->peers[i].heard_ns;
    group_lag_of(g, match, r);
    bool is_in_contact = clock_now_ns(g->options.clock) - heard_ns < CONTACT_MS * 1000000ull;
    uint32_t node_id = repl_raft_id_node(server->id);
    r->is_heard = node_is_heard(g->options.node, node_id);
    r->is_gone = !node_is_alive(g->options.node, node_id);
    /* Who has nothing yet is not level with a group, however young that is. */
    r->is_level = (is_own || (is_in_contact && match > 0)) && r->lag_ms <= LEVEL_LAG_MS &&
                  (is_own || node_has_said(g->options.node, node_id, heard_ns)) &&
                  match + g->options.in_flight_entries_max >= last;
}

bool repl_group_is_elected(const struct repl_group *g)
{
    return group_is_leader(g) && !g->is_set_aside && !group_is_over(g);
}

void repl_group_status(const struct repl_group *g, struct repl_group_status *status)
{
    struct raft *r = (struct raft *)(uintptr_t)&g->raft; /* libraft's queries are not const */
    memset(status, 0, sizeof *status);
    status->group_id = g->options.identity.group_id;
    status->generation = g->options.identity.generation;
    status->role = r->state == RAFT_LEADER      ? REPL_LEADER
                   : r->state == RAFT_CANDIDATE ? REPL_CANDIDATE
                                                : REPL_FOLLOWER;
    status->is_ready = g->role == REPL_LEADER;
    status->is_set_aside = g->is_set_aside;
    status->term = r->current_term;
    if (g->is_set_aside)
        status->role = REPL_FOLLOWER;
    else if (r->state == RAFT_LEADER)
        status->leader_node_id = repl_raft_id_node(g->options.raft_id);
    else if (r->state == RAFT_FOLLOWER)
        status->leader_node_id = repl_raft_id_node(r->follower_state.current_leader.id);
    status->first_index = g->checkpoint_index + 1;
    status->last_index = raft_last_index(r);
    status->commit_index = r->commit_index;
    status->applied_index = g->applied_index;
    status->checkpoint_index = g->checkpoint_index;
    status->heard_commit_index = g->heard.commit_index;
    status->heard_ns = g->heard_ns;
    status->led_term = g->led_term;
    status->led_until_ms = g->led_until_ms;
    group_lag_fill(g, status);
    if (status->role != REPL_LEADER)
        return;
    status->is_changing = r->configuration_uncommitted_index != 0;
    status->can_take_back = group_can_take_back(g);
    for (unsigned i = 0; i < r->configuration.n && i < REPL_MEMBERS_MAX; i++)
        fill_replica(g, &r->configuration.servers[i], &status->replicas[status->replica_count++]);
}

unsigned repl_group_members(const struct repl_group *g,
                            struct repl_member members[REPL_MEMBERS_MAX])
{
    const struct raft_configuration *c = &g->raft.configuration;
    unsigned count = c->n < REPL_MEMBERS_MAX ? c->n : REPL_MEMBERS_MAX;
    for (unsigned i = 0; i < count; i++)
        configuration_member(&c->servers[i], &members[i]);
    return count;
}

void repl_group_counters(const struct repl_group *g, struct repl_counters *counters)
{
    *counters = g->counters;
}
