/* Violations, counted by property; the first of each are kept to be shown. */
#include "verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define INCOMPLETE_SHOWN 20

static const struct {
    const char *name, *meaning;
} properties[PROPERTY_COUNT] = {
#define X(name, text, meaning) {text, meaning},
    PROPERTIES(X)
#undef X
};

const char *property_name(enum property property)
{
    return properties[property].name;
}

const char *property_meaning(enum property property)
{
    return properties[property].meaning;
}

void verdict_init(struct verdict *v, struct history *h, size_t shown_max)
{
    memset(v, 0, sizeof *v);
    v->history = h;
    v->shown_max = shown_max;
}

void verdict_close(struct verdict *v)
{
    for (int i = 0; i < PROPERTY_COUNT; i++)
        free(v->shown[i].items);
    for (size_t i = 0; i < v->incomplete.count; i++)
        free(v->incomplete.items[i]);
    free(v->incomplete.items);
}

struct violation violation_blank(void)
{
    return (struct violation){
        .record = NONE, .partition = NONE, .process = NONE, .offset = -1, .epoch = -1, .node = -1};
}

struct violation violation_at(const struct history *h, uint32_t partition, int64_t offset,
                              const struct slot *slot)
{
    struct violation violation = violation_blank();
    violation.partition = partition;
    violation.offset = offset;
    if (slot == NULL)
        return violation;
    violation.record = slot->record - 1;
    violation.epoch = slot->epoch;
    violation.place = slot->place;
    if (slot->reader == NONE) {
        violation.process = h->records.items[slot->record - 1].process;
    } else {
        violation.process = h->readers.items[slot->reader].process;
        violation.node = h->readers.items[slot->reader].node;
    }
    return violation;
}

void verdict_add(struct verdict *v, enum property property, struct violation violation,
                 const char *format, ...)
{
    va_list arguments;
    if (v->counts[property]++ >= v->shown_max)
        return;
    va_start(arguments, format);
    vsnprintf(violation.what, sizeof violation.what, format, arguments);
    va_end(arguments);
    *vector_add(&v->shown[property]) = violation;
}

void verdict_add_incomplete(struct verdict *v, const char *format, ...)
{
    va_list arguments;
    char text[240];
    if (v->incomplete_count++ >= INCOMPLETE_SHOWN)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    char *copy = memory_make(strlen(text) + 1, 1);
    *vector_add(&v->incomplete) = strcpy(copy, text);
}

uint64_t verdict_violations(const struct verdict *v)
{
    uint64_t sum = 0;
    for (int i = 0; i < PROPERTY_COUNT; i++)
        sum += v->counts[i];
    return sum;
}

void judge(struct verdict *v)
{
    judge_records(v);
    judge_order(v);
    judge_readers(v);
    judge_commits(v);
    judge_cluster(v);
}
