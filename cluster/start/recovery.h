/* A forced recovery's part of one node: its replicas change generation, while nothing runs.
 *
 * Who gives the order writes it durably (recovery_order.h), sets the replicas aside in memory, and
 * lets the process begin again; this here carries the order out at the next start, whenever that
 * is, and whatever ends it in the middle. From the order's first byte on the node does not serve in
 * the old generation any more, so all that is done before its end may be done twice.
 *
 *   a survivor   applies what its WAL has, but what is to be left out, then the RECOVERY entry; one
 *                checkpoint covers both and names the new generation, with itself as the only
 * voter: that checkpoint is the change. The WAL forgets the group; its vote was of the old
 *                generation.
 *   put aside    applies all that its WAL has, so that everything lies in segments; moves to
 *                "aside/<recovery id>", laid out as a disk of its own; begins anew as one that has
 *                left the group, in the new generation: so it votes for nobody, is no founder, and
 *                takes what the group's leader ships.
 *
 * What a survivor leaves out is the end of its log, as far as it proposed that itself and knows of
 * no majority that has it (repl_group_kept_index). It has acknowledged nothing of that. As a leader
 * whom the others followed no more it may have entries where its successor has committed others,
 * and clients have seen those: kept, they would be second records at the same offsets. Had the
 * successor committed the very same ones, they were acknowledged after this replica was last
 * followed, and the plan says that such may be lost ("possibly lost since").
 *
 * What another leader has sent stays, committed or not: that leader may have acknowledged it with
 * this replica's help, and said so to nobody who lives. It could only have been replaced had that
 * leader forgotten it, too, in a power cut before its own disk had it, while this replica heard
 * nobody. And what a replica finds at its start stays, whoever proposed it: how far it was
 * committed is not on the disk, and of what it acknowledged itself nothing is to be thrown away. */
#ifndef CLUSTER_START_RECOVERY_H
#define CLUSTER_START_RECOVERY_H

#include "base/clock.h"
#include "start/recovery_order.h"
#include "start/replay.h"
#include "start/storage.h"

/* What was lost, as far as the survivor had heard of it, once all that it has is applied: beside
 * what was known of it when the order was given. */
struct recovery_report {
    uint64_t recovery_id; /* of the newest order carried out at this start; 0: none */
    uint64_t lost_records, lost_bytes;
};

/* What an operator puts into a lost node's data folder (membership/returning.h). */
#define RECOVERY_RETURNING_FILE "returning"

/* Carries out the order that the data folder has; 0 at once without one. `options` are those of the
 * node's start; its workers, homes and folders are not used. ERR_CORRUPT and what else the note
 * says: the node can't serve, and must not. `watch` may be NULL. Blocking, before anything is
 * opened.
 */
int recovery_run(const struct storage_options *options, struct identity *identity,
                 const struct clock *clock, const struct replay_watch *watch,
                 struct recovery_report *report, struct err_note *note);

#endif
