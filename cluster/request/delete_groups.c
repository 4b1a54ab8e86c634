/* DeleteGroups: empty groups, with all their offsets. */
#include <stdlib.h>

#include "base/err.h"
#include "cluster/live_group.h"
#include "consumer/commit_wait.h"
#include "consumer/group_call.h"
#include "protocol/error.h"
#include "request/repeats.h"
#include "state/byte_list.h"

struct deletion {
    struct group_call call; /* first: the call is cast */
    struct delete_groups *all;
    struct kafka_delete_groups_response_group *answer;
};

struct delete_groups {
    struct request *request;
    struct kafka_delete_groups_response response;
    struct group_actor actor; /* for the history */
    unsigned pending;
};

static void on_deleted(void *data, int16_t error_code, struct bytes detail)
{
    (void)detail;
    struct deletion *d = data;
    group_call_done(&d->call, error_code);
}

/* That the last member has left may be on its way still: then the deletion comes behind it. */
static int16_t check(const struct deletion *d)
{
    const struct live_group *live = group_set_find(group_call_groups(&d->call),
                                                   d->answer->group_id);
    struct group_description seen = {.state = GROUP_EMPTY};
    struct consumer_group group;
    if (live != NULL)
        live_group_describe(live, &seen);
    if (seen.state != GROUP_EMPTY)
        return KAFKA_ERROR_NON_EMPTY_GROUP;
    return consumer_table_group(group_call_table(&d->call), d->answer->group_id, &group)
               ? KAFKA_ERROR_NONE
               : KAFKA_ERROR_GROUP_ID_NOT_FOUND;
}

static void run(struct group_call *call)
{
    struct deletion *d = (struct deletion *)call;
    struct byte_list body = {0};
    int16_t error_code = check(d);
    if (error_code == KAFKA_ERROR_NONE) {
        struct group_deletion deletion = {.actor = d->all->actor};
        group_delete_put(&body, d->answer->group_id, &deletion);
        if (body.is_failed)
            error_code = KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    }
    if (error_code != KAFKA_ERROR_NONE)
        group_call_done(call, error_code);
    else
        commit_wait_begin(call->group->coordinator, call->place.number,
                          bytes_of(body.data, body.size), on_deleted, d);
    free(body.data);
}

static void one_less(struct delete_groups *all)
{
    if (--all->pending == 0)
        request_answer(all->request, &all->response);
}

static void finish(struct group_call *call)
{
    struct deletion *d = (struct deletion *)call;
    d->answer->error_code = call->error_code;
    one_less(d->all);
}

void request_handle_delete_groups(struct request *r)
{
    const struct kafka_delete_groups_request *message = r->message;
    size_t count = (size_t)message->group_names_count;
    struct delete_groups *all = request_allocate(r, sizeof *all);
    struct deletion *deletions = request_array(r, count, sizeof *deletions);
    struct kafka_delete_groups_response_group *groups = request_array(r, count, sizeof *groups);
    const uint8_t *repeats = repeats_find(r, message->group_names, count);
    if (all == NULL || deletions == NULL || groups == NULL || repeats == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    kafka_delete_groups_response_init(&all->response);
    all->request = r;
    all->actor = group_actor_of(r);
    all->response.groups = groups;
    all->pending = 1; /* until all are handed out */
    for (size_t i = 0; i < count; i++) {
        if (repeats[i] == REPEAT_AGAIN)
            continue; /* as Kafka: deleted once, and so answered */
        struct kafka_delete_groups_response_group *answer = &groups[all->response.groups_count++];
        kafka_delete_groups_response_group_init(answer);
        answer->group_id = message->group_names[i];
        deletions[i].all = all;
        deletions[i].answer = answer;
        all->pending++;
        group_call_send(&deletions[i].call, r, answer->group_id, run, finish);
    }
    one_less(all);
}
