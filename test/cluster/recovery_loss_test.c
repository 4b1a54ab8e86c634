/* What a plan of a forced recovery says from what a replica knows (membership/recovery_loss.c). */
#include <criterion/criterion.h>

#include "../cluster/membership/recovery_loss.h"

#define WALL_MS 1000000
#define NOW_MS  5000u

/* A follower that has 20 entries, of which 15 are applied, and heard of 23. */
static struct repl_group_status follower(void)
{
    return (struct repl_group_status){.last_index = 20,
                                      .kept_index = 20,
                                      .kept_term = 3,
                                      .commit_index = 15,
                                      .totals = {.records = 150, .bytes = 1500},
                                      .tail = {.records = 50, .bytes = 500},
                                      .is_tail_counted = true,
                                      .heard = {.leader_raft_id = 7,
                                                .term = 3,
                                                .position = 23,
                                                .position_term = 3,
                                                .wall_ms = WALL_MS - 900,
                                                .totals = {.records = 230, .bytes = 2300},
                                                .level_wall_ms = WALL_MS - 1200}};
}

static struct recover_loss loss_of(const struct repl_group_status *status)
{
    struct recovery_view view = {
        .status = status, .now_ms = NOW_MS, .wall_ms = WALL_MS, .applied_wall_ms = WALL_MS - 2000};
    return recovery_loss_of(&view);
}

Test(recovery_loss, of_a_follower_is_what_its_leader_had_and_it_has_not)
{
    struct repl_group_status status = follower();
    struct recover_loss loss = loss_of(&status);
    cr_assert(loss.entries == 3 && loss.records == 30 && loss.bytes == 300 && !loss.is_at_most);
    cr_assert_eq(loss.known_until_ms, WALL_MS - 1200);
    cr_assert_eq(loss.heard_ms, WALL_MS - 900);
}

/* It led before, and heard its successor: what it proposed itself does not count as being here. */
Test(recovery_loss, of_an_old_leader_counts_what_is_left_out_of_its_log)
{
    struct repl_group_status status = follower();
    status.led_term = 2;
    status.led_until_ms = NOW_MS - 3000;
    status.kept_index = 15;
    status.tail = (struct repl_totals){0};
    struct recover_loss loss = loss_of(&status);
    cr_assert(loss.entries == 8 && loss.records == 80 && loss.bytes == 800);
    cr_assert_eq(loss.known_until_ms, WALL_MS - 1200);
}

Test(recovery_loss, of_the_last_leader_is_nothing_known_since_it_was_last_followed)
{
    struct repl_group_status status = follower();
    status.led_term = 4;
    status.led_until_ms = NOW_MS - 700;
    status.kept_index = 15;
    struct recover_loss loss = loss_of(&status);
    cr_assert(loss.entries == 0 && loss.records == 0);
    cr_assert(loss.known_until_ms == WALL_MS - 700 && loss.heard_ms == WALL_MS - 700);
}

/* A tail of an older term, as long as the leader was: some of these entries are others. */
Test(recovery_loss, of_what_was_committed_is_told_though_an_older_tail_stands_in_its_place)
{
    struct repl_group_status status = follower();
    status.heard.position = 20;
    status.heard.totals = (struct repl_totals){.records = 200, .bytes = 2000};
    struct recover_loss loss = loss_of(&status);
    cr_assert(loss.entries == 0 && loss.records == 0, "of the leader's own term it is all here");
    status.kept_term = 2;
    loss = loss_of(&status);
    cr_assert(loss.entries == 5 && loss.records == 50 && loss.bytes == 500 && loss.is_at_most);
    status.commit_index = 20;
    loss = loss_of(&status);
    cr_assert(loss.entries == 0 && loss.records == 0, "what is committed is the leader's");
}

/* A new leader was heard before it knew how far it is: the place is its predecessor's. */
Test(recovery_loss, goes_by_the_term_of_the_leader_whose_place_was_heard)
{
    struct repl_group_status status = follower();
    status.heard.position = 20;
    status.heard.term = 4;
    struct recover_loss loss = loss_of(&status);
    cr_assert(loss.entries == 0 && loss.records == 0);
}
