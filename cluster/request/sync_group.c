/* SyncGroup: the leader brings the assignment, everyone gets theirs once it is durable. */
#include "cluster/live_group.h"
#include "consumer/group_call.h"
#include "protocol/error.h"

#define ARENA_BYTES            (64u * 1024)
#define VERSION_WITH_INSTANCES 3
#define VERSION_WITH_PROTOCOL  5 /* KIP-559 */

struct sync_group {
    struct group_call call;
    struct group_sync sync;
    struct kafka_sync_group_response response;
};

/* A member that asks while the coordinator is being loaded joins again (as with Kafka: older
 * clients know no other way back). */
static int16_t answer_code(int16_t error_code)
{
    return error_code == KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS
               ? KAFKA_ERROR_REBALANCE_IN_PROGRESS
               : error_code;
}

static void finish(struct group_call *call)
{
    struct sync_group *s = (struct sync_group *)call;
    s->response.error_code = answer_code(call->error_code);
    s->response.protocol_type = s->sync.answer_protocol_type;
    s->response.protocol_name = s->sync.answer_protocol_name;
    s->response.assignment = s->sync.assignment;
    request_answer(call->request, &s->response);
    kafka_arena_close(&s->sync.arena);
}

static void on_synced(struct group_sync *sync)
{
    struct sync_group *s = sync->data;
    group_call_done(&s->call, sync->error_code);
}

/* From version 5 on a member says what it believes was chosen. */
static bool is_protocol_missing(const struct request *r)
{
    const struct kafka_sync_group_request *message = r->message;
    return r->header.api_version >= VERSION_WITH_PROTOCOL &&
           (kafka_string_is_null(message->protocol_type) ||
            kafka_string_is_null(message->protocol_name));
}

static void run(struct group_call *call)
{
    struct sync_group *s = (struct sync_group *)call;
    if (is_protocol_missing(call->request)) {
        group_call_done(call, KAFKA_ERROR_INCONSISTENT_GROUP_PROTOCOL);
        return;
    }
    group_sync_begin(group_call_groups(call), &s->sync);
}

static bool take_assignments(struct request *r, struct group_sync *sync)
{
    const struct kafka_sync_group_request *message = r->message;
    struct group_assignment *assignments = request_array(r, (size_t)message->assignments_count,
                                                         sizeof *assignments);
    if (assignments == NULL)
        return false;
    for (int32_t i = 0; i < message->assignments_count; i++) {
        assignments[i].member_id = message->assignments[i].member_id;
        assignments[i].assignment = message->assignments[i].assignment;
    }
    sync->assignments = assignments;
    sync->assignment_count = (uint32_t)message->assignments_count;
    return true;
}

void request_handle_sync_group(struct request *r)
{
    const struct kafka_sync_group_request *message = r->message;
    struct sync_group *s = request_allocate(r, sizeof *s);
    if (s == NULL || !take_assignments(r, &s->sync)) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    int16_t version = r->header.api_version;
    bool has_protocol = version >= VERSION_WITH_PROTOCOL;
    s->sync.data = s;
    s->sync.done = on_synced;
    s->sync.group_id = message->group_id;
    s->sync.generation = message->generation_id;
    s->sync.member_id = message->member_id;
    s->sync.instance_id = version >= VERSION_WITH_INSTANCES ? message->group_instance_id
                                                            : KAFKA_STRING_NULL;
    s->sync.protocol_type = has_protocol ? message->protocol_type : KAFKA_STRING_NULL;
    s->sync.protocol_name = has_protocol ? message->protocol_name : KAFKA_STRING_NULL;
    s->sync.answer_protocol_type = s->sync.answer_protocol_name = KAFKA_STRING_NULL;
    kafka_arena_init(&s->sync.arena, ARENA_BYTES);
    kafka_sync_group_response_init(&s->response);
    group_call_send_member(&s->call, r, message->group_id, run, finish);
}
