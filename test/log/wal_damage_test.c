/* What is damage and what is a torn tail: bytes on the disk are changed by hand. */
#include "fake/quiet.h"
#include "wal_fixture.h"

#define FIRST_FILE "wal/00000000.wal"
#define BLOCK      4096u
#define SECTOR     512u

static struct disk_file *open_raw(struct wal_fixture *f, const char *path)
{
    struct disk_file *file;
    cr_assert_eq(disk_open(fake_disk_seam(f->disk), path, DISK_WRITE, &file), 0);
    return file;
}

static void read_raw(struct wal_fixture *f, const char *path, uint64_t at, void *into, size_t size)
{
    struct disk_file *file = open_raw(f, path);
    cr_assert_eq(disk_read_at(fake_disk_seam(f->disk), file, at, into, size), (int64_t)size);
    disk_close(fake_disk_seam(f->disk), file);
}

static void write_raw(struct wal_fixture *f, const char *path, uint64_t at, const void *from,
                      size_t size)
{
    struct disk_file *file = open_raw(f, path);
    cr_assert_eq(disk_write_bytes_at(fake_disk_seam(f->disk), file, at, bytes_of(from, size)), 0);
    disk_close(fake_disk_seam(f->disk), file);
}

/* Where the writes of a file's present use end, by the stored form; *last: where the last begins.
 */
static uint32_t end_of_writes(struct wal_fixture *f, const char *path, uint32_t *last)
{
    uint8_t head[64];
    read_raw(f, path, 0, head, sizeof head);
    uint32_t file_id = bytes_get_le32(head + 12), at = BLOCK;
    while (at < f->options.file_size_bytes) {
        read_raw(f, path, at, head, sizeof head);
        if (memcmp(head + 4, "TWW1", 4) != 0 || bytes_get_le32(head + 12) != file_id)
            break;
        *last = at;
        at += (64 + bytes_get_le32(head + 28) + BLOCK - 1) / BLOCK * BLOCK;
    }
    return at;
}

TestSuite(log_wal_damage, .init = be_quiet);

/* Twelve appends of group 3, an entry each, some over several blocks; then the process ends. */
static void make_twelve(struct wal_fixture *f)
{
    fixture_init(f, 5);
    fixture_open(f);
    for (uint64_t i = 1; i <= 12; i++)
        cr_assert_eq(fixture_append(f, 3, i, 1, 1, i % 4 == 0 ? 9000 : 700), 0);
    fixture_kill(f);
}

Test(log_wal_damage, is_found_at_every_place_below_the_durable_mark)
{
    struct random r;
    random_init(&r, 1);
    for (int round = 0; round < 250; round++) {
        struct wal_fixture f;
        uint32_t last;
        make_twelve(&f);
        end_of_writes(&f, FIRST_FILE, &last);
        uint64_t at = random_below(&r, last);
        unsigned bit = (unsigned)random_below(&r, 8);
        fake_disk_flip_bit(f.disk, FIRST_FILE, at, bit);
        int err = fixture_try_open(&f);
        cr_assert_eq(err, ERR_CORRUPT, "byte %llu: %s", (unsigned long long)at, err_name(err));
        cr_assert_not_null(strstr(f.note.text, "00000000.wal"), "%s", f.note.text);
        cr_assert_not_null(strstr(f.note.text, "byte"), "%s", f.note.text);
        fake_disk_flip_bit(f.disk, FIRST_FILE, at, bit);
        fixture_open(&f);
        cr_assert_eq(fixture_state(&f, 3).last_index, 12, "the refusal left all as it was");
        fixture_close(&f);
    }
}

Test(log_wal_damage, names_file_byte_group_and_index)
{
    struct wal_fixture f;
    make_twelve(&f);
    /* the opening write, then entry 1: its data begins behind the two headers */
    fake_disk_flip_bit(f.disk, FIRST_FILE, 2 * BLOCK + 128 + 300, 1);
    cr_assert_eq(fixture_try_open(&f), ERR_CORRUPT);
    cr_assert_str_eq(f.note.text, "wal/00000000.wal: a record's checksum differs at byte 8256"
                                  " (group 3, index 1)");
    fixture_close(&f);
}

Test(log_wal_damage, at_or_above_the_mark_is_a_torn_tail_and_is_cut)
{
    for (uint32_t at = 0; at < BLOCK; at += 61) {
        struct wal_fixture f;
        uint32_t last;
        make_twelve(&f);
        uint32_t end = end_of_writes(&f, FIRST_FILE, &last);
        fake_disk_flip_bit(f.disk, FIRST_FILE, last + at, 3);
        fixture_open(&f);
        cr_assert_eq(fixture_state(&f, 3).last_index, 11);
        cr_assert_eq(fixture_counters(&f).torn_tails_cut, 1);
        cr_assert_eq(fixture_counters(&f).torn_bytes, end - last);
        cr_assert_eq(fixture_append(&f, 3, 12, 1, 2, 50), 0);
        fixture_reopen(&f);
        cr_assert_eq(fixture_state(&f, 3).last_index, 12);
        cr_assert_eq(fixture_counters(&f).torn_tails_cut, 0);
        fixture_close(&f);
    }
}

Test(log_wal_damage, cuts_a_tail_torn_at_every_subset_of_its_sectors)
{
    for (unsigned mask = 0; mask < 256; mask++) {
        struct wal_fixture f;
        struct request r;
        uint8_t block[BLOCK], zeros[SECTOR] = {0};
        uint32_t last;
        fixture_init(&f, mask);
        fixture_open(&f);
        cr_assert_eq(fixture_append(&f, 3, 1, 2, 1, 100), 0);
        request_init(&f, &r, 3);
        r.append.has_vote = true;
        r.append.term = 9;
        request_add(&r, 3, 4, 1, 850);
        cr_assert_eq(fixture_finish(&f, &r), 0);
        fixture_kill(&f);
        end_of_writes(&f, FIRST_FILE, &last);
        read_raw(&f, FIRST_FILE, last, block, sizeof block);
        for (unsigned i = 0; i < 8; i++)
            if ((mask >> i & 1) == 0)
                write_raw(&f, FIRST_FILE, last + i * SECTOR, zeros, SECTOR);
        fixture_open(&f);
        struct log_wal_state s = fixture_state(&f, 3);
        cr_assert_eq(s.last_index, mask == 255 ? 6 : 2, "a write is there as a whole or not");
        cr_assert_eq(s.term, mask == 255 ? 9 : 0);
        cr_assert_eq(fixture_counters(&f).torn_tails_cut, mask == 0 || mask == 255 ? 0 : 1);
        cr_assert_eq(fixture_append(&f, 3, s.last_index + 1, 3, 2, 850), 0);
        fixture_power_cut(&f);
        fixture_open(&f);
        cr_assert_eq(fixture_state(&f, 3).last_index, s.last_index + 3);
        fixture_close(&f);
    }
}

/* Heard positions are written without a sync, so two writes can be lost at once: of the second
 * one's sectors some may be there and the first one not at all. */
static void send_heard(struct wal_fixture *f)
{
    struct request r;
    request_init(f, &r, 3);
    r.append.heard = bytes_of_text("heard");
    cr_assert_eq(fixture_finish(f, &r), 0);
}

Test(log_wal_damage, cuts_a_torn_write_though_a_sound_one_follows)
{
    struct wal_fixture f;
    uint8_t heard[8];
    uint32_t last;
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 1, 1, 100), 0);
    send_heard(&f);
    cr_assert_eq(fixture_append(&f, 3, 2, 1, 1, 100), 0);
    fixture_kill(&f);
    end_of_writes(&f, FIRST_FILE, &last);
    fake_disk_flip_bit(f.disk, FIRST_FILE, last - BLOCK + 70, 0);
    fixture_open(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, 1);
    cr_assert_eq(log_wal_heard(f.wal, 3, heard, sizeof heard), 0);
    cr_assert_eq(fixture_counters(&f).torn_tails_cut, 1);
    fixture_reopen(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, 1, "it stays cut");
    fixture_close(&f);
}

/* The file that is written to, and how often it was used. */
static uint32_t find_current(struct wal_fixture *f, char path[32])
{
    uint32_t newest = 0, uses = 0;
    for (unsigned slot = 0; slot < 8; slot++) {
        char candidate[32];
        uint8_t head[64];
        uint32_t last;
        struct disk_file *file;
        snprintf(candidate, sizeof candidate, "wal/%08x.wal", slot);
        if (disk_open(fake_disk_seam(f->disk), candidate, DISK_READ, &file) != 0)
            continue;
        disk_close(fake_disk_seam(f->disk), file);
        read_raw(f, candidate, 0, head, sizeof head);
        if (bytes_get_le32(head + 12) < newest || end_of_writes(f, candidate, &last) == BLOCK)
            continue;
        newest = bytes_get_le32(head + 12);
        uses = bytes_get_le32(head + 40);
        memcpy(path, candidate, sizeof candidate);
    }
    return uses;
}

/* Appends and releases until a recycled file is written to and has room. */
static void go_to_a_recycled_file(struct wal_fixture *f, uint64_t *next, char path[32])
{
    uint32_t last;
    do {
        cr_assert_eq(fixture_append(f, 3, (*next)++, 1, 1, 8000), 0);
        log_wal_release(f->wal, 3, *next - 1);
        fixture_run(f);
        cr_assert_lt(*next, 1000);
    } while (find_current(f, path) < 2 || end_of_writes(f, path, &last) > 32 * KIB);
}

Test(log_wal_damage, never_takes_a_torn_writes_rest_for_a_part_of_the_one_in_its_place)
{
    struct wal_fixture f;
    char path[32];
    uint64_t next = 1;
    uint32_t last;
    uint8_t before[2 * BLOCK], torn[2 * BLOCK];
    fixture_init(&f, 1);
    f.options.file_size_bytes = 64 * KIB;
    f.options.kept_bytes_max = 0;
    fixture_open(&f);
    go_to_a_recycled_file(&f, &next, path);
    uint32_t end = end_of_writes(&f, path, &last);
    read_raw(&f, path, end, before, sizeof before);
    send_heard(&f);
    /* two records, the second from the second sector on */
    cr_assert_eq(fixture_append(&f, 3, next, 2, 1, SECTOR - 128), 0);
    fixture_kill(&f);
    read_raw(&f, path, end, torn, sizeof torn);
    memcpy(torn, before, BLOCK + SECTOR); /* the rest had not reached the disk */
    write_raw(&f, path, end, torn, sizeof torn);

    fixture_open(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, next - 1);
    cr_assert_eq(fixture_append(&f, 3, next, 2, 5, SECTOR - 128), 0);
    fixture_kill(&f);
    write_raw(&f, path, end + BLOCK + SECTOR, torn + BLOCK + SECTOR, SECTOR);
    fixture_open(&f);
    cr_assert_eq(fixture_state(&f, 3).last_index, next - 1,
                 "half of a new write and half of an old one are neither");
    fixture_close(&f);
}

Test(log_wal_damage, of_a_whole_file_is_found)
{
    struct wal_fixture f;
    for (unsigned slot = 0; slot < 2; slot++) {
        char path[32];
        fixture_init(&f, 1);
        f.options.file_size_bytes = 64 * KIB;
        fixture_open(&f);
        for (uint64_t i = 1; i <= 20; i++)
            cr_assert_eq(fixture_append(&f, 3, i, 1, 1, 7000), 0);
        fixture_kill(&f);
        snprintf(path, sizeof path, "wal/%08x.wal", slot);
        disk_remove(fake_disk_seam(f.disk), path);
        cr_assert_eq(fixture_try_open(&f), ERR_CORRUPT);
        fixture_close(&f);
    }
}

Test(log_wal_damage, is_not_handed_out_by_a_read)
{
    struct wal_fixture f;
    struct log_wal_read *read = malloc(sizeof *read);
    fixture_init(&f, 1);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 1, 3, 1, 1000), 0);
    fake_disk_flip_bit(f.disk, FIRST_FILE, 2 * BLOCK + 64 + 1064 + 64 + 17, 5);
    cr_assert_eq(fixture_read(&f, read, 3, 1, 100000), 0);
    cr_assert_eq(read->entry_count, 1, "what is sound before it is");
    read_close(read);
    cr_assert_eq(fixture_read(&f, read, 3, 2, 100000), ERR_CORRUPT);
    cr_assert_eq(fixture_read(&f, read, 3, 3, 100000), 0);
    read_close(read);
    free(read);
    fixture_close(&f);
}

Test(log_wal_damage, is_told_from_a_record_of_another_release)
{
    struct wal_fixture f;
    uint8_t block[BLOCK];
    make_twelve(&f);
    read_raw(&f, FIRST_FILE, 2 * BLOCK, block, sizeof block);
    block[64 + 13] = 2; /* the record's version */
    bytes_put_le32(block + 64, crc32c(0, bytes_of(block + 68, 60)));
    write_raw(&f, FIRST_FILE, 2 * BLOCK, block, sizeof block);
    cr_assert_eq(fixture_try_open(&f), ERR_VERSION);
    fixture_close(&f);
}

static void note_file(void *data, const char *name, bool is_directory)
{
    unsigned *slots = data;
    unsigned slot;
    if (!is_directory && sscanf(name, "%8x.wal", &slot) == 1 && slot >= *slots)
        *slots = slot + 1;
}

/* Sixty entries over several files, of which older ones were recycled. */
static unsigned make_sixty(struct wal_fixture *f, uint64_t seed)
{
    unsigned slots = 0;
    fixture_init(f, seed);
    f->options.file_size_bytes = 64 * KIB;
    f->options.kept_bytes_max = 256 * KIB;
    fixture_open(f);
    for (uint64_t i = 1; i <= 60; i++) {
        cr_assert_eq(fixture_append(f, 3, i, 1, 1, 7000), 0);
        log_wal_release(f->wal, 3, i - 1);
    }
    fixture_kill(f);
    f->options.is_expected = true;
    cr_assert_eq(disk_list(fake_disk_seam(f->disk), "wal", note_file, &slots), 0);
    return slots;
}

/* Only what holds nothing may go unnoticed: a prepared or a spare file. */
Test(log_wal_damage, of_a_file_that_was_cut_off_or_is_gone_is_found_whichever_it_is)
{
    unsigned found = 0;
    struct random r;
    random_init(&r, 4);
    for (int round = 0; round < 300; round++) {
        struct wal_fixture f;
        char path[32];
        unsigned slots = make_sixty(&f, (uint64_t)round);
        snprintf(path, sizeof path, "wal/%08x.wal", (unsigned)random_below(&r, slots));
        if (round % 4 == 0)
            disk_remove(fake_disk_seam(f.disk), path);
        else
            fake_disk_cut(f.disk, path, random_below(&r, round % 4 == 1 ? 2 * BLOCK : 64 * KIB));
        int err = fixture_try_open(&f);
        cr_assert(err == 0 || err == ERR_CORRUPT, "%s", err_name(err));
        if (err == 0)
            cr_assert_eq(fixture_state(&f, 3).last_index, 60, "round %d: %s", round, path);
        found += err != 0;
        fixture_close(&f);
    }
    cr_assert_gt(found, 150);
}

Test(log_wal_damage, of_all_files_is_found_when_there_was_a_log)
{
    for (int round = 0; round < 3; round++) {
        struct wal_fixture f;
        unsigned slots = make_sixty(&f, 1);
        for (unsigned slot = 0; slot < slots; slot++) {
            char path[32];
            snprintf(path, sizeof path, "wal/%08x.wal", slot);
            if (round == 0)
                disk_remove(fake_disk_seam(f.disk), path);
            else
                fake_disk_cut(f.disk, path, round == 1 ? 0 : BLOCK);
        }
        if (round == 2) /* not even the folder */
            disk_remove_tree(fake_disk_seam(f.disk), "wal");
        cr_assert_eq(fixture_try_open(&f), ERR_CORRUPT);
        f.options.is_expected = false;
        if (round != 1) { /* nothing is there: the first start of all */
            fixture_open(&f);
        }
        fixture_close(&f);
    }
}

Test(log_wal_damage, that_a_read_has_found_is_known_at_the_next_opening)
{
    struct wal_fixture f;
    uint32_t last;
    struct log_wal_read *read = malloc(sizeof *read);
    make_twelve(&f);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 3, 13, 1, 1, 700), 0);
    end_of_writes(&f, FIRST_FILE, &last); /* no later write says that this one is durable */
    fake_disk_flip_bit(f.disk, FIRST_FILE, last + 300, 5);
    cr_assert_eq(fixture_read(&f, read, 3, 13, 100000), ERR_CORRUPT);
    free(read);
    fixture_power_cut(&f);
    cr_assert_eq(fixture_try_open(&f), ERR_CORRUPT);
    cr_assert_not_null(strstr(f.note.text, "wal/00000000.wal"), "%s", f.note.text);
    cr_assert_not_null(strstr(f.note.text, "(group 3, index 13)"), "%s", f.note.text);
    fixture_close(&f);
}

Test(log_wal_damage, is_set_aside_with_two_kept_and_all_removed_when_told)
{
    struct wal_fixture f;
    make_twelve(&f);
    for (unsigned number = 1; number <= 4; number++) {
        cr_assert_eq(log_wal_set_aside(fake_disk_seam(f.disk), "wal", number), 0);
        fake_disk_crash(f.disk, NULL);
        fixture_open(&f);
        fixture_kill(&f);
    }
    static const char *const kept[] = {"wal.damaged-1", "wal.damaged-2", "wal.damaged-3",
                                       "wal.damaged-4"};
    unsigned slots = 0;
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(disk_list(fake_disk_seam(f.disk), kept[i], note_file, &slots),
                     i == 0 || i == 3 ? 0 : UV_ENOENT, "%s", kept[i]);
    cr_assert_eq(log_wal_remove_set_aside(fake_disk_seam(f.disk), "wal"), 0);
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(disk_list(fake_disk_seam(f.disk), kept[i], note_file, &slots), UV_ENOENT);
    fixture_open(&f);
    fixture_close(&f);
}

Test(log_wal_damage, of_one_groups_checkpoint_lets_the_log_forget_that_group_alone)
{
    struct wal_fixture f;
    make_twelve(&f);
    fixture_open(&f);
    cr_assert_eq(fixture_append(&f, 4, 1, 3, 1, 100), 0);
    fixture_reopen(&f);
    cr_assert_eq(log_wal_forget_group(f.wal, 3), 0);
    struct log_wal_state state;
    cr_assert_eq(log_wal_state(f.wal, 3, &state), ERR_NOT_FOUND);
    fixture_power_cut(&f);
    fixture_open(&f);
    cr_assert_eq(log_wal_state(f.wal, 3, &state), ERR_NOT_FOUND);
    cr_assert_eq(fixture_state(&f, 4).last_index, 3);
    cr_assert_eq(fixture_append(&f, 3, 500, 1, 9, 100), 0, "it begins anew anywhere");
    fixture_reopen(&f);
    cr_assert_eq(fixture_state(&f, 3).first_index, 500);
    fixture_close(&f);
}
