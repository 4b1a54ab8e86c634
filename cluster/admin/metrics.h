/* The parts of /metrics: what is of raft groups, and what is of the node. */
#ifndef CLUSTER_ADMIN_METRICS_H
#define CLUSTER_ADMIN_METRICS_H

#include "admin/metric_text.h"
#include "admin/survey.h"

/* metrics_group.c: replicas here, and the lag of all replicas where this node leads. */
void metrics_of_groups(struct metric_text *t, const struct survey *survey);
/* metrics_request.c: client connections, requests, errors. */
void metrics_of_requests(struct metric_text *t, struct broker *b);

#endif
