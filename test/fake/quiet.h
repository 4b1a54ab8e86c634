/* No events: for tests that do not look at them. */
#ifndef FAKE_QUIET_H
#define FAKE_QUIET_H

#include <stddef.h>

#include "base/event.h"

static inline void quiet_forget(void *data, enum event_level level, const char *line)
{
    (void)data;
    (void)level;
    (void)line;
}

/* For the whole process, and before any thread: a suite's .init. */
static inline void be_quiet(void)
{
    event_set_sink(quiet_forget, NULL);
}

#endif
