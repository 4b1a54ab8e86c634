/* Records of which a handler says that they failed: handed out again, given up, kept, looked at. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "consumer_scene.h"

static void begin_failing(struct scene *s, const char *settings)
{
    char all[256];
    snprintf(all, sizeof all, "failure_directory: ~/failures\nretry_wait_ms: 100\n%s", settings);
    scene_begin(s, all);
}

Test(client_consumer_failures, hands_out_again_what_failed_and_gives_up_at_the_cap)
{
    struct scene s;
    begin_failing(&s, "retry_count_max: 3\n");
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "own", -1, "1", 1);
    scene_send(&s, "a", headers);
    scene_send_letters(&s, "b");
    const struct trilog_message *m = scene_take_letter(&s, 'a');
    cr_assert_eq(trilog_message_failed(s.consumer, m, "no"), TRILOG_OK);
    m = scene_take_letter(&s, 'b'); /* what is behind it does not wait */
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(scene_committed(&s), 2);
    for (unsigned i = 1; i < 3; i++) {
        m = scene_take_letter(&s, 'a');
        cr_assert_eq(m->failure_count, i);
        cr_assert_eq(m->offset, 0);
        cr_assert_eq(m->record.header_count, 1);
        cr_assert_eq(trilog_message_failed(s.consumer, m, "not again"), TRILOG_OK);
    }
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_FAILURE_GIVEN_UP, 1);
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_FAILURE_GIVEN_UP, "t-0 at 0 has failed 3 times");
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_FAILURE_GIVEN_UP, ": not again");
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
    cr_assert_eq(state.failure_count, 1);
    cr_assert_eq(state.given_up_count, 1);
    scene_assert_nothing(&s);
    scene_clear(&s);
}

Test(client_consumer_failures, finds_failures_of_an_earlier_run)
{
    struct scene s;
    begin_failing(&s, "");
    scene_send_letters(&s, "ab");
    cr_assert_eq(trilog_message_failed(s.consumer, scene_take_letter(&s, 'a'), "no"), TRILOG_OK);
    scene_work_on(&s, "b");
    scene_reopen_as(&s, NULL);
    cr_assert_eq(scene_count_events(&s, TRILOG_CONSUMER_EVENT_FAILURES_FOUND), 1, "within open");
    const struct trilog_message *m = scene_take_letter(&s, 'a');
    cr_assert_eq(m->failure_count, 1);
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    scene_reopen_as(&s, NULL);
    cr_assert_eq(scene_count_events(&s, TRILOG_CONSUMER_EVENT_FAILURES_FOUND), 1);
    scene_assert_nothing(&s);
    scene_clear(&s);
}

struct walk {
    unsigned count;
    int fate;
};

static int on_kept(void *data, const struct trilog_kept_record *k)
{
    struct walk *w = data;
    cr_assert_eq(k->where, TRILOG_KEPT_CONSUMED);
    cr_assert_str_eq(k->log, "consumed-g.0");
    cr_assert_str_eq(k->record.topic, "t");
    cr_assert_str_eq(k->reason, "no");
    cr_assert_eq(k->partition, 0);
    cr_assert_eq(k->offset, w->count, "in order");
    w->count++;
    return w->fate;
}

static unsigned count_kept(struct scene *s, int fate)
{
    struct walk w = {.fate = fate};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_kept_records(s->cluster.config, on_kept, &w, why), TRILOG_OK, "%s", why);
    return w.count;
}

static void fail_letters(struct scene *s, const char *letters)
{
    for (; *letters != '\0'; letters++)
        cr_assert_eq(trilog_message_failed(s->consumer, scene_take_letter(s, *letters), "no"),
                     TRILOG_OK);
}

Test(client_consumer_failures,
     leaves_its_failures_to_be_looked_at_and_tried_again_once_it_has_ended)
{
    struct scene s;
    begin_failing(&s, "retry_count_max: 1\n");
    scene_send_letters(&s, "ab");
    fail_letters(&s, "ab");
    struct walk w = {0};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_kept_records(s.cluster.config, on_kept, &w, why), TRILOG_ERR_SPOOL_IN_USE);
    cr_assert_not_null(strstr(why, "/consumed-g.0: "), "%s", why);
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(count_kept(&s, TRILOG_KEEP), 2);
    cr_assert_eq(count_kept(&s, TRILOG_TRY_AGAIN), 2, "it was looked at only");
    scene_reopen_as(&s, NULL);
    scene_work_on(&s, "ab");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(count_kept(&s, TRILOG_KEEP), 0);
    scene_clear(&s);
}

Test(client_consumer_failures, has_no_failures_left_that_somebody_threw_away_once_it_had_ended)
{
    struct scene s;
    begin_failing(&s, "");
    scene_send_letters(&s, "ab");
    fail_letters(&s, "ab");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(count_kept(&s, TRILOG_THROW_AWAY), 2);
    cr_assert_eq(count_kept(&s, TRILOG_KEEP), 0);
    scene_clear(&s);
}

Test(client_consumer_failures, keeps_in_hand_what_a_full_failure_log_does_not_take)
{
    struct scene s;
    begin_failing(&s, "failure_records_max: 1\nretry_wait_ms_max: 1 d\n");
    scene_send_letters(&s, "ab");
    const struct trilog_message *a = scene_take_letter(&s, 'a'), *b = scene_take_letter(&s, 'b');
    cr_assert_eq(trilog_message_failed(s.consumer, a, NULL), TRILOG_OK);
    cr_assert_eq(trilog_message_failed(s.consumer, b, NULL), TRILOG_ERR_LOG_FULL);
    cr_assert_eq(trilog_message_done(s.consumer, b), TRILOG_OK);
    scene_clear(&s);
}
