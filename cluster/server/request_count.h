/* How many requests a shard had, of each kind, and how they ended: for the metrics.
 *
 * Counted by the shard that owns it, with plain adds, for nobody else writes; read by any thread.
 */
#ifndef CLUSTER_SERVER_REQUEST_COUNT_H
#define CLUSTER_SERVER_REQUEST_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cluster/consumer_table.h"
#include "protocol/api_key.h"

#define REQUEST_COUNT_APIS   64  /* all there are, and a last one for what is not known */
#define REQUEST_COUNT_ERRORS 160 /* Kafka's codes; a last one for those above, and -1 */
/* Those whose partitions' errors are counted. */
enum request_count_error_api {
    REQUEST_COUNT_PRODUCE,
    REQUEST_COUNT_FETCH,
    REQUEST_COUNT_OFFSET_COMMIT,
    REQUEST_COUNT_ERROR_APIS
};

/* Why a connection is not read from for a while. */
enum request_count_pause {
    REQUEST_COUNT_IN_FLIGHT, /* its unanswered requests */
    REQUEST_COUNT_ANSWERS,   /* answers that its client has not taken */
    REQUEST_COUNT_MEMORY,    /* the memory for all requests */
    REQUEST_COUNT_PAUSES
};

struct request_count {
    struct {
        _Atomic uint64_t begun;     /* taken from a connection */
        _Atomic uint64_t answered;  /* also acks=0, which is answered nothing */
        _Atomic uint64_t closed;    /* ended with its connection: the client broke the protocol */
        _Atomic uint64_t worked_ms; /* from begun to answered, all together */
    } apis[REQUEST_COUNT_APIS];     /* by place in kafka_apis */
    _Atomic uint64_t records_in, bytes_in; /* of batches that were taken */
    _Atomic uint64_t bytes_out;            /* of records, in answers to fetches */
    _Atomic uint64_t pauses[REQUEST_COUNT_PAUSES];
    _Atomic uint64_t errors[REQUEST_COUNT_ERROR_APIS][REQUEST_COUNT_ERRORS];
    _Atomic uint64_t commits[COMMIT_OUTCOME_COUNT]; /* offsets, by what apply made of them */
};

/* `api` may be NULL: not known. */
void request_count_begun(struct request_count *count, const struct kafka_api *api);
void request_count_ended(struct request_count *count, const struct kafka_api *api, bool is_closed,
                         uint64_t worked_ms);
/* One partition of an answer; a code of 0 is not counted. */
void request_count_error(struct request_count *count, enum request_count_error_api api,
                         int16_t error_code);
void request_count_commit(struct request_count *count, enum commit_outcome outcome);
/* A batch that a producer was told of as taken; records of an answer to a fetch. */
void request_count_produced(struct request_count *count, uint32_t records, size_t bytes);
void request_count_fetched(struct request_count *count, size_t bytes);
void request_count_paused(struct request_count *count, enum request_count_pause why);

#endif
