/* Which consumer groups would have no member left, if sites were lost.
 *
 * A member stands in the site that its subscription names as its rack (ConsumerProtocolSubscription
 * from version 3 on); where it names none, in the lost sites when its address is that of a node
 * there and of no node elsewhere. Of any other member nobody knows where it stands: it counts as
 * one that lives, and how many such there are is said. */
#ifndef CLUSTER_ADMIN_LOST_MEMBERS_H
#define CLUSTER_ADMIN_LOST_MEMBERS_H

#include "broker.h"

#define LOST_SITES_MAX 5
#define LOST_NAMES_MAX 20
#define LOST_NAME_SIZE 256

/* The question; constant while shards look. */
struct lost_sites {
    unsigned count; /* 0: it is not asked */
    char names[LOST_SITES_MAX][32];
    unsigned host_count;
    struct {
        char host[256];
        bool is_lost;
    } hosts[METADATA_NODES_MAX * 2];
};
/* Fills in the hosts. Takes the metadata's read lock. */
void lost_sites_find_hosts(struct broker *b, struct lost_sites *sites);

/* The answer, of the consumer groups of one raft group. */
struct lost_members {
    unsigned groups;            /* with members */
    unsigned groups_left_empty; /* all of whose members stand in the lost sites */
    unsigned members, members_lost, members_not_known;
    unsigned name_count; /* of the first that would be empty */
    char names[LOST_NAMES_MAX][LOST_NAME_SIZE];
};
/* On the raft group's shard. */
void lost_members_count(struct broker_group *g, const struct lost_sites *sites,
                        struct lost_members *into);

#endif
