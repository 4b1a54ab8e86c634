/* What a simulated file holds.
 *
 * A page has up to two copies: what the device has and what the kernel would have cached, with
 * a bit per sector that differs. A sync moves the cached copy over; a crash moves any subset of
 * its sectors. Pages of zeros share one copy, so that preallocated files cost nothing. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "fake/fake_disk_parts.h"

static uint8_t zero_page[NODE_PAGE_SIZE]; /* never written */

void *must_have(void *memory)
{
    if (memory == NULL)
        abort();
    return memory;
}

static void release_copy(uint8_t *copy)
{
    if (copy != zero_page)
        free(copy);
}

static bool is_page_used(const struct page *p)
{
    return p->durable != NULL || p->cached != NULL;
}

static void drop_page(struct node_space *space, struct page *p)
{
    space->pages_used -= is_page_used(p);
    release_copy(p->durable);
    release_copy(p->cached);
    *p = (struct page){0};
}

struct node *node_create(struct node_space *space, bool is_directory)
{
    struct node *n = must_have(calloc(1, sizeof *n));
    n->references = 1;
    n->is_directory = is_directory;
    n->previous = space->last;
    if (space->last != NULL)
        space->last->next = n;
    else
        space->first = n;
    space->last = n;
    return n;
}

struct node *node_ref(struct node *n)
{
    n->references++;
    return n;
}

static void free_entries(struct node_space *space, struct entries *e)
{
    for (size_t i = 0; i < e->count; i++) {
        free(e->items[i].name);
        node_unref(space, e->items[i].node);
    }
    free(e->items);
}

void node_unref(struct node_space *space, struct node *n)
{
    assert(n->references > 0);
    if (--n->references > 0)
        return;
    *(n->previous != NULL ? &n->previous->next : &space->first) = n->next;
    *(n->next != NULL ? &n->next->previous : &space->last) = n->previous;
    for (size_t i = 0; i < n->page_count; i++)
        drop_page(space, &n->pages[i]);
    free(n->pages);
    free_entries(space, &n->current);
    free_entries(space, &n->durable);
    free(n);
}

static const uint8_t *visible(const struct page *p)
{
    return p->cached != NULL ? p->cached : p->durable != NULL ? p->durable : zero_page;
}

void node_read(const struct node *n, uint64_t position, uint8_t *into, size_t size)
{
    assert(size == 0 || position + size <= n->size);
    while (size > 0) {
        size_t index = position / NODE_PAGE_SIZE, offset = position % NODE_PAGE_SIZE;
        size_t part = NODE_PAGE_SIZE - offset < size ? NODE_PAGE_SIZE - offset : size;
        if (index < n->page_count)
            memcpy(into, visible(&n->pages[index]) + offset, part);
        else
            memset(into, 0, part);
        into += part;
        position += part;
        size -= part;
    }
}

static void mark_dirty(struct node *n, size_t index, uint8_t sectors)
{
    n->pages[index].dirty |= sectors;
    if (n->dirty_from == n->dirty_until)
        n->dirty_from = n->dirty_until = index;
    if (index < n->dirty_from)
        n->dirty_from = index;
    if (index >= n->dirty_until)
        n->dirty_until = index + 1;
}

/* The cached copy, made writable. */
static uint8_t *own_copy(struct page *p)
{
    if (p->cached == NULL || p->cached == zero_page) {
        uint8_t *copy = must_have(malloc(NODE_PAGE_SIZE));
        memcpy(copy, visible(p), NODE_PAGE_SIZE);
        p->cached = copy;
    }
    return p->cached;
}

static bool is_zero(const uint8_t *data, size_t size)
{
    return data[0] == 0 && memcmp(data, data + 1, size - 1) == 0;
}

static void grow_pages(struct node *n, size_t page_count)
{
    if (page_count <= n->page_count)
        return;
    size_t wanted = page_count > 2 * n->page_count ? page_count : 2 * n->page_count;
    n->pages = must_have(realloc(n->pages, wanted * sizeof *n->pages));
    memset(n->pages + n->page_count, 0, (wanted - n->page_count) * sizeof *n->pages);
    n->page_count = wanted;
}

/* Writes a piece of one sector, or a whole page. */
static int write_piece(struct node_space *space, struct node *n, uint64_t position,
                       const uint8_t *from, size_t size)
{
    size_t index = position / NODE_PAGE_SIZE, offset = position % NODE_PAGE_SIZE;
    grow_pages(n, index + 1);
    struct page *p = &n->pages[index];
    if (!is_page_used(p)) {
        if (space->pages_max != 0 && space->pages_used >= space->pages_max)
            return UV_ENOSPC;
        space->pages_used++;
    }
    if (size == NODE_PAGE_SIZE && is_zero(from, size)) {
        release_copy(p->cached);
        p->cached = zero_page;
        mark_dirty(n, index, UINT8_MAX);
    } else {
        memcpy(own_copy(p) + offset, from, size);
        unsigned sector = 1u << (offset / FAKE_DISK_SECTOR_SIZE);
        mark_dirty(n, index, size == NODE_PAGE_SIZE ? UINT8_MAX : (uint8_t)sector);
    }
    if (position + size > n->size)
        n->size = position + size;
    return 0;
}

int node_write(struct node_space *space, struct node *n, uint64_t position, struct bytes bytes,
               struct random *tear)
{
    if (position > FAKE_DISK_FILE_BYTES_MAX || bytes.size > FAKE_DISK_FILE_BYTES_MAX - position)
        return UV_EFBIG;
    const uint8_t *from = bytes.data;
    size_t left = bytes.size;
    while (left > 0) {
        size_t room = FAKE_DISK_SECTOR_SIZE - position % FAKE_DISK_SECTOR_SIZE;
        if (tear == NULL && position % NODE_PAGE_SIZE == 0 && left >= NODE_PAGE_SIZE)
            room = NODE_PAGE_SIZE;
        size_t part = room < left ? room : left;
        if (tear == NULL || random_chance(tear, 0.5)) {
            int err = write_piece(space, n, position, from, part);
            if (err != 0)
                return err;
        }
        from += part;
        position += part;
        left -= part;
    }
    return 0;
}

/* Bytes of the last page beyond the new end read as zeros if the file grows again. */
static void clear_rest_of_page(struct node *n, uint64_t size)
{
    size_t index = size / NODE_PAGE_SIZE, offset = size % NODE_PAGE_SIZE;
    if (offset == 0 || index >= n->page_count || !is_page_used(&n->pages[index]))
        return;
    memset(own_copy(&n->pages[index]) + offset, 0, NODE_PAGE_SIZE - offset);
    mark_dirty(n, index, (uint8_t)(UINT8_MAX << (offset / FAKE_DISK_SECTOR_SIZE)));
}

int node_truncate(struct node_space *space, struct node *n, uint64_t size)
{
    if (size > FAKE_DISK_FILE_BYTES_MAX)
        return UV_EFBIG;
    if (size < n->size) {
        clear_rest_of_page(n, size);
        size_t first = (size_t)((size + NODE_PAGE_SIZE - 1) / NODE_PAGE_SIZE);
        for (size_t i = first; i < n->page_count; i++) {
            struct page *p = &n->pages[i];
            if (p->durable == NULL) {
                drop_page(space, p);
                continue;
            }
            release_copy(p->cached);
            p->cached = zero_page;
            mark_dirty(n, i, UINT8_MAX);
        }
    }
    n->size = size;
    return 0;
}

static void drop_pages_beyond_end(struct node_space *space, struct node *n)
{
    size_t first = (size_t)((n->size + NODE_PAGE_SIZE - 1) / NODE_PAGE_SIZE);
    for (size_t i = first; i < n->page_count; i++)
        drop_page(space, &n->pages[i]);
}

void node_sync(struct node_space *space, struct node *n)
{
    for (size_t i = n->dirty_from; i < n->dirty_until; i++) {
        struct page *p = &n->pages[i];
        if (p->cached == NULL)
            continue;
        release_copy(p->durable);
        p->durable = p->cached;
        p->cached = NULL;
        p->dirty = 0;
    }
    n->dirty_from = n->dirty_until = 0;
    if (n->size < n->size_durable)
        drop_pages_beyond_end(space, n);
    n->size_durable = n->size;
}

/* The device's copy gets some of the dirty sectors; the cached copy goes. */
static void settle_page(struct node_space *space, struct page *p, struct random *random,
                        double chance)
{
    if (p->cached == NULL)
        return;
    uint8_t *mixed = must_have(malloc(NODE_PAGE_SIZE));
    memcpy(mixed, p->durable != NULL ? p->durable : zero_page, NODE_PAGE_SIZE);
    bool is_any_kept = false;
    for (unsigned i = 0; i < NODE_SECTORS; i++) {
        if (!(p->dirty & (1u << i)) || !random_chance(random, chance))
            continue;
        size_t offset = i * FAKE_DISK_SECTOR_SIZE;
        memcpy(mixed + offset, p->cached + offset, FAKE_DISK_SECTOR_SIZE);
        is_any_kept = true;
    }
    space->pages_used -= is_page_used(p);
    release_copy(p->cached);
    p->cached = NULL;
    p->dirty = 0;
    if (is_any_kept) {
        release_copy(p->durable);
        p->durable = mixed;
    } else {
        free(mixed);
    }
    space->pages_used += is_page_used(p);
}

/* The old size, the new one, or, as a file grows sector by sector, one between. */
static uint64_t settle_size(const struct node *n, struct random *random, double chance)
{
    if (n->size == n->size_durable)
        return n->size;
    if (random_chance(random, chance))
        return n->size;
    if (n->size > n->size_durable && random_chance(random, chance)) {
        uint64_t sectors = (n->size - n->size_durable) / FAKE_DISK_SECTOR_SIZE;
        return n->size_durable + random_below(random, sectors + 1) * FAKE_DISK_SECTOR_SIZE;
    }
    return n->size_durable;
}

static void clear_durable_rest(struct node *n)
{
    size_t index = n->size / NODE_PAGE_SIZE, offset = n->size % NODE_PAGE_SIZE;
    if (offset == 0 || index >= n->page_count)
        return;
    uint8_t *durable = n->pages[index].durable;
    if (durable != NULL && durable != zero_page)
        memset(durable + offset, 0, NODE_PAGE_SIZE - offset);
}

void node_settle(struct node_space *space, struct node *n, struct random *random, double chance)
{
    chance = n->is_lied_of ? 0.0 : chance;
    for (size_t i = n->dirty_from; i < n->dirty_until; i++)
        settle_page(space, &n->pages[i], random, chance);
    n->dirty_from = n->dirty_until = 0;
    n->size = n->size_durable = settle_size(n, random, chance);
    drop_pages_beyond_end(space, n);
    clear_durable_rest(n);
}

bool node_is_synced(const struct node *n)
{
    return n->dirty_from == n->dirty_until && n->size == n->size_durable;
}

/* Both copies of a page, for bytes that change at rest. */
static struct page *page_at_rest(struct node_space *space, struct node *n, size_t index)
{
    grow_pages(n, index + 1);
    struct page *p = &n->pages[index];
    space->pages_used += !is_page_used(p);
    if (p->durable == zero_page || !is_page_used(p))
        p->durable = must_have(calloc(1, NODE_PAGE_SIZE));
    return p;
}

void node_flip_bit(struct node_space *space, struct node *n, uint64_t position, unsigned bit)
{
    struct page *p = page_at_rest(space, n, position / NODE_PAGE_SIZE);
    size_t offset = position % NODE_PAGE_SIZE;
    uint8_t mask = (uint8_t)(1u << bit);
    if (p->durable != NULL)
        p->durable[offset] ^= mask;
    if (p->cached != NULL)
        own_copy(p)[offset] ^= mask;
}

void node_change_byte(struct node_space *space, struct node *n, uint64_t position, uint8_t byte)
{
    struct page *p = page_at_rest(space, n, position / NODE_PAGE_SIZE);
    size_t offset = position % NODE_PAGE_SIZE;
    if (p->durable != NULL)
        p->durable[offset] = byte;
    if (p->cached != NULL)
        own_copy(p)[offset] = byte;
}

void node_cut(struct node_space *space, struct node *n, uint64_t size)
{
    node_sync(space, n);
    n->size = n->size_durable = size;
    drop_pages_beyond_end(space, n);
    clear_durable_rest(n);
}
