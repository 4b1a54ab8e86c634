/* JoinGroup and the join phase.
 *
 * A dynamic member that is new gets an id first and comes again with it (KIP-394), so that a
 * client which never hears its answer leaves nothing behind. A static member that comes back
 * under its instance id takes its former place; when it still reads the same topics by the same
 * protocol, nobody else notices (KIP-345). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consumer/live_parts.h"
#include "consumer/subscription.h"

#define MEMBER_BYTES_MAX   (1u << 20) /* what one member may bring */
#define ID_PREFIX_SIZE_MAX 255
#define ID_SIZE_MAX        (ID_PREFIX_SIZE_MAX + 40)
#define ARENA_BYTES_MAX    (2 * GROUP_MEMBERS_BYTES_MAX)

/* ---- answers ---- */

void live_join_refuse(struct group_join *join, int16_t error_code)
{
    join->error_code = error_code;
    join->generation = -1;
    join->answer_member_id = join->member_id;
    join->answer_protocol_type = join->protocol_name = KAFKA_STRING_NULL;
    join->leader = kafka_string_of("");
    join->member_count = 0;
    join->skip_assignment = false;
    join->done(join);
}

static bool copy(struct group_join *join, struct kafka_string from, struct kafka_string *to)
{
    *to = from;
    if (from.size <= 0)
        return true;
    char *data = kafka_arena_allocate(&join->arena, (size_t)from.size);
    if (data == NULL)
        return false;
    memcpy(data, from.data, (size_t)from.size);
    to->data = data;
    return true;
}

static bool copy_members(struct group_join *join, const struct live_group *g)
{
    unsigned count = HASH_COUNT(g->members);
    join->members = kafka_arena_array(&join->arena, count, sizeof *join->members);
    if (join->members == NULL)
        return false;
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next) {
        struct group_answer_member *into = &join->members[join->member_count++];
        struct bytes metadata = live_member_metadata(m, g->protocol_name);
        struct kafka_string copied;
        if (!copy(join, m->id, &into->member_id) ||
            !copy(join, m->instance_id, &into->instance_id) ||
            !copy(join, (struct kafka_string){(const char *)metadata.data, (int32_t)metadata.size},
                  &copied))
            return false;
        into->metadata = bytes_of(copied.data, (size_t)copied.size);
    }
    return true;
}

void live_answer_join(struct live_member *m, struct kafka_string leader, bool with_members)
{
    const struct live_group *g = m->group;
    struct group_join *join = m->join;
    m->join = NULL;
    m->is_new = false;
    live_member_touch(m);
    join->error_code = KAFKA_ERROR_NONE;
    join->generation = g->generation;
    join->member_count = 0;
    join->arena.limit_bytes = ARENA_BYTES_MAX;
    if (!copy(join, m->id, &join->answer_member_id) ||
        !copy(join, g->protocol_type, &join->answer_protocol_type) ||
        !copy(join, g->protocol_name, &join->protocol_name) || !copy(join, leader, &join->leader) ||
        (with_members && !copy_members(join, g)))
        live_join_refuse(join, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    else
        join->done(join);
}

/* ---- coming ---- */

static void begin_rebalance(struct live_member *m, const struct group_join *join)
{
    struct group_cause cause = {.act = "joined", .member_id = m->id, .reason = join->reason};
    live_group_rebalance(m->group, &cause);
}

static void rebalance(struct live_member *m, const struct group_join *join)
{
    begin_rebalance(m, join);
    live_try_complete_joins(m->group);
}

static int32_t make_member_id(struct group_set *s, const struct group_join *join,
                              char id[ID_SIZE_MAX])
{
    struct kafka_string prefix = kafka_string_is_null(join->instance_id) ? join->client_id
                                                                         : join->instance_id;
    int size = prefix.size < 0 ? 0 : prefix.size;
    if (size > ID_PREFIX_SIZE_MAX)
        size = ID_PREFIX_SIZE_MAX;
    if (size > 0)
        memcpy(id, prefix.data, (size_t)size);
    uint64_t high = random_u64(&s->random), low = random_u64(&s->random);
    return size + snprintf(id + size, (size_t)(ID_SIZE_MAX - size), "-%08x-%04x-4%03x-%04x-%012llx",
                           (unsigned)(high >> 32), (unsigned)(high >> 16) & 0xffff,
                           (unsigned)high & 0xfff, (unsigned)((low >> 48) & 0x3fff) | 0x8000,
                           (unsigned long long)(low & 0xffffffffffff));
}

static int32_t rebalance_timeout_of(const struct group_join *join)
{
    return join->rebalance_timeout_ms < 0 ? join->session_timeout_ms : join->rebalance_timeout_ms;
}

/* One who asks again, on another connection, while the first request still waits. */
static void take_join(struct live_member *m, struct group_join *join)
{
    struct group_join *former = m->join;
    m->join = join;
    if (former != NULL)
        live_join_refuse(former, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
}

static void update_and_rebalance(struct live_member *m, struct group_join *join)
{
    if (live_member_set_protocols(m, join->protocols, join->protocol_count) != 0) {
        live_join_refuse(join, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    m->session_timeout_ms = join->session_timeout_ms;
    m->rebalance_timeout_ms = rebalance_timeout_of(join);
    take_join(m, join);
    rebalance(m, join);
}

static void add_member(struct live_group *g, struct group_join *join, struct kafka_string id)
{
    struct group_member identity = {
        .member_id = id,
        .instance_id = join->instance_id,
        .client_id = join->client_id,
        .client_host = join->client_host,
        .session_timeout_ms = join->session_timeout_ms,
        .rebalance_timeout_ms = rebalance_timeout_of(join),
    };
    bool is_first = g->members == NULL, was_gathering = g->state == GROUP_PREPARING;
    struct live_member *m = live_member_create(g, &identity);
    if (m == NULL || live_member_set_protocols(m, join->protocols, join->protocol_count) != 0 ||
        (is_first && live_text_set(&g->protocol_type, join->protocol_type) != 0)) {
        if (m != NULL)
            live_member_remove(m, 0);
        live_join_refuse(join, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    m->is_new = true;
    m->join = join;
    m->expires_at_ms = live_now(g) + NEW_MEMBER_TIMEOUT_MS;
    live_group_wake_by(g, m->expires_at_ms);
    begin_rebalance(m, join);
    g->has_new_member = was_gathering;
    live_try_complete_joins(g);
}

static struct pending_member *find_pending(const struct live_group *g, struct kafka_string id)
{
    struct pending_member *pending = NULL;
    if (id.size > 0)
        HASH_FIND(hh, g->pending, id.data, (unsigned)id.size, pending);
    return pending;
}

static void forget_pending(struct live_group *g, struct pending_member *pending)
{
    HASH_DEL(g->pending, pending);
    g->bytes -= sizeof *pending + ID_SIZE_MAX;
    g->set->bytes -= sizeof *pending + ID_SIZE_MAX;
    free(pending);
}

bool live_forget_pending(struct live_group *g, struct kafka_string id)
{
    struct pending_member *pending = find_pending(g, id);
    if (pending != NULL)
        forget_pending(g, pending);
    return pending != NULL;
}

void live_expire_pending(struct live_group *g, uint64_t now_ms)
{
    struct pending_member *pending, *next;
    HASH_ITER(hh, g->pending, pending, next)
    {
        if (pending->expires_at_ms <= now_ms)
            forget_pending(g, pending);
        else
            live_group_wake_by(g, pending->expires_at_ms);
    }
}

void live_put_off_pending(struct live_group *g, uint64_t by_ms)
{
    for (struct pending_member *pending = g->pending; pending != NULL; pending = pending->hh.next)
        pending->expires_at_ms += by_ms;
}

static void ask_to_come_again(struct live_group *g, struct group_join *join, struct kafka_string id)
{
    struct pending_member *pending = calloc(1, sizeof *pending + ID_SIZE_MAX);
    if (pending == NULL || !copy(join, id, &join->member_id)) {
        free(pending);
        live_join_refuse(join, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    memcpy(pending->id, id.data, (size_t)id.size);
    pending->size = id.size;
    pending->expires_at_ms = live_now(g) + (uint64_t)join->session_timeout_ms;
    HASH_ADD_KEYPTR(hh, g->pending, pending->id, (unsigned)pending->size, pending);
    g->bytes += sizeof *pending + ID_SIZE_MAX;
    g->set->bytes += sizeof *pending + ID_SIZE_MAX;
    live_group_wake_by(g, pending->expires_at_ms);
    live_join_refuse(join, KAFKA_ERROR_MEMBER_ID_REQUIRED);
}

/* ---- a static member comes back ---- */

static void keep_place(struct live_member *m, struct kafka_string leader)
{
    struct group_join *join = m->join;
    if (live_store_replacement(m->group, m, leader) == 0)
        return;
    m->join = NULL;
    live_join_refuse(join, KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE);
}

/* The chosen protocol is there, with the same topics: what else a member tells of itself (what it
 * owned, user data) is not what it had told when it last joined, whenever it restarts. Kafka does
 * not look at the topics either; then a new one would be read by nobody until someone else
 * comes. */
static bool reads_the_same(const struct live_member *m, const struct group_join *join)
{
    const struct live_group *g = m->group;
    for (uint32_t i = 0; i < join->protocol_count; i++)
        if (kafka_string_is_equal(join->protocols[i].name, g->protocol_name))
            return subscription_is_same(g->protocol_type, live_member_metadata(m, g->protocol_name),
                                        join->protocols[i].metadata);
    return false;
}

static void replace_static(struct live_member *m, struct group_join *join, struct kafka_string id)
{
    struct live_group *g = m->group;
    struct kafka_string leader = KAFKA_STRING_NULL;
    bool is_same = reads_the_same(m, join);
    struct group_join *former_join = m->join;
    struct group_sync *former_sync = m->sync;
    if (!copy(join, g->leader->id, &leader) || live_member_rename(m, id) != 0 ||
        live_member_set_protocols(m, join->protocols, join->protocol_count) != 0) {
        live_join_refuse(join, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
        return;
    }
    m->join = join;
    m->sync = NULL;
    live_forget_beliefs(m);
    if (former_join != NULL)
        live_join_refuse(former_join, KAFKA_ERROR_FENCED_INSTANCE_ID);
    if (former_sync != NULL)
        live_sync_refuse(former_sync, KAFKA_ERROR_FENCED_INSTANCE_ID);
    m->session_timeout_ms = join->session_timeout_ms;
    m->rebalance_timeout_ms = rebalance_timeout_of(join);
    live_member_touch(m);
    if (g->state == GROUP_STABLE && is_same &&
        kafka_string_is_equal(live_group_vote(g), g->protocol_name))
        keep_place(m, leader);
    else
        rebalance(m, join);
}

/* ---- joining ---- */

static void join_new(struct live_group *g, struct group_join *join)
{
    char id[ID_SIZE_MAX];
    struct kafka_string member_id = {.data = id, .size = make_member_id(g->set, join, id)};
    struct live_member *former = live_member_find_static(g, join->instance_id);
    if (!live_group_supports(g, join->protocol_type, join->protocols, join->protocol_count))
        live_join_refuse(join, KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
    else if (former != NULL)
        replace_static(former, join, member_id);
    else if (kafka_string_is_null(join->instance_id) && join->needs_member_id)
        ask_to_come_again(g, join, member_id);
    else
        add_member(g, join, member_id);
}

/* Told what the generation is, once more. */
static void answer_again(struct live_member *m, struct group_join *join, bool with_members)
{
    take_join(m, join);
    live_answer_join(m, m->group->leader->id, with_members);
}

/* A number was taken for a next generation and perhaps told, by a coordinator that did not live to
 * store it: whoever heard it must not be told a lower one. */
static bool is_newest_generation(const struct live_group *g)
{
    const struct group_host *host = &g->set->host;
    const struct consumer_table *table = host->table(host->data, g->partition_number);
    struct consumer_group known;
    return table != NULL && consumer_table_group(table, live_group_id(g), &known) &&
           known.generation_taken <= g->generation;
}

/* With Kafka a leader that joins a stable group begins a new generation. But some clients join
 * again whenever their coordinator has moved; so the leader is told what the others are, too, and
 * only if it then brings another assignment is there anything to begin (live_sync.c). */
static void join_again(struct live_group *g, struct live_member *m, struct group_join *join)
{
    bool is_same = live_member_has_same_protocols(m, join->protocols, join->protocol_count);
    bool is_known = g->state == GROUP_COMPLETING ||
                    (g->state == GROUP_STABLE && is_newest_generation(g));
    if (is_same && is_known)
        answer_again(m, join, m == g->leader);
    else
        update_and_rebalance(m, join);
}

static void join_known(struct live_group *g, struct group_join *join)
{
    if (!live_group_supports(g, join->protocol_type, join->protocols, join->protocol_count)) {
        live_join_refuse(join, KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    if (kafka_string_is_null(join->instance_id) && live_forget_pending(g, join->member_id)) {
        add_member(g, join, join->member_id);
        return;
    }
    int16_t error_code = live_check_member(g, join->member_id, join->instance_id);
    if (error_code != KAFKA_ERROR_NONE)
        live_join_refuse(join, error_code);
    else
        join_again(g, live_member_find(g, join->member_id), join);
}

static size_t size_of(const struct group_join *join)
{
    size_t size = 0;
    for (uint32_t i = 0; i < join->protocol_count; i++)
        size += (size_t)join->protocols[i].name.size + join->protocols[i].metadata.size;
    return size;
}

static bool are_texts_allowed(const struct group_join *join)
{
    for (uint32_t i = 0; i < join->protocol_count; i++)
        if (!group_text_is_allowed(join->protocols[i].name))
            return false;
    return group_text_is_allowed(join->member_id) && group_text_is_allowed(join->protocol_type) &&
           group_text_is_allowed(join->client_id) && group_text_is_allowed(join->client_host) &&
           join->instance_id.size != 0 && join->instance_id.size <= GROUP_TEXT_SIZE_MAX;
}

static int16_t check(const struct group_set *s, const struct group_join *join)
{
    if (join->group_id.size <= 0 || join->group_id.size > CONSUMER_GROUP_ID_SIZE_MAX)
        return KAFKA_ERROR_INVALID_GROUP_ID;
    if (join->session_timeout_ms < s->limits.session_timeout_ms_min ||
        join->session_timeout_ms > s->limits.session_timeout_ms_max)
        return KAFKA_ERROR_INVALID_SESSION_TIMEOUT;
    if (join->protocol_count > GROUP_PROTOCOLS_MAX)
        return KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    return are_texts_allowed(join) && size_of(join) <= MEMBER_BYTES_MAX
               ? KAFKA_ERROR_NONE
               : KAFKA_ERROR_INVALID_REQUEST;
}

/* Kafka counts those who wait while a group gathers, else all that belong to it. */
static bool has_place(const struct live_group *g, const struct group_join *join)
{
    const struct live_member *m = live_member_find(g, join->member_id);
    unsigned count = HASH_COUNT(g->members);
    if (m == NULL)
        m = live_member_find_static(g, join->instance_id);
    if (kafka_string_is_null(join->instance_id)) /* ids that were given out will come */
        count += HASH_COUNT(g->pending) - (find_pending(g, join->member_id) != NULL);
    return m != NULL || (count < g->set->limits.member_count_max &&
                         g->bytes < GROUP_MEMBERS_BYTES_MAX && g->set->bytes < GROUP_SET_BYTES_MAX);
}

void group_join_begin(struct group_set *s, struct group_join *join)
{
    int16_t error_code = check(s, join);
    struct live_group *g = live_group_find(s, join->group_id);
    bool is_new = join->member_id.size == 0;
    if (error_code == KAFKA_ERROR_NONE && g == NULL) {
        if (!is_new)
            error_code = KAFKA_ERROR_UNKNOWN_MEMBER_ID;
        else if (s->bytes >= GROUP_SET_BYTES_MAX)
            error_code = KAFKA_ERROR_GROUP_MAX_SIZE_REACHED;
        else
            g = live_group_create(s, join->partition_number, join->group_id);
        if (g == NULL && error_code == KAFKA_ERROR_NONE)
            error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
    if (error_code == KAFKA_ERROR_NONE && !has_place(g, join))
        error_code = KAFKA_ERROR_GROUP_MAX_SIZE_REACHED;
    if (error_code != KAFKA_ERROR_NONE)
        live_join_refuse(join, error_code);
    else if (is_new)
        join_new(g, join);
    else
        join_known(g, join);
    if (g != NULL)
        live_group_release(g);
}
