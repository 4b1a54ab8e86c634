/* Damaged segments of a replica, mended with the help of its peers (replication/group_repair.c). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "fake/fake_damage.h"
#include "group_fixture.h"
#include "log/repair.h"

static struct cluster c;

#define FOLDER "topics/"

/* Values go to a partition, all of it in files. */
static struct replica *started(unsigned count, uint64_t seed)
{
    cluster_init(&c, count, count, seed);
    c.has_partition = true;
    c.value_size = 1000;
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_append(&c, 200);
    cluster_settle(&c, 1000);
    return leader;
}

static void trim(void *data, uint32_t number, struct log_partition *p)
{
    (void)data, (void)number;
    log_partition_trim_tail(p, 0);
}

static void flush(struct replica *r)
{
    cluster_checkpoint(&c, r);
    log_store_each_partition(r->store, trim, NULL);
}

static void flush_all(void)
{
    for (unsigned i = 0; i < c.count; i++)
        flush(&c.replicas[i]);
}

/* ---- files ---- */

static char folder[100];
static char names[64][64];
static unsigned name_count;

static void on_folder(void *data, const char *name, bool is_directory)
{
    (void)data, (void)is_directory;
    snprintf(folder, sizeof folder, FOLDER "%.80s", name);
}

static void on_name(void *data, const char *name, bool is_directory)
{
    (void)data, (void)is_directory;
    if (name_count < 64)
        snprintf(names[name_count++], sizeof names[0], "%.60s", name);
}

static void list_files(struct replica *r)
{
    const struct disk *disk = fake_disk_seam(r->disk);
    name_count = 0;
    cr_assert_eq(disk_list(disk, "topics", on_folder, NULL), 0);
    cr_assert_eq(disk_list(disk, folder, on_name, NULL), 0);
    cr_assert_gt(name_count, 5);
}

static size_t read_file(struct replica *r, const char *name, uint8_t *into, size_t size_max)
{
    char path[200];
    struct disk_file *file;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    const struct disk *disk = fake_disk_seam(r->disk);
    cr_assert_eq(disk_open(disk, path, DISK_READ, &file), 0, "%s", path);
    int64_t got = disk_read_at(disk, file, 0, into, size_max);
    disk_close(disk, file);
    cr_assert_geq(got, 0);
    return (size_t)got;
}

static void check_same_files(void)
{
    static uint8_t mine[1 << 18], theirs[1 << 18];
    list_files(&c.replicas[0]);
    unsigned count = name_count;
    for (unsigned i = 1; i < c.count; i++) {
        list_files(&c.replicas[i]);
        cr_assert_eq(name_count, count, "replica %u has other files", i);
        for (unsigned n = 0; n < name_count; n++) {
            size_t size = read_file(&c.replicas[0], names[n], mine, sizeof mine);
            cr_assert_eq(read_file(&c.replicas[i], names[n], theirs, sizeof theirs), size);
            cr_assert_eq(memcmp(mine, theirs, size), 0, "%s differs on %u", names[n], i);
        }
    }
}

/* Damages data of the first segment from `position` on, and lets it be noticed. */
static void damage_at(struct replica *r, uint64_t position)
{
    char path[200];
    list_files(r);
    snprintf(path, sizeof path, "%s/00000000000000000000.log", folder);
    cr_assert_eq(fake_disk_flip_bit(r->disk, path, position, 2), 0);
}

static int read_status;
static bool is_read;

static void on_read(struct log_read *req, int status)
{
    is_read = true;
    read_status = status;
    for (unsigned i = 0; i < req->slice_count; i++)
        slice_unref(&req->slices[i]);
}

static int read_offset(struct replica *r, int64_t offset)
{
    static struct log_read req;
    req = (struct log_read){.offset = offset,
                            .offset_max = INT64_MAX,
                            .size_bytes_max = 1,
                            .readers = &r->worker.seam,
                            .home = &r->home.seam};
    is_read = false;
    struct log_partition *p = log_store_partition(r->store, PARTITION_RECORDS);
    int got = log_partition_read(p, &req, on_read);
    cr_assert_geq(got, 0);
    if (got == 1)
        on_read(&req, 0);
    for (unsigned i = 0; i < 100 && !is_read; i++)
        cluster_run_ms(&c, 1);
    cr_assert(is_read);
    return read_status;
}

static struct log_damage_status damage_of(const struct replica *r)
{
    struct log_damage_status status;
    log_store_damage(r->store, &status);
    return status;
}

static bool is_all_mended(struct cluster *cluster)
{
    for (unsigned i = 0; i < cluster->count; i++) {
        struct log_damage_status status = damage_of(&cluster->replicas[i]);
        if (status.suspected + status.damaged > 0)
            return false;
    }
    return true;
}

Test(repl_group_repair, mends_a_follower_whose_reads_fail_until_then)
{
    struct replica *leader = started(3, 80);
    struct replica *follower = cluster_other(&c, leader, 0);
    flush_all();
    damage_at(follower, 5000);
    cr_assert_eq(read_offset(follower, 4), ERR_CORRUPT);
    cluster_run_until(&c, is_all_mended, 1000, "mended");
    cr_assert_eq(damage_of(follower).segments_repaired, 1);
    cr_assert_eq(read_offset(follower, 4), 0);
    check_same_files();
    cluster_close(&c);
}

Test(repl_group_repair, mends_the_leader_who_goes_on_leading)
{
    struct replica *leader = started(3, 81);
    flush_all();
    uint64_t term = replica_status(leader).term;
    damage_at(leader, 20000);
    cr_assert_eq(read_offset(leader, 18), ERR_CORRUPT);
    cluster_append(&c, 50);
    cluster_run_until(&c, is_all_mended, 1000, "mended");
    cr_assert_eq(read_offset(leader, 18), 0);
    cr_assert_eq(cluster_leader_now(&c), leader);
    cr_assert_eq(replica_status(leader).term, term);
    flush_all();
    check_same_files();
    cluster_close(&c);
}

/* Every replica has lost another part: each has what the others lack. */
Test(repl_group_repair, mends_all_replicas_when_each_is_damaged_elsewhere)
{
    started(3, 82);
    flush_all();
    for (unsigned i = 0; i < 3; i++)
        damage_at(&c.replicas[i], 3000 + i * 9000);
    unsigned failed = 0;
    for (int64_t offset = 0; offset < 30; offset++)
        for (unsigned i = 0; i < 3; i++)
            failed += read_offset(&c.replicas[i], offset) != 0;
    cr_assert_geq(failed, 3);
    cluster_run_until(&c, is_all_mended, 5000, "mended");
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(damage_of(&c.replicas[i]).segments_repaired, 1);
    for (int64_t offset = 0; offset < 30; offset++)
        for (unsigned i = 0; i < 3; i++)
            cr_assert_eq(read_offset(&c.replicas[i], offset), 0);
    check_same_files();
    cluster_close(&c);
}

Test(repl_group_repair, says_what_no_replica_has_and_goes_on)
{
    struct replica *leader = started(3, 83);
    flush_all();
    for (unsigned i = 0; i < 3; i++)
        damage_at(&c.replicas[i], 5000);
    for (unsigned i = 0; i < 3; i++)
        cr_assert_eq(read_offset(&c.replicas[i], 4), ERR_CORRUPT);
    cluster_run_ms(&c, 20000);
    for (unsigned i = 0; i < 3; i++) {
        struct log_damage_status status = damage_of(&c.replicas[i]);
        cr_assert_eq(status.damaged, 1);
        cr_assert_eq(status.not_repairable, 1, "replica %u does not say so", i);
        cr_assert_eq(read_offset(&c.replicas[i], 4), ERR_CORRUPT);
        cr_assert_eq(read_offset(&c.replicas[i], 100), 0, "the others are there");
    }
    cluster_append(&c, 50);
    cluster_settle(&c, 1000);
    cr_assert_eq(cluster_leader_now(&c), leader);
    flush_all();
    damage_at(leader, 5000); /* the same bit again: as if a copy had been found */
    cluster_run_ms(&c, 70000);
    cr_assert(is_all_mended(&c), "all are mended from the one that is sound again");
    check_same_files();
    cluster_close(&c);
}

/* Peers that have not written it yet have it in memory: they are asked until it is in files. */
Test(repl_group_repair, waits_for_a_peer_to_write_what_is_in_its_memory)
{
    struct replica *leader = started(3, 84);
    struct replica *follower = cluster_other(&c, leader, 0);
    flush(follower);
    damage_at(follower, 5000);
    cr_assert_eq(read_offset(follower, 4), ERR_CORRUPT);
    cluster_run_until(&c, is_all_mended, 5000, "mended");
    flush_all();
    check_same_files();
    cluster_close(&c);
}

/* A quota that is used up is a full disk, too. */
Test(repl_group_repair, tries_again_later_where_there_is_no_room)
{
    const int errors[] = {UV_ENOSPC, uv_translate_sys_error(EDQUOT)};
    for (unsigned i = 0; i < 2; i++) {
        struct replica *leader = started(3, 90 + i);
        struct replica *follower = cluster_other(&c, leader, 0);
        flush_all();
        damage_at(follower, 5000);
        fake_disk_fail_nth(follower->disk, FAKE_DISK_RENAME, 1, errors[i]);
        cr_assert_eq(read_offset(follower, 4), ERR_CORRUPT);
        cluster_run_ms(&c, 1000);
        cr_assert_eq(damage_of(follower).damaged, 1, "it waits");
        cr_assert_eq(follower->fatal_count, 0, "%s", err_name(follower->fatal_status));
        cluster_run_until(&c, is_all_mended, 5000, "mended");
        check_same_files();
        cluster_close(&c);
    }
}

Test(repl_group_repair, starts_with_segments_missing_and_fetches_them)
{
    struct replica *leader = started(3, 85);
    struct replica *follower = cluster_other(&c, leader, 0);
    flush_all();
    replica_kill(follower);
    list_files(follower);
    struct random random;
    random_init(&random, 85);
    for (unsigned n = 0; n < name_count; n += 2) {
        char path[200];
        snprintf(path, sizeof path, "%s/%s", folder, names[n]);
        fake_damage(follower->disk, path, n % 4 == 0 ? FAKE_DAMAGE_REMOVE : FAKE_DAMAGE_CUT,
                    UINT64_MAX, &random);
    }
    replica_start(follower);
    cr_assert_gt(damage_of(follower).suspected, 1);
    cluster_append(&c, 20);
    cluster_run_until(&c, is_all_mended, 5000, "mended");
    cr_assert_eq(replica_counters(follower).snapshots_installed, 0, "nothing else was fetched");
    cluster_settle(&c, 1000);
    flush_all();
    check_same_files();
    cluster_close(&c);
}

static unsigned asks_seen;

static bool lose_asks(struct cluster *cluster, unsigned from, unsigned to,
                      const struct repl_message *m)
{
    (void)cluster, (void)from;
    return m->type != REPL_REPAIR_ASK || asks_seen++ > 6 || to != 0;
}

Test(repl_group_repair, asks_another_peer_when_one_does_not_answer)
{
    started(3, 86);
    struct replica *damaged = &c.replicas[1];
    flush_all();
    asks_seen = 0;
    c.filter = lose_asks;
    damage_at(damaged, 5000);
    cr_assert_eq(read_offset(damaged, 4), ERR_CORRUPT);
    cluster_run_until(&c, is_all_mended, 10000, "mended");
    check_same_files();
    cluster_close(&c);
}

Test(repl_group_repair, mends_when_its_peers_come_back)
{
    struct replica *leader = started(3, 87);
    struct replica *follower = cluster_other(&c, leader, 0);
    flush_all();
    cluster_isolate(&c, follower->number);
    cluster_run_ms(&c, 2000);
    damage_at(follower, 5000);
    cr_assert_eq(read_offset(follower, 4), ERR_CORRUPT);
    cluster_run_ms(&c, 5000);
    cr_assert_eq(damage_of(follower).damaged, 1);
    cr_assert_eq(damage_of(follower).not_repairable, 0, "nobody has said that it is lost");
    cluster_heal(&c);
    cluster_run_until(&c, is_all_mended, 70000, "mended");
    check_same_files();
    cluster_close(&c);
}

Test(repl_group_repair, ends_with_its_group_whatever_it_is_doing)
{
    for (unsigned ms = 1; ms < 60; ms += 3) {
        struct replica *leader = started(3, 88);
        struct replica *follower = cluster_other(&c, leader, 0);
        flush_all();
        damage_at(follower, 5000);
        cr_assert_eq(read_offset(follower, 4), ERR_CORRUPT);
        cluster_run_ms(&c, ms);
        cluster_close(&c); /* nothing stays open */
    }
}

/* A leader whose own files are damaged finds that when it ships them, and mends them from the third
 * replica: who was away comes back all the same. */
Test(repl_group_repair, mends_a_leader_that_ships_damaged_files)
{
    for (unsigned kind = 0; kind < 3; kind++) {
        cluster_init(&c, 3, 3, 90 + kind);
        c.has_partition = true;
        c.value_size = 1000;
        c.trailing_entries = 5;
        c.cache_bytes_max = 4096;
        c.wal_kept_bytes = 1;
        cluster_start(&c);
        struct replica *leader = cluster_leader(&c, 1000);
        struct replica *gone = cluster_other(&c, leader, 0);
        cluster_append(&c, 20);
        cluster_settle(&c, 1000);
        replica_kill(gone);
        for (unsigned round = 0; round < 4; round++) {
            cluster_append(&c, 200);
            for (unsigned i = 0; i < 3; i++)
                if (c.replicas[i].group != NULL)
                    flush(&c.replicas[i]);
        }
        struct random random;
        random_init(&random, kind);
        list_files(leader);
        char path[200];
        snprintf(path, sizeof path, "%s/00000000000000000000.log", folder);
        cr_assert(fake_damage(leader->disk, path, (enum fake_damage)kind, 30000, &random));
        replica_start(gone);
        cluster_settle(&c, 20000);
        cr_assert_geq(replica_counters(gone).snapshots_installed, 1);
        cluster_run_until(&c, is_all_mended, 5000, "mended");
        cr_assert_eq(damage_of(leader).segments_repaired, 1);
        flush_all();
        check_same_files();
        cluster_close(&c);
    }
}
