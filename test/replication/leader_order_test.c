/* Where leadership of many groups comes to lie, whoever is lost. */
#include <criterion/criterion.h>
#include <string.h>

#include "../../replication/leader_order.h"
#include "replication/group.h"

/* How many of the groups each node leads while those of `lost` (a bit a node) are away. */
static void count_leaders(unsigned node_count, unsigned group_count, unsigned lost,
                          unsigned *led_counts)
{
    memset(led_counts, 0, REPL_MEMBERS_MAX * sizeof *led_counts);
    for (uint32_t group = 0; group < group_count; group++) {
        uint32_t order[REPL_MEMBERS_MAX];
        for (unsigned i = 0; i < node_count; i++)
            order[i] = node_count - i; /* in whatever order they stand in the configuration */
        leader_order(group, 1 + group % node_count, order, node_count);
        unsigned first = 0;
        while (lost & 1u << order[first])
            first++;
        led_counts[order[first] - 1]++;
    }
}

static unsigned spread(unsigned node_count, unsigned lost, const unsigned *led_counts)
{
    unsigned least = UINT32_MAX, most = 0;
    for (unsigned i = 0; i < node_count; i++) {
        if (lost & 1u << (i + 1))
            continue;
        least = led_counts[i] < least ? led_counts[i] : least;
        most = led_counts[i] > most ? led_counts[i] : most;
    }
    return most - least;
}

Test(repl_leader_order, spreads_leaders_evenly_whichever_of_three_nodes_is_lost)
{
    unsigned led_counts[REPL_MEMBERS_MAX];
    for (unsigned group_count = 1; group_count <= 61; group_count += 3) /* and group 0 */
        for (unsigned lost = 0; lost <= 3; lost++) {
            unsigned mask = lost == 0 ? 0 : 1u << lost;
            count_leaders(3, group_count, mask, led_counts);
            cr_assert_leq(spread(3, mask, led_counts), 1, "%u groups, node %u lost", group_count,
                          lost);
        }
}

Test(repl_leader_order, spreads_leaders_nearly_evenly_over_what_is_left_of_five)
{
    unsigned led_counts[REPL_MEMBERS_MAX];
    for (unsigned lost = 1; lost <= 5; lost++) {
        count_leaders(5, 21, 1u << lost, led_counts);
        cr_assert_leq(spread(5, 1u << lost, led_counts), 2, "node %u lost", lost);
    }
}

Test(repl_leader_order, names_every_voter_once_and_begins_with_the_preferred_one)
{
    for (uint32_t group = 0; group < 30; group++) {
        uint32_t order[] = {7, 3, 9, 4};
        leader_order(group, 9, order, 4);
        cr_assert_eq(order[0], 9);
        unsigned seen = 0;
        for (unsigned i = 0; i < 4; i++)
            seen |= 1u << order[i];
        cr_assert_eq(seen, 1u << 7 | 1u << 3 | 1u << 9 | 1u << 4);
    }
    uint32_t order[] = {7, 3, 9};
    leader_order(4, 5, order, 3); /* one that is no voter: as if none were preferred */
    cr_assert_eq(order[0], 7);
    leader_order(4, 5, order, 0);
    leader_order(4, 5, order, 1);
}
