/* Prometheus' text format, written. How a reader takes it is shown in test/client. */
#include "base/metric_text.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void assert_text(struct metric_text *t, const char *expected)
{
    cr_assert_not(t->is_failed);
    cr_assert_eq(t->size, strlen(expected));
    cr_assert_eq(memcmp(t->text, expected, t->size), 0, "%.*s", (int)t->size, t->text);
    free(t->text);
}

Test(admin_metric_text, writes_families_with_their_samples)
{
    struct metric_text t = {0};
    metric_family(&t, "trilog_x_bytes", METRIC_GAUGE, "X of it");
    metric_whole(&t, "", UINT64_MAX, 0);
    metric_whole(&t, "", 0, 2, "group", "3", "site", "a");
    metric_family(&t, "trilog_y_seconds", METRIC_SUMMARY, "Y");
    metric_sample(&t, "_sum", 0.25, 1, "api", "Fetch");
    metric_whole(&t, "_count", 7, 1, "api", "Fetch");
    assert_text(&t, "# HELP trilog_x_bytes X of it\n"
                    "# TYPE trilog_x_bytes gauge\n"
                    "trilog_x_bytes 18446744073709551615\n"
                    "trilog_x_bytes{group=\"3\",site=\"a\"} 0\n"
                    "# HELP trilog_y_seconds Y\n"
                    "# TYPE trilog_y_seconds summary\n"
                    "trilog_y_seconds_sum{api=\"Fetch\"} 0.25\n"
                    "trilog_y_seconds_count{api=\"Fetch\"} 7\n");
}

Test(admin_metric_text, escapes_what_would_end_a_label)
{
    struct metric_text t = {0};
    t.family = "trilog_x";
    metric_whole(&t, "", 1, 1, "site", "a\"b\\c\nd");
    assert_text(&t, "trilog_x{site=\"a\\\"b\\\\c\\nd\"} 1\n");
}

Test(admin_metric_text, fails_as_a_whole_beyond_its_bound)
{
    struct metric_text t = {0};
    t.family = "trilog_x";
    for (size_t i = 0; i < METRIC_TEXT_BYTES_MAX / 8 && !t.is_failed; i++)
        metric_whole(&t, "", 1, 0);
    cr_assert(t.is_failed);
    cr_assert_leq(t.size, METRIC_TEXT_BYTES_MAX);
    size_t size = t.size;
    metric_whole(&t, "", 1, 0);
    cr_assert_eq(t.size, size, "nothing more is written");
    free(t.text);
}
