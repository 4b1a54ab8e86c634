/* Who says something of the ways between sites: a node by its id, a router, or a client. */
#ifndef CLUSTER_SITE_REPORTER_H
#define CLUSTER_SITE_REPORTER_H

#include <stdbool.h>
#include <stdint.h>

/* A reporter's number: a node's is its id, all others are above. The same at every node. */
#define SITE_REPORTER_OTHER  (UINT64_C(1) << 63)
#define SITE_REPORTER_ROUTER (SITE_REPORTER_OTHER | UINT64_C(1) << 62)

enum site_who { SITE_WHO_NODE, SITE_WHO_ROUTER, SITE_WHO_CLIENT };

enum site_who site_who(uint64_t reporter);

struct request_context;
/* Whose request it is: a router's own, or that of whoever is at the client's address, however many
 * connections it has, and to whichever router or node. */
uint64_t site_reporter_of(const struct request_context *context);

#endif
