/* A connection to one address of the settings: who is there, and what it says of the sites. Private
 * to libtrilog. It blocks, never beyond its deadlines; one thread. Plain Kafka: Metadata,
 * DescribeConfigs for the entry that holds the verdict, and IncrementalAlterConfigs to tell of
 * sites that fail. */
#ifndef CLIENT_SITE_LINK_H
#define CLIENT_SITE_LINK_H

#include <stdbool.h>

#include "conf/field.h"
#include "dc-router/policy.h"

#define SITE_FACE_ADDRESSES_MAX 64

struct site_link {
    int socket; /* -1: closed */
    int32_t asked_count;
    int32_t broker_id;       /* that the verdict is asked of */
    enum router_stage stage; /* at which it could not be opened */
};

/* Who shows himself there. */
struct site_face {
    bool are_routers;          /* else nodes */
    char site[CONF_NAME_SIZE]; /* of the router that answers, who names itself as the controller */
    unsigned count;
    struct {
        struct conf_address address;
        char site[CONF_NAME_SIZE]; /* "": not told */
    } brokers[SITE_FACE_ADDRESSES_MAX];
};

/* Connects and learns who is there. All of it within timeout_ms but for the name's lookup, which
 * takes what the system's resolver takes. A failed one is closed.
 * Errors: libuv's; ERR_MALFORMED for an answer that is none; UV_ETIMEDOUT. */
int site_link_open(struct site_link *link, const struct conf_address *address, int timeout_ms,
                   struct site_face *face);
void site_link_close(struct site_link *link);

/* Asks what is agreed; the answer is to be taken. Errors: as above, and the connection is of no use
 * any more. */
int site_link_ask_verdict(struct site_link *link, int timeout_ms);
/* Has its answer begun to come within this time? Also where the connection ends. */
bool site_link_is_answered(const struct site_link *link, int wait_ms);
/* What is agreed, and in which cluster ("": not told): 0; ERR_NOT_FOUND where nothing is, or nobody
 * is asked for such here; else, as above, the connection is of no use any more. */
int site_link_take_verdict(struct site_link *link, int timeout_ms, struct router_verdict *verdict,
                           char cluster_id[ROUTER_CLUSTER_ID_SIZE]);

/* Tells what was found of sites (dc-router/policy_report.h): 0; ERR_INVALID when it was refused;
 * else, as above, the connection is of no use any more. */
int site_link_tell(struct site_link *link, int timeout_ms, const char *report);

#endif
