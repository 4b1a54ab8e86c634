/* The consumer over librdkafka's own simulated brokers: what is handed out, what is committed, and
 * what is not gone behind. Other members of a group are plain librdkafka consumers. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/bytes.h"
#include "consumer_parts.h"
#include "fake_cluster.h"
#include "trilog/trilog.h"

#define BROKERS   3
#define WAIT_MS   60000
#define EVENT_MAX 64

struct stage {
    struct fake_cluster cluster;
    struct trilog_consumer *consumer;
    const char *topic; /* "t", of one partition, if it is not "two" */
    pthread_mutex_t lock;
    pthread_cond_t told;
    unsigned counts[EVENT_MAX];
    char texts[EVENT_MAX][TRILOG_TEXT_SIZE]; /* the last of each kind */
    bool was_told_late;                      /* of partitions of which records were there */
};

/* In the event: records come of partitions that were told of, and of no others. */
static void look_for_early_records(struct stage *s)
{
    struct trilog_consumer_state state;
    if (s->consumer != NULL && trilog_consumer_state(s->consumer, &state) == TRILOG_OK)
        s->was_told_late = s->was_told_late || state.ready_count > 0;
}

static void on_event(void *data, enum trilog_consumer_event_kind kind, const char *text)
{
    struct stage *s = data;
    pthread_mutex_lock(&s->lock);
    s->counts[kind]++;
    if (kind == TRILOG_CONSUMER_EVENT_PARTITIONS)
        look_for_early_records(s);
    bytes_copy_text(s->texts[kind], TRILOG_TEXT_SIZE, text);
    pthread_cond_broadcast(&s->told);
    pthread_mutex_unlock(&s->lock);
}

static void wait_event(struct stage *s, enum trilog_consumer_event_kind kind, unsigned count)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&s->lock);
    while (s->counts[kind] < count)
        cr_assert_eq(pthread_cond_timedwait(&s->told, &s->lock, &end), 0, "no event %d", kind);
    pthread_mutex_unlock(&s->lock);
}

/* Has it come within a second or so? */
static bool has_event_soon(struct stage *s, enum trilog_consumer_event_kind kind)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 2;
    pthread_mutex_lock(&s->lock);
    while (s->counts[kind] == 0 && pthread_cond_timedwait(&s->told, &s->lock, &end) == 0)
        ;
    bool has_come = s->counts[kind] > 0;
    pthread_mutex_unlock(&s->lock);
    return has_come;
}

static unsigned count_events(struct stage *s, enum trilog_consumer_event_kind kind)
{
    pthread_mutex_lock(&s->lock);
    unsigned count = s->counts[kind];
    pthread_mutex_unlock(&s->lock);
    return count;
}

static void assert_text(struct stage *s, enum trilog_consumer_event_kind kind, const char *part)
{
    pthread_mutex_lock(&s->lock);
    cr_assert_not_null(strstr(s->texts[kind], part), "'%s' is not in '%s'", part, s->texts[kind]);
    pthread_mutex_unlock(&s->lock);
}

static int open_as(struct stage *s, const char *instance, char *why)
{
    struct trilog_consumer_options options = {.config_path = s->cluster.config,
                                              .topics = &s->topic,
                                              .topic_count = 1,
                                              .group = "g",
                                              .broadcast_instance = instance,
                                              .on_event = on_event,
                                              .data = s};
    s->consumer = NULL;
    return trilog_consumer_open(&s->consumer, &options, why);
}

static void reopen_as(struct stage *s, const char *instance)
{
    trilog_consumer_close(s->consumer, 0);
    trilog_consumer_destroy(s->consumer);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(open_as(s, instance, why), TRILOG_OK, "%s", why);
}

#define QUICK "commit_ms: 50\nrevoke_wait_ms: 500\nsession_timeout_ms: 6 s\n"

/* Brokers with topics, and a consumer that is not open yet. */
static void set_stage(struct stage *s, const char *settings)
{
    *s = (struct stage){.topic = "t"};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->told, NULL);
    fake_cluster_open(&s->cluster, BROKERS);
    rd_kafka_mock_topic_create(s->cluster.brokers, "two", 2, 3);
    char all[512];
    snprintf(all, sizeof all, "%s%s", QUICK, settings);
    fake_cluster_configure(&s->cluster, NULL, all);
}

static void set_open_stage(struct stage *s, const char *settings)
{
    set_stage(s, settings);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(open_as(s, NULL, why), TRILOG_OK, "%s", why);
}

static void clear_stage(struct stage *s)
{
    trilog_consumer_destroy(s->consumer);
    fake_cluster_close(&s->cluster);
}

static void send_to(struct stage *s, int32_t partition, const char *value,
                    rd_kafka_headers_t *headers)
{
    rd_kafka_resp_err_t err = rd_kafka_producev(
        s->cluster.host, RD_KAFKA_V_TOPIC(s->topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY("k", 1), RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    cr_assert_eq(err, RD_KAFKA_RESP_ERR_NO_ERROR);
}

static void send_with(struct stage *s, const char *value, rd_kafka_headers_t *headers)
{
    send_to(s, 0, value, headers);
}

/* One record of one letter each, in the log once this returns. */
static void send_letters(struct stage *s, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        char value[2] = {*letters, '\0'};
        send_with(s, value, rd_kafka_headers_new(0));
    }
    cr_assert_eq(rd_kafka_flush(s->cluster.host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

static const struct trilog_message *take(struct stage *s)
{
    const struct trilog_message *m;
    int result = trilog_consumer_take(s->consumer, WAIT_MS, &m);
    cr_assert_eq(result, TRILOG_OK, "%s", trilog_error_text(result));
    return m;
}

static const struct trilog_message *take_letter(struct stage *s, char letter)
{
    const struct trilog_message *m = take(s);
    cr_assert_eq(*(const char *)m->record.value, letter, "'%c' rather than '%c'",
                 *(const char *)m->record.value, letter);
    return m;
}

static void work_on(struct stage *s, const char *letters)
{
    for (; *letters != '\0'; letters++)
        cr_assert_eq(trilog_message_done(s->consumer, take_letter(s, *letters)), TRILOG_OK);
}

static void assert_nothing(struct stage *s)
{
    const struct trilog_message *m;
    cr_assert_eq(trilog_consumer_take(s->consumer, 300, &m), TRILOG_ERR_EMPTY);
    cr_assert_null(m);
}

/* Another member of the group, of librdkafka's own making, or none at all (`is_member`). */
static rd_kafka_t *open_other(struct stage *s, bool is_member)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers",
                      rd_kafka_mock_cluster_bootstraps(s->cluster.brokers), NULL, 0);
    rd_kafka_conf_set(conf, "group.id", "g", NULL, 0);
    rd_kafka_conf_set(conf, "enable.auto.commit", "false", NULL, 0);
    rd_kafka_conf_set(conf, "auto.offset.reset", "earliest", NULL, 0);
    rd_kafka_t *other = rd_kafka_new(RD_KAFKA_CONSUMER, conf, NULL, 0);
    rd_kafka_poll_set_consumer(other);
    if (is_member) {
        rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
        rd_kafka_topic_partition_list_add(list, s->topic, RD_KAFKA_PARTITION_UA);
        cr_assert_eq(rd_kafka_subscribe(other, list), RD_KAFKA_RESP_ERR_NO_ERROR);
        rd_kafka_topic_partition_list_destroy(list);
    }
    return other;
}

static void close_other(rd_kafka_t *other)
{
    rd_kafka_consumer_close(other);
    rd_kafka_destroy(other);
}

/* Until the other has one of the two partitions: which? */
static int32_t let_take_over(rd_kafka_t *other)
{
    struct timespec begin, now;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    for (;;) {
        rd_kafka_message_t *m = rd_kafka_consumer_poll(other, 100);
        if (m != NULL)
            rd_kafka_message_destroy(m);
        rd_kafka_topic_partition_list_t *list;
        rd_kafka_assignment(other, &list);
        int32_t partition = list->cnt == 1 ? list->elems[0].partition : -1;
        rd_kafka_topic_partition_list_destroy(list);
        if (partition >= 0)
            return partition;
        clock_gettime(CLOCK_MONOTONIC, &now);
        cr_assert_lt(now.tv_sec - begin.tv_sec, WAIT_MS / 1000);
    }
}

static int64_t committed_of(struct stage *s, int32_t partition)
{
    rd_kafka_t *other = open_other(s, false);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, s->topic, partition);
    cr_assert_eq(rd_kafka_committed(other, list, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(other);
    return offset;
}

static int64_t committed(struct stage *s)
{
    return committed_of(s, 0);
}

static void commit_as(rd_kafka_t *other, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, "two", partition)->offset = offset;
    rd_kafka_resp_err_t err = rd_kafka_commit(other, list, 0);
    cr_assert_eq(err, RD_KAFKA_RESP_ERR_NO_ERROR, "%s", rd_kafka_err2str(err));
    rd_kafka_topic_partition_list_destroy(list);
}

Test(client_consumer, hands_out_in_order_and_goes_on_behind_what_was_done)
{
    struct stage s;
    set_open_stage(&s, "");
    send_letters(&s, "abcdef");
    work_on(&s, "abc");
    const struct trilog_message *m = take_letter(&s, 'd');
    cr_assert_str_eq(m->record.topic, "t");
    cr_assert_eq(m->offset, 3);
    cr_assert_eq(m->record.key_size, 1);
    cr_assert_eq(trilog_consumer_close(s.consumer, 0), TRILOG_ERR_TIMED_OUT, "one is in hand");
    cr_assert_str_eq(m->record.value, "d", "it stays readable until the consumer is destroyed");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_ERR_CLOSED);
    reopen_as(&s, NULL);
    work_on(&s, "def");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed(&s), 6);
    clear_stage(&s);
}

Test(client_consumer, commits_up_to_the_first_that_is_not_done)
{
    struct stage s;
    set_open_stage(&s, "");
    send_letters(&s, "abcd");
    const struct trilog_message *m[4];
    for (int i = 0; i < 4; i++)
        m[i] = take(&s);
    cr_assert_eq(trilog_message_done(s.consumer, m[1]), TRILOG_OK);
    cr_assert_eq(trilog_message_done(s.consumer, m[0]), TRILOG_OK);
    cr_assert_eq(trilog_message_done(s.consumer, m[3]), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed(&s), 2);
    cr_assert_eq(trilog_message_done(s.consumer, m[2]), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed(&s), 4);
    clear_stage(&s);
}

Test(client_consumer, answers_bad_input_with_errors)
{
    struct stage s;
    set_open_stage(&s, "");
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
    send_letters(&s, "a");
    m = take_letter(&s, 'a');
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
    clear_stage(&s);
}

static void assert_refused(struct stage *s, const char *const *topics, size_t count,
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

Test(client_consumer, refuses_options_in_words)
{
    struct stage s;
    set_stage(&s, "");
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
    clear_stage(&s);
}

Test(client_consumer, answers_use_after_close_with_an_error)
{
    struct stage s;
    set_open_stage(&s, "");
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
    clear_stage(&s);
}

Test(client_consumer, tells_of_a_topic_that_is_not_there)
{
    struct stage s;
    set_stage(&s, "");
    static const char *const topics[] = {"nowhere"};
    struct trilog_consumer_options options = {.config_path = s.cluster.config,
                                              .topics = topics,
                                              .topic_count = 1,
                                              .group = "g",
                                              .on_event = on_event,
                                              .data = &s};
    rd_kafka_mock_topic_set_error(s.cluster.brokers, "nowhere",
                                  RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    cr_assert_eq(trilog_consumer_open(&s.consumer, &options, NULL), TRILOG_OK);
    wait_event(&s, TRILOG_CONSUMER_EVENT_UNKNOWN_TOPIC, 1);
    assert_text(&s, TRILOG_CONSUMER_EVENT_UNKNOWN_TOPIC, "'nowhere'");
    const struct trilog_message *m;
    cr_assert_eq(trilog_consumer_take(s.consumer, 0, &m), TRILOG_ERR_UNKNOWN_TOPIC);
    clear_stage(&s);
}

Test(client_consumer, holds_no_more_than_its_bound_and_says_what_is_in_hand)
{
    struct stage s;
    set_open_stage(&s, "consumer_records_max: 4\nstuck_after_ms: 300\n");
    send_letters(&s, "abcdefgh");
    const struct trilog_message *m[4], *none;
    for (int i = 0; i < 4; i++)
        m[i] = take_letter(&s, (char)('a' + i));
    cr_assert_eq(trilog_consumer_take(s.consumer, 1500, &none), TRILOG_ERR_IN_HAND);
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
    cr_assert_eq(state.in_hand_count, 4);
    cr_assert_eq(state.ready_count, 0);
    cr_assert_gt(state.in_hand_ms, 1000);
    wait_event(&s, TRILOG_CONSUMER_EVENT_STUCK, 2);
    assert_text(&s, TRILOG_CONSUMER_EVENT_STUCK, "t-0 at 0 (key 'k') is in hand for ");
    assert_text(&s, TRILOG_CONSUMER_EVENT_STUCK, "; 4 records are so for over 300 ms");
    for (int i = 0; i < 4; i++)
        cr_assert_eq(trilog_message_done(s.consumer, m[i]), TRILOG_OK);
    wait_event(&s, TRILOG_CONSUMER_EVENT_UNSTUCK, 1);
    work_on(&s, "efgh");
    assert_nothing(&s);
    cr_assert_eq(count_events(&s, TRILOG_CONSUMER_EVENT_PARTITIONS), 1, "no rebalance");
    clear_stage(&s);
}

Test(client_consumer, is_bounded_in_bytes_too_and_hands_out_all_in_order)
{
    struct stage s;
    set_open_stage(&s, "consumer_bytes_max: 1 MiB\nrecord_bytes_max: 1000000\n");
    char *value = malloc(300000);
    memset(value, 'x', 299999);
    value[299999] = '\0';
    for (int i = 0; i < 12; i++) {
        value[0] = (char)('a' + i);
        send_with(&s, value, rd_kafka_headers_new(0));
    }
    free(value);
    cr_assert_eq(rd_kafka_flush(s.cluster.host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    struct trilog_consumer_state state;
    for (int i = 0; i < 12; i++) {
        const struct trilog_message *m = take_letter(&s, (char)('a' + i));
        if (i == 5)
            usleep(1500000); /* long enough for partitions to be paused */
        cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
        cr_assert_leq(state.ready_bytes + state.in_hand_bytes, (1u << 20) + 301000);
        cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    }
    assert_nothing(&s);
    clear_stage(&s);
}

Test(client_consumer, says_that_nobody_takes)
{
    struct stage s;
    set_open_stage(&s, "stuck_after_ms: 200\n");
    send_letters(&s, "ab");
    wait_event(&s, TRILOG_CONSUMER_EVENT_STUCK, 1);
    assert_text(&s, TRILOG_CONSUMER_EVENT_STUCK, "nobody has taken a record for ");
    work_on(&s, "ab");
    wait_event(&s, TRILOG_CONSUMER_EVENT_UNSTUCK, 1);
    clear_stage(&s);
}

static void set_wide_stage(struct stage *s, const char *letters)
{
    set_stage(s, "");
    s->topic = "two";
    for (; *letters != '\0'; letters++) {
        char value[2] = {*letters, '\0'};
        for (int32_t partition = 0; partition < 2; partition++)
            send_to(s, partition, value, rd_kafka_headers_new(0));
    }
    cr_assert_eq(rd_kafka_flush(s->cluster.host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(open_as(s, NULL, NULL), TRILOG_OK);
}

Test(client_consumer, does_not_go_behind_what_it_committed_when_a_broker_says_so)
{
    struct stage s;
    set_wide_stage(&s, "abcd");
    for (int i = 0; i < 8; i++)
        cr_assert_eq(trilog_message_done(s.consumer, take(&s)), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    rd_kafka_t *other = open_other(&s, true);
    int32_t partition = let_take_over(other);
    commit_as(other, partition, 1);
    close_other(other);
    wait_event(&s, TRILOG_CONSUMER_EVENT_BEHIND, 1);
    char text[128];
    snprintf(text, sizeof text,
             "two-%d: the cluster says that 1 is committed, and 4 was committed from here: goes on "
             "at 4",
             partition);
    assert_text(&s, TRILOG_CONSUMER_EVENT_BEHIND, text);
    assert_nothing(&s);
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed_of(&s, partition), 4);
    clear_stage(&s);
}

Test(client_consumer, stays_where_it_is_when_a_broker_calls_that_out_of_range)
{
    struct stage s;
    set_open_stage(&s, "");
    send_letters(&s, "abc");
    work_on(&s, "abc");
    do /* librdkafka does not hear each of them */
        rd_kafka_mock_push_request_errors(s.cluster.brokers, 1 /* Fetch */, 1,
                                          RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE);
    while (!has_event_soon(&s, TRILOG_CONSUMER_EVENT_BEHIND));
    rd_kafka_mock_clear_request_errors(s.cluster.brokers, 1);
    assert_text(&s, TRILOG_CONSUMER_EVENT_BEHIND,
                "t-0: a broker says that 3 is out of range, and has 0 to 3: goes on at 3 now");
    send_letters(&s, "de");
    work_on(&s, "de");
    assert_nothing(&s);
    clear_stage(&s);
}

Test(client_consumer, goes_back_when_it_is_told_to)
{
    struct stage s;
    set_open_stage(&s, "");
    send_letters(&s, "abcdef");
    work_on(&s, "abcd");
    const struct trilog_message *m = take_letter(&s, 'e');
    cr_assert_eq(trilog_consumer_seek(s.consumer, "t", 0, 1, WAIT_MS), TRILOG_OK);
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_ERR_NOT_ASSIGNED);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed(&s), 1);
    work_on(&s, "bcdef");
    cr_assert_eq(trilog_consumer_seek(s.consumer, "t", 0, TRILOG_OFFSET_BEGINNING, WAIT_MS), 0);
    work_on(&s, "a");
    cr_assert_eq(trilog_consumer_seek(s.consumer, "t", 0, TRILOG_OFFSET_END, WAIT_MS), 0);
    send_letters(&s, "g");
    work_on(&s, "g");
    cr_assert_eq(count_events(&s, TRILOG_CONSUMER_EVENT_BEHIND), 0);
    clear_stage(&s);
}

Test(client_consumer, drops_what_is_there_twice_and_says_so)
{
    struct stage s;
    set_open_stage(&s, "");
    static const char *const ids[] = {"0123456789abcdeA", "0123456789abcdeB", "0123456789abcdeA"};
    for (int i = 0; i < 3; i++) {
        rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
        rd_kafka_header_add(headers, "trilog-id", -1, ids[i], 16);
        char value[2] = {(char)('a' + i), '\0'};
        send_with(&s, value, headers);
    }
    send_letters(&s, "d");
    const struct trilog_message *m = take_letter(&s, 'a');
    cr_assert_eq(m->record.header_count, 0, "the library's own header is not the application's");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    work_on(&s, "bd");
    wait_event(&s, TRILOG_CONSUMER_EVENT_REPEATS, 1);
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
    cr_assert_eq(state.repeat_count, 1);
    cr_assert_eq(trilog_consumer_seek(s.consumer, "t", 0, 0, WAIT_MS), TRILOG_OK);
    work_on(&s, "abd");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed(&s), 4);
    clear_stage(&s);
}

static void send_expiring(struct stage *s, const char *value, const char *expires)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "trilog-expires", -1, expires, -1);
    send_with(s, value, headers);
}

Test(client_consumer, skips_what_has_expired_and_commits_past_it)
{
    struct stage s;
    set_open_stage(&s, "");
    send_expiring(&s, "a", "1000");
    send_expiring(&s, "b", "99999999999999");
    send_expiring(&s, "c", "soon");
    send_expiring(&s, "d", "1");
    const struct trilog_message *m = take_letter(&s, 'b');
    cr_assert_eq(m->record.expires_at_ms, 99999999999999);
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    m = take_letter(&s, 'c');
    cr_assert_eq(m->record.expires_at_ms, 0, "what is no time is none");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    assert_nothing(&s);
    wait_event(&s, TRILOG_CONSUMER_EVENT_EXPIRED, 1);
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
    cr_assert_eq(state.expired_count, 2);
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed(&s), 4);
    clear_stage(&s);
}

Test(client_consumer, carries_a_trace_from_what_it_takes_to_what_is_sent)
{
    struct stage s;
    set_open_stage(&s, "");
    static const char trace[] = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    struct trilog_producer *producer;
    struct trilog_producer_options options = {.config_path = s.cluster.config};
    cr_assert_eq(trilog_producer_open(&producer, &options, NULL), TRILOG_OK);
    struct trilog_header header = {.name = "own", .value = "1", .value_size = 1};
    struct trilog_record r = {.topic = "t",
                              .value = "a",
                              .value_size = 1,
                              .headers = &header,
                              .header_count = 1,
                              .traceparent = trace,
                              .tracestate = "x=y"};
    cr_assert_eq(trilog_send_and_wait(producer, &r, WAIT_MS, NULL), TRILOG_OK);
    const struct trilog_message *m = take_letter(&s, 'a');
    struct trilog_record next = {.topic = "t", .value = "b", .value_size = 1};
    trilog_trace_copy(&next, m);
    cr_assert_eq(trilog_send_and_wait(producer, &next, WAIT_MS, NULL), TRILOG_OK);
    cr_assert_eq(m->record.header_count, 1);
    cr_assert_str_eq(m->record.headers[0].name, "own");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    m = take_letter(&s, 'b');
    cr_assert_str_eq(m->record.traceparent, trace);
    cr_assert_str_eq(m->record.tracestate, "x=y");
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    trilog_producer_destroy(producer);
    clear_stage(&s);
}

static void set_failing_stage(struct stage *s, const char *settings)
{
    char all[256];
    snprintf(all, sizeof all, "failure_directory: ~/failures\nretry_wait_ms: 100\n%s", settings);
    set_open_stage(s, all);
}

Test(client_consumer, hands_out_again_what_failed_and_gives_up_at_the_cap)
{
    struct stage s;
    set_failing_stage(&s, "retry_count_max: 3\n");
    rd_kafka_headers_t *headers = rd_kafka_headers_new(1);
    rd_kafka_header_add(headers, "own", -1, "1", 1);
    send_with(&s, "a", headers);
    send_letters(&s, "b");
    const struct trilog_message *m = take_letter(&s, 'a');
    cr_assert_eq(trilog_message_failed(s.consumer, m, "no"), TRILOG_OK);
    m = take_letter(&s, 'b'); /* what is behind it does not wait */
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed(&s), 2);
    for (unsigned i = 1; i < 3; i++) {
        m = take_letter(&s, 'a');
        cr_assert_eq(m->failure_count, i);
        cr_assert_eq(m->offset, 0);
        cr_assert_eq(m->record.header_count, 1);
        cr_assert_eq(trilog_message_failed(s.consumer, m, "not again"), TRILOG_OK);
    }
    wait_event(&s, TRILOG_CONSUMER_EVENT_FAILURE_GIVEN_UP, 1);
    assert_text(&s, TRILOG_CONSUMER_EVENT_FAILURE_GIVEN_UP, "t-0 at 0 has failed 3 times");
    assert_text(&s, TRILOG_CONSUMER_EVENT_FAILURE_GIVEN_UP, ": not again");
    struct trilog_consumer_state state;
    cr_assert_eq(trilog_consumer_state(s.consumer, &state), TRILOG_OK);
    cr_assert_eq(state.failure_count, 1);
    cr_assert_eq(state.given_up_count, 1);
    assert_nothing(&s);
    clear_stage(&s);
}

Test(client_consumer, finds_failures_of_an_earlier_run)
{
    struct stage s;
    set_failing_stage(&s, "");
    send_letters(&s, "ab");
    cr_assert_eq(trilog_message_failed(s.consumer, take_letter(&s, 'a'), "no"), TRILOG_OK);
    work_on(&s, "b");
    reopen_as(&s, NULL);
    cr_assert_eq(count_events(&s, TRILOG_CONSUMER_EVENT_FAILURES_FOUND), 1, "within open");
    const struct trilog_message *m = take_letter(&s, 'a');
    cr_assert_eq(m->failure_count, 1);
    cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    reopen_as(&s, NULL);
    cr_assert_eq(count_events(&s, TRILOG_CONSUMER_EVENT_FAILURES_FOUND), 1);
    assert_nothing(&s);
    clear_stage(&s);
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

static unsigned count_kept(struct stage *s, int fate)
{
    struct walk w = {.fate = fate};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_kept_records(s->cluster.config, on_kept, &w, why), TRILOG_OK, "%s", why);
    return w.count;
}

static void fail_letters(struct stage *s, const char *letters)
{
    for (; *letters != '\0'; letters++)
        cr_assert_eq(trilog_message_failed(s->consumer, take_letter(s, *letters), "no"), TRILOG_OK);
}

Test(client_consumer, leaves_its_failures_to_be_looked_at_and_tried_again_once_it_has_ended)
{
    struct stage s;
    set_failing_stage(&s, "retry_count_max: 1\n");
    send_letters(&s, "ab");
    fail_letters(&s, "ab");
    struct walk w = {0};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_kept_records(s.cluster.config, on_kept, &w, why), TRILOG_ERR_SPOOL_IN_USE);
    cr_assert_not_null(strstr(why, "/consumed-g.0: "), "%s", why);
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(count_kept(&s, TRILOG_KEEP), 2);
    cr_assert_eq(count_kept(&s, TRILOG_TRY_AGAIN), 2, "it was looked at only");
    reopen_as(&s, NULL);
    work_on(&s, "ab");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(count_kept(&s, TRILOG_KEEP), 0);
    clear_stage(&s);
}

Test(client_consumer, has_no_failures_left_that_somebody_threw_away_once_it_had_ended)
{
    struct stage s;
    set_failing_stage(&s, "");
    send_letters(&s, "ab");
    fail_letters(&s, "ab");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(count_kept(&s, TRILOG_THROW_AWAY), 2);
    cr_assert_eq(count_kept(&s, TRILOG_KEEP), 0);
    clear_stage(&s);
}

Test(client_consumer, keeps_in_hand_what_a_full_failure_log_does_not_take)
{
    struct stage s;
    set_failing_stage(&s, "failure_records_max: 1\nretry_wait_ms_max: 1 d\n");
    send_letters(&s, "ab");
    const struct trilog_message *a = take_letter(&s, 'a'), *b = take_letter(&s, 'b');
    cr_assert_eq(trilog_message_failed(s.consumer, a, NULL), TRILOG_OK);
    cr_assert_eq(trilog_message_failed(s.consumer, b, NULL), TRILOG_ERR_LOG_FULL);
    cr_assert_eq(trilog_message_done(s.consumer, b), TRILOG_OK);
    clear_stage(&s);
}

Test(client_consumer, keeps_the_position_of_a_broadcast_instance_from_its_first_moment)
{
    struct stage s;
    set_stage(&s, "");
    send_letters(&s, "ab");
    cr_assert_eq(open_as(&s, "one", NULL), TRILOG_OK);
    wait_event(&s, TRILOG_CONSUMER_EVENT_PARTITIONS, 1);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    assert_nothing(&s); /* it is new, and starts at the end */
    trilog_consumer_close(s.consumer, 0);
    send_letters(&s, "cd");
    reopen_as(&s, "one");
    work_on(&s, "cd");
    clear_stage(&s);
}

Test(client_consumer, starts_a_broadcast_instance_at_the_beginning_by_setting)
{
    struct stage s;
    set_stage(&s, "broadcast_start: beginning\n");
    send_letters(&s, "ab");
    cr_assert_eq(open_as(&s, "one", NULL), TRILOG_OK);
    work_on(&s, "ab");
    reopen_as(&s, "two");
    work_on(&s, "ab");
    clear_stage(&s);
}

Test(client_consumer, gets_again_what_was_in_hand_when_its_partition_went)
{
    struct stage s;
    set_wide_stage(&s, "ab");
    const struct trilog_message *in_hand[2] = {NULL, NULL};
    for (int i = 0; i < 4; i++) {
        const struct trilog_message *m = take(&s);
        if (m->offset == 1)
            in_hand[m->partition] = m;
        else
            cr_assert_eq(trilog_message_done(s.consumer, m), TRILOG_OK);
    }
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    rd_kafka_t *other = open_other(&s, true);
    int32_t partition = let_take_over(other);
    cr_assert_eq(committed_of(&s, partition), 1);
    cr_assert_eq(trilog_message_done(s.consumer, in_hand[partition]), TRILOG_ERR_NOT_ASSIGNED);
    close_other(other);
    int32_t came_from;
    do {
        const struct trilog_message *again = take(&s);
        cr_assert_eq(again->offset, 1, "what was done does not come again");
        came_from = again->partition;
        trilog_message_done(s.consumer, again);
    } while (came_from != partition);
    clear_stage(&s);
}

Test(client_consumer, says_which_partitions_are_its_own_before_their_first_record)
{
    struct stage s;
    set_wide_stage(&s, "abcdefgh");
    int32_t own[3] = {-1, -1, -1};
    trilog_message_done(s.consumer, take(&s));
    cr_assert_eq(count_events(&s, TRILOG_CONSUMER_EVENT_PARTITIONS), 1);
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "two", own, 3), 2);
    cr_assert(own[0] == 0 && own[1] == 1 && own[2] == -1);
    own[1] = -1;
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "two", own, 1), 2);
    cr_assert(own[0] == 0 && own[1] == -1, "there is room for the first only");
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "two", NULL, 9), 2);
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "t", own, 3), 0);
    rd_kafka_t *other = open_other(&s, true);
    int32_t partition = let_take_over(other);
    wait_event(&s, TRILOG_CONSUMER_EVENT_PARTITIONS, 3);
    cr_assert_eq(trilog_consumer_partitions(s.consumer, "two", own, 3), 1);
    cr_assert_eq(own[0], 1 - partition);
    close_other(other);
    cr_assert_not(s.was_told_late);
    clear_stage(&s);
}

/* All commits from now on, of whomever. */
static void refuse_commits(struct stage *s)
{
    rd_kafka_resp_err_t errors[1000];
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        errors[i] = RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED;
    rd_kafka_mock_push_request_errors_array(s->cluster.brokers, 8 /* OffsetCommit */,
                                            sizeof errors / sizeof *errors, errors);
}

Test(client_consumer, says_once_that_partitions_went_before_what_was_done_was_committed)
{
    struct stage s;
    set_wide_stage(&s, "ab");
    trilog_message_done(s.consumer, take(&s));
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    refuse_commits(&s);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(trilog_message_done(s.consumer, take(&s)), TRILOG_OK);
    cr_assert_eq(trilog_consumer_commit(s.consumer, 100), TRILOG_ERR_TIMED_OUT, "it is tried on");
    rd_kafka_t *other = open_other(&s, true);
    let_take_over(other);
    rd_kafka_mock_clear_request_errors(s.cluster.brokers, 8);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_ERR_NOT_ASSIGNED);
    cr_assert_eq(trilog_consumer_commit(s.consumer, WAIT_MS), TRILOG_OK);
    close_other(other);
    clear_stage(&s);
}

Test(client_consumer, goes_on_when_brokers_were_away)
{
    struct stage s;
    set_open_stage(&s, "");
    send_letters(&s, "ab");
    work_on(&s, "ab");
    fake_cluster_set_away(&s.cluster, true);
    assert_nothing(&s);
    fake_cluster_set_away(&s.cluster, false);
    send_letters(&s, "cd");
    work_on(&s, "cd");
    clear_stage(&s);
}

Test(client_consumer, closes_in_time_when_no_broker_answers)
{
    struct stage s;
    set_open_stage(&s, "");
    send_letters(&s, "ab");
    work_on(&s, "ab");
    fake_cluster_set_away(&s.cluster, true);
    struct timespec begin, end;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    trilog_consumer_close(s.consumer, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    cr_assert_lt(end.tv_sec - begin.tv_sec, 30);
    clear_stage(&s);
}

/* ---- its own site ---- */

/* Broker 2 is of the consumer's site, and follows. */
static void set_sites(struct stage *s)
{
    rd_kafka_mock_cluster_t *brokers = s->cluster.brokers;
    rd_kafka_mock_coordinator_set(brokers, "group", "g", 1);
    rd_kafka_mock_partition_set_leader(brokers, "t", 0, 1);
    rd_kafka_mock_partition_set_follower(brokers, "t", 0, 2);
}

Test(client_consumer, leaves_its_own_site_when_nothing_comes_from_there_and_comes_back,
     .timeout = 120)
{
    struct stage s;
    set_stage(&s, "near_return_ms: 1 s\n");
    set_sites(&s);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(open_as(&s, NULL, why), TRILOG_OK, "%s", why);
    send_letters(&s, "ab");
    work_on(&s, "ab");
    rd_kafka_mock_broker_set_down(s.cluster.brokers, 2);
    send_letters(&s, "c");
    wait_event(&s, TRILOG_CONSUMER_EVENT_LEFT_SITE, 1);
    rd_kafka_mock_partition_set_follower(s.cluster.brokers, "t", 0, -1); /* it names no rack now */
    work_on(&s, "c");
    rd_kafka_mock_broker_set_up(s.cluster.brokers, 2);
    set_sites(&s);
    wait_event(&s, TRILOG_CONSUMER_EVENT_BACK_AT_SITE, 1);
    send_letters(&s, "de");
    work_on(&s, "de");
    cr_assert_eq(trilog_consumer_close(s.consumer, WAIT_MS), TRILOG_OK);
    cr_assert_eq(committed(&s), 5);
    clear_stage(&s);
}

static uint64_t next_look_at_ms(struct stage *s)
{
    pthread_mutex_lock(&s->consumer->lock);
    uint64_t at_ms = s->consumer->near_at_ms;
    pthread_mutex_unlock(&s->consumer->lock);
    return at_ms;
}

/* So often it has looked whether its own site is to be left. */
static void wait_for_looks(struct stage *s, unsigned count)
{
    for (; count > 0; count--) {
        uint64_t before = next_look_at_ms(s);
        for (int i = 0; next_look_at_ms(s) == before; i++) {
            cr_assert_lt(i, WAIT_MS / 10);
            usleep(10000);
        }
    }
}

/* Its name is somebody else's now, whom a new handle would throw out in turn. */
Test(client_consumer, stays_as_it_is_once_another_has_its_name, .timeout = 120)
{
    struct stage s;
    set_stage(&s, "near_return_ms: 1 s\n");
    set_sites(&s);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(open_as(&s, NULL, why), TRILOG_OK, "%s", why);
    send_letters(&s, "ab");
    work_on(&s, "ab");
    rd_kafka_test_fatal_error(s.consumer->kafka, RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, "a test");
    wait_event(&s, TRILOG_CONSUMER_EVENT_FATAL, 1);
    rd_kafka_mock_broker_set_down(s.cluster.brokers, 2);
    send_letters(&s, "c");
    wait_for_looks(&s, 4);
    cr_assert_eq(count_events(&s, TRILOG_CONSUMER_EVENT_LEFT_SITE), 0);
    clear_stage(&s);
}
