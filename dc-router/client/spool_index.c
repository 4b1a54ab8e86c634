/* What is pending in a spool, in memory: each record by its order, all of them in order, and how
 * many a key has. Contents stay on disk. */
#include <stdlib.h>

/* uthash: without memory an addition fails, rather than the process. */
#define HASH_NONFATAL_OOM 1
#include "spool_parts.h"

static struct spool_key *key_of(const struct spool *s, uint64_t key_hash)
{
    struct spool_key *key = NULL;
    HASH_FIND(hh, s->keys, &key_hash, sizeof key_hash, key);
    return key;
}

static struct spool_key *key_made(struct spool *s, uint64_t key_hash)
{
    struct spool_key *key = key_of(s, key_hash);
    if (key != NULL || (key = calloc(1, sizeof *key)) == NULL)
        return key;
    key->key_hash = key_hash;
    HASH_ADD(hh, s->keys, key_hash, sizeof key_hash, key);
    if (key->hh.tbl == NULL) {
        free(key);
        return NULL;
    }
    return key;
}

static void drop_key_if_unused(struct spool *s, struct spool_key *key)
{
    if (key->pending_count > 0)
        return;
    HASH_DEL(s->keys, key); /* NOLINT: uthash */
    free(key);
}

/* Nearly always at the end: orders rise. */
static void link_in_order(struct spool *s, struct spool_item *item)
{
    struct spool_item *before = s->last;
    while (before != NULL && before->order > item->order)
        before = before->previous;
    item->previous = before;
    item->next = before != NULL ? before->next : s->first;
    *(before != NULL ? &before->next : &s->first) = item;
    *(item->next != NULL ? &item->next->previous : &s->last) = item;
}

int spool_index_add(struct spool *s, const struct spool_item *from)
{
    struct spool_key *key = key_made(s, from->key_hash);
    if (key == NULL)
        return UV_ENOMEM;
    struct spool_item *item = malloc(sizeof *item);
    if (item != NULL) {
        *item = *from;
        item->is_waiting = false;
        HASH_ADD(hh, s->items, order, sizeof item->order, item);
    }
    if (item == NULL || item->hh.tbl == NULL) {
        free(item);
        drop_key_if_unused(s, key);
        return UV_ENOMEM;
    }
    link_in_order(s, item);
    key->pending_count++;
    item->file->pending_count++;
    if (item->order >= s->order_next)
        s->order_next = item->order + 1;
    spool_index_set_waiting(s, item, from->is_waiting);
    return 0;
}

void spool_index_remove(struct spool *s, struct spool_item *item)
{
    spool_index_set_waiting(s, item, false);
    struct spool_key *key = key_of(s, item->key_hash);
    key->pending_count--;
    drop_key_if_unused(s, key);
    item->file->pending_count--;
    if (s->next_waiting == item)
        s->next_waiting = item->next;
    *(item->previous != NULL ? &item->previous->next : &s->first) = item->next;
    *(item->next != NULL ? &item->next->previous : &s->last) = item->previous;
    HASH_DEL(s->items, item); /* NOLINT: uthash */
    free(item);
}

struct spool_item *spool_index_find(const struct spool *s, uint64_t order)
{
    struct spool_item *item = NULL;
    HASH_FIND(hh, s->items, &order, sizeof order, item);
    return item;
}

void spool_index_set_waiting(struct spool *s, struct spool_item *item, bool is_waiting)
{
    if (item->is_waiting == is_waiting)
        return;
    item->is_waiting = is_waiting;
    struct spool_key *key = key_of(s, item->key_hash);
    if (is_waiting) {
        key->waiting_count++;
        s->waiting_count++;
        if (s->next_waiting != NULL && item->order < s->next_waiting->order)
            s->next_waiting = item;
    } else {
        key->waiting_count--;
        s->waiting_count--;
    }
}

struct spool_item *spool_index_first_waiting(struct spool *s)
{
    if (s->waiting_count == 0)
        return s->next_waiting = NULL;
    struct spool_item *item = s->next_waiting != NULL ? s->next_waiting : s->first;
    while (!item->is_waiting)
        item = item->next;
    return s->next_waiting = item;
}

void spool_index_close(struct spool *s)
{
    while (s->first != NULL)
        spool_index_remove(s, s->first);
}

bool spool_has(const struct spool *s, uint64_t order)
{
    return spool_index_find(s, order) != NULL;
}

bool spool_has_key(const struct spool *s, uint64_t key_hash)
{
    return key_of(s, key_hash) != NULL;
}

bool spool_key_waits(const struct spool *s, uint64_t key_hash)
{
    struct spool_key *key = key_of(s, key_hash);
    return key != NULL && key->waiting_count > 0;
}

uint64_t spool_record_count(const struct spool *s)
{
    return HASH_COUNT(s->items);
}

uint64_t spool_bytes(const struct spool *s)
{
    return s->size_bytes;
}

uint64_t spool_order_next(const struct spool *s)
{
    return s->order_next;
}
