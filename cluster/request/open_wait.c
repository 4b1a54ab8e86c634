/* Rounds over the shards, each looking for partitions of the topic that are not open yet, with a
 * short pause between. A topic that is gone meanwhile has nothing to wait for. */
#include "request/open_wait.h"

#include <string.h>

#define PAUSE_MS 10

static void begin_round(struct open_wait *w);
static void next_shard(struct open_wait *w);

static void on_back(struct work_item *work)
{
    struct open_wait *w = work->data;
    w->shard_index++;
    next_shard(w);
}

static bool is_missing_here(struct open_wait *w, const struct metadata_topic *t)
{
    struct broker *b = w->request->broker;
    for (int32_t i = 0; t != NULL && i < t->partition_count; i++) {
        struct broker_group *g = broker_group(b, t->partitions[i].group_id);
        if (g == NULL && w->shard_index == 0)
            return true; /* a group that this node is about to open */
        if (g != NULL && g->shard == b->shards[w->shard_index] &&
            machine_partition(g->machine, t->partitions[i].number) == NULL)
            return true;
    }
    return false;
}

/* On the shard that is looked at. */
static void on_visit(struct work_item *work)
{
    struct open_wait *w = work->data;
    struct metadata *m = w->request->broker->metadata;
    metadata_read_lock(m);
    w->is_missing |= is_missing_here(w, metadata_topic_by_id(m, w->topic_id));
    metadata_read_unlock(m);
    request_post_back(w->request, &w->visit, on_back);
}

static void on_pause_over(struct request_deadline *pause)
{
    begin_round(pause->data);
}

static void next_shard(struct open_wait *w)
{
    struct broker *b = w->request->broker;
    if (w->shard_index < b->shard_count) {
        shard_post(b->shards[w->shard_index], &w->visit, on_visit);
        return;
    }
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (!w->is_missing || now_ms >= w->until_ms)
        w->cb(w);
    else
        request_deadline_start(w->request, &w->pause, now_ms + PAUSE_MS, on_pause_over);
}

static void begin_round(struct open_wait *w)
{
    w->is_missing = false;
    w->shard_index = 0;
    next_shard(w);
}

void open_wait_begin(struct open_wait *w, struct request *r, const uint8_t topic_id[16],
                     uint64_t timeout_ms, open_wait_cb cb)
{
    w->request = r;
    w->until_ms = clock_now_ms(&r->broker->clock) + timeout_ms;
    w->cb = cb;
    w->visit.data = w;
    w->pause = (struct request_deadline){.data = w};
    memcpy(w->topic_id, topic_id, sizeof w->topic_id);
    begin_round(w);
}
