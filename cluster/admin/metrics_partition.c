/* Partitions and consumer groups under kafka_exporter's names (danielqsj/kafka_exporter).
 *
 * A partition's series come from the node that leads it, a consumer group's from the one that
 * coordinates it, the topics' from the controller: together the nodes have what one exporter would
 * have, each series once. There is a bound, metrics_partitions_max, on partitions, on topics and on
 * committed offsets, each: beyond it the rest is left out and counted. Which are shown does not
 * change from one scrape to the next: partitions in the order in which raft groups took them in. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/metrics.h"
#include "membership/level.h"
#include "site/try.h"

/* A partition that is shown. */
struct partition_line {
    char topic[METADATA_TOPIC_NAME_MAX + 1];
    char partition[12];
    int64_t start_offset, next_offset;
    unsigned voter_count, in_sync_count;
    bool is_preferred; /* led where it is to be led */
};

/* A consumer group that is shown. */
struct consumer_line {
    const char *group; /* in the survey */
    uint32_t member_count;
};

/* A committed offset that is shown. */
struct commit_line {
    const char *group, *topic; /* in the survey */
    char partition[12];
    int32_t index;
    uint64_t offset;
    bool is_end_known; /* a replica of the partition is here */
    uint64_t lag;
};

/* One that has a replica here. */
struct known_partition {
    struct survey_partition is; /* first: sorted and found by it */
    const struct survey_gap *gaps;
};

struct lines {
    const struct survey *survey;
    size_t max;
    struct known_partition *all; /* by raft group and number */
    size_t all_count;
    struct partition_line *partitions;
    size_t partition_count;
    uint64_t partitions_left_out, topics_left_out, topic_lags_left_out;
    struct consumer_line *consumers;
    size_t consumer_count;
    struct commit_line *commits;
    size_t commit_count;
    uint64_t consumers_left_out, commits_left_out;
};

static const struct survey_detail *detail_of(const struct survey *survey, unsigned shard)
{
    const struct survey_shard *s = &survey->shards[shard];
    return s->has_answered && !s->detail.is_failed ? &s->detail : NULL;
}

/* ---- partitions ---- */

static int by_number(const void *a, const void *b)
{
    const struct survey_partition *first = &((const struct known_partition *)a)->is,
                                  *second = &((const struct known_partition *)b)->is;
    if (first->group_id != second->group_id)
        return first->group_id < second->group_id ? -1 : 1;
    return (first->number > second->number) - (first->number < second->number);
}

static bool gather_partitions(struct lines *l)
{
    size_t count = 0;
    for (unsigned i = 0; i < l->survey->shard_count; i++)
        if (detail_of(l->survey, i) != NULL)
            count += detail_of(l->survey, i)->partition_count;
    l->all = malloc((count + 1) * sizeof *l->all);
    if (l->all == NULL)
        return false;
    for (unsigned i = 0; i < l->survey->shard_count; i++) {
        const struct survey_detail *d = detail_of(l->survey, i);
        if (d == NULL || d->partition_count == 0)
            continue;
        for (size_t p = 0; p < d->partition_count; p++)
            l->all[l->all_count++] = (struct known_partition){
                .is = d->partitions[p],
                .gaps = d->partitions[p].gap_count == 0 ? NULL : d->gaps + d->partitions[p].gap_at};
    }
    qsort(l->all, l->all_count, sizeof *l->all, by_number);
    return true;
}

static void fill_line(struct broker *b, const struct survey_partition *p,
                      struct partition_line *line)
{
    uint64_t voters, learners;
    const struct metadata_group *group = metadata_group_by_id(b->metadata, p->group_id);
    level_members(b, p->group_id, &voters, &learners);
    for (uint32_t id = 1; id < 64; id++) {
        line->voter_count += level_mask_has(voters, id);
        line->in_sync_count += level_mask_has(voters, id) && level_is_in_sync(b, p->group_id, id);
    }
    line->start_offset = p->start_offset;
    line->next_offset = p->next_offset;
    line->is_preferred = group != NULL && group->preferred_node_id == (uint32_t)b->conf.node_id;
}

/* Those led here that a topic still has. */
static bool choose_partitions(struct lines *l)
{
    struct broker *b = l->survey->broker;
    l->partitions = calloc(l->max + 1, sizeof *l->partitions);
    if (l->partitions == NULL)
        return false;
    metadata_read_lock(b->metadata);
    for (size_t i = 0; i < l->all_count; i++) {
        int32_t index;
        const struct survey_partition *p = &l->all[i].is;
        const struct metadata_topic *t = !p->is_led ? NULL
                                                    : metadata_topic_of(b->metadata, p->group_id,
                                                                        p->number, &index);
        if (t == NULL || site_is_canarys(t->name, strlen(t->name)))
            continue;
        if (l->partition_count == l->max) {
            l->partitions_left_out++;
            continue;
        }
        struct partition_line *line = &l->partitions[l->partition_count++];
        bytes_copy_text(line->topic, sizeof line->topic, t->name);
        snprintf(line->partition, sizeof line->partition, "%d", index);
        fill_line(b, p, line);
    }
    metadata_read_unlock(b->metadata);
    return true;
}

enum partition_value { CURRENT, OLDEST, LEADER, PREFERRED, REPLICAS, IN_SYNC, UNDER };

static void add_partitions(struct metric_text *t, const struct lines *l, enum partition_value which,
                           const char *name, const char *help)
{
    metric_family(t, name, METRIC_GAUGE, help);
    for (size_t i = 0; i < l->partition_count; i++) {
        const struct partition_line *line = &l->partitions[i];
        const uint64_t values[] = {
            [CURRENT] = (uint64_t)line->next_offset,
            [OLDEST] = (uint64_t)line->start_offset,
            [LEADER] = (uint64_t)l->survey->broker->conf.node_id,
            [PREFERRED] = line->is_preferred,
            [REPLICAS] = line->voter_count,
            [IN_SYNC] = line->in_sync_count,
            [UNDER] = line->in_sync_count < line->voter_count,
        };
        metric_whole(t, "", values[which], 2, "topic", line->topic, "partition", line->partition);
    }
}

/* ---- topics, at the controller ---- */

struct topic_lines {
    struct metric_text *text;
    struct lines *lines;
    size_t count;
};

static void add_topic(void *data, const struct metadata_topic *topic)
{
    struct topic_lines *t = data;
    if (site_is_canarys(topic->name, strlen(topic->name)))
        return;
    if (t->count++ >= t->lines->max)
        t->lines->topics_left_out++;
    else
        metric_whole(t->text, "", (uint64_t)topic->partition_count, 1, "topic", topic->name);
}

static void add_topics(struct metric_text *t, struct lines *l)
{
    struct topic_lines topics = {.text = t, .lines = l};
    const struct survey_group *view = survey_group(l->survey, 0);
    if (view == NULL || !view->is_serving)
        return;
    metric_family(t, "kafka_topic_partitions", METRIC_GAUGE, "Partitions of a topic");
    metadata_read_lock(l->survey->broker->metadata);
    metadata_each_topic(l->survey->broker->metadata, add_topic, &topics);
    metadata_read_unlock(l->survey->broker->metadata);
}

/* ---- consumer groups ---- */

/* Up to where the partition ends as far as this node has applied it, without gaps; false when it
 * has no replica. */
static bool find_lag(const struct lines *l, const char *topic, int32_t index, int64_t committed,
                     uint64_t *lag)
{
    struct broker_place place;
    if (broker_find_partition(l->survey->broker, topic, strlen(topic), index, &place) != 0)
        return false;
    struct known_partition key = {.is = {.group_id = place.group_id, .number = place.number}};
    const struct known_partition *p = bsearch(&key, l->all, l->all_count, sizeof *l->all,
                                              by_number);
    if (p == NULL)
        return false;
    int64_t records = p->is.next_offset - committed;
    for (unsigned i = 0; i < p->is.gap_count; i++)
        records -= survey_gap_within(&p->gaps[i], committed, p->is.next_offset);
    *lag = records > 0 ? (uint64_t)records : 0;
    return true;
}

static int by_group(const void *a, const void *b)
{
    const struct commit_line *first = a, *second = b;
    int order = strcmp(first->group, second->group);
    if (order == 0)
        order = strcmp(first->topic, second->topic);
    return order != 0 ? order : (first->index > second->index) - (first->index < second->index);
}

static void fill_commit(const struct lines *l, const struct survey_detail *d,
                        const struct survey_commit *commit, struct commit_line *line)
{
    line->group = (const char *)d->texts.data + commit->group_at;
    line->topic = (const char *)d->texts.data + commit->topic_at;
    line->index = commit->partition;
    line->offset = (uint64_t)commit->offset;
    snprintf(line->partition, sizeof line->partition, "%d", line->index);
    line->is_end_known = find_lag(l, line->topic, line->index, commit->offset, &line->lag);
}

/* A consumer group with all its offsets, which begin at *at in the survey, or nothing of it. */
static void take_consumer(struct lines *l, const struct survey_detail *d,
                          const struct survey_consumer *consumer, size_t *at)
{
    size_t end = *at;
    while (end < d->commit_count && d->commits[end].group_at == consumer->group_at)
        end++;
    if (l->consumer_count == l->max || l->commit_count + (end - *at) > l->max) {
        l->consumers_left_out++;
        l->commits_left_out += end - *at;
    } else {
        struct consumer_line *line = &l->consumers[l->consumer_count++];
        line->group = (const char *)d->texts.data + consumer->group_at;
        line->member_count = consumer->member_count;
        for (size_t i = *at; i < end; i++)
            fill_commit(l, d, &d->commits[i], &l->commits[l->commit_count++]);
    }
    *at = end;
}

static bool gather_consumers(struct lines *l)
{
    l->consumers = calloc(l->max + 1, sizeof *l->consumers);
    l->commits = calloc(l->max + 1, sizeof *l->commits);
    if (l->consumers == NULL || l->commits == NULL)
        return false;
    for (unsigned i = 0; i < l->survey->shard_count; i++) {
        const struct survey_detail *d = detail_of(l->survey, i);
        size_t at = 0;
        for (size_t c = 0; d != NULL && c < d->consumer_count; c++)
            take_consumer(l, d, &d->consumers[c], &at);
        l->consumers_left_out += d == NULL ? 0 : d->consumers_left_out;
        l->commits_left_out += d == NULL ? 0 : d->commits_left_out;
    }
    qsort(l->commits, l->commit_count, sizeof l->commits[0], by_group);
    return true;
}

static void add_commits(struct metric_text *t, const struct lines *l, bool is_lag, const char *name,
                        const char *help)
{
    metric_family(t, name, METRIC_GAUGE, help);
    for (size_t i = 0; i < l->commit_count; i++) {
        const struct commit_line *line = &l->commits[i];
        if (!is_lag || line->is_end_known)
            metric_whole(t, "", is_lag ? line->lag : line->offset, 3, "consumergroup", line->group,
                         "topic", line->topic, "partition", line->partition);
    }
}

/* Over a topic's partitions; lag only where each one's is known. */
static void add_sums(struct metric_text *t, const struct lines *l, bool is_lag, const char *name,
                     const char *help)
{
    metric_family(t, name, METRIC_GAUGE, help);
    for (size_t at = 0, end; at < l->commit_count; at = end) {
        const struct commit_line *first = &l->commits[at];
        uint64_t sum = 0;
        bool is_known = true;
        for (end = at; end < l->commit_count && strcmp(l->commits[end].group, first->group) == 0 &&
                       strcmp(l->commits[end].topic, first->topic) == 0;
             end++) {
            sum += is_lag ? l->commits[end].lag : l->commits[end].offset;
            is_known &= l->commits[end].is_end_known;
        }
        if (is_known || !is_lag)
            metric_whole(t, "", sum, 2, "consumergroup", first->group, "topic", first->topic);
    }
}

static void add_members(struct metric_text *t, const struct lines *l)
{
    metric_family(t, "kafka_consumergroup_members", METRIC_GAUGE,
                  "Members of a consumer group, at its coordinator");
    for (size_t i = 0; i < l->consumer_count; i++)
        metric_whole(t, "", l->consumers[i].member_count, 1, "consumergroup",
                     l->consumers[i].group);
}

/* ---- what is beyond the bound ---- */

static void add_left_out(struct metric_text *t, const struct lines *l)
{
    metric_family(t, "trilog_metrics_left_out", METRIC_GAUGE,
                  "Partitions, topics, consumer groups and their offsets without series, for there "
                  "are more than metrics_partitions_max");
    metric_whole(t, "", l->partitions_left_out, 1, "kind", "partitions");
    metric_whole(t, "", l->topics_left_out, 1, "kind", "topics");
    metric_whole(t, "", l->topic_lags_left_out, 1, "kind", "topic_lags");
    metric_whole(t, "", l->consumers_left_out, 1, "kind", "consumer_groups");
    metric_whole(t, "", l->commits_left_out, 1, "kind", "committed_offsets");
}

static void add_all(struct metric_text *t, struct lines *l)
{
    add_topics(t, l);
    add_partitions(t, l, CURRENT, "kafka_topic_partition_current_offset",
                   "Next offset, at the leader");
    add_partitions(t, l, OLDEST, "kafka_topic_partition_oldest_offset",
                   "First offset, at the leader");
    add_partitions(t, l, LEADER, "kafka_topic_partition_leader", "The leader's node id");
    add_partitions(t, l, PREFERRED, "kafka_topic_partition_leader_is_preferred",
                   "1 where the partition is led where it is to be led");
    add_partitions(t, l, REPLICAS, "kafka_topic_partition_replicas", "Replicas with a vote");
    add_partitions(t, l, IN_SYNC, "kafka_topic_partition_in_sync_replica",
                   "Of them, those in sync");
    add_partitions(t, l, UNDER, "kafka_topic_partition_under_replicated_partition",
                   "1 where not all of them are in sync");
    add_commits(t, l, false, "kafka_consumergroup_current_offset",
                "Committed offset of a consumer group, at its coordinator");
    add_sums(t, l, false, "kafka_consumergroup_current_offset_sum", "The same over a topic");
    add_commits(t, l, true, "kafka_consumergroup_lag",
                "Records from there to the partition's end, as far as this node has applied it");
    add_sums(t, l, true, "kafka_consumergroup_lag_sum", "The same over a topic");
    add_members(t, l);
    l->topic_lags_left_out = metrics_of_topic_lag(t, l->survey, l->max);
    add_left_out(t, l);
}

void metrics_of_partitions(struct metric_text *t, const struct survey *survey)
{
    struct lines l = {.survey = survey, .max = (size_t)survey->broker->conf.metrics_partitions_max};
    if (gather_partitions(&l) && choose_partitions(&l) && gather_consumers(&l))
        add_all(t, &l);
    else
        t->is_failed = true; /* no memory */
    free(l.all);
    free(l.partitions);
    free(l.consumers);
    free(l.commits);
}
