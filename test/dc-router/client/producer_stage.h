/* Simulated brokers, and a producer of theirs whose application counts what it is told. */
#ifndef TEST_CLIENT_PRODUCER_STAGE_H
#define TEST_CLIENT_PRODUCER_STAGE_H

#include <stdatomic.h>

#include "fake_cluster.h"
#include "trilog/trilog.h"

/* A send's time where nothing answers: the fifth of it that the disk has is enough of a busy one.
 */
#define SPOOL_WAIT_MS 3000

struct stage {
    struct fake_cluster cluster;
    struct trilog_producer *producer;
    atomic_uint results[32]; /* by TRILOG_LOGGED - result */
    atomic_uint events[24];
};

/* Brokers, and settings (fake_cluster_configure); no producer yet. */
void stage_set(struct stage *s, int32_t broker_count, const char *settings);
/* The same, and a producer. */
void stage_begin(struct stage *s, int32_t broker_count, const char *settings);
/* The producer is destroyed, if one is open. */
void stage_clear(struct stage *s);

int stage_try_open(struct stage *s, const char *path, char *why);
void stage_open(struct stage *s);
/* Destroyed, and opened again. */
void stage_reopen(struct stage *s);

unsigned stage_count(struct stage *s, int result); /* of deliveries */
unsigned stage_count_told(struct stage *s);        /* of all deliveries */
unsigned stage_count_events(struct stage *s, enum trilog_event_kind kind);
/* Which comes once. */
void stage_wait_event(struct stage *s, enum trilog_event_kind kind);
/* Until so many have come, which are all. */
void stage_wait_events(struct stage *s, enum trilog_event_kind kind, unsigned count);
/* Until nothing is in the spool. */
void stage_wait_empty(struct stage *s);

struct trilog_record stage_record(const char *value); /* of topic "t" and key "k" */
int stage_send_and_wait(struct stage *s, const char *value, int timeout_ms);
/* Records of one letter each, none of them waited for. */
void stage_send(struct stage *s, const char *values);
/* The values in the topic, one letter each, in order; cut to what has room. */
void stage_read(struct stage *s, char *values, size_t size);
void stage_assert_values(struct stage *s, const char *expected);

#endif
