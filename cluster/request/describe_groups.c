/* DescribeGroups: state and members of consumer groups, after a read index. */
#include <string.h>

#include "base/err.h"
#include "cluster/live_group.h"
#include "consumer/group_call.h"
#include "protocol/error.h"
#include "request/operations.h"

#define ARENA_BYTES_MAX (64u << 20)

struct description {
    struct group_call call; /* first: the call is cast */
    struct describe_groups *all;
    struct kafka_string group_id;
    struct kafka_describe_groups_response_group *answer;
    struct kafka_arena arena; /* groups are looked up on several shards */
    bool is_short;            /* the arena is at its limit */
};

struct describe_groups {
    struct request *request;
    struct kafka_describe_groups_response response;
    unsigned pending;
    struct description *descriptions;
};

/* ---- on the coordinator's shard ---- */

static struct bytes copy(struct description *d, struct bytes from)
{
    if (from.size == 0)
        return KAFKA_BYTES_EMPTY;
    uint8_t *data = kafka_arena_allocate(&d->arena, from.size);
    if (data == NULL) {
        d->is_short = true;
        return KAFKA_BYTES_EMPTY;
    }
    memcpy(data, from.data, from.size);
    return bytes_of(data, from.size);
}

static struct kafka_string copy_text(struct description *d, struct kafka_string from)
{
    struct bytes copied = copy(d, kafka_string_bytes(from));
    return (struct kafka_string){.data = (const char *)copied.data, .size = (int32_t)copied.size};
}

static void add_member(void *data, const struct group_member_description *member)
{
    struct description *d = data;
    struct kafka_describe_groups_response_member *into =
        &d->answer->members[d->answer->members_count++];
    kafka_describe_groups_response_member_init(into);
    into->member_id = copy_text(d, member->member_id);
    into->group_instance_id = kafka_string_is_null(member->instance_id)
                                  ? KAFKA_STRING_NULL
                                  : copy_text(d, member->instance_id);
    into->client_id = copy_text(d, member->client_id);
    into->client_host = copy_text(d, member->client_host);
    into->member_metadata = copy(d, member->metadata);
    into->member_assignment = copy(d, member->assignment);
}

static void describe_live(struct description *d, const struct live_group *g)
{
    struct group_description group;
    live_group_describe(g, &group);
    d->answer->group_state = kafka_string_of(group_state_name(group.state));
    d->answer->protocol_type = copy_text(d, group.protocol_type);
    if (group.state == GROUP_STABLE)
        d->answer->protocol_data = copy_text(d, group.protocol_name);
    if (group.member_count == 0)
        return;
    d->answer->members = kafka_arena_array(&d->arena, group.member_count,
                                           sizeof *d->answer->members);
    if (d->answer->members == NULL)
        d->is_short = true;
    else
        live_group_each_member(g, add_member, d);
}

/* A group that is known by its table alone has no members; an unknown one is dead. */
static void describe_empty(struct description *d, const struct consumer_table *table)
{
    struct consumer_group group;
    if (!consumer_table_group(table, d->group_id, &group)) {
        d->answer->group_state = kafka_string_of("Dead");
        return;
    }
    d->answer->group_state = kafka_string_of(group_state_name(GROUP_EMPTY));
    if (group.has_membership)
        d->answer->protocol_type = copy_text(d, group.membership.protocol_type);
}

static void run(struct group_call *call)
{
    struct description *d = (struct description *)call;
    const struct live_group *g = group_set_find(group_call_groups(call), d->group_id);
    if (g != NULL)
        describe_live(d, g);
    else
        describe_empty(d, group_call_table(call));
    group_call_done(call, d->is_short ? KAFKA_ERROR_UNKNOWN_SERVER_ERROR : KAFKA_ERROR_NONE);
}

/* ---- on the connection's shard ---- */

static void begin_answer(struct kafka_describe_groups_response_group *answer,
                         struct kafka_string group_id, bool wants_operations)
{
    kafka_describe_groups_response_group_init(answer);
    answer->group_id = group_id;
    answer->authorized_operations = wants_operations ? OPERATIONS_ON_GROUP : OPERATIONS_NOT_ASKED;
    answer->group_state = answer->protocol_type = answer->protocol_data = kafka_string_of("");
}

static void one_less(struct describe_groups *all)
{
    if (--all->pending > 0)
        return;
    int32_t count = all->response.groups_count;
    request_answer(all->request, &all->response);
    for (int32_t i = 0; i < count; i++)
        kafka_arena_close(&all->descriptions[i].arena);
}

static void finish(struct group_call *call)
{
    struct description *d = (struct description *)call;
    if (call->error_code != KAFKA_ERROR_NONE)
        begin_answer(d->answer, d->group_id, false);
    d->answer->error_code = call->error_code;
    one_less(d->all);
}

void request_handle_describe_groups(struct request *r)
{
    const struct kafka_describe_groups_request *message = r->message;
    size_t count = (size_t)message->groups_count;
    struct describe_groups *all = request_allocate(r, sizeof *all);
    struct description *descriptions = request_array(r, count, sizeof *descriptions);
    struct kafka_describe_groups_response_group *groups = request_array(r, count, sizeof *groups);
    if (all == NULL || descriptions == NULL || groups == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    kafka_describe_groups_response_init(&all->response);
    all->request = r;
    all->descriptions = descriptions;
    all->response.groups = groups;
    all->response.groups_count = message->groups_count;
    all->pending = 1; /* until all are handed out */
    for (size_t i = 0; i < count; i++) {
        struct description *d = &descriptions[i];
        d->all = all;
        d->group_id = message->groups[i];
        d->answer = &groups[i];
        begin_answer(d->answer, d->group_id, message->include_authorized_operations);
        kafka_arena_init(&d->arena, ARENA_BYTES_MAX);
        all->pending++;
        group_call_send_fresh(&d->call, r, d->group_id, run, finish);
    }
    one_less(all);
}
