/* What a consumer answers where the application asks for what is not: over simulated brokers. */
#include <criterion/criterion.h>

#include "consumer_scene.h"

Test(client_consumer_input, answers_bad_input_with_errors)
{
    struct scene s;
    scene_begin(&s, "");
    struct trilog_consumer *c = s.consumer;
    const struct trilog_message *m;
    cr_assert_eq(trilog_consumer_take(NULL, 0, &m), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_consumer_take(c, 0, NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_consumer_take(c, -5, &m), TRILOG_ERR_EMPTY);
    cr_assert_eq(trilog_message_done(NULL, NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_message_done(c, NULL), TRILOG_ERR_NULL);
    struct trilog_message strange = {.offset = 0};
    cr_assert_eq(trilog_message_done(c, &strange), TRILOG_ERR_NOT_IN_HAND);
    cr_assert_eq(trilog_message_failed(c, &strange, "x"), TRILOG_ERR_NOT_IN_HAND);
    scene_send_letters(&s, "a");
    m = scene_take_letter(&s, 'a');
    cr_assert_eq(trilog_message_failed(c, m, "no"), TRILOG_ERR_NO_LOG, "it stays in hand");
    cr_assert_eq(trilog_message_done(c, m), TRILOG_OK);
    cr_assert_eq(trilog_message_done(c, m), TRILOG_ERR_NOT_IN_HAND, "done twice");
    cr_assert_eq(trilog_consumer_seek(c, NULL, 0, 0, 0), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_consumer_seek(c, "a b", 0, 0, 0), TRILOG_ERR_TOPIC);
    cr_assert_eq(trilog_consumer_seek(c, "t", 0, -3, 0), TRILOG_ERR_OFFSET);
    cr_assert_eq(trilog_consumer_seek(c, "t", 99, 0, 0), TRILOG_ERR_NOT_ASSIGNED);
    cr_assert_eq(trilog_consumer_commit(NULL, 0), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_consumer_partitions(NULL, "t", NULL, 0), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_consumer_partitions(c, NULL, NULL, 0), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_consumer_partitions(c, "a b", NULL, 0), TRILOG_ERR_TOPIC);
    cr_assert_eq(trilog_consumer_state(c, NULL), TRILOG_ERR_NULL);
    cr_assert_eq(trilog_consumer_close(NULL, 0), TRILOG_ERR_NULL);
    trilog_consumer_destroy(NULL);
    trilog_trace_copy(NULL, NULL);
    scene_clear(&s);
}

static void assert_refused(struct scene *s, const char *const *topics, size_t count,
                           const char *group, const char *instance, int expected)
{
    struct trilog_consumer *c;
    char why[TRILOG_TEXT_SIZE];
    struct trilog_consumer_options options = {.config_path = s->cluster.config,
                                              .topics = topics,
                                              .topic_count = count,
                                              .group = group,
                                              .broadcast_instance = instance};
    cr_assert_eq(trilog_consumer_open(&c, &options, why), expected);
    cr_assert_str_eq(why, trilog_error_text(expected));
}

Test(client_consumer_input, refuses_options_in_words)
{
    struct scene s;
    scene_set(&s, "");
    static const char *const good[] = {"t"}, *const bad[] = {"t", "a b"}, *const null[] = {NULL};
    assert_refused(&s, NULL, 1, "g", NULL, TRILOG_ERR_NULL);
    assert_refused(&s, null, 1, "g", NULL, TRILOG_ERR_NULL);
    assert_refused(&s, good, 0, "g", NULL, TRILOG_ERR_TOPIC);
    assert_refused(&s, good, 101, "g", NULL, TRILOG_ERR_TOPIC);
    assert_refused(&s, bad, 2, "g", NULL, TRILOG_ERR_TOPIC);
    assert_refused(&s, good, 1, NULL, NULL, TRILOG_ERR_NULL);
    assert_refused(&s, good, 1, "", NULL, TRILOG_ERR_GROUP);
    assert_refused(&s, good, 1, "a/b", NULL, TRILOG_ERR_GROUP);
    assert_refused(&s, good, 1, "g", "a b", TRILOG_ERR_GROUP);
    cr_assert_eq(trilog_consumer_open(NULL, NULL, NULL), TRILOG_ERR_NULL);
    struct trilog_consumer_options options = {
        .config_path = "/nowhere/c.yaml", .topics = good, .topic_count = 1, .group = "g"};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_consumer_open(&s.consumer, &options, why), TRILOG_ERR_SETTINGS);
    cr_assert_str_eq(why, "/nowhere/c.yaml: no such file or directory");
    scene_clear(&s);
}

Test(client_consumer_input, answers_use_after_close_with_an_error)
{
    struct scene s;
    scene_begin(&s, "");
    struct trilog_consumer *c = s.consumer;
    const struct trilog_message *m;
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_close(c, 0), TRILOG_OK);
    cr_assert_eq(trilog_consumer_close(c, 0), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_consumer_take(c, 0, &m), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_consumer_seek(c, "t", 0, 0, 0), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_consumer_commit(c, 0), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_consumer_partitions(c, "t", NULL, 0), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_consumer_state(c, &state), TRILOG_ERR_CLOSED);
    struct trilog_message strange = {.offset = 0};
    cr_assert_eq(trilog_message_done(c, &strange), TRILOG_ERR_CLOSED);
    cr_assert_eq(trilog_message_failed(c, &strange, NULL), TRILOG_ERR_CLOSED);
    scene_clear(&s);
}

Test(client_consumer_input, tells_of_a_topic_that_is_not_there)
{
    struct scene s;
    scene_set(&s, "");
    static const char *const topics[] = {"nowhere"};
    struct trilog_consumer_options options = {.config_path = s.cluster.config,
                                              .topics = topics,
                                              .topic_count = 1,
                                              .group = "g",
                                              .on_event = scene_on_event,
                                              .data = &s};
    rd_kafka_mock_topic_set_error(s.cluster.brokers, "nowhere",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    cr_assert_eq(trilog_consumer_open(&s.consumer, &options, NULL), TRILOG_OK);
    scene_wait_event(&s, TRILOG_CONSUMER_EVENT_UNKNOWN_TOPIC, 1);
    scene_assert_text(&s, TRILOG_CONSUMER_EVENT_UNKNOWN_TOPIC, "'nowhere'");
    const struct trilog_message *m;
    cr_assert_eq(trilog_consumer_take(s.consumer, 0, &m), TRILOG_ERR_UNKNOWN_TOPIC);
    scene_clear(&s);
}
