/* Raft groups that come after the founding, and which topics they are for. */
#include "cluster/metadata_bodies.h"

#include "cluster/placement.h"
#include "cluster/switch.h"

static int say(struct meta *t, uint32_t node_id, const char *site)
{
    struct metadata_change change = {
        .kind = METADATA_NODE,
        .node = {.node_id = node_id, .incarnation = 10 + node_id, .host = "h", .port = 9092}};
    bytes_copy_text(change.node.site, sizeof change.node.site, site);
    return meta_apply(t, &change).error;
}

static struct meta founded(void)
{
    struct meta t = meta_founded();
    cr_assert_eq(say(&t, 1, "a"), 0);
    cr_assert_eq(say(&t, 2, "b"), 0);
    cr_assert_eq(say(&t, 3, "c"), 0);
    return t;
}

static struct metadata_group planned(const struct meta *t, enum metadata_mode mode,
                                     const char *home_site)
{
    static struct placement now;
    struct metadata_group group;
    struct metadata_wish wish = {.mode = mode};
    struct err_note note = {0};
    bytes_copy_text(wish.home_site, sizeof wish.home_site, home_site);
    placement_of(t->m, &now);
    cr_assert_eq(placement_new_group(&now, &wish, NULL, &group, &note), 0, "%s", note.text);
    return group;
}

static int add(struct meta *t, const struct metadata_group *group, uint64_t version)
{
    struct metadata_change change = {.kind = METADATA_GROUP_ADD,
                                     .groups = group,
                                     .group_count = 1,
                                     .placement_version = version};
    return meta_apply(t, &change).error;
}

static int add_now(struct meta *t, const struct metadata_group *group)
{
    return add(t, group, metadata_placement_version(t->m));
}

static int create_topic(struct meta *t, uint32_t number, const char *name, const char *home_site,
                        const char *replication, int32_t partition_count)
{
    struct metadata_config configs[] = {
        {(char *)(uintptr_t)METADATA_CONFIG_HOME_SITE, (char *)(uintptr_t)home_site},
        {(char *)(uintptr_t)METADATA_CONFIG_REPLICATION, (char *)(uintptr_t)replication}};
    struct metadata_change change = topic_change(METADATA_TOPIC_CREATE, number);
    change.name = name;
    change.partition_count = partition_count;
    change.replication_factor = 3;
    change.configs = configs;
    change.config_count = 2;
    return meta_apply(t, &change).error;
}

Test(cluster_metadata_groups, an_asynchronous_group_votes_at_home_and_its_founding_is_kept)
{
    struct meta t = founded(), copy = meta_create();
    struct metadata_group group = planned(&t, METADATA_ASYNC, "b");
    cr_assert_eq(add_now(&t, &group), 0);
    cr_assert_eq(say(&t, 2, "b"), 0);
    struct bytes bytes = meta_bytes(t.m);
    cr_assert_eq(metadata_decode(copy.m, bytes), 0);
    const struct metadata_group *known = metadata_group_by_id(copy.m, 1 + BODY_DATA_GROUPS);
    cr_assert_eq(known->mode, METADATA_ASYNC);
    cr_assert_str_eq(known->home_site, "b");
    cr_assert_eq(known->preferred_node_id, 2);
    cr_assert_eq(known->node_count, 3);
    cr_assert_eq(known->learner_count, 2);
    cr_assert(metadata_group_votes(known, 2));
    cr_assert(metadata_group_has(known, 1) && !metadata_group_votes(known, 1));
    const struct metadata_founding *founding = metadata_group_founding(copy.m, known->group_id);
    cr_assert_eq(founding->founder_count, 3);
    cr_assert_eq(founding->founders[0].node_id, 2);
    cr_assert_eq(founding->founders[0].incarnation, 12);
    cr_assert_str_eq(founding->founders[0].site, "b");
    cr_assert(founding->founders[0].is_voter && !founding->founders[1].is_voter);
    cr_assert_eq(metadata_group_founding(copy.m, 1)->founder_count, 0, "the founders know it");
    free((void *)(uintptr_t)bytes.data);
    metadata_destroy(t.m);
    metadata_destroy(copy.m);
}

Test(cluster_metadata_groups, a_founding_stays_what_it_was_when_a_node_begins_anew)
{
    struct meta t = founded();
    struct metadata_group group = planned(&t, METADATA_ASYNC, "b");
    cr_assert_eq(add_now(&t, &group), 0);
    struct metadata_change anew = {
        .kind = METADATA_NODE,
        .node = {.node_id = 2, .incarnation = 99, .site = "b", .host = "h", .port = 9092}};
    cr_assert_eq(meta_apply(&t, &anew).error, 0);
    const struct metadata_founding *founding = metadata_group_founding(t.m, group.group_id);
    cr_assert_eq(founding->founders[0].incarnation, 12);
    metadata_destroy(t.m);
}

Test(cluster_metadata_groups, what_would_break_a_rule_is_refused)
{
    struct meta t = founded();
    struct metadata_group group = planned(&t, METADATA_ASYNC, "b"), other;
    cr_assert_eq(add(&t, &group, metadata_placement_version(t.m) - 1), ERR_CANT_CHANGE, "too late");
    other = group;
    other.group_id = 1;
    cr_assert_eq(add_now(&t, &other), ERR_EXISTS);
    other.group_id = group.group_id + 1;
    cr_assert_eq(add_now(&t, &other), ERR_INVALID, "ids have no gap");
    other = group;
    other.node_ids[2] = 4;
    cr_assert_eq(add_now(&t, &other), ERR_INVALID, "a node that is not there");
    other = group;
    other.learner_count = 1;
    cr_assert_eq(add_now(&t, &other), ERR_CANT_CHANGE, "voters in two sites");
    other = group;
    other.preferred_node_id = 3;
    cr_assert_eq(add_now(&t, &other), ERR_INVALID, "led by a learner");
    other = group;
    bytes_copy_text(other.home_site, sizeof other.home_site, "z");
    cr_assert_eq(add_now(&t, &other), ERR_NOT_FOUND, "a site that is not there");
    cr_assert_eq(metadata_group_count(t.m), 1 + BODY_DATA_GROUPS);
    cr_assert_eq(add_now(&t, &group), 0);
    metadata_destroy(t.m);
}

Test(cluster_metadata_groups, partitions_go_to_groups_of_their_topics_mode_and_home)
{
    struct meta t = founded();
    struct metadata_group async = planned(&t, METADATA_ASYNC, "b");
    cr_assert_eq(add_now(&t, &async), 0);
    struct metadata_group home = planned(&t, METADATA_SYNC, "c");
    cr_assert_eq(add_now(&t, &home), 0);
    cr_assert_eq(home.learner_count, 0);
    cr_assert_eq(home.preferred_node_id, 3);
    cr_assert_eq(create_topic(&t, 1, "near", "b", "async", 5), 0);
    cr_assert_eq(create_topic(&t, 2, "led", "c", "sync", 5), 0);
    cr_assert_eq(create_topic(&t, 3, "early", "a", "async", 5), 0);
    cr_assert_eq(meta_topic_create(&t, 4, "usual", 40), 0);
    for (int32_t i = 0; i < 5; i++) {
        cr_assert_eq(meta_topic(&t, "near")->partitions[i].group_id, async.group_id);
        cr_assert_eq(meta_topic(&t, "led")->partitions[i].group_id, home.group_id);
        cr_assert_lt(meta_topic(&t, "early")->partitions[i].group_id, async.group_id,
                     "there is no group for it yet: it is synchronous until it moves");
    }
    for (int32_t i = 0; i < 40; i++)
        cr_assert_lt(meta_topic(&t, "usual")->partitions[i].group_id, async.group_id);
    metadata_destroy(t.m);
}

Test(cluster_metadata_groups, a_placement_keeps_what_a_group_is_for_and_its_votes_in_one_site)
{
    struct meta t = founded();
    struct metadata_group group = planned(&t, METADATA_ASYNC, "b");
    cr_assert_eq(add_now(&t, &group), 0);
    struct metadata_change change = {
        .kind = METADATA_PLACEMENT, .groups = &group, .group_count = 1};
    change.placement_version = metadata_placement_version(t.m);
    group.node_ids[0] = 3; /* it votes in c for now */
    group.node_ids[1] = 1;
    group.node_ids[2] = 2;
    group.preferred_node_id = 3;
    bytes_copy_text(group.home_site, sizeof group.home_site, "c");
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    const struct metadata_group *known = metadata_group_by_id(t.m, group.group_id);
    cr_assert(metadata_group_votes(known, 3) && !metadata_group_votes(known, 2));
    cr_assert_str_eq(known->home_site, "b");
    change.placement_version = metadata_placement_version(t.m);
    group.learner_count = 0;
    group.mode = METADATA_SYNC;
    cr_assert_eq(meta_apply(&t, &change).error, ERR_INVALID, "its mode is for ever");
    metadata_destroy(t.m);
}

Test(cluster_metadata_groups, a_switched_site_sends_its_asynchronous_voters_where_the_switch_says)
{
    static struct placement now;
    struct meta t = founded();
    struct metadata_group async = planned(&t, METADATA_ASYNC, "b");
    cr_assert_eq(add_now(&t, &async), 0);
    struct metadata_group home = planned(&t, METADATA_SYNC, "b");
    cr_assert_eq(add_now(&t, &home), 0);
    const struct metadata_group *known = metadata_group_by_id(t.m, async.group_id);
    cr_assert_str_eq(metadata_home_if(t.m, known, "b", "c"), "c");
    cr_assert_str_eq(metadata_home_if(t.m, known, "b", ""), "a", "the first of the others");
    cr_assert_str_eq(metadata_home_if(t.m, known, "c", "a"), "b", "it is not concerned");
    uint64_t before = metadata_placement_version(t.m);
    struct metadata_switch_change step = {
        .step = METADATA_SWITCH_BEGIN, .deadline_ms = 1000, .row = {.from = "b", .to = "c"}};
    struct metadata_change change = {.kind = METADATA_SWITCH, .planned = &step};
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    cr_assert_gt(metadata_placement_version(t.m), before, "plans are made anew");
    placement_of(t.m, &now);
    cr_assert_eq(placement_plan(&now, NULL), 0);
    const struct metadata_group *then = &now.groups[async.group_id];
    cr_assert(metadata_group_votes(then, 3) && then->learner_count == 2);
    cr_assert_eq(then->preferred_node_id, 3);
    then = &now.groups[home.group_id];
    cr_assert(metadata_group_votes(then, 2) && then->learner_count == 0);
    cr_assert_eq(metadata_leader_of(t.m, metadata_group_by_id(t.m, home.group_id)), 3);
    cr_assert_eq(metadata_leader_of(t.m, metadata_group_by_id(t.m, async.group_id)), 2,
                 "until its voters are there");
    step = (struct metadata_switch_change){
        .step = METADATA_SWITCH_END,
        .row = {.epoch = metadata_switch_of(t.m)->epoch, .outcome = METADATA_EPOCH_UNDONE}};
    cr_assert_eq(meta_apply(&t, &change).error, 0);
    placement_of(t.m, &now);
    cr_assert_eq(placement_plan(&now, NULL), 0);
    cr_assert(metadata_group_votes(&now.groups[async.group_id], 2), "all is as before");
    metadata_destroy(t.m);
}

/* ---- the version before, of groups without a mode ---- */

Test(cluster_metadata_groups, changes_of_the_version_before_are_read)
{
    uint8_t body[4 + 16 + 2 + 2 * 18] = {2, 0, METADATA_CLUSTER, 0, 'i', 'd'}, *at = body + 20;
    struct meta t = meta_create(), copy = meta_create();
    at = bytes_put_le16(at, 2);
    for (uint32_t i = 0; i < 2; i++) {
        at = bytes_put_le32(at, i);
        at = bytes_put_le32(at, 1);
        at = bytes_put_le32(at, 1);
        at = bytes_put_le16(at, 1);
        at = bytes_put_le32(at, 1);
    }
    cr_assert_eq(at, body + sizeof body);
    cr_assert_eq(meta_apply_bytes(&t, bytes_of(body, sizeof body)).error, 0);
    cr_assert_eq(metadata_group_at(t.m, 1)->mode, METADATA_SYNC);
    cr_assert_eq(metadata_group_at(t.m, 1)->learner_count, 0);
    body[0] = 1;
    cr_assert_eq(meta_apply_bytes(&copy, bytes_of(body, sizeof body)).error, ERR_MALFORMED);
    metadata_destroy(t.m);
    metadata_destroy(copy.m);
}
