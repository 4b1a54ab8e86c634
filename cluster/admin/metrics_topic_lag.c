/* What replicas lack, by topic: a topic's partitions lie in several raft groups, of which this node
 * leads some, so a sum over all nodes is the topic's. Only topics of which somebody lacks something
 * have series. */
#include <stdio.h>
#include <stdlib.h>

#include "admin/lag_topic.h"
#include "admin/metrics.h"

static int by_topic(const void *a, const void *b)
{
    const struct lag_topic_row *one = a, *other = b;
    if (one->topic != other->topic)
        return ((uintptr_t)one->topic > (uintptr_t)other->topic) -
               ((uintptr_t)one->topic < (uintptr_t)other->topic);
    return (one->node_id > other->node_id) - (one->node_id < other->node_id);
}

/* Over raft groups: one row for each topic and node. */
static void join(struct lag_topic_rows *rows)
{
    unsigned count = 0;
    if (rows->count > 0)
        qsort(rows->rows, rows->count, sizeof rows->rows[0], by_topic);
    for (unsigned i = 0; i < rows->count; i++) {
        struct lag_topic_row *last = count == 0 ? NULL : &rows->rows[count - 1];
        if (last == NULL || by_topic(last, &rows->rows[i]) != 0) {
            rows->rows[count++] = rows->rows[i];
            continue;
        }
        last->records += rows->rows[i].records;
        last->bytes += rows->rows[i].bytes;
    }
    rows->count = count;
}

static void add(struct metric_text *t, const struct metadata *m, const struct lag_topic_rows *rows,
                size_t max, bool is_bytes)
{
    metric_family(t, is_bytes ? "trilog_topic_lag_bytes" : "trilog_topic_lag_records", METRIC_GAUGE,
                  is_bytes ? "Bytes of them"
                           : "Records of a topic that a node's replicas lack, where they are led");
    for (unsigned i = 0; i < rows->count && i < max; i++) {
        const struct lag_topic_row *row = &rows->rows[i];
        const struct metadata_node *node = metadata_node_by_id(m, row->node_id);
        char id[16];
        snprintf(id, sizeof id, "%u", row->node_id);
        metric_whole(t, "", is_bytes ? row->bytes : row->records, 3, "topic",
                     row->topic == NULL ? "" : row->topic->name, "replica_node", id, "replica_site",
                     node == NULL ? "" : node->site);
    }
}

size_t metrics_of_topic_lag(struct metric_text *t, const struct survey *survey, size_t max)
{
    struct lag_topic_rows rows;
    metadata_read_lock(survey->broker->metadata);
    if (lag_topic_gather(survey, &rows)) {
        join(&rows);
        add(t, survey->broker->metadata, &rows, max, false);
        add(t, survey->broker->metadata, &rows, max, true);
    } else {
        t->is_failed = true;
    }
    metadata_read_unlock(survey->broker->metadata);
    free(rows.rows);
    return rows.count > max ? rows.count - max : 0;
}
