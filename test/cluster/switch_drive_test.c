/* What group 0 is told of a switch that is under way and of sites that are lost: by group 0's
 * state, the clock, and who is heard to lead and to vote (cluster/membership/switch_drive.c). */
#include "membership/switch_drive.h"

#include "../../replication/node_internal.h"
#include "fake/fake_clock.h"
#include "membership/forecast.h"
#include "metadata_bodies.h"

#define OWN_NODE    1
#define SYNC_GROUPS (1 + BODY_DATA_GROUPS)
#define ASYNC_GROUP SYNC_GROUPS /* at home in b, where node 2 is */
#define GROUPS      (SYNC_GROUPS + 1)

static struct meta t;
static struct fake_clock fake;
static struct broker b;
static struct broker_group groups[GROUPS];
static uint64_t leader_terms[GROUPS];

static void add_node(uint32_t node_id, const char *site)
{
    struct metadata_change change = {.kind = METADATA_NODE,
                                     .node = {.node_id = node_id, .incarnation = 7, .port = 9092}};
    bytes_copy_text(change.node.site, sizeof change.node.site, site);
    bytes_copy_text(change.node.host, sizeof change.node.host, "host");
    cr_assert_eq(meta_apply(&t, &change).error, 0);
}

static void lead(uint32_t group_id, uint32_t node_id)
{
    node_publish(b.node, group_id, node_id == 0 ? 0 : repl_raft_id(node_id, 7),
                 ++leader_terms[group_id], 1, NULL);
}

/* As the group's leader tells of its members. */
static void vote(uint32_t group_id, uint64_t voters, uint64_t learners)
{
    atomic_store(&groups[group_id].voter_mask, voters);
    atomic_store(&groups[group_id].learner_mask, learners);
    atomic_store(&groups[group_id].level_at_ms, clock_now_ms(&b.clock));
}

/* Leaders tell of their members again and again. */
static void pass(uint64_t ms)
{
    fake_clock_advance_ms(&fake, ms);
    for (uint32_t i = 0; i < GROUPS; i++)
        atomic_store(&groups[i].level_at_ms, clock_now_ms(&b.clock));
}

/* The asynchronous group votes there, and all others follow. */
static void place(enum metadata_change_kind kind, uint32_t voter_id)
{
    struct metadata_group row = {.group_id = ASYNC_GROUP,
                                 .mode = METADATA_ASYNC,
                                 .home_site = "b",
                                 .preferred_node_id = voter_id,
                                 .next_partition_number = 1,
                                 .node_count = 3,
                                 .learner_count = 2,
                                 .node_ids = {voter_id, 1, voter_id == 2 ? 3 : 2}};
    struct metadata_change change = {.kind = kind,
                                     .groups = &row,
                                     .group_count = 1,
                                     .placement_version = metadata_placement_version(t.m)};
    cr_assert_eq(meta_apply(&t, &change).error, 0);
}

static void add_async(void)
{
    place(METADATA_GROUP_ADD, 2);
    lead(ASYNC_GROUP, 2);
    vote(ASYNC_GROUP, 1u << 2, 1u << 1 | 1u << 3);
}

/* Nodes 1, 2, 3 in sites a, b, c; group i belongs to node 1 + i % 3 and is led there. */
static void open_stage(void)
{
    struct repl_node_options options = {.node_id = OWN_NODE, .clock = &fake.seam};
    t = meta_founded();
    add_node(1, "a");
    add_node(2, "b");
    add_node(3, "c");
    fake_clock_init(&fake);
    b = (struct broker){.clock = fake.seam, .metadata = t.m, .group_count = GROUPS};
    b.conf.node_id = OWN_NODE;
    cr_assert_eq(repl_node_create(&options, &b.node), 0);
    cr_assert_eq(forecast_board_create(&b.forecasts), 0);
    t.wall_ms = clock_wall_ms(&b.clock);
    memset(leader_terms, 0, sizeof leader_terms);
    for (uint32_t i = 0; i < GROUPS; i++) {
        b.groups[i] = &groups[i];
        groups[i] = (struct broker_group){.broker = &b, .group_id = i};
    }
    for (uint32_t i = 0; i < SYNC_GROUPS; i++) {
        lead(i, 1 + i % 3);
        vote(i, 7u << 1, 0);
    }
}

static void close_stage(void)
{
    free(b.forecasts);
    repl_node_destroy(b.node);
    metadata_destroy(t.m);
}

static void apply(struct metadata_switch_change *c)
{
    struct metadata_change change = {.kind = METADATA_SWITCH, .planned = c};
    t.wall_ms = clock_wall_ms(&b.clock);
    cr_assert_eq(meta_apply(&t, &change).error, 0);
}

static void begin_switch(const char *from, const char *to, int64_t deadline_ms)
{
    struct metadata_switch_change c = {.step = METADATA_SWITCH_BEGIN, .deadline_ms = deadline_ms};
    bytes_copy_text(c.row.from, sizeof c.row.from, from);
    bytes_copy_text(c.row.to, sizeof c.row.to, to);
    apply(&c);
}

/* What is told next, applied; the step, or 0: nothing. */
static int told(struct metadata_switch_change *c)
{
    if (!switch_drive_next(&b, c))
        return 0;
    apply(c);
    return (int)c->step;
}

static void lead_all_of_b(uint32_t node_id)
{
    for (uint32_t i = 1; i < SYNC_GROUPS; i += 3) /* those of node 2 */
        lead(i, node_id);
}

Test(cluster_switch_drive, says_that_it_is_done_when_the_last_leader_has_arrived)
{
    struct metadata_switch_change c;
    struct switch_progress p;
    open_stage();
    cr_assert_eq(told(&c), 0, "nothing is under way");
    begin_switch("b", "c", 5000);
    cr_assert_eq(told(&c), 0);
    lead_all_of_b(3);
    lead(4, 2);
    switch_progress_of(&b, &p);
    cr_assert(p.group_count == 4 && p.arrived_count == 3 && p.waiting_group == 4);
    cr_assert_eq(told(&c), 0);
    lead(4, 0);
    cr_assert_eq(told(&c), 0, "nobody leads it yet");
    lead(4, 1);
    cr_assert_eq(told(&c), 0, "it was to go to c");
    lead(4, 3);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    cr_assert(c.row.epoch == 1 && c.row.outcome == METADATA_EPOCH_DONE && c.row.note[0] == '\0');
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_STANDING);
    cr_assert_eq(told(&c), 0, "once");
    close_stage();
}

Test(cluster_switch_drive, past_the_deadline_says_that_all_is_as_before_and_who_was_missing)
{
    struct metadata_switch_change c;
    open_stage();
    begin_switch("b", "c", 5000);
    lead_all_of_b(3);
    lead(7, 2);
    pass(5000);
    cr_assert_eq(told(&c), 0, "it is not past it");
    pass(1);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    cr_assert_eq(c.row.outcome, METADATA_EPOCH_UNDONE);
    cr_assert_str_eq(c.row.note,
                     "past its deadline 1 of 4 raft groups had no leader there yet, 7 is one");
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_NONE);
    cr_assert_eq(told(&c), 0);
    close_stage();
}

/* Who comes too late does not turn an undone switch into one that is done. */
Test(cluster_switch_drive, says_undone_where_the_last_one_arrives_past_the_deadline)
{
    struct metadata_switch_change c;
    open_stage();
    begin_switch("b", "c", 5000);
    pass(6000);
    lead_all_of_b(3);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    cr_assert_eq(c.row.outcome, METADATA_EPOCH_UNDONE);
    close_stage();
}

/* Its leader may be there before its votes are: then the old site is still needed. */
Test(cluster_switch_drive, waits_for_the_votes_of_an_asynchronous_group_and_not_only_its_leader)
{
    struct metadata_switch_change c;
    open_stage();
    add_async();
    begin_switch("b", "c", 5000);
    lead_all_of_b(3);
    cr_assert_eq(told(&c), 0, "it is where it was");
    place(METADATA_PLACEMENT, 3);
    vote(ASYNC_GROUP, 1u << 2 | 1u << 3, 1u << 1);
    cr_assert_eq(told(&c), 0, "both vote");
    lead(ASYNC_GROUP, 3);
    cr_assert_eq(told(&c), 0, "the new one leads, and both vote");
    vote(ASYNC_GROUP, 1u << 3, 1u << 1 | 1u << 2);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    cr_assert_eq(c.row.outcome, METADATA_EPOCH_DONE);
    close_stage();
}

Test(cluster_switch_drive,
     past_the_deadline_names_an_asynchronous_group_whose_votes_are_on_their_way)
{
    struct metadata_switch_change c;
    open_stage();
    add_async();
    begin_switch("b", "c", 5000);
    lead_all_of_b(3);
    place(METADATA_PLACEMENT, 3);
    lead(ASYNC_GROUP, 3);
    vote(ASYNC_GROUP, 1u << 2 | 1u << 3, 1u << 1);
    pass(5001);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    cr_assert_eq(c.row.outcome, METADATA_EPOCH_UNDONE);
    cr_assert_not_null(strstr(c.row.note, "1 of 5 raft groups"), "%s", c.row.note);
    close_stage();
}

Test(cluster_switch_drive, takes_a_switch_back_when_each_group_is_led_at_home)
{
    struct metadata_switch_change c, back = {.step = METADATA_SWITCH_BACK, .deadline_ms = 5000};
    open_stage();
    begin_switch("b", "c", 5000);
    lead_all_of_b(3);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    apply(&back);
    cr_assert_eq(told(&c), 0);
    lead_all_of_b(2);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    cr_assert(c.row.epoch == 2 && c.row.outcome == METADATA_EPOCH_DONE);
    cr_assert_eq(metadata_switch_of(t.m)->phase, METADATA_SWITCH_NONE);
    close_stage();
}

Test(cluster_switch_drive, says_that_a_site_is_lost_that_others_lead_for_it_and_that_it_is_heard)
{
    struct metadata_switch_change c;
    open_stage();
    pass(1000);
    b.silent_since_ms[3] = clock_now_ms(&b.clock);
    pass(1999);
    cr_assert_eq(told(&c), 0, "it may be a pause");
    for (uint32_t i = 2; i < SYNC_GROUPS; i += 3)
        lead(i, 0);
    pass(1);
    cr_assert_eq(told(&c), METADATA_SWITCH_SITE_LOST);
    cr_assert_str_eq(c.row.from, "c");
    cr_assert_eq(c.row.group_count, 4);
    cr_assert_eq(told(&c), 0, "groups are without a leader");
    for (uint32_t i = 2; i < SYNC_GROUPS; i += 3)
        lead(i, 1);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    cr_assert_eq(c.row.lost_records, 0);
    b.silent_since_ms[3] = 0;
    cr_assert_eq(told(&c), METADATA_SWITCH_SITE_HEARD);
    cr_assert_eq(told(&c), 0);
    close_stage();
}

Test(cluster_switch_drive, calls_no_loss_known_where_a_lost_site_acknowledged_alone)
{
    struct metadata_switch_change c;
    open_stage();
    add_async();
    pass(1000);
    b.silent_since_ms[2] = clock_now_ms(&b.clock);
    pass(2000);
    cr_assert_eq(told(&c), METADATA_SWITCH_SITE_LOST);
    cr_assert_eq(c.row.forecast_lost_records, -1);
    lead_all_of_b(1);
    cr_assert_eq(told(&c), METADATA_SWITCH_END);
    cr_assert_eq(c.row.lost_records, -1);
    close_stage();
}

/* ---- how long nobody is answered ---- */

/* 25 ms one way: the word there, the news back, a record to a majority. */
Test(cluster_switch_drive, reckons_a_pause_of_two_round_trips_and_what_disks_and_looks_take)
{
    cr_assert_eq(switch_pause_ms(0, 0), -1, "nothing was measured");
    int64_t reckoned_ms = switch_pause_ms(50000, 0), measured_ms = switch_pause_ms(50000, 53);
    cr_assert(reckoned_ms >= 100 && reckoned_ms <= 120, "%lld", (long long)reckoned_ms);
    cr_assert(measured_ms >= 100 && measured_ms <= 120, "%lld", (long long)measured_ms);
    cr_assert_eq(switch_pause_ms(50000, 153), measured_ms + 100, "it was slow lately");
    cr_assert_leq(switch_pause_ms(300, 4), 20, "within a site");
    cr_assert_geq(switch_pause_ms(300, 0), 1);
}

Test(cluster_switch_drive, expects_what_the_newest_handovers_of_this_node_took)
{
    open_stage();
    cr_assert_eq(switch_expected_pause_ms(&b), -1);
    node_note_election(b.node, false, 900);
    cr_assert_eq(switch_expected_pause_ms(&b), -1, "a leader that was lost is no handover");
    for (unsigned i = 0; i < 3; i++)
        node_note_election(b.node, true, 50 + i);
    cr_assert_eq(switch_expected_pause_ms(&b), switch_pause_ms(0, 51));
    close_stage();
}
