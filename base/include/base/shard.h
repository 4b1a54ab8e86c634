/* A shard: one thread with one libuv loop. Its objects are touched on that thread only;
 * shard_post() is the single crossing. */
#ifndef BASE_SHARD_H
#define BASE_SHARD_H

#include <stdbool.h>
#include <uv.h>

#include "base/work.h"

struct shard;

/* Called on the shard's thread: once after each batch of loop events, so that an owner can do
 * at its own pace what callbacks have only marked (collect, then write, sync and send once). */
typedef void (*shard_turn_cb)(void *data);

/* Returns owned (shard_destroy), not yet running, or NULL without memory. `index` names the
 * thread and events ("shard=3"). */
struct shard *shard_create(unsigned index);

/* Starts the thread. Returns 0 or a libuv error. */
int shard_start(struct shard *s);

/* Asks the loop to end after what is queued, and joins the thread. Handles of the owner must be
 * closed before, on the shard. Not from the shard itself. */
void shard_stop(struct shard *s);
void shard_destroy(struct shard *s);

/* The loop: for handles of the owner, on the shard's thread (or before shard_start). */
uv_loop_t *shard_loop(struct shard *s);
unsigned shard_index(const struct shard *s);

/* True on the shard's own thread (or before it started). */
bool shard_is_here(const struct shard *s);

/* Runs `item` on the shard, in the order of posting. Any thread. */
void shard_post(struct shard *s, struct work_item *item, work_cb run);

/* The shard as a work seam; valid as long as the shard. */
struct work *shard_work(struct shard *s);

/* Adds a function to run at the end of each loop turn. Before shard_start or on the shard. At
 * most 8. */
void shard_on_turn(struct shard *s, shard_turn_cb turn, void *data);

#endif
