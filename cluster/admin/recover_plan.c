/* A group is to be recovered where this node has a replica of it and no majority of its voters is
 * heard. */
#include "admin/recover_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/recover_beyond.h"
#include "base/err.h"
#include "membership/recovery_outcome.h"

static bool is_heard(struct broker *b, uint32_t node_id)
{
    return node_id == (uint32_t)b->conf.node_id || repl_node_is_alive(b->node, node_id);
}

/* ---- losses ---- */

static struct recovery_view view_of(const struct recover_plan *plan, uint32_t group_id,
                                    const struct repl_group_status *status)
{
    const struct clock *clock = &plan->broker->clock;
    struct recovery_view view = {.status = status,
                                 .applied_wall_ms = plan->look->groups[group_id].applied_wall_ms,
                                 .now_ms = clock_now_ms(clock),
                                 .wall_ms = clock_wall_ms(clock)};
    if (repl_heard_read(plan->broker->wal, group_id, &view.kept) != 0)
        view.kept = (struct repl_heard){0};
    return view;
}

static void add_up(struct recover_plan *plan)
{
    for (unsigned i = 0; i < plan->group_count; i++)
        recovery_loss_add(&plan->total, &plan->losses[i]);
}

/* ---- which groups ---- */

static bool has_lost_majority(const struct recover_plan *plan, const struct recover_group *g)
{
    unsigned voters = 0, heard = 0;
    bool is_own = false;
    for (unsigned i = 0; i < g->member_count; i++) {
        uint32_t node_id = repl_raft_id_node(g->members[i].raft_id);
        is_own |= node_id == (uint32_t)plan->broker->conf.node_id;
        voters += g->members[i].is_voter;
        heard += g->members[i].is_voter && is_heard(plan->broker, node_id);
    }
    return is_own && voters > 0 && heard <= voters / 2;
}

static bool is_wanted(const json_t *wanted, uint32_t group_id)
{
    size_t i;
    json_t *id;
    json_array_foreach((json_t *)(uintptr_t)wanted, i, id)
    {
        if (json_integer_value(id) == (json_int_t)group_id)
            return true;
    }
    return wanted == NULL;
}

static void choose(struct recover_plan *plan, const json_t *wanted)
{
    for (uint32_t id = 0; id < plan->survey->group_count; id++) {
        const struct survey_group *view = survey_group(plan->survey, id);
        if (view == NULL || !plan->look->groups[id].is_known || !is_wanted(wanted, id) ||
            !has_lost_majority(plan, &plan->look->groups[id]))
            continue;
        plan->group_ids[plan->group_count] = id;
        struct recovery_view known = view_of(plan, id, &view->raft);
        plan->losses[plan->group_count++] = recovery_loss_of(&known);
    }
}

/* ---- may it be begun ---- */

static void refuse(struct recover_plan *plan, const char *code, const char *format, uint32_t id)
{
    plan->refusal = code;
    snprintf(plan->why, sizeof plan->why, format, id);
}

/* Another replica that survives may have more than this one. */
static uint32_t other_survivor(const struct recover_plan *plan)
{
    for (unsigned i = 0; i < plan->group_count; i++) {
        const struct recover_group *g = &plan->look->groups[plan->group_ids[i]];
        for (unsigned k = 0; k < g->member_count; k++) {
            uint32_t node_id = repl_raft_id_node(g->members[k].raft_id);
            if (node_id != (uint32_t)plan->broker->conf.node_id &&
                strcmp(g->members[k].site, plan->survivor) == 0 && is_heard(plan->broker, node_id))
                return node_id;
        }
    }
    return 0;
}

struct lost_node {
    uint32_t node_id;
    char site[32];
};

static void add_lost(struct lost_node lost[METADATA_NODES_MAX], unsigned *count,
                     const struct repl_member *member)
{
    uint32_t node_id = repl_raft_id_node(member->raft_id);
    for (unsigned i = 0; i < *count; i++)
        if (lost[i].node_id == node_id)
            return;
    if (*count == METADATA_NODES_MAX)
        return;
    lost[*count].node_id = node_id;
    bytes_copy_text(lost[*count].site, sizeof lost[*count].site, member->site);
    (*count)++;
}

static int by_node(const void *a, const void *b)
{
    const struct lost_node *one = a, *other = b;
    return (one->node_id > other->node_id) - (one->node_id < other->node_id);
}

/* Voters elsewhere of the groups that are recovered: without them these would not be lost. By id.
 */
static unsigned lost_nodes(const struct recover_plan *plan,
                           struct lost_node lost[METADATA_NODES_MAX])
{
    unsigned count = 0;
    for (unsigned i = 0; i < plan->group_count; i++) {
        const struct recover_group *g = &plan->look->groups[plan->group_ids[i]];
        for (unsigned k = 0; k < g->member_count; k++)
            if (g->members[k].is_voter && strcmp(g->members[k].site, plan->survivor) != 0)
                add_lost(lost, &count, &g->members[k]);
    }
    qsort(lost, count, sizeof lost[0], by_node);
    return count;
}

static uint32_t lost_but_heard(const struct recover_plan *plan)
{
    struct lost_node lost[METADATA_NODES_MAX];
    unsigned count = lost_nodes(plan, lost);
    for (unsigned i = 0; i < count; i++)
        if (is_heard(plan->broker, lost[i].node_id))
            return lost[i].node_id;
    return 0;
}

static void judge(struct recover_plan *plan, bool are_named)
{
    const struct broker *b = plan->broker;
    uint32_t heard = lost_but_heard(plan), other = are_named ? 0 : other_survivor(plan);
    if (strcmp(b->conf.site, plan->survivor) != 0)
        refuse(plan, "other_site",
               "node %u stands in another site: ask the nodes of the site that survives",
               (uint32_t)b->conf.node_id);
    else if (plan->group_count == 0)
        refuse(plan, "nothing_lost",
               "each raft group of node %u has a majority: there is nothing to recover",
               (uint32_t)b->conf.node_id);
    else if (heard != 0)
        refuse(plan, "not_silent", "node %u is heard: the sites that are lost must be off", heard);
    else if (other != 0)
        refuse(plan, "other_survivor",
               "node %u survives, too: name all nodes of the site by --admin, they compare", other);
}

void recover_plan_make(struct recover_plan *plan, const json_t *wanted)
{
    const struct recover_group *zero = &plan->look->groups[0];
    choose(plan, wanted);
    plan->is_agreed = zero->is_known && !has_lost_majority(plan, zero);
    add_up(plan);
    judge(plan, wanted != NULL);
}

/* ---- as the operator sees it ---- */

static json_t *time_or_null(int64_t wall_ms)
{
    return wall_ms > 0 ? json_integer((json_int_t)wall_ms) : json_null();
}

/* How much of the leader's time these entries were: from what is here to its last word. */
static int64_t lost_ms(const struct recover_loss *loss)
{
    bool is_known = loss->entries > 0 && loss->known_until_ms > 0;
    return is_known && loss->heard_ms > loss->known_until_ms ? loss->heard_ms - loss->known_until_ms
                                                             : 0;
}

static json_t *loss_json(const struct recover_loss *loss)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:b, s:o, s:o, s:i}", "known_lost_entries",
                     (json_int_t)loss->entries, "known_lost_records", (json_int_t)loss->records,
                     "known_lost_bytes", (json_int_t)loss->bytes, "known_lost_ms",
                     (json_int_t)lost_ms(loss), "is_at_most", loss->is_at_most,
                     "possibly_lost_since_ms", time_or_null(loss->known_until_ms),
                     "leader_last_heard_ms", time_or_null(loss->heard_ms), "groups_of_unknown_time",
                     (int)loss->unknown_count);
}

static json_t *groups_json(const struct recover_plan *plan)
{
    json_t *groups = json_array();
    for (unsigned i = 0; i < plan->group_count; i++) {
        uint32_t id = plan->group_ids[i];
        const struct repl_group_status *status = &survey_group(plan->survey, id)->raft;
        struct recovery_view known = view_of(plan, id, status);
        json_t *row = loss_json(&plan->losses[i]);
        json_object_update_new(row,
                               json_pack("{s:i, s:i, s:I, s:I, s:I, s:I, s:I}", "group_id", (int)id,
                                         "generation", (int)status->generation, "last_term",
                                         (json_int_t)plan->look->groups[id].last_term, "last_index",
                                         (json_int_t)status->last_index, "kept_index",
                                         (json_int_t)status->kept_index, "committed_index",
                                         (json_int_t)status->commit_index, "leader_index",
                                         (json_int_t)recovery_heard(&known).position));
        json_array_append_new(groups, row);
    }
    return groups;
}

int recover_plan_place(const struct recover_plan *plan, uint32_t group_id)
{
    for (unsigned i = 0; i < plan->group_count; i++)
        if (plan->group_ids[i] == group_id)
            return (int)i;
    return -1;
}

struct topics {
    const struct recover_plan *plan;
    json_t *rows;
};

/* A group's loss is known as a whole: of each of its topics it is the most. */
static void add_topic(void *data, const struct metadata_topic *t)
{
    struct topics *topics = data;
    const struct recover_plan *plan = topics->plan;
    struct recover_plan *part = calloc(1, sizeof *part);
    int concerned = 0;
    if (part == NULL)
        return;
    for (int32_t i = 0; i < t->partition_count; i++) {
        int place = recover_plan_place(plan, t->partitions[i].group_id);
        concerned += place >= 0;
        if (place < 0 || recover_plan_place(part, t->partitions[i].group_id) >= 0)
            continue;
        part->group_ids[part->group_count] = plan->group_ids[place];
        part->losses[part->group_count++] = plan->losses[place];
    }
    add_up(part);
    part->total.is_at_most |= part->total.entries > 0;
    if (concerned > 0) {
        json_t *row = loss_json(&part->total);
        json_object_set_new(row, "topic", json_string(t->name));
        json_object_set_new(row, "partitions", json_integer(concerned));
        json_array_append_new(topics->rows, row);
    }
    free(part);
}

static json_t *lost_nodes_json(const struct recover_plan *plan)
{
    struct broker *b = plan->broker;
    struct lost_node lost[METADATA_NODES_MAX];
    unsigned count = lost_nodes(plan, lost);
    json_t *rows = json_array();
    for (unsigned i = 0; i < count; i++) {
        uint64_t since_ms = b->silent_since_ms[lost[i].node_id % METADATA_NODES_MAX];
        uint64_t silent_ms = since_ms == 0 ? 0 : clock_now_ms(&b->clock) - since_ms;
        json_array_append_new(rows, json_pack("{s:i, s:s, s:b, s:I}", "node_id",
                                              (int)lost[i].node_id, "site", lost[i].site,
                                              "is_silent", !is_heard(b, lost[i].node_id),
                                              "silent_for_ms", (json_int_t)silent_ms));
    }
    return rows;
}

static json_t *expected_pause(const struct broker *b)
{
    int64_t ms = recovery_expected_pause_ms(b);
    return ms < 0 ? json_null() : json_integer((json_int_t)ms);
}

json_t *recover_plan_json(const struct recover_plan *plan)
{
    struct broker *b = plan->broker;
    struct topics topics = {.plan = plan, .rows = json_array()};
    json_t *json;
    json_t *lost = lost_nodes_json(plan);
    metadata_read_lock(b->metadata);
    metadata_each_topic(b->metadata, add_topic, &topics);
    json = json_pack("{s:s, s:i, s:s, s:o, s:b, s:s, s:s, s:o, s:o, s:o, s:o}", "survivor",
                     plan->survivor, "node_id", (int)b->conf.node_id, "ordered_by",
                     plan->is_agreed ? "group_0" : "node", "expected_pause_ms", expected_pause(b),
                     "may_begin", plan->refusal == NULL, "refusal",
                     plan->refusal == NULL ? "" : plan->refusal, "why", plan->why, "total",
                     loss_json(&plan->total), "groups", groups_json(plan), "topics", topics.rows,
                     "lost_nodes", lost);
    recover_beyond_add(plan, json);
    metadata_read_unlock(b->metadata);
    return json;
}
