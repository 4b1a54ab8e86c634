/* The consumer: reads a topic from its start to its end through one site. */
#ifndef DEMO_READER_H
#define DEMO_READER_H

#include <stdbool.h>

#include "cluster.h"
#include "ledger.h"

/* Called a few times a second; returns false to end the reading. */
typedef bool (*reader_progress_cb)(void *data);

/* Shows every record of the topic to the ledger. The client knows one address, the site's, and
 * has its rack. The end is where each partition's log ends at the start of the reading.
 * Returns 0 when it got there; -1 after a sentence, when nothing came for a long while. */
int reader_run(struct ledger *ledger, const struct site *site, const char *topic,
               reader_progress_cb on_progress, void *data);

#endif
