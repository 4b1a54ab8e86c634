/* Each group's shard notes its replica's membership here once a second; shard 0 puts it together
 * with the incarnations that nodes have told of themselves. */
#include "membership/rebuild.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/event.h"
#include "controller.h"
#include "membership/level.h"
#include "start/folders.h"

#define LEADERLESS_MS 5000  /* an election takes a second or two */
#define TELL_MS       10000 /* between two events of the same trouble */
#define TEXT_SIZE     400

struct seen_group {
    struct repl_member members[REPL_MEMBERS_MAX];
    unsigned member_count;        /* 0: nobody has taken this replica in */
    uint64_t leaderless_since_ms; /* 0: there is a leader */
};

struct rebuild {
    struct broker *broker;
    pthread_mutex_t lock; /* of groups and status */
    struct rebuild_status status;
    struct seen_group groups[METADATA_GROUPS_MAX];
    uint64_t told_at_ms;          /* shard 0: when trouble was last told */
    struct work_item remove_item; /* removes what was set aside, once */
};

int rebuild_create(struct broker *b, const struct storage_report *report, struct rebuild **rebuild)
{
    struct rebuild *r = calloc(1, sizeof *r);
    if (r == NULL)
        return UV_ENOMEM;
    r->broker = b;
    r->status.report = *report;
    pthread_mutex_init(&r->lock, NULL);
    *rebuild = r;
    return 0;
}

void rebuild_note_group(struct rebuild *r, struct broker_group *g)
{
    struct repl_member members[REPL_MEMBERS_MAX];
    unsigned count = repl_group_members(g->raft, members);
    bool has_leader = broker_group_leader(r->broker, g->group_id, NULL) != 0;
    struct seen_group *seen = &r->groups[g->group_id];
    pthread_mutex_lock(&r->lock);
    memcpy(seen->members, members, count * sizeof members[0]);
    seen->member_count = count;
    if (has_leader)
        seen->leaderless_since_ms = 0;
    else if (seen->leaderless_since_ms == 0)
        seen->leaderless_since_ms = clock_now_ms(&r->broker->clock);
    pthread_mutex_unlock(&r->lock);
}

/* ---- who is a voter here ---- */

static uint64_t own_raft_id(const struct rebuild *r)
{
    return repl_raft_id((uint32_t)r->broker->conf.node_id, r->broker->incarnation);
}

static bool is_voter_here(const struct rebuild *r, const struct seen_group *seen)
{
    for (unsigned i = 0; i < seen->member_count; i++)
        if (seen->members[i].raft_id == own_raft_id(r))
            return seen->members[i].is_voter;
    return false;
}

static bool is_member_here(const struct rebuild *r, const struct seen_group *seen)
{
    bool is_member = false;
    for (unsigned i = 0; i < seen->member_count; i++)
        is_member |= seen->members[i].raft_id == own_raft_id(r);
    return is_member;
}

/* A group that is not to vote here may still count on what this node had before. */
static bool is_let_go(const struct rebuild *r, uint32_t group_id)
{
    uint64_t voters, learners;
    return level_members(r->broker, group_id, &voters, &learners) &&
           !level_mask_has(voters, (uint32_t)r->broker->conf.node_id);
}

/* True when all groups are where they are to be, as far as that is here. */
static bool count_voters(struct rebuild *r)
{
    uint32_t own = (uint32_t)r->broker->conf.node_id;
    struct metadata *m = r->broker->metadata;
    bool is_done;
    unsigned opened_count = r->broker->group_count;
    r->status.voter_count = r->status.group_count = 0;
    metadata_read_lock(m);
    is_done = metadata_group_count(m) <= opened_count; /* else one more is about to be opened */
    for (unsigned i = 0; i < opened_count; i++) {
        const struct metadata_group *group = metadata_group_by_id(m, i);
        bool is_wanted = group == NULL || metadata_group_has(group, own);
        bool is_learner = is_wanted && group != NULL && !metadata_group_votes(group, own);
        bool is_level = is_learner ? level_is_near(r->broker, i, own)
                                   : is_voter_here(r, &r->groups[i]) &&
                                         level_is_in_sync(r->broker, i, own);
        r->status.group_count += is_wanted;
        r->status.voter_count += is_level;
        is_done &= is_wanted ? is_level : is_let_go(r, i);
    }
    metadata_read_unlock(m);
    return is_done;
}

static void run_remove(struct work_item *item)
{
    struct rebuild *r = item->data;
    int err = log_wal_remove_set_aside(&r->broker->wal_disk, FOLDERS_WAL_NAME);
    if (err != 0)
        event_warn("set_aside_not_removed", "error=%s", err_name(err));
}

/* Once a start: nothing that was set aside can be needed from here on. */
static void on_level(struct rebuild *r)
{
    event_info("replicas_level", "groups=%u incarnation=%012llx damages=%u", r->status.group_count,
               (unsigned long long)r->broker->incarnation, r->status.report.damage_count);
    r->remove_item.data = r;
    work_submit(work_pool_work(r->broker->readers), &r->remove_item, run_remove);
}

/* ---- whose majority is gone ---- */

/* What the nodes have said of themselves: 0 when nothing is known. */
static uint64_t raft_id_now(const struct metadata_node *nodes, unsigned count, uint32_t node_id)
{
    for (unsigned i = 0; i < count; i++)
        if (nodes[i].node_id == node_id)
            return repl_raft_id(node_id, nodes[i].incarnation);
    return 0;
}

static void judge_group(struct rebuild *r, uint32_t group_id, const struct metadata_node *nodes,
                        unsigned node_count)
{
    const struct seen_group *seen = &r->groups[group_id];
    struct rebuild_loss loss = {.group_id = group_id};
    unsigned lost_count = 0;
    for (unsigned i = 0; i < seen->member_count; i++) {
        const struct repl_member *member = &seen->members[i];
        uint32_t node_id = repl_raft_id_node(member->raft_id);
        uint64_t now = raft_id_now(nodes, node_count, node_id);
        bool is_lost = controller_is_empty(r->broker->controller, node_id) ||
                       (now != 0 && now != member->raft_id);
        if (!member->is_voter)
            continue;
        loss.voter_count++;
        lost_count += is_lost;
        *(is_lost ? &loss.lost : now != 0 ? &loss.here : &loss.silent) |= level_mask_of(node_id);
    }
    bool can_have_majority = loss.voter_count - lost_count > loss.voter_count / 2;
    if (seen->member_count > 0 && !can_have_majority && r->status.loss_count < REBUILD_LOSSES_MAX)
        r->status.losses[r->status.loss_count++] = loss;
}

static bool is_leaderless(const struct rebuild *r, uint32_t group_id, uint64_t now_ms)
{
    uint64_t since_ms = r->groups[group_id].leaderless_since_ms;
    return since_ms != 0 && now_ms - since_ms >= LEADERLESS_MS;
}

static void judge_all(struct rebuild *r, uint64_t now_ms)
{
    struct metadata_node nodes[METADATA_NODES_MAX];
    unsigned count = controller_known_nodes(r->broker->controller, nodes, METADATA_NODES_MAX);
    r->status.loss_count = 0;
    for (unsigned i = 0; i < r->broker->group_count; i++)
        if (is_leaderless(r, i, now_ms))
            judge_group(r, i, nodes, count);
}

/* ---- telling ---- */

static void put_number(char text[TEXT_SIZE], uint32_t number)
{
    size_t used = strlen(text);
    snprintf(text + used, TEXT_SIZE - used, "%s%u", used == 0 ? "" : ",", number);
}

static void put_nodes(char text[TEXT_SIZE], uint64_t mask)
{
    text[0] = '\0';
    for (uint32_t node_id = 0; node_id < 64; node_id++)
        if (mask >> node_id & 1)
            put_number(text, node_id);
    if (text[0] == '\0')
        snprintf(text, TEXT_SIZE, "none");
}

static bool is_same_loss(const struct rebuild_loss *a, const struct rebuild_loss *b)
{
    return a->lost == b->lost && a->silent == b->silent && a->here == b->here;
}

/* One line for all groups that have lost the same. */
static void tell_loss(const struct rebuild_status *status, unsigned first)
{
    char groups[TEXT_SIZE] = "", lost[TEXT_SIZE], silent[TEXT_SIZE], here[TEXT_SIZE];
    const struct rebuild_loss *loss = &status->losses[first];
    for (unsigned i = 0; i < first; i++)
        if (is_same_loss(&status->losses[i], loss))
            return; /* told with that one */
    for (unsigned i = first; i < status->loss_count; i++)
        if (is_same_loss(&status->losses[i], loss))
            put_number(groups, status->losses[i].group_id);
    put_nodes(lost, loss->lost);
    put_nodes(silent, loss->silent);
    put_nodes(here, loss->here);
    event_error(
        "majority_lost",
        "groups=%s voters=%u data_gone_on=%s data_on=%s not_heard=%s "
        "reason=\"most voters' data was emptied or damaged; nothing is acknowledged or "
        "founded without them\" next=\"bring back the disk of a node whose data is gone, as "
        "it was, or force a recovery from a node that has the data\"",
        groups, loss->voter_count, lost, here, silent);
}

/* Replicas that nobody takes in, because nobody leads. */
static bool tell_waiting(const struct rebuild *r, uint64_t now_ms)
{
    char groups[TEXT_SIZE] = "";
    for (unsigned i = 0; i < r->broker->group_count; i++)
        if (is_leaderless(r, i, now_ms) && !is_member_here(r, &r->groups[i]))
            put_number(groups, i);
    if (groups[0] != '\0')
        event_warn("replicas_wait",
                   "groups=%s reason=\"no leader is heard that would take this node in\" "
                   "next=\"bring up the other nodes\"",
                   groups);
    return groups[0] != '\0';
}

static void tell_trouble(struct rebuild *r, uint64_t now_ms)
{
    if (now_ms - r->told_at_ms < TELL_MS && r->told_at_ms != 0)
        return;
    bool is_any = r->status.loss_count > 0;
    for (unsigned i = 0; i < r->status.loss_count; i++)
        tell_loss(&r->status, i);
    is_any |= tell_waiting(r, now_ms);
    if (is_any)
        r->told_at_ms = now_ms;
}

void rebuild_watch(struct rebuild *r)
{
    uint64_t now_ms = clock_now_ms(&r->broker->clock);
    pthread_mutex_lock(&r->lock);
    bool is_new_level = count_voters(r) && !r->status.is_level;
    r->status.is_level |= is_new_level;
    judge_all(r, now_ms);
    tell_trouble(r, now_ms);
    pthread_mutex_unlock(&r->lock);
    if (is_new_level)
        on_level(r);
}

void rebuild_status(struct rebuild *r, struct rebuild_status *status)
{
    pthread_mutex_lock(&r->lock);
    *status = r->status;
    pthread_mutex_unlock(&r->lock);
}
