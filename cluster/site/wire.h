/* One connection of the canary to a node: a request in Kafka's protocol, its answer, the next one.
 */
#ifndef CLUSTER_SITE_WIRE_H
#define CLUSTER_SITE_WIRE_H

#include <stdint.h>
#include <uv.h>

#include "conf/conf.h"
#include "protocol/api_key.h"

struct site_wire;

struct site_wire_events {
    void (*connected)(void *data);
    /* The decoded response (struct kafka_…_response) of the request before; valid in the call. */
    void (*answered)(void *data, enum kafka_api_key api, const void *answer);
    /* Refused, reset, closed, or no sound answer. The wire is gone after the call. */
    void (*broke)(void *data);
};

/* Begins to connect; NULL without memory. Its events come later, on the loop, until it is closed.
 */
struct site_wire *site_wire_open(uv_loop_t *loop, const struct conf_address *address,
                                 const struct site_wire_events *events, void *data);
/* One at a time, once it is connected. `message` is borrowed during the call. 0 or an error. */
int site_wire_ask(struct site_wire *w, enum kafka_api_key api, int16_t version,
                  const void *message);
/* No event comes any more; it frees itself. */
void site_wire_close(struct site_wire *w);

#endif
