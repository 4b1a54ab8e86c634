/* What is lost, twice, or not what was sent. */
#include <criterion/criterion.h>

#include "made.h"

#define ONE_SENT SEND(1000, "p", 1, 0, "p-1") ACK(2000, "p", 1, 0, 0)
#define TWO_SENT ONE_SENT SEND(3000, "p", 2, 0, "p-2") ACK(4000, "p", 2, 0, 1)

Test(chaos_check_records, an_acknowledged_record_that_no_final_read_has_is_lost)
{
    cr_assert_eq(violations_of(TWO_SENT READ(9000, "r", 0, 0, "p-1", FINAL)
                                   READ_END(9001, "r", 0, 1, "") END,
                               LOST),
                 1);
}

Test(chaos_check_records, one_site_that_lacks_it_is_enough)
{
    cr_assert_eq(violations_of(ONE_SENT READ(9000, "r", 0, 0, "p-1", FINAL)
                                   READ_END(9001, "r", 0, 1, "") READ_END(9001, "s", 0, 0, "") END,
                               LOST),
                 1);
}

Test(chaos_check_records, one_replica_that_lacks_it_differs)
{
    cr_assert_eq(violations_of(ONE_SENT READ(9000, "r", 0, 0, "p-1", FINAL) READ_END(
                                   9001, "r", 0, 1, "") READ_END(9001, "s", 0, 0, ",'node':2") END,
                               REPLICAS_DIFFER),
                 1);
}

Test(chaos_check_records, what_comes_late_behind_the_ends_asked_for_is_no_difference)
{
    /* p-3 arrives when both have asked for the end, r sees it, and s begins after that. */
    cr_assert_eq(
        violations_of(TWO_SENT SEND(5000, "p", 3, 0, "p-3") READ(9000, "r", 0, 0, "p-1", FINAL)
                          READ(9001, "r", 0, 1, "p-2", FINAL) READ(9002, "r", 0, 2, "p-3", FINAL)
                              READ_END(9003, "r", 0, 2, "")
                                  READ(9005, "s", 0, 0, "p-1", FINAL ",'node':2")
                                      READ(9006, "s", 0, 1, "p-2", FINAL ",'node':2")
                                          READ_END(9007, "s", 0, 2, ",'node':2") END,
                      REPLICAS_DIFFER),
        0);
}

Test(chaos_check_records, what_lies_at_another_offset_than_acknowledged_is_at_two)
{
    cr_assert_eq(violations_of(PROCESS("p", 1) SEND(1000, "p", 1, 0, "p-1") ACK(2000, "p", 1, 0, 5)
                                   READ(9000, "r", 0, 0, "p-1", ""),
                               TWO_OFFSETS),
                 1);
}

Test(chaos_check_records, a_success_without_offset_must_be_somewhere)
{
    cr_assert_eq(violations_of(SEND(1000, "p", 1, 0, "p-1") ACK(2000, "p", 1, 0, -1) READ(
                                   9000, "r", 0, 0, "p-1", FINAL) READ_END(9001, "r", 0, 1, "") END,
                               LOST),
                 0);
    cr_assert_eq(violations_of(SEND(1000, "p", 1, 0, "p-1") ACK(2000, "p", 1, 0, -1)
                                   READ_END(9001, "r", 0, 0, "") END,
                               LOST),
                 1);
}

Test(chaos_check_records, nothing_is_called_lost_without_a_final_read_behind_it)
{
    struct history h;
    struct verdict v;
    text_judge(ONE_SENT READ_END(1500, "r", 0, 0, "") END, &h, &v);
    cr_assert_eq(verdict_violations(&v), 0);
    cr_assert_eq(v.incomplete_count, 1, "acknowledged after the final read began");
    made_judged_close(&h, &v);
}

Test(chaos_check_records, what_was_deleted_is_not_missed)
{
    cr_assert_eq(
        violations_of(TWO_SENT
                      "{'at':5000,'type':'admin','process':'d','site':'a','id':1,"
                      "'action':'delete-records','topic':'t','partition':0,'offset':1}\n" READ(
                          9000, "r", 0, 1, "p-2", FINAL) READ_END(9001, "r", 0, 2, "") END,
                      LOST),
        0);
}

Test(chaos_check_records, two_acknowledgements_of_one_offset_are_two_records)
{
    cr_assert_eq(violations_of(SEND(1000, "p", 1, 0, "p-1") SEND(1001, "q", 1, 0, "q-1")
                                   ACK(2000, "p", 1, 0, 0) ACK(2001, "q", 1, 0, 0),
                               TWO_RECORDS),
                 1);
}

Test(chaos_check_records, what_most_saw_is_right_whoever_came_first)
{
    struct history h;
    struct verdict v;
    text_judge(READ(5000, "liar", 0, 1, "p-1", "") TWO_SENT READ(9000, "r", 0, 0, "p-1", FINAL)
                   READ(9001, "r", 0, 1, "p-2", FINAL) READ_END(9002, "r", 0, 2, "") END,
               &h, &v);
    cr_assert_eq(v.counts[TWO_RECORDS], 1);
    cr_assert_eq(verdict_violations(&v), 1);
    cr_assert_str_eq(
        names_text(&h.names, h.processes.items[v.shown[TWO_RECORDS].items[0].process].name),
        "liar");
    made_judged_close(&h, &v);
}

Test(chaos_check_records, a_plain_producers_record_may_come_twice_and_is_counted)
{
    struct history h;
    struct verdict v;
    text_judge(PROCESS("p", 0) ONE_SENT READ(9000, "r", 0, 0, "p-1", "")
                   READ(9001, "r", 0, 1, "p-1", ""),
               &h, &v);
    cr_assert_eq(verdict_violations(&v), 0);
    cr_assert_eq(v.repeated_plain, 1);
    made_judged_close(&h, &v);
}

Test(chaos_check_records, values_of_a_file_that_was_cut_short_may_be_unknown)
{
    const char *sent_and_read = PROCESS("p", 1) ONE_SENT READ(5000, "r", 0, 1, "p-2", "");
    cr_assert_eq(violations_of(sent_and_read, INVENTED), 0);
    cr_assert_eq(violations_of(PROCESS("p", 1) ONE_SENT READ(5000, "r", 0, 1, "p-0", ""), INVENTED),
                 1, "it would have come before what is known");
    cr_assert_eq(
        violations_of(PROCESS("p", 1) ONE_SENT READ(5000, "r", 0, 1, "p-2", "") END, INVENTED), 1,
        "nothing was cut");
    cr_assert_eq(violations_of(ONE_SENT READ(5000, "r", 0, 1, "?x-2", ""), INVENTED), 1,
                 "bytes that are no value");
}

Test(chaos_check_records, a_record_in_another_partition_than_asked_for_is_invented)
{
    cr_assert_eq(
        violations_of(SEND(1000, "p", 1, 0, "p-1") READ(5000, "r", 3, 0, "p-1", ""), INVENTED), 1);
    cr_assert_eq(
        violations_of(SEND(1000, "p", 1, -1, "p-1") READ(5000, "r", 3, 0, "p-1", ""), INVENTED), 0,
        "the client chose");
}

Test(chaos_check_records, idempotent_order_holds_for_sends_of_unknown_outcome_too)
{
    const char *sent = PROCESS("p", 1) SEND(1000, "p", 1, 0, "p-1") SEND(1001, "p", 2, 0, "p-2")
        OUTCOME(9000, "p", 1, 0, "unknown") READ(5000, "r", 0, 0, "p-2", "")
            READ(5001, "r", 0, 1, "p-1", "");
    cr_assert_eq(violations_of(sent, PRODUCER_ORDER), 1);
}

Test(chaos_check_records, plain_order_holds_where_one_was_there_before_the_next_was_sent)
{
    const char *together = SEND(1000, "p", 1, 0, "p-1") SEND(1001, "p", 2, 0, "p-2")
        ACK(2000, "p", 2, 0, 0) ACK(2001, "p", 1, 0, 1);
    const char *apart = SEND(1000, "p", 1, 0, "p-1") ACK(2001, "p", 1, 0, 1)
        SEND(3001, "p", 2, 0, "p-2") ACK(4000, "p", 2, 0, 0);
    cr_assert_eq(violations_of(together, PRODUCER_ORDER), 0);
    cr_assert_eq(violations_of(apart, PRODUCER_ORDER), 1);
}
