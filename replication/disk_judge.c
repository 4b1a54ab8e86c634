/* Is this disk well?
 *
 * FULL goes by free space, with a tenth of the reserve between the two ends, so that a node at the
 * border does not take and give leadership in turn. SLOW is a comparison: all replicas of a group
 * write the same, so a disk that takes several times as long as its peers' does so by itself. A
 * loaded machine makes all of them slow, and then nobody is. It is believed after a second in which
 * several writes told of it: where little is written, one that was slow is all that a second has to
 * tell. And it stays for a while after it was last seen: each change of leaders costs clients a
 * little. STUCK needs no comparison.
 *
 * Pure: time and measures come in, a report goes out. */
#include <stdlib.h>
#include <string.h>

#include "replication/disk_state.h"

#define BELIEVED_MS    1000  /* slower for so long: SLOW ... */
#define BELIEVED_COUNT 3     /* ... by so many writes, ... */
#define QUIET_MS       3000  /* ... or for so long: what is measured tells of the last second */
#define SLOW_STAYS_MS  10000 /* ... and so long after */
#define QUEUE_IS_FULL  100   /* percent */
#define QUEUE_IS_USUAL 50

const char *repl_disk_state_name(enum repl_disk_state state)
{
    static const char *const names[REPL_DISK_STATE_COUNT] = {"ok", "full", "slow", "stuck"};
    return (unsigned)state < REPL_DISK_STATE_COUNT ? names[state] : "unknown";
}

void repl_disk_judge_init(struct repl_disk_judge *j, const struct repl_disk_judge_options *options)
{
    *j = (struct repl_disk_judge){.options = *options};
}

uint64_t repl_disk_reserve_bytes(const struct repl_disk_judge_options *options,
                                 uint64_t total_bytes)
{
    uint64_t share = total_bytes / 100 * options->reserve_percent;
    return share > options->reserve_bytes ? share : options->reserve_bytes;
}

/* ---- room ---- */

static void judge_room(struct repl_disk_judge *j, const struct repl_disk_measure *m)
{
    struct repl_disk_report *r = &j->report;
    if (m->total_bytes != 0) {
        r->free_bytes = m->free_bytes;
        r->total_bytes = m->total_bytes;
    }
    uint64_t reserve = repl_disk_reserve_bytes(&j->options, r->total_bytes);
    uint64_t border = r->is_full ? reserve + reserve / 10 : reserve;
    r->is_full = (r->total_bytes != 0 && r->free_bytes < border) || m->is_out_of_files;
    r->is_low = r->is_full && r->free_bytes < reserve / 2;
    r->is_out_of_files = m->is_out_of_files;
}

/* ---- pace ---- */

static int by_number(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

/* The lower median of the peers' times, so that of two the faster one counts: where one of them is
 * as slow as we are, the other should lead. 0: none of them has written lately. */
static uint32_t peers_us(const struct repl_disk_report *peers, unsigned count)
{
    uint32_t times[64];
    unsigned used = 0;
    for (unsigned i = 0; i < count && used < 64; i++)
        if (peers[i].sync_recent_us != 0)
            times[used++] = peers[i].sync_recent_us;
    if (used == 0)
        return 0;
    qsort(times, used, sizeof times[0], by_number);
    return times[(used - 1) / 2];
}

static bool has_peer_with_room_in_queue(const struct repl_disk_report *peers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (peers[i].queue_percent < QUEUE_IS_USUAL)
            return true;
    return false;
}

static bool is_worse(const struct repl_disk_judge *j, const struct repl_disk_measure *m,
                     const struct repl_disk_report *peers, unsigned count)
{
    uint32_t theirs_us = peers_us(peers, count);
    bool is_slower = theirs_us != 0 && m->sync_recent_us / 1000 >= j->options.slow_ms &&
                     m->sync_recent_us / j->options.slow_factor >= theirs_us;
    bool is_behind = m->queue_percent >= QUEUE_IS_FULL && has_peer_with_room_in_queue(peers, count);
    return is_slower || is_behind;
}

static bool is_believed(const struct repl_disk_judge *j, uint64_t now_ms,
                        const struct repl_disk_measure *m)
{
    uint64_t worse_ms = j->worse_since_ms != 0 ? now_ms - j->worse_since_ms : 0;
    bool has_several = m->sync_count - j->worse_at_count >= BELIEVED_COUNT;
    return worse_ms >= (has_several ? BELIEVED_MS : QUIET_MS);
}

static void judge_pace(struct repl_disk_judge *j, uint64_t now_ms,
                       const struct repl_disk_measure *m, const struct repl_disk_report *peers,
                       unsigned count)
{
    if (!is_worse(j, m, peers, count)) {
        j->worse_since_ms = 0;
    } else if (j->worse_since_ms == 0) {
        j->worse_since_ms = now_ms;
        j->worse_at_count = m->sync_count;
    }
    if (is_believed(j, now_ms, m))
        j->slow_until_ms = now_ms + SLOW_STAYS_MS;
    j->is_slow = j->slow_until_ms > now_ms;
}

/* ---- both ---- */

static enum repl_disk_state state_of(const struct repl_disk_judge *j)
{
    if (j->is_stuck)
        return REPL_DISK_STUCK;
    if (j->is_slow)
        return REPL_DISK_SLOW;
    return j->report.is_full ? REPL_DISK_FULL : REPL_DISK_OK;
}

const struct repl_disk_report *repl_disk_judge_look(struct repl_disk_judge *j, uint64_t now_ms,
                                                    const struct repl_disk_measure *m,
                                                    const struct repl_disk_report *peers,
                                                    unsigned peer_count)
{
    struct repl_disk_report *r = &j->report;
    bool stood_still = j->looked_at_ms == 0 || now_ms - j->looked_at_ms > REPL_DISK_LOOK_MS_MAX;
    judge_room(j, m);
    r->sync_p50_us = m->sync_p50_us;
    r->sync_p99_us = m->sync_p99_us;
    r->queue_percent = m->queue_percent;
    r->sync_recent_us = m->is_out_of_files ? 0 : m->sync_recent_us;
    if (stood_still || m->is_out_of_files)
        j->worse_since_ms = 0;
    else
        judge_pace(j, now_ms, m, peers, peer_count);
    j->is_stuck = !stood_still && !m->is_out_of_files && m->writing_ms >= j->options.stuck_ms;
    enum repl_disk_state state = state_of(j);
    if (state != r->state || j->looked_at_ms == 0)
        j->since_ms = now_ms;
    j->looked_at_ms = now_ms;
    r->state = state;
    r->for_ms = now_ms - j->since_ms;
    return r;
}
