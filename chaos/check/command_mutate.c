/* check mutate KIND [--seed N] IN OUT
 *
 * Puts one lie into the history in the folder IN and writes it into the folder OUT, which is not
 * there yet. So a run that was found clean can show what the checker would have said. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "mutate.h"

#define LINES_MAX 500000 /* places are sought by looking at lines again and again */

static int usage(void)
{
    fprintf(stderr, "usage: check mutate KIND [--seed N] IN-FOLDER OUT-FOLDER\nkinds:");
    for (size_t i = 0; i < mutation_count; i++)
        fprintf(stderr, " %s", mutations[i].name);
    fprintf(stderr, "\n");
    return 2;
}

static int fail(const char *path)
{
    fprintf(stderr, "check: %s: %s\n", path, strerror(errno));
    return 2;
}

/* Returns owned, NULL when it can't be read. */
static char *read_whole(const char *path, size_t *size)
{
    VECTOR(char) bytes = {NULL, 0, 0};
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return NULL;
    size_t got;
    do {
        bytes.items = memory_grow(bytes.items, &bytes.capacity, bytes.count + 65536, 1);
        got = fread(bytes.items + bytes.count, 1, 65536, file);
        bytes.count += got;
    } while (got > 0);
    *size = bytes.count;
    if (ferror(file)) {
        free(bytes.items);
        bytes.items = NULL;
    }
    fclose(file);
    return bytes.items;
}

static int take_file(struct tape *tape, const char *folder, const char *name)
{
    char path[4096];
    size_t size;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *bytes = read_whole(path, &size);
    if (bytes == NULL)
        return fail(path);
    int err = tape_take(tape, name, bytes, size);
    free(bytes);
    if (err == 0 && tape->lines.count <= LINES_MAX)
        return 0;
    fprintf(stderr, "check: %s: %s\n", path, err != 0 ? "a malformed line" : "too many lines");
    return 2;
}

static int take_folder(struct tape *tape, const char *folder)
{
    struct dirent **entries;
    int err = 0, count = scandir(folder, &entries, NULL, alphasort);
    if (count < 0)
        return fail(folder);
    for (int i = 0; i < count; i++) {
        const char *end = strrchr(entries[i]->d_name, '.');
        if (err == 0 && end != NULL && strcmp(end, ".jsonl") == 0)
            err = take_file(tape, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return err;
}

static int write_folder(const struct tape *tape, const char *folder)
{
    char path[4096];
    if (mkdir(folder, 0777) != 0)
        return fail(folder);
    for (uint32_t i = 0; i < tape->files.count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, tape->files.items[i]);
        FILE *file = fopen(path, "w");
        if (file == NULL)
            return fail(path);
        tape_write(tape, i, file);
        if (fclose(file) != 0)
            return fail(path);
    }
    return 0;
}

static int spoil(const struct mutation *mutation, uint64_t seed, const char *in, const char *out)
{
    struct tape tape = {.random = seed};
    int err = take_folder(&tape, in);
    if (err == 0 && (tape.lines.count == 0 || !mutation->apply(&tape))) {
        fprintf(stderr, "check: %s: no place for %s in it\n", in, mutation->name);
        err = 2;
    }
    if (err == 0)
        err = write_folder(&tape, out);
    tape_close(&tape);
    return err;
}

int command_mutate(int argc, char **argv)
{
    uint64_t seed = 1;
    const struct mutation *mutation = argc > 1 ? mutation_find(argv[1]) : NULL;
    int at = 2;
    if (mutation == NULL)
        return usage();
    if (argc > 3 && strcmp(argv[2], "--seed") == 0) {
        char *end;
        seed = strtoull(argv[3], &end, 10);
        if (end == argv[3] || *end != '\0')
            return usage();
        at = 4;
    }
    return argc == at + 2 ? spoil(mutation, seed, argv[at], argv[at + 1]) : usage();
}
