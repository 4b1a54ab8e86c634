/* The simulated disk from the test's side: making it, its faults, power cuts, and questions. */
#include "fake/fake_disk.h"

#include <assert.h>
#include <stdlib.h>
#include <uv.h>

#include "fake/fake_disk_parts.h"

struct fake_disk *fake_disk_create(uint64_t seed)
{
    struct fake_disk *d = must_have(calloc(1, sizeof *d));
    d->seam = (struct disk){.data = d, .operations = &fake_disk_operations};
    random_init(&d->random, seed);
    tree_init(&d->tree);
    pthread_mutex_init(&d->lock, NULL);
    return d;
}

void fake_disk_destroy(struct fake_disk *d)
{
    if (d == NULL)
        return;
    assert(d->open_count == 0);
    tree_close(&d->tree);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

const struct disk *fake_disk_seam(struct fake_disk *d)
{
    return &d->seam;
}

/* How much survives is itself drawn, so that all, nothing and a little are as usual as half. */
static double draw_chance(struct random *random)
{
    static const double chances[] = {0.0, 0.1, 0.5, 0.9, 1.0};
    return chances[random_below(random, sizeof chances / sizeof chances[0])];
}

void fake_disk_crash(struct fake_disk *d, struct random *random)
{
    lock(d);
    random = random != NULL ? random : &d->random;
    tree_crash(&d->tree, random, d->is_lying ? 0.0 : draw_chance(random));
    for (int i = 0; i < FAKE_DISK_OPERATION_COUNT; i++)
        d->faults[i].nth = 0;
    d->epoch++;
    d->halt_in = 0;
    d->is_halted = false;
    unlock(d, 0);
}

void fake_disk_halt(struct fake_disk *d)
{
    lock(d);
    d->is_halted = true;
    unlock(d, 0);
}

void fake_disk_halt_at(struct fake_disk *d, uint64_t nth)
{
    lock(d);
    d->halt_in = nth;
    unlock(d, 0);
}

bool fake_disk_is_halted(struct fake_disk *d)
{
    lock(d);
    return unlock(d, d->is_halted) != 0;
}

void fake_disk_fail_nth(struct fake_disk *d, enum fake_disk_operation operation, uint64_t nth,
                        int err)
{
    lock(d);
    d->faults[operation].nth = nth;
    d->faults[operation].nth_err = err;
    unlock(d, 0);
}

void fake_disk_fail_chance(struct fake_disk *d, enum fake_disk_operation operation, double chance,
                           int err)
{
    lock(d);
    d->faults[operation].chance = chance;
    d->faults[operation].chance_err = err;
    unlock(d, 0);
}

void fake_disk_set_capacity(struct fake_disk *d, uint64_t bytes)
{
    lock(d);
    d->tree.space.pages_max = (bytes + NODE_PAGE_SIZE - 1) / NODE_PAGE_SIZE;
    unlock(d, 0);
}

void fake_disk_lie(struct fake_disk *d, const char *folder)
{
    lock(d);
    for (struct node *n = d->tree.space.first; n != NULL; n = n->next)
        n->is_lied_of = false;
    if (d->is_lying && folder == NULL)
        tree_crash(&d->tree, &d->random, 1.0); /* what it held back is written */
    d->is_lying = folder != NULL && folder[0] == '\0';
    const struct node *directory = folder == NULL ? NULL : tree_find(&d->tree, folder);
    for (size_t i = 0; directory != NULL && i < directory->current.count; i++)
        directory->current.items[i].node->is_lied_of = true;
    unlock(d, 0);
}

int fake_disk_flip_bit(struct fake_disk *d, const char *path, uint64_t position, unsigned bit)
{
    assert(bit < 8);
    lock(d);
    struct node *n = tree_find(&d->tree, path);
    if (n == NULL || n->is_directory)
        return unlock(d, UV_ENOENT);
    if (position >= n->size)
        return unlock(d, UV_EINVAL);
    node_flip_bit(&d->tree.space, n, position, bit);
    return unlock(d, 0);
}

int fake_disk_overwrite(struct fake_disk *d, const char *path, uint64_t position,
                        struct bytes bytes)
{
    lock(d);
    struct node *n = tree_find(&d->tree, path);
    if (n == NULL || n->is_directory)
        return unlock(d, UV_ENOENT);
    if (position > n->size || bytes.size > n->size - position)
        return unlock(d, UV_EINVAL);
    for (size_t i = 0; i < bytes.size; i++)
        node_change_byte(&d->tree.space, n, position + i, bytes.data[i]);
    return unlock(d, 0);
}

int fake_disk_cut(struct fake_disk *d, const char *path, uint64_t size)
{
    lock(d);
    struct node *n = tree_find(&d->tree, path);
    if (n == NULL || n->is_directory)
        return unlock(d, UV_ENOENT);
    if (size > n->size)
        return unlock(d, UV_EINVAL);
    node_cut(&d->tree.space, n, size);
    return unlock(d, 0);
}

uint64_t fake_disk_count(struct fake_disk *d, enum fake_disk_operation operation)
{
    lock(d);
    uint64_t count = d->faults[operation].count;
    unlock(d, 0);
    return count;
}

unsigned fake_disk_open_count(struct fake_disk *d)
{
    lock(d);
    unsigned count = d->open_count;
    unlock(d, 0);
    return count;
}

bool fake_disk_is_synced(struct fake_disk *d, const char *path)
{
    lock(d);
    const struct node *n = tree_find(&d->tree, path);
    return unlock(d, n != NULL && !n->is_directory && node_is_synced(n)) != 0;
}

uint64_t fake_disk_peek(struct fake_disk *d, const char *path, uint8_t *into, uint64_t size_max)
{
    lock(d);
    const struct node *n = tree_find(&d->tree, path);
    uint64_t size = n == NULL || n->is_directory ? 0 : n->size;
    if (size > 0 && size_max > 0)
        node_read(n, 0, into, size < size_max ? size : size_max);
    unlock(d, 0);
    return size;
}

static unsigned list_unsynced(const struct node *directory, const char *folder,
                              struct fake_disk_unsynced *into, unsigned max)
{
    unsigned count = 0;
    for (size_t i = 0; i < directory->current.count && count < max; i++) {
        const struct entry *e = &directory->current.items[i];
        struct fake_disk_unsynced *u = &into[count];
        snprintf(u->path, sizeof u->path, "%s%s%s", folder, folder[0] == '\0' ? "" : "/", e->name);
        if (e->node->is_directory) {
            char path[sizeof u->path];
            memcpy(path, u->path, sizeof path);
            count += list_unsynced(e->node, path, u, max - count);
        } else if (!node_is_synced(e->node)) {
            u->from = e->node->dirty_from * NODE_PAGE_SIZE;
            u->to = e->node->dirty_until * NODE_PAGE_SIZE;
            count++;
        }
    }
    return count;
}

unsigned fake_disk_list_unsynced(struct fake_disk *d, struct fake_disk_unsynced *into, unsigned max)
{
    lock(d);
    unsigned count = list_unsynced(d->tree.root, "", into, max);
    unlock(d, 0);
    return count;
}

bool fake_disk_is_name_synced(struct fake_disk *d, const char *path)
{
    lock(d);
    const char *name;
    const struct node *parent = tree_parent(&d->tree, path, &name);
    const struct entry *now = parent != NULL ? entries_find(&parent->current, name) : NULL;
    const struct entry *kept = parent != NULL ? entries_find(&parent->durable, name) : NULL;
    bool is_same = (now != NULL ? now->node : NULL) == (kept != NULL ? kept->node : NULL);
    return unlock(d, parent != NULL && is_same) != 0;
}
