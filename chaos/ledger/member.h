/* A member's parts: the thread that is one member after the other is the ledger's, who reads and
 * commits is a library of applications. */
#ifndef LEDGER_MEMBER_H
#define LEDGER_MEMBER_H

#include "load.h"

#define MEMBER_GROUP_BYTES    128
#define MEMBER_COMMIT_WAIT_MS 10000 /* for a commit's answer, where one is waited for */

/* One life of a member, from joining to leaving. Returns false when it could not begin. */
typedef bool member_life(struct load_worker *worker, const char *group);

member_life member_kafka_live, member_trilog_live;

/* It reads on. */
bool member_is_wanted(struct load_worker *worker);

#endif
