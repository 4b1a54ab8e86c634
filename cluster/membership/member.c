/* A group's leader moves its configuration to where group 0 says that it is to vote.
 *
 * Nothing is remembered between steps: the configuration itself says where a change stands, so that
 * any later leader goes on (placement_step.c). A node that lost its data has another incarnation,
 * which is another server to Raft: it is a replacement like any other.
 *
 * Group 0 is followed by all nodes: those that don't vote in it are its learners. Learners of an
 * asynchronous group are those that group 0 names. */
#include "membership/member.h"

#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "cluster/placement.h"

struct wanted {
    struct placement_member members[METADATA_NODES_MAX];
    unsigned count;
    uint32_t preferred_node_id; /* where its leader belongs now */
    char avoided_site[METADATA_SITE_SIZE];
    bool is_known;       /* all voters' incarnations are */
    bool is_within_site; /* the group is asynchronous */
};

static void want(struct wanted *w, const struct metadata_node *node, bool is_voter)
{
    struct placement_member *member = &w->members[w->count++];
    *member = (struct placement_member){.raft_id = repl_raft_id(node->node_id, node->incarnation),
                                        .is_voter = is_voter};
    memcpy(member->site, node->site, sizeof member->site);
}

static void read_wanted(struct broker_group *g, struct wanted *w)
{
    struct metadata *m = g->broker->metadata;
    unsigned voter_count = 0;
    metadata_read_lock(m);
    const struct metadata_group *group = metadata_group_by_id(m, g->group_id);
    for (unsigned i = 0; group != NULL && i < metadata_node_count(m); i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        bool is_voter = metadata_group_votes(group, node->node_id);
        bool is_learner = !is_voter && metadata_group_has(group, node->node_id);
        bool is_follower = g->group_id == 0 && node->state != METADATA_NODE_GONE;
        if (node->incarnation == 0 || (!is_voter && !is_learner && !is_follower))
            continue;
        voter_count += is_voter;
        want(w, node, is_voter);
    }
    w->is_known = group != NULL && voter_count == group->node_count - group->learner_count;
    w->is_within_site = group != NULL && group->mode == METADATA_ASYNC;
    w->preferred_node_id = group != NULL ? metadata_leader_of(m, group) : 0;
    bytes_copy_text(w->avoided_site, sizeof w->avoided_site,
                    metadata_avoided_for(m, g->broker->conf.site));
    metadata_read_unlock(m);
}

/* Its node has no part in the group: says group 0, and asks the group's leader (event
 * group_data_freed when that agrees). Not while partitions go to another group: its store waits for
 * this one's. */
static uint64_t raft_id_to_ask(struct broker_group *g)
{
    struct broker *b = g->broker;
    struct metadata *m = b->metadata;
    uint32_t leader = broker_group_leader(b, g->group_id, NULL);
    uint64_t raft_id = 0;
    metadata_read_lock(m);
    const struct metadata_group *group = metadata_group_by_id(m, g->group_id);
    const struct metadata_node *node = metadata_node_by_id(m, leader);
    bool has_part = group == NULL || metadata_group_has(group, (uint32_t)b->conf.node_id) ||
                    metadata_has_move(m, g->group_id);
    if (leader != 0 && node != NULL && node->incarnation != 0 && !has_part)
        raft_id = repl_raft_id(leader, node->incarnation);
    metadata_read_unlock(m);
    return raft_id;
}

static void leave(struct broker_group *g)
{
    uint64_t raft_id = g->group_id == 0 ? 0 : raft_id_to_ask(g);
    if (raft_id != 0)
        repl_group_leave(g->raft, raft_id);
}

static void change(struct broker_group *g, const struct placement_step *step)
{
    struct err_note note = {0};
    int err = repl_group_change(g->raft, step->change, &step->member, &note);
    if (err != 0 && err != ERR_NOT_LEADER && err != ERR_CANT_CHANGE)
        event_warn("member_change_failed", "group=%u node=%u reason=\"%s\"", g->group_id,
                   repl_raft_id_node(step->member.raft_id), note.text);
}

static void step(struct broker_group *g, const struct wanted *w)
{
    struct repl_group_status status;
    struct placement_step next;
    const struct broker *b = g->broker;
    repl_group_status(g->raft, &status);
    if (status.replica_count == 0 || (status.is_changing && !status.can_take_back))
        return; /* one at a time */
    placement_next_step(&status, repl_raft_id((uint32_t)b->conf.node_id, b->incarnation),
                        w->members, w->count, w->preferred_node_id, &next);
    if (next.kind == PLACEMENT_CHANGES)
        change(g, &next);
    else if (next.kind == PLACEMENT_HANDS_OVER)
        repl_group_transfer(g->raft, next.node_id);
}

void member_maintain(struct broker_group *g)
{
    struct wanted w = {0};
    read_wanted(g, &w);
    repl_group_set_within_site(g->raft, w.is_within_site);
    if (w.preferred_node_id != 0)
        repl_group_set_preferred(g->raft, w.preferred_node_id);
    repl_group_set_avoided(g->raft, w.avoided_site);
    if (machine_is_ready(g->machine) && w.is_known)
        step(g, &w);
    leave(g);
}
