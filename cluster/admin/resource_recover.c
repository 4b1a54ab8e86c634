/* GET /v1/recover, POST /v1/recover/begin: a forced recovery on this node, planned or begun.
 *
 * Where group 0 has lost its majority it asks nobody: it is given to each node of the site that
 * survives, and each does it for its own replicas. Where group 0 lives, and other groups have lost
 * theirs, it is a change of group 0's, so that all hear of it and it survives whoever was asked.
 * What is known to be lost must be said back as the plan said it, and that the lost sites are off:
 * a program that only knows the path loses nothing. */
#include <stdlib.h>
#include <string.h>

#include "admin/recover_plan.h"
#include "admin/route.h"
#include "base/err.h"
#include "base/event.h"
#include "controller.h"
#include "membership/recovered.h"
#include "membership/recovery_outcome.h"

#define GROUP_0_MS_MAX 10000

/* ---- the plan ---- */

static struct recover_plan *make_plan(const struct survey *survey, const char *survivor,
                                      const json_t *wanted)
{
    struct recover_plan *plan = calloc(1, sizeof *plan);
    if (plan == NULL)
        return NULL;
    plan->broker = survey->broker;
    plan->survey = survey;
    plan->look = survey->look.data;
    plan->survivor = survivor;
    recover_look_sort(survey->look.data); /* no shard writes there any more */
    recover_plan_make(plan, wanted);
    return plan;
}

static void start(struct admin_call *call, survey_cb cb)
{
    struct recover_look *look = recover_look_create(call->broker->shard_count);
    if (look == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    struct survey_look further = recover_look_of(look);
    survey_start_with(call, cb, &further);
}

/* A thread that stands still may be the one with what is to be known. */
static bool is_whole(struct admin_call *call, const struct survey *survey)
{
    if (!survey_has_all(survey))
        call_refuse_err(call, ERR_BUSY, "a thread of this node does not answer");
    return survey_has_all(survey);
}

static void on_plan(struct admin_call *call, const struct survey *survey)
{
    if (!is_whole(call, survey))
        return;
    struct recover_plan *plan = make_plan(survey, call_query(call, "survivor"), NULL);
    call_answer_json(call, MHD_HTTP_OK, plan == NULL ? NULL : recover_plan_json(plan));
    free(plan);
}

void resource_recover_plan(struct admin_call *call)
{
    static const char *const names[] = {"survivor"};
    const char *survivor;
    if (call_allows_query(call, names, 1) && call_query_text(call, "survivor", &survivor))
        start(call, on_plan);
}

/* ---- beginning ---- */

struct beginning {
    struct work_item item;
    struct admin_call *call; /* NULL once somebody else answered it */
    struct shard *call_shard;
    struct broker *broker;
    struct recovery_order order;
    json_t *answer; /* owned */
    int err;
};

static void on_begun(struct work_item *item)
{
    struct beginning *begin = item->data;
    struct admin_call *call = begin->call;
    if (call != NULL && begin->err == 0)
        call_answer_json(call, MHD_HTTP_ACCEPTED, json_incref(begin->answer));
    else if (call != NULL)
        call_refuse_err(call, begin->err, "the order can't be written; nothing was done");
    json_decref(begin->answer);
    free(begin);
}

static void on_shard_0(struct work_item *item)
{
    struct beginning *begin = item->data;
    begin->err = recovered_begin(begin->broker, &begin->order);
    shard_post(begin->call_shard, item, on_begun);
}

static void on_abandoned(struct admin_call *call)
{
    struct beginning *begin = call->data;
    begin->call = NULL;
}

static uint64_t draw_id(void)
{
    struct random random;
    random_init_system(&random);
    return random_u64(&random) | 1;
}

static void fill_entry(const struct recover_plan *plan, struct recovery_entry *entry)
{
    entry->generation = 1; /* each group's own is put in its place */
    entry->recovery_id = draw_id();
    entry->known_until_ms = plan->total.known_until_ms;
    entry->lost_records = plan->total.records;
    entry->lost_bytes = plan->total.bytes;
    entry->forecast_pause_ms = recovery_expected_pause_ms(plan->broker);
    bytes_copy_text(entry->site, sizeof entry->site, plan->survivor);
    entry->group_count = plan->group_count;
    memcpy(entry->group_ids, plan->group_ids, sizeof entry->group_ids);
    metadata_read_lock(plan->broker->metadata);
    entry->producer_id_end = recovery_producer_id_end(
        metadata_next_producer_id(plan->broker->metadata));
    metadata_read_unlock(plan->broker->metadata);
}

static void fill_order(const struct recover_plan *plan, struct recovery_order *order)
{
    order->stage = RECOVERY_REPLAY;
    fill_entry(plan, &order->entry);
    for (unsigned i = 0; i < plan->group_count; i++) {
        const struct broker_group *g = plan->broker->groups[plan->group_ids[i]];
        order->rows[order->row_count++] = (struct recovery_row){
            .group_id = g->group_id,
            .action = RECOVERY_SURVIVE,
            .generation = g->generation + 1,
            .recovery_id = order->entry.recovery_id,
            .kept_index = atomic_load(&g->kept_index)};
    }
}

static json_t *begun_json(const struct recover_plan *plan)
{
    json_t *json = recover_plan_json(plan);
    if (json != NULL)
        json_object_set_new(json, "begun", json_true());
    return json;
}

static void begin_here(struct admin_call *call, const struct recover_plan *plan)
{
    struct beginning *begin = calloc(1, sizeof *begin);
    if (begin == NULL) {
        call_answer_json(call, MHD_HTTP_ACCEPTED, NULL);
        return;
    }
    begin->item.data = begin;
    begin->call = call;
    begin->call_shard = call->admin->shard;
    begin->broker = call->broker;
    fill_order(plan, &begin->order);
    begin->answer = begun_json(plan);
    call->data = begin;
    call->on_abandoned = on_abandoned;
    shard_post(call->broker->shards[0], &begin->item, on_shard_0);
}

/* ---- by group 0 ---- */

struct ordering {
    struct controller_change change;
    struct admin_call *call; /* NULL once somebody else answered it */
    json_t *answer;          /* owned */
};

static void on_ordered(struct controller_change *change, int status)
{
    struct ordering *ordering = change->data;
    struct admin_call *call = ordering->call;
    int err = status != 0 ? status : change->result.error;
    if (call != NULL && err == 0)
        call_answer_json(call, MHD_HTTP_ACCEPTED, json_incref(ordering->answer));
    else if (call != NULL && err == ERR_EXISTS)
        call_refuse_err(call, err, "group 0 has ordered another recovery: look at the plan again");
    else if (call != NULL)
        call_refuse_err(call, err, NULL);
    json_decref(ordering->answer);
    free(ordering);
}

static void on_ordering_abandoned(struct admin_call *call)
{
    struct ordering *ordering = call->data;
    ordering->call = NULL;
}

/* Above what this replica has, and above what was ordered and perhaps never carried out. */
static uint32_t next_generation(const struct broker *b, uint32_t group_id)
{
    const struct metadata_recovered *r = metadata_recovered_of(b->metadata, group_id);
    uint32_t own = b->groups[group_id]->generation;
    return 1 + (r != NULL && r->generation > own ? r->generation : own);
}

static int encode_change(const struct recover_plan *plan, struct controller_change *into)
{
    static _Thread_local struct metadata_recovery_change wanted;
    const struct broker *b = plan->broker;
    struct metadata_change change = {.kind = METADATA_RECOVERY, .recovery = &wanted};
    wanted = (struct metadata_recovery_change){.recovery_id = draw_id(),
                                               .node_id = (uint32_t)b->conf.node_id,
                                               .known_until_ms = plan->total.known_until_ms,
                                               .lost_records = plan->total.records,
                                               .lost_bytes = plan->total.bytes,
                                               .forecast_pause_ms = recovery_expected_pause_ms(b),
                                               .group_count = plan->group_count};
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < plan->group_count; i++)
        wanted.groups[i] = (struct metadata_recovery_row){
            .group_id = plan->group_ids[i], .generation = next_generation(b, plan->group_ids[i])};
    metadata_read_unlock(b->metadata);
    return metadata_change_encode(&change, &into->body, &into->body_size);
}

static void begin_agreed(struct admin_call *call, const struct recover_plan *plan)
{
    struct ordering *ordering = calloc(1, sizeof *ordering);
    if (ordering == NULL) {
        call_answer_json(call, MHD_HTTP_ACCEPTED, NULL);
        return;
    }
    ordering->call = call;
    ordering->answer = begun_json(plan);
    ordering->change = (struct controller_change){
        .data = ordering, .home = call->admin->shard, .timeout_ms = GROUP_0_MS_MAX};
    if (encode_change(plan, &ordering->change) != 0)
        ordering->change.body = NULL; /* the controller answers that there is no memory */
    call->data = ordering;
    call->on_abandoned = on_ordering_abandoned;
    controller_propose(call->broker->controller, &ordering->change, on_ordered);
}

static void begin(struct admin_call *call, const struct recover_plan *plan)
{
    event_warn("recovery_ordered",
               "survivor=%s groups=%u by=%s known_lost_records=%llu possibly_lost_since_ms=%lld",
               plan->survivor, plan->group_count, plan->is_agreed ? "group_0" : "node",
               (unsigned long long)plan->total.records, (long long)plan->total.known_until_ms);
    if (plan->is_agreed)
        begin_agreed(call, plan);
    else
        begin_here(call, plan);
}

static void on_survey(struct admin_call *call, const struct survey *survey)
{
    if (!is_whole(call, survey))
        return;
    const char *survivor = json_string_value(json_object_get(call->json, "survivor"));
    struct recover_plan *plan = make_plan(survey, survivor, json_object_get(call->json, "groups"));
    json_int_t said = json_integer_value(json_object_get(call->json, "known_lost_records"));
    if (plan == NULL)
        call_answer_json(call, MHD_HTTP_ACCEPTED, NULL);
    else if (plan->refusal != NULL)
        call_refuse(call, MHD_HTTP_CONFLICT, plan->refusal, "%s", plan->why);
    else if ((uint64_t)said != plan->total.records)
        call_refuse(call, MHD_HTTP_CONFLICT, "other_loss",
                    "%llu records are known to be lost here, not %lld: look at the plan again",
                    (unsigned long long)plan->total.records, (long long)said);
    else
        begin(call, plan);
    free(plan);
}

static bool are_groups_sound(struct admin_call *call)
{
    const json_t *groups = json_object_get(call->json, "groups");
    size_t i;
    json_t *id;
    bool is_sound = groups == NULL || json_is_array(groups);
    json_array_foreach((json_t *)(uintptr_t)groups, i, id) is_sound &= json_is_integer(id);
    if (!is_sound)
        call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                    "'groups' must be an array of raft group ids");
    return is_sound;
}

void resource_recover(struct admin_call *call)
{
    static const char *const allowed[] = {"survivor", "known_lost_records", "lost_sites_are_off",
                                          "groups"};
    const char *survivor;
    int64_t lost;
    bool are_off = false;
    if (!call_allows_fields(call, allowed, 4) || !call_field_text(call, "survivor", &survivor) ||
        !call_field_number(call, "known_lost_records", 0, INT64_MAX, &lost) ||
        !call_field_flag(call, "lost_sites_are_off", &are_off) || !are_groups_sound(call))
        return;
    if (!are_off)
        call_refuse(call, MHD_HTTP_BAD_REQUEST, "not_said",
                    "'lost_sites_are_off' must be true: whoever of them still runs goes on beside "
                    "this site, and what it takes is lost as well");
    else
        start(call, on_survey);
}
