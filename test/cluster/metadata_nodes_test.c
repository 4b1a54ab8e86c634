/* Nodes' states and groups' places in group 0: what apply takes and what it refuses. */
#include "cluster/metadata_bodies.h"

static int say(struct meta *t, uint32_t node_id, uint64_t incarnation, const char *site)
{
    struct metadata_change change = {
        .kind = METADATA_NODE,
        .node = {.node_id = node_id, .incarnation = incarnation, .host = "h", .port = 9092}};
    bytes_copy_text(change.node.site, sizeof change.node.site, site);
    return meta_apply(t, &change).error;
}

static struct metadata_node row(uint32_t node_id, enum metadata_node_state state, const char *site)
{
    struct metadata_node node = {.node_id = node_id, .state = state};
    bytes_copy_text(node.site, sizeof node.site, site);
    return node;
}

static int set_states(struct meta *t, const struct metadata_node *rows, unsigned count)
{
    struct metadata_change change = {
        .kind = METADATA_NODE_STATE, .nodes = rows, .node_count = count};
    return meta_apply(t, &change).error;
}

static int set_state(struct meta *t, uint32_t node_id, enum metadata_node_state state,
                     const char *site)
{
    struct metadata_node node = row(node_id, state, site);
    return set_states(t, &node, 1);
}

static int place(struct meta *t, uint32_t group_id, uint32_t a, uint32_t b, uint32_t c,
                 uint64_t version)
{
    struct metadata_group group = {.group_id = group_id,
                                   .preferred_node_id = a,
                                   .next_partition_number = 1,
                                   .node_count = c == 0 ? 2 : 3,
                                   .node_ids = {a, b, c}};
    struct metadata_change change = {.kind = METADATA_PLACEMENT,
                                     .groups = &group,
                                     .group_count = 1,
                                     .placement_version = version};
    return meta_apply(t, &change).error;
}

static int place_now(struct meta *t, uint32_t group_id, uint32_t a, uint32_t b, uint32_t c)
{
    return place(t, group_id, a, b, c, metadata_placement_version(t->m));
}

static enum metadata_node_state state_of(struct meta *t, uint32_t node_id)
{
    return metadata_node_by_id(t->m, node_id)->state;
}

/* Three founders in three sites. */
static struct meta founded(void)
{
    struct meta t = meta_create();
    cr_assert_eq(meta_found(&t), 0);
    cr_assert_eq(say(&t, 1, 11, "a"), 0);
    cr_assert_eq(say(&t, 2, 12, "b"), 0);
    cr_assert_eq(say(&t, 3, 13, "c"), 0);
    return t;
}

Test(cluster_metadata_nodes, takes_a_node_in_when_it_was_added_and_then_heard)
{
    struct meta t = founded();
    cr_assert_eq(set_state(&t, 4, METADATA_NODE_JOINING, "a"), 0);
    cr_assert_eq(set_state(&t, 4, METADATA_NODE_JOINING, "a"), ERR_EXISTS);
    cr_assert_eq(set_state(&t, 1, METADATA_NODE_JOINING, "a"), ERR_EXISTS);
    cr_assert_eq(set_state(&t, 64, METADATA_NODE_JOINING, "a"), ERR_INVALID);
    cr_assert_eq(set_state(&t, 5, METADATA_NODE_JOINING, ""), ERR_INVALID);
    cr_assert_eq(state_of(&t, 4), METADATA_NODE_JOINING);
    cr_assert_eq(say(&t, 4, 14, "b"), ERR_INVALID, "it was added in another site");
    cr_assert_eq(say(&t, 4, 14, "a"), 0);
    cr_assert_eq(state_of(&t, 4), METADATA_NODE_ACTIVE);
    metadata_destroy(t.m);
}

Test(cluster_metadata_nodes, keeps_the_last_node_of_one_of_three_sites)
{
    struct meta t = founded();
    cr_assert_eq(set_state(&t, 2, METADATA_NODE_LEAVING, ""), ERR_CANT_CHANGE);
    cr_assert_eq(state_of(&t, 2), METADATA_NODE_ACTIVE);
    cr_assert_eq(set_state(&t, 9, METADATA_NODE_LEAVING, ""), ERR_NOT_FOUND);
    struct metadata_node both[2] = {row(5, METADATA_NODE_JOINING, "b"),
                                    row(2, METADATA_NODE_LEAVING, "")};
    both[1].successor_id = 5;
    cr_assert_eq(set_states(&t, both, 2), 0, "one that comes may take its place");
    cr_assert_eq(metadata_node_by_id(t.m, 2)->successor_id, 5);
    cr_assert_eq(set_state(&t, 5, METADATA_NODE_LEAVING, ""), 0, "it never came");
    cr_assert_eq(state_of(&t, 5), METADATA_NODE_GONE);
    cr_assert_eq(state_of(&t, 2), METADATA_NODE_ACTIVE, "the replacement is called off");
    metadata_destroy(t.m);
}

Test(cluster_metadata_nodes, takes_both_rows_of_a_replacement_or_none)
{
    struct meta t = founded();
    struct metadata_node both[2] = {row(5, METADATA_NODE_JOINING, "a"),
                                    row(2, METADATA_NODE_LEAVING, "")};
    cr_assert_eq(set_states(&t, both, 2), ERR_CANT_CHANGE);
    cr_assert_null(metadata_node_by_id(t.m, 5));
    cr_assert_eq(metadata_node_count(t.m), 3);
    metadata_destroy(t.m);
}

Test(cluster_metadata_nodes, lets_a_node_go_only_when_no_group_is_to_vote_there)
{
    struct meta t = founded();
    set_state(&t, 4, METADATA_NODE_JOINING, "a");
    say(&t, 4, 14, "a");
    cr_assert_eq(set_state(&t, 1, METADATA_NODE_GONE, ""), ERR_INVALID, "it does not leave");
    cr_assert_eq(set_state(&t, 1, METADATA_NODE_LEAVING, ""), 0);
    for (uint32_t id = 0; id <= BODY_DATA_GROUPS; id++) {
        cr_assert_eq(set_state(&t, 1, METADATA_NODE_GONE, ""), ERR_CANT_CHANGE, "group %u", id);
        cr_assert_eq(place_now(&t, id, 4, 2, 3), 0);
    }
    cr_assert_eq(set_state(&t, 1, METADATA_NODE_GONE, ""), 0);
    cr_assert_eq(say(&t, 1, 11, "a"), ERR_INVALID, "what it says of itself takes nobody back");
    cr_assert_eq(state_of(&t, 1), METADATA_NODE_GONE);
    cr_assert_eq(set_state(&t, 1, METADATA_NODE_JOINING, "c"), 0, "the operator does");
    metadata_destroy(t.m);
}

Test(cluster_metadata_nodes, knows_the_dead_and_those_who_are_back)
{
    struct meta t = founded();
    cr_assert_eq(set_state(&t, 2, METADATA_NODE_ACTIVE, ""), ERR_INVALID);
    cr_assert_eq(set_state(&t, 2, METADATA_NODE_DEAD, ""), 0);
    cr_assert_eq(set_state(&t, 2, METADATA_NODE_DEAD, ""), ERR_INVALID);
    cr_assert_eq(say(&t, 2, 99, "b"), 0, "another incarnation");
    cr_assert_eq(state_of(&t, 2), METADATA_NODE_DEAD, "until the leader says that it is back");
    cr_assert_eq(set_state(&t, 2, METADATA_NODE_ACTIVE, ""), 0);
    metadata_destroy(t.m);
}

Test(cluster_metadata_nodes, refuses_a_place_that_is_late_or_breaks_the_site_rule)
{
    struct meta t = founded();
    set_state(&t, 4, METADATA_NODE_JOINING, "a");
    uint64_t version = metadata_placement_version(t.m);
    cr_assert_eq(place_now(&t, 1, 4, 2, 3), ERR_INVALID, "it was not heard yet");
    cr_assert_eq(metadata_placement_version(t.m), version, "what is refused changes nothing");
    say(&t, 4, 14, "a");
    cr_assert_eq(place(&t, 1, 4, 2, 3, version), ERR_CANT_CHANGE, "planned from an older state");
    cr_assert_eq(place_now(&t, 1, 4, 1, 2), ERR_CANT_CHANGE, "two of three in one site");
    cr_assert_eq(place_now(&t, 1, 2, 3, 0), ERR_CANT_CHANGE, "two sites, where there were three");
    cr_assert_eq(place_now(&t, 1, 1, 4, 0), ERR_CANT_CHANGE, "one site");
    cr_assert_eq(place_now(&t, 1, 4, 4, 2), ERR_INVALID, "twice the same");
    cr_assert_eq(place_now(&t, 99, 4, 2, 3), ERR_NOT_FOUND);
    metadata_destroy(t.m);
}

Test(cluster_metadata_nodes, keeps_a_group_where_it_is_while_its_partitions_change_hands)
{
    struct meta t = founded();
    set_state(&t, 4, METADATA_NODE_JOINING, "a");
    say(&t, 4, 14, "a");
    cr_assert_eq(meta_topic_create(&t, 1, "orders", 1), 0);
    const struct metadata_topic *topic = meta_topic(&t, "orders");
    uint32_t from = topic->partitions[0].group_id, to = from == 1 ? 2 : 1;
    struct metadata_change start = {.kind = METADATA_MOVE,
                                    .move = {.step = METADATA_MOVE_START, .group_id = to}};
    memcpy(start.id, topic->id, sizeof start.id);
    cr_assert_eq(meta_apply(&t, &start).error, 0);
    cr_assert(metadata_has_move(t.m, from) && metadata_has_move(t.m, to));
    cr_assert_eq(place_now(&t, from, 4, 2, 3), ERR_CANT_CHANGE);
    cr_assert_eq(place_now(&t, to, 4, 2, 3), ERR_CANT_CHANGE);
    cr_assert_eq(place_now(&t, to, 3, 2, 1), 0, "its leader may go elsewhere");
    cr_assert_eq(place_now(&t, 3, 4, 2, 3), 0, "and so may other groups");
    metadata_destroy(t.m);
}

static int move_step(struct meta *t, const uint8_t id[16], const struct metadata_move_change *step)
{
    struct metadata_change change = {.kind = METADATA_MOVE, .move = *step};
    memcpy(change.id, id, sizeof change.id);
    return meta_apply(t, &change).error;
}

Test(cluster_metadata_nodes, a_partition_on_its_way_does_not_wait_for_the_dead_and_the_leaving)
{
    static const enum metadata_node_state states[] = {METADATA_NODE_DEAD, METADATA_NODE_LEAVING};
    for (unsigned i = 0; i < 2; i++) {
        struct meta t = founded();
        cr_assert_eq(meta_topic_create(&t, 1, "orders", 1), 0);
        const struct metadata_topic *topic = meta_topic(&t, "orders");
        const struct metadata_partition from = topic->partitions[0];
        const struct metadata_move *move;
        set_state(&t, 4, METADATA_NODE_JOINING, "a");
        say(&t, 4, 14, "a"); /* so that a node of its site may leave */
        cr_assert_eq(
            move_step(&t, topic->id,
                      &(struct metadata_move_change){.step = METADATA_MOVE_START,
                                                     .group_id = from.group_id == 1 ? 2 : 1}),
            0);
        cr_assert_not_null(move = metadata_move_of(t.m, topic->id, 0));
        cr_assert_eq(move_step(&t, topic->id,
                               &(struct metadata_move_change){.step = METADATA_MOVE_CLOSED,
                                                              .number = from.number,
                                                              .index = 9}),
                     0);
        for (uint32_t node_id = 2; node_id <= 3; node_id++)
            cr_assert_eq(move_step(&t, topic->id,
                                   &(struct metadata_move_change){.step = METADATA_MOVE_TAKEN,
                                                                  .number = move->to.number,
                                                                  .node_id = node_id}),
                         0);
        cr_assert_eq(move->phase, METADATA_MOVE_OPENING, "node 1 may come any moment");
        cr_assert_eq(set_state(&t, 1, states[i], ""), 0);
        cr_assert_eq(move->phase, METADATA_MOVE_SETTLING);
        metadata_destroy(t.m);
    }
}

Test(cluster_metadata_nodes, come_back_from_a_checkpoint_as_they_were)
{
    struct meta t = founded(), into = meta_create();
    uint8_t *bytes;
    size_t size;
    set_state(&t, 4, METADATA_NODE_JOINING, "a");
    set_state(&t, 2, METADATA_NODE_DEAD, "");
    cr_assert_eq(metadata_encode(t.m, &bytes, &size), 0);
    cr_assert_eq(metadata_decode(into.m, bytes_of(bytes, size)), 0);
    cr_assert_eq(state_of(&into, 4), METADATA_NODE_JOINING);
    cr_assert_eq(state_of(&into, 2), METADATA_NODE_DEAD);
    cr_assert_eq(metadata_placement_version(into.m), metadata_placement_version(t.m));
    free(bytes);
    metadata_destroy(t.m);
    metadata_destroy(into.m);
}
