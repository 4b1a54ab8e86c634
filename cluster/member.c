/* The steps of a replacement, each taken when the one before is committed:
 *
 *   old voter, new one unknown --> new one is learner --level--> old one removed --> new one votes
 *
 * Nothing is remembered between steps: the configuration itself says where a replacement stands,
 * so that any later leader goes on. */
#include "member.h"

#include <string.h>

#include "base/err.h"
#include "base/event.h"

static const struct repl_replica_status *find(const struct repl_group_status *status,
                                              uint64_t raft_id)
{
    for (unsigned i = 0; i < status->replica_count; i++)
        if (status->replicas[i].member.raft_id == raft_id)
            return &status->replicas[i];
    return NULL;
}

/* A member with the same node id and another incarnation. */
static const struct repl_replica_status *find_old(const struct repl_group_status *status,
                                                  uint64_t raft_id)
{
    for (unsigned i = 0; i < status->replica_count; i++) {
        uint64_t other = status->replicas[i].member.raft_id;
        if (other != raft_id && repl_raft_id_node(other) == repl_raft_id_node(raft_id))
            return &status->replicas[i];
    }
    return NULL;
}

static void change(struct broker_group *g, enum repl_change kind, const struct repl_member *member)
{
    struct err_note note = {0};
    int err = repl_group_change(g->raft, kind, member, &note);
    if (err != 0 && err != ERR_NOT_LEADER && err != ERR_CANT_CHANGE)
        event_warn("replacement_failed", "group=%u node=%u reason=\"%s\"", g->group_id,
                   repl_raft_id_node(member->raft_id), note.text);
}

static void step(struct broker_group *g, const struct repl_group_status *status,
                 const struct metadata_node *node)
{
    struct repl_member member = {.raft_id = repl_raft_id(node->node_id, node->incarnation)};
    const struct repl_replica_status *own = find(status, member.raft_id);
    const struct repl_replica_status *old = find_old(status, member.raft_id);
    bytes_copy_text(member.site, sizeof member.site, node->site);
    if (own == NULL && old != NULL)
        change(g, REPL_ADD_LEARNER, &member);
    else if (own != NULL && old != NULL && own->is_level)
        change(g, REPL_REMOVE, &old->member);
    else if (own != NULL && old == NULL && !own->member.is_voter && own->is_level)
        change(g, REPL_PROMOTE, &own->member);
}

void member_maintain(struct broker_group *g)
{
    struct repl_group_status status;
    struct metadata *m = g->broker->metadata;
    if (!machine_is_ready(g->machine))
        return;
    repl_group_status(g->raft, &status);
    metadata_read_lock(m);
    for (unsigned i = 0; i < metadata_node_count(m); i++)
        step(g, &status, metadata_node_at(m, i));
    metadata_read_unlock(m);
}
