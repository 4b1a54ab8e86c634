/* What the consumer knows of each partition that was ever its own.
 *
 *        floor / done to      position
 *   done ──────▼─── held ────────▼─── not fetched yet
 *              first … last
 *
 * What is held is a list by offset; whatever is done leaves it, wherever it stands. So all before
 * the first that is left is done, and can be committed. */
#include <stdlib.h>

#include "consumer_parts.h"

struct part_key consumer_part_key(const char *topic, int32_t partition)
{
    struct part_key key;
    memset(&key, 0, sizeof key);
    key.partition = partition;
    bytes_copy_text(key.topic, sizeof key.topic, topic);
    return key;
}

struct part *consumer_part_find(struct trilog_consumer *c, const struct part_key *key)
{
    struct part *part = NULL;
    HASH_FIND(hh, c->parts, key, sizeof *key, part);
    return part;
}

static void forget(struct part *part)
{
    part->position = part->committed = part->sent = part->floor = NO_OFFSET;
    part->end = part->read_to = NO_OFFSET;
}

struct part *consumer_part(struct trilog_consumer *c, const char *topic, int32_t partition)
{
    struct part_key key = consumer_part_key(topic, partition);
    struct part *part = consumer_part_find(c, &key);
    if (part != NULL || (part = calloc(1, sizeof *part)) == NULL)
        return part;
    part->key = key;
    forget(part);
    HASH_ADD(hh, c->parts, key, sizeof part->key, part);
    if (part->hh.tbl != NULL)
        return part;
    free(part);
    return NULL;
}

void consumer_part_link(struct part *part, struct held *h)
{
    h->part = part;
    h->assignment = part->assignment;
    h->part_previous = part->last;
    h->part_next = NULL;
    *(part->last != NULL ? &part->last->part_next : &part->first) = h;
    part->last = h;
}

void consumer_part_unlink(struct part *part, struct held *h)
{
    *(h->part_previous != NULL ? &h->part_previous->part_next : &part->first) = h->part_next;
    *(h->part_next != NULL ? &h->part_next->part_previous : &part->last) = h->part_previous;
}

bool consumer_part_has(const struct held *h)
{
    return h->part != NULL && h->assignment == h->part->assignment;
}

int64_t consumer_part_done_to(const struct part *part)
{
    return part->first != NULL ? part->first->message.offset : part->position;
}

void consumer_part_drop(struct trilog_consumer *c, struct part *part)
{
    int64_t done_to = consumer_part_done_to(part);
    if (done_to > part->floor)
        part->floor = done_to;
    while (part->first != NULL) {
        struct held *h = part->first;
        consumer_part_unlink(part, h);
        if (h->taken_at_ms != 0)
            continue; /* in somebody's hand */
        consumer_list_remove(&c->ready, h);
        consumer_held_free(h);
    }
    part->assignment++;
    part->position = NO_OFFSET;
    pthread_cond_broadcast(&c->changed);
}

void consumer_parts_forget(struct trilog_consumer *c)
{
    for (struct part *part = c->parts; part != NULL; part = part->hh.next) {
        consumer_part_drop(c, part);
        forget(part);
    }
    c->had_assignment = false;
}

void consumer_parts_free(struct trilog_consumer *c)
{
    struct part *part, *next;
    HASH_ITER(hh, c->parts, part, next)
    {
        HASH_DEL(c->parts, part); /* NOLINT: uthash */
        free(part);
    }
}
