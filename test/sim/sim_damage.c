/* One file is chosen, then one way to damage it. */
#include "sim/sim_damage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim/sim_operator.h"

#define BLOCK      4096u
#define VOTE_SIZE  64u
#define VOTE_TRIES 16

/* ---- choosing ---- */

struct choice {
    struct world *world;
    const char *folder;
    char *path;
    unsigned seen;
};

static void choose(void *data, const char *name, bool is_directory)
{
    struct choice *c = data;
    if (!is_directory && world_between(c->world, 0, c->seen++) == 0)
        snprintf(c->path, SIM_PATH_SIZE, "%s/%s", c->folder, name);
}

bool sim_damage_choose_file(struct sim_node *n, const char *folder, char path[SIM_PATH_SIZE])
{
    struct choice c = {.world = n->sim->world, .folder = folder, .path = path};
    disk_list(fake_disk_seam(n->disk), folder, choose, &c);
    return c.seen > 0;
}

int64_t sim_damage_size_of(struct sim_node *n, const char *path)
{
    struct disk_file *file;
    const struct disk *disk = fake_disk_seam(n->disk);
    if (disk_open(disk, path, DISK_READ, &file) != 0)
        return -1;
    int64_t size = disk_size(disk, file);
    disk_close(disk, file);
    return size;
}

/* Few files of a WAL have one. */
static bool choose_vote(struct sim_node *n, char path[SIM_PATH_SIZE])
{
    uint64_t position;
    for (int i = 0; i < VOTE_TRIES && sim_damage_choose_file(n, "wal", path); i++)
        if (sim_harm_draw_vote(n, path, &position))
            return true;
    return false;
}

static bool choose_file(struct sim_node *n, enum sim_damage part, char path[SIM_PATH_SIZE])
{
    struct world *w = n->sim->world;
    if (part == SIM_DAMAGE_VOTE)
        return choose_vote(n, path);
    if (part == SIM_DAMAGE_WAL)
        return sim_damage_choose_file(n, "wal", path);
    if (part == SIM_DAMAGE_MANIFEST)
        snprintf(path, SIM_PATH_SIZE, "groups/%u/manifest",
                 (unsigned)world_between(w, 1, n->sim->group_count));
    else if (part == SIM_DAMAGE_IDENTITY)
        snprintf(path, SIM_PATH_SIZE, "%s",
                 random_chance(world_random(w), 0.5) ? "node" : "node.copy");
    return true;
}

/* ---- ways ---- */

struct block {
    struct sim_node *node;
    struct fake_disk *disk; /* the node's may be another by then */
    char path[SIM_PATH_SIZE];
    uint64_t position;
    size_t size;
    uint8_t bytes[BLOCK];
};

static bool read_block(struct sim_node *n, const char *path, uint64_t position, struct block *b)
{
    struct disk_file *file;
    const struct disk *disk = fake_disk_seam(n->disk);
    *b = (struct block){.node = n, .disk = n->disk, .position = position};
    snprintf(b->path, sizeof b->path, "%s", path);
    if (disk_open(disk, path, DISK_READ, &file) != 0)
        return false;
    int64_t got = disk_read_at(disk, file, position, b->bytes, sizeof b->bytes);
    disk_close(disk, file);
    b->size = got > 0 ? (size_t)got : 0;
    return got > 0;
}

static void note(struct sim_node *n)
{
    n->is_damaged = true;
    n->damaged_ns = world_now_ns(n->sim->world);
}

/* A write that is lost where nothing was written since harms nobody. */
static bool is_another(const struct block *b, uint64_t position)
{
    uint64_t size = fake_disk_peek(b->node->disk, b->path, NULL, 0);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        abort();
    fake_disk_peek(b->node->disk, b->path, bytes, size);
    bool is_other = position + b->size > size || memcmp(bytes + position, b->bytes, b->size) != 0;
    free(bytes);
    return is_other;
}

static void put_block(struct sim_node *n, const struct block *b, uint64_t position,
                      enum sim_harm harm)
{
    size_t size = b->size;
    if (is_another(b, position))
        sim_harm_note(n, harm, b->path, position, position + size);
    while (size > 0 &&
           fake_disk_overwrite(n->disk, b->path, position, bytes_of(b->bytes, size)) == UV_EINVAL)
        size /= 2; /* the file is shorter by now */
    note(n);
}

/* The write that came in between is lost. */
static void on_stale(void *data)
{
    struct block *b = data;
    if (b->disk != b->node->disk)
        return; /* it is gone */
    sim_tell(b->node->sim, "%s on node %u loses a write at %llu", b->path, sim_node_id(b->node),
             (unsigned long long)b->position);
    put_block(b->node, b, b->position, SIM_HARM_STALE);
}

static bool lose_write_later(struct sim_node *n, const char *path, uint64_t position)
{
    struct block *b = malloc(sizeof *b);
    if (b == NULL)
        abort();
    if (!read_block(n, path, position, b)) {
        free(b);
        return false;
    }
    note(n); /* nobody else's disk is hit meanwhile */
    world_in(n->sim->world, world_between(n->sim->world, WORLD_MS, 3 * WORLD_S), NULL, on_stale, b);
    return true;
}

static bool move_block(struct sim_node *n, const char *path, uint64_t from, uint64_t to)
{
    struct block b;
    if (!read_block(n, path, from, &b))
        return false;
    put_block(n, &b, to, SIM_HARM_MISDIRECTED);
    return true;
}

static bool zero_block(struct sim_node *n, const char *path, uint64_t position)
{
    struct block b;
    if (!read_block(n, path, position, &b))
        return false;
    memset(b.bytes, 0, sizeof b.bytes);
    put_block(n, &b, position, SIM_HARM_STALE);
    return true;
}

static bool flip_some(struct sim_node *n, const char *path, uint64_t from, uint64_t to)
{
    struct world *w = n->sim->world;
    for (uint64_t i = world_between(w, 1, 5); i > 0; i--) {
        uint64_t position = world_between(w, from, to - 1);
        sim_harm_note(n, SIM_HARM_FLIPPED, path, position, position + 1);
        fake_disk_flip_bit(n->disk, path, position, (unsigned)world_between(w, 0, 7));
    }
    note(n);
    return true;
}

static bool cut_off(struct sim_node *n, const char *path, uint64_t size)
{
    sim_harm_note(n, SIM_HARM_CUT_OFF, path, size, UINT64_MAX);
    note(n);
    return fake_disk_cut(n->disk, path, size) == 0;
}

static bool remove_file(struct sim_node *n, const char *path)
{
    sim_harm_note(n, SIM_HARM_GONE, path, 0, UINT64_MAX);
    note(n);
    return disk_remove(fake_disk_seam(n->disk), path) == 0 &&
           disk_sync_directory(fake_disk_seam(n->disk), "") == 0;
}

static bool strike(struct sim_node *n, enum sim_damage part, const char *path, uint64_t size)
{
    struct world *w = n->sim->world;
    uint64_t from = 0, to = size;
    if (part == SIM_DAMAGE_VOTE && sim_harm_draw_vote(n, path, &from))
        to = from + VOTE_SIZE;
    uint64_t block = world_between(w, from, to - 1) / BLOCK * BLOCK;
    uint64_t other = world_between(w, 0, (size - 1) / BLOCK) * BLOCK;
    unsigned way = (unsigned)world_between(w, 0, 5);
    sim_tell(n->sim, "%s of %llu bytes on node %u is damaged, way %u at %llu", path,
             (unsigned long long)size, sim_node_id(n), way, (unsigned long long)block);
    sim_count(n->sim, SIM_files_damaged, 1);
    switch (way) {
    case 0:
        return zero_block(n, path, block);
    case 1:
        return lose_write_later(n, path, block);
    case 2:
        return move_block(n, path, other, block);
    case 3:
        return cut_off(n, path, world_between(w, 0, to - 1));
    case 4:
        return remove_file(n, path);
    default:
        return flip_some(n, path, from, to);
    }
}

bool sim_damage(struct sim_node *n, enum sim_damage part)
{
    char path[SIM_PATH_SIZE];
    if (!choose_file(n, part, path))
        return false;
    bool is_both = part == SIM_DAMAGE_IDENTITY && random_chance(world_random(n->sim->world), 0.5);
    int64_t size = sim_damage_size_of(n, path);
    bool has_struck = size > 0 && strike(n, part, path, (uint64_t)size);
    if (is_both && has_struck)
        has_struck = flip_some(n, strcmp(path, "node") == 0 ? "node.copy" : "node", 0,
                               (uint64_t)size);
    n->has_tail_damage |= has_struck && (part == SIM_DAMAGE_WAL || part == SIM_DAMAGE_VOTE);
    return has_struck;
}

bool sim_damage_is_allowed(struct sim *s)
{
    for (unsigned i = 0; i < s->node_count; i++)
        if (s->nodes[i]->is_damaged || s->nodes[i]->has_damaged_segments || s->nodes[i]->is_lying ||
            s->nodes[i]->has_lost_writes)
            return false;
    return sim_operator_is_done(s);
}
