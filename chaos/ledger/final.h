/* The final reads: everything to the end, through this site's consumer and from each node. */
#ifndef LEDGER_FINAL_H
#define LEDGER_FINAL_H

#include <stdatomic.h>

#include "history.h"
#include "offsets.h"

struct final {
    const struct options *options;
    struct history *history;
    int64_t until_us;
    int32_t partition_count;
    struct offsets_range *ranges; /* what is to be read */
    atomic_int missing_count;     /* what could not be read, or asked */
};

/* One node's replica, read by a thread. */
struct final_replica {
    struct final *final;
    struct options_node node;
    struct pen *pen;
};

void *final_replica_run(void *data); /* a struct final_replica */

/* Begins a process of the site, named "<site>-[<tag>-]<what>". */
void final_process_begin(const struct final *final, struct pen *pen, struct process *process,
                         const char *what, const char *role, const char *client);

/* Reads everything; closes the history. Returns the exit status. */
int final_run(const struct options *options, struct history *history);

#endif
