/* Who this node is, kept in its data folder: never told by an address.
 *
 * The files "node.copy" and "node" are written once per change, in this order, each by rename. So
 * "node" is what counts, and the copy is the same or what was about to count: a node whose file is
 * damaged goes on with its copy. An incarnation is drawn when the folder is made, and again when
 * something was damaged that it had promised by (storage.h); a folder of another cluster or node id
 * is refused. */
#ifndef CLUSTER_START_IDENTITY_H
#define CLUSTER_START_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/disk.h"
#include "base/err.h"
#include "base/random.h"

#define IDENTITY_FOUNDERS_MAX 16

/* NEW: nothing known. READY: told the others that it would found with these. FOUNDED: has data. */
enum identity_state {
    IDENTITY_NEW = 1,
    IDENTITY_READY = 2,
    IDENTITY_FOUNDED = 3,
    IDENTITY_LOST = 4 /* both files are gone or damaged and there is data: it founds nothing, and
                         waits to be told by its cluster who it is */
};

struct identity_founder {
    uint32_t node_id;
    uint64_t incarnation;
    char site[32];
};

struct identity {
    char cluster_name[64];
    uint32_t node_id;
    uint64_t incarnation; /* 48 bits, random, never 0 */
    enum identity_state state;
    bool is_rebuilt;          /* FOUNDED: joined with an empty folder, began with no replica */
    bool has_wal;             /* a write-ahead log was made: an empty one would be damage */
    uint16_t set_aside_count; /* write-ahead logs set aside so far (storage.h) */
    uint64_t cluster_id[2];   /* when FOUNDED */
    uint16_t group_count;     /* raft groups that this folder has opened, also later than at the
                                 founding; 0: those of the founding */
    uint32_t groups_per_node; /* READY and FOUNDED: what was agreed */
    unsigned founder_count;   /* READY and FOUNDED */
    struct identity_founder founders[IDENTITY_FOUNDERS_MAX]; /* by node id */
};

/* Reads the file, or draws a new identity and writes it: NEW in an empty folder, LOST in one with
 * data, here or where the WAL is. What was damaged is told by an event. ERR_OTHER_CLUSTER and
 * ERR_OTHER_NODE with a sentence in the note. Blocking, at start. */
int identity_open(const struct disk *disk, const struct disk *wal_disk, const char *cluster_name,
                  uint32_t node_id, struct random *random, struct identity *identity,
                  struct err_note *note);
/* Makes the identity durable. Blocking. */
int identity_write(const struct disk *disk, const struct identity *identity);
/* Another incarnation, not yet written. */
void identity_draw_incarnation(struct identity *identity, struct random *random);

/* The cluster id that these founders agree on: the same for the same set, on every node. */
void identity_cluster_id(const struct identity *identity, uint64_t cluster_id[2]);

#endif
