/* POST /v1/recover/salvage: the lost tail of what lies aside on this node, into salvage topics.
 *
 *   open (worker) --> next partition --> where it parts (its shard) --> nothing missing: next
 *        its topic is there? --no--> CreateTopics
 *        first and next offset (ListOffsets) --> newest record (Fetch) --> how far it has come
 *        read (worker) --> Produce --> read … --> next partition
 *
 * One call does some seconds' work and says where to go on: who asks again, of this node or of
 * another that has the same tail aside, goes on behind what the topic has. Each record there says
 * where it stood, so the topic is the only record of progress; nothing is kept here. The records go
 * the way of all producers, one request at a time. */
#include "admin/salvage.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/route.h"
#include "base/err.h"
#include "cluster/switch.h"

#define WORK_MS_MAX    3000 /* of one call, then it answers */
#define WORK_BYTES_MAX (32u << 20)
/* Asking where to go on may take longer than that, with a slow leader; but who called does not wait
 * for ever. */
#define CALL_MS_MAX 10000

/* ---- its end ---- */

static void free_salvage(struct salvage *s)
{
    s->admin->is_salvaging = false;
    slice_unref(&s->piece.batch);
    salvage_store_close(s->store);
    json_decref(s->tails);
    free(s);
}

static void on_abandoned(struct admin_call *call)
{
    struct salvage *s = call->data;
    ask_cancel(call->admin, s);
    s->call = NULL;
    if (!s->is_away)
        free_salvage(s);
}

void salvage_answer(struct salvage *s)
{
    bool is_done = s->waiting == NULL && s->place == salvage_store_count(s->store);
    call_answer_json(s->call, MHD_HTTP_OK,
                     json_pack("{s:b, s:s, s:I, s:i, s:i, s:I, s:I, s:o, s:o, s:O}", "is_done",
                               is_done ? 1 : 0, "recovery_id", s->id, "epoch", (json_int_t)s->epoch,
                               "next", (int)s->place, "partitions",
                               (int)salvage_store_count(s->store), "records", s->records,
                               "left_out", s->left_out_all, "waiting",
                               s->waiting == NULL ? json_null() : json_string(s->waiting), "note",
                               s->note.text[0] == '\0' ? json_null() : json_string(s->note.text),
                               "tails", s->tails));
    free_salvage(s);
}

static void fail(struct salvage *s, int err)
{
    call_refuse_err(s->call, err, s->note.text);
    free_salvage(s);
}

/* The call ends here; asked again, it looks at this partition anew. */
void salvage_wait(struct salvage *s, const char *why)
{
    snprintf(s->waiting_text, sizeof s->waiting_text, "%.60s, partition %d: %.100s", s->topic,
             (int)salvage_store_row(s->store, s->place)->id.partition, why);
    s->waiting = s->waiting_text;
    salvage_answer(s);
}

/* ---- elsewhere and back ---- */

/* False when there is nobody left to answer. */
bool salvage_is_back(struct salvage *s)
{
    s->is_away = false;
    if (s->call != NULL)
        return true;
    free_salvage(s);
    return false;
}

void salvage_work_elsewhere(struct salvage *s, work_cb run)
{
    s->is_away = true;
    work_submit(work_pool_work(s->broker->readers), &s->item, run);
}

void salvage_come_back(struct salvage *s, work_cb run)
{
    shard_post(s->admin->shard, &s->item, run);
}

/* A call always goes on a little, however long opening or asking took: else none would ever end. */
bool salvage_is_enough(const struct salvage *s)
{
    uint64_t ms = clock_now_ms(&s->admin->clock) - s->begun_at_ms;
    return s->bytes >= WORK_BYTES_MAX || (s->has_gone_on && ms >= WORK_MS_MAX) || ms >= CALL_MS_MAX;
}

/* ---- the recovery ---- */

_Static_assert(METADATA_EPOCHS_KEPT == 64, "as the sentence says that an operator reads");

/* The first recovery behind what the lost side knew of; without its group 0 the newest one. */
static uint64_t find_epoch(struct salvage *s)
{
    uint64_t known = 0, epoch = 0;
    struct metadata *old = salvage_store_metadata(s->store), *now = s->broker->metadata;
    if (old != NULL) {
        metadata_read_lock(old);
        known = metadata_failover_epoch(old);
        metadata_read_unlock(old);
    }
    metadata_read_lock(now);
    for (unsigned i = 0; i < metadata_epoch_count(now); i++) {
        const struct metadata_epoch *row = metadata_epoch_at(now, i);
        bool is_nearer = epoch == 0 || (old == NULL ? row->epoch > epoch : row->epoch < epoch);
        if (row->cause == METADATA_EPOCH_RECOVERY && row->epoch > known && is_nearer)
            epoch = row->epoch;
    }
    metadata_read_unlock(now);
    return epoch;
}

static void on_opened(struct work_item *item)
{
    struct salvage *s = item->data;
    if (!salvage_is_back(s))
        return;
    if (s->err != 0) {
        fail(s, s->err);
        return;
    }
    s->begun_at_ms = clock_now_ms(&s->admin->clock);
    s->epoch = find_epoch(s);
    if (s->epoch == 0) {
        s->waiting = "this node's metadata does not know of that recovery yet, or it is not among "
                     "the 64 failover epochs that are kept any more";
        salvage_answer(s);
        return;
    }
    if (s->place > salvage_store_count(s->store))
        s->place = salvage_store_count(s->store);
    salvage_next(s);
}

static void on_worker_open(struct work_item *item)
{
    struct salvage *s = item->data;
    char wanted[SALVAGE_ID_SIZE];
    memcpy(wanted, s->id, sizeof wanted);
    s->err = salvage_store_find(&s->broker->disk, wanted, s->id, &s->note);
    if (s->err == 0)
        s->err = salvage_store_open(s->broker->conf.data_directory, s->id, &s->store, &s->note);
    salvage_come_back(s, on_opened);
}

/* ---- the body ---- */

static bool read_body(struct admin_call *call, const char **id, int64_t *next)
{
    static const char *const allowed[] = {"recovery_id", "next"};
    const json_t *json = call->json;
    *id = "";
    *next = 0;
    if (!call_allows_fields(call, allowed, 2) ||
        (json_object_get(json, "recovery_id") != NULL &&
         !call_field_text(call, "recovery_id", id)) ||
        (json_object_get(json, "next") != NULL &&
         !call_field_number(call, "next", 0, INT32_MAX, next)))
        return false;
    if (strlen(*id) < SALVAGE_ID_SIZE)
        return true;
    call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field", "'recovery_id' has 16 hex digits");
    return false;
}

void resource_salvage(struct admin_call *call)
{
    const char *id;
    int64_t next;
    if (!read_body(call, &id, &next))
        return;
    if (call->admin->is_salvaging) {
        call_refuse_err(call, ERR_BUSY, "a salvage is under way on this node");
        return;
    }
    struct salvage *s = calloc(1, sizeof *s);
    if (s == NULL || (s->tails = json_array()) == NULL) {
        free(s);
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    s->admin = call->admin;
    s->broker = call->broker;
    s->call = call;
    s->item.data = s;
    s->place = (unsigned)next;
    bytes_copy_text(s->id, sizeof s->id, id);
    call->admin->is_salvaging = true;
    call->data = s;
    call->on_abandoned = on_abandoned;
    salvage_work_elsewhere(s, on_worker_open);
}
