/* The probe's threads: --probe-lanes for each --node, or for --probe-node alone. */
#ifndef LEDGER_PROBE_H
#define LEDGER_PROBE_H

#include "options.h"

/* How many threads that is; 0 without --probe-ms, or when no --node is --probe-node. */
int64_t probe_worker_count(const struct options *options);

/* What a thread runs; `data` is a struct load_worker, whose index tells node and lane. */
void *probe_run(void *data);

#endif
