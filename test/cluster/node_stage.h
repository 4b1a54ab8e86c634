/* A node's disk, and what a start opens on it: what the tests of start/ share. */
#ifndef CLUSTER_NODE_STAGE_H
#define CLUSTER_NODE_STAGE_H

#include <criterion/criterion.h>

#include "../cluster/start/storage.h"
#include "fake/fake_clock.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"

#define NODE_GROUPS_MAX 3

struct node {
    struct fake_disk *disk;
    struct fake_work work; /* all queues in one: nothing runs beside another here */
    struct fake_clock clock;
    struct random random;
    struct identity identity;
    uint32_t node_id;
    unsigned group_count, founder_count;
    struct repl_member founders[3];
    struct log_wal *wal;
    struct log_store *stores[NODE_GROUPS_MAX];
    struct storage_report report;
    struct err_note note;
};

/* With an empty disk; founders are the test's own. */
static inline void node_init(struct node *n, uint64_t seed, uint32_t node_id, unsigned group_count)
{
    *n = (struct node){
        .disk = fake_disk_create(seed), .node_id = node_id, .group_count = group_count};
    fake_work_init(&n->work);
    fake_clock_init(&n->clock);
    random_init(&n->random, seed);
}

static inline const struct work *node_home(void *data, uint32_t group_id)
{
    (void)group_id;
    return &((struct node *)data)->work.seam;
}

static inline struct storage_options node_options(struct node *n)
{
    return (struct storage_options){
        .disk = fake_disk_seam(n->disk),
        .wal_disk = fake_disk_seam(n->disk),
        .wal = {.directory = "wal",
                .file_size_bytes = 256 << 10,
                .queue_bytes_max = 1 << 20,
                .kept_bytes_max = 1 << 20,
                .cluster_id = {1, 2},
                .clock = &n->clock.seam},
        .writer = &n->work.seam,
        .readers = &n->work.seam,
        .home = node_home,
        .data = n,
        .group_count = n->group_count,
        .founders = n->founders,
        .founder_count = n->founder_count,
        .random = &n->random,
    };
}

/* Who it is; an empty disk has been founded by then. */
static inline int node_open_identity(struct node *n)
{
    const struct disk *disk = fake_disk_seam(n->disk);
    n->note.text[0] = '\0';
    int err = identity_open(disk, disk, "prod", n->node_id, &n->random, &n->identity, &n->note);
    if (err == 0 && n->identity.state != IDENTITY_FOUNDED) {
        n->identity.state = IDENTITY_FOUNDED;
        err = identity_write(disk, &n->identity);
    }
    return err;
}

static inline int node_open_storage(struct node *n)
{
    struct storage_options options = node_options(n);
    return storage_open(&options, &n->identity, &n->wal, n->stores, &n->report, &n->note);
}

static inline void node_close(struct node *n)
{
    fake_work_drop(&n->work);
    for (unsigned i = 0; i < n->group_count && n->wal != NULL; i++)
        log_store_close(n->stores[i]);
    log_wal_close(n->wal);
    n->wal = NULL;
}

static inline void node_free(struct node *n)
{
    node_close(n);
    fake_disk_destroy(n->disk);
}

static inline void node_on_append(struct log_wal_append *req, int status)
{
    *(int *)req->data = status;
}

#endif
