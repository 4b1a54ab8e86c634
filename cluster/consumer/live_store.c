/* The entries of live groups, and what follows once they are applied.
 *
 * A group may be gone, or further on, when its entry ends: each proposal knows for which step it
 * was made and is ignored when that step is over. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consumer/live_parts.h"
#include "state/byte_list.h"

/* ---- proposals ---- */

static void link_proposal(struct live_group *g, struct live_proposal *p)
{
    p->group = g;
    p->next = g->proposals;
    p->previous = &g->proposals;
    if (p->next != NULL)
        p->next->previous = &p->next;
    g->proposals = p;
}

static void unlink_proposal(struct live_proposal *p)
{
    if (p->group == NULL)
        return;
    *p->previous = p->next;
    if (p->next != NULL)
        p->next->previous = p->previous;
    p->group = NULL;
}

void live_forget_proposals(struct live_group *g)
{
    while (g->proposals != NULL)
        unlink_proposal(g->proposals);
}

static void free_proposal(struct live_proposal *p)
{
    free(p->member_id);
    free(p->leader);
    free(p);
}

/* ---- what follows ---- */

static int16_t error_of(int status)
{
    switch (status) {
    case 0:
        return KAFKA_ERROR_NONE;
    case ERR_TOO_LARGE:
    case ERR_FULL:
        return KAFKA_ERROR_UNKNOWN_SERVER_ERROR; /* as Kafka answers what its log refuses */
    default:
        return KAFKA_ERROR_NOT_COORDINATOR;
    }
}

static void reload_taken(struct live_group *g)
{
    const struct group_host *host = &g->set->host;
    const struct consumer_table *table = host->table(host->data, g->partition_number);
    struct consumer_group group;
    if (table == NULL)
        return;
    int32_t taken = consumer_table_generation_floor(table);
    if (consumer_table_group(table, live_group_id(g), &group) && group.generation_taken > taken)
        taken = group.generation_taken;
    g->generation_taken = taken;
}

static void on_generation(struct live_group *g, const struct live_proposal *p, int status)
{
    g->is_taking = false;
    reload_taken(g);
    if (status == 0)
        g->generation_next = p->generation;
    else if (status == ERR_FULL || status == ERR_TOO_LARGE)
        live_give_up_joins(g, KAFKA_ERROR_GROUP_MAX_SIZE_REACHED);
    if (g->state != GROUP_PREPARING)
        return;
    live_group_wake_by(g, live_now(g) + (status == 0 ? 0 : RETRY_MS));
    live_try_complete_joins(g);
}

static void on_assignment(struct live_group *g, const struct live_proposal *p, int status)
{
    if (p->number != g->storing_number)
        return; /* the group has begun anew meanwhile */
    g->storing_number = 0;
    live_group_on_event(g, status == 0 ? GROUP_ASSIGNED : GROUP_UNSTORED, error_of(status));
}

/* It keeps its place. Whoever replaces the leader must not assign anew: where it can be told so, it
 * is the leader, for someone has to watch what the group reads (KIP-814); else it is told the
 * former leader's id, and thinks that it is none (KIP-345). */
static void answer_replacement(const struct live_group *g, struct live_member *m,
                               struct kafka_string former_leader)
{
    struct group_join *join = m->join;
    bool leads = m == g->leader && join->may_skip_assignment;
    join->skip_assignment = leads;
    live_answer_join(m, leads ? m->id : former_leader, leads);
}

static void on_replacement(struct live_group *g, const struct live_proposal *p, int status)
{
    struct kafka_string id = {.data = p->member_id, .size = p->member_id_size};
    struct live_member *m = live_member_find(g, id);
    if (m == NULL || m->join == NULL || g->state != GROUP_STABLE || g->generation != p->generation)
        return; /* a rebalance answers it */
    if (status == 0) {
        answer_replacement(g, m, (struct kafka_string){.data = p->leader, .size = p->leader_size});
        return;
    }
    struct group_join *join = m->join;
    m->join = NULL;
    live_join_refuse(join, error_of(status));
    live_group_rebalance(g, &(struct group_cause){.act = "not_stored",
                                                  .member_id = m->id,
                                                  .reason = KAFKA_STRING_NULL});
}

static void on_empty(struct live_group *g, int status)
{
    if (status == 0 || status == ERR_NOT_FOUND || g->state != GROUP_EMPTY)
        return;
    g->has_to_store_empty = true;
    live_group_wake_by(g, live_now(g) + RETRY_MS);
}

static void on_done(void *data, int status)
{
    struct live_proposal *p = data;
    struct live_group *g = p->group;
    unlink_proposal(p);
    if (g != NULL) {
        switch (p->kind) {
        case PROPOSAL_GENERATION:
            on_generation(g, p, status);
            break;
        case PROPOSAL_ASSIGNMENT:
            on_assignment(g, p, status);
            break;
        case PROPOSAL_REPLACEMENT:
            on_replacement(g, p, status);
            break;
        case PROPOSAL_EMPTY:
            on_empty(g, status);
            break;
        }
        live_group_release(g);
    }
    free_proposal(p);
}

/* Takes the proposal and the list, also when it fails. */
static int propose(struct live_group *g, struct live_proposal *p, struct byte_list *list)
{
    const struct group_host *host = &g->set->host;
    int err = p == NULL || list->is_failed ? UV_ENOMEM : 0;
    if (err == 0 && list->size > GROUP_ENTRY_BYTES_MAX)
        err = ERR_TOO_LARGE;
    if (err == 0)
        err = host->propose(host->data, g->partition_number, bytes_of(list->data, list->size),
                            on_done, p);
    if (err == 0)
        link_proposal(g, p);
    else if (p != NULL)
        free_proposal(p);
    free(list->data);
    return err;
}

static struct live_proposal *create(enum live_proposal_kind kind)
{
    struct live_proposal *p = calloc(1, sizeof *p);
    if (p != NULL)
        p->kind = kind;
    return p;
}

/* ---- entries ---- */

void live_take_generation(struct live_group *g)
{
    struct live_proposal *p = create(PROPOSAL_GENERATION);
    struct byte_list list = {0};
    int32_t highest = g->generation > g->generation_taken ? g->generation : g->generation_taken;
    if (g->is_taking || g->generation_next != 0 || highest == INT32_MAX) {
        free(p);
        return;
    }
    if (p != NULL)
        p->generation = highest + 1;
    group_generation_put(&list, live_group_id(g), highest + 1);
    if (propose(g, p, &list) == 0)
        g->is_taking = true;
    else
        live_group_wake_by(g, live_now(g) + RETRY_MS);
}

static void put_member(struct byte_list *list, const struct live_member *m)
{
    struct group_member member = {
        .member_id = m->id,
        .instance_id = m->instance_id,
        .client_id = m->client_id,
        .client_host = m->client_host,
        .session_timeout_ms = m->session_timeout_ms,
        .rebalance_timeout_ms = m->rebalance_timeout_ms,
        .protocol_count = (uint16_t)m->protocol_count,
    };
    group_member_put(list, &member);
    for (uint32_t i = 0; i < m->protocol_count; i++)
        group_protocol_put(list, &m->protocols[i]);
    byte_list_put_bytes(list, bytes_of(m->assignment, m->assignment_size));
}

static void put_membership(struct byte_list *list, const struct live_group *g)
{
    bool is_empty = g->members == NULL;
    struct group_membership membership = {
        .generation = g->generation,
        .protocol_type = g->protocol_type,
        .protocol_name = is_empty ? KAFKA_STRING_NULL : g->protocol_name,
        .leader = is_empty ? KAFKA_STRING_NULL : g->leader->id,
        .member_count = HASH_COUNT(g->members),
    };
    group_membership_put(list, live_group_id(g), &membership);
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next)
        put_member(list, m);
}

int live_store_assignment(struct live_group *g)
{
    struct live_proposal *p = create(PROPOSAL_ASSIGNMENT);
    struct byte_list list = {0};
    uint64_t number = g->set->next_number++;
    if (p != NULL)
        p->number = number;
    put_membership(&list, g);
    int err = propose(g, p, &list);
    if (err == 0)
        g->storing_number = number;
    return err;
}

int live_store_replacement(struct live_group *g, const struct live_member *m,
                           struct kafka_string leader)
{
    struct live_proposal *p = create(PROPOSAL_REPLACEMENT);
    struct byte_list list = {0};
    if (p == NULL)
        return UV_ENOMEM;
    p->generation = g->generation;
    p->member_id = malloc((size_t)m->id.size + 1);
    p->leader = malloc((size_t)leader.size + 1);
    if (p->member_id == NULL || p->leader == NULL) {
        free_proposal(p);
        return UV_ENOMEM;
    }
    memcpy(p->member_id, m->id.data, (size_t)m->id.size);
    memcpy(p->leader, leader.data, (size_t)leader.size);
    p->member_id_size = m->id.size;
    p->leader_size = leader.size;
    put_membership(&list, g);
    return propose(g, p, &list);
}

/* Only when the table knows of members: a group that never had a generation has nothing to say. */
void live_store_empty(struct live_group *g)
{
    const struct group_host *host = &g->set->host;
    const struct consumer_table *table = host->table(host->data, g->partition_number);
    struct consumer_group group;
    struct byte_list list = {0};
    g->has_to_store_empty = false;
    if (table == NULL ||
        (g->proposals == NULL && (!consumer_table_group(table, live_group_id(g), &group) ||
                                  group.membership.member_count == 0)))
        return;
    put_membership(&list, g);
    if (propose(g, create(PROPOSAL_EMPTY), &list) != 0) {
        g->has_to_store_empty = true;
        live_group_wake_by(g, live_now(g) + RETRY_MS);
    }
}
