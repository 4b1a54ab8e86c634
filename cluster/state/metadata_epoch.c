/* The history of failover epochs: one row for each rise, METADATA_EPOCHS_KEPT at most.
 *
 * A row is begun with what was expected and ended, once, with what then happened, so that the two
 * can be compared long afterwards. Times are those of the entries that say so.
 *
 * A row in bytes: u64 epoch, u8 cause, u8 outcome, text from, text to, i64 begun, i64 ended, i64
 * returned, u32 groups, i64 pause as forecast, i64 pause, i64 lost records as forecast, i64 lost
 * records, i64 lost bytes, i64 lost milliseconds, text note. */
#include <string.h>

#include "state/metadata_image.h"

unsigned metadata_epoch_count(const struct metadata *m)
{
    return m->epoch_count;
}

const struct metadata_epoch *metadata_epoch_at(const struct metadata *m, unsigned position)
{
    return position < m->epoch_count ? &m->epochs[position] : NULL;
}

static struct metadata_epoch *find(struct metadata *m, uint64_t epoch)
{
    for (unsigned i = m->epoch_count; i-- > 0;)
        if (m->epochs[i].epoch == epoch)
            return &m->epochs[i];
    return NULL;
}

const struct metadata_epoch *metadata_epoch_of(const struct metadata *m, uint64_t epoch)
{
    return find((struct metadata *)(uintptr_t)m, epoch);
}

const struct metadata_epoch *metadata_lost_site(const struct metadata *m, const char *site)
{
    for (unsigned i = m->epoch_count; i-- > 0;) {
        const struct metadata_epoch *row = &m->epochs[i];
        if (row->cause == METADATA_EPOCH_SITE_LOST && row->returned_at_ms < 0 &&
            strcmp(row->from, site) == 0)
            return row;
    }
    return NULL;
}

const char *metadata_epoch_cause_name(enum metadata_epoch_cause cause)
{
    static const char *const names[] = {"", "command", "switch", "back", "site_lost", "recovery"};
    return names[cause];
}

const char *metadata_epoch_outcome_name(enum metadata_epoch_outcome outcome)
{
    static const char *const names[] = {"under_way", "done", "undone"};
    return names[outcome];
}

/* ---- changes ---- */

static bool is_over(const struct metadata_epoch *row)
{
    return row->outcome != METADATA_EPOCH_UNDER_WAY &&
           (row->cause != METADATA_EPOCH_SITE_LOST || row->returned_at_ms >= 0);
}

/* The first that is over of those that a site which comes and goes leaves by the dozen; else of
 * all; else the first but the one that a switch would never end without. */
static unsigned to_forget(const struct metadata *m)
{
    for (unsigned i = 0; i < m->epoch_count; i++)
        if (m->epochs[i].cause == METADATA_EPOCH_SITE_LOST && is_over(&m->epochs[i]))
            return i;
    for (unsigned i = 0; i < m->epoch_count; i++)
        if (is_over(&m->epochs[i]))
            return i;
    return m->epochs[0].epoch == m->planned.epoch;
}

static void forget_one(struct metadata *m)
{
    unsigned at = to_forget(m);
    m->epoch_count--;
    memmove(&m->epochs[at], &m->epochs[at + 1], (m->epoch_count - at) * sizeof m->epochs[0]);
}

struct metadata_epoch *metadata_epoch_begin(struct metadata *m, const struct metadata_epoch *row,
                                            int64_t wall_ms, uint64_t stride)
{
    if (m->epoch_count == METADATA_EPOCHS_KEPT)
        forget_one(m);
    struct metadata_epoch *into = &m->epochs[m->epoch_count++];
    *into = *row;
    m->failover_epoch += 1 + stride;
    into->epoch = m->failover_epoch;
    into->outcome = METADATA_EPOCH_UNDER_WAY;
    into->begun_at_ms = wall_ms;
    into->ended_at_ms = into->returned_at_ms = -1;
    into->pause_ms = into->lost_records = into->lost_bytes = into->lost_ms = -1;
    return into;
}

int metadata_epoch_end(struct metadata *m, const struct metadata_epoch *row, int64_t wall_ms)
{
    struct metadata_epoch *known = find(m, row->epoch);
    if (known == NULL || known->outcome != METADATA_EPOCH_UNDER_WAY)
        return ERR_NOT_FOUND;
    known->outcome = row->outcome;
    known->ended_at_ms = wall_ms;
    known->pause_ms = row->pause_ms;
    known->lost_records = row->lost_records;
    known->lost_bytes = row->lost_bytes;
    known->lost_ms = row->lost_ms;
    if (row->note[0] != '\0')
        memcpy(known->note, row->note, sizeof known->note);
    return 0;
}

/* ---- bytes ---- */

void metadata_put_epoch(struct byte_list *list, const struct metadata_epoch *row)
{
    byte_list_put_u64(list, row->epoch);
    byte_list_put_u8(list, (uint8_t)row->cause);
    byte_list_put_u8(list, (uint8_t)row->outcome);
    byte_list_put_text(list, row->from);
    byte_list_put_text(list, row->to);
    byte_list_put_u64(list, (uint64_t)row->begun_at_ms);
    byte_list_put_u64(list, (uint64_t)row->ended_at_ms);
    byte_list_put_u64(list, (uint64_t)row->returned_at_ms);
    byte_list_put_u32(list, row->group_count);
    byte_list_put_u64(list, (uint64_t)row->forecast_pause_ms);
    byte_list_put_u64(list, (uint64_t)row->pause_ms);
    byte_list_put_u64(list, (uint64_t)row->forecast_lost_records);
    byte_list_put_u64(list, (uint64_t)row->lost_records);
    byte_list_put_u64(list, (uint64_t)row->lost_bytes);
    byte_list_put_u64(list, (uint64_t)row->lost_ms);
    byte_list_put_text(list, row->note);
}

static bool is_known_or_minus_one(const struct metadata_epoch *row)
{
    const int64_t numbers[] = {
        row->ended_at_ms,  row->returned_at_ms,        row->pause_ms,   row->forecast_pause_ms,
        row->lost_records, row->forecast_lost_records, row->lost_bytes, row->lost_ms};
    bool is_sound = true;
    for (unsigned i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        is_sound &= numbers[i] >= -1;
    return is_sound;
}

int metadata_read_epoch(struct bytes_reader *r, struct metadata_epoch *row)
{
    memset(row, 0, sizeof *row);
    row->epoch = bytes_read_le64(r);
    uint8_t cause = bytes_read_u8(r), outcome = bytes_read_u8(r);
    struct bytes from = byte_list_read_text(r), to = byte_list_read_text(r);
    row->begun_at_ms = (int64_t)bytes_read_le64(r);
    row->ended_at_ms = (int64_t)bytes_read_le64(r);
    row->returned_at_ms = (int64_t)bytes_read_le64(r);
    row->group_count = bytes_read_le32(r);
    row->forecast_pause_ms = (int64_t)bytes_read_le64(r);
    row->pause_ms = (int64_t)bytes_read_le64(r);
    row->forecast_lost_records = (int64_t)bytes_read_le64(r);
    row->lost_records = (int64_t)bytes_read_le64(r);
    row->lost_bytes = (int64_t)bytes_read_le64(r);
    row->lost_ms = (int64_t)bytes_read_le64(r);
    struct bytes note = byte_list_read_text(r);
    if (r->is_bad || cause > METADATA_EPOCH_RECOVERY || outcome > METADATA_EPOCH_UNDONE ||
        !is_known_or_minus_one(row))
        return ERR_MALFORMED;
    row->cause = cause;
    row->outcome = outcome;
    int err = metadata_copy_text(from, row->from, sizeof row->from);
    if (err == 0)
        err = metadata_copy_text(to, row->to, sizeof row->to);
    return err != 0 ? err : metadata_copy_text(note, row->note, sizeof row->note);
}

int metadata_read_epochs(struct metadata *m, struct bytes_reader *r)
{
    unsigned count = bytes_read_le16(r);
    if (r->is_bad || count > METADATA_EPOCHS_KEPT)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < count; i++) {
        int err = metadata_read_epoch(r, &m->epochs[i]);
        uint64_t before = i > 0 ? m->epochs[i - 1].epoch : 0;
        if (err != 0 || m->epochs[i].cause == 0 || m->epochs[i].epoch <= before ||
            m->epochs[i].epoch > m->failover_epoch)
            return ERR_MALFORMED;
        m->epoch_count++;
    }
    return 0;
}

void metadata_put_epochs(struct byte_list *list, const struct metadata *m)
{
    byte_list_put_u16(list, (uint16_t)m->epoch_count);
    for (unsigned i = 0; i < m->epoch_count; i++)
        metadata_put_epoch(list, &m->epochs[i]);
}
