/* What a leader makes of its group's status, for everybody (cluster/membership/level.c). */
#include <criterion/criterion.h>

#include "membership/level.h"

#define OWN_NODE_ID 1

static void add(struct repl_group_status *status, uint32_t node_id, uint64_t incarnation,
                bool is_voter, bool is_level)
{
    struct repl_replica_status *replica = &status->replicas[status->replica_count++];
    replica->member.raft_id = repl_raft_id(node_id, incarnation);
    replica->member.is_voter = is_voter;
    replica->is_level = is_level;
}

static uint64_t nodes(uint32_t first, uint32_t second, uint32_t third)
{
    return level_mask_of(first) | level_mask_of(second) | (third ? level_mask_of(third) : 0);
}

static struct repl_group_status three_voters(bool is_third_level)
{
    struct repl_group_status status = {0};
    add(&status, OWN_NODE_ID, 1, true, true);
    add(&status, 2, 1, true, true);
    add(&status, 3, 1, true, is_third_level);
    return status;
}

Test(cluster_level, the_leader_is_level_and_each_that_it_measures_so)
{
    struct repl_group_status status = three_voters(false);
    struct level_masks before = {0};
    struct level_masks now = level_masks_of(&status, OWN_NODE_ID, &before);
    cr_assert_eq(now.level, nodes(1, 2, 0));
    cr_assert_eq(now.voters, nodes(1, 2, 3));
    cr_assert_eq(now.learners, 0);
}

Test(cluster_level, members_are_those_of_before_while_a_change_is_not_committed)
{
    struct repl_group_status status = three_voters(true);
    add(&status, 4, 1, false, false);
    status.is_changing = true;
    struct level_masks before = {.voters = nodes(1, 2, 3)};
    struct level_masks now = level_masks_of(&status, OWN_NODE_ID, &before);
    cr_assert_eq(now.voters, nodes(1, 2, 3));
    cr_assert_eq(now.learners, 0);
    status.is_changing = false;
    now = level_masks_of(&status, OWN_NODE_ID, &before);
    cr_assert_eq(now.learners, level_mask_of(4));
}

Test(cluster_level, a_voter_that_came_back_empty_is_not_level_while_its_new_replica_is_being_added)
{
    struct repl_group_status status = three_voters(false);
    add(&status, 3, 2, false, true);
    status.is_changing = true;
    struct level_masks before = {.voters = nodes(1, 2, 3)};
    struct level_masks now = level_masks_of(&status, OWN_NODE_ID, &before);
    cr_assert_eq(now.level, nodes(1, 2, 0));
    cr_assert_eq(now.voters, nodes(1, 2, 3));
}

Test(cluster_level, a_learner_that_is_becoming_a_voter_stays_level)
{
    struct repl_group_status status = {0};
    add(&status, OWN_NODE_ID, 1, true, true);
    add(&status, 2, 1, true, true);
    add(&status, 3, 1, true, true);
    status.is_changing = true;
    struct level_masks before = {.voters = nodes(1, 2, 0), .learners = level_mask_of(3)};
    struct level_masks now = level_masks_of(&status, OWN_NODE_ID, &before);
    cr_assert_eq(now.level, nodes(1, 2, 3));
    cr_assert_eq(now.learners, level_mask_of(3));
}
