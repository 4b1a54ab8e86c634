/* Records that are in a log twice, known by their id among the last ones.
 *
 * A ring of ids in the order in which they came, and a hash over it: chains of places in the ring.
 * The ring begins small and doubles up to its bound, so that a consumer of few records costs
 * little. */
#include "repeats.h"

#include <stdlib.h>

#define NONE        UINT32_MAX
#define COUNT_FIRST 256

struct seen {
    struct record_id id;
    const void *place;
    int64_t offset;
    uint64_t at_ms;
    uint32_t next; /* in its chain */
};

struct repeats {
    struct seen *ring;
    uint32_t *chains; /* as many as the ring has places */
    uint32_t capacity, count_max;
    uint32_t oldest, count;
    uint64_t window_ms;
};

static uint32_t chain_of(const struct repeats *r, const struct record_id *id)
{
    uint64_t hash = bytes_get_be64(id->bytes) ^
                    (bytes_get_be64(id->bytes + 8) * 0x9e3779b97f4a7c15u);
    return (uint32_t)((hash ^ (hash >> 32)) % r->capacity);
}

static void link_in(struct repeats *r, uint32_t at)
{
    uint32_t *chain = &r->chains[chain_of(r, &r->ring[at].id)];
    r->ring[at].next = *chain;
    *chain = at;
}

static void drop_oldest(struct repeats *r)
{
    uint32_t *link = &r->chains[chain_of(r, &r->ring[r->oldest].id)];
    while (*link != r->oldest)
        link = &r->ring[*link].next;
    *link = r->ring[r->oldest].next;
    r->oldest = (r->oldest + 1) % r->capacity;
    r->count--;
}

static void resize(struct repeats *r, uint32_t capacity)
{
    struct seen *ring = calloc(capacity, sizeof *ring);
    uint32_t *chains = malloc(capacity * sizeof *chains);
    if (ring == NULL || chains == NULL) {
        free(ring);
        free(chains);
        return; /* the window stays as it is */
    }
    for (uint32_t i = 0; i < r->count; i++)
        ring[i] = r->ring[(r->oldest + i) % r->capacity];
    free(r->ring);
    free(r->chains);
    r->ring = ring;
    r->chains = chains;
    r->capacity = capacity;
    r->oldest = 0;
    memset(chains, 0xff, capacity * sizeof *chains);
    for (uint32_t i = 0; i < r->count; i++)
        link_in(r, i);
}

struct repeats *repeats_new(uint32_t count_max, uint64_t window_ms)
{
    struct repeats *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->count_max = count_max;
    r->window_ms = window_ms;
    resize(r, count_max < COUNT_FIRST ? count_max : COUNT_FIRST);
    if (r->ring != NULL)
        return r;
    free(r);
    return NULL;
}

void repeats_free(struct repeats *r)
{
    if (r == NULL)
        return;
    free(r->ring);
    free(r->chains);
    free(r);
}

static struct seen *find(const struct repeats *r, const struct record_id *id)
{
    for (uint32_t at = r->chains[chain_of(r, id)]; at != NONE; at = r->ring[at].next)
        if (memcmp(r->ring[at].id.bytes, id->bytes, RECORD_ID_SIZE) == 0)
            return &r->ring[at];
    return NULL;
}

bool repeats_has(struct repeats *r, const struct record_id *id, const void *place, int64_t offset,
                 uint64_t now_ms)
{
    while (r->count > 0 && r->ring[r->oldest].at_ms + r->window_ms < now_ms)
        drop_oldest(r);
    const struct seen *seen = find(r, id);
    if (seen != NULL)
        return seen->place != place || seen->offset != offset;
    if (r->count == r->capacity && r->capacity < r->count_max)
        resize(r, r->capacity < r->count_max / 2 ? 2 * r->capacity : r->count_max);
    if (r->count == r->capacity)
        drop_oldest(r);
    uint32_t at = (r->oldest + r->count++) % r->capacity;
    r->ring[at] = (struct seen){.id = *id, .place = place, .offset = offset, .at_ms = now_ms};
    link_in(r, at);
    return false;
}

uint32_t repeats_count(const struct repeats *r)
{
    return r->count;
}
