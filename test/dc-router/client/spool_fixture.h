/* A spool on the simulated disk, and records to put into it. */
#ifndef TEST_SPOOL_FIXTURE_H
#define TEST_SPOOL_FIXTURE_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "fake/fake_disk.h"
#include "spool.h"

struct spool_bench {
    struct fake_disk *disk;
    struct spool *spool;
    struct spool_options options;
    struct spool_report report; /* of the last opening */
};

static inline int spool_bench_open(struct spool_bench *b)
{
    struct err_note note = {0};
    b->options.seed++;
    b->spool = NULL;
    int err = spool_open(&b->spool, &b->options, &b->report, &note);
    cr_assert(err == 0 || note.text[0] != '\0' || err == UV_ENOMEM, "no refusal without a reason");
    return err;
}

static inline void spool_bench_reopen(struct spool_bench *b)
{
    spool_close(b->spool);
    cr_assert_eq(spool_bench_open(b), 0);
}

/* The power is gone, and back. */
static inline void spool_bench_crash(struct spool_bench *b)
{
    fake_disk_halt(b->disk);
    spool_close(b->spool);
    fake_disk_crash(b->disk, NULL);
    cr_assert_eq(spool_bench_open(b), 0);
}

static inline struct spool_bench spool_bench_of(uint64_t seed, uint64_t bytes_max,
                                                uint64_t file_bytes_max)
{
    struct spool_bench b = {.disk = fake_disk_create(seed)};
    b.options = (struct spool_options){.disk = fake_disk_seam(b.disk),
                                       .folder = "spool",
                                       .bytes_max = bytes_max,
                                       .file_bytes_max = file_bytes_max,
                                       .record_count_max = 1000,
                                       .seed = seed << 32};
    cr_assert_eq(spool_bench_open(&b), 0);
    return b;
}

static inline void spool_bench_close(struct spool_bench *b)
{
    spool_close(b->spool);
    cr_assert_eq(fake_disk_open_count(b->disk), 0);
    fake_disk_destroy(b->disk);
}

/* A record's content follows from its order: its size too. */
static inline size_t content_of(uint64_t order, uint8_t into[static 2000])
{
    size_t size = order * 37 % 1900;
    for (size_t i = 0; i < size; i++)
        into[i] = (uint8_t)(order * 131 + i * 7);
    return size;
}

static inline int append(struct spool_bench *b, uint64_t order, uint64_t key, bool is_durable)
{
    uint8_t content[2000];
    size_t size = content_of(order, content);
    return spool_append(b->spool, order, key, bytes_of(content, size), true, is_durable);
}

static inline void assert_content(uint64_t order, const uint8_t *content, size_t size)
{
    uint8_t expected[2000];
    cr_assert_eq(size, content_of(order, expected));
    cr_assert_eq(memcmp(content, expected, size), 0, "record %lu", (unsigned long)order);
}

/* Takes the next record, which must be this one. */
static inline void assert_takes(struct spool_bench *b, uint64_t expected)
{
    uint64_t order;
    uint8_t *content;
    size_t size;
    cr_assert_eq(spool_take(b->spool, &order, &content, &size), 0);
    cr_assert_eq(order, expected, "%lu instead of %lu", (unsigned long)order,
                 (unsigned long)expected);
    assert_content(order, content, size);
    free(content);
}

static inline void assert_none_waits(struct spool_bench *b)
{
    uint64_t order, key;
    cr_assert(!spool_peek(b->spool, &order, &key));
}

/* The path of the spool's nth file. */
static inline void find_file(void *data, const char *name, bool is_directory)
{
    char(*paths)[8][128] = data;
    (void)is_directory;
    unsigned number = (unsigned)strtoul(name, NULL, 10);
    if (number < 8)
        snprintf((*paths)[number], 128, "spool/%s", name);
}

#endif
