/* The planned switch in group 0's state: what may follow what, where leaders belong meanwhile, and
 * the history of failover epochs. */
#include "metadata_bodies.h"

static void add_node(struct meta *t, uint32_t node_id, const char *site)
{
    struct metadata_change change = {.kind = METADATA_NODE,
                                     .node = {.node_id = node_id, .incarnation = 7, .port = 9092}};
    bytes_copy_text(change.node.site, sizeof change.node.site, site);
    bytes_copy_text(change.node.host, sizeof change.node.host, "host");
    cr_assert_eq(meta_apply(t, &change).error, 0);
}

/* Nodes 1, 2, 3 in sites a, b, c; group i belongs to node 1 + i % 3. */
static struct meta three_sites(void)
{
    struct meta t = meta_founded();
    add_node(&t, 1, "a");
    add_node(&t, 2, "b");
    add_node(&t, 3, "c");
    t.wall_ms = 1000;
    return t;
}

static int step(struct meta *t, struct metadata_switch_change *c)
{
    struct metadata_change change = {.kind = METADATA_SWITCH, .planned = c};
    return meta_apply(t, &change).error;
}

static int begin(struct meta *t, const char *from, const char *to)
{
    struct metadata_switch_change c = {.step = METADATA_SWITCH_BEGIN, .deadline_ms = 500};
    bytes_copy_text(c.row.from, sizeof c.row.from, from);
    bytes_copy_text(c.row.to, sizeof c.row.to, to);
    c.row.group_count = 4;
    c.row.forecast_pause_ms = 125;
    c.row.forecast_lost_records = 0;
    return step(t, &c);
}

static int end(struct meta *t, uint64_t epoch, enum metadata_epoch_outcome outcome)
{
    struct metadata_switch_change c = {
        .step = METADATA_SWITCH_END,
        .row = {.epoch = epoch, .outcome = outcome, .pause_ms = 140, .lost_bytes = -1}};
    return step(t, &c);
}

static int take_back(struct meta *t)
{
    struct metadata_switch_change c = {.step = METADATA_SWITCH_BACK, .deadline_ms = 500};
    return step(t, &c);
}

static uint32_t leader_of(const struct meta *t, uint32_t group_id)
{
    return metadata_leader_of(t->m, metadata_group_by_id(t->m, group_id));
}

Test(cluster_metadata_switch, lies_over_preferred_nodes_and_leaves_them_as_they_are)
{
    struct meta t = three_sites();
    cr_assert_eq(begin(&t, "b", "c"), 0);
    for (uint32_t id = 0; id <= BODY_DATA_GROUPS; id++) {
        uint32_t preferred = metadata_group_by_id(t.m, id)->preferred_node_id;
        cr_assert_eq(preferred, 1 + id % 3);
        cr_assert_eq(leader_of(&t, id), preferred == 2 ? 3 : preferred);
    }
    cr_assert_str_eq(metadata_avoided_site(t.m), "b");
    cr_assert_eq(end(&t, metadata_failover_epoch(t.m), METADATA_EPOCH_UNDONE), 0);
    for (uint32_t id = 0; id <= BODY_DATA_GROUPS; id++)
        cr_assert_eq(leader_of(&t, id), 1 + id % 3, "undone, all is as before");
    cr_assert_str_eq(metadata_avoided_site(t.m), "");
    metadata_destroy(t.m);
}

Test(cluster_metadata_switch, without_a_target_shares_the_leaders_among_the_other_sites)
{
    struct meta t = three_sites();
    unsigned first = 0, third = 0;
    cr_assert_eq(begin(&t, "b", ""), 0);
    for (uint32_t id = 1; id <= BODY_DATA_GROUPS; id += 3) { /* those of node 2 */
        cr_assert_neq(leader_of(&t, id), 2);
        first += leader_of(&t, id) == 1;
        third += leader_of(&t, id) == 3;
    }
    cr_assert_eq(first, 2);
    cr_assert_eq(third, 2);
    metadata_destroy(t.m);
}

Test(cluster_metadata_switch, goes_by_its_phases_and_refuses_what_does_not_fit)
{
    struct meta t = three_sites();
    cr_assert_eq(take_back(&t), ERR_NOT_FOUND, "there is nothing to take back");
    cr_assert_eq(begin(&t, "x", ""), ERR_NOT_FOUND);
    cr_assert_eq(begin(&t, "b", "x"), ERR_NOT_FOUND);
    cr_assert_eq(begin(&t, "b", "b"), ERR_INVALID);
    cr_assert_eq(metadata_failover_epoch(t.m), 0, "what is refused raises nothing");
    cr_assert_eq(begin(&t, "b", "c"), 0);
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_LEAVING);
    cr_assert_eq(begin(&t, "a", "c"), ERR_EXISTS);
    cr_assert_eq(take_back(&t), ERR_EXISTS);
    cr_assert_eq(end(&t, 7, METADATA_EPOCH_DONE), ERR_NOT_FOUND);
    cr_assert_eq(end(&t, 1, METADATA_EPOCH_UNDER_WAY), ERR_INVALID);
    cr_assert_eq(end(&t, 1, METADATA_EPOCH_DONE), 0);
    cr_assert_eq(end(&t, 1, METADATA_EPOCH_DONE), ERR_NOT_FOUND, "an outcome is told once");
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_STANDING);
    cr_assert_eq(begin(&t, "a", "c"), ERR_EXISTS, "one switch at a time");
    cr_assert_eq(take_back(&t), 0);
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_RETURNING);
    cr_assert_str_eq(metadata_avoided_site(t.m), "");
    cr_assert_eq(end(&t, 2, METADATA_EPOCH_UNDONE), 0);
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_STANDING, "as before");
    cr_assert_eq(take_back(&t), 0);
    cr_assert_eq(end(&t, 3, METADATA_EPOCH_DONE), 0);
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_NONE);
    cr_assert_eq(metadata_failover_epoch(t.m), 3);
    metadata_destroy(t.m);
}

Test(cluster_metadata_switch, past_its_deadline_can_only_be_undone)
{
    struct meta t = three_sites();
    cr_assert_eq(begin(&t, "b", "c"), 0);
    t.wall_ms += 501;
    cr_assert_eq(end(&t, 1, METADATA_EPOCH_DONE), ERR_TIMEOUT);
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_LEAVING);
    cr_assert_eq(end(&t, 1, METADATA_EPOCH_UNDONE), 0);
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_NONE);
    cr_assert_eq(metadata_epoch_of(t.m, 1)->outcome, METADATA_EPOCH_UNDONE);
    metadata_destroy(t.m);
}

Test(cluster_metadata_switch, keeps_a_row_for_each_epoch_with_forecast_and_outcome)
{
    struct meta t = three_sites();
    cr_assert_eq(begin(&t, "b", "c"), 0);
    t.wall_ms = 1300;
    cr_assert_eq(end(&t, 1, METADATA_EPOCH_DONE), 0);
    const struct metadata_epoch *row = metadata_epoch_of(t.m, 1);
    cr_assert_eq(row->cause, METADATA_EPOCH_SWITCH);
    cr_assert_str_eq(row->from, "b");
    cr_assert_str_eq(row->to, "c");
    cr_assert_eq(row->begun_at_ms, 1000);
    cr_assert_eq(row->ended_at_ms, 1300);
    cr_assert_eq(row->group_count, 4);
    cr_assert_eq(row->forecast_pause_ms, 125);
    cr_assert_eq(row->pause_ms, 140);
    cr_assert_eq(row->lost_records, 0);
    cr_assert_eq(row->lost_bytes, -1, "what nobody knows");
    cr_assert_eq(take_back(&t), 0);
    cr_assert_str_eq(metadata_epoch_of(t.m, 2)->from, "c");
    cr_assert_str_eq(metadata_epoch_of(t.m, 2)->to, "b");
    metadata_destroy(t.m);
}

Test(cluster_metadata_switch, forgets_the_oldest_epochs_and_never_a_number)
{
    struct meta t = three_sites();
    for (unsigned i = 0; i < METADATA_EPOCHS_KEPT + 10; i++) {
        struct metadata_change change = {.kind = METADATA_FAILOVER_EPOCH, .name = "a drill"};
        cr_assert_eq(meta_apply(&t, &change).error, 0);
    }
    cr_assert_eq(metadata_epoch_count(t.m), METADATA_EPOCHS_KEPT);
    cr_assert_eq(metadata_epoch_at(t.m, 0)->epoch, 11);
    cr_assert_str_eq(metadata_epoch_at(t.m, 0)->note, "a drill");
    cr_assert_null(metadata_epoch_of(t.m, 10));
    cr_assert_eq(metadata_failover_epoch(t.m), METADATA_EPOCHS_KEPT + 10);
    metadata_destroy(t.m);
}

static void come_and_go(struct meta *t, const char *site)
{
    struct metadata_switch_change lost = {.step = METADATA_SWITCH_SITE_LOST};
    bytes_copy_text(lost.row.from, sizeof lost.row.from, site);
    struct metadata_switch_change heard = lost;
    heard.step = METADATA_SWITCH_SITE_HEARD;
    cr_assert_eq(step(t, &lost), 0);
    cr_assert_eq(end(t, metadata_failover_epoch(t->m), METADATA_EPOCH_DONE), 0);
    cr_assert_eq(step(t, &heard), 0);
}

/* Else a switch would stay under way for ever: who drives it goes by its row. */
Test(cluster_metadata_switch, a_site_that_comes_and_goes_pushes_out_nothing_but_its_own_rows)
{
    struct meta t = three_sites();
    struct metadata_change drill = {.kind = METADATA_FAILOVER_EPOCH, .name = "a drill"};
    cr_assert_eq(meta_apply(&t, &drill).error, 0);
    cr_assert_eq(begin(&t, "b", "c"), 0);
    for (unsigned i = 0; i < 2 * METADATA_EPOCHS_KEPT; i++)
        come_and_go(&t, "a");
    cr_assert_eq(metadata_epoch_count(t.m), METADATA_EPOCHS_KEPT);
    cr_assert_str_eq(metadata_epoch_of(t.m, 1)->note, "a drill");
    cr_assert_eq(metadata_epoch_of(t.m, 2)->outcome, METADATA_EPOCH_UNDER_WAY);
    for (unsigned i = 0; i < METADATA_EPOCHS_KEPT; i++)
        cr_assert_eq(meta_apply(&t, &drill).error, 0);
    cr_assert_null(metadata_epoch_of(t.m, 1));
    cr_assert_eq(metadata_epoch_of(t.m, 2)->outcome, METADATA_EPOCH_UNDER_WAY);
    cr_assert_eq(end(&t, 2, METADATA_EPOCH_DONE), 0);
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_STANDING);
    metadata_destroy(t.m);
}

Test(cluster_metadata_switch, a_lost_site_is_noted_once_until_it_is_heard_again)
{
    struct meta t = three_sites();
    struct metadata_switch_change lost = {.step = METADATA_SWITCH_SITE_LOST, .row = {.from = "b"}};
    struct metadata_switch_change heard = lost;
    heard.step = METADATA_SWITCH_SITE_HEARD;
    cr_assert_eq(step(&t, &heard), ERR_NOT_FOUND);
    cr_assert_eq(step(&t, &lost), 0);
    cr_assert_eq(step(&t, &lost), ERR_EXISTS);
    cr_assert_not_null(metadata_lost_site(t.m, "b"));
    cr_assert_null(metadata_lost_site(t.m, "c"));
    cr_assert_eq(end(&t, 1, METADATA_EPOCH_DONE), 0, "its groups have leaders again");
    cr_assert_not_null(metadata_lost_site(t.m, "b"), "it is still away");
    t.wall_ms = 9000;
    cr_assert_eq(step(&t, &heard), 0);
    cr_assert_null(metadata_lost_site(t.m, "b"));
    cr_assert_eq(metadata_epoch_of(t.m, 1)->returned_at_ms, 9000);
    cr_assert_eq(step(&t, &lost), 0, "and it may be lost once more");
    cr_assert_eq(metadata_failover_epoch(t.m), 2);
    metadata_destroy(t.m);
}

Test(cluster_metadata_switch, is_in_the_checkpoint_byte_by_byte)
{
    struct meta t = three_sites(), other = meta_create();
    cr_assert_eq(begin(&t, "b", "c"), 0);
    struct bytes bytes = meta_bytes(t.m);
    cr_assert_eq(metadata_decode(other.m, bytes), 0);
    struct bytes again = meta_bytes(other.m);
    cr_assert(bytes_is_equal(bytes, again));
    cr_assert_eq(metadata_switch_of(other.m)->phase, METADATA_SWITCH_LEAVING);
    cr_assert_eq(leader_of(&other, 1), 3);
    for (size_t size = 1; size < bytes.size; size++)
        cr_assert_neq(metadata_decode(other.m, bytes_of(bytes.data, size)), 0, "cut at %zu", size);
    free((void *)(uintptr_t)bytes.data);
    free((void *)(uintptr_t)again.data);
    metadata_destroy(t.m);
    metadata_destroy(other.m);
}

/* Version 3 ended with the moves, and its groups had no mode; what follows in version 4 of a state
 * without anything is phase, epoch, two empty texts, two times, no row, no founding and no
 * recovery; in version 5 moreover no verdict. */
Test(cluster_metadata_switch, is_empty_in_a_checkpoint_of_the_version_before)
{
    struct meta t = meta_create(), other = three_sites();
    struct bytes bytes = meta_bytes(t.m);
    uint8_t *before = (uint8_t *)(uintptr_t)bytes.data;
    bytes_put_le16(before, 3);
    cr_assert_eq(metadata_decode(other.m, bytes_of(before, bytes.size - 37)), 0);
    cr_assert_eq(metadata_switch_of(other.m)->phase, METADATA_SWITCH_NONE);
    cr_assert_eq(metadata_epoch_count(other.m), 0);
    cr_assert_eq(metadata_decode(other.m, bytes), ERR_MALFORMED, "version 3 had no more");
    free(before);
    metadata_destroy(t.m);
    metadata_destroy(other.m);
}
