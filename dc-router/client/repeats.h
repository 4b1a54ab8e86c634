/* Records that are in a log twice, known by their id among the last ones. Private to libtrilog.
 *
 * The same record at the same place is no repeat: it comes again when nobody was done with it. */
#ifndef CLIENT_REPEATS_H
#define CLIENT_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

#include "record.h"

struct repeats; /* opaque */

/* The last `count_max` ids, for `window_ms`. Returned owned (repeats_free), or NULL. */
struct repeats *repeats_new(uint32_t count_max, uint64_t window_ms);
void repeats_free(struct repeats *repeats); /* NULL is allowed */

/* Was it seen at another place within the window? Else it is known from now on. `place` is any
 * pointer that stands for the partition. Without memory nothing is a repeat. */
bool repeats_has(struct repeats *repeats, const struct record_id *id, const void *place,
                 int64_t offset, uint64_t now_ms);

uint32_t repeats_count(const struct repeats *repeats);

#endif
