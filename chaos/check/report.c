/* The verdict in words, and as JSON. */
#include "report.h"

#include <inttypes.h>
#include <string.h>

#define NEIGHBOURS 2 /* offsets shown to each side */

int report_status(const struct verdict *v)
{
    return verdict_violations(v) > 0 ? 1 : v->incomplete_count > 0 ? 2 : 0;
}

static const char *status_word(const struct verdict *v)
{
    static const char *const words[] = {"clean", "violations", "incomplete"};
    return words[report_status(v)];
}

static const char *topic_name(const struct history *h, uint32_t partition)
{
    return names_text(&h->names, h->topics.items[h->partitions.items[partition].topic].name);
}

static const char *process_name(const struct history *h, uint32_t process)
{
    return process == NONE ? "" : names_text(&h->names, h->processes.items[process].name);
}

static const char *site_name(const struct history *h, uint32_t process)
{
    return process == NONE ? "" : names_text(&h->names, h->processes.items[process].site);
}

static const char *path_of(const struct history *h, struct place place)
{
    return place.file < h->files.count ? h->files.items[place.file].path : "";
}

void report_json_text(FILE *into, const char *text)
{
    putc('"', into);
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(into, "\\%c", c);
        else if (c < 0x20)
            fprintf(into, "\\u%04x", c);
        else
            putc(c, into);
    }
    putc('"', into);
}

/* ---- in words ---- */

static void print_neighbours(FILE *into, const struct history *h, const struct violation *violation)
{
    char value[LINE_TEXT_MAX + 1];
    if (violation->partition == NONE || violation->offset < 0)
        return;
    const struct partition *p = &h->partitions.items[violation->partition];
    fprintf(into, "      around it:");
    for (int64_t at = violation->offset - NEIGHBOURS; at <= violation->offset + NEIGHBOURS; at++) {
        const struct slot *slot = partition_find(p, at);
        if (at >= 0)
            fprintf(into, " %" PRId64 " %s%s", at,
                    slot == NULL ? "-" : history_value(h, slot->record - 1, value),
                    at < violation->offset + NEIGHBOURS ? "," : "\n");
    }
}

static void print_violation(FILE *into, const struct history *h, const struct violation *violation)
{
    char value[LINE_TEXT_MAX + 1];
    fprintf(into, "   ");
    if (violation->record != NONE)
        fprintf(into, " %s", history_value(h, violation->record, value));
    if (violation->partition != NONE)
        fprintf(into, " %s/%d", topic_name(h, violation->partition),
                h->partitions.items[violation->partition].number);
    if (violation->offset >= 0)
        fprintf(into, " offset %" PRId64, violation->offset);
    if (violation->epoch >= 0)
        fprintf(into, " epoch %" PRId64, violation->epoch);
    if (violation->node >= 0)
        fprintf(into, " node %" PRId64, violation->node);
    fprintf(into, ": %s", violation->what);
    if (violation->process != NONE)
        fprintf(into, " [%s, site %s]", process_name(h, violation->process),
                site_name(h, violation->process));
    if (violation->place.line > 0)
        fprintf(into, " (%s:%u)", path_of(h, violation->place), violation->place.line);
    putc('\n', into);
    print_neighbours(into, h, violation);
}

static void print_property(FILE *into, const struct verdict *v, enum property property)
{
    uint64_t count = v->counts[property];
    if (count == 0)
        return;
    fprintf(into, "%s: %" PRIu64 " (%s)\n", property_name(property), count,
            property_meaning(property));
    for (size_t i = 0; i < v->shown[property].count; i++)
        print_violation(into, v->history, &v->shown[property].items[i]);
    if (count > v->shown[property].count)
        fprintf(into, "    and %" PRIu64 " more\n", count - v->shown[property].count);
}

static void print_incomplete(FILE *into, const struct verdict *v)
{
    for (size_t i = 0; i < v->incomplete.count; i++)
        fprintf(into, "incomplete: %s\n", v->incomplete.items[i]);
    if (v->incomplete_count > v->incomplete.count)
        fprintf(into, "incomplete: and %" PRIu64 " more\n",
                v->incomplete_count - v->incomplete.count);
}

/* The last line: all in one. */
static void print_sum(FILE *into, const struct verdict *v)
{
    const struct history *h = v->history;
    const char *separator = " (";
    fprintf(into, "%s: %" PRIu64 " violations", status_word(v), verdict_violations(v));
    for (int i = 0; i < PROPERTY_COUNT; i++) {
        if (v->counts[i] == 0)
            continue;
        fprintf(into, "%s%s %" PRIu64, separator, property_name((enum property)i), v->counts[i]);
        separator = ", ";
    }
    fprintf(into,
            "%s in %" PRIu64 " sends, %" PRIu64 " reads, %" PRIu64
            " other operations, %zu partitions, %zu files, %" PRIu64 " lines\n",
            verdict_violations(v) > 0 ? ")" : "", h->send_count, h->read_count, h->operation_count,
            h->partitions.count, h->files.count, h->line_count);
}

void report_text(FILE *into, const struct verdict *v, const struct figures *f)
{
    const struct history *h = v->history;
    for (int i = 0; i < PROPERTY_COUNT; i++)
        print_property(into, v, (enum property)i);
    print_incomplete(into, v);
    if (f != NULL)
        report_figures_text(into, h, f);
    if (v->lost_records > 0)
        fprintf(into, "lost: %" PRIu64 " records, %" PRIu64 " bytes, %.3f s before the fault\n",
                v->lost_records, v->lost_bytes, (double)v->lost_time_us / 1e6);
    if (h->recoveries.count > 0)
        fprintf(into,
                "lost by recovery, as was said: %" PRIu64 " acknowledged records, %" PRIu64
                " bytes; %" PRIu64 " others that were read\n",
                v->taken_records, v->taken_bytes, v->taken_reads);
    print_sum(into, v);
}

/* ---- as JSON ---- */

static void json_neighbours(FILE *into, const struct history *h, const struct violation *violation)
{
    char value[LINE_TEXT_MAX + 1];
    bool is_first = true;
    fprintf(into, ",\"neighbours\":[");
    int64_t from = violation->offset - NEIGHBOURS, to = violation->offset + NEIGHBOURS;
    for (int64_t at = from; violation->partition != NONE && violation->offset >= 0 && at <= to;
         at++) {
        const struct slot *slot = partition_find(&h->partitions.items[violation->partition], at);
        if (slot == NULL)
            continue;
        fprintf(into, "%s{\"offset\":%" PRId64 ",\"value\":", is_first ? "" : ",", at);
        report_json_text(into, history_value(h, slot->record - 1, value));
        putc('}', into);
        is_first = false;
    }
    putc(']', into);
}

static void json_text_field(FILE *into, const char *name, const char *text)
{
    fprintf(into, ",\"%s\":", name);
    report_json_text(into, text);
}

static void json_violation(FILE *into, const struct history *h, enum property property,
                           const struct violation *violation)
{
    char value[LINE_TEXT_MAX + 1];
    fprintf(into, "{\"property\":");
    report_json_text(into, property_name(property));
    json_text_field(into, "what", violation->what);
    if (violation->record != NONE)
        json_text_field(into, "value", history_value(h, violation->record, value));
    if (violation->partition != NONE) {
        json_text_field(into, "topic", topic_name(h, violation->partition));
        fprintf(into, ",\"partition\":%d", h->partitions.items[violation->partition].number);
    }
    fprintf(into, ",\"offset\":%" PRId64 ",\"epoch\":%" PRId64 ",\"node\":%" PRId64,
            violation->offset, violation->epoch, violation->node);
    json_text_field(into, "process", process_name(h, violation->process));
    json_text_field(into, "site", site_name(h, violation->process));
    json_text_field(into, "file", violation->place.line > 0 ? path_of(h, violation->place) : "");
    fprintf(into, ",\"line\":%u", violation->place.line);
    json_neighbours(into, h, violation);
    putc('}', into);
}

static void json_violations(FILE *into, const struct verdict *v)
{
    bool is_first = true;
    fprintf(into, "\"properties\":{");
    for (int i = 0; i < PROPERTY_COUNT; i++)
        fprintf(into, "%s\"%s\":%" PRIu64, i > 0 ? "," : "", property_name((enum property)i),
                v->counts[i]);
    fprintf(into, "},\n\"violations\":[");
    for (int i = 0; i < PROPERTY_COUNT; i++) {
        for (size_t k = 0; k < v->shown[i].count; k++) {
            fprintf(into, "%s\n", is_first ? "" : ",");
            json_violation(into, v->history, (enum property)i, &v->shown[i].items[k]);
            is_first = false;
        }
    }
    fprintf(into, "]");
}

static void json_incomplete(FILE *into, const struct verdict *v)
{
    fprintf(into, "\"incomplete_count\":%" PRIu64 ",\"incomplete\":[", v->incomplete_count);
    for (size_t i = 0; i < v->incomplete.count; i++) {
        fprintf(into, "%s", i > 0 ? "," : "");
        report_json_text(into, v->incomplete.items[i]);
    }
    fprintf(into, "]");
}

/* By what was printed before the orders. */
static int64_t known_lost(const struct history *h)
{
    int64_t sum = 0;
    for (size_t i = 0; i < h->recoveries.count; i++)
        sum += h->recoveries.items[i].known_lost;
    return sum;
}

static void json_counts(FILE *into, const struct verdict *v)
{
    const struct history *h = v->history;
    size_t cut = 0;
    for (size_t i = 0; i < h->files.count; i++)
        cut += !h->files.items[i].has_end || h->files.items[i].is_cut;
    fprintf(into,
            "\"counts\":{\"sends\":%" PRIu64 ",\"reads\":%" PRIu64 ",\"operations\":%" PRIu64
            ",\"partitions\":%zu,\"processes\":%zu,\"files\":%zu,\"files_cut_short\":%zu"
            ",\"lines\":%" PRIu64 ",\"unknown_types\":%" PRIu64
            ",\"duplicates_of_plain_producers\":%" PRIu64 ",\"partitions_not_judged\":%" PRIu64
            ",\"values_not_judged\":%" PRIu64 ",\"fetches_not_judged\":%" PRIu64 "},\n",
            h->send_count, h->read_count, h->operation_count, h->partitions.count,
            h->processes.count, h->files.count, cut, h->line_count, h->unknown_type_count,
            v->repeated_plain, v->unjudged_partitions, v->unknown_values, v->unjudged_fetches);
    fprintf(into,
            "\"lost_by_recovery\":{\"recoveries\":%zu,\"records\":%" PRIu64 ",\"bytes\":%" PRIu64
            ",\"read_records\":%" PRIu64 ",\"known_lost\":%" PRId64 "},\n",
            h->recoveries.count, v->taken_records, v->taken_bytes, v->taken_reads, known_lost(h));
    fprintf(into, "\"rpo\":{\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"time_ms\":%.3f},\n",
            v->lost_records, v->lost_bytes, (double)v->lost_time_us / 1e3);
}

void report_json(FILE *into, const struct verdict *v, const struct figures *f)
{
    fprintf(into, "{\"verdict\":\"%s\",\"violation_count\":%" PRIu64 ",\n", status_word(v),
            verdict_violations(v));
    json_violations(into, v);
    fprintf(into, ",\n");
    json_incomplete(into, v);
    fprintf(into, ",\n");
    json_counts(into, v);
    fprintf(into, "\"figures\":");
    if (f != NULL)
        report_figures_json(into, v->history, f);
    else
        fprintf(into, "null");
    fprintf(into, "}\n");
}
