/* The founding conversation: before the node serves, with links of its own. */
#ifndef CLUSTER_START_FOUNDING_PHASE_H
#define CLUSTER_START_FOUNDING_PHASE_H

#include <stdatomic.h>

#include "base/disk.h"
#include "base/err.h"
#include "conf/conf.h"
#include "identity.h"

/* Talks to the other founders until the identity is FOUNDED. Blocking; ERR_CLOSED once
 * `should_stop` is set. */
int founding_phase_run(const struct conf_settings *conf, const struct disk *disk,
                       struct identity *identity, const atomic_bool *should_stop,
                       struct err_note *note);

#endif
