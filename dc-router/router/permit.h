/* Who may do what through this router: by environment, client id, address, topic and group, as the
 * settings say (`environments`, `allow`), and by the environment that a client says it is of
 * (dc-router/environment.h). Without any of this everybody may all.
 *
 * A client of another environment may nothing but learn of the routers, so that it hears a proper
 * error for what it asks. What is refused is counted, and told in an event with the reason: once in
 * a while per connection. */
#ifndef ROUTER_PERMIT_H
#define ROUTER_PERMIT_H

#include "router/client.h"

/* Before anything else is asked about the request. */
void permit_look(struct client_request *r);

/* Each: false when it is refused, which is then told. */
bool permit_topic(struct client_request *r, struct kafka_string topic);
bool permit_group(struct client_request *r, struct kafka_string group);
/* Topics, configs and groups themselves are to be changed. */
bool permit_admin(struct client_request *r);
/* What is about nothing in particular: a producer id, a list. */
bool permit_any(struct client_request *r);

/* The same for topics and groups that the client has not asked for by name: nothing is told. */
bool permit_shows_topic(const struct client_request *r, struct kafka_string topic);
bool permit_shows_group(const struct client_request *r, struct kafka_string group);

/* refuse.c: answers the request as a whole, each part of it with this error. For what goes to any
 * node, and to one group's coordinator. */
void refuse_request(struct client_request *r, int16_t error_code);
/* True when it was refused, and answered. For what goes to any node. */
bool refuse_anywhere(struct client_request *r);

#endif
