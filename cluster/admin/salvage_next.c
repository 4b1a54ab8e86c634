/* Partition after partition of what lies aside: which topic it is, and where its log and the live
 * one part. The live one is this node's own replica: it has begun anew from the survivor's
 * checkpoint, so all that the survivor had of before is in it, however far it lags behind what is
 * new. */
#include <stdio.h>
#include <string.h>

#include "admin/salvage.h"
#include "base/err.h"
#include "log/salvage.h"

#define TAILS_MAX 1000 /* told of one call; it answers then */

/* ---- the partition is done, or told ---- */

static void done_with_partition(struct salvage *s)
{
    s->place++;
    s->has_gone_on = true;
}

static void tell(struct salvage *s, const char *trouble)
{
    json_array_append_new(
        s->tails, json_pack("{s:s, s:i, s:s, s:I, s:I, s:I, s:o}", "topic", s->topic, "partition",
                            (int)salvage_store_row(s->store, s->place)->id.partition,
                            "salvage_topic", s->target, "lost_from", (json_int_t)s->parting,
                            "lost_until", (json_int_t)s->end, "left_out", s->left_out, "trouble",
                            trouble == NULL ? json_null() : json_string(trouble)));
    done_with_partition(s);
}

void salvage_leave(struct salvage *s, const char *trouble)
{
    char text[80];
    snprintf(text, sizeof text, "%lld records were too large, or could not be taken apart",
             (long long)s->left_out);
    tell(s, trouble == NULL && s->left_out > 0 ? text : trouble);
    salvage_next(s);
}

/* ---- where it parts ---- */

static void on_parting(struct salvage *s)
{
    s->from = s->parting;
    if (s->from >= s->end) {
        done_with_partition(s);
        salvage_next(s);
    } else if (!salvage_store_row(s->store, s->place)->has_files) {
        salvage_leave(s, "it was moving to another raft group: its files are not there");
    } else {
        salvage_bring(s);
    }
}

static void on_looked(struct work_item *item)
{
    struct salvage *s = item->data;
    if (!salvage_is_back(s))
        return;
    if (s->err != 0)
        salvage_wait(s, "this node's new replica is not there yet");
    else
        on_parting(s);
}

/* On the shard of the group that has the partition now. */
static void on_shard(struct work_item *item)
{
    struct salvage *s = item->data;
    struct broker_group *g = s->broker->groups[s->live.group_id];
    struct partition *p = machine_partition(g->machine, s->live.number);
    s->err = p == NULL ? ERR_NOT_FOUND : 0;
    if (s->err == 0)
        s->parting = log_partition_parting(salvage_store_row(s->store, s->place)->log, p->log);
    salvage_come_back(s, on_looked);
}

static void look_for_parting(struct salvage *s)
{
    const struct salvage_row *row = salvage_store_row(s->store, s->place);
    bool is_there = s->is_live && broker_find_partition(s->broker, s->topic, strlen(s->topic),
                                                        row->id.partition, &s->live) == 0;
    s->parting = log_partition_start_offset(row->log);
    s->end = log_partition_next_offset(row->log);
    if (!is_there) {
        on_parting(s); /* the topic, or the partition, is not: all of it is lost */
    } else if (broker_group(s->broker, s->live.group_id) == NULL) {
        salvage_leave(s, "this node has no replica of its raft group: nothing to compare with");
    } else {
        s->is_away = true;
        broker_group_post(s->broker->groups[s->live.group_id], &s->item, on_shard);
    }
}

/* ---- which topic ---- */

/* False: clients have no business with it, or nobody knows it. */
static bool name_topic(struct salvage *s, struct metadata *m, const uint8_t id[16])
{
    if (m == NULL)
        return false;
    metadata_read_lock(m);
    const struct metadata_topic *t = metadata_topic_by_id(m, id);
    bool is_known = t != NULL && !t->is_internal;
    if (is_known) {
        bytes_copy_text(s->topic, sizeof s->topic, t->name);
        if (t->partition_count > s->partition_count)
            s->partition_count = t->partition_count;
    }
    metadata_read_unlock(m);
    return is_known;
}

/* As the cluster names it now; a topic that only the lost side knew, as that did. */
static bool find_topic(struct salvage *s)
{
    const uint8_t *id = salvage_store_row(s->store, s->place)->id.topic_id;
    s->partition_count = 0;
    s->left_out = 0;
    s->target[0] = '\0';
    bool was_known = name_topic(s, salvage_store_metadata(s->store), id);
    s->is_live = name_topic(s, s->broker->metadata, id);
    return was_known || s->is_live;
}

static bool is_empty(const struct salvage *s)
{
    const struct log_partition *p = salvage_store_row(s->store, s->place)->log;
    return log_partition_start_offset(p) == log_partition_next_offset(p);
}

void salvage_next(struct salvage *s)
{
    unsigned count = salvage_store_count(s->store);
    while (s->place < count && (is_empty(s) || !find_topic(s)))
        done_with_partition(s);
    if (s->place == count || json_array_size(s->tails) >= TAILS_MAX || salvage_is_enough(s))
        salvage_answer(s);
    else
        look_for_parting(s);
}
