/* What all librdkafka clients of the ledger share: stock settings, silence on stderr, errors that
 * go into the history instead. */
#ifndef LEDGER_CLIENT_H
#define LEDGER_CLIENT_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "note.h"
#include "options.h"

struct client_setting {
    const char *name, *value;
};

/* Before the first client: what --client says is set for all of them. The options are borrowed. */
void client_use(const struct options *options);

/* A client with these settings, the last of which has no name. `conf` (NULL: none) may hold
 * callbacks already and is taken. `process` gets the client's errors and is what its callbacks are
 * given: whoever owns the client begins with its process. Returns NULL after it said why. */
rd_kafka_t *client_create(rd_kafka_type_t type, rd_kafka_conf_t *conf, struct process *process,
                          const struct client_setting *settings);

/* Gives the client back, whose consumer is closed. With `is_last` it stays: the process is about to
 * end, and librdkafka 2.0.2 can wait for ever for the thread of a coordinator that went away, or
 * find a count of its own wrong, when a request of its administration had timed out. */
void client_end(rd_kafka_t *client, bool is_last);

/* "NOT_LEADER_OR_FOLLOWER", "_TRANSPORT", … */
const char *client_error_name(rd_kafka_resp_err_t err);

/* An end of an operation that changes nothing: what was refused certainly had no effect. */
struct note_end client_query_end(rd_kafka_resp_err_t err, int64_t offset);

/* An end of an operation whose failure says nothing: an earlier try of the client's may have come
 * through, although the last was refused. */
struct note_end client_change_end(rd_kafka_resp_err_t err, int64_t offset);

#endif
