/* What rots on a disk: bytes of the WAL, of manifests, of the identity that change at rest.
 *
 * A node whose disk is hit has to find it, when it reads or when it starts, and to come back by
 * itself as another raft id. One node at a time: the majority must keep every record. */
#ifndef SIM_DAMAGE_H
#define SIM_DAMAGE_H

#include "sim/sim_node.h"

enum sim_damage {
    SIM_DAMAGE_WAL,
    SIM_DAMAGE_VOTE, /* a record of term and vote in it */
    SIM_DAMAGE_MANIFEST,
    SIM_DAMAGE_IDENTITY, /* one of its two files, or both */
    SIM_DAMAGE_KINDS
};

#define SIM_PATH_SIZE 200

/* A file of the folder, drawn; false when it has none. */
bool sim_damage_choose_file(struct sim_node *n, const char *folder, char path[SIM_PATH_SIZE]);
/* In bytes; -1 when it can't be opened. */
int64_t sim_damage_size_of(struct sim_node *n, const char *path);

/* Changes some file of the part, in a way that is drawn: flipped bits, a block that lost its write
 * (zeros, or what stood there a while before), one that another write hit, a file cut off or gone.
 * False when there is nothing to change yet. */
bool sim_damage(struct sim_node *n, enum sim_damage part);

/* No disk of the run is damaged, and every node's replicas are voters: one more may be hit. */
bool sim_damage_is_allowed(struct sim *s);

#endif
