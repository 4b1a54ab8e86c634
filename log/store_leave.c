/* A store gives up all that it has: its replica has left the raft group.
 *
 *   1 replace the manifest: no state, the names of its folders as removed, "left"  <- the point
 *   2 remove these folders, and what a snapshot has left in "incoming"
 *   3 replace the manifest by one without the names
 *
 * A crash before 1 has changed nothing. After it an opening store has left, and finds by the names
 * which folders are still there (store.c): the owner calls again. A folder that moved to another
 * group's store on this disk is that one's, and is not named: after a crash that store may know of
 * it only when its log is applied again. */
#include <assert.h>
#include <stdlib.h>

#include "base/disk.h"
#include "store_internal.h"

/* What goes. */
struct log_leave_folder {
    uint32_t number;
    struct log_partition_id id;
};

/* ---- on the worker ---- */

static struct log_store_state left_state(const struct log_leave *req)
{
    return (struct log_store_state){.left_index = req->left_index,
                                    .generation = req->generation,
                                    .recovery_id = req->recovery_id};
}

static int replace_manifest(struct log_leave *req, bool has_names)
{
    struct log_store *s = req->store;
    struct log_store_state state = left_state(req);
    struct manifest_bytes b = {0};
    manifest_add_header(&b, s->group_id);
    for (uint32_t i = 0; i < req->folder_count && has_names; i++)
        manifest_add_removed(&b, req->folders[i].number, &req->folders[i].id);
    manifest_add_commit(&b, &state, 0, 0);
    manifest_finish_header(&b);
    int err = b.err != 0 ? b.err : store_replace_manifest(s, bytes_of(b.data, b.size));
    req->manifest.size = req->manifest.durable = b.size;
    manifest_bytes_close(&b);
    return err;
}

static int remove_files(const struct log_leave *req)
{
    char incoming[LOG_PATH_SIZE];
    int err = 0;
    for (uint32_t i = 0; i < req->folder_count && err == 0; i++)
        err = log_partition_remove_folder(req->store->disk, &req->folders[i].id);
    store_path(req->store, "/incoming", incoming);
    if (err == 0)
        err = disk_remove_tree(req->store->disk, incoming);
    return err == UV_ENOENT ? 0 : err;
}

static void finish(struct work_item *item);

static void run(struct work_item *item)
{
    struct log_leave *req = item->data;
    req->status = replace_manifest(req, true);
    if (req->status == 0)
        req->status = remove_files(req);
    if (req->status == 0)
        req->status = replace_manifest(req, false);
    work_submit(req->store->home, item, finish);
}

/* ---- on the shard ---- */

static void take(struct log_leave *req, const struct store_partition *entry)
{
    const struct log_store *s = req->store;
    const struct log_partition_id *id = log_partition_id(entry->partition);
    if (s->folders == NULL || log_folders_begin_removal(s->folders, id, s->group_id))
        req->folders[req->folder_count++] = (struct log_leave_folder){.number = entry->number,
                                                                      .id = *id};
}

/* The folders that are this store's only. From here to the end nobody takes one over. One that was
 * removed, and came back, is there twice. */
static int take_folders(struct log_leave *req)
{
    const struct log_store *s = req->store;
    uint32_t count = s->partition_count;
    for (const struct store_partition *r = s->removed; r != NULL; r = r->next_removed)
        count++;
    req->folder_count = 0;
    req->folders = calloc(count + 1, sizeof *req->folders);
    if (req->folders == NULL)
        return UV_ENOMEM;
    for (uint32_t i = 0; i < s->partition_count; i++)
        take(req, s->partitions[i]);
    for (const struct store_partition *r = s->removed; r != NULL; r = r->next_removed)
        take(req, r);
    return 0;
}

static void empty(struct log_store *s, const struct log_leave *req)
{
    store_take_table(s, &(struct store_table){.state = left_state(req)});
    store_forget_removed(s);
    s->staged.count = 0;
    s->has_held_files = s->has_manifest_rest = s->must_rewrite = false;
    s->manifest_size = req->manifest.size;
    s->manifest_durable = req->manifest.durable;
    store_tell_index(s);
}

static void finish(struct work_item *item)
{
    struct log_leave *req = item->data;
    struct log_store *s = req->store;
    s->is_leaving = false;
    store_hold_reads(s, false);
    for (uint32_t i = 0; i < req->folder_count && s->folders != NULL; i++)
        log_folders_end_removal(s->folders, &req->folders[i].id);
    free(req->folders);
    if (req->status == 0)
        empty(s, req);
    req->cb(req, req->status);
}

int log_store_leave(struct log_store *s, struct log_leave *req, log_leave_cb cb)
{
    assert(req->left_index > 0 && req->left_index >= s->state.left_index);
    if (store_is_in_use(s) || s->install != NULL || s->awaiting_count > 0 || s->is_leaving)
        return ERR_BUSY;
    req->store = s;
    req->cb = cb;
    req->item.data = req;
    if (take_folders(req) != 0)
        return UV_ENOMEM;
    s->is_leaving = true;
    store_hold_reads(s, true);
    work_submit(s->worker, &req->item, run);
    return 0;
}

bool log_store_has_rest(const struct log_store *s)
{
    return s->state.left_index > 0 && s->removed != NULL;
}
