/* Who a node is: kept through restarts, refused under another name, never believed when torn. */
#include <criterion/criterion.h>

#include "../cluster/start/identity.h"
#include "base/event.h"
#include "fake/fake_disk.h"

struct folder {
    struct fake_disk *disk;
    struct random random;
    struct err_note note;
};

static struct folder folder(void)
{
    struct folder f = {.disk = fake_disk_create(3)};
    random_init(&f.random, 3);
    return f;
}

static int open_as(struct folder *f, const char *cluster, uint32_t node_id,
                   struct identity *identity)
{
    f->note = (struct err_note){0};
    return identity_open(fake_disk_seam(f->disk), fake_disk_seam(f->disk), cluster, node_id,
                         &f->random, identity, &f->note);
}

Test(cluster_identity, is_drawn_once_and_kept)
{
    struct folder f = folder();
    struct identity first, again;
    cr_assert_eq(open_as(&f, "prod", 2, &first), 0);
    cr_assert_eq(first.state, IDENTITY_NEW);
    cr_assert_neq(first.incarnation, 0);
    cr_assert_lt(first.incarnation, (uint64_t)1 << 48);
    fake_disk_crash(f.disk, NULL);
    cr_assert_eq(open_as(&f, "prod", 2, &again), 0);
    cr_assert_eq(again.incarnation, first.incarnation);
    fake_disk_destroy(f.disk);
}

Test(cluster_identity, keeps_all_it_says)
{
    struct folder f = folder();
    struct identity from = {.cluster_name = "prod",
                            .node_id = 3,
                            .incarnation = 77,
                            .state = IDENTITY_FOUNDED,
                            .is_rebuilt = true,
                            .has_wal = true,
                            .set_aside_count = 300,
                            .cluster_id = {1, 2},
                            .group_count = 40,
                            .groups_per_node = 4,
                            .founder_count = IDENTITY_FOUNDERS_MAX};
    struct identity into;
    for (unsigned i = 0; i < IDENTITY_FOUNDERS_MAX; i++)
        from.founders[i] = (struct identity_founder){i + 1, 100 + i, "a site with a longer name"};
    cr_assert_eq(identity_write(fake_disk_seam(f.disk), &from), 0);
    fake_disk_crash(f.disk, NULL);
    cr_assert_eq(open_as(&f, "prod", 3, &into), 0);
    cr_assert_arr_eq(&from, &into, sizeof from);
    fake_disk_destroy(f.disk);
}

Test(cluster_identity, refuses_the_folder_of_another_cluster_or_node_in_a_sentence)
{
    struct folder f = folder();
    struct identity identity;
    cr_assert_eq(open_as(&f, "prod", 2, &identity), 0);
    cr_assert_eq(open_as(&f, "test", 2, &identity), ERR_OTHER_CLUSTER);
    cr_assert_str_eq(f.note.text, "the data folder belongs to cluster \"prod\", the configuration "
                                  "says \"test\"");
    cr_assert_eq(open_as(&f, "prod", 3, &identity), ERR_OTHER_NODE);
    cr_assert_str_eq(f.note.text, "the data folder belongs to node 2, the configuration says 3");
    fake_disk_destroy(f.disk);
}

static void overwrite(struct folder *f, const char *name, struct bytes bytes)
{
    struct disk_file *file;
    const struct disk *disk = fake_disk_seam(f->disk);
    cr_assert_eq(disk_open(disk, name, DISK_WRITE | DISK_CREATE, &file), 0);
    cr_assert_eq(disk_truncate(disk, file, 0), 0);
    cr_assert_eq(disk_write_bytes_at(disk, file, 0, bytes), 0);
    disk_close(disk, file);
}

static size_t read_file(struct folder *f, uint8_t *into, size_t size)
{
    struct disk_file *file;
    const struct disk *disk = fake_disk_seam(f->disk);
    cr_assert_eq(disk_open(disk, "node", DISK_READ, &file), 0);
    int64_t got = disk_read_at(disk, file, 0, into, size);
    disk_close(disk, file);
    cr_assert_gt(got, 0);
    return (size_t)got;
}

struct said {
    unsigned damaged, restored, lost;
};

static void note_line(void *data, enum event_level level, const char *line)
{
    struct said *said = data;
    (void)level;
    said->damaged += strstr(line, "event=identity_damaged") != NULL;
    said->restored += strstr(line, "event=identity_restored") != NULL;
    said->lost += strstr(line, "event=identity_lost") != NULL;
}

/* One of the two is damaged: `write` puts it there. The other one counts, and both are whole. */
static void must_restore(struct folder *f, const char *name, struct bytes damaged,
                         uint64_t incarnation)
{
    struct identity identity;
    struct said said = {0};
    event_set_sink(note_line, &said);
    overwrite(f, name, damaged);
    cr_assert_eq(open_as(f, "prod", 2, &identity), 0);
    cr_assert_eq(identity.incarnation, incarnation);
    bool is_first = strcmp(name, "node") == 0;
    cr_assert_eq(said.damaged, is_first, "the copy is looked at when it is needed");
    cr_assert_eq(said.restored, is_first);
    said = (struct said){0};
    cr_assert_eq(open_as(f, "prod", 2, &identity), 0);
    cr_assert_eq(said.damaged + said.restored, 0, "it was mended");
    event_set_sink(NULL, NULL);
}

Test(cluster_identity, is_taken_from_its_copy_when_it_is_torn_or_has_a_flipped_bit)
{
    struct folder f = folder();
    struct identity identity;
    uint8_t bytes[1024];
    cr_assert_eq(open_as(&f, "prod", 2, &identity), 0);
    size_t size = read_file(&f, bytes, sizeof bytes);
    for (size_t cut = 0; cut < size; cut++)
        must_restore(&f, "node", bytes_of(bytes, cut), identity.incarnation);
    for (size_t at = 0; at < size; at++) {
        bytes[at] ^= 0x10;
        must_restore(&f, "node", bytes_of(bytes, size), identity.incarnation);
        must_restore(&f, "node.copy", bytes_of(bytes, size), identity.incarnation);
        bytes[at] ^= 0x10;
        cr_assert_eq(identity_write(fake_disk_seam(f.disk), &identity), 0);
    }
    fake_disk_destroy(f.disk);
}

Test(cluster_identity, is_lost_when_both_are_damaged_and_there_is_data)
{
    static const char *const folders[] = {"lock", "wal", "groups"};
    static const char *const groups[] = {"groups/0", "groups/1", "groups/3"};
    for (unsigned i = 0; i < 3; i++) {
        struct folder f = folder();
        struct identity before, after;
        struct said said = {0};
        cr_assert_eq(open_as(&f, "prod", 2, &before), 0);
        cr_assert_eq(disk_make_directory(fake_disk_seam(f.disk), folders[i]), 0);
        for (unsigned k = 0; k < 3 && i == 2; k++)
            cr_assert_eq(disk_make_directory(fake_disk_seam(f.disk), groups[k]), 0);
        event_set_sink(note_line, &said);
        overwrite(&f, "node", bytes_of("?", 1));
        overwrite(&f, "node.copy", bytes_of("?", 1));
        cr_assert_eq(open_as(&f, "prod", 2, &after), 0);
        event_set_sink(NULL, NULL);
        bool has_data = i > 0;
        cr_assert_eq(after.state, has_data ? IDENTITY_LOST : IDENTITY_NEW);
        cr_assert_neq(after.incarnation, before.incarnation);
        cr_assert_eq(after.group_count, i == 2 ? 2 : 0, "as far as their folders have no gap");
        cr_assert_eq(said.lost, has_data);
        cr_assert_eq(said.damaged, 2);
        fake_disk_destroy(f.disk);
    }
}

Test(cluster_identity, survives_a_crash_at_every_operation_as_it_was_or_as_it_becomes)
{
    for (uint64_t nth = 1; nth < 50; nth++) {
        struct folder f = folder();
        struct identity before, after;
        cr_assert_eq(open_as(&f, "prod", 2, &before), 0);
        struct identity changed = before;
        changed.state = IDENTITY_READY;
        fake_disk_halt_at(f.disk, nth);
        int err = identity_write(fake_disk_seam(f.disk), &changed);
        bool was_halted = fake_disk_is_halted(f.disk);
        fake_disk_crash(f.disk, NULL);
        cr_assert_eq(open_as(&f, "prod", 2, &after), 0);
        cr_assert_eq(after.incarnation, before.incarnation);
        if (err == 0)
            cr_assert_eq(after.state, IDENTITY_READY, "a success that was lost");
        fake_disk_destroy(f.disk);
        if (!was_halted)
            return;
    }
    cr_assert_fail("it never ran through");
}

Test(cluster_identity, agrees_on_a_cluster_id_with_those_who_saw_the_same_founders)
{
    struct identity a = {.cluster_name = "prod",
                         .node_id = 1,
                         .founder_count = 3,
                         .founders = {{1, 11, "a"}, {2, 22, "b"}, {3, 33, "c"}}};
    struct identity b = a;
    uint64_t id_a[2], id_b[2];
    b.node_id = 2;
    identity_cluster_id(&a, id_a);
    identity_cluster_id(&b, id_b);
    cr_assert_arr_eq(id_a, id_b, sizeof id_a);
    b.founders[2].incarnation = 34;
    identity_cluster_id(&b, id_b);
    cr_assert(memcmp(id_a, id_b, sizeof id_a) != 0, "another set of founders, the same id");
    cr_assert_neq(id_a[0], 0);
}
