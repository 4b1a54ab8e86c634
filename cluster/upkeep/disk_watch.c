/* The node's own eye on its disk.
 *
 * A few times a second: what is free (asked on a thread of its own, for a disk that hangs may not
 * answer that either), how long WAL writes take and whether one is under way for long; the judge
 * (replication/disk_state.h) makes a state of it, and heartbeats carry that. Leadership goes by it
 * (replication/), and produce (produce_path.c).
 *
 *   FULL    no new data where no majority has room; the WAL keeps nothing for catch-up once half
 *           of the reserve is gone; at its very end the ballast goes
 *   STUCK   others lead; after disk_hang_ms_max this process ends. The kernel gives a device up
 *           after half a minute or so; what hangs for longer seldom comes back, and a service
 *           manager, or a person, can do more about a process that has ended than about one that
 *           waits. The lock of the data folder stays with the write that hangs: nobody starts
 *           beside it. */
#include "upkeep/disk_watch.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/event.h"
#include "upkeep/ballast.h"

#define LOOK_MS          200 /* between two looks; below REPL_DISK_LOOK_MS_MAX */
#define SLOW_FACTOR      4
#define STUCK_MS         2000  /* a write under way */
#define BALLAST_AFTER_MS 10000 /* of a disk that is well */
#define BALLAST_RETRY_MS 60000

enum ballast_wish { KEEP, MAKE, GIVE };

struct disk_watch {
    struct broker *broker;
    int lock_descriptor;
    struct work_pool *pool; /* one thread: free space and ballast */
    struct repl_disk_judge judge;
    enum repl_disk_state state; /* as last told */
    uint64_t looked_at_ms;
    uint64_t ballast_at_ms; /* when it was last made or tried to; 0: never */
    bool has_ballast;       /* as far as known */
    bool is_tight;          /* the WAL keeps nothing for catch-up */

    /* with the thread */
    struct work_item item;
    atomic_bool is_asking; /* the item is under way */
    enum ballast_wish wish;
    uint64_t ballast_bytes;
    _Atomic uint64_t free_bytes, total_bytes; /* its answer */
    atomic_int ballast_status;                /* of the last wish */
};

/* ---- on the thread ---- */

struct room {
    uint64_t free_bytes, total_bytes;
};

static int64_t spare_bytes(const struct disk_watch *w, const struct room *room)
{
    return (int64_t)(room->free_bytes -
                     repl_disk_reserve_bytes(&w->judge.options, room->total_bytes));
}

/* Of the disk with less room above its reserve, where the WAL has its own. */
static int ask_room(const struct disk_watch *w, struct room *room)
{
    struct broker *b = w->broker;
    struct room of_wal;
    int err = disk_free_bytes(&b->disk, &room->free_bytes, &room->total_bytes);
    if (err != 0 || !broker_wal_has_own_disk(b))
        return err;
    err = disk_free_bytes(&b->wal_disk, &of_wal.free_bytes, &of_wal.total_bytes);
    if (err == 0 && spare_bytes(w, &of_wal) < spare_bytes(w, room))
        *room = of_wal;
    return err;
}

static void run_ask(struct work_item *item)
{
    struct disk_watch *w = item->data;
    struct room room;
    if (w->wish != KEEP)
        atomic_store(&w->ballast_status, w->wish == GIVE
                                             ? ballast_give(&w->broker->disk)
                                             : ballast_make(&w->broker->disk, w->ballast_bytes));
    if (ask_room(w, &room) == 0) {
        atomic_store(&w->free_bytes, room.free_bytes);
        atomic_store(&w->total_bytes, room.total_bytes);
    }
    atomic_store(&w->is_asking, false);
}

/* ---- on shard 0 ---- */

/* The last room goes before there is none, for what is removed must be written down first. */
static enum ballast_wish wish_of(struct disk_watch *w, const struct repl_disk_report *r,
                                 uint64_t now_ms)
{
    bool is_needed = r->is_full && (r->free_bytes < w->ballast_bytes || r->is_out_of_files);
    if (w->has_ballast && is_needed)
        return GIVE;
    bool is_first = w->ballast_at_ms == 0;
    bool is_wanted = is_first || !w->has_ballast; /* what an earlier start left may be too small */
    bool may_make = r->state == REPL_DISK_OK && r->total_bytes != 0 && is_wanted &&
                    r->free_bytes > 2 * w->ballast_bytes;
    if (may_make && (is_first || (r->for_ms >= BALLAST_AFTER_MS &&
                                  now_ms - w->ballast_at_ms >= BALLAST_RETRY_MS)))
        return MAKE;
    return KEEP;
}

static void take_ballast_answer(struct disk_watch *w)
{
    int status = atomic_load(&w->ballast_status);
    if (w->wish == GIVE) {
        w->has_ballast = false;
        event_warn("ballast_given", "bytes=%llu status=%s", (unsigned long long)w->ballast_bytes,
                   status == 0 ? "ok" : err_name(status));
    } else if (w->wish == MAKE) {
        w->has_ballast = status == 0;
        if (status != 0)
            event_warn("ballast_not_made", "error=%s", err_name(status));
    }
    w->wish = KEEP;
}

static void ask(struct disk_watch *w, const struct repl_disk_report *r, uint64_t now_ms)
{
    if (atomic_load(&w->is_asking))
        return;
    take_ballast_answer(w);
    w->ballast_bytes = ballast_size_bytes(
        repl_disk_reserve_bytes(&w->judge.options, r->total_bytes));
    w->wish = wish_of(w, r, now_ms);
    if (w->wish == MAKE)
        w->ballast_at_ms = now_ms;
    atomic_store(&w->is_asking, true);
    work_submit(work_pool_work(w->pool), &w->item, run_ask);
}

static void tell(struct disk_watch *w, const struct repl_disk_report *r)
{
    static const char *const names[] = {"disk_well", "disk_full", "disk_slow", "disk_stuck"};
    if (r->state == w->state)
        return;
    w->state = r->state;
    event_write(r->state == REPL_DISK_OK ? EVENT_INFO : EVENT_ERROR, names[r->state],
                "free_bytes=%llu total_bytes=%llu sync_recent_us=%u sync_p99_us=%u",
                (unsigned long long)r->free_bytes, (unsigned long long)r->total_bytes,
                r->sync_recent_us, r->sync_p99_us);
}

/* Everything but the folder's lock is closed first: a thread that waits for the disk keeps the
 * process there, and clients would wait for answers of a node that is no more. */
static void end_hung(const struct disk_watch *w, uint64_t hung_ms)
{
    event_error("disk_hangs", "ms=%llu reason=\"a write does not come back: the process ends\"",
                (unsigned long long)hung_ms);
    if (w->lock_descriptor > 3)
        close_range(3, (unsigned)w->lock_descriptor - 1, 0);
    close_range((unsigned)w->lock_descriptor + 1, ~0u, 0);
    _exit(1);
}

static struct repl_disk_measure measure(struct disk_watch *w, struct log_wal_pace *pace)
{
    log_wal_pace(w->broker->wal, pace);
    uint64_t writing_ms = pace->writing_us / 1000;
    return (struct repl_disk_measure){
        .free_bytes = atomic_load(&w->free_bytes),
        .total_bytes = atomic_load(&w->total_bytes),
        .sync_p50_us = pace->p50_us,
        .sync_p99_us = pace->p99_us,
        .sync_recent_us = pace->recent_us,
        .sync_count = pace->sync_count,
        .writing_ms = writing_ms < UINT32_MAX ? (uint32_t)writing_ms : UINT32_MAX,
        .is_out_of_files = pace->is_out_of_files,
        .queue_percent = (uint8_t)pace->queue_percent,
    };
}

/* From half of the reserve on, until there is room again. */
static void tighten(struct disk_watch *w, const struct repl_disk_report *r)
{
    bool was_tight = w->is_tight;
    w->is_tight = r->is_low || r->is_out_of_files || (w->is_tight && r->is_full);
    if (w->is_tight || was_tight)
        log_wal_set_tight(w->broker->wal, w->is_tight);
}

void disk_watch_tick(struct disk_watch *w)
{
    struct broker *b = w->broker;
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (now_ms - w->looked_at_ms < LOOK_MS)
        return;
    bool was_awake = now_ms - w->looked_at_ms <= REPL_DISK_LOOK_MS_MAX;
    w->looked_at_ms = now_ms;
    struct log_wal_pace pace;
    struct repl_disk_report peers[REPL_NODES_MAX];
    struct repl_disk_measure m = measure(w, &pace);
    unsigned peer_count = repl_node_peer_disks(b->node, peers);
    const struct repl_disk_report *r = repl_disk_judge_look(&w->judge, now_ms, &m, peers,
                                                            peer_count);
    repl_node_set_disk(b->node, r);
    tell(w, r);
    tighten(w, r);
    ask(w, r, now_ms);
    bool has_bound = b->conf.disk_hang_ms_max > 0;
    if (has_bound && was_awake && !m.is_out_of_files &&
        m.writing_ms >= (uint64_t)b->conf.disk_hang_ms_max)
        end_hung(w, m.writing_ms);
}

int disk_watch_create(struct broker *b, int lock_descriptor, struct disk_watch **watch)
{
    struct disk_watch *w = calloc(1, sizeof *w);
    if (w == NULL)
        return UV_ENOMEM;
    w->broker = b;
    w->lock_descriptor = lock_descriptor;
    w->item.data = w;
    w->has_ballast = ballast_is_there(&b->disk); /* the disk may be full by now */
    w->pool = work_pool_create("room", 1);
    repl_disk_judge_init(&w->judge, &(struct repl_disk_judge_options){
                                        .reserve_percent = (unsigned)b->conf.disk_reserve_percent,
                                        .reserve_bytes = (uint64_t)b->conf.disk_reserve_bytes,
                                        .slow_factor = SLOW_FACTOR,
                                        .slow_ms = (unsigned)b->conf.disk_slow_ms,
                                        .stuck_ms = STUCK_MS});
    if (w->pool == NULL) {
        free(w);
        return UV_ENOMEM;
    }
    *watch = w;
    return 0;
}

/* ---- groups ---- */

void disk_watch_group(struct broker_group *g)
{
    bool has_room = repl_group_has_room(g->raft);
    if (has_room == !g->is_without_room)
        return;
    g->is_without_room = !has_room;
    if (repl_group_is_elected(g->raft))
        event_write(has_room ? EVENT_INFO : EVENT_ERROR,
                    has_room ? "group_has_room" : "group_without_room", "group=%u", g->group_id);
}
