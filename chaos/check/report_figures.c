/* The figures in words, and as JSON. Durations are told in milliseconds, null where there is none.
 */
#include <inttypes.h>
#include <math.h>

#include "report.h"

static double rate(const struct stretch *s, uint64_t amount)
{
    int64_t us = s->until_at - s->from_at;
    return us > 0 ? (double)amount * 1e6 / (double)us : 0;
}

static double share(const struct slots *slots)
{
    return slots->asked > 0 ? (double)slots->progress / (double)slots->asked : 1;
}

/* ---- as JSON ---- */

static void json_ms(FILE *into, const char *name, int64_t us)
{
    if (us < 0)
        fprintf(into, "\"%s\":null", name);
    else
        fprintf(into, "\"%s\":%.3f", name, (double)us / 1e3);
}

static void json_latency(FILE *into, const struct latency *latency)
{
    static const struct {
        const char *name;
        double share;
    } quantiles[] = {{"p50_ms", 0.5}, {"p90_ms", 0.9}, {"p99_ms", 0.99}, {"p999_ms", 0.999}};
    fprintf(into, "{\"count\":%" PRIu64, latency->count);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++) {
        putc(',', into);
        json_ms(into, quantiles[i].name, latency_quantile_us(latency, quantiles[i].share));
    }
    putc(',', into);
    json_ms(into, "max_ms", latency->count > 0 ? latency->max_us : -1);
    putc('}', into);
}

static void json_histogram(FILE *into, const struct latency *latency)
{
    bool is_first = true;
    putc('[', into);
    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        if (latency->buckets[i] == 0)
            continue;
        fprintf(into, "%s{\"below_us\":%" PRId64 ",\"count\":%" PRIu64 "}", is_first ? "" : ",",
                latency_bucket_end_us(i), latency->buckets[i]);
        is_first = false;
    }
    putc(']', into);
}

static void json_stretch(FILE *into, const char *name, const struct stretch *s)
{
    fprintf(into,
            "\"%s\":{\"seconds\":%.3f,\"records\":%" PRIu64 ",\"records_per_s\":%.1f"
            ",\"bytes_per_s\":%.1f,\"latency\":",
            name, (double)(s->until_at - s->from_at) / 1e6, s->records, rate(s, s->records),
            rate(s, s->bytes));
    json_latency(into, &s->latency);
    putc('}', into);
}

static void json_spread(FILE *into, const char *name, const struct spread *s)
{
    fprintf(into,
            "\"%s\":{\"samples\":%" PRIu64 ",\"disturbed\":%" PRIu64 ",\"never\":%" PRIu64 ",",
            name, s->samples, s->disturbed, s->never);
    const struct {
        const char *name;
        int64_t us;
    } fields[] = {{"p50_ms", s->p50_us},
                  {"p99_ms", s->p99_us},
                  {"max_ms", s->max_us},
                  {"disturbed_p50_ms", s->disturbed_p50_us},
                  {"disturbed_p99_ms", s->disturbed_p99_us},
                  {"gap_p50_ms", s->gap_p50_us},
                  {"gap_max_ms", s->gap_max_us}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        json_ms(into, fields[i].name, fields[i].us);
        putc(i + 1 < sizeof fields / sizeof *fields ? ',' : '}', into);
    }
}

static void json_slots(FILE *into, const char *name, const struct slots *slots)
{
    report_json_text(into, name);
    fprintf(into, ":{\"asked\":%" PRIu64 ",\"progress\":%" PRIu64 ",\"share\":%.5f}", slots->asked,
            slots->progress, share(slots));
}

static void json_availability(FILE *into, const struct history *h, const struct figures *f,
                              const struct slots *all, const struct slots *by_site)
{
    fprintf(into, "\"availability\":{");
    json_slots(into, "all", all);
    fprintf(into, ",\"sites\":{");
    for (unsigned i = 0; i < f->site_count; i++) {
        fprintf(into, "%s", i > 0 ? "," : "");
        json_slots(into, names_text(&h->names, f->sites[i]), &by_site[i]);
    }
    fprintf(into, "}}");
}

static void json_fault_head(FILE *into, const struct history *h, const struct fault_figures *ff)
{
    const struct fault *fault = ff->fault;
    const struct {
        const char *name;
        uint32_t text;
    } fields[] = {{"id", fault->id},
                  {"name", fault->name},
                  {"target", fault->target},
                  {"faulted_site", fault->site},
                  {"faulted_node", fault->node}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        fprintf(into, "\"%s\":", fields[i].name);
        report_json_text(into, names_text(&h->names, fields[i].text));
        putc(',', into);
    }
    fprintf(into, "\"inject_at\":%" PRId64 ",\"heal_at\":", fault->inject_at);
    if (fault->heal_at == NEVER)
        fprintf(into, "null,");
    else
        fprintf(into, "%" PRId64 ",", fault->heal_at);
    fprintf(into, "\"until_at\":%" PRId64 ",\"elections\":%" PRIu64 ",", ff->until_at,
            ff->elections);
}

static void json_fault(FILE *into, const struct history *h, const struct figures *f,
                       const struct fault_figures *ff)
{
    putc('{', into);
    json_fault_head(into, h, ff);
    fprintf(into, "\"rto\":{");
    json_spread(into, "partitions", &ff->partitions);
    putc(',', into);
    json_spread(into, "clients", &ff->clients);
    putc(',', into);
    json_spread(into, "partitions_elsewhere", &ff->partitions_elsewhere);
    putc(',', into);
    json_spread(into, "clients_elsewhere", &ff->clients_elsewhere);
    fprintf(into, "},");
    json_ms(into, "gap_ms", ff->gap_us);
    putc(',', into);
    json_stretch(into, "before", &ff->before);
    putc(',', into);
    json_stretch(into, "during", &ff->during);
    putc(',', into);
    json_stretch(into, "after", &ff->after);
    putc(',', into);
    json_availability(into, h, f, &ff->slots, ff->site_slots);
    putc('}', into);
}

void report_figures_json(FILE *into, const struct history *h, const struct figures *f)
{
    putc('{', into);
    json_ms(into, "prompt_ms", f->prompt_us);
    fprintf(into, ",\"from_at\":%" PRId64 ",\"until_at\":%" PRId64, f->from_at, f->until_at);
    fprintf(into,
            ",\"outcomes\":{\"ok\":%" PRIu64 ",\"fail\":%" PRIu64 ",\"unknown\":%" PRIu64 "},",
            f->ok, f->failed, f->unknown);
    json_stretch(into, "all", &f->all);
    fprintf(into, ",\"latency_histogram\":");
    json_histogram(into, &f->latency);
    putc(',', into);
    json_ms(into, "gap_ms", f->gap_us);
    putc(',', into);
    json_ms(into, "partition_gap_ms", f->partition_gap_us);
    putc(',', into);
    json_ms(into, "client_gap_ms", f->client_gap_us);
    fprintf(into, ",\"group_reads\":%" PRIu64 ",\"group_rereads\":%" PRIu64 ",", f->group_reads,
            f->group_rereads);
    json_availability(into, h, f, &f->slots, f->site_slots);
    fprintf(into, ",\n\"faults\":[");
    for (size_t i = 0; i < f->faults.count; i++) {
        fprintf(into, "%s\n", i > 0 ? "," : "");
        json_fault(into, h, f, &f->faults.items[i]);
    }
    fprintf(into, "]}");
}

/* ---- in words ---- */

static double ms(int64_t us)
{
    return us < 0 ? NAN : (double)us / 1e3;
}

static void print_spread(FILE *into, const char *name, const struct spread *s)
{
    if (s->samples > 0)
        fprintf(into,
                "    RTO of %s: p50 %.0f ms, p99 %.0f ms, max %.0f ms (%" PRIu64
                " samples, %" PRIu64 " disturbed, %" PRIu64 " never back); longest gap %.0f ms\n",
                name, ms(s->p50_us), ms(s->p99_us), ms(s->max_us), s->samples, s->disturbed,
                s->never, ms(s->gap_max_us));
}

static void print_stretch(FILE *into, const char *name, const struct stretch *s)
{
    if (s->until_at > s->from_at)
        fprintf(into, "    %s: %.0f records/s, acknowledged in p50 %.1f ms, p99 %.1f ms\n", name,
                rate(s, s->records), ms(latency_quantile_us(&s->latency, 0.5)),
                ms(latency_quantile_us(&s->latency, 0.99)));
}

static void print_fault(FILE *into, const struct history *h, const struct fault_figures *ff)
{
    fprintf(into, "fault %s %s (%s)\n", names_text(&h->names, ff->fault->id),
            names_text(&h->names, ff->fault->name), names_text(&h->names, ff->fault->target));
    print_spread(into, "partitions", &ff->partitions);
    print_spread(into, "clients", &ff->clients);
    if (ff->fault->site != NAME_NONE)
        print_spread(into, "clients of other sites", &ff->clients_elsewhere);
    print_stretch(into, "before", &ff->before);
    print_stretch(into, "during", &ff->during);
    print_stretch(into, "after", &ff->after);
    fprintf(into, "    progress in %.1f %% of %" PRIu64 " slots; %" PRIu64 " elections\n",
            100 * share(&ff->slots), ff->slots.asked, ff->elections);
}

void report_figures_text(FILE *into, const struct history *h, const struct figures *f)
{
    for (size_t i = 0; i < f->faults.count; i++)
        print_fault(into, h, &f->faults.items[i]);
    fprintf(into,
            "sends: %" PRIu64 " ok, %" PRIu64 " failed, %" PRIu64 " unknown; %.0f records/s\n",
            f->ok, f->failed, f->unknown, rate(&f->all, f->all.records));
    fprintf(into,
            "acknowledged in p50 %.1f, p90 %.1f, p99 %.1f, p99.9 %.1f, at most %.1f ms; late above "
            "%.0f ms\n",
            ms(latency_quantile_us(&f->latency, 0.5)), ms(latency_quantile_us(&f->latency, 0.9)),
            ms(latency_quantile_us(&f->latency, 0.99)), ms(latency_quantile_us(&f->latency, 0.999)),
            ms(f->latency.max_us), ms(f->prompt_us));
    fprintf(into, "longest gap: %.0f ms over all, %.0f ms of a partition, %.0f ms of a client\n",
            ms(f->gap_us), ms(f->partition_gap_us), ms(f->client_gap_us));
    fprintf(into, "progress in %.2f %% of %" PRIu64 " slots of 100 ms", 100 * share(&f->slots),
            f->slots.asked);
    for (unsigned i = 0; i < f->site_count; i++)
        fprintf(into, "%s %s %.2f %%", i == 0 ? ";" : ",", names_text(&h->names, f->sites[i]),
                100 * share(&f->site_slots[i]));
    fprintf(into, "\ngroups got %" PRIu64 " records, %" PRIu64 " of them again\n", f->group_reads,
            f->group_rereads);
}
