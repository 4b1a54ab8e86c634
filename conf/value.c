/* Values as text, both ways.
 *
 * One function per kind reads and one writes, so the file, the defaults in the table and the
 * printed settings can't disagree about how a value looks. Numbers are whole: "1.5 GiB" is
 * refused rather than rounded, and so is "10 MB", which is not said to be a million or a MiB. */
#include "setting.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "network.h"
#include "pattern.h"

struct suffix {
    const char *unit; /* of the setting */
    const char *text; /* behind the number */
    int64_t times;    /* units in one */
};

/* Small before large within a unit. */
static const struct suffix suffixes[] = {
    {"bytes", "B", 1},          {"bytes", "KiB", CONF_KIB}, {"bytes", "MiB", CONF_MIB},
    {"bytes", "GiB", CONF_GIB}, {"bytes", "TiB", CONF_TIB}, {"ms", "ms", 1},
    {"ms", "s", CONF_SECOND},   {"ms", "min", CONF_MINUTE}, {"ms", "h", CONF_HOUR},
    {"ms", "d", CONF_DAY},      {"minutes", "min", 1},      {"minutes", "h", 60},
    {"minutes", "d", 24 * 60},
};
#define SUFFIX_COUNT (sizeof suffixes / sizeof suffixes[0])

/* The value of one suffix, or 0 when the unit has none of that name. */
static int64_t suffix_times(const char *unit, const char *text)
{
    for (size_t i = 0; i < SUFFIX_COUNT; i++)
        if (strcmp(suffixes[i].unit, unit) == 0 && strcmp(suffixes[i].text, text) == 0)
            return suffixes[i].times;
    return 0;
}

static void list_suffixes(const char *unit, char *text, size_t size)
{
    size_t length = 0;
    text[0] = '\0';
    for (size_t i = 0; i < SUFFIX_COUNT && length < size; i++)
        if (strcmp(suffixes[i].unit, unit) == 0)
            length += (size_t)snprintf(text + length, size - length, "%s%s", length ? ", " : "",
                                       suffixes[i].text);
}

static int refuse_suffix(const struct setting *s, const char *text, struct err_note *note)
{
    char known[64];
    list_suffixes(s->unit, known, sizeof known);
    if (known[0] == '\0')
        return err_set(note, ERR_INVALID, "%s: '%.40s' is not a whole number", s->name, text);
    return err_set(note, ERR_INVALID, "%s: '%.40s' is not a whole number of %s (suffixes: %s)",
                   s->name, text, s->unit, known);
}

static int check_range(const struct setting *s, int64_t value, const char *text,
                       struct err_note *note)
{
    if (value >= s->least && value <= s->most)
        return 0;
    char least[32], most[32];
    value_write_number(s->unit, s->least, least, sizeof least);
    value_write_number(s->unit, s->most, most, sizeof most);
    return err_set(note, ERR_INVALID, "%s: %.40s is not between %s and %s", s->name, text, least,
                   most);
}

static int read_number(const struct setting *s, const char *text, int64_t *value,
                       struct err_note *note)
{
    const char *at = text;
    bool is_negative = *at == '-';
    if (is_negative)
        at++;
    if (!isdigit((unsigned char)*at))
        return refuse_suffix(s, text, note);
    int64_t number = 0;
    bool is_huge = false;
    for (; isdigit((unsigned char)*at); at++)
        is_huge |= __builtin_mul_overflow(number, 10, &number) ||
                   __builtin_add_overflow(number, *at - '0', &number);
    while (*at == ' ')
        at++;
    int64_t times = *at == '\0' ? 1 : suffix_times(s->unit, at);
    if (times == 0)
        return refuse_suffix(s, text, note);
    is_huge |= __builtin_mul_overflow(number, times, &number);
    if (is_huge)
        return err_set(note, ERR_INVALID, "%s: %.40s is too large a number", s->name, text);
    *value = is_negative ? -number : number;
    return check_range(s, *value, text, note);
}

static int read_id(const struct setting *s, const char *text, uint32_t *value,
                   struct err_note *note)
{
    int64_t number = 0;
    int err = read_number(s, text, &number, note);
    *value = (uint32_t)number;
    return err;
}

static int read_flag(const struct setting *s, const char *text, bool *value, struct err_note *note)
{
    *value = strcmp(text, "true") == 0;
    if (*value || strcmp(text, "false") == 0)
        return 0;
    return err_set(note, ERR_INVALID, "%s: '%.40s' is neither true nor false", s->name, text);
}

static int read_choice(const struct setting *s, const char *text, int *value, struct err_note *note)
{
    size_t length = strlen(text);
    const char *choice = s->unit;
    for (int i = 0; choice != NULL; i++) {
        const char *end = strchr(choice, '|');
        size_t size = end != NULL ? (size_t)(end - choice) : strlen(choice);
        if (size == length && memcmp(choice, text, length) == 0) {
            *value = i;
            return 0;
        }
        choice = end != NULL ? end + 1 : NULL;
    }
    return err_set(note, ERR_INVALID, "%s: '%.40s' is none of %s", s->name, text, s->unit);
}

static int check_length(const struct setting *s, size_t length, struct err_note *note)
{
    if (length == 0)
        return err_set(note, ERR_INVALID, "%s: is empty", s->name);
    if (length > (size_t)s->most)
        return err_set(note, ERR_INVALID, "%s: is longer than %" PRId64 " bytes", s->name, s->most);
    return 0;
}

/* Names stand in events, file names and the protocol: letters, digits, '.', '_' and '-'. */
static int read_name(const struct setting *s, const char *text, char *value, struct err_note *note)
{
    int err = check_length(s, strlen(text), note);
    if (err != 0)
        return err;
    for (const char *at = text; *at != '\0'; at++)
        if (!isalnum((unsigned char)*at) && strchr("._-", *at) == NULL)
            return err_set(note, ERR_INVALID,
                           "%s: '%.63s' may hold letters, digits, '.', '_' and '-' only", s->name,
                           text);
    memcpy(value, text, strlen(text) + 1);
    return 0;
}

static int read_path(const struct setting *s, const char *text, char *value, struct err_note *note)
{
    int err = check_length(s, strlen(text), note);
    if (err != 0)
        return err;
    for (const char *at = text; *at != '\0'; at++)
        if (iscntrl((unsigned char)*at))
            return err_set(note, ERR_INVALID, "%s: holds a control character", s->name);
    memcpy(value, text, strlen(text) + 1);
    return 0;
}

static bool is_host(const char *host, size_t length, bool is_bracketed)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)host[i];
        if (is_bracketed ? !isxdigit(c) && strchr(":.", c) == NULL
                         : !isalnum(c) && strchr(".-_", c) == NULL)
            return false;
    }
    return length > 0 && length < CONF_HOST_SIZE;
}

static int refuse_address(const struct setting *s, const char *text, struct err_note *note)
{
    return err_set(note, ERR_INVALID,
                   "%s: '%.80s' is not host:port (a port from 1 to 65535; IPv6 as [::1]:9092)",
                   s->name, text);
}

static int read_address(const struct setting *s, const char *text, struct conf_address *value,
                        struct err_note *note)
{
    if (strcmp(s->unit, "or none") == 0 && strcmp(text, "none") == 0) {
        *value = (struct conf_address){.host = "none"};
        return 0;
    }
    bool is_bracketed = text[0] == '[';
    const char *host = is_bracketed ? text + 1 : text;
    const char *host_end = strchr(host, is_bracketed ? ']' : ':');
    if (host_end == NULL || !is_host(host, (size_t)(host_end - host), is_bracketed))
        return refuse_address(s, text, note);
    const char *colon = is_bracketed ? host_end + 1 : host_end;
    if (*colon != ':' || !isdigit((unsigned char)colon[1]))
        return refuse_address(s, text, note);
    uint32_t port = 0;
    const char *at = colon + 1;
    for (; isdigit((unsigned char)*at) && port <= UINT16_MAX; at++)
        port = port * 10 + (uint32_t)(*at - '0');
    if (*at != '\0' || port == 0 || port > UINT16_MAX)
        return refuse_address(s, text, note);
    *value = (struct conf_address){.port = (uint16_t)port};
    memcpy(value->host, host, (size_t)(host_end - host));
    return 0;
}

int value_read(const struct setting *s, const char *text, void *field, struct err_note *note)
{
    switch (s->kind) {
    case KIND_NUMBER:
        return read_number(s, text, field, note);
    case KIND_FLAG:
        return read_flag(s, text, field, note);
    case KIND_CHOICE:
        return read_choice(s, text, field, note);
    case KIND_NAME:
        return read_name(s, text, field, note);
    case KIND_PATH:
        return read_path(s, text, field, note);
    case KIND_ADDRESS:
        return read_address(s, text, field, note);
    case KIND_NETWORKS:
        return networks_read(s->name, text, field, note);
    case KIND_PATTERNS:
        return patterns_read(s->name, text, field, note);
    case KIND_ID:
        return read_id(s, text, field, note);
    case KIND_HEADING:
    case KIND_NODES:
    case KIND_ADDRESSES:
    case KIND_ROUTERS:
    case KIND_SITE_NETWORKS:
    case KIND_ENVIRONMENTS:
    case KIND_PERMITS:
    case KIND_BACKLOGS:
        break;
    }
    return err_set(note, ERR_INVALID, "%s: is not a single value", s->name);
}

void value_write_number(const char *unit, int64_t value, char *text, size_t size)
{
    const struct suffix *best = NULL;
    for (size_t i = 0; value > 0 && i < SUFFIX_COUNT; i++)
        if (strcmp(suffixes[i].unit, unit) == 0 && value % suffixes[i].times == 0)
            best = &suffixes[i];
    if (best == NULL || best->times == 1)
        snprintf(text, size, "%" PRId64, value);
    else
        snprintf(text, size, "%" PRId64 " %s", value / best->times, best->text);
}

static void write_address(const struct conf_address *address, char *text, size_t size)
{
    bool is_bracketed = strchr(address->host, ':') != NULL;
    if (address->port == 0)
        snprintf(text, size, "none");
    else
        snprintf(text, size, "%s%s%s:%u", is_bracketed ? "[" : "", address->host,
                 is_bracketed ? "]" : "", address->port);
}

static void write_choice(const struct setting *s, int value, char *text)
{
    const char *choice = s->unit;
    for (int i = 0; i < value; i++)
        choice = strchr(choice, '|') + 1;
    snprintf(text, VALUE_SIZE, "%.*s", (int)strcspn(choice, "|"), choice);
}

/* Double quotes of YAML: only '"' and '\' need an escape, for read_path lets no control
 * character through. */
static void write_quoted(const char *value, char *text)
{
    char *at = text;
    *at++ = '"';
    for (; *value != '\0'; value++) {
        if (*value == '"' || *value == '\\')
            *at++ = '\\';
        *at++ = *value;
    }
    *at++ = '"';
    *at = '\0';
}

/* Quoted, because a bare ::1 would be a mapping to YAML. */
static void write_quoted_networks(const struct conf_networks *networks, char *text)
{
    char bare[CONF_NETWORKS_MAX * CONF_NETWORK_SIZE];
    networks_write(networks, bare, sizeof bare);
    write_quoted(bare, text);
}

/* Quoted, because a bare [::1]:9092 would be a list to YAML. */
static void write_quoted_address(const struct conf_address *address, char *text)
{
    char bare[CONF_ADDRESS_SIZE];
    write_address(address, bare, sizeof bare);
    write_quoted(bare, text);
}

void value_write(const struct setting *s, const void *field, char *text)
{
    text[0] = '\0';
    if (s->kind == KIND_NUMBER)
        value_write_number(s->unit, *(const int64_t *)field, text, VALUE_SIZE);
    else if (s->kind == KIND_FLAG)
        snprintf(text, VALUE_SIZE, "%s", *(const bool *)field ? "true" : "false");
    else if (s->kind == KIND_CHOICE)
        write_choice(s, *(const int *)field, text);
    else if (s->kind == KIND_NAME)
        snprintf(text, VALUE_SIZE, "%s", (const char *)field);
    else if (s->kind == KIND_PATH)
        write_quoted(field, text);
    else if (s->kind == KIND_ADDRESS)
        write_quoted_address(field, text);
    else if (s->kind == KIND_NETWORKS)
        write_quoted_networks(field, text);
    else if (s->kind == KIND_PATTERNS)
        write_quoted(*(const char *)field == '\0' ? "none" : field, text);
    else if (s->kind == KIND_ID)
        snprintf(text, VALUE_SIZE, "%" PRIu32, *(const uint32_t *)field);
}
