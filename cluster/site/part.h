/* A node's part in the verdict on sites, whatever is around it: it follows what is agreed, tells
 * the others what it has found, and where it leads group 0 proposes what its judge decides.
 *
 * Clock, network and group 0 are its caller's: the daemon's (drive.h), or the simulation's. */
#ifndef CLUSTER_SITE_PART_H
#define CLUSTER_SITE_PART_H

#include "cluster/metadata.h"
#include "site/board.h"

/* The first byte of what nodes tell each other here. */
#define SITE_MESSAGE_TYPE 6

/* Of one node, as it is now. All borrowed for the call. */
struct site_around {
    void *data;
    const struct metadata *metadata; /* as this node has applied it */
    struct site_board *board;
    uint32_t node_id;
    const char *site;
    bool is_ready;    /* it leads group 0, and has applied what there is */
    bool has_no_path; /* nobody tries the real path: signs of life are all that is reported */
    bool (*is_alive)(void *data, uint32_t node_id);
    void (*tell)(void *data, struct bytes message); /* to all other nodes; it may be lost */
    void (*propose)(void *data, const struct metadata_change *change); /* that, too */
};

/* What it remembers; all 0 at first. */
struct site_part {
    uint64_t run_at_ms;
    uint64_t epoch;          /* of the verdict that it follows */
    uint64_t proposed_epoch; /* of what was last proposed */
    uint64_t proposed_at_ms;
    uint64_t heard_at_ms; /* when it last reported who is heard */
};

/* Called every tick; it does something ten times a second, and says whether it did. Group 0's
 * shard, as all here. */
bool site_part_run(struct site_part *part, const struct site_around *around, uint64_t now_ms);
/* What another node told. Malformed messages are ignored. */
void site_part_take(const struct site_around *around, uint32_t from_node_id, struct bytes message,
                    uint64_t now_ms);

/* The first verdict, or the one that follows `previous` where other sites have nodes now: false
 * when nothing is to be said, or not all of them are known yet. Group 0's shard, or its lock. */
bool site_next_of_nodes(const struct metadata *m, struct router_verdict *next);

#endif
