/* Stage by stage; the order's file says which one is next. WAL and stores are opened for the first
 * and the last, and closed between: folders are moved while nobody has them. */
#include "start/recovery.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "start/replay.h"

/* More than the lost side may have elected, and written, meanwhile. Replicas of other groups on
 * this disk may wait for an index that only the lost side has: a partition on its way
 * (store_move.c). */
#define TERM_STRIDE  (1u << 16)
#define INDEX_STRIDE (1u << 16)

#define DIRECTORY_SIZE 32

struct recovery {
    const struct storage_options *options; /* the node's */
    struct identity *identity;
    const struct clock *clock;
    const struct replay_watch *watch;
    struct recovery_report *report;
    struct err_note *note;
    struct recovery_order order;
    bool is_done[METADATA_GROUPS_MAX];  /* by row, at this start */
    unsigned done_count, waiting_count; /* of the last round */
    struct work_pump pump;
    /* while they are open */
    struct log_folders *folders;
    struct log_wal *wal;
    struct log_store *stores[METADATA_GROUPS_MAX];
    struct metadata *metadata; /* group 0's, of this replica */
};

/* Where a replica of before this recovery lies. */
static void directory_of(uint64_t recovery_id, char directory[DIRECTORY_SIZE])
{
    snprintf(directory, DIRECTORY_SIZE, "aside/%016" PRIx64, recovery_id);
}

/* ---- WAL and stores ---- */

static const struct work *home_of(void *data, uint32_t group_id)
{
    struct recovery *r = data;
    (void)group_id;
    return &r->pump.seam;
}

static int open_all(struct recovery *r)
{
    struct storage_report report;
    struct storage_options options = *r->options;
    work_pump_init(&r->pump);
    r->folders = log_folders_create();
    if (r->folders == NULL)
        return UV_ENOMEM;
    options.writer = options.readers = &r->pump.seam;
    options.home = home_of;
    options.data = r;
    options.folders = r->folders;
    int err = storage_open(&options, r->identity, &r->wal, r->stores, &report, r->note);
    return err == 0 ? metadata_create(&r->metadata) : err;
}

static void close_all(struct recovery *r)
{
    work_pump_run(&r->pump);
    for (unsigned i = 0; i < r->options->group_count && r->wal != NULL; i++)
        log_store_close(r->stores[i]);
    if (r->wal != NULL) {
        log_wal_stop(r->wal);
        work_pump_run(&r->pump);
        log_wal_close(r->wal);
    }
    metadata_destroy(r->metadata);
    log_folders_destroy(r->folders);
    r->wal = NULL;
    r->metadata = NULL;
    r->folders = NULL;
}

static bool is_opened(const struct recovery *r, const struct recovery_row *row)
{
    return row->group_id >= r->options->first_group_id &&
           row->group_id - r->options->first_group_id < r->options->group_count;
}

static struct log_store *store_of(const struct recovery *r, uint32_t group_id)
{
    return r->stores[group_id - r->options->first_group_id];
}

/* ---- replaying ---- */

static struct replay replay_of(struct recovery *r, uint32_t group_id)
{
    uint32_t first_later = r->options->first_later_group_id;
    bool is_founded = first_later == 0 || group_id < first_later;
    bool is_metadata = group_id == r->options->metadata_group_id;
    return (struct replay){.group_id = group_id,
                           .watch = r->watch,
                           .wal = r->wal,
                           .store = store_of(r, group_id),
                           .pump = &r->pump,
                           .founders = r->options->founders,
                           .founder_count = is_founded ? r->options->founder_count : 0,
                           .metadata = is_metadata ? r->metadata : NULL};
}

static int encode_own(struct recovery *r, uint8_t **bytes, size_t *size)
{
    struct repl_member self = {
        .raft_id = repl_raft_id(r->identity->node_id, r->identity->incarnation), .is_voter = true};
    memcpy(self.site, r->order.entry.site, sizeof self.site);
    return repl_configuration_encode(&self, 1, bytes, size);
}

/* Of its last leader, before the RECOVERY entry. What is here of an older term than that leader's
 * may be other entries than it had: then it is at least so much. */
static void measure_loss(struct recovery *r, const struct replay *replay)
{
    struct repl_heard heard;
    struct repl_totals here = {0};
    struct repl_machine machine = machine_callbacks(replay->machine);
    if (repl_heard_read(r->wal, replay->group_id, &heard) != 0 ||
        (heard.position <= replay->index && heard.position_term <= replay->term))
        return;
    machine.totals(machine.data, &here);
    if (heard.totals.records > here.records)
        r->report->lost_records += heard.totals.records - here.records;
    if (heard.totals.bytes > here.bytes)
        r->report->lost_bytes += heard.totals.bytes - here.bytes;
}

/* The entry and the checkpoint that it is known by. */
static int begin_generation(struct recovery *r, struct replay *replay,
                            const struct recovery_row *row)
{
    uint8_t body[RECOVERY_ENTRY_SIZE_MAX], *configuration = NULL;
    size_t size = 0;
    struct recovery_entry entry = r->order.entry;
    struct repl_entry_head head = {.kind = ENTRY_RECOVERY, .wall_ms = clock_wall_ms(r->clock)};
    uint64_t term = (replay->term_max / TERM_STRIDE + 1) * TERM_STRIDE;
    measure_loss(r, replay);
    entry.generation = row->generation;
    entry.recovery_id = row->recovery_id;
    if (head.wall_ms < replay->wall_ms)
        head.wall_ms = replay->wall_ms;
    replay->index = (replay->index / INDEX_STRIDE + 1) * INDEX_STRIDE;
    int err = replay_add(replay, term, &head, bytes_of(body, recovery_entry_encode(&entry, body)));
    if (err == 0)
        err = encode_own(r, &configuration, &size);
    struct log_store_state state = {.configuration = bytes_of(configuration, size),
                                    .configuration_index = replay->index,
                                    .generation = row->generation,
                                    .recovery_id = row->recovery_id};
    if (err == 0)
        err = replay_checkpoint(replay, &state);
    free(configuration);
    if (err == 0)
        event_warn("group_recovered", "group=%u generation=%u index=%llu term=%llu", row->group_id,
                   row->generation, (unsigned long long)replay->index,
                   (unsigned long long)replay->term);
    return err == 0 ? 0
                    : err_set(r->note, err, "group %u: begin its new generation: %s", row->group_id,
                              err_text(err));
}

static bool has_generation(struct recovery *r, const struct recovery_row *row)
{
    return log_store_state(store_of(r, row->group_id))->generation >= row->generation;
}

/* What is put aside needs nothing of this where it has nothing, or can't be applied to its end:
 * then what lies in segments is what is kept. */
static int replay_row(struct recovery *r, const struct recovery_row *row)
{
    struct replay replay = replay_of(r, row->group_id);
    bool survives = row->action == RECOVERY_SURVIVE;
    replay.until_index = row->kept_index;
    int err = replay_open(&replay, r->note);
    if (err == 0)
        err = replay_run(&replay, r->note);
    if (err == 0 && survives)
        err = begin_generation(r, &replay, row);
    if (err == 0 && survives)
        r->report->recovery_id = row->recovery_id;
    replay_close(&replay);
    if (err == 0 || survives || err == ERR_BUSY)
        return err == ERR_NOT_FOUND
                   ? err_set(r->note, err, "group %u: this node has nothing of it", row->group_id)
                   : err;
    if (err != ERR_NOT_FOUND)
        event_error("replica_aside_incomplete", "group=%u reason=\"%s\"", row->group_id,
                    r->note->text);
    return err == UV_ENOMEM ? err : 0;
}

/* The WAL's part of a group goes when nothing there is needed any more. */
static int forget_wal(struct recovery *r, const struct recovery_row *row)
{
    struct log_wal_state wal;
    if (log_wal_state(r->wal, row->group_id, &wal) != 0 || wal.group.generation >= row->generation)
        return 0;
    return log_wal_forget_group(r->wal, row->group_id);
}

static bool is_left(struct recovery *r, unsigned i)
{
    const struct recovery_row *row = &r->order.rows[i];
    return !r->is_done[i] && is_opened(r, row) && !has_generation(r, row);
}

/* What is put aside loses its manifest next: entries without the checkpoint that they follow would
 * be taken for damage. */
static int forget_all(struct recovery *r)
{
    int err = 0;
    for (unsigned i = 0; i < r->order.row_count && err == 0; i++)
        if (is_opened(r, &r->order.rows[i]))
            err = forget_wal(r, &r->order.rows[i]);
    return err;
}

/* By rising group id: group 0 first, for it says where the others' partitions belong. A group that
 * a partition was on its way to has no checkpoint before the one that it came from
 * (log/store_move.c): it waits for the next round, with its store opened anew. */
static int replay_round(struct recovery *r)
{
    int err = 0;
    r->done_count = r->waiting_count = 0;
    for (unsigned i = 0; i < r->order.row_count && err == 0; i++) {
        if (!is_left(r, i))
            continue;
        err = replay_row(r, &r->order.rows[i]);
        r->is_done[i] = err == 0;
        r->done_count += err == 0;
        r->waiting_count += err == ERR_BUSY;
        err = err == ERR_BUSY ? 0 : err;
    }
    return err == 0 && r->waiting_count == 0 ? forget_all(r) : err;
}

/* For a group that is not recovered: what is put aside keeps what its last checkpoint has. */
static int end_waiting(struct recovery *r)
{
    for (unsigned i = 0; i < r->order.row_count; i++) {
        const struct recovery_row *row = &r->order.rows[i];
        if (!is_left(r, i))
            continue;
        if (row->action == RECOVERY_SURVIVE)
            return err_set(r->note, ERR_BUSY,
                           "group %u: a partition on its way there waits for another group's "
                           "checkpoint",
                           row->group_id);
        event_error("replica_aside_incomplete", "group=%u reason=\"%s\"", row->group_id,
                    r->note->text);
    }
    return forget_all(r);
}

/* ---- putting aside ---- */

static int move_all(struct recovery *r)
{
    char directory[DIRECTORY_SIZE];
    int err = disk_make_directory(r->options->disk, "aside");
    for (unsigned i = 0; i < r->order.row_count && err == 0; i++) {
        const struct recovery_row *row = &r->order.rows[i];
        directory_of(row->recovery_id, directory);
        if (row->action == RECOVERY_ASIDE)
            err = log_store_move_aside(r->options->disk, row->group_id, directory);
        if (err != 0)
            return err_set(r->note, err, "group %u: put aside to %s: %s", row->group_id, directory,
                           err_text(err));
    }
    return err;
}

static void on_left(struct log_leave *req, int status)
{
    *(int *)req->data = status;
}

static int begin_anew(struct recovery *r, const struct recovery_row *row)
{
    int status = ERR_BUSY;
    struct log_leave req = {.data = &status,
                            .left_index = 1,
                            .generation = row->generation,
                            .recovery_id = row->recovery_id};
    int err = log_store_leave(store_of(r, row->group_id), &req, on_left);
    work_pump_run(&r->pump);
    if (err == 0)
        err = status;
    event_warn("replica_put_aside", "group=%u generation=%u recovery_id=%016" PRIx64, row->group_id,
               row->generation, row->recovery_id);
    return err == 0
               ? 0
               : err_set(r->note, err, "group %u: begin anew: %s", row->group_id, err_text(err));
}

static int begin_all(struct recovery *r)
{
    int err = 0;
    for (unsigned i = 0; i < r->order.row_count && err == 0; i++) {
        const struct recovery_row *row = &r->order.rows[i];
        if (row->action == RECOVERY_ASIDE && is_opened(r, row) && !has_generation(r, row))
            err = begin_anew(r, row);
    }
    return err;
}

/* ---- stages ---- */

static int run_opened(struct recovery *r, int (*stage)(struct recovery *r))
{
    int err = open_all(r);
    if (err == 0)
        err = stage(r);
    close_all(r);
    return err;
}

static int replay_all(struct recovery *r)
{
    int err;
    do
        err = run_opened(r, replay_round);
    while (err == 0 && r->waiting_count > 0 && r->done_count > 0);
    return err == 0 && r->waiting_count > 0 ? run_opened(r, end_waiting) : err;
}

static int go_to(struct recovery *r, enum recovery_stage stage)
{
    r->order.stage = stage;
    return recovery_order_write(r->options->disk, &r->order);
}

static bool puts_any_aside(const struct recovery_order *order)
{
    for (unsigned i = 0; i < order->row_count; i++)
        if (order->rows[i].action == RECOVERY_ASIDE)
            return true;
    return false;
}

static int carry_out(struct recovery *r)
{
    int err = 0;
    bool has_aside = puts_any_aside(&r->order);
    if (r->order.stage == RECOVERY_REPLAY) {
        err = replay_all(r);
        if (err == 0 && has_aside)
            err = go_to(r, RECOVERY_MOVE);
    }
    if (err == 0 && has_aside && r->order.stage == RECOVERY_MOVE) {
        err = move_all(r);
        if (err == 0)
            err = go_to(r, RECOVERY_BEGIN);
    }
    if (err == 0 && has_aside)
        err = run_opened(r, begin_all);
    if (err == 0)
        err = disk_remove(r->options->disk, RECOVERY_RETURNING_FILE);
    return err == 0 || err == UV_ENOENT ? recovery_order_remove(r->options->disk) : err;
}

int recovery_run(const struct storage_options *options, struct identity *identity,
                 const struct clock *clock, const struct replay_watch *watch,
                 struct recovery_report *report, struct err_note *note)
{
    struct recovery *r = calloc(1, sizeof *r);
    if (r == NULL)
        return UV_ENOMEM;
    *r = (struct recovery){.options = options,
                           .identity = identity,
                           .clock = clock,
                           .watch = watch,
                           .report = report,
                           .note = note};
    *report = (struct recovery_report){0};
    uint64_t since_ms = clock_now_ms(clock);
    int err = recovery_order_read(options->disk, &r->order);
    if (err == UV_ENOENT) {
        free(r);
        return 0;
    }
    if (err != 0)
        err_set(note, err, "file \"recovery\": %s", err_text(err));
    else
        err = carry_out(r);
    if (err == 0)
        event_warn("recovery_carried_out", "groups=%u ms=%llu", r->order.row_count,
                   (unsigned long long)(clock_now_ms(clock) - since_ms));
    free(r);
    return err;
}
