/* The newest few elections' times. */
#ifndef REPLICATION_ELECTION_TIME_H
#define REPLICATION_ELECTION_TIME_H

#include "replication/node.h"

#define ELECTION_TIMES 32

struct election_time {
    uint32_t took_ms[ELECTION_TIMES];
    unsigned count, next;
};

void election_report(const struct election_time *e, struct repl_election_report *report);

#endif
