/* Partitions that move from group to group while the rest goes on, by the daemon's own steps
 * (cluster/move_step.h), with the real metadata (sim_metadata.h): each node knows what it has
 * itself applied of it, and reports to it get lost.
 *
 * A partition is known by its home: group and number under which it was opened. In a run without
 * moves everything is at home. */
#ifndef SIM_MOVES_H
#define SIM_MOVES_H

#include "sim/sim_history.h"
#include "sim/sim_node.h"

/* Before the nodes start: group 0's state, which knows the groups and all their partitions. */
void sim_moves_found(struct sim *s);
/* The metadata has changed. */
void sim_moves_note(void);
/* From now on partitions with clients move to and fro. */
void sim_moves_start(struct sim *s);
/* No further ones. */
void sim_moves_settle(struct sim *s);
/* No move is under way, and every node has the files of what it has. */
bool sim_moves_are_over(struct sim *s, void *data);

/* A process's part in the moves, in its tick. */
void sim_moves_tick(struct sim_life *life);

/* Where a client believes it is: of any node's knowledge. */
struct sim_place sim_moves_place(struct sim *s, struct sim_place home);
/* Where it is, and with what it counts its epochs there. */
struct sim_place sim_moves_true_place(const struct sim *s, struct sim_place home,
                                      int32_t *epoch_base);
/* {0, 0} for a number that was never given to a partition. */
struct sim_place sim_moves_home(const struct sim *s, struct sim_place place);
struct log_partition_id sim_moves_id(const struct sim *s, struct sim_place home);
/* Of group 0's state, for entries that open and close. */
uint64_t sim_moves_version(const struct sim *s);

/* Is the process fetching files that its disk never had? */
bool sim_moves_lack_files(const struct sim_life *life);

#endif
