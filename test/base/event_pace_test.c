#include "base/event_pace.h"

#include <criterion/criterion.h>

Test(event_pace, allows_so_many_in_a_second_and_tells_with_the_next_what_it_left_out)
{
    struct event_pace pace = {0};
    uint64_t left_out = 77;
    for (unsigned i = 0; i < EVENT_PACE_PER_SECOND; i++) {
        cr_assert(event_pace_allows(&pace, 5000 + i, &left_out));
        cr_assert_eq(left_out, 0);
    }
    for (unsigned i = 0; i < 30; i++)
        cr_assert_not(event_pace_allows(&pace, 5900, &left_out));
    cr_assert(event_pace_allows(&pace, 6000, &left_out));
    cr_assert_eq(left_out, 30);
    cr_assert(event_pace_allows(&pace, 6001, &left_out));
    cr_assert_eq(left_out, 0, "told once");
}
