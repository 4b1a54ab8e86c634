/* LeaveGroup: members go, one (versions 0 to 2) or several at once (KIP-345). From version 5
 * on they say why (KIP-800). */
#include "cluster/live_group.h"
#include "consumer/group_call.h"
#include "protocol/error.h"

#define VERSION_WITH_MEMBERS 3
#define VERSION_WITH_REASON  5

struct leave_group {
    struct group_call call;
    struct kafka_leave_group_response response;
};

static void finish(struct group_call *call)
{
    struct leave_group *l = (struct leave_group *)call;
    l->response.error_code = call->error_code;
    if (call->error_code != KAFKA_ERROR_NONE)
        l->response.members_count = 0;
    request_answer(call->request, &l->response);
}

static void run_one(struct group_call *call)
{
    const struct kafka_leave_group_request *message = call->request->message;
    group_call_done(call, group_leave(group_call_groups(call), message->group_id,
                                      message->member_id, KAFKA_STRING_NULL, KAFKA_STRING_NULL));
}

static void run_several(struct group_call *call)
{
    struct leave_group *l = (struct leave_group *)call;
    const struct kafka_leave_group_request *message = call->request->message;
    bool has_reason = call->request->header.api_version >= VERSION_WITH_REASON;
    for (int32_t i = 0; i < message->members_count; i++)
        l->response.members[i].error_code = group_leave(
            group_call_groups(call), message->group_id, message->members[i].member_id,
            message->members[i].group_instance_id,
            has_reason ? message->members[i].reason : KAFKA_STRING_NULL);
    group_call_done(call, KAFKA_ERROR_NONE);
}

static bool prepare(struct request *r, struct leave_group *l)
{
    const struct kafka_leave_group_request *message = r->message;
    kafka_leave_group_response_init(&l->response);
    l->response.members = request_array(r, (size_t)message->members_count,
                                        sizeof *l->response.members);
    if (l->response.members == NULL)
        return false;
    l->response.members_count = message->members_count;
    for (int32_t i = 0; i < message->members_count; i++) {
        kafka_leave_group_response_member_init(&l->response.members[i]);
        l->response.members[i].member_id = message->members[i].member_id;
        l->response.members[i].group_instance_id = message->members[i].group_instance_id;
    }
    return true;
}

void request_handle_leave_group(struct request *r)
{
    const struct kafka_leave_group_request *message = r->message;
    struct leave_group *l = request_allocate(r, sizeof *l);
    if (l == NULL || !prepare(r, l))
        request_close_connection(r, "its answer needs too much memory");
    else
        group_call_send_member(
            &l->call, r, message->group_id,
            r->header.api_version >= VERSION_WITH_MEMBERS ? run_several : run_one, finish);
}
