/* Damage at rest, done to the nodes of the simulated disk. */
#include "fake/fake_damage.h"

#include <string.h>

#include "fake/fake_disk_parts.h"

static const char *const names[FAKE_DAMAGE_COUNT] = {"flipped bit", "cut", "removed",
                                                     "stale sector", "misdirected write"};

const char *fake_damage_name(enum fake_damage kind)
{
    return names[kind];
}

static bool remove_name(struct fake_disk *d, const char *path, struct node *n)
{
    const char *name;
    struct node *parent = tree_parent(&d->tree, path, &name);
    tree_change(&d->tree, n, parent, name, NULL, NULL);
    tree_sync(&d->tree, parent);
    return true;
}

static bool cut(struct fake_disk *d, struct node *n, uint64_t size)
{
    bool is_done = node_truncate(&d->tree.space, n, size) == 0;
    node_sync(&d->tree.space, n);
    return is_done;
}

/* Any other file's bytes: the oldest node that is a file. */
static const struct node *other_file(const struct fake_disk *d, const struct node *n)
{
    const struct node *other = d->tree.space.first;
    while (other != NULL && (other->is_directory || other == n || other->size == 0))
        other = other->next;
    return other;
}

static bool overwrite(struct fake_disk *d, struct node *n, uint64_t position, uint64_t size,
                      const struct node *from, uint64_t from_position)
{
    uint8_t before[FAKE_DISK_SECTOR_SIZE], after[FAKE_DISK_SECTOR_SIZE] = {0};
    node_read(n, position, before, size);
    if (from != NULL && from_position < from->size) {
        uint64_t there = from->size - from_position;
        node_read(from, from_position, after, there < size ? there : size);
    }
    if (memcmp(before, after, size) == 0 ||
        node_write(&d->tree.space, n, position, bytes_of(after, size), NULL) != 0)
        return false;
    node_sync(&d->tree.space, n);
    return true;
}

static bool replace_sector(struct fake_disk *d, struct node *n, enum fake_damage kind,
                           uint64_t size_max, struct random *random)
{
    uint64_t sectors = (size_max + FAKE_DISK_SECTOR_SIZE - 1) / FAKE_DISK_SECTOR_SIZE;
    uint64_t position = random_below(random, sectors) * FAKE_DISK_SECTOR_SIZE;
    uint64_t left = size_max - position;
    const struct node *from = kind == FAKE_DAMAGE_STALE ? n : other_file(d, n);
    uint64_t from_position = random_below(random, sectors + 1) * FAKE_DISK_SECTOR_SIZE;
    if (kind == FAKE_DAMAGE_STALE && random_chance(random, 0.3))
        from = NULL;
    return overwrite(d, n, position, left < FAKE_DISK_SECTOR_SIZE ? left : FAKE_DISK_SECTOR_SIZE,
                     from, from_position);
}

static bool damage(struct fake_disk *d, const char *path, struct node *n, enum fake_damage kind,
                   uint64_t size_max, struct random *random)
{
    switch (kind) {
    case FAKE_DAMAGE_FLIP:
        node_flip_bit(&d->tree.space, n, random_below(random, size_max),
                      (unsigned)random_below(random, 8));
        return true;
    case FAKE_DAMAGE_CUT:
        return cut(d, n, random_below(random, size_max));
    case FAKE_DAMAGE_REMOVE:
        return remove_name(d, path, n);
    default:
        return replace_sector(d, n, kind, size_max, random);
    }
}

bool fake_damage(struct fake_disk *d, const char *path, enum fake_damage kind, uint64_t size_max,
                 struct random *random)
{
    lock(d);
    struct node *n = tree_find(&d->tree, path);
    bool is_done = false;
    if (n != NULL && !n->is_directory && n->size > 0)
        is_done = damage(d, path, n, kind, n->size < size_max ? n->size : size_max, random);
    return unlock(d, is_done);
}
