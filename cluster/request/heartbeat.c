/* Heartbeat: a member lives; it is told when the group gathers anew. */
#include "cluster/live_group.h"
#include "consumer/group_call.h"
#include "protocol/error.h"

#define VERSION_WITH_INSTANCES 3

static void finish(struct group_call *call)
{
    struct kafka_heartbeat_response response;
    kafka_heartbeat_response_init(&response);
    response.error_code = call->error_code;
    if (call->error_code == KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS)
        response.error_code = KAFKA_ERROR_NONE; /* as with Kafka: its session begins anew anyway */
    request_answer(call->request, &response);
}

static void run(struct group_call *call)
{
    const struct kafka_heartbeat_request *message = call->request->message;
    struct kafka_string instance_id = call->request->header.api_version >= VERSION_WITH_INSTANCES
                                          ? message->group_instance_id
                                          : KAFKA_STRING_NULL;
    (void)group_call_hear(call, message->group_id, message->member_id);
    group_call_done(call, group_heartbeat(group_call_groups(call), message->group_id,
                                          message->generation_id, message->member_id, instance_id));
}

void request_handle_heartbeat(struct request *r)
{
    const struct kafka_heartbeat_request *message = r->message;
    struct group_call *call = request_allocate(r, sizeof *call);
    if (call == NULL)
        request_close_connection(r, "its answer needs too much memory");
    else
        group_call_send_member(call, r, message->group_id, run, finish);
}
