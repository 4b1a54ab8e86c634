/* What the partition that owns a producer state needs beyond its public promise. */
#ifndef LOG_PRODUCER_STATE_HOOK_H
#define LOG_PRODUCER_STATE_HOOK_H

#include "log/producer_state.h"

typedef void (*log_producer_changed_cb)(void *data);

/* `cb` runs after each change: a partition must be checkpointed when only its producers changed. */
void log_producer_state_on_change(struct log_producer_state *s, log_producer_changed_cb cb,
                                  void *data);

/* A new bound; the least recently applied producers beyond it are forgotten. */
void log_producer_state_set_count_max(struct log_producer_state *s, unsigned producer_count_max);

#endif
