/* A group's offset as a register: what a fetch may answer. */
#include <criterion/criterion.h>

#include "made.h"

#define FIRST  COMMIT(1000, 1, 5) COMMITTED(2000, 1, 5, "ok")
#define SECOND COMMIT(3000, 2, 9) COMMITTED(4000, 2, 9, "ok")

Test(chaos_check_commits, the_last_one_that_was_acknowledged_is_answered)
{
    cr_assert_eq(violations_of(FIRST SECOND FETCH(5000, 1) FETCHED(6000, 1, 9), COMMIT_ROLLED_BACK),
                 0);
    cr_assert_eq(
        violations_of(FIRST SECOND FETCH(5000, 1) FETCHED(6000, 1, 5) END, COMMIT_ROLLED_BACK), 1);
    cr_assert_eq(
        violations_of(FIRST SECOND FETCH(5000, 1) FETCHED(6000, 1, -1) END, COMMIT_ROLLED_BACK), 1);
}

Test(chaos_check_commits, what_is_under_way_may_be_answered_or_not)
{
    cr_assert_eq(violations_of(FIRST SECOND FETCH(3500, 1) FETCHED(6000, 1, 5) FETCH(3500, 2)
                                   FETCHED(6000, 2, 9) END,
                               COMMIT_ROLLED_BACK),
                 0);
}

Test(chaos_check_commits, an_unknown_one_may_take_effect_late)
{
    cr_assert_eq(violations_of(COMMIT(1000, 1, 5) COMMITTED(2000, 1, 5, "unknown")
                                   SECOND FETCH(5000, 1) FETCHED(6000, 1, 5) END,
                               COMMIT_ROLLED_BACK),
                 0);
}

Test(chaos_check_commits, a_failed_one_never_does)
{
    cr_assert_eq(violations_of(COMMIT(1000, 1, 5) COMMITTED(2000, 1, 5, "fail") FETCH(5000, 1)
                                   FETCHED(6000, 1, 5) END,
                               COMMIT_FROM_NOWHERE),
                 1);
}

Test(chaos_check_commits, a_lower_one_that_was_acknowledged_is_the_offset)
{
    const char *lowered = SECOND COMMIT(5000, 3, 2) COMMITTED(5500, 3, 2, "ok") FETCH(6000, 1);
    char lines[4000];
    snprintf(lines, sizeof lines, "%s%s", lowered, FETCHED(7000, 1, 2) END);
    cr_assert_eq(violations_of(lines, COMMIT_ROLLED_BACK), 0);
    snprintf(lines, sizeof lines, "%s%s", lowered, FETCHED(7000, 1, 9) END);
    cr_assert_eq(violations_of(lines, COMMIT_ROLLED_BACK), 1);
}

Test(chaos_check_commits, two_fetches_never_see_it_go_back)
{
    cr_assert_eq(violations_of(FIRST COMMIT(3000, 2, 9) COMMITTED(9000, 2, 9, "ok") FETCH(4000, 1)
                                   FETCHED(5000, 1, 9) FETCH(6000, 2) FETCHED(7000, 2, 5) END,
                               COMMIT_ROLLED_BACK),
                 1, "the first one proved that it had taken effect");
}

Test(chaos_check_commits, a_group_goes_on_where_it_committed)
{
    const char *sent = SEND(1, "p", 1, 0, "p-1") SEND(1, "p", 2, 0, "p-2");
    char lines[6000];
    snprintf(lines, sizeof lines, "%s%s", sent,
             COMMIT(1000, 1, 1) COMMITTED(2000, 1, 1, "ok") ASSIGN(3000, "r", -1)
                 READ(4000, "r", 0, 1, "p-2", ",'group':'g'") END);
    cr_assert_eq(violations_of(lines, WRONG_RESUME), 0);
    snprintf(lines, sizeof lines, "%s%s", sent,
             COMMIT(1000, 1, 1) COMMITTED(2000, 1, 1, "ok") ASSIGN(3000, "r", -1)
                 READ(4000, "r", 0, 0, "p-1", ",'group':'g'") END);
    cr_assert_eq(violations_of(lines, WRONG_RESUME), 1);
    snprintf(lines, sizeof lines, "%s%s", sent,
             ASSIGN(3000, "r", -1) READ(4000, "r", 0, 1, "p-2", ",'group':'g'") END);
    cr_assert_eq(violations_of(lines, WRONG_RESUME), 1, "nothing committed: from the start");
}

Test(chaos_check_commits, after_a_file_was_cut_short_nothing_is_said)
{
    cr_assert_eq(
        violations_of(FIRST SECOND FETCH(5000, 1) FETCHED(6000, 1, 77), COMMIT_FROM_NOWHERE), 0);
}
