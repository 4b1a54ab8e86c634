/* Where leadership goes by an operator's word, and what became of it: the planned switch and the
 * history of failover epochs. A part of group 0's state (metadata.h).
 *
 * A switch changes no group's preferred node: it lies over them. While one stands, what belongs to
 * the site `from` is led elsewhere; taken away, everything is as before. So a switch that is given
 * up, or taken back, has nothing to undo that it would have to remember.
 *
 *        BEGIN               END, done
 *   NONE ------> LEAVING ----------------> STANDING --BACK--> RETURNING --END, done--> NONE
 *                   '--END, undone--> NONE     ^------END, undone-----'
 *
 * The failover epoch is a number of the whole cluster and never repeats; each rise has a row with
 * its cause and, later, what came of it. METADATA_EPOCHS_KEPT are kept: those that are under way,
 * and of others the newest; what a site that comes and goes has left behind goes first. */
#ifndef CLUSTER_SWITCH_H
#define CLUSTER_SWITCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct metadata;
struct metadata_group;

#define METADATA_SITE_SIZE       32
#define METADATA_EPOCH_NOTE_SIZE 128
#define METADATA_EPOCHS_KEPT     64
#define METADATA_SWITCH_MS_MAX   (24LL * 60 * 60 * 1000) /* of a deadline */

enum metadata_switch_phase {
    METADATA_SWITCH_NONE = 0,
    METADATA_SWITCH_LEAVING = 1,  /* what is led in `from` is on its way */
    METADATA_SWITCH_STANDING = 2, /* done, until it is taken back */
    METADATA_SWITCH_RETURNING = 3 /* leaders go home */
};

struct metadata_switch {
    enum metadata_switch_phase phase; /* NONE: the rest is empty */
    uint64_t epoch;                   /* failover epoch of the newest BEGIN or BACK */
    char from[METADATA_SITE_SIZE];
    char to[METADATA_SITE_SIZE]; /* "": each group where its voters are */
    int64_t begun_at_ms;         /* by entry clock, as all times here */
    int64_t deadline_at_ms;      /* LEAVING, RETURNING: afterwards it can only be undone */
};

enum metadata_epoch_cause {
    METADATA_EPOCH_COMMAND = 1, /* METADATA_FAILOVER_EPOCH: the note says why */
    METADATA_EPOCH_SWITCH = 2,
    METADATA_EPOCH_BACK = 3,
    METADATA_EPOCH_SITE_LOST = 4,
    METADATA_EPOCH_RECOVERY = 5
};

enum metadata_epoch_outcome {
    METADATA_EPOCH_UNDER_WAY = 0,
    METADATA_EPOCH_DONE = 1,
    METADATA_EPOCH_UNDONE = 2 /* past its deadline, or called off: all is as before */
};

/* One rise of the failover epoch. Numbers that nobody knows are -1. */
struct metadata_epoch {
    uint64_t epoch;
    enum metadata_epoch_cause cause;
    enum metadata_epoch_outcome outcome;
    char from[METADATA_SITE_SIZE]; /* SITE_LOST: that site */
    char to[METADATA_SITE_SIZE];
    int64_t begun_at_ms;
    int64_t ended_at_ms;                 /* when the outcome was known */
    int64_t returned_at_ms;              /* SITE_LOST: when the site was heard again */
    uint32_t group_count;                /* raft groups that it concerns */
    int64_t forecast_pause_ms, pause_ms; /* longest time that one of them was without a leader */
    int64_t forecast_lost_records, lost_records;
    int64_t lost_bytes, lost_ms;
    char note[METADATA_EPOCH_NOTE_SIZE]; /* why it was undone, or whatever else is to be said */
};

enum metadata_switch_step {
    METADATA_SWITCH_BEGIN = 1,
    METADATA_SWITCH_END = 2,  /* of the epoch `row.epoch`, whatever its cause */
    METADATA_SWITCH_BACK = 3, /* of the switch that stands */
    METADATA_SWITCH_SITE_LOST = 4,
    METADATA_SWITCH_SITE_HEARD = 5 /* the lost site `row.from` is back */
};

/* A step as it is proposed. Of `row` it takes: BEGIN from, to, group count, forecast, note; BACK
 * group count, forecast, note; SITE_LOST the same as BEGIN; END epoch, outcome, pause, lost, note;
 * SITE_HEARD from. */
struct metadata_switch_change {
    enum metadata_switch_step step;
    int64_t deadline_ms; /* BEGIN, BACK: from its entry's clock on */
    struct metadata_epoch row;
};

/* Under the metadata's read lock, as all queries. */
const struct metadata_switch *metadata_switch_of(const struct metadata *m);
unsigned metadata_epoch_count(const struct metadata *m);
const struct metadata_epoch *metadata_epoch_at(const struct metadata *m, unsigned position);
/* By its number; NULL when it is not kept. */
const struct metadata_epoch *metadata_epoch_of(const struct metadata *m, uint64_t epoch);
/* The row of a lost site that was not heard since; NULL where there is none. */
const struct metadata_epoch *metadata_lost_site(const struct metadata *m, const char *site);

/* The node where the group's leader belongs now: its preferred one or, while its site is switched
 * away, drained or cut off (sites.h), another voter's. Pure. */
uint32_t metadata_leader_of(const struct metadata *m, const struct metadata_group *group);
/* Where it would belong with that site switched away; `to` "": wherever it has other voters. */
uint32_t metadata_leader_if(const struct metadata *m, const struct metadata_group *group,
                            const char *from, const char *to);
/* The site that is switched away, where nobody should lead; "" when there is none. */
const char *metadata_avoided_site(const struct metadata *m);
/* The same for one that leads in `own_site`: its own, where that is drained or cut off. */
const char *metadata_avoided_for(const struct metadata *m, const char *own_site);

const char *metadata_switch_phase_name(enum metadata_switch_phase phase);
const char *metadata_epoch_cause_name(enum metadata_epoch_cause cause);
const char *metadata_epoch_outcome_name(enum metadata_epoch_outcome outcome);

/* ---- inside apply: the caller holds the state for writing ---- */

/* The next epoch with a row of its own: cause, from, to, group count, forecasts and note are
 * taken. `stride` is added to the number first (forced recovery; else 0). Returns the row. */
struct metadata_epoch *metadata_epoch_begin(struct metadata *m, const struct metadata_epoch *row,
                                            int64_t wall_ms, uint64_t stride);
/* Its outcome, once. ERR_NOT_FOUND when it is not kept or has one. */
int metadata_epoch_end(struct metadata *m, const struct metadata_epoch *row, int64_t wall_ms);

#endif
