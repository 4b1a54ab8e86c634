/* What replicas lack, topic by topic: partitions' shares joined by the metadata. */
#include "admin/lag_topic.h"

#include <stdlib.h>
#include <string.h>

#define TOPIC_ROWS_MAX 4096 /* of an answer */

static void add_row(struct lag_topic_rows *rows, const struct lag_topic_row *more)
{
    for (unsigned i = rows->count; i > 0; i--) {
        struct lag_topic_row *r = &rows->rows[i - 1];
        if (r->group_id != more->group_id || r->node_id != more->node_id)
            break; /* rows of a replica stand together */
        if (r->topic == more->topic) {
            r->records += more->records;
            r->bytes += more->bytes;
            return;
        }
    }
    if (rows->count < TOPIC_ROWS_MAX)
        rows->rows[rows->count++] = *more;
}

/* What is behind the shares is not told apart: it is one row without a topic. */
static void add_replica(struct lag_topic_rows *rows, const struct metadata *m,
                        const struct survey_group *view, const struct repl_replica_status *r)
{
    uint32_t node_id = repl_raft_id_node(r->member.raft_id);
    uint64_t records = 0, bytes = 0;
    for (unsigned i = 0; i < view->share_count; i++) {
        const struct survey_share *s = &view->shares[i];
        int32_t partition;
        if (s->node_id != node_id)
            continue;
        struct lag_topic_row row = {.topic = metadata_topic_of(m, view->raft.group_id,
                                                               s->share.partition_number,
                                                               &partition),
                                    .group_id = view->raft.group_id,
                                    .node_id = node_id,
                                    .records = s->share.records,
                                    .bytes = s->share.bytes};
        add_row(rows, &row);
        records += row.records;
        bytes += row.bytes;
    }
    if (r->lag_records > records)
        add_row(rows,
                &(struct lag_topic_row){.group_id = view->raft.group_id,
                                        .node_id = node_id,
                                        .records = r->lag_records - records,
                                        .bytes = r->lag_bytes > bytes ? r->lag_bytes - bytes : 0});
}

static void add_group(struct lag_topic_rows *rows, const struct metadata *m,
                      const struct survey_group *view)
{
    for (unsigned i = 0; i < view->raft.replica_count; i++)
        if (view->raft.replicas[i].lag_records > 0 && view->raft.replicas[i].match_index > 0)
            add_replica(rows, m, view, &view->raft.replicas[i]);
}

static json_t *row_json(const struct metadata *m, const struct lag_topic_row *row)
{
    const struct metadata_node *node = metadata_node_by_id(m, row->node_id);
    return json_pack("{s:o, s:i, s:i, s:s, s:I, s:I}", "topic",
                     row->topic == NULL ? json_null() : json_string(row->topic->name), "group_id",
                     (int)row->group_id, "node_id", (int)row->node_id, "site",
                     node == NULL ? "" : node->site, "lag_records", (json_int_t)row->records,
                     "lag_bytes", (json_int_t)row->bytes);
}

bool lag_topic_gather(const struct survey *survey, struct lag_topic_rows *rows)
{
    *rows = (struct lag_topic_rows){.rows = calloc(TOPIC_ROWS_MAX, sizeof *rows->rows)};
    if (rows->rows == NULL)
        return false;
    for (uint32_t id = 1; id < survey->group_count; id++) { /* group 0 has no topics */
        const struct survey_group *view = survey_group(survey, id);
        if (view != NULL && view->is_serving)
            add_group(rows, survey->broker->metadata, view);
    }
    return true;
}

json_t *lag_topics_json(const struct survey *survey)
{
    const struct metadata *m = survey->broker->metadata;
    struct lag_topic_rows rows;
    json_t *json = json_array();
    metadata_read_lock(survey->broker->metadata);
    if (lag_topic_gather(survey, &rows))
        for (unsigned i = 0; i < rows.count; i++)
            json_array_append_new(json, row_json(m, &rows.rows[i]));
    metadata_read_unlock(survey->broker->metadata);
    free(rows.rows);
    return json;
}
