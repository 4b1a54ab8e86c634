/* Leader epochs of a partition and where they began.
 *
 * Clients ask it where an epoch ended to learn whether what they read is still the log's history
 * (KIP-320); a cold read asks it which epoch a stored batch must carry, because the epoch lies
 * outside the batch's own checksum. Entries are few (one per leadership), so a plain array does. */
#include "epoch_table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/err.h"

void log_epoch_table_close(struct log_epoch_table *t)
{
    free(t->entries);
    *t = (struct log_epoch_table){0};
}

static int make_room(struct log_epoch_table *t)
{
    if (t->count < t->capacity)
        return 0;
    unsigned capacity = t->capacity == 0 ? 2 : t->capacity * 2;
    struct log_epoch *entries = realloc(t->entries, capacity * sizeof *entries);
    if (entries == NULL)
        return UV_ENOMEM;
    t->entries = entries;
    t->capacity = capacity;
    return 0;
}

int32_t log_epoch_table_last(const struct log_epoch_table *t)
{
    return t->count == 0 ? -1 : t->entries[t->count - 1].epoch;
}

int log_epoch_table_add(struct log_epoch_table *t, int32_t epoch, int64_t offset)
{
    assert(epoch >= 0);
    assert(epoch >= log_epoch_table_last(t)); /* epoch base + term: never falls */
    if (epoch == log_epoch_table_last(t))
        return 0;
    assert(t->count == 0 || offset > t->entries[t->count - 1].start_offset);
    int err = make_room(t);
    if (err != 0)
        return err;
    t->entries[t->count++] = (struct log_epoch){.epoch = epoch, .start_offset = offset};
    return 0;
}

void log_epoch_table_end(const struct log_epoch_table *t, int32_t epoch, int64_t next_offset,
                         int32_t *epoch_found, int64_t *end_offset)
{
    *epoch_found = epoch;
    *end_offset = t->count > 0 ? t->entries[0].start_offset : next_offset;
    for (unsigned i = 0; i < t->count && t->entries[i].epoch <= epoch; i++) {
        *epoch_found = t->entries[i].epoch;
        *end_offset = i + 1 < t->count ? t->entries[i + 1].start_offset : next_offset;
    }
}

int32_t log_epoch_table_at(const struct log_epoch_table *t, int64_t offset, int64_t *end_offset)
{
    assert(t->count > 0);
    unsigned i = t->count - 1;
    while (i > 0 && t->entries[i].start_offset > offset)
        i--;
    *end_offset = i + 1 < t->count ? t->entries[i + 1].start_offset : INT64_MAX;
    return t->entries[i].epoch;
}

void log_epoch_table_trim(struct log_epoch_table *t, int64_t start_offset)
{
    unsigned ended = 0;
    while (ended + 1 < t->count && t->entries[ended + 1].start_offset <= start_offset)
        ended++;
    t->count -= ended;
    if (ended > 0)
        memmove(t->entries, t->entries + ended, t->count * sizeof t->entries[0]);
}

uint8_t *log_epoch_table_encode(const struct log_epoch_table *t, uint8_t *into)
{
    for (unsigned i = 0; i < t->count; i++) {
        into = bytes_put_le32(into, (uint32_t)t->entries[i].epoch);
        into = bytes_put_le64(into, (uint64_t)t->entries[i].start_offset);
    }
    return into;
}

int log_epoch_table_decode(struct log_epoch_table *t, struct bytes_reader *r, uint32_t count)
{
    assert(t->count == 0);
    for (uint32_t i = 0; i < count; i++) {
        int32_t epoch = (int32_t)bytes_read_le32(r);
        int64_t offset = (int64_t)bytes_read_le64(r);
        bool rises = t->count == 0 || offset > t->entries[t->count - 1].start_offset;
        if (r->is_bad || epoch < 0 || epoch <= log_epoch_table_last(t) || offset < 0 || !rises)
            return ERR_MALFORMED;
        int err = log_epoch_table_add(t, epoch, offset);
        if (err != 0)
            return err;
    }
    return 0;
}
