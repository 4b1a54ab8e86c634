/* Which segments are not known to be sound.
 *
 * Whoever finds something odd only says "suspect": an error of a read may be the moment's, an index
 * may point to a batch that is itself damaged, a scrubber may have read what was replaced while it
 * did. The repair looks at the files first, and what it says is what an operator reads.
 *
 * A partition on its way to another group is that group's to mend, once it has the files: what one
 * store knows when it closes the partition, the other looks into when it takes over. */
#include <assert.h>
#include <inttypes.h>

#include "repair_internal.h"

bool log_partition_has_segment(const struct log_partition *p, const struct log_segment *s)
{
    for (unsigned i = 0; i < p->segments.count; i++)
        if (p->segments.items[i] == s)
            return s->has_files && s->written.size_bytes > 0;
    return false;
}

bool log_partition_is_ours_to_mend(const struct log_partition *p)
{
    return !p->is_frozen && !p->is_awaiting;
}

void log_partition_suspect(struct log_partition *p, struct log_segment *s)
{
    if (!log_partition_is_ours_to_mend(p) || s->is_suspect || s->damaged != 0 ||
        !log_partition_has_segment(p, s))
        return;
    s->is_suspect = true;
    p->has_flaws = true;
    if (p->on_flaw != NULL)
        p->on_flaw(p->on_change_data);
}

int log_partition_note_read(struct log_partition *p, struct log_segment *s, unsigned mended_count,
                            int status)
{
    if (!log_is_damage(status) || !log_partition_has_segment(p, s))
        return status; /* gone for good: retention was faster */
    if (s->mended_count == mended_count)
        log_partition_suspect(p, s);
    return status == UV_EIO ? status : ERR_CORRUPT;
}

static bool is_ready(const struct log_segment *s, uint64_t now_ms)
{
    return (s->is_suspect || s->damaged != 0) && s->defer_ms <= now_ms;
}

/* The partition's first segment that may be looked into, or NULL. */
static struct log_segment *next_in(struct log_partition *p, uint64_t now_ms)
{
    struct log_segment *ready = NULL;
    bool has_flaws = false;
    for (unsigned i = 0; i < p->segments.count && ready == NULL; i++) {
        struct log_segment *s = p->segments.items[i];
        has_flaws |= s->is_suspect || s->damaged != 0;
        if (log_partition_is_ours_to_mend(p) && is_ready(s, now_ms))
            ready = s;
    }
    p->has_flaws = has_flaws;
    return ready;
}

bool log_store_next_flaw(struct log_store *s, uint64_t now_ms, struct log_flaw *flaw)
{
    bool has_flaws = false;
    for (uint32_t i = 0; s->has_flaws && i < s->partition_count; i++) {
        struct log_partition *p = s->partitions[i]->partition;
        struct log_segment *segment = p->has_flaws ? next_in(p, now_ms) : NULL;
        has_flaws |= p->has_flaws;
        if (segment == NULL)
            continue;
        *flaw = (struct log_flaw){.partition_number = s->partitions[i]->number,
                                  .base_offset = segment->written.base_offset,
                                  .version = segment->written.version,
                                  .damaged = segment->damaged};
        return true;
    }
    s->has_flaws = has_flaws;
    return false;
}

void log_store_damage(const struct log_store *s, struct log_damage_status *status)
{
    *status = (struct log_damage_status){.files_found = s->files_found,
                                         .segments_repaired = s->segments_repaired};
    for (uint32_t i = 0; s->has_flaws && i < s->partition_count; i++) {
        const struct log_partition *p = s->partitions[i]->partition;
        for (unsigned n = 0; p->has_flaws && n < p->segments.count; n++) {
            status->suspected += p->segments.items[n]->is_suspect;
            status->damaged += p->segments.items[n]->damaged != 0;
            status->not_repairable += p->segments.items[n]->is_not_repairable;
        }
    }
}

struct log_segment *log_partition_find_segment(const struct log_partition *p, int64_t base_offset,
                                               uint32_t version)
{
    for (unsigned i = 0; i < p->segments.count; i++) {
        struct log_segment *s = p->segments.items[i];
        if (s->written.base_offset == base_offset && s->written.version == version &&
            s->has_files && s->written.size_bytes > 0)
            return s;
    }
    return NULL;
}
