/* Our codes as Kafka's: the only place that knows both. */
#ifndef CLUSTER_ERROR_CODE_H
#define CLUSTER_ERROR_CODE_H

#include <stdint.h>

#include "log/producer_state.h"
#include "protocol/error.h"

/* Kafka's error code for one of ours; UNKNOWN_SERVER_ERROR for what no client should see. */
int16_t error_code_of(int err);

/* Kafka's error code for the verdict on an idempotent producer's batch; NONE for a repeated one,
 * which is answered like the first time. */
int16_t error_code_of_verdict(enum log_producer_verdict verdict);

#endif
