/* What a router asks about topics, how often, and which it keeps. */
#include <stdio.h>

#include "router_requests.h"
#include "router_stage.h"

#define MADE_UP      (2 * MAP_UNKNOWN_MAX)
#define FORGOTTEN_MS (MAP_UNKNOWN_MS + 1000)

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
