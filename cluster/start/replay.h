/* A replica's log applied to its end, committed or not, while nothing runs.
 *
 * For a forced recovery only: what a survivor has beyond what it knows to be committed may have
 * been acknowledged, so it stays, but for what it is told to leave out (recovery.h); and what a
 * replica that is put aside has of the kind is what its owner may want to look at. Either way the
 * replica never serves in its generation again. */
#ifndef CLUSTER_START_REPLAY_H
#define CLUSTER_START_REPLAY_H

#include "base/err.h"
#include "cluster/machine.h"
#include "log/store.h"
#include "log/wal.h"
#include "start/work_pump.h"

struct replay;
/* Who looks on, in simulations: the machine as of its checkpoint, and each entry as it is applied.
 */
struct replay_watch {
    void *data;
    void (*on_restored)(void *data, const struct replay *r);
    void (*on_applying)(void *data, const struct replay *r, const struct log_entry *entry,
                        const struct repl_entry_head *head);
    void (*on_applied)(void *data, const struct replay *r, const struct log_entry *entry,
                       const struct repl_entry_head *head);
};

struct replay {
    uint32_t group_id;
    const struct replay_watch *watch; /* NULL: nobody does */
    struct log_wal *wal;
    struct log_store *store;
    struct work_pump *pump;             /* the store's worker and home */
    const struct repl_member *founders; /* of a group that has no checkpoint yet */
    unsigned founder_count;
    struct metadata *metadata;  /* of group 0, else NULL */
    struct machine *machine;    /* made by replay_open */
    uint64_t index, term;       /* of the last entry that was applied */
    uint64_t term_max;          /* highest that the WAL or the checkpoint knows of */
    int64_t wall_ms;            /* clock of the last entry */
    struct bytes configuration; /* as of the last checkpoint, or the founders': owned */
    uint64_t configuration_index;
    size_t applied_bytes; /* since the last checkpoint */
    uint64_t until_index; /* in: behind it nothing is applied; 0: all is */
};

/* The machine, as of the last checkpoint. ERR_NOT_FOUND: the replica has nothing of the group.
 * Blocking, as the others. */
int replay_open(struct replay *r, struct err_note *note);
/* Applies all entries that the WAL has; ends where one can't be read, with an event. */
int replay_run(struct replay *r, struct err_note *note);
/* Applies one entry more, behind the last, and makes the checkpoint that covers it. */
int replay_add(struct replay *r, uint64_t term, const struct repl_entry_head *head,
               struct bytes body);
/* A checkpoint of all that was applied; the configuration, generation and recovery id of `state`.
 */
int replay_checkpoint(struct replay *r, const struct log_store_state *state);
void replay_close(struct replay *r);

#endif
