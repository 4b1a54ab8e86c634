/* Lag by topic, of the groups that this node leads. */
#ifndef CLUSTER_ADMIN_LAG_TOPIC_H
#define CLUSTER_ADMIN_LAG_TOPIC_H

#include "admin/survey.h"

struct lag_topic_row {
    const struct metadata_topic *topic; /* NULL: deleted meanwhile, or older than is told apart */
    uint32_t group_id, node_id;
    uint64_t records, bytes;
};

struct lag_topic_rows {
    struct lag_topic_row *rows; /* free */
    unsigned count;
};
/* Of a survey with shares; topics are borrowed from the metadata, whose read lock is held. False
 * without memory. */
bool lag_topic_gather(const struct survey *survey, struct lag_topic_rows *rows);

/* An array, of a survey with shares: per topic, group and replica that lacks some of it. */
json_t *lag_topics_json(const struct survey *survey);

#endif
