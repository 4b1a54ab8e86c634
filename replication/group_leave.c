/* A replica leaves its group: what it has is removed from the disk.
 *
 *   replica  (group 0: its node has no part)  --LEAVE_ASK-->  leader
 *   leader   no part in the committed configuration, none under way, a checkpoint has it
 *            --LEFT, index of that configuration-->
 *   replica  deaf and mute: store emptied, log forgotten, term + 1; then as one that never was here
 *
 * What it had acknowledged must never be missed. Its raft id may be taken in again, so, forgetful,
 * it could vote for a candidate that lacks what a quorum with this replica had committed, or take
 * part in a quorum of an old configuration. Therefore:
 *
 * - It votes for nobody while it has no configuration (libraft), and the only way to one is a
 *   snapshot. It takes none from before the index that LEFT named (kept in the manifest): all that
 *   it ever acknowledged and that counts is in one at or behind that index, for since then leaders
 *   send it nothing. So its promises are kept again before it can be asked for them.
 * - An answer counts only when it is to the last question, of a term not below its own, and no
 *   leader has sent entries or a snapshot since: then it has been taken in again.
 * - Acknowledgements of then may still be on their way, to a leader that takes it in again within
 *   the same term, and would count as what it has. With its term one higher that leader steps down
 *   at the first word, and in any other term they count for nothing. So that it need not come to
 *   that, a leader that has sent LEFT hands leadership over before it takes that replica in again.
 *
 * Weighed against a new incarnation of the node: that is another server in all groups. Weighed
 * against trusting the order of frames instead of the term: a cut connection may still deliver. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

#define RETRY_MS      100
#define ASK_REPEAT_MS 1000 /* an answer may take its time between sites */

struct leave {
    struct repl_group *group;
    struct log_leave request;
    bool is_running;
    uint64_t tried_ms;
};

/* ---- the leader ---- */

static bool is_member(const struct raft_configuration *c, uint64_t raft_id)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->servers[i].id == raft_id)
            return true;
    return false;
}

static bool is_learner(const struct raft_configuration *c, uint64_t raft_id)
{
    return is_member(c, raft_id) && !configuration_is_voter(c, raft_id);
}

/* Who is not in the list, because that is full, costs an election when it comes again. */
static void note_left(struct repl_group *g, uint64_t raft_id)
{
    unsigned i = 0;
    if (g->left_term != g->raft.current_term)
        memset(g->left_ids, 0, sizeof g->left_ids);
    g->left_term = g->raft.current_term;
    while (i < REPL_MEMBERS_MAX && g->left_ids[i] != 0 && g->left_ids[i] != raft_id)
        i++;
    if (i < REPL_MEMBERS_MAX)
        g->left_ids[i] = raft_id;
}

bool group_leave_hands_over(struct repl_group *g, uint64_t raft_id)
{
    uint32_t order[REPL_MEMBERS_MAX], own = repl_raft_id_node(g->options.raft_id);
    bool was_told = false, has_other = false;
    for (unsigned i = 0; i < REPL_MEMBERS_MAX && g->left_term == g->raft.current_term; i++)
        was_told |= g->left_ids[i] == raft_id;
    unsigned count = was_told ? group_leader_order(g, order) : 0;
    for (unsigned i = 0; i < count; i++) {
        has_other |= order[i] != own;
        if (order[i] != own && repl_group_transfer(g, order[i]) == 0)
            return true;
    }
    return has_other; /* none is level now */
}

void group_leave_on_ask(struct repl_group *g, const struct repl_message *m)
{
    const struct raft *r = &g->raft;
    struct repl_message answer;
    if (group_is_leader(g) && is_learner(&r->configuration, m->from))
        group_checkpoint_begin(g); /* it was here before, and ours is older than that */
    if (!group_is_leader(g) || g->role != REPL_LEADER || r->configuration_uncommitted_index != 0 ||
        r->configuration_committed_index == 0 || is_member(&r->configuration, m->from) ||
        is_member(&r->configuration_committed, m->from))
        return; /* it asks again */
    if (g->checkpoint_index < r->configuration_committed_index) {
        group_checkpoint_begin(g); /* what it is to be taken in again with */
        return;
    }
    group_fill_message(g, REPL_LEFT, m->from, &answer);
    note_left(g, m->from);
    answer.round = m->round;
    answer.last_index = r->configuration_committed_index;
    group_send_message(g, NET_CONTROL, &answer, NULL, 0);
}

/* ---- the replica ---- */

/* Nothing of it is with the disk or the WAL, nor held for a peer. */
static bool is_at_rest(const struct repl_group *g)
{
    bool is_reading = g->is_apply_reading;
    for (unsigned i = 0; i < REPL_MEMBERS_MAX; i++)
        is_reading |= g->peers[i].is_reading || g->peers[i].pin_reads > 0 ||
                      g->peers[i].pin != NULL;
    return g->persists == NULL && !g->is_keeping_heard && !is_reading && !g->is_checkpointing &&
           g->installation == NULL && g->repair == NULL && g->help_count == 0 &&
           g->queued == NULL && g->pending == NULL && g->reads == NULL &&
           !g->raft.snapshot.installing && !log_store_is_scrubbing(g->options.store);
}

bool repl_group_has_left(const struct repl_group *g)
{
    return g->leave == NULL && log_store_state(g->options.store)->left_index > 0 &&
           !log_store_has_rest(g->options.store);
}

static bool has_anything(const struct repl_group *g)
{
    const struct log_store_state *state = log_store_state(g->options.store);
    return state->left_index == 0 &&
           (state->index > 0 || raft_last_index((struct raft *)(uintptr_t)&g->raft) > 0);
}

void repl_group_leave(struct repl_group *g, uint64_t leader_raft_id)
{
    struct repl_message m;
    if (group_is_over(g) || g->is_set_aside || g->leave != NULL || group_is_leader(g) ||
        leader_raft_id == g->options.raft_id || !has_anything(g) || g->installation != NULL)
        return;
    if (g->leave_round != 0 && group_now_ms(g) - g->leave_asked_ms < ASK_REPEAT_MS)
        return;
    g->leave_asked_ms = group_now_ms(g);
    group_fill_message(g, REPL_LEAVE_ASK, leader_raft_id, &m);
    m.round = g->leave_round = random_u64(g->options.random) | 1;
    group_send_message(g, NET_CONTROL, &m, NULL, 0);
}

void group_leave_ask_newer(struct repl_group *g, uint64_t leader_raft_id)
{
    struct repl_message m;
    group_fill_message(g, REPL_LEAVE_ASK, leader_raft_id, &m);
    group_send_message(g, NET_CONTROL, &m, NULL, 0);
}

static void on_left(struct log_leave *request, int status)
{
    struct leave *l = request->data;
    struct repl_group *g = l->group;
    struct err_note note = {0};
    l->is_running = false;
    if (group_is_over(g)) {
        group_leave_stop(g);
        return;
    }
    if (status != 0 && !err_is_no_room(status)) {
        group_fatal(g, status, "remove a group's data");
        return;
    }
    if (status != 0)
        return; /* the tick tries again: half of it may be done, so there is no way back */
    g->leave = NULL;
    event_info("group_data_freed", "group=%u left_index=%llu", g->options.identity.group_id,
               (unsigned long long)request->left_index);
    free(l);
    group_forget_peers(g);
    int err = group_begin_anew(g, &note);
    if (err != 0)
        group_fatal(g, err, note.text);
}

static void try_leave(struct leave *l)
{
    l->tried_ms = group_now_ms(l->group);
    int err = log_store_leave(l->group->options.store, &l->request, on_left);
    l->is_running = err == 0;
}

static void begin(struct repl_group *g, uint64_t left_index)
{
    struct leave *l = calloc(1, sizeof *l);
    if (l == NULL)
        return; /* it asks again */
    l->group = g;
    l->request = (struct log_leave){.data = l,
                                    .left_index = left_index,
                                    .generation = g->options.identity.generation,
                                    .recovery_id = g->options.identity.recovery_id};
    g->leave = l;
    try_leave(l);
}

void group_leave_on_left(struct repl_group *g, const struct repl_message *m)
{
    bool is_answer = g->leave_round != 0 && m->round == g->leave_round &&
                     m->term >= g->raft.current_term && !group_is_leader(g);
    if (!is_answer || !has_anything(g))
        return;
    g->leave_round = 0;
    if (is_at_rest(g))
        begin(g, m->last_index);
}

/* After a crash in the middle the rest goes without asking. */
void group_leave_tick(struct repl_group *g)
{
    struct leave *l = g->leave;
    if (l == NULL && log_store_has_rest(g->options.store) && is_at_rest(g))
        begin(g, log_store_state(g->options.store)->left_index);
    else if (l != NULL && !l->is_running && group_now_ms(g) - l->tried_ms >= RETRY_MS)
        try_leave(l);
}

void group_leave_stop(struct repl_group *g)
{
    if (g->leave == NULL || g->leave->is_running)
        return;
    free(g->leave);
    g->leave = NULL;
}
