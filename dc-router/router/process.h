/* A router as a process: its shards, the settings in force, the operator's port. */
#ifndef ROUTER_PROCESS_H
#define ROUTER_PROCESS_H

#include "router/router.h"

#define ROUTER_SHARDS_MAX 64

struct router_process;

/* Listens and serves. `path` is where the settings came from, borrowed. *process is returned owned
 * (router_process_stop), also when it fails: then the note says why, and the process can but end.
 */
int router_process_start(const char *path, const struct router_settings *settings,
                         struct router_process **process, struct err_note *note);
void router_process_stop(struct router_process *p);
/* Begins to drain: no more connections, those there are end as they come to rest. Once. */
void router_process_drain(struct router_process *p);
bool router_process_is_draining(const struct router_process *p);
/* Nobody is connected any more. */
bool router_process_is_drained(struct router_process *p);

/* Reads the settings again. 0: all shards take them, at once. Else nothing has changed, and the
 * note says what is wrong; an event says it either way. Any thread. */
int router_process_reload(struct router_process *p, struct err_note *note);

/* The settings in force; released by the caller. Any thread. */
struct kept_settings *router_process_settings(struct router_process *p);
unsigned router_process_shard_count(const struct router_process *p);
struct router_shard *router_process_shard(const struct router_process *p, unsigned index);
/* clock_system() when it began. */
uint64_t router_process_started_ms(const struct router_process *p);

#endif
