/* A producer's parts: what it draws and notes is its own, who sends it is a library of
 * applications.
 *
 * Notes are taken under a lock: a library may tell of deliveries on a thread of its own. */
#ifndef LEDGER_PRODUCER_H
#define LEDGER_PRODUCER_H

#include <pthread.h>

#include "client.h"
#include "load.h"
#include "random.h"

#define VALUE_BYTES_MAX 1000000

struct producer;
struct trilog_producer;

/* How a library is used; functions of a struct producer. */
struct producer_library {
    const char *name; /* of its clients, in the history; NULL: librdkafka as it says of itself */
    bool (*open)(struct producer *p);
    /* Returns 0 when the outcome will be told by producer_note_end(), 1 when the library's queue
     * is full, -1 when it refused; then `error` names why, and nothing will be told. */
    int (*send)(struct producer *p, uint64_t id, const struct note_send *send, const char **error);
    void (*wait)(struct producer *p, int wait_ms);
    bool (*has_ended)(struct producer *p); /* it can't go on */
    void (*settle)(struct producer *p);    /* every send gets its outcome */
    void (*close)(struct producer *p);
};

extern const struct producer_library producer_kafka, producer_trilog;

struct producer {
    struct process process; /* first: what the client's callbacks are given */
    struct load *load;
    const struct producer_library *library;
    pthread_mutex_t lock; /* over the process's lines */
    rd_kafka_t *client;   /* of producer_kafka */
    rd_kafka_topic_t *topic;
    struct trilog_producer *trilog; /* of producer_trilog */
    struct random random;
    bool is_idempotent;
    uint64_t number; /* of the newest value */
    int64_t pace_from_us;
    uint64_t pace_count;
    char value[VALUE_BYTES_MAX];
};

/* What became of a send. */
void producer_note_end(struct producer *p, uint64_t id, int32_t partition,
                       const struct note_end *end);
bool producer_is_sending_over(const struct producer *p);

#endif
