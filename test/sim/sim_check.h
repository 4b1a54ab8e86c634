/* The model of what may be seen, and the invariants (design, section 12), checked as things
 * happen. A broken one ends the run by world_violation, named as in the design. */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

#include "sim/sim_call.h"
#include "sim/sim_node.h"

struct sim_check;

struct sim_check *sim_check_create(struct sim *s);

/* An entry as a replica applies it, and what it did to its partition. */
struct sim_applied {
    const struct log_entry *entry;
    const struct repl_entry_head *head;
    int64_t next_before, next_after; /* the partition's next offset; -1: not open */
};
void sim_check_before_apply(struct sim_check *c, struct sim_group *g,
                            const struct sim_applied *applied);
void sim_check_after_apply(struct sim_check *c, struct sim_group *g,
                           const struct sim_applied *applied);
/* The replica begins from a checkpoint or a shipped snapshot. */
void sim_check_restored(struct sim_check *c, struct sim_group *g);

/* The replica says that it leads and may serve. */
void sim_check_leader(struct sim_check *c, struct sim_group *g, uint64_t term);
/* After each turn: roles, votes, configurations. */
void sim_check_turn(struct sim_check *c, struct sim_group *g);

/* Its disk has lost terms and votes, perhaps: what it says of them from now on is the beginning. */
void sim_check_forget_votes(struct sim_check *c, const struct sim_node *n);

/* A producer is about to send this batch, whole and with its checksum. */
void sim_check_sent(struct sim_check *c, uint32_t client, uint64_t number, bool is_idempotent,
                    struct bytes batch);
/* The node answers a success. */
void sim_check_answered(struct sim_check *c, const struct sim_call *call);

/* The last index of the group that anybody was told is done. */
uint64_t sim_check_acknowledged_index(const struct sim_check *c, uint32_t group_id);
/* A fresh read was answered. */
void sim_check_fresh(struct sim_check *c, const struct sim_call *call);

/* Bytes that a node gave to a reader: whole batches from `offset` on. Returns the next offset. */
int64_t sim_check_read(struct sim_check *c, const struct sim_group *g, uint32_t partition,
                       int64_t offset, struct bytes bytes);

/* Client numbers and batch numbers lie in the first record's value. */
#define SIM_CLIENTS_MAX     64
#define SIM_BATCH_MARK_SIZE 16

/* ---- at the end (sim_check_end.c) ---- */

/* All replicas of all groups agree with the leader in what is applied, by checksum and offsets. */
void sim_check_level(struct sim_check *c);
/* Every acknowledged batch is in the model's history, not below which the log start moved. Of two
 * such readings the last one is the final one of the run's history. */
void sim_check_history(struct sim_check *c, bool is_last);
/* A machine on a disk of its own, fed with every entry, comes to the same state. */
void sim_check_replay(struct sim_check *c);
/* Segment files of replicas with the same checkpoint index have the same bytes. */
void sim_check_segments(struct sim_check *c);
/* No request was left without an answer. */
void sim_check_answers(struct sim_check *c);

#endif
