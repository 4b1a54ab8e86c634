/* What a forced recovery explains: the end of what was acknowledged in the time that was printed,
 * and nothing else. Printed is 3000, the sites ended at 6000, the order was given at 8000. */
#include <criterion/criterion.h>

#include "made.h"

#define RECOVERY                                                                                   \
    "{'at':8000,'type':'recovery','process':'d','site':'-','since':3000,'until':6000,"             \
    "'known_lost':1}\n"

/* p-1 is there; p-2 was acknowledged by those who are lost; p-3 is new. */
#define KEPT  SEND(1000, "p", 1, 0, "p-1") ACK(2000, "p", 1, 0, 0)
#define TAKEN SEND(2500, "p", 2, 0, "p-2") ACK(4000, "p", 2, 0, 1)
#define NEW   SEND(9000, "p", 3, 0, "p-3") ACK(10000, "p", 3, 0, 1099511627776)
#define LEFT                                                                                       \
    READ(20000, "r", 0, 0, "p-1", FINAL)                                                           \
    READ(20001, "r", 0, 1099511627776, "p-3", FINAL) READ_END(20002, "r", 0, 1099511627777, "")

Test(chaos_check_forced_recovery, takes_the_end_that_was_acknowledged_since_what_was_printed)
{
    struct history h;
    struct verdict v;
    text_judge(RECOVERY KEPT TAKEN NEW LEFT END, &h, &v);
    cr_assert_eq(verdict_violations(&v), 0);
    cr_assert_eq(v.lost_records, 0);
    cr_assert_eq(v.taken_records, 1);
    cr_assert_eq(v.taken_bytes, 9);
    made_judged_close(&h, &v);
}

Test(chaos_check_forced_recovery, takes_nothing_where_there_was_none)
{
    struct history h;
    struct verdict v;
    text_judge(KEPT TAKEN NEW LEFT END, &h, &v);
    cr_assert_eq(v.counts[LOST], 1);
    cr_assert_eq(v.counts[POLL_GAP], 1, "and nothing says why offsets go on so far away");
    made_judged_close(&h, &v);
}

Test(chaos_check_forced_recovery, keeps_what_was_acknowledged_just_before_what_was_printed)
{
    cr_assert_eq(violations_of(RECOVERY KEPT SEND(2500, "p", 2, 0, "p-2") ACK(2999, "p", 2, 0, 1)
                                   NEW LEFT END,
                               LOST),
                 1);
    cr_assert_eq(violations_of(RECOVERY KEPT SEND(2500, "p", 2, 0, "p-2") ACK(3000, "p", 2, 0, 1)
                                   NEW LEFT END,
                               LOST),
                 0);
}

Test(chaos_check_forced_recovery, keeps_what_was_read_before_what_was_printed)
{
    cr_assert_eq(
        violations_of(RECOVERY KEPT TAKEN NEW READ(2998, "c", 0, 1, "p-2", "") LEFT END, LOST), 1);
}

Test(chaos_check_forced_recovery, keeps_what_was_sent_or_acknowledged_later)
{
    cr_assert_eq(violations_of(RECOVERY KEPT SEND(6001, "p", 2, 0, "p-2") ACK(7000, "p", 2, 0, 1)
                                   NEW LEFT END,
                               LOST),
                 1, "sent when the sites were off");
    cr_assert_eq(violations_of(RECOVERY KEPT SEND(5000, "p", 2, 0, "p-2") ACK(8001, "p", 2, 0, 1)
                                   NEW LEFT END,
                               LOST),
                 1, "acknowledged after the order");
    cr_assert_eq(violations_of(RECOVERY KEPT SEND(8500, "p", 2, 0, "p-2")
                                   ACK(9000, "p", 2, 0, 1099511627776)
                                       READ(20000, "r", 0, 0, "p-1", FINAL)
                                           READ_END(20002, "r", 0, 1099511627776, "") END,
                               LOST),
                 1, "new");
}

Test(chaos_check_forced_recovery, takes_no_record_in_front_of_one_that_survives)
{
    cr_assert_eq(violations_of(RECOVERY SEND(1000, "p", 1, 0, "p-1") ACK(4000, "p", 1, 0, 0)
                                   SEND(1001, "p", 2, 0, "p-2") ACK(4001, "p", 2, 0, 1)
                                       READ(20000, "r", 0, 1, "p-2", FINAL)
                                           READ_END(20002, "r", 0, 2, "") END,
                               LOST),
                 1);
}

Test(chaos_check_forced_recovery, takes_it_from_every_site)
{
    struct history h;
    struct verdict v;
    text_judge(RECOVERY KEPT TAKEN NEW READ(19000, "s", 0, 0, "p-1", FINAL)
                   READ(19001, "s", 0, 1, "p-2", FINAL)
                       READ(19002, "s", 0, 1099511627776, "p-3", FINAL)
                           READ_END(19003, "s", 0, 1099511627777, "") LEFT END,
               &h, &v);
    cr_assert_eq(v.counts[LOST], 1, "one site still shows it");
    made_judged_close(&h, &v);
}

Test(chaos_check_forced_recovery, what_was_read_in_that_time_may_be_gone_and_is_seen_no_more)
{
    const char *unknown = SEND(2500, "p", 2, 0, "p-2") OUTCOME(7000, "p", 2, 0, "unknown");
    char lines[6000];
    snprintf(lines, sizeof lines, "%s%s%s", RECOVERY KEPT, unknown,
             NEW READ(4000, "c", 0, 1, "p-2", "") LEFT END);
    cr_assert_eq(violations_of(lines, READ_THEN_GONE), 0);
    snprintf(lines, sizeof lines, "%s%s%s", RECOVERY KEPT, unknown,
             NEW READ(4000, "c", 0, 1, "p-2", "") READ(8001, "d", 0, 1, "p-2", "") LEFT END);
    cr_assert_eq(violations_of(lines, READ_THEN_GONE), 1, "somebody was shown it afterwards");
}

/* Sites are off from 6000 to 15000. */
#define FAULT(at, action)                                                                          \
    "{'at':" #at ",'type':'fault','process':'d','site':'-','action':'" action                      \
    "','id':1,'name':'recover','target':'a'}\n"
#define HANDED_OVER(assigned, at)                                                                  \
    FAULT(6000, "inject")                                                                          \
    FAULT(15000, "heal")                                                                           \
    RECOVERY KEPT TAKEN NEW ASSIGN(assigned, "c", 0) READ(at, "c", 0, 0, "p-1", "")                \
        READ(at, "c", 0, 1, "p-2", "") LEFT END

Test(chaos_check_forced_recovery, a_client_hands_over_what_it_had_fetched_while_the_lost_are_off)
{
    cr_assert_eq(violations_of(HANDED_OVER(2000, 9000), LOST), 0);
    cr_assert_eq(violations_of(HANDED_OVER(8500, 9000), LOST), 1,
                 "it was sent there after the order, and got it");
    cr_assert_eq(violations_of(HANDED_OVER(2000, 15001), LOST), 1,
                 "the lost are back, and showed it");
}

Test(chaos_check_forced_recovery, an_offset_never_has_two_records)
{
    struct history h;
    struct verdict v;
    text_judge(RECOVERY KEPT TAKEN READ(4500, "c", 0, 1, "p-2", "") SEND(9000, "p", 3, 0, "p-3")
                   ACK(10000, "p", 3, 0, 1) READ(20000, "r", 0, 0, "p-1", FINAL)
                       READ(20001, "r", 0, 1, "p-3", FINAL) READ_END(20002, "r", 0, 2, "") END,
               &h, &v);
    cr_assert_geq(v.counts[TWO_RECORDS], 1);
    made_judged_close(&h, &v);
}

Test(chaos_check_forced_recovery,
     what_was_lost_before_its_acknowledgement_is_sent_again_and_lies_there)
{
#define SENT_AGAIN                                                                                 \
    PROCESS("p", 1)                                                                                \
    RECOVERY KEPT SEND(2500, "p", 2, 0, "p-2") READ(4000, "c", 0, 1, "p-2", "")                    \
        ACK(10000, "p", 2, 0, 1099511627776) READ(20000, "r", 0, 0, "p-1", FINAL)                  \
            READ(20001, "r", 0, 1099511627776, "p-2", FINAL)
    cr_assert_eq(
        violations_of(SENT_AGAIN READ_END(20002, "r", 0, 1099511627777, "") END, TWO_OFFSETS), 0);
    cr_assert_eq(violations_of(SENT_AGAIN READ(20002, "r", 0, 1099511627777, "p-2", FINAL)
                                   READ_END(20003, "r", 0, 1099511627778, "") END,
                               TWO_OFFSETS),
                 1, "but once");
}

/* ---- readers ---- */

Test(chaos_check_forced_recovery, a_reader_behind_what_survives_goes_on_with_the_first_new_record)
{
    cr_assert_eq(violations_of(RECOVERY KEPT TAKEN NEW READ(4000, "c", 0, 1, "p-2", "")
                                   READ(11000, "c", 0, 1099511627776, "p-3", "") LEFT END,
                               POLL_GAP),
                 0);
    cr_assert_eq(violations_of(RECOVERY KEPT TAKEN SEND(7000, "p", 3, 0, "p-3") ACK(
                                   7400, "p", 3, 0, 1099511627776) READ(4000, "c", 0, 1, "p-2", "")
                                   READ(7500, "c", 0, 1099511627776, "p-3", "") LEFT END,
                               POLL_GAP),
                 1, "before the order there is no gap");
}

Test(chaos_check_forced_recovery, a_reader_skips_nothing_that_survives_and_nothing_that_is_new)
{
    cr_assert_eq(violations_of(RECOVERY KEPT TAKEN NEW
                               "{'at':1500,'type':'seek','process':'c','site':'b','topic':'t',"
                               "'partition':0,'offset':0}\n" READ(11000, "c", 0, 1099511627776,
                                                                  "p-3", "") LEFT END,
                               POLL_GAP),
                 1, "p-1 survives");
    cr_assert_eq(violations_of(RECOVERY KEPT TAKEN NEW SEND(9500, "p", 4, 0, "p-4") ACK(
                                   10500, "p", 4, 0, 1099511627777) READ(4000, "c", 0, 1, "p-2", "")
                                   READ(11000, "c", 0, 1099511627777, "p-4", "")
                                       READ(20000, "r", 0, 0, "p-1", FINAL)
                                           READ(20001, "r", 0, 1099511627776, "p-3", FINAL)
                                               READ(20002, "r", 0, 1099511627777, "p-4", FINAL)
                                                   READ_END(20003, "r", 0, 1099511627778, "") END,
                               POLL_GAP),
                 1, "p-3 is the first new one");
}

/* ---- commits ---- */

#define OLD_COMMIT  COMMIT(1000, 1, 0) COMMITTED(1500, 1, 0, "ok")
#define LATE_COMMIT COMMIT(3500, 2, 1) COMMITTED(4000, 2, 1, "ok")
#define SURE_COMMIT COMMIT(2000, 2, 1) COMMITTED(2999, 2, 1, "ok")

Test(chaos_check_forced_recovery, a_commit_of_that_time_may_be_gone)
{
    cr_assert_eq(violations_of(RECOVERY KEPT OLD_COMMIT LATE_COMMIT FETCH(9000, 1)
                                   FETCHED(9500, 1, 0) END,
                               COMMIT_ROLLED_BACK),
                 0);
    cr_assert_eq(violations_of(RECOVERY KEPT OLD_COMMIT LATE_COMMIT FETCH(9000, 1)
                                   FETCHED(9500, 1, 1) END,
                               COMMIT_ROLLED_BACK),
                 0);
}

Test(chaos_check_forced_recovery, a_commit_of_before_or_after_is_not)
{
    cr_assert_eq(violations_of(RECOVERY KEPT OLD_COMMIT SURE_COMMIT FETCH(9000, 1)
                                   FETCHED(9500, 1, 0) END,
                               COMMIT_ROLLED_BACK),
                 1, "below what survived");
    cr_assert_eq(violations_of(RECOVERY KEPT OLD_COMMIT LATE_COMMIT FETCH(5000, 1)
                                   FETCHED(5500, 1, 0) END,
                               COMMIT_ROLLED_BACK),
                 1, "answered before the order");
    cr_assert_eq(violations_of(RECOVERY KEPT OLD_COMMIT COMMIT(8500, 2, 1) COMMITTED(
                                   8900, 2, 1, "ok") FETCH(9000, 1) FETCHED(9500, 1, 0) END,
                               COMMIT_ROLLED_BACK),
                 1, "committed after it");
}

Test(chaos_check_forced_recovery, a_group_behind_what_survives_goes_on_with_the_first_new_record)
{
#define BEHIND RECOVERY KEPT TAKEN NEW COMMIT(2000, 1, 2) COMMITTED(2500, 1, 2, "ok")
#define GOES_ON(offset, value)                                                                     \
    ASSIGN(9000, "m", -1) READ(11000, "m", 0, offset, value, ",'group':'g'")
    cr_assert_eq(violations_of(BEHIND GOES_ON(1099511627776, "p-3") LEFT END, WRONG_RESUME), 0);
    cr_assert_eq(violations_of(BEHIND GOES_ON(0, "p-1") LEFT END, WRONG_RESUME), 1,
                 "it is not thrown back");
    cr_assert_eq(violations_of(RECOVERY KEPT TAKEN NEW OLD_COMMIT GOES_ON(1099511627776, "p-3")
                                   LEFT END,
                               WRONG_RESUME),
                 1, "p-1 survives, and is what it would read next");
}

Test(chaos_check_forced_recovery, a_recovery_without_its_times_is_refused)
{
    cr_assert_str_eq(text_refusal("{'at':8000,'type':'recovery','process':'d','since':3000}\n"),
                     "text:1: a recovery without since or until");
}
