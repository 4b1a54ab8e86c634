/* What a shard counts for the operator: since the router started, and how things stand now. */
#ifndef ROUTER_COUNTS_H
#define ROUTER_COUNTS_H

#include <stdint.h>

#define COUNTS_APIS_MAX 128 /* by Kafka's key */

/* What went wrong with clients' requests here, by kind. */
enum trouble {
    TROUBLE_CLIENT_ENDED,  /* a connection, for what it sent or for want of an answer */
    TROUBLE_CLIENT_LIMIT,  /* a connection, for there are too many */
    TROUBLE_HELD_TOO_LONG, /* a batch that found no leader in its time */
    TROUBLE_UNKNOWN_FATE,  /* a batch that may be written or not, and may not be sent again */
    TROUBLE_NOT_ALLOWED,   /* a request, or a part of it, that its client may not make */
    TROUBLE_BACKLOG,       /* a batch that its topic does not take for a backlog */
    TROUBLE_COUNT
};

/* What became of what was told of sites (site_report.h). */
enum report_outcome { REPORT_TAKEN, REPORT_REFUSED, REPORT_LOST, REPORT_OUTCOMES };

struct counts {
    uint64_t connections;               /* taken */
    uint64_t requests[COUNTS_APIS_MAX]; /* of clients */
    uint64_t request_bytes, answer_bytes;
    uint64_t held;   /* produce requests that had to wait for a leader */
    uint64_t resent; /* those that went out once more */
    uint64_t troubles[TROUBLE_COUNT];
    uint64_t reports[REPORT_OUTCOMES];
    unsigned held_now;
};

/* One word for each: a metric's label. */
const char *trouble_name(enum trouble trouble);

#endif
