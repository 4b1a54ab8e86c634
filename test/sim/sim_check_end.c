/* The comparison at the end: replicas with each other, with the model, and with a replay. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "sim/sim_actor.h"
#include "sim/sim_check_parts.h"
#include "sim/sim_consumer.h"
#include "sim/sim_metadata.h"
#include "sim/sim_moves.h"

void sim_check_level(struct sim_check *c)
{
    for (uint32_t group_id = 1; group_id <= c->sim->group_count && !c->sim->is_blind; group_id++) {
        struct sim_group *first = sim_node_group(c->sim->nodes[0], group_id);
        uint32_t checksum = machine_checksum(first->machine);
        for (unsigned i = 1; i < c->sim->node_count; i++) {
            struct sim_group *g = sim_node_group(c->sim->nodes[i], group_id);
            if (machine_checksum(g->machine) != checksum)
                world_violation(c->sim->world, "8 same replicas",
                                "group %u: nodes 1 and %u differ "
                                "after index %" PRIu64,
                                group_id, i + 1, first->applied_index);
            sim_count(c->sim, SIM_replicas_compared, 1);
        }
    }
}

void sim_check_answers(struct sim_check *c)
{
    for (unsigned i = 0; i < c->sim->node_count; i++) {
        const struct sim_life *life = c->sim->nodes[i]->life;
        if (life != NULL && life->calls != NULL && !c->sim->is_blind)
            world_violation(c->sim->world, "17 one answer",
                            "node %u left a request without an "
                            "answer",
                            i + 1);
    }
}

/* ---- everything read back from every replica ---- */

struct read_back {
    struct log_read req;
    bool is_done;
    int status;
};

static void on_read(struct log_read *req, int status)
{
    struct read_back *r = req->data;
    r->is_done = true;
    r->status = status;
}

static bool is_read(struct sim *s, void *data)
{
    (void)s;
    return ((struct read_back *)data)->is_done;
}

static int read_at(struct sim *s, struct sim_group *g, struct log_partition *log,
                   struct read_back *r, int64_t offset)
{
    *r = (struct read_back){0};
    r->req.data = r;
    r->req.offset = offset;
    r->req.offset_max = INT64_MAX;
    r->req.size_bytes_max = 1 << 20;
    r->req.readers = &g->life->readers.seam;
    r->req.home = &g->life->shard.seam;
    int got = log_partition_read(log, &r->req, on_read);
    if (got < 0)
        return got;
    if (got == 0 && !sim_run_while_not(s, WORLD_S, is_read, r))
        world_violation(s->world, "18 progress", "a read of node %u does not end",
                        sim_node_id(g->life->node));
    return got > 0 ? 0 : r->status;
}

/* The slices in one piece: a batch's head is a slice of its own. */
static struct bytes join(struct read_back *r)
{
    uint8_t *bytes = malloc(r->req.size_bytes + 1), *at = bytes;
    if (bytes == NULL)
        abort();
    for (unsigned i = 0; i < r->req.slice_count; i++) {
        struct bytes part = r->req.slices[i].bytes;
        memcpy(at, part.data, part.size);
        at += part.size;
        slice_unref(&r->req.slices[i]);
    }
    return bytes_of(bytes, (size_t)(at - bytes));
}

static void read_partition(struct sim_check *c, struct sim_group *g, uint32_t number,
                           const struct check_partition *model, bool is_last)
{
    struct log_partition *log = machine_partition(g->machine, number)->log;
    int64_t offset = log_partition_start_offset(log);
    unsigned node = sim_node_id(g->life->node);
    if (!c->sim->is_blind && offset > model->log_start)
        world_violation(c->sim->world, "1 durable",
                        "node %u group %u partition %u begins at %" PRId64
                        ", asked for was %" PRId64,
                        node, g->group_id, number, offset, model->log_start);
    struct sim_place place = sim_moves_home(c->sim, (struct sim_place){g->group_id, number});
    sim_history_moved(c->sim, "replica", node, place, offset, is_last);
    static struct read_back r;
    if (model->is_of_offsets)
        sim_check_offsets_read_begin(c);
    offset = log_partition_behind_gap(log, offset);
    while (offset < log_partition_next_offset(log)) {
        int err = read_at(c->sim, g, log, &r, offset);
        if ((err == ERR_CORRUPT && g->life->node->is_damaged) || (err != 0 && c->sim->is_blind)) {
            sim_count(c->sim, SIM_damage_found, 1);
            return;
        }
        if (err != 0)
            world_violation(c->sim->world, "1 durable",
                            "node %u group %u partition %u offset %" PRId64 " can't be read: %s",
                            node, g->group_id, number, offset, err_name(err));
        struct bytes bytes = join(&r);
        if (model->is_of_offsets) {
            offset = sim_check_offsets_read(c, offset, bytes);
        } else {
            sim_history_read(c->sim, "replica", node, place, offset, is_last, bytes);
            offset = sim_check_read(c, g, number, offset, bytes);
        }
        free((void *)(uintptr_t)bytes.data);
        offset = log_partition_behind_gap(log, offset);
    }
    if (model->is_of_offsets)
        sim_check_offsets_read_end(c, g);
    if (is_last)
        sim_history_read_end(c->sim, "replica", node, place, offset);
    if (!c->sim->is_blind && offset != model->next_offset)
        world_violation(c->sim->world, "1 durable",
                        "node %u group %u partition %u ends at %" PRId64
                        ", acknowledged up to %" PRId64,
                        node, g->group_id, number, offset, model->next_offset);
}

/* One that every run has, for who knows nothing else. */
static bool is_first(const struct sim *s, struct sim_group *g, uint32_t number)
{
    struct sim_place home = sim_moves_home(s, (struct sim_place){g->group_id, number});
    return home.partition >= 1 && home.partition <= SIM_FIRST_PARTITIONS &&
           machine_partition(g->machine, number) != NULL;
}

void sim_check_history(struct sim_check *c, bool is_last)
{
    for (unsigned i = 0; i < c->sim->node_count; i++)
        for (uint32_t group_id = 1; group_id <= SIM_GROUPS; group_id++)
            for (uint32_t number = 1; number < SIM_PARTITION_NUMBERS; number++) {
                const struct check_partition *p = &c->groups[group_id - 1].partitions[number];
                struct sim_group *g = sim_node_group(c->sim->nodes[i], group_id);
                bool is_there = c->sim->is_blind ? is_first(c->sim, g, number)
                                                 : p->is_open && !p->is_closed;
                if (is_there)
                    read_partition(c, g, number, p, is_last);
            }
}

/* ---- replay ---- */

static void submit_nothing(void *data, struct work_item *item)
{
    (void)data;
    (void)item;
    abort(); /* apply does no work elsewhere */
}

static void replay_group(struct sim_check *c, struct check_group *g)
{
    struct fake_disk *disk = fake_disk_create(1);
    struct work nowhere = {.submit = submit_nothing};
    struct log_store *store;
    struct machine *machine;
    struct machine_options options = {.group_id = g->group_id,
                                      .metadata = sim_metadata_create(g->group_id)};
#ifdef TRILOG_BREAK_APPLY_READS_LOCAL
    options.broken_batch_size_max = SIZE_MAX;
#endif
    struct err_note note;
    if (log_store_open(fake_disk_seam(disk), g->group_id, &nowhere, &nowhere, &store, &note) != 0 ||
        machine_create(&options, &machine) != 0)
        abort();
    struct repl_machine callbacks = machine_callbacks(machine);
    callbacks.restore(callbacks.data, store, log_store_state(store));
    for (uint64_t i = 1; i < g->entry_capacity; i++) {
        const struct seen_entry *e = &g->entries[i];
        if (e->term == 0)
            continue;
        struct log_entry entry = {.term = e->term, .index = i, .type = LOG_ENTRY_COMMAND};
        entry.head.bytes = bytes_of(e->head_bytes, LOG_ENTRY_HEAD_SIZE);
        entry.body = (struct slice){.owner = e->body,
                                    .bytes = bytes_of(e->body->data, e->body->capacity)};
        callbacks.apply(callbacks.data, &entry, &e->head, NULL);
        if (e->has_checksum && machine_checksum(machine) != e->checksum)
            world_violation(c->sim->world, "12 pure apply",
                            "group %u: a replay differs after index %" PRIu64, g->group_id, i);
        sim_count(c->sim, SIM_entries_replayed, 1);
    }
}

void sim_check_replay(struct sim_check *c)
{
    for (unsigned i = 0; i < c->sim->group_count && !c->sim->is_blind; i++)
        replay_group(c, &c->groups[i]);
}

/* ---- segment files ---- */

struct comparison {
    struct sim_check *check;
    const char *folder;
    const struct log_partition *partition; /* files that are no longer of it may be left over */
    struct sim_node *one, *other;
};

static int64_t read_file(struct sim_node *n, const char *path, uint8_t **bytes)
{
    const struct disk *disk = fake_disk_seam(n->disk);
    struct disk_file *file;
    if (disk_open(disk, path, DISK_READ, &file) != 0)
        return -1;
    int64_t size = disk_size(disk, file);
    *bytes = malloc((size_t)size + 1);
    if (*bytes == NULL || disk_read_at(disk, file, 0, *bytes, (size_t)size) != size)
        abort();
    disk_close(disk, file);
    return size;
}

static void compare_file(void *data, const char *name, bool is_directory)
{
    struct comparison *k = data;
    char path[160];
    uint8_t *mine = NULL, *theirs = NULL;
    if (is_directory || !log_partition_has_file(k->partition, name))
        return;
    snprintf(path, sizeof path, "%s/%s", k->folder, name);
    int64_t size = read_file(k->one, path, &mine);
    int64_t other_size = read_file(k->other, path, &theirs);
    sim_count(k->check->sim, SIM_files_compared, 1);
    if (size != other_size || memcmp(mine, theirs, (size_t)size) != 0)
        world_violation(k->check->sim->world, "8 same replicas",
                        "%s differs between nodes %u (%" PRId64 " bytes) and %u (%" PRId64
                        " bytes)",
                        path, sim_node_id(k->one), size, sim_node_id(k->other), other_size);
    free(mine);
    free(theirs);
}

static void compare_partition(void *data, uint32_t number, struct log_partition *p)
{
    struct comparison *k = data;
    char folder[80] = "topics/";
    const struct log_partition_id *id = log_partition_id(p);
    (void)number;
    for (unsigned i = 0; i < 16; i++)
        snprintf(folder + 7 + 2 * i, 3, "%02x", id->topic_id[i]);
    snprintf(folder + 39, sizeof folder - 39, "-%d", id->partition);
    k->folder = folder;
    k->partition = p;
    disk_list(fake_disk_seam(k->one->disk), folder, compare_file, k);
}

void sim_check_segments(struct sim_check *c)
{
    struct sim_node *one = c->sim->nodes[0];
    for (unsigned i = 1; i < c->sim->node_count && !c->sim->is_blind; i++) {
        struct comparison k = {.check = c, .one = one, .other = c->sim->nodes[i]};
        if (one->is_damaged || k.other->is_damaged)
            continue;
        for (unsigned group = 0; group < SIM_GROUPS; group++)
            log_store_each_partition(one->life->groups[group].store, compare_partition, &k);
    }
}
