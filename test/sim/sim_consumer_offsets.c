/* Commits, deletions, policies and what is committed, as the daemon's handlers (cluster/request/)
 * do them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consumer/commit_wait.h"
#include "protocol/error.h"
#include "sim/sim_consumer_call.h"
#include "state/byte_list.h"

/* ---- commits and deletions ---- */

static void on_entry_known(void *data)
{
    struct sim_group_call *c = data;
    sim_group_call_tell(c, "commit");
    if (c->error_code == KAFKA_ERROR_NONE)
        sim_check_committed(c->call.sim->check, c);
    sim_call_answer(&c->call, 0);
}

/* What became of each offset, as the client is told. */
static void take_detail(struct sim_group_call *c, struct bytes detail)
{
    struct commit_result result;
    uint32_t at = 0;
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        if ((c->mask >> i & 1) == 0 || !commit_detail_read(detail, at++, &result))
            continue;
        sim_count(c->call.sim, SIM_commits_kept, result.outcome == COMMIT_KEPT);
        sim_count(c->call.sim, SIM_commits_rewound, result.outcome == COMMIT_REWIND);
        sim_count(c->call.sim, SIM_commits_denied, result.outcome == COMMIT_DENIED);
        if (result.outcome == COMMIT_DENIED)
            c->denied |= 1u << i;
    }
}

static void on_entry(void *data, int16_t error_code, struct bytes detail)
{
    struct sim_group_call *c = data;
    c->index = c->call.group->applying_index;
    take_detail(c, detail);
    sim_group_call_answer_behind(c, error_code, on_entry_known);
}

static struct group_actor actor(void)
{
    return (struct group_actor){kafka_string_of("sim"), kafka_string_of("/sim")};
}

static void propose(struct sim_group_call *c, struct byte_list *body)
{
    struct sim_group *g = c->call.group;
    if (body->is_failed)
        abort();
    commit_wait_begin(g->life->beside[g->group_id - 1].coordinator, SIM_OFFSETS_PARTITION,
                      bytes_of(body->data, body->size), on_entry, c);
    free(body->data);
}

static void put_offset(struct byte_list *body, unsigned place, int64_t offset)
{
    char topic[SIM_CONSUMER_TOPIC_SIZE];
    struct sim_place home = sim_consumed_place(place);
    snprintf(topic, sizeof topic, "g%u", home.group_id);
    struct group_offset committed = {.topic_id = {(uint8_t)home.group_id},
                                     .topic = kafka_string_of(topic),
                                     .partition = (int32_t)home.partition,
                                     .offset = offset,
                                     .leader_epoch = -1,
                                     .metadata = kafka_string_of("")};
    group_offset_put(body, &committed);
}

static uint32_t count_of(uint32_t mask)
{
    uint32_t count = 0;
    for (unsigned i = 0; i < SIM_CONSUMED; i++)
        count += mask >> i & 1;
    return count;
}

/* By this node's metadata, which may be old. */
static bool are_topics_known(const struct sim_group_call *c)
{
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        char topic[SIM_CONSUMER_TOPIC_SIZE];
        snprintf(topic, sizeof topic, "g%u", sim_consumed_place(i).group_id);
        if (metadata_topic_by_name(c->call.life->metadata, topic, strlen(topic)) == NULL)
            return false;
    }
    return true;
}

void sim_group_work_commit(struct sim_group_call *c)
{
    struct kafka_string name = kafka_string_of(c->group->name);
    struct kafka_string member_id = kafka_string_of(c->member_id);
    struct byte_list body = {0};
    sim_count(c->call.sim, SIM_late_commits, c->is_late);
    if (!sim_group_call_is_heard(c)) { /* overtaken, perhaps: as request_close_connection() */
        sim_count(c->call.sim, SIM_overtaken_commits, 1);
        c->connection->is_closed = true;
        sim_call_answer(&c->call, UV_ECONNRESET);
        return;
    }
    if (!are_topics_known(c)) {
        sim_group_call_answer(c, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
        return;
    }
    int16_t error_code = group_check_commit(sim_group_call_groups(c), SIM_OFFSETS_PARTITION, name,
                                            c->generation, member_id,
                                            sim_group_call_text(c->instance_id));
    if (error_code != KAFKA_ERROR_NONE) {
        sim_group_call_answer(c, error_code);
        return;
    }
    struct group_commit commit = {
        .generation = c->generation,
        .member_id = member_id,
        .instance_id = sim_group_call_text(c->instance_id),
        .client_id = kafka_string_of("sim"),
        .client_host = kafka_string_of("/sim"),
        .metadata_version = sim_coordinator_metadata_version(c->call.group),
        .expire_at_ms = c->keep_ms == 0 ? -1 : clock_wall_ms(&c->call.life->clock) + c->keep_ms,
        .policy = GROUP_POLICY_GUARD,
        .offset_count = count_of(c->mask),
    };
    group_commit_put(&body, name, &commit);
    for (unsigned i = 0; i < SIM_CONSUMED; i++)
        if (c->mask >> i & 1)
            put_offset(&body, i, c->offsets[i]);
    propose(c, &body);
}

void sim_group_work_delete_offsets(struct sim_group_call *c)
{
    struct kafka_string name = kafka_string_of(c->group->name);
    struct byte_list body = {0};
    if (group_set_find(sim_group_call_groups(c), name) != NULL) {
        sim_group_call_answer(c, KAFKA_ERROR_GROUP_SUBSCRIBED_TO_TOPIC);
        return;
    }
    struct group_actor by = actor();
    group_offsets_delete_put(&body, name, GROUP_OFFSET_ASKED, &by, count_of(c->mask));
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        char topic[SIM_CONSUMER_TOPIC_SIZE];
        struct sim_place home = sim_consumed_place(i);
        snprintf(topic, sizeof topic, "g%u", home.group_id);
        struct group_removal removal = {.topic = kafka_string_of(topic),
                                        .partition = (int32_t)home.partition,
                                        .committed_at_ms_max = INT64_MAX};
        if (c->mask >> i & 1)
            group_removal_put(&body, &removal);
    }
    propose(c, &body);
}

void sim_group_work_delete(struct sim_group_call *c)
{
    struct kafka_string name = kafka_string_of(c->group->name);
    struct byte_list body = {0};
    if (group_set_find(sim_group_call_groups(c), name) != NULL) {
        sim_group_call_answer(c, KAFKA_ERROR_NON_EMPTY_GROUP);
        return;
    }
    struct group_deletion deletion = {.actor = actor()};
    group_delete_put(&body, name, &deletion);
    propose(c, &body);
}

void sim_group_work_policy(struct sim_group_call *c)
{
    struct group_policy_change change = {.policy = c->policy, .actor = actor()};
    struct byte_list body = {0};
    group_policy_put(&body, kafka_string_of(c->group->name), &change);
    propose(c, &body);
}

/* ---- what is committed ---- */

void sim_group_work_fetch(struct sim_group_call *c)
{
    const struct consumer_table *table = sim_coordinator_table(c->call.group);
    for (unsigned i = 0; i < SIM_CONSUMED; i++) {
        char topic[SIM_CONSUMER_TOPIC_SIZE];
        struct sim_place home = sim_consumed_place(i);
        struct consumer_offset offset;
        snprintf(topic, sizeof topic, "g%u", home.group_id);
        bool is_known = consumer_table_offset(table, kafka_string_of(c->group->name),
                                              kafka_string_of(topic), (int32_t)home.partition,
                                              &offset);
        c->offsets[i] = is_known ? offset.committed.offset : -1;
    }
    sim_check_fetched(c->call.sim->check, c);
    sim_group_call_answer(c, KAFKA_ERROR_NONE);
}
