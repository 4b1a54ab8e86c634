/* The parts of /metrics: what is of raft groups, and what is of the node. */
#ifndef CLUSTER_ADMIN_METRICS_H
#define CLUSTER_ADMIN_METRICS_H

#include "admin/metric_text.h"
#include "admin/survey.h"

/* metrics_group.c: replicas here, and the lag of all replicas where this node leads. */
void metrics_of_groups(struct metric_text *t, const struct survey *survey);
/* metrics_lag.c: totals, what was heard of leaders, round trips, elections. */
void metrics_of_lag(struct metric_text *t, const struct survey *survey);
/* metrics_request.c: client connections, requests, errors. */
void metrics_of_requests(struct metric_text *t, struct broker *b);
/* metrics_kafka.c: the node and the cluster under the names of Kafka's JMX exporter; partitions and
 * consumer groups, see below. The survey is a detailed one. */
void metrics_of_kafka(struct metric_text *t, const struct survey *survey);
/* metrics_partition.c: partitions led here and consumer groups coordinated here, under
 * kafka_exporter's names, within the setting metrics_partitions_max. */
void metrics_of_partitions(struct metric_text *t, const struct survey *survey);

#endif
