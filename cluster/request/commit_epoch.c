/* Which epoch goes with a committed offset: that of the last record before it.
 *
 * A consumer that starts from a committed offset asks where that epoch ended, and is so told when
 * the log it had read was another one (KIP-320). The epoch must be the true one: a lower one ends
 * too early and would throw the consumer back, a higher one hides what it is asked for. So it is
 * looked up in this node's replica of the partition, whose records are committed ones, and left
 * unknown where that has not got so far: then a consumer does not ask.
 *
 * Partitions live on many shards: one visit to each that is needed, none where the client gave the
 * epochs itself, as most do. */
#include "request/commit_epoch.h"

struct visit {
    struct commit_epochs *epochs;
    struct shard *shard;
    struct work_item item; /* there and back */
};

/* Where the partition lives, if its epoch is wanted and this node has a replica; else NULL. */
static struct broker_group *find_group(struct broker *b, struct commit_part *part)
{
    struct kafka_string topic = part->offset.topic;
    struct broker_place place;
    if (part->offset.leader_epoch >= 0 || part->offset.offset <= 0 ||
        broker_find_partition(b, topic.data, (size_t)topic.size, part->offset.partition, &place) !=
            0)
        return NULL;
    part->number = place.number;
    return broker_group(b, place.group_id);
}

static void look_up(struct commit_part *part)
{
    const struct partition *p = machine_partition(part->group->machine, part->number);
    if (p != NULL)
        part->offset.leader_epoch = log_partition_epoch_of(p->log, part->offset.offset - 1);
}

/* On the shard. Every visit has parts of its own. */
static void look_up_all(struct commit_epochs *e, const struct shard *shard)
{
    for (uint32_t i = 0; i < e->count; i++)
        if (e->parts[i].group != NULL && e->parts[i].group->shard == shard)
            look_up(&e->parts[i]);
}

static void one_less(struct commit_epochs *e)
{
    if (--e->pending == 0)
        e->cb(e);
}

static void on_back(struct work_item *item)
{
    struct visit *v = item->data;
    one_less(v->epochs);
}

static void on_there(struct work_item *item)
{
    struct visit *v = item->data;
    look_up_all(v->epochs, v->shard);
    request_post_back(v->epochs->request, item, on_back);
}

/* Without memory the epochs of that shard stay unknown. */
static void visit(struct commit_epochs *e, struct shard *shard)
{
    if (shard == e->request->shard) {
        look_up_all(e, shard);
        return;
    }
    struct visit *v = request_allocate(e->request, sizeof *v);
    if (v == NULL)
        return;
    v->epochs = e;
    v->shard = shard;
    v->item.data = v;
    e->pending++;
    shard_post(shard, &v->item, on_there);
}

void commit_epochs_begin(struct commit_epochs *e, commit_epochs_cb cb)
{
    struct broker *b = e->request->broker;
    bool is_needed[REPL_SHARDS_MAX] = {0};
    e->cb = cb;
    e->pending = 1; /* until all are handed out */
    for (uint32_t i = 0; i < e->count; i++) {
        e->parts[i].group = find_group(b, &e->parts[i]);
        if (e->parts[i].group != NULL)
            is_needed[shard_index(e->parts[i].group->shard)] = true;
    }
    for (unsigned i = 0; i < b->shard_count; i++)
        if (is_needed[i])
            visit(e, b->shards[i]);
    one_less(e);
}
