/* name=value, spaces between them, semicolons between reports. Each name once; from, to and stage
 * must be there. */
#include "dc-router/policy_report.h"

#include <stdio.h>
#include <string.h>

#define AGE_MS_MAX 1000000

static const char *const stage_names[ROUTER_STAGE_COUNT] = {"none",    "connect", "answer",
                                                            "produce", "commit",  "fetch"};

const char *router_stage_name(enum router_stage stage)
{
    return (unsigned)stage < ROUTER_STAGE_COUNT ? stage_names[stage] : NULL;
}

enum part { PART_FROM = 1, PART_TO = 2, PART_STAGE = 4, PART_AGE = 8 };

/* The bytes up to `end`, which is skipped; the rest is what follows. */
static struct bytes cut(struct bytes *rest, char end)
{
    const uint8_t *at = rest->size == 0 ? NULL : memchr(rest->data, end, rest->size);
    size_t size = at == NULL ? rest->size : (size_t)(at - rest->data);
    struct bytes head = bytes_of(rest->data, size);
    size_t skipped = at == NULL ? size : size + 1;
    *rest = skipped == rest->size ? bytes_of(NULL, 0)
                                  : bytes_of(rest->data + skipped, rest->size - skipped);
    return head;
}

static bool is_name(struct bytes name, const char *text)
{
    return bytes_is_equal(name, bytes_of_text(text));
}

static bool copy_site(struct bytes value, char site[ROUTER_SITE_NAME_SIZE])
{
    if (value.size == 0 || value.size >= ROUTER_SITE_NAME_SIZE ||
        memchr(value.data, 0, value.size) != NULL)
        return false;
    memcpy(site, value.data, value.size);
    return true;
}

static bool read_stage(struct bytes value, enum router_stage *stage)
{
    for (unsigned i = 0; i < ROUTER_STAGE_COUNT; i++)
        if (is_name(value, stage_names[i])) {
            *stage = (enum router_stage)i;
            return true;
        }
    return false;
}

static bool read_age(struct bytes value, uint64_t *age_ms)
{
    for (size_t i = 0; i < value.size; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || *age_ms > AGE_MS_MAX)
            return false;
        *age_ms = *age_ms * 10 + (uint64_t)(value.data[i] - '0');
    }
    return value.size > 0;
}

/* ---- reading ---- */

/* Which part it was; 0: none. */
static unsigned read_part(struct bytes word, struct router_told *report)
{
    struct bytes name = cut(&word, '=');
    if (is_name(name, "from"))
        return copy_site(word, report->from) ? PART_FROM : 0;
    if (is_name(name, "to"))
        return copy_site(word, report->to) ? PART_TO : 0;
    if (is_name(name, "stage"))
        return read_stage(word, &report->stage) ? PART_STAGE : 0;
    if (is_name(name, "age_ms"))
        return read_age(word, &report->age_ms) ? PART_AGE : 0;
    return 0;
}

static bool read_report(struct bytes text, struct router_told *report)
{
    unsigned parts = 0;
    *report = (struct router_told){0};
    while (text.size > 0) {
        struct bytes word = cut(&text, ' ');
        if (word.size == 0)
            continue;
        unsigned part = read_part(word, report);
        if (part == 0 || (parts & part) != 0)
            return false;
        parts |= part;
    }
    return (parts & (PART_FROM | PART_TO | PART_STAGE)) == (PART_FROM | PART_TO | PART_STAGE);
}

int router_report_read(struct bytes text, struct router_told told[ROUTER_REPORTS_MAX],
                       struct err_note *note)
{
    int count = 0;
    if (text.size == 0 || text.size > ROUTER_REPORT_SIZE_MAX)
        return err_set(note, ERR_INVALID, "a report is 1 to %d bytes", ROUTER_REPORT_SIZE_MAX);
    while (text.size > 0) {
        if (count == ROUTER_REPORTS_MAX)
            return err_set(note, ERR_INVALID, "at most %d reports at once", ROUTER_REPORTS_MAX);
        if (!read_report(cut(&text, ';'), &told[count++]))
            return err_set(note, ERR_INVALID,
                           "report %d is not 'from=SITE to=SITE stage=none|connect|answer|"
                           "produce|commit|fetch [age_ms=MS]'",
                           count);
    }
    return count;
}

/* ---- writing ---- */

static bool is_writable(const char name[ROUTER_SITE_NAME_SIZE])
{
    return memchr(name, 0, ROUTER_SITE_NAME_SIZE) != NULL && name[0] != '\0' &&
           strpbrk(name, " ;=") == NULL;
}

static int write_one(const struct router_told *told, bool is_first, char *into, size_t size)
{
    const char *stage = router_stage_name(told->stage), *between = is_first ? "" : "; ";
    if (stage == NULL || told->age_ms > AGE_MS_MAX || !is_writable(told->from) ||
        !is_writable(told->to))
        return ERR_INVALID;
    int length = snprintf(into, size, "%sfrom=%s to=%s stage=%s", between, told->from, told->to,
                          stage);
    if (told->age_ms > 0 && (size_t)length < size)
        length += snprintf(into + length, size - (size_t)length, " age_ms=%llu",
                           (unsigned long long)told->age_ms);
    return (size_t)length < size ? length : ERR_TOO_LARGE;
}

int router_report_write(const struct router_told *told, unsigned count, char *into, size_t size)
{
    size_t at = 0;
    if (count == 0 || count > ROUTER_REPORTS_MAX)
        return ERR_INVALID;
    for (unsigned i = 0; i < count; i++) {
        int length = write_one(&told[i], i == 0, into + at, size - at);
        if (length < 0)
            return length;
        at += (size_t)length;
    }
    return at <= ROUTER_REPORT_SIZE_MAX ? (int)at : ERR_TOO_LARGE;
}
