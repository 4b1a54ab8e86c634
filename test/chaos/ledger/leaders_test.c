/* The map of leaders. */
#include "leaders.h"

#include <criterion/criterion.h>

#define PARTITIONS 4

static struct leaders l;

static void open_map(void)
{
    cr_assert_eq(leaders_init(&l, PARTITIONS), 0);
}

static void close_map(void)
{
    leaders_close(&l);
}

TestSuite(leaders, .init = open_map, .fini = close_map);

static int32_t count_of(int32_t node)
{
    int32_t partitions[PARTITIONS];
    return leaders_of(&l, node, 1, partitions, PARTITIONS);
}

Test(leaders, believe_the_higher_epoch_whoever_says_it_last)
{
    leaders_hear(&l, 2, 1, 5);
    leaders_hear(&l, 2, 3, 6);
    leaders_hear(&l, 2, 1, 5);
    cr_assert_eq(count_of(1), 0);
    cr_assert_eq(count_of(3), 1);
}

Test(leaders, stay_when_a_node_knows_none)
{
    leaders_hear(&l, 2, 1, 5);
    leaders_hear(&l, 2, -1, 6);
    cr_assert_eq(count_of(1), 1);
}

Test(leaders, pass_over_partitions_that_are_not_there)
{
    leaders_hear(&l, PARTITIONS, 1, 5);
    leaders_hear(&l, -1, 1, 5);
    cr_assert_eq(count_of(1), 0);
}

Test(leaders, give_every_nth_partition_within_the_bound)
{
    int32_t partitions[PARTITIONS];
    for (int32_t i = 0; i < PARTITIONS; i++)
        leaders_hear(&l, i, 1, 1);
    cr_assert_eq(leaders_of(&l, 1, 2, partitions, PARTITIONS), 2);
    cr_assert_eq(partitions[1], 2);
    cr_assert_eq(leaders_of(&l, 1, 1, partitions, 3), 3);
}
