/* A text file as a stream of records.
 *
 * The file is mapped, and an index of its lines says where each starts. Record n is line
 * ((n - 1) mod lines) + 1, so the sender and the checker ask the same question and hold no
 * copies. A last line without a newline is a line like any other. */
#include "text.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* An index beyond this would not fit the memory of the machines this is meant for. */
#define LINE_COUNT_MAX 50000000u

static int refuse(const char *path, const char *why)
{
    fprintf(stderr, "demo: %s: %s\n", path, why);
    return -1;
}

static int map(struct text *text)
{
    int file = open(text->path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return refuse(text->path, strerror(errno));
    struct stat about;
    int err = fstat(file, &about);
    if (err < 0 || !S_ISREG(about.st_mode) || about.st_size == 0) {
        close(file);
        return refuse(text->path, err < 0 ? strerror(errno) : "not a file with anything in it");
    }
    text->size_bytes = (size_t)about.st_size;
    void *data = mmap(NULL, text->size_bytes, PROT_READ, MAP_PRIVATE, file, 0);
    int map_errno = errno;
    close(file);
    if (data == MAP_FAILED)
        return refuse(text->path, strerror(map_errno));
    text->data = data;
    return 0;
}

/* Where the line after the one at `start` begins: as if the file always ended in a newline. */
static size_t next_start(const struct text *text, size_t start)
{
    const char *end = memchr(text->data + start, '\n', text->size_bytes - start);
    return end == NULL ? text->size_bytes + 1 : (size_t)(end - text->data) + 1;
}

static int count_lines(struct text *text)
{
    for (size_t start = 0, next; start < text->size_bytes; start = next) {
        next = next_start(text, start);
        text->line_count++;
        if (next - start - 1 > TEXT_LINE_BYTES_MAX) {
            fprintf(stderr, "demo: %s: line %llu is longer than %d bytes\n", text->path,
                    (unsigned long long)text->line_count, TEXT_LINE_BYTES_MAX);
            return -1;
        }
    }
    return text->line_count > LINE_COUNT_MAX ? refuse(text->path, "too many lines") : 0;
}

static int index_lines(struct text *text)
{
    text->line_starts = malloc((text->line_count + 1) * sizeof *text->line_starts);
    if (text->line_starts == NULL)
        return refuse(text->path, strerror(ENOMEM));
    size_t start = 0;
    for (uint64_t i = 0; i < text->line_count; i++) {
        text->line_starts[i] = start;
        start = next_start(text, start);
    }
    text->line_starts[text->line_count] = start;
    return 0;
}

int text_open(struct text *text, const char *path)
{
    memset(text, 0, sizeof *text);
    text->path = path;
    if (map(text) < 0)
        return -1;
    if (count_lines(text) < 0 || index_lines(text) < 0) {
        text_close(text);
        return -1;
    }
    return 0;
}

void text_close(struct text *text)
{
    if (text->data != NULL)
        munmap((void *)(uintptr_t)text->data, text->size_bytes);
    free(text->line_starts);
    memset(text, 0, sizeof *text);
}

uint64_t text_record_count(const struct text *text, uint64_t record_count_min)
{
    uint64_t rounds = (record_count_min + text->line_count - 1) / text->line_count;
    return (rounds == 0 ? 1 : rounds) * text->line_count;
}

struct line text_line(const struct text *text, uint64_t record_number)
{
    assert(record_number > 0);
    uint64_t i = (record_number - 1) % text->line_count;
    size_t start = text->line_starts[i];
    return (struct line){text->data + start, text->line_starts[i + 1] - 1 - start};
}
