/* Who this node is, kept in its data folder: never told by an address.
 *
 * The file "node" is written once per change, by rename. An incarnation is drawn when the folder
 * is made; a folder of another cluster or node id is refused. */
#ifndef CLUSTER_IDENTITY_H
#define CLUSTER_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/disk.h"
#include "base/err.h"
#include "base/random.h"

#define IDENTITY_FOUNDERS_MAX 16

/* NEW: nothing known. READY: told the others that it would found with these. FOUNDED: has data. */
enum identity_state { IDENTITY_NEW = 1, IDENTITY_READY = 2, IDENTITY_FOUNDED = 3 };

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
    uint64_t cluster_id[2];   /* when FOUNDED */
    uint32_t groups_per_node; /* READY and FOUNDED: what was agreed */
    unsigned founder_count;   /* READY and FOUNDED */
    struct identity_founder founders[IDENTITY_FOUNDERS_MAX]; /* by node id */
};

/* Reads the file, or draws a new identity and writes it. ERR_OTHER_CLUSTER and ERR_OTHER_NODE
 * with a sentence in the note. Blocking, at start. */
int identity_open(const struct disk *disk, const char *cluster_name, uint32_t node_id,
                  struct random *random, struct identity *identity, struct err_note *note);
/* Makes the identity durable. Blocking. */
int identity_write(const struct disk *disk, const struct identity *identity);

/* The cluster id that these founders agree on: the same for the same set, on every node. */
void identity_cluster_id(const struct identity *identity, uint64_t cluster_id[2]);

#endif
