/* The store's part in a move to another raft group: the record it is opened from there, and the
 * files, which stay where they are and change hands.
 *
 *   old store    frozen in memory ──checkpoint──▶ frozen in the manifest ──close──▶ forgotten
 *                                                     │ log_folders: index
 *   new store    imported, awaiting ──────────────────▶ looked at, taken over ──checkpoint──▶ its
 * own
 *
 * Until the old store's manifest says that the partition is closed, a restart would cut and clean
 * its files to what an older manifest knows, and write them again from the WAL. So the new store
 * makes no checkpoint before: after a crash it comes to the same place from its own WAL. Nothing
 * waits the other way round, as a group that gives partitions away takes none meanwhile (metadata
 * sees to that). Only snapshots of a node that was away for several moves may: there the new store
 * comes to have a partition without its files (ship_commit.c), and its manifest says so. What the
 * old store never had (this node was away, and its old replica came level by a snapshot without the
 * partition) is fetched from peers, segment by segment, like a damaged one. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/event.h"
#include "store_internal.h"

#define LOOKS_BETWEEN 100 /* calls of log_store_tend before a disk that failed is asked again */

struct tend_job {
    struct log_store *store;
    uint32_t number;
    struct log_look look;
    struct work_item item;
    int status;
};

int log_store_set_folders(struct log_store *s, struct log_folders *folders)
{
    assert(s->folders == NULL && !s->is_checkpointing && s->install == NULL);
    s->folders = folders;
    for (uint32_t i = 0; i < s->partition_count; i++) {
        int err = store_claim(s->partitions[i]);
        if (err != 0)
            return err;
    }
    store_tell_index(s);
    return 0;
}

void store_tell_index(const struct log_store *s)
{
    uint64_t index = s->state.left_index > 0 ? UINT64_MAX : s->state.index;
    if (s->folders != NULL)
        log_folders_set_index(s->folders, s->group_id, index);
}

int store_claim(struct store_partition *entry)
{
    if (entry->store->folders == NULL || entry->has_claim)
        return 0;
    int err = log_folders_claim(entry->store->folders, &entry->partition->id,
                                entry->store->group_id);
    entry->has_claim = err == 0;
    if (err == 0)
        store_set_writing(entry, !entry->partition->is_frozen && !entry->partition->is_awaiting);
    return err;
}

void store_set_writing(const struct store_partition *entry, bool is_writing)
{
    if (entry->has_claim)
        log_folders_set_writing(entry->store->folders, &entry->partition->id,
                                entry->store->group_id, is_writing);
}

void log_store_partition_freeze(struct log_store *s, uint32_t partition_number)
{
    const struct store_partition *entry = store_find(s, partition_number);
    log_partition_freeze(entry->partition);
    store_set_writing(entry, false);
    if (entry->has_claim && entry->partition->has_flaws)
        log_folders_doubt(s->folders, &entry->partition->id);
}

void store_give_ghost_id(const struct log_store *s, uint32_t number, struct log_partition_id *id)
{
    if (s->folders == NULL || !log_folders_has_writer(s->folders, id, s->group_id))
        return; /* who only waits for the files gets them from here */
    uint8_t mark[8];
    bytes_put_le32(bytes_put_le32(mark, s->group_id), number);
    for (unsigned i = 0; i < sizeof mark; i++)
        id->topic_id[8 + i] ^= mark[i];
    id->topic_id[0] ^= 0xff;
}

void store_unclaim(struct store_partition *entry)
{
    if (entry->has_claim)
        log_folders_release(entry->store->folders, &entry->partition->id, entry->store->group_id);
    entry->has_claim = false;
}

bool store_is_shared(const struct log_store *s, const struct log_partition_id *id)
{
    return s->folders != NULL && log_folders_is_shared(s->folders, id, s->group_id);
}

bool store_may_take(const struct log_store *s, const struct log_partition_id *id,
                    const struct log_partition_source *source)
{
    if (s->folders == NULL)
        return true;
    return !log_folders_is_being_removed(s->folders, id) &&
           !log_folders_has_writer(s->folders, id, s->group_id) &&
           (source->group_id == 0 ||
            log_folders_index(s->folders, source->group_id) >= source->index);
}

int log_store_partition_record(const struct log_store *s, uint32_t partition_number,
                               struct slice *record)
{
    const struct store_partition *entry = store_find(s, partition_number);
    if (entry == NULL || !entry->partition->is_frozen)
        return ERR_NOT_FOUND;
    if (entry->record.bytes.size == 0 || !log_partition_record_is_frozen(entry->record.bytes))
        return ERR_BUSY;
    *record = slice_ref(entry->record);
    return 0;
}

int log_store_partition_import(struct log_store *s, uint32_t partition_number,
                               const struct log_partition_id *id, struct bytes record,
                               const struct log_partition_source *source,
                               struct log_partition **imported)
{
    struct log_partition *p;
    int err = log_partition_import(s->disk, record, source, &p);
    if (err == 0 && memcmp(&p->id, id, sizeof *id) != 0)
        err = ERR_INVALID;
    else if (err != 0)
        return err;
    if (err == 0)
        err = store_add_partition(s, partition_number, p);
    if (err != 0) {
        log_partition_destroy(p);
        return err;
    }
    s->awaiting_count++;
    *imported = p;
    return 0;
}

/* ---- taking over ---- */

static void finish_look(struct work_item *item)
{
    struct tend_job *job = item->data;
    struct log_store *s = job->store;
    struct store_partition *entry = store_find(s, job->number);
    s->is_tending = false;
    if (job->status != 0) {
        s->look_pause = LOOKS_BETWEEN;
        event_warn("moved_files_not_seen", "group=%" PRIu32 " number=%" PRIu32 " error=%s",
                   s->group_id, job->number, err_name(job->status));
    } else if (entry != NULL && entry->partition->is_awaiting) {
        log_partition_take_over(entry->partition, &job->look);
        if (s->folders != NULL && log_folders_take_doubt(s->folders, &entry->partition->id))
            log_partition_suspect_all(entry->partition);
        store_set_writing(entry, true);
        s->awaiting_count--;
        event_info(
            "partition_taken_over",
            "group=%" PRIu32 " number=%" PRIu32 " from_group=%" PRIu32 " segments_missing=%u",
            s->group_id, job->number, entry->partition->source.group_id, job->look.missing_count);
    }
    free(job->look.segments);
    free(job);
}

static void run_look(struct work_item *item)
{
    struct tend_job *job = item->data;
    job->status = log_partition_look_run(&job->look);
    work_submit(job->store->home, item, finish_look);
}

static void look(struct log_store *s, struct store_partition *entry)
{
    struct tend_job *job = calloc(1, sizeof *job);
    if (job == NULL || log_partition_look_prepare(entry->partition, &job->look) != 0) {
        free(job);
        return;
    }
    job->store = s;
    job->number = entry->number;
    job->item.data = job;
    s->is_tending = true;
    work_submit(s->worker, &job->item, run_look);
}

/* Files that stayed because another store named them, and may go now. */
static void remind_held(struct log_store *s)
{
    s->has_held_files = false;
    for (uint32_t i = 0; i < s->partition_count; i++)
        if (s->partitions[i]->partition->dead.count > 0) {
            log_partition_changed(s->partitions[i]->partition);
            s->has_held_files |= store_is_shared(s, &s->partitions[i]->partition->id);
        }
}

unsigned log_store_tend(struct log_store *s)
{
    if (s->has_held_files)
        remind_held(s);
    if (s->awaiting_count == 0 || s->is_tending)
        return s->awaiting_count;
    if (s->look_pause > 0) {
        s->look_pause--;
        return s->awaiting_count;
    }
    for (uint32_t i = 0; i < s->partition_count && !s->is_tending; i++) {
        struct log_partition *p = s->partitions[i]->partition;
        if (p->is_awaiting && store_may_take(s, &p->id, &p->source))
            look(s, s->partitions[i]);
    }
    return s->awaiting_count;
}

bool log_store_is_tending(const struct log_store *s)
{
    return s->is_tending;
}
