/* One item a shard, never two: what hangs costs nothing. */
#include "admin/watch.h"

#include "admin/admin_parts.h"

static void on_back(struct work_item *item)
{
    struct watch_shard *w = item->data;
    w->is_out = false;
    w->answer_us = (clock_now_ns(&w->admin->clock) - w->posted_ns) / 1000;
}

/* On the shard. */
static void on_shard(struct work_item *item)
{
    struct watch_shard *w = item->data;
    shard_post(w->admin->shard, item, on_back);
}

void watch_tick(struct admin *a, struct broker *b)
{
    for (unsigned i = 0; i < b->shard_count; i++) {
        struct watch_shard *w = &a->watch.shards[i];
        if (w->is_out)
            continue;
        w->admin = a;
        w->item.data = w;
        w->is_out = true;
        w->posted_ns = clock_now_ns(&a->clock);
        shard_post(b->shards[i], &w->item, on_shard);
    }
}

uint64_t watch_silent_ms(const struct admin *a, unsigned shard)
{
    const struct watch_shard *w = &a->watch.shards[shard];
    return w->is_out ? (clock_now_ns(&a->clock) - w->posted_ns) / 1000000 : 0;
}
