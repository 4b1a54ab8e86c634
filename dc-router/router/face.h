/* How clients see the cluster through a router: the routers of its site for brokers, nothing behind
 * them and nothing beside them.
 *
 * A client works with one site's routers: they reach all sites for it, and hold what has to wait.
 * Those of other sites are not shown, for a client that asks one of them now and then would be told
 * of another leader each time, and go back and forth. Where a site has no router left, a client's
 * own bootstrap list leads it to another site's. */
#ifndef ROUTER_FACE_H
#define ROUTER_FACE_H

#include "protocol/types.h"
#include "conf/router_conf.h"

struct face_broker {
    int32_t id;
    struct kafka_string host;
    int32_t port;
    struct kafka_string site;
};

#define FACE_BROKERS_MAX (1 + CONF_ROUTERS_MAX)

/* This router first, then the others of its site. Borrowed from the settings. Returns how many. */
unsigned face_brokers(const struct router_settings *settings,
                      struct face_broker into[FACE_BROKERS_MAX]);

#endif
