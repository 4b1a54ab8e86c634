/* Simulated brokers, and a consumer of group "g" whose application notes what it is told. */
#ifndef TEST_CLIENT_CONSUMER_SCENE_H
#define TEST_CLIENT_CONSUMER_SCENE_H

#include <pthread.h>
#include <stdbool.h>

#include "fake_cluster.h"
#include "trilog/trilog.h"

#define WAIT_MS         60000
#define SCENE_EVENT_MAX 64
#define SCENE_QUICK     "commit_ms: 50\nrevoke_wait_ms: 500\nsession_timeout_ms: 6 s\n"

struct scene {
    struct fake_cluster cluster;
    struct trilog_consumer *consumer;
    const char *topic; /* "t", of one partition, if it is not "two" */
    pthread_mutex_t lock;
    pthread_cond_t told;
    unsigned counts[SCENE_EVENT_MAX];
    char texts[SCENE_EVENT_MAX][TRILOG_TEXT_SIZE]; /* the last of each kind */
    bool was_told_late;                            /* of partitions of which records were there */
};

/* Brokers with topics, and settings beside quick ones; a consumer is not open yet. */
void scene_set(struct scene *s, const char *settings);
/* The same, and a consumer. */
void scene_begin(struct scene *s, const char *settings);
/* The same of "two": each letter is a record in both of its partitions. */
void scene_begin_wide(struct scene *s, const char *letters);
/* The consumer is destroyed, if one is there. */
void scene_clear(struct scene *s);

/* `instance`: of a broadcast; NULL: a member of the group. */
int scene_open_as(struct scene *s, const char *instance, char *why);
/* Closed at once, destroyed, and opened again. */
void scene_reopen_as(struct scene *s, const char *instance);

/* As trilog_consumer_options.on_event; `data`: the scene. */
void scene_on_event(void *data, enum trilog_consumer_event_kind kind, const char *text);
void scene_wait_event(struct scene *s, enum trilog_consumer_event_kind kind, unsigned count);
/* Has it come within a second or so? */
bool scene_has_event_soon(struct scene *s, enum trilog_consumer_event_kind kind);
unsigned scene_count_events(struct scene *s, enum trilog_consumer_event_kind kind);
/* Of the last of its kind. */
void scene_assert_text(struct scene *s, enum trilog_consumer_event_kind kind, const char *part);

/* To partition 0, of key "k"; headers are taken. */
void scene_send(struct scene *s, const char *value, rd_kafka_headers_t *headers);
/* One record of one letter each, in the log once this returns. */
void scene_send_letters(struct scene *s, const char *letters);

const struct trilog_message *scene_take(struct scene *s);
const struct trilog_message *scene_take_letter(struct scene *s, char letter);
/* Taken in this order, and done. */
void scene_work_on(struct scene *s, const char *letters);
/* There is nothing to take. */
void scene_assert_nothing(struct scene *s);

/* By the group, as the cluster says; of partition 0. */
int64_t scene_committed(struct scene *s);
int64_t scene_committed_of(struct scene *s, int32_t partition);

#endif
