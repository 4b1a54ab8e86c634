/* What one node says about the cluster: Kafka's Metadata, seen with a stock client. */
#ifndef DEMO_VIEW_H
#define DEMO_VIEW_H

#include <stdbool.h>
#include <stdint.h>

#include "cluster.h"
#include "ledger.h"

#define VIEW_NO_LEADER (-1)

struct view_partition {
    int leader;                  /* a site's index, or VIEW_NO_LEADER */
    bool in_sync[CLUSTER_SITES]; /* by site: its replica is level */
};

struct view {
    int broker_count;    /* sites that are up, in this node's eyes */
    int partition_count; /* of the topic; 0 when it is not there */
    struct view_partition partitions[LEDGER_PARTITIONS_MAX];
};

/* Asks the node of one site, by a new connection, and nobody else. `topic` may be NULL.
 * Returns 0, or -1 when there was no answer within the time. */
int view_take(struct view *view, const struct cluster *cluster, int site, const char *topic,
              int timeout_ms);

/* All sites are up; with a topic of `partition_count`, each has a leader and is level. */
bool view_is_healthy(const struct view *view, int partition_count);

/* Each partition has a leader, and this site's replica is level in all of them. */
bool view_is_level(const struct view *view, int partition_count, int site);

/* The site that leads most partitions; the first of equals. */
int view_leads_most(const struct view *view);
int view_led_count(const struct view *view, int site);

/* Makes a topic with a replica in every site, acknowledged by two. -1 after a sentence. */
int view_create_topic(const struct cluster *cluster, const char *topic, int partition_count);

#endif
