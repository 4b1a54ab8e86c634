/* What goes to coordinators and to each partition's leader: order, places, who is asked again. */
#include "protocol/error.h"
#include "router_requests.h"
#include "router_stage.h"

TestSuite(router_group, .init = open_world, .fini = close_world);

static void commit(int64_t offset)
{
    world_send_commit(&client, "g", offset);
}

static int64_t committed(int32_t node, unsigned n)
{
    const struct kafka_offset_commit_request *m = world_call(&w, node, n)->message;
    return m->topics[0].partitions[0].committed_offset;
}

Test(router_group, commits_go_one_after_another_also_to_the_next_coordinator)
{
    commit(10);
    commit(20);
    cr_assert_eq(count_at(1), 1);
    w.coordinator = 3;
    world_answer_commit(&w, 1, 0, KAFKA_ERROR_NOT_COORDINATOR);
    world_pass_ms(&w, 300);
    cr_assert_eq(count_at(3), 1);
    cr_assert_eq(committed(3, 0), 10);
    world_answer_commit(&w, 3, 0, KAFKA_ERROR_NONE);
    cr_assert_eq(committed(3, 1), 20);
    world_answer_commit(&w, 3, 1, KAFKA_ERROR_NONE);
    cr_assert_not_null(world_commit_answer(&client));
    cr_assert_not_null(world_commit_answer(&client));
}

Test(router_group, a_commit_waits_for_a_coordinator_that_is_not_ready_yet)
{
    commit(10);
    commit(20);
    world_answer_commit(&w, 1, 0, KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS);
    world_pass_ms(&w, 300);
    cr_assert_null(world_commit_answer(&client));
    cr_assert_eq(count_at(1), 2);
    cr_assert_eq(committed(1, 1), 10);
    world_answer_commit(&w, 1, 1, KAFKA_ERROR_NONE);
    cr_assert_eq(committed(1, 2), 20);
    cr_assert_not_null(world_commit_answer(&client));
}

Test(router_group, and_is_told_in_time_that_it_never_was)
{
    commit(10);
    for (unsigned n = 0; n < count_at(1); n++) {
        world_answer_commit(&w, 1, n, KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS);
        world_pass_ms(&w, 300);
        cr_assert_leq(n, 30, "it asks for ever");
    }
    const struct kafka_offset_commit_response *m = world_commit_answer(&client);
    cr_assert_not_null(m);
    cr_assert_eq(m->topics[0].partitions[0].error_code, KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS);
}

Test(router_group, what_finds_no_coordinator_ends_the_connection_in_time)
{
    w.coordinator = -1;
    commit(10);
    commit(20);
    world_pass_ms(&w, 4000);
    cr_assert_not(world_is_ended(&client));
    world_pass_ms(&w, 2000);
    cr_assert(world_is_ended(&client));
}

/* Clients take answers by their place: the next one would be taken for the commit's. */
Test(router_group, behind_what_has_no_answer_nothing_is_answered)
{
    struct kafka_api_versions_request nothing;
    kafka_api_versions_request_init(&nothing);
    w.coordinator = -1;
    world_send(&client, KAFKA_API_API_VERSIONS, 0, &nothing);
    cr_assert_not_null(world_answer(&client, KAFKA_API_API_VERSIONS, 0));
    commit(10);
    world_send(&client, KAFKA_API_API_VERSIONS, 0, &nothing);
    world_pass_ms(&w, 6000);
    cr_assert_null(world_answer(&client, KAFKA_API_API_VERSIONS, 0));
    cr_assert(world_is_ended(&client));
}

/* The coordinator may have the first one unread, and do it when later ones are done: then the group
 * would be set back. */
Test(router_group, a_commit_that_may_still_come_is_not_sent_there_again_nor_a_later_one)
{
    commit(10);
    commit(20);
    cr_assert_eq(count_at(1), 1);
    world_cut(&w, 1);
    world_pass_ms(&w, 1000);
    cr_assert(world_is_ended(&client), "it comes again, on a connection that is newer");
    cr_assert_eq(count_at(1), 1);
}

Test(router_group, nor_one_that_was_given_up_because_its_pipe_stands_still)
{
    commit(10);
    cr_assert_eq(count_at(1), 1);
    world_pass_ms(&w, 11000);
    cr_assert(world_is_ended(&client));
    cr_assert_eq(count_at(1), 1);
}

Test(router_group, but_it_goes_to_the_next_coordinator)
{
    commit(10);
    commit(20);
    cr_assert_eq(count_at(1), 1);
    w.coordinator = 3;
    world_cut(&w, 1);
    world_pass_ms(&w, 1000);
    cr_assert_eq(committed(3, 0), 10);
    world_answer_commit(&w, 3, 0, KAFKA_ERROR_NONE);
    cr_assert_eq(committed(3, 1), 20);
}

Test(router_group, and_to_one_that_has_started_anew)
{
    commit(10);
    cr_assert_eq(count_at(1), 1);
    world_node(&w, 1)->starts++;
    world_node(&w, 1)->is_hanging = true;
    world_cut(&w, 1);
    world_pass_ms(&w, 1500);
    world_node(&w, 1)->is_hanging = false;
    world_pass_ms(&w, 1500);
    cr_assert_eq(count_at(1), 2);
    cr_assert_eq(committed(1, 1), 10);
}

static void join(struct world_client *c)
{
    struct kafka_join_group_request m;
    kafka_join_group_request_init(&m);
    m.group_id = kafka_string_of("g");
    m.session_timeout_ms = 10000;
    m.rebalance_timeout_ms = 60000;
    world_send(c, KAFKA_API_JOIN_GROUP, 5, &m);
}

static void answer_join(unsigned n)
{
    struct kafka_join_group_response m;
    kafka_join_group_response_init(&m);
    world_node_answer(&w, 1, n, &m);
}

Test(router_group, members_that_wait_for_each_other_do_not_stand_behind_fetches)
{
    struct kafka_fetch_request_partition partition;
    struct world_client members[3];
    w.settings.lanes_per_node_max = 1;
    w.settings.group_lanes_per_node_max = 2;
    kafka_fetch_request_partition_init(&partition);
    world_send_fetch(&client, "t", 60000, &partition, 1);
    cr_assert_eq(count_at(1), 1);
    for (unsigned i = 0; i < 3; i++) {
        world_connect(&w, &members[i]);
        join(&members[i]);
    }
    cr_assert_eq(count_at(1), 3, "two joins beside the fetch; the third is beyond the bound");
    answer_join(1);
    cr_assert_eq(count_at(1), 4, "and goes when a lane is free");
    for (unsigned i = 0; i < 3; i++)
        world_disconnect(&members[i]);
}

Test(router_group, lanes_of_members_end_when_nobody_joins_any_more)
{
    struct lane_set *lanes = &node_pool_find(&w.shard, 1)->lanes[LANE_GROUPS];
    join(&client);
    cr_assert_eq(lanes->count, 1);
    answer_join(0);
    world_pass_ms(&w, LANE_REST_MS - 1000);
    cr_assert_eq(lanes->count, 1);
    world_pass_ms(&w, 2000);
    cr_assert_eq(lanes->count, 0);
}

static int64_t answers_of_nodes(void)
{
    return world_node(&w, 1)->now + world_node(&w, 3)->now;
}

Test(router_group, a_coordinator_that_does_not_answer_is_not_asked_for_without_a_pause)
{
    w.coordinator = 2;
    world_node(&w, 2)->is_hanging = true;
    world_pass_ms(&w, 2000);
    int64_t before = answers_of_nodes();
    commit(10);
    world_pass_ms(&w, 1000);
    cr_assert_lt(answers_of_nodes() - before, 200);
    w.coordinator = 3;
    world_pass_ms(&w, 300);
    cr_assert_eq(count_at(3), 1);
}

Test(router_group, nor_for_longer_than_one_that_is_not_known)
{
    w.coordinator = 2;
    world_node(&w, 2)->is_hanging = true;
    world_pass_ms(&w, 2000);
    commit(10);
    world_pass_ms(&w, 6000);
    cr_assert(world_is_ended(&client));
}

Test(router_group, a_client_that_goes_while_its_commits_are_in_line_leaves_nothing)
{
    commit(10);
    commit(20);
    commit(30);
    world_disconnect(&client);
    world_answer_commit(&w, 1, 0, KAFKA_ERROR_NONE);
    world_answer_commit(&w, 1, 1, KAFKA_ERROR_NONE);
    cr_assert_eq(committed(1, 2), 30, "it has sent it");
    world_answer_commit(&w, 1, 2, KAFKA_ERROR_NONE);
    cr_assert_eq(w.shard.client_count, 0);
    world_connect(&w, &client);
}

static void list_offsets(void)
{
    struct kafka_list_offsets_request_partition partitions[4];
    static const int32_t indexes[] = {2, 0, 99, 1};
    for (int i = 0; i < 4; i++) {
        kafka_list_offsets_request_partition_init(&partitions[i]);
        partitions[i].partition_index = indexes[i];
    }
    world_send_list_offsets(&client, "t", partitions, 4);
}

static void answer_offset(int32_t node, int32_t partition, int64_t offset)
{
    struct kafka_list_offsets_response_partition from;
    kafka_list_offsets_response_partition_init(&from);
    from.partition_index = partition;
    from.offset = offset;
    world_answer_list_offsets(&w, node, 0, &from, 1);
}

Test(router_group, answers_of_leaders_stand_in_the_order_of_the_question)
{
    list_offsets();
    cr_assert_eq(count_at(3), 1);
    answer_offset(3, 2, 33);
    cr_assert_null(world_list_offsets_answer(&client));
    answer_offset(1, 0, 11);
    world_cut(&w, 2);
    const struct kafka_list_offsets_response *m = world_list_offsets_answer(&client);
    cr_assert_not_null(m);
    const struct kafka_list_offsets_response_partition *got = m->topics[0].partitions;
    cr_assert_eq(got[0].offset, 33);
    cr_assert_eq(got[1].offset, 11);
    cr_assert_eq(got[2].error_code, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    cr_assert_eq(got[3].error_code, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(got[3].partition_index, 1);
}

Test(router_group, an_answer_without_bytes_is_none)
{
    commit(10);
    world_node_answer_nothing(&w, 1, 0);
    cr_assert(world_is_ended(&client));
}

Test(router_group, an_answer_that_can_not_be_read_ends_the_connection_and_is_not_passed_on)
{
    commit(10);
    world_node_answer_garbage(&w, 1, 0);
    cr_assert(world_is_ended(&client), "the client would have got these bytes");
}

Test(router_group, also_one_to_a_member_that_joins)
{
    join(&client);
    cr_assert_eq(count_at(1), 1);
    world_node_answer_garbage(&w, 1, 0);
    cr_assert(world_is_ended(&client));
}

#define DESCRIBE_VERSION 5
#define DELETE_VERSION   2
#define FETCH_VERSION    8

static void describe_two(void)
{
    struct kafka_describe_groups_request m;
    struct kafka_string groups[] = {kafka_string_of("g"), kafka_string_of("h")};
    kafka_describe_groups_request_init(&m);
    m.groups = groups;
    m.groups_count = 2;
    world_send(&client, KAFKA_API_DESCRIBE_GROUPS, DESCRIBE_VERSION, &m);
}

static void answer_described(unsigned n, const char *name)
{
    struct kafka_describe_groups_response m;
    struct kafka_describe_groups_response_group group;
    kafka_describe_groups_response_init(&m);
    kafka_describe_groups_response_group_init(&group);
    group.group_id = kafka_string_of(name);
    m.groups = &group;
    m.groups_count = 1;
    world_node_answer(&w, 1, n, &m);
}

Test(router_group, groups_of_one_question_are_in_one_answer_in_its_order)
{
    describe_two();
    answer_described(0, "g");
    answer_described(1, "h");
    const struct kafka_describe_groups_response *m = world_answer(
        &client, KAFKA_API_DESCRIBE_GROUPS, DESCRIBE_VERSION);
    cr_assert_not_null(m);
    cr_assert_eq(m->groups_count, 2);
    cr_assert(kafka_string_is_text(m->groups[1].group_id, "h"));
}

/* From here on nothing is left for what the request is put together in. */
static void fill_arena(void)
{
    struct kafka_arena *arena = &w.shard.clients->first->arena;
    arena->limit_bytes = arena->used_bytes;
}

Test(router_group, an_answer_that_memory_does_not_suffice_for_is_not_empty)
{
    describe_two();
    answer_described(0, "g");
    fill_arena();
    answer_described(1, "h");
    cr_assert(world_is_ended(&client));
}

Test(router_group, nor_is_one_of_deleted_groups)
{
    struct kafka_delete_groups_request m;
    struct kafka_string names[] = {kafka_string_of("g")};
    struct kafka_delete_groups_response answer;
    struct kafka_delete_groups_response_group group;
    kafka_delete_groups_request_init(&m);
    m.group_names = names;
    m.group_names_count = 1;
    world_send(&client, KAFKA_API_DELETE_GROUPS, DELETE_VERSION, &m);
    kafka_delete_groups_response_init(&answer);
    kafka_delete_groups_response_group_init(&group);
    group.group_id = names[0];
    answer.groups = &group;
    answer.groups_count = 1;
    fill_arena();
    world_node_answer(&w, 1, 0, &answer);
    cr_assert(world_is_ended(&client));
}

Test(router_group, nor_one_of_offsets_that_a_node_did_not_tell)
{
    struct kafka_offset_fetch_request m;
    struct kafka_offset_fetch_request_group group;
    struct kafka_offset_fetch_response answer;
    kafka_offset_fetch_request_init(&m);
    kafka_offset_fetch_request_group_init(&group);
    group.group_id = kafka_string_of("g");
    m.groups = &group;
    m.groups_count = 1;
    world_send(&client, KAFKA_API_OFFSET_FETCH, FETCH_VERSION, &m);
    kafka_offset_fetch_response_init(&answer); /* of no group */
    world_node_answer(&w, 1, 0, &answer);
    cr_assert(world_is_ended(&client));
}

Test(router_group, a_list_of_groups_that_memory_does_not_suffice_for_is_not_empty)
{
    struct kafka_list_groups_request m;
    struct kafka_list_groups_response answer;
    kafka_list_groups_request_init(&m);
    world_send(&client, KAFKA_API_LIST_GROUPS, 4, &m);
    kafka_list_groups_response_init(&answer);
    world_node_answer(&w, 1, 0, &answer);
    world_node_answer(&w, 2, 0, &answer);
    fill_arena();
    world_node_answer(&w, 3, 0, &answer);
    cr_assert(world_is_ended(&client));
}

Test(router_group, a_list_of_groups_without_those_of_a_node_that_can_not_tell_says_so)
{
    struct kafka_list_groups_request m;
    struct kafka_list_groups_response answer;
    kafka_list_groups_request_init(&m);
    world_send(&client, KAFKA_API_LIST_GROUPS, 4, &m);
    kafka_list_groups_response_init(&answer);
    world_node_answer(&w, 1, 0, &answer);
    world_node_answer(&w, 3, 0, &answer);
    answer.error_code = KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
    world_node_answer(&w, 2, 0, &answer);
    const struct kafka_list_groups_response *got = world_answer(&client, KAFKA_API_LIST_GROUPS, 4);
    cr_assert_eq(got->error_code, KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS);
}

Test(router_group, a_coordinator_that_is_silent_about_it_is_left_for_the_next)
{
    commit(10);
    cr_assert_eq(count_at(1), 1);
    w.coordinator = 2;
    world_pass_ms(&w, 11000);
    cr_assert_eq(world_call(&w, 1, 0)->way, -1);
    world_answer_commit(&w, 2, 0, KAFKA_ERROR_NONE);
    cr_assert_not_null(world_commit_answer(&client));
}

Test(router_group, after_three_the_connection_ends)
{
    struct kafka_heartbeat_request m; /* which does no harm twice */
    kafka_heartbeat_request_init(&m);
    m.group_id = kafka_string_of("g");
    world_send(&client, KAFKA_API_HEARTBEAT, 3, &m);
    world_pass_ms(&w, 32000);
    cr_assert_eq(count_at(1), 3);
    cr_assert(world_is_ended(&client));
}

Test(router_group, a_node_that_does_not_answer_the_routers_own_question_is_not_waited_for)
{
    world_node(&w, 1)->is_mute = world_node(&w, 2)->is_mute = true;
    w.leaders[0] = 3;
    for (int i = 0; i < 3; i++) { /* whoever is next */
        cluster_map_want(&w.shard, kafka_string_of("t"));
        world_pass_ms(&w, 2500);
    }
    cr_assert_eq(cluster_map_leader(&w.shard, kafka_string_of("t"), 0), 3);
}
