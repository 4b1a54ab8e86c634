/* Reads files line by line through one buffer, so that a history costs no memory as such.
 *
 * A last line without \n is what a killed writer left behind; it is dropped. Any other line that
 * can't be understood ends the reading: a checker that skipped it might skip the one that tells. */
#include "source.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE  (1u << 20)
#define FOLDER_DEPTH 4

static int fail_at(const struct history *h, const char *why, struct failure *failure)
{
    snprintf(failure->text, sizeof failure->text, "%.250s:%u: %s", h->files.items[h->at.file].path,
             h->at.line, why);
    return -1;
}

static int fail_with_errno(const char *path, struct failure *failure)
{
    snprintf(failure->text, sizeof failure->text, "%.300s: %s", path, strerror(errno));
    return -1;
}

static void begin_file(struct history *h, const char *path)
{
    struct history_file *file = vector_add(&h->files);
    file->path = memory_make(strlen(path) + 1, 1);
    strcpy(file->path, path);
    h->at = (struct place){.line = 0, .file = (uint32_t)h->files.count - 1};
}

/* Takes the whole lines of `bytes`. Returns how many bytes they are, or -1. */
static ssize_t take_lines(struct history *h, const char *bytes, size_t size,
                          struct failure *failure)
{
    static struct line line; /* large, and of no interest between two calls */
    const char *at = bytes, *end = bytes + size, *newline;
    const char *why = NULL;
    while (at < end && (newline = memchr(at, '\n', (size_t)(end - at))) != NULL) {
        h->at.line++;
        if (line_parse(&line, at, (size_t)(newline - at), &why) != 0 ||
            history_take(h, &line, &why) != 0)
            return fail_at(h, why, failure);
        at = newline + 1;
    }
    return at - bytes;
}

int source_take_bytes(struct history *h, const char *path, const char *bytes, size_t size,
                      struct failure *failure)
{
    begin_file(h, path);
    ssize_t taken = take_lines(h, bytes, size, failure);
    if (taken < 0)
        return -1;
    h->files.items[h->at.file].is_cut = (size_t)taken < size;
    return 0;
}

static int take_stream(struct history *h, int file, char *buffer, const char *path,
                       struct failure *failure)
{
    size_t held = 0;
    for (;;) {
        ssize_t got = read(file, buffer + held, BUFFER_SIZE - held);
        if (got < 0)
            return fail_with_errno(path, failure);
        if (got == 0)
            break;
        held += (size_t)got;
        ssize_t taken = take_lines(h, buffer, held, failure);
        if (taken < 0)
            return -1;
        held -= (size_t)taken;
        memmove(buffer, buffer + taken, held);
        h->at.line += held > LINE_SIZE_MAX;
        if (held > LINE_SIZE_MAX)
            return fail_at(h, "a line of more than 4096 bytes", failure);
    }
    h->files.items[h->at.file].is_cut = held > 0;
    return 0;
}

static int take_file(struct history *h, const char *path, struct failure *failure)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail_with_errno(path, failure);
    char *buffer = memory_make(BUFFER_SIZE, 1);
    begin_file(h, path);
    int err = take_stream(h, file, buffer, path, failure);
    free(buffer);
    close(file);
    return err;
}

/* ---- folders ---- */

static bool ends_in_jsonl(const char *name)
{
    size_t size = strlen(name);
    return size > 6 && strcmp(name + size - 6, ".jsonl") == 0;
}

static int take_folder(struct history *h, const char *path, int depth, struct failure *failure);

static int take_entry(struct history *h, const char *folder, const char *name, int depth,
                      struct failure *failure)
{
    char path[4096];
    struct stat status;
    if (name[0] == '.' || snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
        return 0;
    if (stat(path, &status) != 0)
        return fail_with_errno(path, failure);
    if (S_ISDIR(status.st_mode))
        return depth < FOLDER_DEPTH ? take_folder(h, path, depth + 1, failure) : 0;
    return ends_in_jsonl(name) ? take_file(h, path, failure) : 0;
}

static int take_folder(struct history *h, const char *path, int depth, struct failure *failure)
{
    struct dirent **entries;
    int err = 0;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return fail_with_errno(path, failure);
    for (int i = 0; i < count; i++) {
        if (err == 0)
            err = take_entry(h, path, entries[i]->d_name, depth, failure);
        free(entries[i]);
    }
    free(entries);
    return err;
}

int source_take(struct history *h, const char *path, struct failure *failure)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return fail_with_errno(path, failure);
    return S_ISDIR(status.st_mode) ? take_folder(h, path, 0, failure) : take_file(h, path, failure);
}
