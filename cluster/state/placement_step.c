/* From a group's configuration to the wanted one, a step at a time.
 *
 *   learner in --level--> votes too --> old voter out        while the old one lives
 *                    '--> old voter out --> new one votes    when it is gone
 *
 * In three sites with a voter each both ways have a weak step between. With four voters any one
 * node may still be lost, with two none: so the old one stays until the new one votes, unless it
 * is gone, when it could only be missed in the count. A leader that is to go itself hands
 * leadership over first.
 *
 * Voters that go from one site to another have no third to decide with: while both have a vote each
 * is waited for. The new one gets it when it was heard just now; is it lost before the leader has
 * handed over, its vote is taken back, and the old site goes on alone. */
#include <string.h>

#include "base/bytes.h"
#include "cluster/placement.h"

struct stepping {
    const struct repl_group_status *status;
    uint64_t own_raft_id;
    const struct placement_member *wanted;
    unsigned wanted_count;
};

static const struct placement_member *wanted_of(const struct stepping *s, uint64_t raft_id)
{
    for (unsigned i = 0; i < s->wanted_count; i++)
        if (s->wanted[i].raft_id == raft_id)
            return &s->wanted[i];
    return NULL;
}

static const struct repl_replica_status *replica_of(const struct stepping *s, uint64_t raft_id)
{
    for (unsigned i = 0; i < s->status->replica_count; i++)
        if (s->status->replicas[i].member.raft_id == raft_id)
            return &s->status->replicas[i];
    return NULL;
}

static void change(struct placement_step *step, enum repl_change kind,
                   const struct repl_member *member)
{
    step->kind = PLACEMENT_CHANGES;
    step->change = kind;
    step->member = *member;
}

/* Learners without a reason, at once: nobody counts on them. */
static bool remove_learner(const struct stepping *s, struct placement_step *step)
{
    for (unsigned i = 0; i < s->status->replica_count; i++) {
        const struct repl_member *member = &s->status->replicas[i].member;
        if (member->is_voter || wanted_of(s, member->raft_id) != NULL)
            continue;
        change(step, REPL_REMOVE, member);
        return true;
    }
    return false;
}

static bool add_learner(const struct stepping *s, struct placement_step *step)
{
    for (unsigned i = 0; i < s->wanted_count && s->status->replica_count < REPL_MEMBERS_MAX; i++) {
        if (replica_of(s, s->wanted[i].raft_id) != NULL)
            continue;
        struct repl_member member = {.raft_id = s->wanted[i].raft_id};
        bytes_copy_text(member.site, sizeof member.site, s->wanted[i].site);
        change(step, REPL_ADD_LEARNER, &member);
        return true;
    }
    return false;
}

static bool is_to_vote(const struct stepping *s, uint64_t raft_id)
{
    const struct placement_member *wanted = wanted_of(s, raft_id);
    return wanted != NULL && wanted->is_voter;
}

/* An asynchronous group's voters are all to be in one site, also while they go from one to another;
 * so are those of a cluster of one site. */
static bool is_within_site(const struct stepping *s)
{
    const char *site = NULL;
    for (unsigned i = 0; i < s->wanted_count; i++) {
        if (site != NULL && s->wanted[i].is_voter && strcmp(site, s->wanted[i].site) != 0)
            return false;
        if (s->wanted[i].is_voter)
            site = s->wanted[i].site;
    }
    return site != NULL;
}

/* Would each quorum still span two sites with this voter more, or less? One less may go where all
 * are of one site; one more may not be of that site, too, as where one voter is all that a forced
 * recovery has left: it waits until another site has one. */
static bool is_spanning(const struct stepping *s, const struct repl_member *changed, bool is_added)
{
    unsigned voters = 0, most = 0;
    bool has_two_sites = false;
    if (is_within_site(s))
        return true;
    for (unsigned i = 0; i < s->status->replica_count; i++) {
        const struct repl_member *a = &s->status->replicas[i].member;
        bool is_one = a->is_voter || a->raft_id == changed->raft_id;
        unsigned here = 0;
        voters += a->raft_id == changed->raft_id ? is_added : a->is_voter;
        for (unsigned k = 0; k < s->status->replica_count; k++) {
            const struct repl_member *b = &s->status->replicas[k].member;
            bool votes = b->raft_id == changed->raft_id ? is_added : b->is_voter;
            here += votes && strcmp(a->site, b->site) == 0;
            has_two_sites |= is_one && b->is_voter && strcmp(a->site, b->site) != 0;
        }
        if (here > most)
            most = here;
    }
    bool may_be_within_site = !has_two_sites && !is_added;
    return voters > 0 && (may_be_within_site || most <= voters / 2);
}

/* What depends on it from then on does not wait for somebody dead. */
static bool is_able(const struct repl_replica_status *r)
{
    return r->is_level && r->is_heard;
}

/* A learner that is to vote; one that may at once, if there is one. */
static const struct repl_replica_status *entering(const struct stepping *s)
{
    const struct repl_replica_status *found = NULL;
    for (unsigned i = 0; i < s->status->replica_count; i++) {
        const struct repl_replica_status *r = &s->status->replicas[i];
        if (!r->member.is_voter && is_to_vote(s, r->member.raft_id) &&
            (found == NULL || (is_able(r) && is_spanning(s, &r->member, true))))
            found = r;
    }
    return found;
}

/* A voter that is not to vote and can be spared: one that is gone before one that lives, then the
 * entering one's site before others, the leader itself last. */
static const struct repl_replica_status *going(const struct stepping *s, const char *site)
{
    const struct repl_replica_status *best = NULL;
    int best_rank = -1;
    for (unsigned i = 0; i < s->status->replica_count; i++) {
        const struct repl_replica_status *r = &s->status->replicas[i];
        if (!r->member.is_voter || is_to_vote(s, r->member.raft_id) ||
            !is_spanning(s, &r->member, false))
            continue;
        int rank = (r->member.raft_id != s->own_raft_id) * 4 + !r->is_level * 2 +
                   (site != NULL && strcmp(r->member.site, site) == 0);
        if (rank > best_rank) {
            best = r;
            best_rank = rank;
        }
    }
    return best;
}

static void hand_over(const struct stepping *s, uint32_t preferred, struct placement_step *step)
{
    step->kind = PLACEMENT_WAITS;
    for (unsigned i = 0; i < s->status->replica_count; i++) {
        const struct repl_replica_status *r = &s->status->replicas[i];
        uint32_t node_id = repl_raft_id_node(r->member.raft_id);
        if (!r->member.is_voter || !is_able(r) || !is_to_vote(s, r->member.raft_id))
            continue;
        if (step->kind == PLACEMENT_WAITS || node_id == preferred)
            step->node_id = node_id;
        step->kind = PLACEMENT_HANDS_OVER;
    }
}

/* On the way to another site, the leader still where it comes from: a voter there that was lost. */
static const struct repl_replica_status *lost_on_the_way(const struct stepping *s)
{
    const struct repl_replica_status *own = replica_of(s, s->own_raft_id), *lost = NULL;
    if (own == NULL || !is_within_site(s) || is_to_vote(s, s->own_raft_id))
        return NULL;
    for (unsigned i = 0; i < s->status->replica_count; i++) {
        const struct repl_replica_status *r = &s->status->replicas[i];
        if (r->member.is_voter && r->is_gone && is_to_vote(s, r->member.raft_id) &&
            strcmp(r->member.site, own->member.site) != 0)
            lost = r;
    }
    return lost;
}

static void take_out(const struct stepping *s, const struct repl_replica_status *out,
                     uint32_t preferred, struct placement_step *step)
{
    if (out->member.raft_id == s->own_raft_id)
        hand_over(s, preferred, step);
    else
        change(step, wanted_of(s, out->member.raft_id) != NULL ? REPL_DEMOTE : REPL_REMOVE,
               &out->member);
}

void placement_next_step(const struct repl_group_status *status, uint64_t own_raft_id,
                         const struct placement_member *wanted, unsigned wanted_count,
                         uint32_t preferred_node_id, struct placement_step *step)
{
    struct stepping s = {status, own_raft_id, wanted, wanted_count};
    const struct repl_replica_status *lost = lost_on_the_way(&s);
    *step = (struct placement_step){.kind = PLACEMENT_AT_REST};
    if (lost != NULL)
        change(step, REPL_DEMOTE, &lost->member);
    else if (status->is_changing)
        step->kind = PLACEMENT_WAITS;
    if (step->kind != PLACEMENT_AT_REST || remove_learner(&s, step) || add_learner(&s, step))
        return;
    const struct repl_replica_status *in = entering(&s);
    const struct repl_replica_status *out = going(&s, in == NULL ? NULL : in->member.site);
    bool is_in_able = in != NULL && is_able(in);
    bool may_enter = is_in_able && is_spanning(&s, &in->member, true);
    bool is_out_gone = out != NULL && out->member.raft_id != own_raft_id && !out->is_level;
    bool is_out_first = is_in_able && out != NULL && (is_out_gone || !may_enter);
    if (in == NULL && out == NULL)
        return;
    if (out != NULL && (in == NULL || is_out_first))
        take_out(&s, out, preferred_node_id, step);
    else if (may_enter)
        change(step, REPL_PROMOTE, &in->member);
    else
        step->kind = PLACEMENT_WAITS;
}
