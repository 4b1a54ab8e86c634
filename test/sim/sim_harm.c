/* Paths into kinds of files, and the way through a WAL's file to its votes (docs/wal_format.md). */
#include "sim/sim_harm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "sim/sim_node.h"

#define BLOCK        4096u
#define HEAD         64u /* of a write, and of a record */
#define RECORD_VOTE  2
#define VOTES_MAX    4096
#define UNSYNCED_MAX 1000 /* files of one disk */

/* ---- files ---- */

static bool has_end(const char *path, const char *end)
{
    size_t size = strlen(path), end_size = strlen(end);
    return size >= end_size && strcmp(path + size - end_size, end) == 0;
}

static bool has_begin(const char *path, const char *begin)
{
    return strncmp(path, begin, strlen(begin)) == 0;
}

static enum sim_harmed harmed_of(const char *path)
{
    if (has_begin(path, "wal/") && has_end(path, ".wal"))
        return SIM_HARMED_WAL;
    if (has_begin(path, "topics/") && has_end(path, ".log"))
        return SIM_HARMED_SEGMENT;
    if (has_begin(path, "topics/") && has_end(path, "index"))
        return SIM_HARMED_INDEX;
    if (has_begin(path, "groups/") && has_end(path, "/manifest"))
        return SIM_HARMED_MANIFEST;
    if (strcmp(path, "node") == 0 || strcmp(path, "node.copy") == 0)
        return SIM_HARMED_IDENTITY;
    return SIM_HARMED_COUNT;
}

/* ---- votes ---- */

static unsigned find_votes(const uint8_t *bytes, size_t size, uint64_t *positions)
{
    unsigned count = 0;
    for (uint64_t at = BLOCK; at + HEAD <= size;) {
        const uint8_t *head = bytes + at;
        bool is_write = memcmp(head + 4, "TWW1", 4) == 0 &&
                        memcmp(head + 12, bytes + 12, 4) == 0; /* of this use of the file */
        uint64_t end = at + HEAD + (is_write ? bytes_get_le32(head + 28) : 0);
        for (uint64_t record = at + HEAD; record + HEAD <= end && end <= size;
             record += HEAD + bytes_get_le32(bytes + record + 4))
            if (bytes[record + 12] == RECORD_VOTE && count < VOTES_MAX)
                positions[count++] = record;
        at = end <= size ? (end + BLOCK - 1) / BLOCK * BLOCK : at + BLOCK;
    }
    return count;
}

static unsigned votes_of(struct sim_node *n, const char *path, uint64_t positions[VOTES_MAX])
{
    uint64_t size = fake_disk_peek(n->disk, path, NULL, 0);
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL)
        abort();
    fake_disk_peek(n->disk, path, bytes, size);
    unsigned count = find_votes(bytes, size, positions);
    free(bytes);
    return count;
}

bool sim_harm_draw_vote(struct sim_node *n, const char *path, uint64_t *position)
{
    static uint64_t positions[VOTES_MAX];
    unsigned count = votes_of(n, path, positions);
    if (count == 0)
        return false;
    *position = positions[world_between(n->sim->world, 0, count - 1)];
    return true;
}

static bool has_vote(struct sim_node *n, const char *path, uint64_t from, uint64_t to)
{
    static uint64_t positions[VOTES_MAX];
    unsigned count = votes_of(n, path, positions);
    for (unsigned i = 0; i < count; i++)
        if (positions[i] + HEAD > from && positions[i] < to)
            return true;
    return false;
}

/* ---- counting ---- */

void sim_harm_note(struct sim_node *n, enum sim_harm harm, const char *path, uint64_t from,
                   uint64_t to)
{
    uint64_t *counts = n->sim->counters->harms.counts[harm];
    enum sim_harmed harmed = harmed_of(path);
    if (harmed == SIM_HARMED_COUNT)
        return;
    counts[harmed]++;
    if (harmed == SIM_HARMED_WAL && has_vote(n, path, from, to))
        counts[SIM_HARMED_VOTE]++;
}

void sim_harm_note_cut(struct sim_node *n, enum sim_harm harm)
{
    static struct fake_disk_unsynced files[UNSYNCED_MAX];
    unsigned count = fake_disk_list_unsynced(n->disk, files, UNSYNCED_MAX);
    for (unsigned i = 0; i < count; i++)
        sim_harm_note(n, harm, files[i].path, files[i].from, files[i].to);
}

void sim_harms_add(struct sim_harms *to, const struct sim_harms *more)
{
    for (unsigned harm = 0; harm < SIM_HARM_COUNT; harm++)
        for (unsigned harmed = 0; harmed < SIM_HARMED_COUNT; harmed++)
            to->counts[harm][harmed] += more->counts[harm][harmed];
}

unsigned sim_harms_print(const struct sim_harms *harms, bool must_be_full)
{
    static const char *const names[SIM_HARM_COUNT] = {"unsynced at a power cut",
                                                      "synced, and lost",
                                                      "flipped bits",
                                                      "cut off",
                                                      "gone",
                                                      "stale block",
                                                      "misdirected write"};
    unsigned missing = 0;
    printf("%-24s %9s %9s %9s %9s %9s %9s\n", "files harmed", "WAL", "vote", "segment", "index",
           "manifest", "identity");
    for (unsigned harm = 0; harm < SIM_HARM_COUNT; harm++) {
        unsigned missing_before = missing;
        printf("%-24s", names[harm]);
        for (unsigned harmed = 0; harmed < SIM_HARMED_COUNT; harmed++) {
            printf(" %9" PRIu64, harms->counts[harm][harmed]);
            missing += must_be_full && harm >= SIM_HARM_FLIPPED && harms->counts[harm][harmed] == 0;
        }
        printf("%s\n", missing > missing_before ? "  FAILED: each must be above 0" : "");
    }
    return missing;
}
