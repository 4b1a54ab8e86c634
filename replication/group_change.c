/* Changes of the configuration, one at a time.
 *
 * libraft takes any configuration; what is safe is decided here: one voter more or less than now,
 * a learner becomes a voter only when level, and the site rule: at rest the voters outside any
 * one site are a majority, so that every quorum spans two sites (design, section 3). A group that
 * is replicated asynchronously has its voters in one site, and no such rule. */
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"
#include "base/event.h"
#include "group_internal.h"

struct members {
    struct repl_member list[REPL_MEMBERS_MAX];
    unsigned count;
};

static void read_members(const struct repl_group *g, struct members *m)
{
    struct repl_group_status status;
    repl_group_status(g, &status);
    m->count = status.replica_count;
    for (unsigned i = 0; i < m->count; i++)
        m->list[i] = status.replicas[i].member;
}

static struct repl_member *find(struct members *m, uint64_t raft_id)
{
    for (unsigned i = 0; i < m->count; i++)
        if (m->list[i].raft_id == raft_id)
            return &m->list[i];
    return NULL;
}

/* Voters outside the site that has most of them must be a majority. Groups within one site only
 * (a cluster of one site) have no such rule to keep. */
static bool does_keep_site_rule(const struct members *m)
{
    unsigned voters = 0, most = 0;
    bool has_two_sites = false;
    for (unsigned i = 0; i < m->count; i++) {
        unsigned here = 0;
        voters += m->list[i].is_voter;
        for (unsigned j = 0; j < m->count; j++) {
            bool is_same = strcmp(m->list[i].site, m->list[j].site) == 0;
            here += is_same && m->list[j].is_voter;
            has_two_sites |= !is_same;
        }
        if (here > most)
            most = here;
    }
    /* A quorum within one site must be impossible; at rest two of three sites are enough. */
    return voters > 0 && (!has_two_sites || most <= voters / 2);
}

/* Whoever is given a vote is waited for from then on: not one that may be dead. */
static bool may_vote(const struct repl_group *g, uint64_t raft_id)
{
    struct repl_group_status status;
    repl_group_status(g, &status);
    for (unsigned i = 0; i < status.replica_count; i++)
        if (status.replicas[i].member.raft_id == raft_id)
            return status.replicas[i].is_level && status.replicas[i].is_heard;
    return false;
}

static int change_members(struct repl_group *g, enum repl_change change,
                          const struct repl_member *member, struct members *m,
                          struct err_note *note)
{
    struct repl_member *known = find(m, member->raft_id);
    switch (change) {
    case REPL_ADD_LEARNER:
        if (known != NULL || m->count == REPL_MEMBERS_MAX)
            return err_set(note, ERR_CANT_CHANGE, "it is a member already, or there are too many");
        m->list[m->count] = *member;
        m->list[m->count++].is_voter = false;
        return 0;
    case REPL_PROMOTE:
        if (known == NULL || known->is_voter || !may_vote(g, member->raft_id))
            return err_set(note, ERR_CANT_CHANGE, "it is no level learner, or was not just heard");
        known->is_voter = true;
        return 0;
    case REPL_DEMOTE:
        if (known == NULL || !known->is_voter)
            return err_set(note, ERR_CANT_CHANGE, "it is no voter");
        known->is_voter = false;
        return 0;
    case REPL_REMOVE:
        if (known == NULL || known->raft_id == g->options.raft_id)
            return err_set(note, ERR_CANT_CHANGE, "it is no member, or the leader itself");
        *known = m->list[--m->count];
        return 0;
    }
    return ERR_INVALID;
}

static int encode(const struct members *m, struct raft_buffer *encoded)
{
    struct raft_configuration c;
    int rv = 0;
    raft_configuration_init(&c);
    for (unsigned i = 0; i < m->count && rv == 0; i++)
        rv = configuration_add(&c, &m->list[i]);
    if (rv == 0)
        rv = raft_configuration_encode(&c, encoded);
    raft_configuration_close(&c);
    return rv == 0 ? 0 : UV_ENOMEM;
}

static int submit(struct repl_group *g, struct bytes configuration)
{
    static char batch[1];
    struct buffer *owner = buffer_create(configuration.size);
    if (owner == NULL)
        return UV_ENOMEM;
    memcpy(owner->data, configuration.data, configuration.size);
    struct log_entry entry = {.term = g->raft.current_term,
                              .index = raft_last_index(&g->raft) + 1,
                              .type = LOG_ENTRY_CHANGE,
                              .crc = crc32c(0, configuration)};
    entry.body = (struct slice){.owner = owner, .bytes = bytes_of(owner->data, owner->capacity)};
    struct raft_entry raft_entry = {.term = entry.term, .type = RAFT_CHANGE, .batch = batch};
    raft_entry.buf = (struct raft_buffer){.base = owner->data, .len = configuration.size};
    struct raft_event event = {.type = RAFT_SUBMIT};
    event.submit.entries = &raft_entry;
    event.submit.n = 1;
    int err = group_step(g, &event, &entry, entry.index);
    buffer_unref(owner);
    return err < 0 ? err : 0;
}

/* ---- a vote that is taken back ---- */

/* The change that is not committed gave a second replica a vote, and nothing else. Until that one
 * has handed anything back this leader has decided alone, and since then nothing is decided without
 * it: it is in every quorum of before, of now and of what it goes back to, and whoever else stands
 * needs its vote, which a log without its newest entry does not get. So it may end the change by
 * another, as if it were committed, where Raft in general may not. */
bool group_can_take_back(const struct repl_group *g)
{
    const struct raft *r = &g->raft;
    return r->state == RAFT_LEADER && g->role == REPL_LEADER &&
           r->configuration_uncommitted_index != 0 &&
           configuration_has_sole_voter(&r->configuration_committed, g->options.raft_id) &&
           configuration_is_voter(&r->configuration, g->options.raft_id);
}

static bool is_alone_again(const struct repl_group *g, const struct members *m)
{
    unsigned voters = 0, own = 0;
    for (unsigned i = 0; i < m->count; i++) {
        voters += m->list[i].is_voter;
        own += m->list[i].is_voter && m->list[i].raft_id == g->options.raft_id;
    }
    return voters == 1 && own == 1;
}

/* libraft takes no second change: for this step there is no first. Committed are both together. */
static int submit_over(struct repl_group *g, struct bytes configuration)
{
    raft_index under_way = g->raft.configuration_uncommitted_index;
    g->raft.configuration_uncommitted_index = 0;
    int err = submit(g, configuration);
    if (err != 0)
        g->raft.configuration_uncommitted_index = under_way;
    return err;
}

/* ---- changes ---- */

void repl_group_set_within_site(struct repl_group *g, bool is_within_site)
{
    g->is_within_site = is_within_site;
}

int repl_group_change(struct repl_group *g, enum repl_change change,
                      const struct repl_member *member, struct err_note *note)
{
    struct members m;
    struct raft_buffer encoded;
    if (g->role != REPL_LEADER)
        return err_set(note, ERR_NOT_LEADER, "this replica does not lead");
    bool is_over = g->raft.configuration_uncommitted_index != 0;
    if (is_over && (change != REPL_DEMOTE || !group_can_take_back(g)))
        return err_set(note, ERR_CANT_CHANGE, "another change is under way");
    if (change == REPL_ADD_LEARNER && group_leave_hands_over(g, member->raft_id))
        return err_set(note, ERR_CANT_CHANGE, "it left in this term: the next one takes it in");
    read_members(g, &m);
    int err = change_members(g, change, member, &m, note);
    if (err != 0)
        return err;
    if (change != REPL_ADD_LEARNER && !g->is_within_site && !does_keep_site_rule(&m))
        return err_set(note, ERR_CANT_CHANGE, "a quorum within one site would be possible");
    if (is_over && !is_alone_again(g, &m))
        return err_set(note, ERR_CANT_CHANGE, "another change is under way");
    err = encode(&m, &encoded);
    if (err != 0)
        return err;
    err = (is_over ? submit_over : submit)(g, bytes_of(encoded.base, encoded.len));
    raft_free(encoded.base);
    if (err == 0)
        event_info("configuration_proposed", "group=%u change=%d member=%u",
                   g->options.identity.group_id, (int)change, repl_raft_id_node(member->raft_id));
    return err == ERR_RAFT ? ERR_CANT_CHANGE : err;
}
