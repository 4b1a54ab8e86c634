/* A thread that knows which site to use, and tells the gate and the application. Private to
 * libtrilog; of any handle of librdkafka's. It asks one address of the settings twice a second for
 * the verdict, which is also how it sees that a site's routers are gone or hang. Any thread, but
 * for open and close. */
#ifndef CLIENT_SITE_WATCH_H
#define CLIENT_SITE_WATCH_H

#include "conf/client_conf.h"
#include "site_gate.h"
#include "trilog/trilog.h"

struct site_watch; /* opaque */

/* What is to be told. */
struct site_change {
    char site[CONF_NAME_SIZE], from[CONF_NAME_SIZE];
    uint64_t failover_epoch;      /* 0: no verdict is known */
    char cause[TRILOG_TEXT_SIZE]; /* in words */
};

/* Begins to watch. Returned owned (site_watch_close).
 *   settings  copied
 *   gate      borrowed until it is closed
 * Errors: TRILOG_ERR_MEMORY, TRILOG_ERR_SYSTEM. */
int site_watch_open(struct site_watch **watch, const struct client_settings *settings,
                    struct site_gate *gate);
void site_watch_close(struct site_watch *watch); /* NULL is allowed */

/* Other addresses, another own site. */
void site_watch_settings(struct site_watch *watch, const struct client_settings *settings);

/* The application's topic: the first that it names counts. */
void site_watch_topic(struct site_watch *watch, const char *topic);

/* The oldest change that was not taken yet; false when there is none. When many wait, those in
 * between are left out. */
bool site_watch_take(struct site_watch *watch, struct site_change *change);

/* Where the application is now. */
void site_watch_state(struct site_watch *watch, struct trilog_site_state *state);

#endif
