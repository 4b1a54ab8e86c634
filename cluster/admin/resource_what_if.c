/* GET /v1/what-if?lose=b,c: what the loss of these sites would cost now. Nobody is asked or told
 * anything: it follows from what this node knows. */
#include <string.h>

#include "admin/route.h"
#include "admin/survey.h"
#include "membership/forecast.h"

#define TOPIC_NAMES_MAX 20

static json_t *group_json(const struct forecast_group *g)
{
    return json_pack("{s:i, s:i, s:b, s:s, s:b, s:o, s:o}", "group_id", (int)g->group_id,
                     "partitions", (int)g->partition_count, "is_asynchronous",
                     g->is_asynchronous ? 1 : 0, "loses",
                     g->loses_majority ? "majority"
                     : g->loses_leader ? "leader"
                                       : "nothing",
                     "has_majority_now", g->has_majority_now ? 1 : 0, "only_there_records",
                     g->is_known ? json_integer((json_int_t)g->only_there_records) : json_null(),
                     "only_there_bytes",
                     g->is_known ? json_integer((json_int_t)g->only_there_bytes) : json_null());
}

/* Those that something happens to. */
static json_t *groups_json(struct broker *b, const char *const *sites, unsigned site_count)
{
    json_t *groups = json_array();
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < metadata_group_count(b->metadata); i++) {
        struct forecast_group g;
        forecast_of_group(b, metadata_group_at(b->metadata, i), sites, site_count, &g);
        if (g.loses_majority || g.loses_leader || g.only_there_records > 0 || !g.is_known)
            json_array_append_new(groups, group_json(&g));
    }
    metadata_read_unlock(b->metadata);
    return groups;
}

/* ---- asynchronous topics ---- */

struct cut_off {
    struct broker *broker;
    const char *const *sites;
    unsigned site_count;
    uint32_t group_id; /* looked at last; 0: none */
    bool is_there;     /* it votes in these sites */
    int count;         /* topics of such groups */
    json_t *names;
};

static bool is_group_there(struct cut_off *c, uint32_t group_id)
{
    const struct metadata_group *group = metadata_group_by_id(c->broker->metadata, group_id);
    struct forecast_group told;
    if (group == NULL || group->mode != METADATA_ASYNC)
        return false;
    if (group_id != c->group_id) {
        forecast_of_group(c->broker, group, c->sites, c->site_count, &told);
        c->group_id = group_id;
        c->is_there = told.loses_majority;
    }
    return c->is_there;
}

static void look_at_topic(void *data, const struct metadata_topic *topic)
{
    struct cut_off *c = data;
    bool is_there = false;
    for (int32_t i = 0; i < topic->partition_count && !is_there; i++)
        is_there = is_group_there(c, topic->partitions[i].group_id);
    if (is_there && c->count++ < TOPIC_NAMES_MAX)
        json_array_append_new(c->names, json_string(topic->name));
}

/* Cut off rather than lost, the sites go on with them; but offsets are synchronous, so consumers
 * there wait for their coordinators. */
static void put_asynchronous_topics(struct broker *b, const char *const *sites, unsigned site_count,
                                    json_t *json)
{
    struct cut_off c = {
        .broker = b, .sites = sites, .site_count = site_count, .names = json_array()};
    metadata_read_lock(b->metadata);
    metadata_each_topic(b->metadata, look_at_topic, &c);
    metadata_read_unlock(b->metadata);
    json_object_set_new(json, "asynchronous_topics", json_integer(c.count));
    json_object_set_new(json, "asynchronous_topic_names", c.names);
}

/* ---- consumers ---- */

static json_t *names_json(const struct lost_members *lost)
{
    json_t *names = json_array();
    for (unsigned i = 0; i < lost->name_count; i++)
        json_array_append_new(names, json_string(lost->names[i])); /* not UTF-8: left out */
    return names;
}

static json_t *consumers_json(const struct survey *survey)
{
    json_t *consumers = json_array();
    for (uint32_t id = 1; id < survey->group_count; id++) {
        const struct survey_group *view = survey_group(survey, id);
        if (view == NULL || view->lost == NULL || view->lost->groups == 0)
            continue;
        json_array_append_new(
            consumers,
            json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:o}", "group_id", (int)id, "groups",
                      (int)view->lost->groups, "groups_left_empty",
                      (int)view->lost->groups_left_empty, "members", (int)view->lost->members,
                      "members_lost", (int)view->lost->members_lost, "members_not_known",
                      (int)view->lost->members_not_known, "names", names_json(view->lost)));
    }
    return consumers;
}

static json_t *forecast_json(const struct forecast *f)
{
    return json_pack(
        "{s:i, s:i, s:i, s:i, s:i, s:i, s:b, s:I, s:I, s:i, s:i, s:I, s:o, s:s}",
        "groups_without_leader", (int)f->groups_without_leader, "partitions_without_leader",
        (int)f->partitions_without_leader, "groups_without_majority",
        (int)f->groups_without_majority, "partitions_without_majority",
        (int)f->partitions_without_majority, "groups_without_majority_now",
        (int)f->groups_without_majority_now, "offsets_groups_lost", (int)f->offsets_groups_lost,
        "is_metadata_lost", f->is_metadata_lost ? 1 : 0, "only_there_records",
        (json_int_t)f->only_there_records, "only_there_bytes", (json_int_t)f->only_there_bytes,
        "groups_with_only_there", (int)f->groups_with_only_there, "groups_not_known",
        (int)f->groups_not_known, "pause_ms", (json_int_t)f->pause_ms, "pause_ms_max",
        f->pause_ms_max < 0 ? json_null() : json_integer((json_int_t)f->pause_ms_max), "pause_is",
        f->is_pause_measured ? "measured" : "reckoned");
}

static void on_what_if(struct admin_call *call, const struct survey *survey)
{
    struct broker *b = survey->broker;
    const struct lost_sites *lost = &survey->lost_sites;
    const char *sites[LOST_SITES_MAX];
    struct forecast f;
    json_t *names = json_array();
    for (unsigned i = 0; i < lost->count; i++) {
        sites[i] = lost->names[i];
        json_array_append_new(names, json_string(sites[i]));
    }
    forecast_sites(b, sites, lost->count, &f);
    json_t *json = forecast_json(&f);
    json_object_set_new(json, "node_id", json_integer((json_int_t)b->conf.node_id));
    json_object_set_new(json, "lost_sites", names);
    json_object_set_new(json, "raft_groups", groups_json(b, sites, lost->count));
    put_asynchronous_topics(b, sites, lost->count, json);
    json_object_set_new(json, "consumer_groups", consumers_json(survey));
    call_answer_json(call, MHD_HTTP_OK, json);
}

/* ---- the question ---- */

static bool is_site(struct broker *b, const char *name)
{
    bool is_one = false;
    metadata_read_lock(b->metadata);
    for (unsigned i = 0; i < metadata_node_count(b->metadata) && !is_one; i++)
        is_one = strcmp(metadata_node_at(b->metadata, i)->site, name) == 0;
    metadata_read_unlock(b->metadata);
    return is_one;
}

/* "b,c". False when the call was refused. */
static bool read_sites(struct admin_call *call, const char *text, struct lost_sites *sites)
{
    *sites = (struct lost_sites){0};
    while (*text != '\0') {
        size_t size = strcspn(text, ",");
        if (sites->count == LOST_SITES_MAX || size == 0 || size >= sizeof sites->names[0]) {
            call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field",
                        "?lose= names 1 to %d sites, with commas between them", LOST_SITES_MAX);
            return false;
        }
        memcpy(sites->names[sites->count], text, size);
        if (!is_site(call->broker, sites->names[sites->count++])) {
            call_refuse(call, MHD_HTTP_NOT_FOUND, "not_found", "no node stands in a site %.*s",
                        (int)size, text);
            return false;
        }
        text += size + (text[size] == ',');
    }
    lost_sites_find_hosts(call->broker, sites);
    return true;
}

void resource_what_if(struct admin_call *call)
{
    static const char *const names[] = {"lose"};
    struct lost_sites sites;
    const char *text;
    if (!call_allows_query(call, names, 1) || !call_query_text(call, "lose", &text) ||
        !read_sites(call, text, &sites))
        return;
    survey_start_with_lost(call, &sites, on_what_if);
}
