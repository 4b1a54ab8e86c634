/* How many records an entry carries, and all entries of the group together: for lag, and for what a
 * forced recovery has lost.
 *
 * A function of the entry alone, whatever becomes of it: a batch counts as many records as its
 * header says, also when it turns out to be a duplicate; a commit counts the offsets in it, for
 * each becomes a record of __consumer_offsets; a change of a group or of the metadata counts one.
 * What only keeps house (log starts, compaction, partitions opened or closed) carries none. */
#include "cluster/entry.h"
#include "cluster/group_entry.h"
#include "state/machine_parts.h"

#define BATCH_COUNT_AT 57 /* of a record batch: i32, big-endian */

static uint32_t batch_records(struct bytes body)
{
    if (body.size < BATCH_COUNT_AT + 4)
        return 0;
    int32_t count = (int32_t)bytes_get_be32(body.data + BATCH_COUNT_AT);
    return count > 0 ? (uint32_t)count : 0;
}

static uint32_t group_state_records(struct bytes body)
{
    struct group_entry entry;
    if (group_entry_decode(body, &entry) != 0)
        return 0;
    return entry.kind == GROUP_ENTRY_COMMIT ? entry.commit.offset_count : 1;
}

uint32_t machine_count(void *data, const struct repl_entry_head *head, struct bytes body)
{
    (void)data;
    switch (head->kind) {
    case ENTRY_RECORD_BATCH:
        return batch_records(body);
    case ENTRY_GROUP_STATE:
        return group_state_records(body);
    case ENTRY_METADATA:
        return 1;
    default:
        return 0;
    }
}

void machine_add_to_totals(struct machine *m, const struct repl_entry_head *head, struct bytes body)
{
    uint32_t records = machine_count(m, head, body);
    m->totals.records += records;
    m->totals.bytes += records > 0 ? body.size : 0;
}

void machine_totals(void *data, struct repl_totals *totals)
{
    const struct machine *m = data;
    *totals = m->totals;
}
