/* What a router asks about topics, how often, and which it keeps. */
#include <stdio.h>
#include <string.h>

#include "protocol/error.h"
#include "router_requests.h"
#include "router_stage.h"

#define MADE_UP      (2 * MAP_UNKNOWN_MAX)
#define FORGOTTEN_MS (MAP_UNKNOWN_MS + 1000)
#define MANY         (2 * MAP_WANTED_MAX + 500)

TestSuite(router_map, .init = open_world, .fini = close_world);

static int32_t leader_of(const char *topic)
{
    return cluster_map_leader(&w.shard, kafka_string_of(topic), 0);
}

static void make_up(const char *beginning)
{
    char name[64];
    for (unsigned i = 0; i < MADE_UP; i++) {
        snprintf(name, sizeof name, "%s-%u", beginning, i);
        cr_assert_eq(leader_of(name), MAP_NOT_KNOWN);
    }
}

static unsigned question_count(void)
{
    unsigned count = 0;
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        count += world_node(&w, id)->questions;
    return count;
}

static int32_t most_topics_asked(void)
{
    int32_t most = 0;
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        if (world_node(&w, id)->asked_topics > most)
            most = world_node(&w, id)->asked_topics;
    return most;
}

static void forget_questions(void)
{
    for (int32_t id = 1; id <= WORLD_NODES; id++)
        world_node(&w, id)->questions = (unsigned)(world_node(&w, id)->asked_topics = 0);
}

Test(router_map, names_that_are_made_up_push_out_each_other_and_no_topic)
{
    make_up("wrong");
    cr_assert_eq(HASH_COUNT(w.shard.map.unknown), MAP_UNKNOWN_MAX);
    cr_assert_eq(HASH_COUNT(w.shard.map.topics), 1);
    cr_assert_eq(leader_of("t"), 1);
}

Test(router_map, a_topic_that_is_new_is_found_behind_many_that_are_made_up)
{
    struct map_topic *t = w.shard.map.topics;
    HASH_DEL(w.shard.map.topics, t);
    free(t->leaders);
    free(t->near);
    free(t);
    make_up("wrong");
    cr_assert_eq(leader_of("t"), MAP_NOT_KNOWN);
    world_pass_ms(&w, 100);
    cr_assert_eq(leader_of("t"), 1);
}

Test(router_map, a_made_up_name_is_soon_forgotten)
{
    leader_of("wrong");
    world_pass_ms(&w, FORGOTTEN_MS + (uint64_t)w.settings.metadata_refresh_ms);
    cr_assert_eq(HASH_COUNT(w.shard.map.unknown), 0);
    cr_assert_eq(HASH_COUNT(w.shard.map.topics), 1, "what is there is not");
}

Test(router_map, a_name_that_no_topic_can_have_is_not_asked_for)
{
    char name[MAP_NAME_SIZE_MAX + 2] = {0};
    memset(name, 'x', MAP_NAME_SIZE_MAX + 1);
    cr_assert_eq(leader_of(name), MAP_NO_SUCH);
    cr_assert_eq(HASH_COUNT(w.shard.map.unknown), 0);
}

Test(router_map, while_a_batch_is_held_its_topic_alone_is_asked_for_and_less_and_less_often)
{
    make_up("wrong");
    world_pass_ms(&w, 500);
    set_leader(0, -1);
    forget_questions();
    world_send_batch(&client, "t", 5000);
    world_pass_ms(&w, 1000);
    cr_assert_eq(most_topics_asked(), 1);
    cr_assert_leq(question_count(), 15, "%u questions in a second", question_count());
    w.leaders[0] = 2;
    world_pass_ms(&w, 200);
    cr_assert_eq(count_at(2), 1, "and yet its next leader is soon found");
}

/* ---- many that are there ---- */

static const char *name_of(unsigned i)
{
    static char name[32];
    snprintf(name, sizeof name, "t-%u", i);
    return name;
}

/* A node has told of them: of one partition each, without a leader. */
static void learn_many(void)
{
    struct kafka_metadata_response_partition partition;
    struct kafka_metadata_response_topic topic;
    struct kafka_metadata_response m;
    kafka_metadata_response_init(&m);
    kafka_metadata_response_topic_init(&topic);
    kafka_metadata_response_partition_init(&partition);
    partition.leader_id = -1;
    topic.partitions = &partition;
    topic.partitions_count = 1;
    m.topics = &topic;
    m.topics_count = 1;
    for (unsigned i = 0; i < MANY; i++) {
        topic.name = kafka_string_of(name_of(i));
        cluster_map_learn(&w.shard, &m);
    }
    cr_assert_eq(HASH_COUNT(w.shard.map.topics), 1 + MANY);
}

static void want_many(void)
{
    for (unsigned i = 0; i < MANY; i++)
        cluster_map_want(&w.shard, kafka_string_of(name_of(i)));
}

Test(router_map, what_is_wanted_is_asked_for_so_many_at_a_time)
{
    learn_many();
    forget_questions();
    want_many();
    world_pass_ms(&w, 500);
    cr_assert_eq(most_topics_asked(), MAP_WANTED_MAX);
    for (unsigned i = 0; i < MANY; i++)
        cr_assert_eq(leader_of(name_of(i)), 1);
}

Test(router_map, each_that_is_wanted_has_its_turn_though_others_are_wanted_all_the_time)
{
    learn_many();
    uint64_t begin_ms = router_now_ms(&w.shard);
    for (int i = 0; i < 10; i++) {
        want_many();
        world_pass_ms(&w, 120);
    }
    for (struct map_topic *t = w.shard.map.topics; t != NULL; t = t->hh.next)
        cr_assert(t->told_ms > begin_ms || strcmp(t->name, "t") == 0, "%s", t->name);
}

Test(router_map, when_a_node_is_lost_the_topics_are_asked_for_that_somebody_missed)
{
    struct kafka_fetch_request_partition partition;
    kafka_fetch_request_partition_init(&partition);
    learn_many();
    world_send_fetch(&client, "t", 5000, &partition, 1);
    cr_assert_eq(count_at(1), 1);
    forget_questions();
    world_cut(&w, 1);
    world_pass_ms(&w, 60);
    cr_assert_gt(question_count(), 0);
    cr_assert_eq(most_topics_asked(), 1);
}

/* ---- is it there? ---- */

Test(router_map, that_there_is_no_such_partition_is_no_old_news)
{
    cr_assert_eq(cluster_map_leader(&w.shard, kafka_string_of("t"), 99), MAP_NO_SUCH);
    world_pass_ms(&w, 1100);
    cr_assert_eq(cluster_map_leader(&w.shard, kafka_string_of("t"), 99), MAP_NOT_KNOWN,
                 "somebody may have added it");
    world_pass_ms(&w, 120);
    cr_assert_eq(cluster_map_leader(&w.shard, kafka_string_of("t"), 99), MAP_NO_SUCH);
}

Test(router_map, a_node_that_is_behind_does_not_end_a_topic)
{
    world_node(&w, 2)->is_behind = true;
    for (int i = 0; i < 9; i++) { /* each node's turn comes */
        learn_leaders();
        cr_assert_eq(leader_of("t"), 1);
    }
    world_node(&w, 1)->is_behind = world_node(&w, 3)->is_behind = true;
    learn_leaders();
    world_pass_ms(&w, 200);
    cr_assert_eq(leader_of("t"), MAP_NO_SUCH, "when the others say so too, it is gone");
}

Test(router_map, a_topic_that_is_being_made_is_not_known_yet)
{
    struct kafka_metadata_response_topic topic;
    struct kafka_metadata_response m;
    cr_assert_eq(leader_of("new"), MAP_NOT_KNOWN);
    kafka_metadata_response_init(&m);
    kafka_metadata_response_topic_init(&topic);
    topic.name = kafka_string_of("new");
    topic.error_code = KAFKA_ERROR_LEADER_NOT_AVAILABLE;
    m.topics = &topic;
    m.topics_count = 1;
    cluster_map_learn(&w.shard, &m);
    cr_assert_eq(leader_of("new"), MAP_NOT_KNOWN);
}
