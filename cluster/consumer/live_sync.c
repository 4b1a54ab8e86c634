/* SyncGroup: the leader's assignment becomes an entry, and everyone is answered once it counts. In
 * a stable group it is already there: a leader that brings another one begins a new generation. */
#include <string.h>

#include "base/err.h"
#include "consumer/live_parts.h"

#define ARENA_BYTES_MAX GROUP_ENTRY_BYTES_MAX

void live_sync_refuse(struct group_sync *sync, int16_t error_code)
{
    sync->error_code = error_code;
    sync->answer_protocol_type = sync->answer_protocol_name = KAFKA_STRING_NULL;
    sync->assignment = KAFKA_BYTES_EMPTY;
    sync->done(sync);
}

static bool copy(struct group_sync *sync, struct bytes from, struct bytes *to)
{
    *to = from;
    if (from.size == 0)
        return true;
    uint8_t *data = kafka_arena_allocate(&sync->arena, from.size);
    if (data == NULL)
        return false;
    memcpy(data, from.data, from.size);
    to->data = data;
    return true;
}

static bool copy_text(struct group_sync *sync, struct kafka_string from, struct kafka_string *to)
{
    struct bytes copied;
    bool is_copied = copy(sync, kafka_string_bytes(from), &copied);
    *to = (struct kafka_string){.data = (const char *)copied.data, .size = from.size};
    return is_copied;
}

static void answer(const struct live_member *m, struct group_sync *sync)
{
    const struct live_group *g = m->group;
    sync->arena.limit_bytes = ARENA_BYTES_MAX;
    sync->error_code = KAFKA_ERROR_NONE;
    if (!copy_text(sync, g->protocol_type, &sync->answer_protocol_type) ||
        !copy_text(sync, g->protocol_name, &sync->answer_protocol_name) ||
        !copy(sync, bytes_of(m->assignment, m->assignment_size), &sync->assignment))
        live_sync_refuse(sync, KAFKA_ERROR_UNKNOWN_SERVER_ERROR);
    else
        sync->done(sync);
}

void live_answer_syncs(struct live_group *g, int16_t error_code)
{
    for (struct live_member *m = g->members; m != NULL; m = m->hh.next) {
        struct group_sync *sync = m->sync;
        if (sync == NULL)
            continue;
        m->sync = NULL;
        live_member_touch(m);
        if (error_code == KAFKA_ERROR_NONE)
            answer(m, sync);
        else
            live_sync_refuse(sync, error_code);
    }
}

/* ---- the leader's assignment ---- */

static int set_assignments(struct live_group *g, const struct group_sync *sync)
{
    for (struct live_member *m = g->members; m != NULL; m = m->hh.next)
        live_member_set_assignment(m, (struct bytes){0}); /* those not named get nothing */
    for (uint32_t i = 0; i < sync->assignment_count; i++) {
        struct live_member *m = live_member_find(g, sync->assignments[i].member_id);
        if (m != NULL && live_member_set_assignment(m, sync->assignments[i].assignment) != 0)
            return UV_ENOMEM;
    }
    return 0;
}

static void store(struct live_group *g, const struct group_sync *sync)
{
    int err = set_assignments(g, sync);
    if (err == 0)
        err = live_store_assignment(g);
    if (err == 0)
        return;
    int16_t error_code = err == ERR_NOT_LEADER ? KAFKA_ERROR_NOT_COORDINATOR
                         : err == ERR_BUSY     ? KAFKA_ERROR_REBALANCE_IN_PROGRESS
                                               : KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    live_group_on_event(g, GROUP_UNSTORED, error_code);
}

static void wait_for_assignment(struct live_group *g, struct live_member *m,
                                struct group_sync *sync)
{
    struct group_sync *former = m->sync;
    m->sync = sync;
    m->has_synced = true;
    if (former != NULL)
        live_sync_refuse(former, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
    if (m == g->leader && g->storing_number == 0)
        store(g, sync);
}

/* Of a leader that joined again. Who is not named gets nothing; a bare sync asks only. */
static bool wants_another(struct live_group *g, const struct group_sync *sync)
{
    size_t assigned_count = 0, same_count = 0;
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next)
        assigned_count += m->assignment_size > 0;
    for (uint32_t i = 0; i < sync->assignment_count; i++) {
        const struct live_member *m = live_member_find(g, sync->assignments[i].member_id);
        struct bytes wanted = sync->assignments[i].assignment;
        if (m == NULL || !bytes_is_equal(wanted, bytes_of(m->assignment, m->assignment_size)))
            return true;
        same_count += wanted.size > 0;
    }
    return sync->assignment_count > 0 && same_count < assigned_count;
}

/* ---- */

static int16_t check(const struct live_group *g, const struct group_sync *sync)
{
    if (sync->group_id.size <= 0)
        return KAFKA_ERROR_INVALID_GROUP_ID;
    if (g == NULL)
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    int16_t error_code = live_check_member(g, sync->member_id, sync->instance_id);
    if (error_code != KAFKA_ERROR_NONE)
        return error_code;
    if (sync->generation != g->generation)
        return KAFKA_ERROR_ILLEGAL_GENERATION;
    if (!kafka_string_is_null(sync->protocol_type) &&
        !kafka_string_is_equal(sync->protocol_type, g->protocol_type))
        return KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    if (!kafka_string_is_null(sync->protocol_name) &&
        !kafka_string_is_equal(sync->protocol_name, g->protocol_name))
        return KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL;
    if (g->state == GROUP_PREPARING)
        return KAFKA_ERROR_REBALANCE_IN_PROGRESS;
    return g->state == GROUP_EMPTY ? KAFKA_ERROR_UNKNOWN_MEMBER_ID : KAFKA_ERROR_NONE;
}

void group_sync_begin(struct group_set *s, struct group_sync *sync)
{
    struct live_group *g = live_group_find(s, sync->group_id);
    int16_t error_code = check(g, sync);
    if (error_code != KAFKA_ERROR_NONE) {
        live_sync_refuse(sync, error_code);
        return;
    }
    struct live_member *m = live_member_find(g, sync->member_id);
    if (g->state == GROUP_COMPLETING) {
        wait_for_assignment(g, m, sync);
        return;
    }
    if (m == g->leader && wants_another(g, sync)) {
        live_sync_refuse(sync, KAFKA_ERROR_REBALANCE_IN_PROGRESS);
        live_group_rebalance(g, &(struct group_cause){.act = "reassigned",
                                                      .member_id = m->id,
                                                      .reason = KAFKA_STRING_NULL});
        return;
    }
    m->has_synced = true;
    live_member_touch(m);
    answer(m, sync);
}
