/* Reading through a librdkafka consumer, and noting each record as it comes. */
#ifndef LEDGER_CONSUME_H
#define LEDGER_CONSUME_H

#include "client.h"

#define CONSUME_RECORDS_MAX 2000 /* of one poll */

typedef void (*consume_record_cb)(void *data, const rd_kafka_message_t *message);
typedef void (*consume_trouble_cb)(void *data, const rd_kafka_message_t *message);

struct consume {
    rd_kafka_t *client;
    struct process *process;
    const char *group;             /* NULL: no member of one */
    const char *stage;             /* NULL: none */
    consume_record_cb on_record;   /* after the record was noted */
    consume_trouble_cb on_trouble; /* after an error was noted, and at a partition's end; or NULL */
    void *data;
};

/* Waits up to `timeout_ms` for records and takes what has come, with the callbacks of the client
 * in between. Returns how many records that was. */
int64_t consume_poll(const struct consume *consume, int timeout_ms);

#endif
