/* The figures of a run, and of each fault in it. */
#include "figures.h"

#include <stdlib.h>
#include <string.h>

#define AROUND_US (5 * SECOND_US) /* before and after a fault, for comparison */

/* ---- sends by partition and by client ---- */

/* Sends in groups, one behind the other; those of unknown group are in none. */
struct grouped {
    uint32_t *records;
    size_t *starts; /* of group i; one more than there are groups */
    size_t group_count;
};

static const struct history *sorted_history; /* qsort gives its callback no argument */

static int compare_invoked(const void *a, const void *b)
{
    int64_t one = sorted_history->records.items[*(const uint32_t *)a].invoked_at;
    int64_t other = sorted_history->records.items[*(const uint32_t *)b].invoked_at;
    return (one > other) - (one < other);
}

static int compare_completed(const void *a, const void *b)
{
    int64_t one = sorted_history->records.items[*(const uint32_t *)a].completed_at;
    int64_t other = sorted_history->records.items[*(const uint32_t *)b].completed_at;
    return (one > other) - (one < other);
}

static bool is_probe(const struct history *h, const struct record *r)
{
    return h->processes.items[r->process].is_probe;
}

static bool has_probes(const struct history *h)
{
    for (size_t i = 0; i < h->processes.count; i++)
        if (h->processes.items[i].is_probe && h->processes.items[i].send_count > 0)
            return true;
    return false;
}

/* Where there are probes, partitions are measured by them alone: by the broker's pauses and not by
 * a client's patience. A probe is nobody's client. */
static uint32_t group_of(const struct history *h, const struct record *r, bool is_by_client,
                         bool is_by_probes)
{
    if (r->process == NONE || is_probe(h, r) != is_by_probes)
        return NONE;
    return is_by_client ? r->process : r->partition;
}

static struct grouped group_sends(const struct history *h, bool is_by_client)
{
    bool is_by_probes = !is_by_client && has_probes(h);
    struct grouped g = {.group_count = is_by_client ? h->processes.count : h->partitions.count};
    g.records = memory_make(h->records.count, sizeof *g.records);
    g.starts = memory_make(g.group_count + 1, sizeof *g.starts);
    for (size_t i = 0; i < h->records.count; i++) {
        uint32_t group = group_of(h, &h->records.items[i], is_by_client, is_by_probes);
        if (group != NONE)
            g.starts[group + 1]++;
    }
    for (size_t i = 0; i < g.group_count; i++)
        g.starts[i + 1] += g.starts[i];
    size_t *next = memory_make(g.group_count + 1, sizeof *next);
    memcpy(next, g.starts, g.group_count * sizeof *next);
    for (size_t i = 0; i < h->records.count; i++) {
        uint32_t group = group_of(h, &h->records.items[i], is_by_client, is_by_probes);
        if (group != NONE)
            g.records[next[group]++] = (uint32_t)i;
    }
    free(next);
    sorted_history = h;
    for (size_t i = 0; i < g.group_count; i++)
        qsort(g.records + g.starts[i], g.starts[i + 1] - g.starts[i], sizeof *g.records,
              compare_invoked);
    return g;
}

static void close_grouped(struct grouped *g)
{
    free(g->records);
    free(g->starts);
}

/* ---- gaps ---- */

struct gap_search {
    const struct figures *figures;
    int64_t *longest_by_fault;
    int64_t longest;
};

static void on_gap(void *data, int64_t from_at, int64_t until_at)
{
    struct gap_search *search = data;
    if (until_at > search->figures->until_at)
        until_at = search->figures->until_at;
    if (until_at - from_at > search->longest)
        search->longest = until_at - from_at;
    for (size_t i = 0; i < search->figures->faults.count; i++) {
        const struct fault_figures *fault = &search->figures->faults.items[i];
        if (until_at > fault->fault->inject_at && from_at < fault->until_at &&
            until_at - from_at > search->longest_by_fault[i])
            search->longest_by_fault[i] = until_at - from_at;
    }
}

/* Returns the longest; fills one per fault. */
static int64_t longest_gaps(const struct figures *f, const struct sends *sends, int64_t *by_fault)
{
    struct gap_search search = {.figures = f, .longest_by_fault = by_fault};
    memset(by_fault, 0, f->faults.count * sizeof *by_fault);
    recovery_each_gap(sends, NAME_NONE, on_gap, &search);
    return search.longest;
}

/* ---- recovery over partitions, over clients ---- */

struct samples {
    VECTOR(int64_t) all;
    VECTOR(int64_t) disturbed;
    VECTOR(int64_t) gaps;
    uint64_t never;
};

static int compare_int64(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

static int64_t quantile(const int64_t *sorted, size_t count, double share)
{
    if (count == 0)
        return -1;
    size_t at = (size_t)((double)count * share);
    return sorted[at < count ? at : count - 1];
}

static void sort_numbers(int64_t *items, size_t count)
{
    if (count > 0)
        qsort(items, count, sizeof *items, compare_int64);
}

static struct spread spread_of(struct samples *s)
{
    sort_numbers(s->all.items, s->all.count);
    sort_numbers(s->disturbed.items, s->disturbed.count);
    sort_numbers(s->gaps.items, s->gaps.count);
    struct spread spread = {
        .samples = s->all.count,
        .disturbed = s->disturbed.count,
        .never = s->never,
        .p50_us = quantile(s->all.items, s->all.count, 0.5),
        .p99_us = quantile(s->all.items, s->all.count, 0.99),
        .max_us = quantile(s->all.items, s->all.count, 1),
        .disturbed_p50_us = quantile(s->disturbed.items, s->disturbed.count, 0.5),
        .disturbed_p99_us = quantile(s->disturbed.items, s->disturbed.count, 0.99),
        .gap_p50_us = quantile(s->gaps.items, s->gaps.count, 0.5),
        .gap_max_us = quantile(s->gaps.items, s->gaps.count, 1),
    };
    free(s->all.items);
    free(s->disturbed.items);
    free(s->gaps.items);
    return spread;
}

static void add_sample(struct samples *s, const struct recovery *recovery, int64_t gap_us)
{
    if (!recovery->is_sample)
        return;
    *vector_add(&s->all) = recovery->after_us;
    *vector_add(&s->gaps) = gap_us;
    if (recovery->is_disturbed)
        *vector_add(&s->disturbed) = recovery->after_us;
    s->never += !recovery->has_recovered;
}

/* gaps: by group, of each a number per fault */
static struct spread measure_fault(const struct figures *f, const struct history *h,
                                   const struct grouped *g, size_t fault, const int64_t *gaps,
                                   uint32_t without_site)
{
    struct samples samples = {.never = 0};
    const struct fault_figures *ff = &f->faults.items[fault];
    for (size_t i = 0; i < g->group_count; i++) {
        struct sends sends = {h, g->records + g->starts[i], g->starts[i + 1] - g->starts[i]};
        struct recovery recovery = recovery_of(&sends, ff->fault->inject_at, ff->until_at,
                                               f->prompt_us, without_site);
        add_sample(&samples, &recovery, gaps[i * f->faults.count + fault]);
    }
    return spread_of(&samples);
}

/* Returns the longest gap of any group. */
static int64_t measure_groups(struct figures *f, const struct history *h, bool is_by_client)
{
    struct grouped g = group_sends(h, is_by_client);
    int64_t *gaps = memory_make(g.group_count * f->faults.count, sizeof *gaps);
    int64_t longest = 0;
    for (size_t i = 0; i < g.group_count; i++) {
        struct sends sends = {h, g.records + g.starts[i], g.starts[i + 1] - g.starts[i]};
        int64_t gap_us = longest_gaps(f, &sends, gaps + i * f->faults.count);
        longest = gap_us > longest ? gap_us : longest;
    }
    for (size_t i = 0; i < f->faults.count; i++) {
        struct fault_figures *ff = &f->faults.items[i];
        *(is_by_client ? &ff->clients : &ff->partitions) = measure_fault(f, h, &g, i, gaps,
                                                                         NAME_NONE);
        *(is_by_client ? &ff->clients_elsewhere : &ff->partitions_elsewhere) = measure_fault(
            f, h, &g, i, gaps, ff->fault->site);
    }
    free(gaps);
    close_grouped(&g);
    return longest;
}

/* ---- stretches ---- */

static void fill_stretch(struct stretch *s, const struct history *h, const uint32_t *completed,
                         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct record *r = &h->records.items[completed[i]];
        if (r->completed_at < s->from_at || r->completed_at >= s->until_at)
            continue;
        s->records++;
        s->bytes += r->size;
        latency_add(&s->latency, r->completed_at - r->invoked_at);
    }
}

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_stretches(struct figures *f, size_t i)
{
    struct fault_figures *ff = &f->faults.items[i];
    int64_t inject_at = ff->fault->inject_at;
    int64_t heal_at = least(ff->fault->heal_at, f->until_at);
    int64_t before_at = i == 0 ? f->from_at : f->faults.items[i - 1].during.until_at;
    ff->before.from_at = least(inject_at, most(most(f->from_at, before_at), inject_at - AROUND_US));
    ff->before.until_at = inject_at;
    ff->during.from_at = inject_at;
    ff->during.until_at = most(inject_at, heal_at);
    ff->after.from_at = ff->during.until_at;
    ff->after.until_at = most(ff->after.from_at,
                              least(ff->until_at, ff->during.until_at + AROUND_US));
}

/* All that was acknowledged, by completion. Returns owned. */
static uint32_t *sort_completed(const struct history *h, size_t *count)
{
    uint32_t *completed = memory_make(h->records.count, sizeof *completed);
    *count = 0;
    for (size_t i = 0; i < h->records.count; i++)
        if (h->records.items[i].outcome == OUTCOME_OK && h->records.items[i].process != NONE)
            completed[(*count)++] = (uint32_t)i;
    sorted_history = h;
    qsort(completed, *count, sizeof *completed, compare_completed);
    return completed;
}

static void measure_stretches(struct figures *f, const struct history *h)
{
    size_t count;
    uint32_t *completed = sort_completed(h, &count);
    f->all.from_at = f->from_at;
    f->all.until_at = f->until_at;
    fill_stretch(&f->all, h, completed, count);
    for (size_t i = 0; i < f->faults.count; i++) {
        fill_stretch(&f->faults.items[i].before, h, completed, count);
        fill_stretch(&f->faults.items[i].during, h, completed, count);
        fill_stretch(&f->faults.items[i].after, h, completed, count);
    }
    free(completed);
}

/* ---- the frame ---- */

static void find_bounds(struct figures *f, const struct history *h)
{
    f->from_at = NEVER;
    f->until_at = INT64_MIN;
    for (size_t i = 0; i < h->records.count; i++) {
        const struct record *r = &h->records.items[i];
        if (r->process == NONE)
            continue;
        f->from_at = least(f->from_at, r->invoked_at);
        f->until_at = most(f->until_at, r->completed_at == NEVER ? r->invoked_at : r->completed_at);
        f->ok += r->outcome == OUTCOME_OK;
        f->failed += r->outcome == OUTCOME_FAIL;
        f->unknown += r->outcome == OUTCOME_UNKNOWN;
    }
    if (f->from_at == NEVER)
        f->from_at = f->until_at = 0;
    f->until_at++; /* half open */
}

static void find_sites(struct figures *f, const struct history *h)
{
    for (size_t i = 0; i < h->processes.count && f->site_count < SITES_MAX; i++) {
        const struct process *process = &h->processes.items[i];
        bool is_known = process->send_count == 0 || process->site == NAME_NONE;
        for (unsigned k = 0; k < f->site_count; k++)
            is_known |= f->sites[k] == process->site;
        if (!is_known)
            f->sites[f->site_count++] = process->site;
    }
}

static int compare_faults(const void *a, const void *b)
{
    const struct fault_figures *one = a, *other = b;
    return compare_int64(&one->fault->inject_at, &other->fault->inject_at);
}

/* A fault's time ends where the next one begins that does not overlap it. */
static void find_faults(struct figures *f, const struct history *h)
{
    for (size_t i = 0; i < h->faults.count; i++)
        if (h->faults.items[i].inject_at != NEVER)
            vector_add(&f->faults)->fault = &h->faults.items[i];
    if (f->faults.count > 0)
        qsort(f->faults.items, f->faults.count, sizeof *f->faults.items, compare_faults);
    for (size_t i = 0; i < f->faults.count; i++) {
        struct fault_figures *ff = &f->faults.items[i];
        ff->until_at = most(f->until_at, ff->fault->inject_at);
        for (size_t k = f->faults.count; k-- > i + 1;)
            if (f->faults.items[k].fault->inject_at >= ff->fault->heal_at)
                ff->until_at = least(ff->until_at, f->faults.items[k].fault->inject_at);
        set_stretches(f, i);
    }
}

static void find_prompt(struct figures *f, const struct history *h, int64_t prompt_us)
{
    struct latency undisturbed = {.count = 0};
    int64_t first_at = f->faults.count > 0 ? f->faults.items[0].fault->inject_at : NEVER;
    for (size_t i = 0; i < h->records.count; i++) {
        const struct record *r = &h->records.items[i];
        if (r->process == NONE || r->outcome != OUTCOME_OK)
            continue;
        latency_add(&f->latency, r->completed_at - r->invoked_at);
        if (r->completed_at < first_at)
            latency_add(&undisturbed, r->completed_at - r->invoked_at);
    }
    int64_t twice_us = 2 * latency_quantile_us(&undisturbed, 0.99);
    f->prompt_us = prompt_us > 0 ? prompt_us : most(PROMPT_US_MIN, twice_us);
}

static void count_elections(struct figures *f, const struct history *h)
{
    for (size_t i = 0; i < h->partitions.count; i++) {
        const struct partition *p = &h->partitions.items[i];
        int64_t lowest = NEVER;
        for (size_t k = 0; k < p->claims.count; k++)
            lowest = least(lowest, p->claims.items[k].epoch);
        for (size_t k = 0; k < p->claims.count; k++) {
            for (size_t at = 0; at < f->faults.count; at++) {
                struct fault_figures *ff = &f->faults.items[at];
                ff->elections += p->claims.items[k].epoch > lowest &&
                                 p->claims.items[k].first_at >= ff->during.from_at &&
                                 p->claims.items[k].first_at < ff->during.until_at;
            }
        }
    }
}

/* The gap over all acknowledgements: the whole as one group. */
static void measure_whole_gap(struct figures *f, const struct history *h)
{
    struct sends all = {.history = h, .records = memory_make(h->records.count, sizeof(uint32_t))};
    int64_t *by_fault = memory_make(f->faults.count, sizeof *by_fault);
    for (size_t i = 0; i < h->records.count; i++)
        if (h->records.items[i].process != NONE)
            all.records[all.count++] = (uint32_t)i;
    f->gap_us = longest_gaps(f, &all, by_fault);
    for (size_t i = 0; i < f->faults.count; i++)
        f->faults.items[i].gap_us = by_fault[i];
    free(all.records);
    free(by_fault);
}

void figures_make(struct figures *f, const struct history *h, int64_t prompt_us)
{
    memset(f, 0, sizeof *f);
    find_bounds(f, h);
    find_sites(f, h);
    find_faults(f, h);
    find_prompt(f, h, prompt_us);
    measure_stretches(f, h);
    measure_whole_gap(f, h);
    f->partition_gap_us = measure_groups(f, h, false);
    f->client_gap_us = measure_groups(f, h, true);
    availability_make(f, h);
    count_elections(f, h);
    for (size_t i = 0; i < h->members.count; i++) {
        f->group_reads += h->members.items[i].read_count;
        f->group_rereads += h->members.items[i].reread_count;
    }
}

void figures_close(struct figures *f)
{
    free(f->faults.items);
}
