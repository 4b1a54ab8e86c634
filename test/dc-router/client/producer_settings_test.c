/* Settings that change while a producer runs, over librdkafka's simulated brokers. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "producer_stage.h"

#define NOBODY "127.0.0.1:1"

static void write_addresses(struct stage *s, const char *site, const char *address)
{
    char text[512];
    snprintf(text, sizeof text, "site: %s\nbootstrap: ['%s']\n", site, address);
    fake_cluster_write(&s->cluster, text);
}

/* Brokers, and a producer that knows an address where nobody is. */
static void set_stage(struct stage *s)
{
    stage_set(s, 1, "");
    write_addresses(s, "a", NOBODY);
    stage_open(s);
}

static const struct trilog_record record = {.topic = "t", .value = "1", .value_size = 1};

Test(client_producer_settings, are_seen_when_the_file_changes_and_the_record_under_way_is_taken)
{
    struct stage s;
    set_stage(&s);
    cr_assert_eq(trilog_send(s.producer, &record, NULL), TRILOG_OK);
    cr_assert_eq(trilog_flush(s.producer, 300), TRILOG_ERR_TIMED_OUT, "nobody is there");
    write_addresses(&s, "b", s.cluster.address);
    cr_assert_eq(trilog_flush(s.producer, 30000), TRILOG_OK);
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_SETTINGS_CHANGED), 1);
    struct trilog_delivery d;
    cr_assert_eq(trilog_send_and_wait(s.producer, &record, 30000, &d), TRILOG_OK);
    cr_assert_eq(d.offset, 1, "the first one is there, once");
    stage_clear(&s);
}

Test(client_producer_settings, are_read_again_at_once_when_asked)
{
    struct stage s;
    set_stage(&s);
    write_addresses(&s, "b", s.cluster.address);
    cr_assert_eq(trilog_producer_reload(s.producer, NULL), TRILOG_OK);
    stage_wait_event(&s, TRILOG_EVENT_SETTINGS_CHANGED);
    cr_assert_eq(trilog_producer_reload(s.producer, NULL), TRILOG_OK, "as they were");
    cr_assert_eq(stage_count_events(&s, TRILOG_EVENT_SETTINGS_CHANGED), 1);
    cr_assert_eq(trilog_send_and_wait(s.producer, &record, 30000, NULL), TRILOG_OK);
    cr_assert_eq(trilog_producer_reload(NULL, NULL), TRILOG_ERR_NULL);
    trilog_producer_close(s.producer, 0);
    cr_assert_eq(trilog_producer_reload(s.producer, NULL), TRILOG_ERR_CLOSED);
    stage_clear(&s);
}

static void assert_is_told_of(const char *setting)
{
    struct stage s;
    set_stage(&s);
    fake_cluster_configure(&s.cluster, NOBODY, setting);
    stage_wait_event(&s, TRILOG_EVENT_SETTINGS_CHANGED);
    stage_clear(&s);
}

Test(client_producer_settings, of_the_failure_log_are_seen_too_and_told)
{
    assert_is_told_of("retry_wait_ms: 7 s\n");
}

Test(client_producer_settings, stay_as_they_were_when_the_new_ones_can_not_be_used)
{
    struct stage s;
    set_stage(&s);
    write_addresses(&s, "a", s.cluster.address);
    cr_assert_eq(trilog_producer_reload(s.producer, NULL), TRILOG_OK);
    char why[TRILOG_TEXT_SIZE];
    fake_cluster_write(&s.cluster, "site: a\nnonsense: 1\n");
    cr_assert_eq(trilog_producer_reload(s.producer, why), TRILOG_ERR_SETTINGS);
    cr_assert_not_null(strstr(why, "client.yaml:2: 'nonsense'"), "%s", why);
    fake_cluster_write(&s.cluster, "site: a\n");
    stage_wait_event(&s, TRILOG_EVENT_SETTINGS_REFUSED);
    cr_assert_eq(unlink(s.cluster.config), 0);
    cr_assert_eq(trilog_producer_reload(s.producer, why), TRILOG_ERR_SETTINGS, "it is gone");
    cr_assert_eq(trilog_send_and_wait(s.producer, &record, 30000, NULL), TRILOG_OK);
    stage_clear(&s);
}

Test(client_producer_settings, may_stand_in_the_variable_itself)
{
    struct stage s;
    set_stage(&s);
    trilog_producer_destroy(s.producer);
    char text[512], why[TRILOG_TEXT_SIZE];
    snprintf(text, sizeof text, "{site: b, bootstrap: ['%s']}", s.cluster.address);
    setenv("TRILOG_CLIENT_CONFIG", text, 1);
    cr_assert_eq(stage_try_open(&s, NULL, why), TRILOG_OK, "%s", why);
    cr_assert_eq(trilog_send_and_wait(s.producer, &record, 30000, NULL), TRILOG_OK);
    stage_clear(&s);
}
