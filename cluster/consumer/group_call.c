/* There and back. A coordinator that is not here, or not ready, answers by itself. One whose
 * partition is about to be opened, as right after the topic was made, is asked again for a while:
 * who comes first has been waiting for just that. */
#include "consumer/group_call.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "consumer/coordinator_parts.h"
#include "protocol/error.h"

#define HOST_SIZE        80  /* of an address as text */
#define OPENING_MS_MAX   500 /* so long a call waits for its partition */
#define OPENING_PAUSE_MS 10  /* between two looks */

static void dispatch(struct group_call *call);

static void on_pause_over(struct request_deadline *pause)
{
    dispatch(pause->data);
}

static void on_back(struct work_item *item)
{
    struct group_call *call = item->data;
    uint64_t now_ms = clock_now_ms(&call->request->broker->clock);
    if (!call->is_opening || now_ms >= call->opening_until_ms) {
        call->finish(call);
        return;
    }
    call->is_opening = false;
    request_deadline_start(call->request, &call->pause, now_ms + OPENING_PAUSE_MS, on_pause_over);
}

void group_call_done(struct group_call *call, int16_t error_code)
{
    call->error_code = error_code;
    request_post_back(call->request, &call->item, on_back);
}

static int16_t check(struct group_call *call)
{
    const struct broker_group *g = call->group;
    if (!machine_is_ready(g->machine))
        return repl_group_is_elected(g->raft) ? KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS
                                              : KAFKA_ERROR_NOT_COORDINATOR;
    call->is_opening = call->place.number != 0 && group_call_table(call) == NULL;
    return call->is_opening ? KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS : KAFKA_ERROR_NONE;
}

static void run_if_ready(struct group_call *call)
{
    int16_t error_code = check(call);
    if (error_code != KAFKA_ERROR_NONE)
        group_call_done(call, error_code);
    else
        call->run(call);
}

static void on_fresh(struct repl_read *read, int status)
{
    struct group_call *call = read->data;
    if (status != 0)
        group_call_done(call, group_error_of(status == ERR_TIMEOUT ? ERR_NOT_LEADER : status));
    else
        run_if_ready(call);
}

static void on_there(struct work_item *item)
{
    struct group_call *call = item->data;
    int16_t error_code = check(call);
    if (error_code != KAFKA_ERROR_NONE || !call->is_fresh) {
        run_if_ready(call);
        return;
    }
    call->read.data = call;
    int err = repl_group_read(call->group->raft, &call->read, on_fresh);
    if (err != 0)
        group_call_done(call, group_error_of(err));
}

static void dispatch(struct group_call *call)
{
    if (call->group == NULL)
        request_post_back(call->request, &call->item, on_back);
    else
        broker_group_post(call->group, &call->item, on_there);
}

static void begin(struct group_call *call, struct request *r, group_call_cb run,
                  group_call_cb finish)
{
    call->request = r;
    call->run = run;
    call->finish = finish;
    call->item.data = call->pause.data = call;
    call->opening_until_ms = clock_now_ms(&r->broker->clock) + OPENING_MS_MAX;
    dispatch(call);
}

static void find_place(struct group_call *call, struct request *r, struct kafka_string group_id)
{
    call->group = NULL;
    call->error_code = KAFKA_ERROR_INVALID_GROUP_ID;
    if (group_id.size < (call->is_of_member ? 1 : 0) || group_id.size > CONSUMER_GROUP_ID_SIZE_MAX)
        return;
    call->error_code = KAFKA_ERROR_NOT_COORDINATOR;
    if (coordinator_place(r->broker, group_id.data, (size_t)group_id.size, &call->place) == 0)
        call->group = broker_group(r->broker, call->place.group_id);
}

void group_call_send(struct group_call *call, struct request *r, struct kafka_string group_id,
                     group_call_cb run, group_call_cb finish)
{
    find_place(call, r, group_id);
    begin(call, r, run, finish);
}

void group_call_send_member(struct group_call *call, struct request *r,
                            struct kafka_string group_id, group_call_cb run, group_call_cb finish)
{
    call->is_of_member = true;
    group_call_send(call, r, group_id, run, finish);
}

void group_call_send_fresh(struct group_call *call, struct request *r, struct kafka_string group_id,
                           group_call_cb run, group_call_cb finish)
{
    call->is_fresh = true;
    group_call_send(call, r, group_id, run, finish);
}

void group_call_send_to(struct group_call *call, struct request *r, struct broker_group *g,
                        group_call_cb run, group_call_cb finish)
{
    call->group = g;
    call->place.number = 0;
    begin(call, r, run, finish);
}

const struct consumer_table *group_call_table(const struct group_call *call)
{
    return coordinator_table(call->group->coordinator, call->place.number);
}

struct group_set *group_call_groups(const struct group_call *call)
{
    return call->group->coordinator->groups;
}

struct group_way group_call_way(const struct group_call *call)
{
    const struct request_context *from = &call->request->context;
    return (struct group_way){
        .router = from->router_id, .number = from->client_number, .since = from->client_since};
}

bool group_call_hear(const struct group_call *call, struct kafka_string group_id,
                     struct kafka_string member_id)
{
    struct group_way way = group_call_way(call);
    bool is_heard = group_hear(group_call_groups(call), group_id, member_id, &way);
    if (!is_heard) /* so that the client's next connection, if there is one, is newer than all */
        atomic_fetch_add(&call->request->broker->connection_number, 1);
    return is_heard;
}

int16_t group_error_of(int err)
{
    switch (err) {
    case 0:
        return KAFKA_ERROR_NONE;
    case ERR_NOT_LEADER:
    case ERR_LEADERSHIP_LOST:
    case ERR_CLOSED:
        return KAFKA_ERROR_NOT_COORDINATOR;
    case ERR_BUSY:
        return KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS; /* the same coordinator, a little later */
    case ERR_TIMEOUT:
        return KAFKA_ERROR_REQUEST_TIMED_OUT;
    case ERR_NOT_FOUND:
        return KAFKA_ERROR_GROUP_ID_NOT_FOUND;
    case ERR_GROUP_GENERATION:
        return KAFKA_ERROR_ILLEGAL_GENERATION;
    case ERR_GROUP_MEMBER:
        return KAFKA_ERROR_UNKNOWN_MEMBER_ID;
    case ERR_GROUP_NOT_EMPTY:
        return KAFKA_ERROR_NON_EMPTY_GROUP;
    case ERR_TOO_LARGE:
    case ERR_FULL:
        return KAFKA_ERROR_INVALID_COMMIT_OFFSET_SIZE;
    default:
        return KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
}

struct kafka_string group_client_host(struct request *r)
{
    char *text = request_allocate(r, HOST_SIZE);
    if (text == NULL)
        return kafka_string_of("");
    snprintf(text, HOST_SIZE, "/%s", r->context.address);
    return kafka_string_of(text);
}

struct kafka_string group_client_id(const struct request *r)
{
    struct kafka_string id = r->context.client_id;
    return kafka_string_is_null(id) ? kafka_string_of("") : id;
}

struct group_actor group_actor_of(struct request *r)
{
    return (struct group_actor){.client_id = group_client_id(r),
                                .client_host = group_client_host(r)};
}
