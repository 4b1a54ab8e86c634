/* What group 0's leader does about planned switches and lost sites.
 *
 * It moves no leader itself: each group's leader goes where group 0's state sends it (member.c,
 * metadata_leader_of). It looks whether they have arrived and says so, or past the deadline says
 * that all is to be as before. A site of which every node is silent raises the failover epoch. */
#ifndef CLUSTER_MEMBERSHIP_SWITCH_DRIVE_H
#define CLUSTER_MEMBERSHIP_SWITCH_DRIVE_H

#include "broker.h"

/* On group 0's shard, a few times a second. */
void switch_drive(struct broker_group *g);
/* What group 0 should be told next; false: nothing. On group 0's shard. */
bool switch_drive_next(struct broker *b, struct metadata_switch_change *change);

struct switch_progress {
    unsigned group_count;   /* leaders that a switch concerns */
    unsigned arrived_count; /* of them, where they are to be */
    uint32_t waiting_group; /* one that is not, when there is one */
};
/* Of the switch under way; under the metadata's read lock or on group 0's shard. */
void switch_progress_of(struct broker *b, struct switch_progress *progress);

/* How long nobody is answered in a group that is handed from one node to another: by the handovers
 * and round trips that were measured lately. -1: nothing was. Any thread. */
int64_t switch_expected_pause_ms(struct broker *b);
/* The same of these: how long a message takes to and fro, and a new leader from standing to
 * serving; 0: not measured. Pure. */
int64_t switch_pause_ms(uint32_t round_trip_us, uint32_t stood_to_served_ms);

#endif
