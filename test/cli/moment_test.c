#include "moment.h"

#include <criterion/criterion.h>

Test(cli_moment, reads_a_moment_with_and_without_seconds)
{
    int64_t ms;
    cr_assert(moment_read("1970-01-01T00:00", &ms));
    cr_assert_eq(ms, 0);
    cr_assert(moment_read("2020-09-13T12:27:10Z", &ms));
    cr_assert_eq(ms, 1600000030000);
    cr_assert(moment_read("2024-02-29T23:59:59.999", &ms));
    cr_assert_eq(ms, 1709251199999);
}

Test(cli_moment, writes_what_it_reads)
{
    static const int64_t moments[] = {0, 1, 1600000030000, 1709251199999, 253402300799999};
    for (unsigned i = 0; i < sizeof moments / sizeof moments[0]; i++) {
        char text[MOMENT_SIZE];
        int64_t ms;
        cr_assert(moment_write(moments[i], text));
        cr_assert(moment_read(text, &ms) && ms == moments[i], "%s", text);
    }
}

Test(cli_moment, writes_nothing_that_it_would_not_read)
{
    char text[MOMENT_SIZE];
    cr_assert_not(moment_write(-1, text));
    cr_assert_not(moment_write(253402300800000, text));
    cr_assert_not(moment_write(INT64_MAX, text));
}

Test(cli_moment, refuses_what_is_none)
{
    static const char *const texts[] = {"",
                                        "2026",
                                        "2026-13-01T00:00",
                                        "2025-02-29T00:00",
                                        "2026-1-1T00:00",
                                        "T00:00",
                                        "2026-01-01",
                                        "2026-01-01T24:00",
                                        "2026-01-01T00:60",
                                        "2026-01-01T00:00Zz",
                                        "1969-12-31T23:59",
                                        "2026-01-01 00:00",
                                        "2026-01-01T00:00:1",
                                        "2026-01-01T00:00:00.1"};
    for (unsigned i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t ms;
        cr_assert_not(moment_read(texts[i], &ms), "%s", texts[i]);
    }
}
