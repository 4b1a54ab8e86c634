/* The probe's threads: PROBE_LANES for each --node. */
#ifndef LEDGER_PROBE_H
#define LEDGER_PROBE_H

#define PROBE_LANES 4

/* What a thread runs; `data` is a struct load_worker, whose index tells node and lane. */
void *probe_run(void *data);

#endif
