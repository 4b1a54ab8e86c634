/* The cluster's metadata in the simulation: the real state (cluster/metadata.h) in a raft group of
 * its own, which stands for group 0. Each node serves from what it has itself applied.
 *
 * The truth is what the first replica to apply each entry has: so far as anybody could know. */
#ifndef SIM_METADATA_H
#define SIM_METADATA_H

#include "cluster/metadata.h"
#include "sim/sim_check.h"

/* Before the nodes start: they have the group, and someone founds the cluster in it and then makes
 * these topics. Borrowed names. */
struct sim_topic {
    const char *name;
    uint8_t mark; /* its id's first byte */
    int32_t partition_count;
};
void sim_metadata_found(struct sim *s, const struct sim_topic *topics, unsigned count);
/* Has all of that been committed? */
bool sim_metadata_is_founded(void);

/* With the process. */
int sim_metadata_open(struct sim_life *life);
/* For a replay of the group's entries: a state of its own. NULL for another group. */
struct metadata *sim_metadata_create(uint32_t group_id);

/* NULL when there is no such group. */
const struct metadata *sim_metadata_truth(void);
/* As a node knows it that is asked now: NULL when it is down. */
const struct metadata *sim_metadata_of(const struct sim_node *n);

/* Sends the change to who leads the group, once; what becomes of it is seen in the state. */
void sim_metadata_propose(struct sim *s, const struct metadata_change *change);
/* The same, by the leader's own process, at once. */
void sim_metadata_submit(struct sim_group *g, const struct metadata_change *change);

/* An entry was applied for the first time. */
void sim_metadata_entry(struct sim *s, const struct sim_applied *applied);

/* A forced recovery: nothing of it is so any more; then each entry that is kept is told again; then
 * the one that begins the new generation. */
void sim_metadata_forget(void);
void sim_metadata_again(struct sim *s, const struct sim_applied *applied);
void sim_metadata_recovered(struct sim *s, const struct sim_applied *applied);

#endif
