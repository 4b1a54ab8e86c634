/* Recovery, gaps, slots, quantiles: by hand. */
#include <criterion/criterion.h>
#include <string.h>

#include "figures.h"
#include "made.h"

#define FAULT(at, action)                                                                          \
    "{'at':" #at ",'type':'fault','process':'d','site':'a','action':'" action                      \
    "','id':'1','name':'kill','target':'x','faulted_site':'b'}\n"

/* Sends of "p" by number: invoked, completed, at once acknowledged. */
static void add_send(char *lines, unsigned number, int64_t invoked_us, int64_t completed_us,
                     const char *outcome)
{
    sprintf(lines + strlen(lines),
            "{'at':%lld,'type':'send','process':'p','site':'a','id':%u,'topic':'t','partition':0,"
            "'value':'p-%u','size':10,'crc':'1'}\n",
            (long long)invoked_us, number, number);
    sprintf(lines + strlen(lines),
            "{'at':%lld,'type':'send','process':'p','site':'a','id':%u,'topic':'t','partition':0,"
            "'offset':%u,'outcome':'%s'}\n",
            (long long)completed_us, number, number, outcome);
}

/* A send each 10 ms, acknowledged after 5, from 0 to 5 s; what falls in between `from` and `until`
 * has another fate. */
static struct history load(int64_t from_us, int64_t until_us, const char *outcome,
                           int64_t completed_us)
{
    static char lines[400000];
    struct history h;
    strcpy(lines, FAULT(1000000, "inject") FAULT(2500000, "heal"));
    for (unsigned i = 0; i < 500; i++) {
        int64_t at = i * 10000;
        bool is_meant = at >= from_us && at < until_us;
        add_send(lines, i, at, is_meant && completed_us > 0 ? completed_us : at + 5000,
                 is_meant ? outcome : "ok");
    }
    text_take(lines, &h);
    return h;
}

static void assert_near(int64_t value, int64_t expected, int64_t tolerance)
{
    cr_assert(value >= expected - tolerance && value <= expected + tolerance,
              "%lld is not %lld or near", (long long)value, (long long)expected);
}

Test(chaos_check_figures, sends_that_waited_count_up_to_their_acknowledgement)
{
    struct history h = load(1000000, 1700000, "ok", 1700000);
    struct figures f;
    figures_make(&f, &h, 0);
    const struct fault_figures *fault = &f.faults.items[0];
    cr_assert_eq(f.prompt_us, PROMPT_US_MIN);
    cr_assert_eq(fault->partitions.samples, 1);
    cr_assert_eq(fault->partitions.disturbed, 1);
    cr_assert_eq(fault->partitions.never, 0);
    cr_assert_eq(fault->partitions.max_us, 700000);
    cr_assert_eq(fault->clients.p50_us, 700000);
    assert_near(fault->gap_us, 700000, 10000);
    figures_close(&f);
    history_close(&h);
}

Test(chaos_check_figures, sends_that_failed_count_up_to_the_last_one)
{
    struct history h = load(1000000, 1600000, "fail", 0);
    struct figures f;
    figures_make(&f, &h, 0);
    assert_near(f.faults.items[0].partitions.max_us, 590000, 1);
    cr_assert_eq(f.failed, 60);
    figures_close(&f);
    history_close(&h);
}

Test(chaos_check_figures, a_failure_a_second_after_another_is_part_of_the_same_trouble)
{
    struct history h = load(1990000, 2000000, "unknown", 0);
    struct figures f;
    figures_make(&f, &h, 0);
    assert_near(f.faults.items[0].partitions.max_us, 990000, 1);
    figures_close(&f);
    history_close(&h);
    h = load(2010000, 2020000, "unknown", 0);
    figures_make(&f, &h, 0);
    cr_assert_eq(f.faults.items[0].partitions.max_us, 0, "a whole good second came before");
    figures_close(&f);
    history_close(&h);
}

Test(chaos_check_figures, who_was_not_disturbed_has_zero_and_counts)
{
    struct history h = load(0, 0, "ok", 0);
    struct figures f;
    figures_make(&f, &h, 0);
    const struct spread *spread = &f.faults.items[0].partitions;
    cr_assert_eq(spread->samples, 1);
    cr_assert_eq(spread->disturbed, 0);
    cr_assert_eq(spread->max_us, 0);
    cr_assert_eq(spread->disturbed_p50_us, -1);
    cr_assert_eq(f.slots.asked, f.slots.progress);
    figures_close(&f);
    history_close(&h);
}

Test(chaos_check_figures, who_does_not_come_back_counts_up_to_the_end)
{
    struct history h = load(1000000, 5000000, "fail", 0);
    struct figures f;
    figures_make(&f, &h, 0);
    cr_assert_eq(f.faults.items[0].partitions.never, 1);
    assert_near(f.faults.items[0].partitions.max_us, 4000000, 10000);
    figures_close(&f);
    history_close(&h);
}

Test(chaos_check_figures, slots_without_progress_are_those_that_a_send_waited_through)
{
    struct history h = load(1000000, 1700000, "ok", 1700000);
    struct figures f;
    figures_make(&f, &h, 0);
    cr_assert_eq(f.slots.asked, 50);
    cr_assert_eq(f.slots.progress, 43);
    cr_assert_eq(f.faults.items[0].slots.asked, 15);
    cr_assert_eq(f.faults.items[0].slots.progress, 8);
    figures_close(&f);
    history_close(&h);
}

Test(chaos_check_figures, throughput_and_latency_are_told_before_during_and_after)
{
    struct history h = load(1000000, 1700000, "ok", 1700000);
    struct figures f;
    figures_make(&f, &h, 0);
    const struct fault_figures *fault = &f.faults.items[0];
    cr_assert_eq(fault->before.records, 100);
    cr_assert_eq(fault->during.records, 150);
    cr_assert_eq(fault->after.records, 250);
    assert_near(latency_quantile_us(&fault->before.latency, 0.99), 5000, 500);
    cr_assert_gt(latency_quantile_us(&fault->during.latency, 0.99), 600000);
    figures_close(&f);
    history_close(&h);
}

Test(chaos_check_figures, quantiles_are_within_a_sixteenth)
{
    static struct latency latency;
    for (int64_t us = 1; us <= 100000; us++)
        latency_add(&latency, us);
    assert_near(latency_quantile_us(&latency, 0.5), 50000, 3200);
    assert_near(latency_quantile_us(&latency, 0.999), 99900, 6300);
    cr_assert_eq(latency_quantile_us(&latency, 1), 100000);
    cr_assert_eq(latency.max_us, 100000);
}

Test(chaos_check_figures, records_delivered_again_in_a_group_are_counted)
{
    struct history h;
    struct figures f;
    text_take(SEND(1, "p", 1, 0, "p-1") READ(10, "r", 0, 0, "p-1", ",'group':'g'")
                  READ(11, "s", 0, 0, "p-1", ",'group':'g'")
                      READ(12, "q", 0, 0, "p-1", ",'group':'h'"),
              &h);
    figures_make(&f, &h, 0);
    cr_assert_eq(f.group_reads, 3);
    cr_assert_eq(f.group_rereads, 1);
    figures_close(&f);
    history_close(&h);
}
