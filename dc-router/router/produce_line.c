/* The order of one client's batches for one partition: those that are not done stand in line.
 *
 *   1 ◀── 2 ◀── 3 ◀── 4        earlier, later; the last one is found by the partition
 *
 * While all goes well each is sent when it comes, behind the others on one connection. When the
 * first one has to be held (its leader is gone, or there is none), the line goes carefully: that
 * one alone, to whoever leads now, and the others when it was accepted: then all of them, in order,
 * one behind another, as a client with several requests under way would send them. Where that
 * leader goes too, what comes back is held again, and again the first one goes alone.
 *
 * One that was under way behind a batch that came to be held may be refused as out of order: it was
 * not, and goes again. */
#include "router/produce_parts.h"

#define FNV_BASIS 0xcbf29ce484222325u
#define FNV_PRIME 0x100000001b3u

uint64_t produce_line_hash(struct kafka_string topic)
{
    uint64_t hash = FNV_BASIS;
    for (int32_t i = 0; i < topic.size; i++)
        hash = (hash ^ (uint8_t)topic.data[i]) * FNV_PRIME;
    return hash;
}

void produce_line_join(struct produce *p)
{
    struct produce_item **lines = &p->request->client->produce_lines, *last;
    for (unsigned i = 0; i < p->item_count; i++) {
        struct produce_item *item = &p->items[i];
        HASH_FIND(hh, *lines, &item->place, sizeof item->place, last);
        if (last != NULL) {
            HASH_DEL(*lines, last);
            last->later = item;
            item->earlier = last;
        }
        HASH_ADD(hh, *lines, place, sizeof item->place, item);
    }
}

void produce_line_leave(struct produce_item *item)
{
    struct produce_item **lines = &item->produce->request->client->produce_lines;
    if (item->earlier != NULL)
        item->earlier->later = item->later;
    if (item->later != NULL) {
        item->later->earlier = item->earlier;
        return;
    }
    HASH_DEL(*lines, item);
    if (item->earlier != NULL)
        HASH_ADD(hh, *lines, place, sizeof item->place, item->earlier);
}

/* A request that names a partition twice is its own matter. */
static const struct produce_item *before(const struct produce_item *item)
{
    const struct produce_item *at = item->earlier;
    while (at != NULL && at->produce == item->produce)
        at = at->earlier;
    return at;
}

bool produce_line_is_first(const struct produce_item *item)
{
    return before(item) == NULL;
}

bool produce_line_would_overtake(const struct produce_item *item, int32_t node_id)
{
    for (const struct produce_item *at = before(item); at != NULL; at = at->earlier)
        if (item->is_held || at->is_held || !at->is_away || at->node_id != node_id)
            return true;
    return false;
}

void produce_line_hold(struct produce_item *item)
{
    item->is_held = true;
    for (struct produce_item *at = item->later; at != NULL; at = at->later)
        at->has_overtaken |= at->is_away;
}

void produce_line_accept(struct produce_item *item)
{
    for (struct produce_item *at = item->later; at != NULL; at = at->later)
        at->is_held = at->is_refused = false;
}
