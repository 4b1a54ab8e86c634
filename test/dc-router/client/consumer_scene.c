#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "consumer_scene.h"
#include "other_member.h"

#define BROKERS 3

/* In the event: records come of partitions that were told of, and of no others. */
static void look_for_early_records(struct scene *s)
{
    struct trilog_consumer_state state;
    if (s->consumer != NULL && trilog_consumer_state(s->consumer, &state) == TRILOG_OK)
        s->was_told_late = s->was_told_late || state.ready_count > 0;
}

void scene_on_event(void *data, enum trilog_consumer_event_kind kind, const char *text)
{
    struct scene *s = data;
    pthread_mutex_lock(&s->lock);
    s->counts[kind]++;
    if (kind == TRILOG_CONSUMER_EVENT_PARTITIONS)
        look_for_early_records(s);
    bytes_copy_text(s->texts[kind], TRILOG_TEXT_SIZE, text);
    pthread_cond_broadcast(&s->told);
    pthread_mutex_unlock(&s->lock);
}

void scene_wait_event(struct scene *s, enum trilog_consumer_event_kind kind, unsigned count)
{
    struct timespec end;
    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += WAIT_MS / 1000;
    pthread_mutex_lock(&s->lock);
    while (s->counts[kind] < count)
        cr_assert_eq(pthread_cond_timedwait(&s->told, &s->lock, &end), 0, "no event %d", kind);
    pthread_mutex_unlock(&s->lock);
}

bool scene_has_event_soon(struct scene *s, enum trilog_consumer_event_kind kind)
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

unsigned scene_count_events(struct scene *s, enum trilog_consumer_event_kind kind)
{
    pthread_mutex_lock(&s->lock);
    unsigned count = s->counts[kind];
    pthread_mutex_unlock(&s->lock);
    return count;
}

void scene_assert_text(struct scene *s, enum trilog_consumer_event_kind kind, const char *part)
{
    pthread_mutex_lock(&s->lock);
    cr_assert_not_null(strstr(s->texts[kind], part), "'%s' is not in '%s'", part, s->texts[kind]);
    pthread_mutex_unlock(&s->lock);
}

int scene_open_as(struct scene *s, const char *instance, char *why)
{
    struct trilog_consumer_options options = {.config_path = s->cluster.config,
                                              .topics = &s->topic,
                                              .topic_count = 1,
                                              .group = "g",
                                              .broadcast_instance = instance,
                                              .on_event = scene_on_event,
                                              .data = s};
    s->consumer = NULL;
    return trilog_consumer_open(&s->consumer, &options, why);
}

void scene_reopen_as(struct scene *s, const char *instance)
{
    trilog_consumer_close(s->consumer, 0);
    trilog_consumer_destroy(s->consumer);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(scene_open_as(s, instance, why), TRILOG_OK, "%s", why);
}

void scene_set(struct scene *s, const char *settings)
{
    *s = (struct scene){.topic = "t"};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->told, NULL);
    fake_cluster_open(&s->cluster, BROKERS);
    rd_kafka_mock_topic_create(s->cluster.brokers, "two", 2, 3);
    char all[512];
    snprintf(all, sizeof all, "%s%s", SCENE_QUICK, settings);
    fake_cluster_configure(&s->cluster, NULL, all);
}

void scene_begin(struct scene *s, const char *settings)
{
    scene_set(s, settings);
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(scene_open_as(s, NULL, why), TRILOG_OK, "%s", why);
}

void scene_clear(struct scene *s)
{
    trilog_consumer_destroy(s->consumer);
    fake_cluster_close(&s->cluster);
}

static void send_to(struct scene *s, int32_t partition, const char *value,
                    rd_kafka_headers_t *headers)
{
    rd_kafka_resp_err_t err = rd_kafka_producev(
        s->cluster.host, RD_KAFKA_V_TOPIC(s->topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY("k", 1), RD_KAFKA_V_VALUE((void *)(uintptr_t)value, strlen(value)),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
    cr_assert_eq(err, RD_KAFKA_RESP_ERR_NO_ERROR);
}

void scene_send(struct scene *s, const char *value, rd_kafka_headers_t *headers)
{
    send_to(s, 0, value, headers);
}

void scene_send_letters(struct scene *s, const char *letters)
{
    for (; *letters != '\0'; letters++) {
        char value[2] = {*letters, '\0'};
        scene_send(s, value, rd_kafka_headers_new(0));
    }
    cr_assert_eq(rd_kafka_flush(s->cluster.host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
}

void scene_begin_wide(struct scene *s, const char *letters)
{
    scene_set(s, "");
    s->topic = "two";
    for (; *letters != '\0'; letters++) {
        char value[2] = {*letters, '\0'};
        for (int32_t partition = 0; partition < 2; partition++)
            send_to(s, partition, value, rd_kafka_headers_new(0));
    }
    cr_assert_eq(rd_kafka_flush(s->cluster.host, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    cr_assert_eq(scene_open_as(s, NULL, NULL), TRILOG_OK);
}

const struct trilog_message *scene_take(struct scene *s)
{
    const struct trilog_message *m;
    int result = trilog_consumer_take(s->consumer, WAIT_MS, &m);
    cr_assert_eq(result, TRILOG_OK, "%s", trilog_error_text(result));
    return m;
}

const struct trilog_message *scene_take_letter(struct scene *s, char letter)
{
    const struct trilog_message *m = scene_take(s);
    cr_assert_eq(*(const char *)m->record.value, letter, "'%c' rather than '%c'",
                 *(const char *)m->record.value, letter);
    return m;
}

void scene_work_on(struct scene *s, const char *letters)
{
    for (; *letters != '\0'; letters++)
        cr_assert_eq(trilog_message_done(s->consumer, scene_take_letter(s, *letters)), TRILOG_OK);
}

void scene_assert_nothing(struct scene *s)
{
    const struct trilog_message *m;
    cr_assert_eq(trilog_consumer_take(s->consumer, 300, &m), TRILOG_ERR_EMPTY);
    cr_assert_null(m);
}

int64_t scene_committed_of(struct scene *s, int32_t partition)
{
    rd_kafka_t *other = other_open(s, false);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, s->topic, partition);
    cr_assert_eq(rd_kafka_committed(other, list, WAIT_MS), RD_KAFKA_RESP_ERR_NO_ERROR);
    int64_t offset = list->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(other);
    return offset;
}

int64_t scene_committed(struct scene *s)
{
    return scene_committed_of(s, 0);
}
