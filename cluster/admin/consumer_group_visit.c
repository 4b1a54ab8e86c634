/* It is bounded as other surveys are: so many at a time, and so long; a visit that comes back to a
 * call which has been answered only goes. */
#include "admin/consumer_group_visit.h"

#include <stdlib.h>
#include <string.h>

#include "admin/survey.h"
#include "base/err.h"
#include "consumer/coordinator.h"

static void free_when_over(struct group_visit *v)
{
    if (!v->is_back || !v->is_timer_closed)
        return;
    v->admin->survey_count--;
    json_decref(v->json);
    free((char *)(uintptr_t)v->group_id);
    free(v);
}

static void on_timer_closed(uv_handle_t *handle)
{
    struct group_visit *v = handle->data;
    v->is_timer_closed = true;
    free_when_over(v);
}

static void end_call(struct group_visit *v)
{
    v->call = NULL;
    uv_close((uv_handle_t *)&v->timer, on_timer_closed);
}

static void on_abandoned(struct admin_call *call)
{
    end_call(call->data);
}

static void on_timeout(uv_timer_t *timer)
{
    struct group_visit *v = timer->data;
    call_refuse_err(v->call, ERR_BUSY, "the thread that keeps the group gives no answer");
    end_call(v);
}

static void on_back(struct work_item *item)
{
    struct group_visit *v = item->data;
    v->is_back = true;
    if (v->call == NULL) {
        free_when_over(v);
        return;
    }
    call_answer_json(v->call, MHD_HTTP_OK, json_incref(v->json));
    end_call(v);
}

static void on_shard(struct work_item *item)
{
    struct group_visit *v = item->data;
    const struct partition *p = machine_partition(v->group->machine, v->place.number);
    v->json = v->look(v, p == NULL ? NULL : p->consumers);
    shard_post(v->call_shard, &v->item, on_back);
}

bool group_visit_allows(struct admin_call *call, const char *group_id)
{
    if (strlen(group_id) <= CONSUMER_GROUP_ID_SIZE_MAX)
        return true;
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field", "a group's id has at most %d bytes",
                CONSUMER_GROUP_ID_SIZE_MAX);
    return false;
}

/* Of a cluster where no client ever looked for a group: no replica is there to visit. */
static void answer_of_none(struct admin_call *call, const char *group_id, group_visit_cb look,
                           int wanted)
{
    struct group_visit v = {
        .broker = call->broker, .group_id = group_id, .look = look, .wanted = wanted};
    call_answer_json(call, MHD_HTTP_OK, look(&v, NULL));
}

static void begin_visit(struct group_visit *v, struct admin_call *call)
{
    v->admin = call->admin;
    v->call = call;
    v->call_shard = call->admin->shard;
    v->broker = call->broker;
    v->item.data = v;
    v->timer.data = v;
    call->data = v;
    call->on_abandoned = on_abandoned;
    call->admin->survey_count++;
    uv_timer_init(shard_loop(call->admin->shard), &v->timer);
    uv_timer_start(&v->timer, on_timeout, SURVEY_MS_MAX, 0);
    broker_group_post(v->group, &v->item, on_shard);
}

void group_visit(struct admin_call *call, const char *group_id, group_visit_cb look, int wanted)
{
    struct broker_place place;
    if (!group_visit_allows(call, group_id))
        return;
    if (coordinator_place(call->broker, group_id, strlen(group_id), &place) != 0) {
        answer_of_none(call, group_id, look, wanted);
        return;
    }
    struct broker_group *group = broker_group(call->broker, place.group_id);
    if (group == NULL || call->admin->survey_count >= SURVEYS_MAX) {
        call_refuse(call, MHD_HTTP_SERVICE_UNAVAILABLE, "busy",
                    group == NULL ? "this node keeps no replica of the group: ask another one"
                                  : "too many requests wait for this node's threads");
        return;
    }
    struct group_visit *v = calloc(1, sizeof *v);
    char *copy = strdup(group_id);
    if (v == NULL || copy == NULL) {
        free(v);
        free(copy);
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    v->group = group;
    v->place = place;
    v->group_id = copy;
    v->look = look;
    v->wanted = wanted;
    begin_visit(v, call);
}

void group_visit_asked(struct admin_call *call, group_visit_cb look)
{
    static const char *const allowed[] = {"group"};
    const char *group_id;
    if (call_allows_query(call, allowed, 1) && call_query_text(call, "group", &group_id))
        group_visit(call, group_id, look, 0);
}

int64_t group_visit_as_of_ms(const struct group_visit *v)
{
    return v->group == NULL ? clock_wall_ms(&v->broker->clock) : machine_wall_ms(v->group->machine);
}

json_t *group_visit_head(const struct group_visit *v)
{
    bool is_coordinator = v->group != NULL && machine_is_ready(v->group->machine);
    return json_pack("{s:s, s:i, s:b, s:I}", "group", v->group_id, "node_id",
                     (int)v->broker->conf.node_id, "is_coordinator", is_coordinator ? 1 : 0,
                     "as_of_ms", (json_int_t)group_visit_as_of_ms(v));
}
