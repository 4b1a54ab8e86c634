/* Group 0's state: every change and its verdicts, placement, numbers that never come back. */
#include "metadata_bodies.h"

Test(cluster_metadata, is_founded_once)
{
    struct meta t = meta_create();
    uint8_t id[16];
    cr_assert_not(metadata_cluster_id(t.m, id));
    cr_assert_eq(meta_topic_create(&t, 1, "early", 1), ERR_INVALID, "there are no groups yet");
    cr_assert_eq(meta_found(&t), 0);
    cr_assert(metadata_cluster_id(t.m, id));
    cr_assert_arr_eq(id, "cluster of tests", 16);
    cr_assert_eq(meta_found(&t), ERR_EXISTS);
    cr_assert_eq(metadata_group_count(t.m), 1 + BODY_DATA_GROUPS);
    cr_assert_eq(metadata_version(t.m), t.index, "refused changes are seen too");
    metadata_destroy(t.m);
}

static struct metadata_change node_change(uint32_t node_id, const char *host)
{
    struct metadata_change change = {.kind = METADATA_NODE,
                                     .node = {.node_id = node_id, .incarnation = 7, .port = 9092}};
    bytes_copy_text(change.node.site, sizeof change.node.site, "a");
    bytes_copy_text(change.node.host, sizeof change.node.host, host);
    return change;
}

Test(cluster_metadata, keeps_nodes_by_id_and_no_more_than_fit)
{
    struct meta t = meta_founded();
    for (uint32_t i = METADATA_LIVE_NODES_MAX; i > 0; i--) {
        struct metadata_change change = node_change(i, "first");
        cr_assert_eq(meta_apply(&t, &change).error, 0);
    }
    struct metadata_change again = node_change(3, "second"), more = node_change(99, "third");
    cr_assert_eq(meta_apply(&t, &again).error, 0);
    cr_assert_eq(meta_apply(&t, &more).error, ERR_INVALID);
    cr_assert_eq(metadata_node_count(t.m), METADATA_LIVE_NODES_MAX);
    for (unsigned i = 0; i < METADATA_LIVE_NODES_MAX; i++)
        cr_assert_eq(metadata_node_at(t.m, i)->node_id, i + 1);
    cr_assert_str_eq(metadata_node_by_id(t.m, 3)->host, "second");
    cr_assert_null(metadata_node_by_id(t.m, 99));
    metadata_destroy(t.m);
}

Test(cluster_metadata, creates_a_topic_whose_name_and_id_are_free)
{
    struct meta t = meta_founded();
    cr_assert_eq(meta_topic_create(&t, 1, "orders", 5), 0);
    cr_assert_eq(meta_topic_create(&t, 2, "orders", 5), ERR_EXISTS);
    cr_assert_eq(meta_topic_create(&t, 1, "others", 5), ERR_EXISTS);
    cr_assert_eq(meta_topic_create(&t, 3, "none", 0), ERR_INVALID);
    cr_assert_eq(meta_topic_create(&t, 4, "fewer", -1), ERR_INVALID);
    cr_assert_eq(meta_topic_create(&t, 5, "many", METADATA_PARTITIONS_MAX + 1), ERR_INVALID);
    cr_assert_eq(metadata_topic_count(t.m), 1);
    const struct metadata_topic *topic = meta_topic(&t, "orders");
    cr_assert_eq(topic->partition_count, 5);
    cr_assert_eq(metadata_topic_by_id(t.m, topic->id), topic);
    for (int32_t i = 0; i < 5; i++) {
        int32_t index = -1;
        cr_assert_eq(metadata_topic_of(t.m, topic->partitions[i].group_id,
                                       topic->partitions[i].number, &index),
                     topic);
        cr_assert_eq(index, i);
    }
    metadata_destroy(t.m);
}

Test(cluster_metadata, grows_a_topic_and_never_shrinks_it)
{
    struct meta t = meta_founded();
    cr_assert_eq(meta_topic_partitions(&t, 1, 3), ERR_NOT_FOUND);
    cr_assert_eq(meta_topic_create(&t, 1, "orders", 2), 0);
    struct metadata_partition first = meta_topic(&t, "orders")->partitions[0];
    cr_assert_eq(meta_topic_partitions(&t, 1, 2), ERR_INVALID);
    cr_assert_eq(meta_topic_partitions(&t, 1, INT32_MIN), ERR_INVALID);
    cr_assert_eq(meta_topic_partitions(&t, 1, METADATA_PARTITIONS_MAX + 1), ERR_INVALID);
    cr_assert_eq(meta_topic_partitions(&t, 1, 40), 0);
    cr_assert_eq(meta_topic(&t, "orders")->partition_count, 40);
    cr_assert_eq(meta_topic(&t, "orders")->partitions[0].number, first.number);
    cr_assert_eq(meta_topic(&t, "orders")->partitions[0].group_id, first.group_id);
    metadata_destroy(t.m);
}

Test(cluster_metadata, never_gives_a_partition_number_twice)
{
    struct meta t = meta_founded();
    struct random random;
    static bool is_used[1 + BODY_DATA_GROUPS][4000];
    random_init(&random, 3);
    for (uint32_t round = 1; round <= 300; round++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", round);
        cr_assert_eq(meta_topic_create(&t, round, name, 1 + (int32_t)random_below(&random, 30)), 0);
        const struct metadata_topic *topic = meta_topic(&t, name);
        for (int32_t i = 0; i < topic->partition_count; i++) {
            struct metadata_partition place = topic->partitions[i];
            cr_assert_lt(place.number, 4000);
            cr_assert_neq(place.group_id, 0, "group 0 carries metadata only");
            cr_assert_not(is_used[place.group_id][place.number], "a number came back");
            is_used[place.group_id][place.number] = true;
            cr_assert_gt(metadata_group_by_id(t.m, place.group_id)->next_partition_number,
                         place.number);
        }
        if (random_below(&random, 2) == 0)
            cr_assert_eq(meta_topic_delete(&t, round), 0);
    }
    metadata_destroy(t.m);
}

/* Largest minus smallest number of leaders per node, when all groups are led where they belong. */
static unsigned leader_spread(const struct meta *t, const struct metadata_topic *only)
{
    unsigned leaders[1 + BODY_NODES] = {0}, least = UINT32_MAX, most = 0;
    if (only == NULL)
        for (unsigned i = 1; i < metadata_group_count(t->m); i++) {
            const struct metadata_group *g = metadata_group_at(t->m, i);
            leaders[g->preferred_node_id] += g->partition_count;
        }
    for (int32_t i = 0; only != NULL && i < only->partition_count; i++)
        leaders[metadata_group_by_id(t->m, only->partitions[i].group_id)->preferred_node_id]++;
    for (unsigned n = 1; n <= BODY_NODES; n++) {
        least = leaders[n] < least ? leaders[n] : least;
        most = leaders[n] > most ? leaders[n] : most;
    }
    return most - least;
}

Test(cluster_metadata, spreads_leaders_evenly)
{
    struct meta t = meta_founded();
    struct random random;
    random_init(&random, 5);
    for (uint32_t round = 1; round <= 200; round++) {
        char name[16];
        snprintf(name, sizeof name, "t%u", round);
        cr_assert_eq(meta_topic_create(&t, round, name, 1 + (int32_t)random_below(&random, 40)), 0);
        cr_assert_leq(leader_spread(&t, meta_topic(&t, name)), 1, "of one topic");
        cr_assert_leq(leader_spread(&t, NULL), 1, "of all topics");
    }
    metadata_destroy(t.m);
}

static void assert_configs(const struct meta *t, const char *retention, const char *segment,
                           const char *unclean)
{
    static const char *const names[] = {"retention.ms", "segment.bytes", "unclean"};
    const char *values[] = {retention, segment, unclean};
    for (unsigned i = 0; i < 3; i++) {
        const char *value = metadata_topic_config(meta_topic(t, "orders"), names[i]);
        cr_assert_eq(value == NULL, values[i] == NULL);
        cr_assert(value == NULL || strcmp(value, values[i]) == 0);
    }
}

Test(cluster_metadata, changes_the_configs_that_are_named_and_leaves_the_others)
{
    struct meta t = meta_founded();
    struct metadata_config first[] = {{"retention.ms", "1"}, {"unclean", "no"}};
    struct metadata_config second[] = {{"segment.bytes", "2048"}};
    struct metadata_config third[] = {{"retention.ms", "2"}};
    const char *removed[] = {"unclean", "never.set"};
    struct metadata_change change = topic_change(METADATA_TOPIC_CONFIG, 1);
    cr_assert_eq(meta_topic_create(&t, 1, "orders", 1), 0);
    change.configs = first;
    change.config_count = 2;
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    change.configs = second; /* by someone who had not seen the first */
    change.config_count = 1;
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    assert_configs(&t, "1", "2048", "no");
    change.configs = third;
    change.removed = removed;
    change.removed_count = 2;
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    assert_configs(&t, "2", "2048", NULL);
    metadata_destroy(t.m);
}

Test(cluster_metadata, keeps_no_more_configs_than_there_may_be)
{
    struct meta t = meta_founded();
    char names[METADATA_CONFIGS_MAX][8];
    struct metadata_config configs[METADATA_CONFIGS_MAX], other = {"other", "x"};
    struct metadata_change change = topic_change(METADATA_TOPIC_CONFIG, 1);
    const char *removed[] = {"n00"};
    cr_assert_eq(meta_topic_create(&t, 1, "orders", 1), 0);
    for (unsigned i = 0; i < METADATA_CONFIGS_MAX; i++) {
        snprintf(names[i], sizeof names[i], "n%02u", i);
        configs[i] = (struct metadata_config){names[i], "x"};
    }
    change.configs = configs;
    change.config_count = METADATA_CONFIGS_MAX;
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    change.configs = &other;
    change.config_count = 1;
    cr_assert_eq(meta_apply(&t, &change).error, ERR_INVALID);
    cr_assert_null(metadata_topic_config(meta_topic(&t, "orders"), "other"));
    change.removed = removed;
    change.removed_count = 1;
    cr_assert_eq(meta_apply(&t, &change).error, 0, "one goes, one comes");
    cr_assert_str_eq(metadata_topic_config(meta_topic(&t, "orders"), "other"), "x");
    metadata_destroy(t.m);
}

Test(cluster_metadata, refuses_configs_that_are_out_of_order)
{
    struct meta t = meta_founded();
    struct metadata_config twice[] = {{"a", "1"}, {"a", "2"}},
                           backwards[] = {{"b", "1"}, {"a", "2"}};
    struct metadata_change change = topic_change(METADATA_TOPIC_CONFIG, 1);
    cr_assert_eq(meta_topic_create(&t, 1, "orders", 1), 0);
    change.config_count = 2;
    change.configs = twice;
    cr_assert_eq(meta_apply(&t, &change).error, ERR_MALFORMED);
    change.configs = backwards;
    cr_assert_eq(meta_apply(&t, &change).error, ERR_MALFORMED);
    metadata_destroy(t.m);
}

Test(cluster_metadata, changes_configs_of_topics_that_are_there)
{
    struct meta t = meta_founded();
    struct metadata_config two[] = {{"retention.ms", "1"}, {"segment.bytes", "2048"}};
    struct metadata_config one[] = {{"segment.bytes", ""}};
    const char *removed[] = {"retention.ms"};
    struct metadata_change change = topic_change(METADATA_TOPIC_CONFIG, 1);
    change.configs = two;
    change.config_count = 2;
    cr_assert_eq(meta_apply(&t, &change).error, ERR_NOT_FOUND);
    cr_assert_eq(meta_topic_create(&t, 1, "orders", 1), 0);
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    cr_assert_str_eq(metadata_topic_config(meta_topic(&t, "orders"), "retention.ms"), "1");
    change.configs = one;
    change.config_count = 1;
    change.removed = removed;
    change.removed_count = 1;
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    cr_assert_null(metadata_topic_config(meta_topic(&t, "orders"), "retention.ms"));
    cr_assert_str_eq(metadata_topic_config(meta_topic(&t, "orders"), "segment.bytes"), "");
    metadata_destroy(t.m);
}

Test(cluster_metadata, refuses_to_encode_what_is_beyond_a_limit)
{
    uint8_t *body;
    size_t size;
    char long_name[METADATA_TOPIC_NAME_MAX + 2];
    struct metadata_config configs[METADATA_CONFIGS_MAX + 1];
    struct metadata_change change = topic_change(METADATA_TOPIC_CREATE, 1);
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    change.name = long_name;
    cr_assert_eq(metadata_change_encode(&change, &body, &size), ERR_INVALID);
    change.name = "short";
    for (unsigned i = 0; i <= METADATA_CONFIGS_MAX; i++)
        configs[i] = (struct metadata_config){"a", "b"};
    change.configs = configs;
    change.config_count = METADATA_CONFIGS_MAX + 1;
    cr_assert_eq(metadata_change_encode(&change, &body, &size), ERR_INVALID);
    change.config_count = METADATA_CONFIGS_MAX;
    cr_assert_eq(metadata_change_encode(&change, &body, &size), 0);
    free(body);
}

Test(cluster_metadata, hands_out_producer_ids_in_blocks_that_never_meet)
{
    struct meta t = meta_founded();
    struct metadata_change change = {.kind = METADATA_PRODUCER_IDS};
    int64_t last = -METADATA_PRODUCER_ID_BLOCK;
    for (int i = 0; i < 5; i++) {
        struct metadata_result result = meta_apply(&t, &change);
        cr_assert_eq(result.error, 0);
        cr_assert_geq(result.first_producer_id, last + METADATA_PRODUCER_ID_BLOCK);
        last = result.first_producer_id;
    }
    metadata_destroy(t.m);
}

Test(cluster_metadata, raises_the_failover_epoch)
{
    struct meta t = meta_founded();
    struct metadata_change change = {.kind = METADATA_FAILOVER_EPOCH, .name = "planned switch"};
    cr_assert_eq(metadata_failover_epoch(t.m), 0);
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    cr_assert_eq(metadata_failover_epoch(t.m), 1);
    metadata_destroy(t.m);
}

Test(cluster_metadata, prefers_a_leader_only_among_a_groups_nodes)
{
    struct meta t = meta_founded();
    struct metadata_group group = {.group_id = 4, .preferred_node_id = 3};
    struct metadata_change change = {
        .kind = METADATA_PREFERRED, .groups = &group, .group_count = 1};
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    cr_assert_eq(metadata_group_by_id(t.m, 4)->preferred_node_id, 3);
    group.preferred_node_id = 9;
    cr_assert_eq(meta_apply(&t, &change).error, ERR_INVALID);
    group.group_id = 77;
    cr_assert_eq(meta_apply(&t, &change).error, ERR_NOT_FOUND);
    cr_assert_eq(metadata_group_by_id(t.m, 4)->preferred_node_id, 3);
    metadata_destroy(t.m);
}
