/* How long the WAL takes: what tells a slow disk from a sound one.
 *
 * A time runs from when there is something to write, or the write before has ended, until it is
 * durable: so a thread that does not get to run counts as well as a disk that does not answer.
 * The newest few hundred are kept. All under the WAL's lock. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wal_private.h"

#define RECENT_NS UINT64_C(1000000000)

void log_wal_pace_begin(struct log_wal *wal)
{
    wal->pace.since_ns = clock_now_ns(wal->options.clock);
}

void log_wal_pace_end(struct log_wal *wal, bool was_synced, bool goes_on)
{
    struct wal_pace *p = &wal->pace;
    uint64_t now_ns = clock_now_ns(wal->options.clock);
    if (was_synced && p->since_ns != 0) {
        uint64_t took_us = (now_ns - p->since_ns) / 1000;
        struct wal_pace_sample *s = &p->samples[p->next++ % WAL_PACE_SAMPLES];
        s->ended_ns = now_ns;
        s->took_us = took_us < UINT32_MAX ? (uint32_t)took_us : UINT32_MAX;
        if (s->took_us == 0)
            s->took_us = 1; /* 0 means that there is none */
    }
    p->since_ns = goes_on ? now_ns : 0;
}

static int by_number(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;
    return (first > second) - (first < second);
}

/* Sorts; the value below which `percent` of them are. 0 without any. */
static uint32_t percentile(uint32_t *values, unsigned count, unsigned percent)
{
    qsort(values, count, sizeof *values, by_number);
    return count == 0 ? 0 : values[(uint64_t)(count - 1) * percent / 100];
}

static unsigned copy_times(const struct wal_pace *p, uint64_t since_ns, uint32_t *into)
{
    unsigned count = 0;
    for (unsigned i = 0; i < WAL_PACE_SAMPLES && i < p->next; i++)
        if (p->samples[i].ended_ns >= since_ns)
            into[count++] = p->samples[i].took_us;
    return count;
}

void log_wal_pace(struct log_wal *wal, struct log_wal_pace *pace)
{
    uint32_t all[WAL_PACE_SAMPLES], recent[WAL_PACE_SAMPLES];
    pthread_mutex_lock(&wal->lock);
    uint64_t now_ns = clock_now_ns(wal->options.clock);
    unsigned all_count = copy_times(&wal->pace, 0, all);
    unsigned recent_count = copy_times(&wal->pace, now_ns > RECENT_NS ? now_ns - RECENT_NS : 0,
                                       recent);
    uint64_t since_ns = wal->pace.since_ns;
    *pace = (struct log_wal_pace){
        .sync_count = wal->pace.next,
        .writing_us = since_ns == 0 ? 0 : (now_ns - since_ns) / 1000,
        .is_out_of_files = wal->is_waiting_for_file && wal->is_room_missed,
    };
    uint64_t percent = wal->queued_bytes * 100 / (wal->options.queue_bytes_max + 1);
    pthread_mutex_unlock(&wal->lock);
    pace->queue_percent = percent < 100 ? (unsigned)percent : 100;
    pace->p50_us = percentile(all, all_count, 50);
    pace->p99_us = percentile(all, all_count, 99);
    pace->recent_us = percentile(recent, recent_count, 50);
    if (pace->writing_us > pace->recent_us && !pace->is_out_of_files)
        pace->recent_us = pace->writing_us < UINT32_MAX ? (uint32_t)pace->writing_us : UINT32_MAX;
}
