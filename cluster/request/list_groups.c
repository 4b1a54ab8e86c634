/* ListGroups: the consumer groups that this node coordinates; tools ask every node. */
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "cluster/live_group.h"
#include "consumer/group_call.h"
#include "protocol/error.h"
#include "site/try.h"

#define ARENA_BYTES_MAX     (64u << 20)
#define VERSION_WITH_STATES 4

/* One raft group's part of the answer. */
struct part {
    struct group_call call; /* first: the call is cast */
    struct list_groups *all;
    struct kafka_arena arena; /* parts are made on several shards */
    struct kafka_list_groups_response_group *groups;
    size_t count, room;
    bool is_short; /* the arena is at its limit */
};

struct list_groups {
    struct request *request;
    unsigned pending;
    unsigned part_count;
    struct part *parts;
};

/* ---- on the raft group's shard ---- */

static struct kafka_string copy_text(struct part *p, struct kafka_string from)
{
    if (from.size <= 0)
        return kafka_string_of("");
    char *data = kafka_arena_allocate(&p->arena, (size_t)from.size);
    if (data == NULL) {
        p->is_short = true;
        return kafka_string_of("");
    }
    memcpy(data, from.data, (size_t)from.size);
    return (struct kafka_string){.data = data, .size = from.size};
}

/* Kafka compares without regard to case. */
static bool is_asked_for(const struct request *r, const char *state)
{
    const struct kafka_list_groups_request *message = r->message;
    if (r->header.api_version < VERSION_WITH_STATES || message->states_filter_count == 0)
        return true;
    for (int32_t i = 0; i < message->states_filter_count; i++) {
        struct kafka_string asked = message->states_filter[i];
        if ((size_t)asked.size == strlen(state) &&
            strncasecmp(asked.data, state, (size_t)asked.size) == 0)
            return true;
    }
    return false;
}

static void add(void *data, const struct consumer_group *group)
{
    struct part *p = data;
    if (site_is_canarys(group->group_id.data, (size_t)group->group_id.size))
        return; /* of no application */
    const struct live_group *live = group_set_find(group_call_groups(&p->call), group->group_id);
    struct group_description description = {.state = GROUP_EMPTY,
                                            .protocol_type = group->membership.protocol_type};
    if (live != NULL)
        live_group_describe(live, &description);
    const char *state = group_state_name(description.state);
    if (p->count == p->room || !is_asked_for(p->call.request, state))
        return;
    struct kafka_list_groups_response_group *into = &p->groups[p->count++];
    kafka_list_groups_response_group_init(into);
    into->group_id = copy_text(p, group->group_id);
    into->protocol_type = copy_text(p, description.protocol_type);
    into->group_state = kafka_string_of(state);
}

static void count_one(void *data, const struct consumer_group *group)
{
    struct part *p = data;
    (void)group;
    p->room++;
}

static void count_partition(void *data, struct partition *partition)
{
    if (partition->consumers != NULL)
        consumer_table_each_group(partition->consumers, count_one, data);
}

static void add_partition(void *data, struct partition *partition)
{
    if (partition->consumers != NULL)
        consumer_table_each_group(partition->consumers, add, data);
}

static void run(struct group_call *call)
{
    struct part *p = (struct part *)call;
    machine_each_partition(call->group->machine, count_partition, p);
    if (p->room > 0)
        p->groups = kafka_arena_array(&p->arena, p->room, sizeof *p->groups);
    if (p->room > 0 && p->groups == NULL)
        p->is_short = true;
    else
        machine_each_partition(call->group->machine, add_partition, p);
    group_call_done(call, p->is_short ? KAFKA_ERROR_UNKNOWN_SERVER_ERROR : KAFKA_ERROR_NONE);
}

/* ---- on the connection's shard ---- */

/* A raft group that is led elsewhere is none of this node's; one that is not ready is. */
static int16_t error_of(const struct part *p)
{
    return p->call.error_code == KAFKA_ERROR_NOT_COORDINATOR ? KAFKA_ERROR_NONE
                                                             : p->call.error_code;
}

static void answer(struct list_groups *all)
{
    struct kafka_list_groups_response response;
    struct kafka_arena *arena = &all->parts[0].arena; /* there is always group 0 */
    size_t count = 0;
    kafka_list_groups_response_init(&response);
    for (unsigned i = 0; i < all->part_count; i++) {
        count += all->parts[i].count;
        if (error_of(&all->parts[i]) != KAFKA_ERROR_NONE)
            response.error_code = error_of(&all->parts[i]);
    }
    if (count > 0)
        response.groups = kafka_arena_array(arena, count, sizeof *response.groups);
    if (count > 0 && response.groups == NULL)
        response.error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    for (unsigned i = 0; i < all->part_count && response.error_code == KAFKA_ERROR_NONE; i++)
        for (size_t g = 0; g < all->parts[i].count; g++)
            response.groups[response.groups_count++] = all->parts[i].groups[g];
    request_answer(all->request, &response);
    for (unsigned i = 0; i < all->part_count; i++)
        kafka_arena_close(&all->parts[i].arena);
}

static void one_less(struct list_groups *all)
{
    if (--all->pending == 0)
        answer(all);
}

static void finish(struct group_call *call)
{
    one_less(((struct part *)call)->all);
}

void request_handle_list_groups(struct request *r)
{
    struct list_groups *all = request_allocate(r, sizeof *all);
    unsigned count = r->broker->group_count;
    struct part *parts = request_array(r, count, sizeof *parts);
    if (all == NULL || parts == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    *all = (struct list_groups){.request = r, .pending = 1, .part_count = count, .parts = parts};
    for (unsigned i = 0; i < all->part_count; i++) {
        parts[i].all = all;
        kafka_arena_init(&parts[i].arena, ARENA_BYTES_MAX);
        all->pending++;
        group_call_send_to(&parts[i].call, r, r->broker->groups[i], run, finish);
    }
    one_less(all);
}
