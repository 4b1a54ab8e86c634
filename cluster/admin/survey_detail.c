/* Copies out what may change as soon as the shard goes on. */
#include "admin/survey_detail.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/consumer_table.h"
#include "cluster/live_group.h"
#include "consumer/coordinator_parts.h"
#include "site/try.h"

struct taking {
    struct survey_detail *detail;
    struct broker_group *group;
    const struct consumer_table *table; /* being walked */
    size_t group_at;                    /* of the consumer group being walked */
};

/* Room for one more of `size` bytes. */
static void *add(struct survey_detail *d, void **items, size_t *count, size_t *space, size_t size)
{
    if (*count == *space) {
        size_t larger = *space == 0 ? 64 : 2 * *space;
        void *grown = realloc(*items, larger * size);
        d->is_failed |= grown == NULL;
        if (grown == NULL)
            return NULL;
        *items = grown;
        *space = larger;
    }
    return (uint8_t *)*items + (*count)++ * size;
}

static size_t put_text(struct survey_detail *d, struct kafka_string text)
{
    size_t at = d->texts.size;
    byte_list_put(&d->texts, text.data, text.size > 0 ? (size_t)text.size : 0);
    byte_list_put_u8(&d->texts, 0);
    d->is_failed |= d->texts.is_failed;
    return at;
}

static void take_commit(void *data, const struct consumer_offset *offset)
{
    struct taking *t = data;
    struct survey_detail *d = t->detail;
    struct survey_commit *commit = add(d, (void **)&d->commits, &d->commit_count, &d->commit_space,
                                       sizeof *commit);
    if (commit == NULL)
        return;
    *commit = (struct survey_commit){.group_at = t->group_at,
                                     .topic_at = put_text(d, offset->committed.topic),
                                     .partition = offset->committed.partition,
                                     .offset = offset->committed.offset};
}

/* A name that is no text can't be a label; Prometheus would refuse the whole page. */
static bool is_text(struct kafka_string name)
{
    size_t size = name.size > 0 ? (size_t)name.size : 0;
    json_t *text = size == 0 ? json_string("") : json_stringn(name.data, size);
    bool is_sound = text != NULL && (size == 0 || memchr(name.data, 0, size) == NULL);
    json_decref(text);
    return is_sound;
}

static void take_consumer(void *data, const struct consumer_group *group)
{
    struct taking *t = data;
    struct survey_detail *d = t->detail;
    struct group_description description = {0};
    if (site_is_canarys(group->group_id.data, (size_t)group->group_id.size))
        return;
    const struct live_group *live = group_set_find(t->group->coordinator->groups, group->group_id);
    if (live != NULL)
        live_group_describe(live, &description);
    if (d->consumer_count >= d->commits_max ||
        d->commit_count + group->offset_count > d->commits_max || !is_text(group->group_id)) {
        d->consumers_left_out++;
        d->commits_left_out += group->offset_count;
        return;
    }
    struct survey_consumer *consumer = add(d, (void **)&d->consumers, &d->consumer_count,
                                           &d->consumer_space, sizeof *consumer);
    if (consumer == NULL)
        return;
    t->group_at = put_text(d, group->group_id);
    *consumer = (struct survey_consumer){.group_at = t->group_at,
                                         .member_count = description.member_count};
    consumer_table_each_offset(t->table, group->group_id, take_commit, t);
}

static void take_gaps(struct survey_detail *d, const struct log_partition *log,
                      struct survey_partition *partition)
{
    struct survey_gap gap;
    partition->gap_at = d->gap_count;
    for (int64_t at = 0; log_partition_gap(log, at, &gap.from, &gap.until); at = gap.until) {
        struct survey_gap *into = add(d, (void **)&d->gaps, &d->gap_count, &d->gap_space,
                                      sizeof *into);
        if (into == NULL)
            return;
        *into = gap;
        partition->gap_count++;
    }
}

static void take_partition(void *data, struct partition *p)
{
    struct taking *t = data;
    struct survey_detail *d = t->detail;
    bool is_led = machine_is_ready(t->group->machine);
    if (p->moved_index != 0)
        return; /* it is another group's now */
    struct survey_partition *partition = add(d, (void **)&d->partitions, &d->partition_count,
                                             &d->partition_space, sizeof *partition);
    if (partition == NULL)
        return;
    *partition = (struct survey_partition){.group_id = t->group->group_id,
                                           .number = p->number,
                                           .is_led = is_led,
                                           .start_offset = log_partition_start_offset(p->log),
                                           .next_offset = log_partition_next_offset(p->log)};
    take_gaps(d, p->log, partition);
    t->table = p->consumers;
    if (is_led && p->consumers != NULL && t->group->coordinator != NULL)
        consumer_table_each_group(p->consumers, take_consumer, t);
}

void survey_detail_take(struct survey_detail *d, struct broker_group *g)
{
    struct taking t = {.detail = d, .group = g};
    machine_each_partition(g->machine, take_partition, &t);
}

int64_t survey_gap_within(const struct survey_gap *gap, int64_t from, int64_t until)
{
    int64_t begin = gap->from > from ? gap->from : from;
    int64_t end = gap->until < until ? gap->until : until;
    return end > begin ? end - begin : 0;
}

void survey_detail_close(struct survey_detail *d)
{
    free(d->gaps);
    free(d->partitions);
    free(d->consumers);
    free(d->commits);
    free(d->texts.data);
}
