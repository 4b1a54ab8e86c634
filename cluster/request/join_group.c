/* JoinGroup: a member enters a consumer group, or says again what it can do.
 *
 * Answered when the group's next generation begins, which may take as long as its slowest
 * member's rebalance timeout. */
#include "cluster/live_group.h"
#include "consumer/group_call.h"
#include "protocol/error.h"

#define ARENA_BYTES                    (64u * 1024) /* of a refusal; an answer gets what the group may have */
#define VERSION_WITH_REBALANCE_TIMEOUT 1
#define VERSION_WITH_KNOWN_MEMBERS     4 /* KIP-394 */
#define VERSION_WITH_REASON            8 /* KIP-800 */
#define VERSION_WITH_SKIPPING          9 /* KIP-814 */

struct join_group {
    struct group_call call;
    struct group_join join;
    struct kafka_join_group_response response;
};

static void fill_members(struct join_group *j)
{
    struct kafka_join_group_response *response = &j->response;
    if (j->join.member_count == 0)
        return;
    response->members = kafka_arena_array(&j->join.arena, j->join.member_count,
                                          sizeof *response->members);
    if (response->members == NULL) {
        response->error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
        return;
    }
    response->members_count = (int32_t)j->join.member_count;
    for (uint32_t i = 0; i < j->join.member_count; i++) {
        kafka_join_group_response_member_init(&response->members[i]);
        response->members[i].member_id = j->join.members[i].member_id;
        response->members[i].group_instance_id = j->join.members[i].instance_id;
        response->members[i].metadata = j->join.members[i].metadata;
    }
}

/* Protocol name "" where there is none: null is allowed from version 7 on only. */
static struct kafka_string name_in_version(const struct request *r, struct kafka_string name)
{
    return kafka_string_is_null(name) && r->header.api_version < 7 ? kafka_string_of("") : name;
}

static void finish(struct group_call *call)
{
    struct join_group *j = (struct join_group *)call;
    struct kafka_join_group_response *response = &j->response;
    response->error_code = call->error_code;
    response->generation_id = j->join.generation;
    response->protocol_type = j->join.answer_protocol_type;
    response->protocol_name = name_in_version(call->request, j->join.protocol_name);
    response->leader = j->join.leader;
    response->member_id = j->join.answer_member_id;
    response->skip_assignment = j->join.skip_assignment;
    fill_members(j);
    request_answer(call->request, response);
    kafka_arena_close(&j->join.arena);
}

static void on_joined(struct group_join *join)
{
    struct join_group *j = join->data;
    group_call_done(&j->call, join->error_code);
}

static void run(struct group_call *call)
{
    struct join_group *j = (struct join_group *)call;
    j->join.partition_number = call->place.number;
    group_join_begin(group_call_groups(call), &j->join);
}

static bool take_protocols(struct request *r, struct group_join *join)
{
    const struct kafka_join_group_request *message = r->message;
    struct group_protocol *protocols = request_array(r, (size_t)message->protocols_count,
                                                     sizeof *protocols);
    if (protocols == NULL)
        return false;
    for (int32_t i = 0; i < message->protocols_count; i++) {
        protocols[i].name = message->protocols[i].name;
        protocols[i].metadata = message->protocols[i].metadata;
    }
    join->protocols = protocols;
    join->protocol_count = (uint32_t)message->protocols_count;
    return true;
}

void request_handle_join_group(struct request *r)
{
    const struct kafka_join_group_request *message = r->message;
    struct join_group *j = request_allocate(r, sizeof *j);
    if (j == NULL || !take_protocols(r, &j->join)) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    int16_t version = r->header.api_version;
    j->join.data = j;
    j->join.done = on_joined;
    j->join.group_id = message->group_id;
    j->join.member_id = message->member_id;
    j->join.instance_id = version >= 5 ? message->group_instance_id : KAFKA_STRING_NULL;
    j->join.client_id = group_client_id(r);
    j->join.client_host = group_client_host(r);
    j->join.protocol_type = message->protocol_type;
    j->join.session_timeout_ms = message->session_timeout_ms;
    j->join.rebalance_timeout_ms = version >= VERSION_WITH_REBALANCE_TIMEOUT
                                       ? message->rebalance_timeout_ms
                                       : -1;
    j->join.needs_member_id = version >= VERSION_WITH_KNOWN_MEMBERS;
    j->join.may_skip_assignment = version >= VERSION_WITH_SKIPPING;
    j->join.reason = version >= VERSION_WITH_REASON ? message->reason : KAFKA_STRING_NULL;
    j->join.generation = -1; /* what is answered when no coordinator takes it */
    j->join.answer_member_id = message->member_id;
    j->join.leader = kafka_string_of("");
    j->join.answer_protocol_type = j->join.protocol_name = KAFKA_STRING_NULL;
    kafka_arena_init(&j->join.arena, ARENA_BYTES);
    kafka_join_group_response_init(&j->response);
    group_call_send_member(&j->call, r, message->group_id, run, finish);
}
