/* A handle of librdkafka's at its site: where its connections lead, and who decides that. Private
 * to libtrilog; what a producer and a consumer have in common of it. */
#ifndef CLIENT_HANDLE_SITE_H
#define CLIENT_HANDLE_SITE_H

#include "site_watch.h"

struct handle_site {
    struct site_gate gate;    /* where librdkafka's connections lead */
    struct site_watch *watch; /* NULL: stopped */
};

/* Begins to watch. Returned owned (handle_site_close). On an error (TRILOG_ERR_MEMORY,
 * TRILOG_ERR_SYSTEM) nothing is open. */
int handle_site_open(struct handle_site **h, const struct client_settings *settings);
/* NULL is allowed in both. */
void handle_site_stop(struct handle_site *h);  /* before librdkafka's end, so that it may go */
void handle_site_close(struct handle_site *h); /* after it */

/* What is to be told of a change of sites; false when there is none. */
bool handle_site_note(struct handle_site *h, char text[static TRILOG_TEXT_SIZE]);

/* Where it is now, for an application: TRILOG_ERR_CLOSED once it is closed. */
int handle_site_state(const struct handle_site *h, bool is_closing,
                      struct trilog_site_state *state);

#endif
