/* Forced recoveries that group 0 orders, because it lives and other groups have lost their majority
 * (state/metadata_recovery.c), and what any recovery does to partitions on their way. */
#include "cluster/metadata_bodies.h"

#include "cluster/placement.h"
#include "cluster/recovery_entry.h"
#include "cluster/switch.h"

#define ASYNC_GROUP (1 + BODY_DATA_GROUPS)
#define ID          77

static void say(struct meta *t, uint32_t node_id, const char *site)
{
    struct metadata_change change = {
        .kind = METADATA_NODE,
        .node = {.node_id = node_id, .incarnation = 10 + node_id, .host = "h", .port = 9092}};
    bytes_copy_text(change.node.site, sizeof change.node.site, site);
    cr_assert_eq(meta_apply(t, &change).error, 0);
}

static void add_group(struct meta *t)
{
    static struct placement now;
    struct metadata_group group;
    struct metadata_wish wish = {.mode = METADATA_ASYNC, .home_site = "a"};
    struct err_note note = {0};
    placement_of(t->m, &now);
    cr_assert_eq(placement_new_group(&now, &wish, NULL, &group, &note), 0, "%s", note.text);
    struct metadata_change change = {.kind = METADATA_GROUP_ADD,
                                     .groups = &group,
                                     .group_count = 1,
                                     .placement_version = metadata_placement_version(t->m)};
    cr_assert_eq(meta_apply(t, &change).error, 0);
}

static void create_topic(struct meta *t, uint32_t number, const char *name, const char *replication)
{
    struct metadata_config configs[] = {
        {(char *)(uintptr_t) "retention.ms", (char *)(uintptr_t) "5000"},
        {(char *)(uintptr_t)METADATA_CONFIG_HOME_SITE, (char *)(uintptr_t) "a"},
        {(char *)(uintptr_t)METADATA_CONFIG_REPLICATION, (char *)(uintptr_t)replication}};
    struct metadata_change change = topic_change(METADATA_TOPIC_CREATE, number);
    change.name = name;
    change.partition_count = 2;
    change.replication_factor = 3;
    change.configs = configs;
    change.config_count = 3;
    cr_assert_eq(meta_apply(t, &change).error, 0);
}

/* Three sites; one group, and one topic, that are asynchronous at home in a. */
static struct meta founded(void)
{
    struct meta t = meta_founded();
    say(&t, 1, "a");
    say(&t, 2, "b");
    say(&t, 3, "c");
    add_group(&t);
    create_topic(&t, 1, "orders", "async");
    create_topic(&t, 2, "safe", "sync");
    cr_assert_eq(meta_topic(&t, "orders")->partitions[0].group_id, ASYNC_GROUP);
    return t;
}

static struct metadata_recovery_change wanted(uint32_t generation)
{
    return (struct metadata_recovery_change){
        .recovery_id = ID,
        .node_id = 2,
        .known_until_ms = 900,
        .lost_records = 3,
        .lost_bytes = 30,
        .forecast_pause_ms = 800,
        .group_count = 1,
        .groups = {{.group_id = ASYNC_GROUP, .generation = generation}}};
}

static int recover(struct meta *t, const struct metadata_recovery_change *wanted)
{
    struct metadata_change change = {.kind = METADATA_RECOVERY, .recovery = wanted};
    t->wall_ms = 5000;
    return meta_apply(t, &change).error;
}

static void check_same_from_a_checkpoint(const struct meta *t)
{
    struct meta again = meta_create();
    struct bytes bytes = meta_bytes(t->m);
    cr_assert_eq(metadata_decode(again.m, bytes), 0);
    struct bytes same = meta_bytes(again.m);
    cr_assert(bytes_is_equal(bytes, same));
    for (size_t cut = 1; cut <= 32; cut++)
        cr_assert_neq(metadata_decode(again.m, bytes_of(bytes.data, bytes.size - cut)), 0);
    free((void *)(uintptr_t)bytes.data);
    free((void *)(uintptr_t)same.data);
    metadata_destroy(again.m);
}

Test(cluster_metadata_recovery, makes_the_survivor_the_voter_and_its_site_the_home)
{
    struct meta t = founded();
    uint64_t epoch = metadata_failover_epoch(t.m);
    cr_assert_null(metadata_recovered_of(t.m, ASYNC_GROUP));
    struct metadata_recovery_change c = wanted(1);
    cr_assert_eq(recover(&t, &c), 0);
    const struct metadata_group *group = metadata_group_by_id(t.m, ASYNC_GROUP);
    cr_assert_str_eq(group->home_site, "b");
    cr_assert_eq(group->preferred_node_id, 2);
    cr_assert_eq(group->learner_count, 2);
    cr_assert(metadata_group_votes(group, 2));
    cr_assert(metadata_group_has(group, 1) && !metadata_group_votes(group, 1));
    cr_assert(metadata_group_has(group, 3) && !metadata_group_votes(group, 3));
    const struct metadata_recovered *r = metadata_recovered_of(t.m, ASYNC_GROUP);
    cr_assert_eq(r->generation, 1);
    cr_assert_eq(r->node_id, 2);
    cr_assert_eq(r->recovery_id, ID);
    cr_assert_eq(r->epoch, epoch + 1, "nobody else has raised it: group 0 has lived");
    const struct metadata_epoch *row = metadata_epoch_of(t.m, r->epoch);
    cr_assert_eq(row->cause, METADATA_EPOCH_RECOVERY);
    cr_assert_str_eq(row->from, "a");
    cr_assert_str_eq(row->to, "b");
    cr_assert_eq(row->forecast_lost_records, 3);
    cr_assert_eq(row->forecast_pause_ms, 800);
    cr_assert_eq(row->outcome, METADATA_EPOCH_UNDER_WAY);
    cr_assert_eq(metadata_placement_version(t.m), t.index);
    check_same_from_a_checkpoint(&t);
    metadata_destroy(t.m);
}

Test(cluster_metadata_recovery, sends_the_topics_home_with_their_groups_and_no_others)
{
    struct meta t = founded();
    struct metadata_recovery_change c = wanted(1);
    cr_assert_eq(recover(&t, &c), 0);
    const struct metadata_topic *orders = meta_topic(&t, "orders"), *safe = meta_topic(&t, "safe");
    cr_assert_str_eq(metadata_topic_config(orders, METADATA_CONFIG_HOME_SITE), "b");
    cr_assert_str_eq(metadata_topic_config(orders, "retention.ms"), "5000");
    cr_assert_str_eq(metadata_topic_config(safe, METADATA_CONFIG_HOME_SITE), "a");
    cr_assert_eq(orders->partitions[0].epoch_base, RECOVERY_EPOCH_STRIDE);
    cr_assert_eq(safe->partitions[0].epoch_base, 0);
    cr_assert_eq(metadata_first_offset(t.m, &orders->partitions[0]),
                 metadata_next_producer_id(t.m) / RECOVERY_PRODUCER_STRIDE * ((int64_t)1 << 40));
    cr_assert_geq(metadata_next_producer_id(t.m), RECOVERY_PRODUCER_STRIDE);
    create_topic(&t, 3, "later", "async");
    cr_assert_eq(metadata_first_offset(t.m, &meta_topic(&t, "later")->partitions[0]), 0);
    metadata_destroy(t.m);
}

Test(cluster_metadata_recovery, is_ordered_once_for_each_generation)
{
    struct meta t = founded();
    struct metadata_recovery_change c = wanted(1);
    cr_assert_eq(recover(&t, &c), 0);
    uint64_t epoch = metadata_failover_epoch(t.m);
    c.recovery_id = ID + 1;
    c.node_id = 3;
    cr_assert_eq(recover(&t, &c), ERR_EXISTS, "two operators at once: one of them has it");
    cr_assert_eq(metadata_recovered_of(t.m, ASYNC_GROUP)->recovery_id, ID);
    cr_assert_eq(metadata_failover_epoch(t.m), epoch);
    c.groups[0].generation = 2;
    cr_assert_eq(recover(&t, &c), 0, "the survivor is lost as well");
    cr_assert_str_eq(metadata_group_by_id(t.m, ASYNC_GROUP)->home_site, "c");
    cr_assert_str_eq(metadata_topic_config(meta_topic(&t, "orders"), METADATA_CONFIG_HOME_SITE),
                     "c");
    check_same_from_a_checkpoint(&t);
    metadata_destroy(t.m);
}

Test(cluster_metadata_recovery, refuses_what_is_not_there_and_changes_nothing_by_that)
{
    struct meta t = founded();
    struct metadata_recovery_change bad[] = {wanted(1), wanted(1), wanted(0), wanted(1), wanted(1)};
    const int verdicts[] = {ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_MALFORMED, ERR_MALFORMED,
                            ERR_MALFORMED};
    bad[0].node_id = 9;
    bad[1].groups[0].group_id = 200;
    bad[3].groups[0].group_id = 0;
    bad[4].recovery_id = 0;
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(recover(&t, &bad[i]), verdicts[i], "%u", i);
        cr_assert_null(metadata_recovered_of(t.m, ASYNC_GROUP));
        cr_assert_str_eq(metadata_group_by_id(t.m, ASYNC_GROUP)->home_site, "a");
    }
    metadata_destroy(t.m);
}

Test(cluster_metadata_recovery, cut_bytes_are_refused)
{
    struct meta t = founded();
    struct metadata_recovery_change c = wanted(1);
    struct metadata_change change = {.kind = METADATA_RECOVERY, .recovery = &c};
    uint8_t *body;
    size_t size;
    cr_assert_eq(metadata_change_encode(&change, &body, &size), 0);
    for (size_t cut = 4; cut < size; cut++)
        cr_assert_eq(meta_apply_bytes(&t, bytes_of(body, cut)).error, ERR_MALFORMED);
    cr_assert_null(metadata_recovered_of(t.m, ASYNC_GROUP));
    cr_assert_eq(meta_apply_bytes(&t, bytes_of(body, size)).error, 0);
    free(body);
    metadata_destroy(t.m);
}

/* ---- partitions on their way ---- */

static int step(struct meta *t, enum metadata_move_step step, struct metadata_move_change move)
{
    struct metadata_change change = topic_change(METADATA_MOVE, 1);
    change.move = move;
    change.move.step = step;
    return meta_apply(t, &change).error;
}

static const struct metadata_move *move_of(const struct meta *t)
{
    return metadata_move_of(t->m, meta_topic(t, "orders")->id, 0);
}

/* The topic's first partition is on its way from the asynchronous group to group 1. */
static struct meta moving(void)
{
    struct meta t = founded();
    cr_assert_eq(step(&t, METADATA_MOVE_START, (struct metadata_move_change){.group_id = 1}), 0);
    return t;
}

static int close_at(struct meta *t, int64_t offset, uint64_t index)
{
    struct metadata_move_change c = {
        .number = move_of(t)->from.number, .epoch = 3, .offset = offset, .index = index};
    return step(t, METADATA_MOVE_CLOSED, c);
}

Test(cluster_metadata_recovery, a_partition_that_was_closed_in_a_lost_log_is_closed_again)
{
    struct meta t = moving();
    cr_assert_eq(close_at(&t, 40, 7), 0);
    cr_assert_eq(close_at(&t, 50, 8), ERR_EXISTS);
    struct metadata_recovery_change c = wanted(1);
    cr_assert_eq(recover(&t, &c), 0);
    int32_t epoch_base = move_of(&t)->to.epoch_base;
    cr_assert_eq(move_of(&t)->phase, METADATA_MOVE_OPENING);
    cr_assert_eq(move_of(&t)->index, 0, "nobody opens it by what the lost log said");
    check_same_from_a_checkpoint(&t);
    cr_assert_eq(close_at(&t, (int64_t)1 << 40, 5), 0);
    cr_assert_eq(move_of(&t)->index, 5);
    cr_assert_eq(move_of(&t)->offset, (int64_t)1 << 40);
    cr_assert_geq(move_of(&t)->to.epoch_base, epoch_base, "an epoch never goes down");
    cr_assert_eq(meta_topic(&t, "orders")->partitions[0].epoch_base, move_of(&t)->to.epoch_base);
    cr_assert_eq(close_at(&t, 60, 9), ERR_EXISTS, "once");
    metadata_destroy(t.m);
}

Test(cluster_metadata_recovery, a_partition_that_is_not_closed_yet_goes_on_its_way)
{
    struct meta t = moving();
    uint32_t number = move_of(&t)->to.number;
    struct metadata_recovery_change c = wanted(1);
    cr_assert_eq(recover(&t, &c), 0);
    cr_assert_eq(move_of(&t)->to.number, number, "group 0 has lived: nobody has opened it");
    cr_assert_eq(close_at(&t, 40, 7), 0);
    cr_assert_eq(move_of(&t)->phase, METADATA_MOVE_OPENING);
    metadata_destroy(t.m);
}

static void agree_on_sites(struct meta *t)
{
    static const struct router_site sites[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    struct router_verdict verdict;
    struct metadata_site_change c = {.step = METADATA_SITE_VERDICT, .verdict = &verdict};
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &c};
    cr_assert_eq(router_verdict_init(&verdict, sites, 3, NULL), 0);
    cr_assert_eq(meta_apply(t, &change).error, 0);
}

/* The new group may have heard of a closing that the surviving group 0 has not. */
Test(cluster_metadata_recovery, with_group_zero_recovered_the_new_group_gets_another_number)
{
    struct meta t = moving();
    uint32_t number = move_of(&t)->to.number;
    int32_t partition;
    struct metadata_result result;
    struct recovery_entry entry = {.generation = 1,
                                   .recovery_id = ID,
                                   .producer_id_end = RECOVERY_PRODUCER_STRIDE,
                                   .site = "c",
                                   .group_count = ASYNC_GROUP + 1};
    for (unsigned i = 0; i <= ASYNC_GROUP; i++)
        entry.group_ids[i] = i;
    agree_on_sites(&t);
    cr_assert_eq(metadata_apply_recovery(t.m, ++t.index, 5000, &entry, &result), 0);
    cr_assert_gt(move_of(&t)->to.number, number);
    cr_assert_eq(metadata_verdict(t.m)->epoch, 1 + RECOVERY_NUMBER_STRIDE,
                 "the lost side may have told clients of a later one");
    cr_assert_eq(metadata_verdict(t.m)->failover_epoch, metadata_failover_epoch(t.m));
    cr_assert_null(metadata_topic_of(t.m, 1, number, &partition), "closed as of a deleted topic");
    cr_assert_not_null(metadata_topic_of(t.m, 1, move_of(&t)->to.number, &partition));
    check_same_from_a_checkpoint(&t);
    metadata_destroy(t.m);
}
