/* Lag by topic, of the groups that this node leads. */
#ifndef CLUSTER_ADMIN_LAG_TOPIC_H
#define CLUSTER_ADMIN_LAG_TOPIC_H

#include "admin/survey.h"

/* An array, of a survey with shares: per topic, group and replica that lacks some of it. */
json_t *lag_topics_json(const struct survey *survey);

#endif
