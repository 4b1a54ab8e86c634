/* The parts of /metrics: what is of raft groups, and what is of the node. */
#ifndef CLUSTER_ADMIN_METRICS_H
#define CLUSTER_ADMIN_METRICS_H

#include "base/metric_text.h"
#include "admin/survey.h"

/* metrics_group.c: replicas here, and the lag of all replicas where this node leads. */
void metrics_of_groups(struct metric_text *t, const struct survey *survey);
/* metrics_lag.c: totals, what was heard of leaders, round trips, elections. */
void metrics_of_lag(struct metric_text *t, const struct survey *survey);
/* metrics_site.c: the verdict on sites, and what is heard of them. */
void metrics_of_sites(struct metric_text *t, struct broker *b);
/* metrics_request.c: client connections, requests, errors. */
void metrics_of_requests(struct metric_text *t, struct broker *b);
/* metrics_kafka.c: the node and the cluster under the names of Kafka's JMX exporter; partitions and
 * consumer groups, see below. The survey is a detailed one. */
void metrics_of_kafka(struct metric_text *t, const struct survey *survey);
/* metrics_topic_lag.c: what replicas lack of each topic, where this node leads: of so many topics
 * and replicas at most. Returns how many are left out. The survey has shares. */
size_t metrics_of_topic_lag(struct metric_text *t, const struct survey *survey, size_t max);
/* metrics_member.c: consumer groups that the loss of a site would leave without a member. The look
 * goes with the survey; false without memory. */
bool metrics_member_look(struct broker *b, struct survey_look *look);
void metrics_of_members(struct metric_text *t, const struct survey *survey);
/* metrics_partition.c: partitions led here and consumer groups coordinated here, under
 * kafka_exporter's names, within the setting metrics_partitions_max. */
void metrics_of_partitions(struct metric_text *t, const struct survey *survey);

#endif
