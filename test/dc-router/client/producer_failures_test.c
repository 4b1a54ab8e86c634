/* Records that the cluster refuses for good, over librdkafka's simulated brokers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fate_seam.h"
#include "producer_stage.h"

#define WAIT_MS  30000
#define PRODUCE  0 /* the request's key */
#define FAILURES "failure_directory: ~/failures\n"

/* So many of the next produce requests are refused for good. */
static void refuse(struct stage *s, int count)
{
    for (int i = 0; i < count; i++)
        rd_kafka_mock_push_request_errors(s->cluster.brokers, PRODUCE, 1,
                                          RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
}

static struct trilog_failure_state state_of(struct stage *s)
{
    struct trilog_failure_state state;
    cr_assert_eq(trilog_failure_state(s->producer, &state), TRILOG_OK);
    return state;
}

static void wait_for_counts(struct stage *s, uint64_t records, uint64_t given_up)
{
    for (int i = 0; i < 3000; i++) {
        struct trilog_failure_state state = state_of(s);
        if (state.record_count == records && state.given_up_count == given_up)
            return;
        usleep(10000);
    }
    struct trilog_spool_state spool;
    trilog_spool_state(s->producer, &spool);
    cr_assert_fail("the log has %lu records, %lu given up; the spool %lu",
                   (unsigned long)state_of(s).record_count,
                   (unsigned long)state_of(s).given_up_count, (unsigned long)spool.record_count);
}

/* The offset that the next record gets: how many are there. */
static int64_t count_of(struct stage *s)
{
    struct trilog_record r = {.topic = "t", .value = "end", .value_size = 3};
    struct trilog_delivery d;
    cr_assert_eq(trilog_send_and_wait(s->producer, &r, WAIT_MS, &d), TRILOG_OK);
    return d.offset;
}

static void retry_until_taken(struct stage *s)
{
    for (int i = 0; i < 3000 && state_of(s).record_count > 0; i++) {
        /* librdkafka knows the refusal of its topic for a moment longer */
        cr_assert_eq(trilog_failures_retry(s->producer), TRILOG_OK);
        usleep(10000);
    }
}

Test(client_producer_failures, are_sent_again_until_they_are_taken)
{
    struct stage s;
    stage_begin(&s, 1, FAILURES "retry_wait_ms: 50 ms\n");
    refuse(&s, 3);
    cr_assert_eq(stage_send_and_wait(&s, "1", WAIT_MS), TRILOG_LOGGED);
    stage_wait_event(&s, TRILOG_EVENT_FAILURE_LOGGED);
    wait_for_counts(&s, 0, 0);
    cr_assert_eq(count_of(&s), 1, "it is there, once");
    stage_clear(&s);
}

Test(client_producer_failures, stay_at_the_cap_until_somebody_wants_them_tried_again)
{
    struct stage s;
    stage_begin(&s, 1, FAILURES "retry_wait_ms: 300 ms\nretry_count_max: 3\n");
    refuse(&s, 3);
    cr_assert_eq(stage_send_and_wait(&s, "1", WAIT_MS), TRILOG_LOGGED);
    wait_for_counts(&s, 1, 1);
    stage_wait_event(&s, TRILOG_EVENT_FAILURE_GIVEN_UP);
    rd_kafka_mock_clear_request_errors(s.cluster.brokers, PRODUCE);
    retry_until_taken(&s);
    cr_assert_eq(count_of(&s), 1);
    stage_clear(&s);
}

Test(client_producer_failures, are_found_by_the_next_run)
{
    struct stage s;
    stage_begin(&s, 1, FAILURES "retry_wait_ms: 1 s\n");
    refuse(&s, 1);
    cr_assert_eq(stage_send_and_wait(&s, "1", WAIT_MS), TRILOG_LOGGED);
    stage_reopen(&s);
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_FAILURES_FOUND), 1);
    wait_for_counts(&s, 0, 0);
    cr_assert_eq(count_of(&s), 1);
    stage_clear(&s);
}

Test(client_producer_failures, take_over_what_was_in_the_spool)
{
    struct stage s;
    stage_set(&s, 1, FAILURES "spool_directory: ~/spool\nretry_wait_ms: 50 ms\n");
    fake_cluster_set_away(&s.cluster, true);
    stage_open(&s);
    struct trilog_record r = {.topic = "t", .value = "1", .value_size = 1};
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, SPOOL_WAIT_MS, NULL), TRILOG_SPOOLED);
    refuse(&s, 1);
    fake_cluster_set_away(&s.cluster, false);
    stage_wait_event(&s, TRILOG_EVENT_FAILURE_LOGGED);
    wait_for_counts(&s, 0, 0);
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_SPOOL_REFUSED), 0, "it was not lost");
    struct trilog_spool_state spool;
    cr_assert_eq(trilog_spool_state(s.producer, &spool), TRILOG_OK);
    cr_assert_eq(spool.record_count, 0);
    cr_assert_eq(count_of(&s), 1);
    stage_clear(&s);
}

Test(client_producer_failures, keep_for_the_operator_what_the_spool_had_and_may_have_been_taken)
{
    struct stage s;
    stage_set(&s, 1, FAILURES "spool_directory: ~/spool\nretry_wait_ms: 50 ms\n");
    fake_cluster_set_away(&s.cluster, true);
    stage_open(&s);
    struct trilog_record r = {.topic = "t", .value = "1", .value_size = 1};
    cr_assert_eq(trilog_send_and_wait(s.producer, &r, SPOOL_WAIT_MS, NULL), TRILOG_SPOOLED);
    refuse(&s, 1);
    fate_seam_set_unknown(true);
    fake_cluster_set_away(&s.cluster, false);
    stage_wait_event(&s, TRILOG_EVENT_FAILURE_GIVEN_UP);
    wait_for_counts(&s, 1, 1);
    stage_wait_empty(&s);
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_SPOOL_REFUSED), 0, "it was not lost");
    fate_seam_set_unknown(false);
    retry_until_taken(&s);
    cr_assert_eq(count_of(&s), 1);
    stage_clear(&s);
}

Test(client_producer_failures, take_over_too_what_is_refused_before_it_has_left)
{
    struct stage s;
    stage_set(&s, 1,
              FAILURES "spool_directory: ~/spool\nqueue_records_max: 2\n"
                       "retry_wait_ms: 1 h\nretry_wait_ms_max: 1 h\n");
    fake_cluster_set_away(&s.cluster, true);
    stage_open(&s);
    stage_send(&s, "123456");
    cr_assert_eq(trilog_producer_close(s.producer, 0), TRILOG_OK);
    refuse(&s, 100);
    fake_cluster_set_away(&s.cluster, false);
    stage_reopen(&s);
    wait_for_counts(&s, 6, 0); /* the first are refused by the cluster, the rest by librdkafka */
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_SPOOL_REFUSED), 0, "none was lost");
    stage_wait_empty(&s);
    stage_clear(&s);
}

Test(client_producer_failures, are_told_as_errors_when_the_log_is_full)
{
    struct stage s;
    stage_begin(&s, 1,
                FAILURES "failure_records_max: 1\nretry_wait_ms: 1 h\nretry_wait_ms_max: 1 h\n");
    refuse(&s, 2);
    cr_assert_eq(stage_send_and_wait(&s, "1", WAIT_MS), TRILOG_LOGGED);
    cr_assert_eq(stage_send_and_wait(&s, "2", WAIT_MS), TRILOG_ERR_REFUSED);
    cr_assert_eq(state_of(&s).record_count, 1);
    stage_clear(&s);
}

Test(client_producer_failures, are_not_kept_without_a_folder_for_them)
{
    struct stage s;
    stage_begin(&s, 1, "");
    refuse(&s, 1);
    cr_assert_eq(stage_send_and_wait(&s, "1", WAIT_MS), TRILOG_ERR_REFUSED);
    cr_assert_eq(state_of(&s).record_count, 0);
    cr_assert_eq(trilog_failures_retry(s.producer), TRILOG_ERR_NO_LOG);
    cr_assert_eq(trilog_failures_retry(NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_failure_state(s.producer, NULL), TRILOG_ERR_NULL);
    stage_clear(&s);
}

struct walk {
    unsigned spooled, failed;
    int fate;
};

static int on_kept(void *data, const struct trilog_kept_record *k)
{
    struct walk *w = data;
    cr_assert_str_eq(k->record.topic, "t");
    *(k->where == TRILOG_KEPT_IN_SPOOL ? &w->spooled : &w->failed) += 1;
    return w->fate;
}

static struct walk walk_of(struct stage *s, int fate)
{
    struct walk w = {.fate = fate};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_kept_records(s->cluster.config, on_kept, &w, why), TRILOG_OK, "%s", why);
    return w;
}

Test(client_producer_failures, are_gone_over_and_thrown_away_while_nobody_has_them)
{
    struct stage s;
    stage_begin(&s, 1, FAILURES "retry_wait_ms: 1 h\nretry_wait_ms_max: 1 h\n");
    refuse(&s, 1);
    cr_assert_eq(stage_send_and_wait(&s, "1", WAIT_MS), TRILOG_LOGGED);
    struct walk w = {0};
    cr_assert_eq(trilog_kept_records(s.cluster.config, on_kept, &w, NULL), TRILOG_ERR_SPOOL_IN_USE);
    cr_assert_eq(trilog_kept_records(s.cluster.config, NULL, &w, NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_producer_close(s.producer, 0), TRILOG_OK);
    cr_assert_eq(walk_of(&s, TRILOG_KEEP).failed, 1);
    cr_assert_eq(walk_of(&s, TRILOG_THROW_AWAY).failed, 1, "it was looked at only");
    cr_assert_eq(walk_of(&s, TRILOG_KEEP).failed, 0);
    stage_clear(&s);
}

Test(client_producer_failures, are_not_none_when_their_folder_can_not_be_looked_at)
{
    struct stage s;
    stage_set(&s, 1, "spool_directory: ~/spool\n");
    struct walk w = walk_of(&s, TRILOG_KEEP);
    cr_assert_eq(w.spooled + w.failed, 0, "there is no folder");
    char path[96], why[TRILOG_TEXT_SIZE];
    snprintf(path, sizeof path, "%s/spool", s.cluster.folder);
    cr_assert_eq(symlink("spool", path), 0); /* which leads nowhere, round and round */
    cr_assert_eq(trilog_kept_records(s.cluster.config, on_kept, &w, why), TRILOG_ERR_SPOOL_DISK);
    cr_assert_not_null(strstr(why, "/spool: "), "%s", why);
    stage_clear(&s);
}
