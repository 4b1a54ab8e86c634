/* What can be said to wand, a line at a time.
 *
 *   set NAME FIELD=VALUE …    delay_us, jitter_us, loss_percent, reorder
 *   show [NAME]               a line per queue: its settings and counts
 *
 * Fields that `set` does not name stay as they are. All of a line is read before any of it is
 * applied, so that a slip in the last field does not leave half a change behind. */
#include "command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_US_MAX  60000000 /* a minute: longer than any protocol here waits */
#define NS_PER_US    1000
#define PPM_PER_CENT 10000

struct answer {
    char *text;
    size_t size_bytes;
    size_t used_bytes;
};

__attribute__((format(printf, 2, 3))) static void say(struct answer *a, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t room = a->size_bytes - a->used_bytes;
    int size = vsnprintf(a->text + a->used_bytes, room, format, arguments);
    va_end(arguments);
    if (size > 0)
        a->used_bytes += (size_t)size < room ? (size_t)size : room - 1;
}

static bool parse_whole(const char *text, int64_t max, int64_t *value)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    *value = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0' && *value <= max;
}

/* Percent with up to four places, as a millionth: "0.5" is 5000. */
static bool parse_percent(const char *text, uint32_t *ppm)
{
    char whole[4] = "", fraction[5] = "0000";
    size_t whole_size = strspn(text, "0123456789");
    if (whole_size == 0 || whole_size >= sizeof whole)
        return false;
    memcpy(whole, text, whole_size);
    text += whole_size;
    if (*text == '.') {
        size_t size = strspn(++text, "0123456789");
        if (size == 0 || size >= sizeof fraction)
            return false;
        memcpy(fraction, text, size);
        text += size;
    }
    *ppm = (uint32_t)(atoi(whole) * PPM_PER_CENT + atoi(fraction));
    return *text == '\0' && *ppm <= 100 * PPM_PER_CENT;
}

static bool parse_field(struct delay_line_settings *s, const char *field, const char *value)
{
    int64_t number;
    if (strcmp(field, "loss_percent") == 0)
        return parse_percent(value, &s->loss_ppm);
    if (strcmp(field, "reorder") == 0) {
        bool is_fine = parse_whole(value, 1, &number);
        s->is_reordering = is_fine && number == 1;
        return is_fine;
    }
    if (!parse_whole(value, WAIT_US_MAX, &number))
        return false;
    *(strcmp(field, "delay_us") == 0 ? &s->delay_ns : &s->jitter_ns) = number * NS_PER_US;
    return true;
}

static bool is_field(const char *name)
{
    return strcmp(name, "delay_us") == 0 || strcmp(name, "jitter_us") == 0 ||
           strcmp(name, "loss_percent") == 0 || strcmp(name, "reorder") == 0;
}

static struct delay_line *find(struct delay_line *const *lines, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(lines[i]->name, name) == 0)
            return lines[i];
    return NULL;
}

static void set(struct delay_line *line, char **rest, struct answer *a)
{
    struct delay_line_settings settings = line->settings;
    int field_count = 0;
    for (char *word; (word = strtok_r(NULL, " ", rest)) != NULL; field_count++) {
        char *value = strchr(word, '=');
        if (value != NULL)
            *value++ = '\0';
        if (value == NULL || !is_field(word)) {
            say(a, "error %s is not a field: delay_us, jitter_us, loss_percent, reorder\n", word);
            return;
        }
        if (!parse_field(&settings, word, value)) {
            say(a, "error %s can't be %s\n", word, value);
            return;
        }
    }
    if (field_count == 0) {
        say(a, "error set what? set NAME delay_us=25000 jitter_us=0 loss_percent=0 reorder=0\n");
        return;
    }
    line->settings = settings;
    say(a, "ok\n");
}

static void show(const struct delay_line *l, struct answer *a)
{
    const struct delay_line_settings *s = &l->settings;
    say(a, "%s delay_us=%" PRId64 " jitter_us=%" PRId64 " loss_percent=%u.%04u reorder=%d ",
        l->name, s->delay_ns / NS_PER_US, s->jitter_ns / NS_PER_US, s->loss_ppm / PPM_PER_CENT,
        s->loss_ppm % PPM_PER_CENT, s->is_reordering);
    say(a, "held=%u held_max=%u passed=%" PRIu64 " lost=%" PRIu64 " dropped=%" PRIu64 "\n",
        l->held_count, l->held_max, l->passed, l->lost, l->dropped);
}

static void run(char *line, struct delay_line *const *lines, size_t count, struct answer *a)
{
    char *rest;
    const char *verb = strtok_r(line, " ", &rest);
    const char *name = verb != NULL ? strtok_r(NULL, " ", &rest) : NULL;
    struct delay_line *named = name != NULL ? find(lines, count, name) : NULL;
    bool is_set = verb != NULL && strcmp(verb, "set") == 0;
    if (verb == NULL || (!is_set && strcmp(verb, "show") != 0)) {
        say(a, "error %s is no command: set, show\n", verb != NULL ? verb : "an empty line");
    } else if (named == NULL && (is_set || name != NULL)) {
        say(a, "error %s is no queue here\n", name != NULL ? name : "nothing");
    } else if (is_set) {
        set(named, &rest, a);
    } else {
        for (size_t i = 0; i < count; i++)
            if (named == NULL || named == lines[i])
                show(lines[i], a);
        say(a, "ok\n");
    }
}

void command_answer(const char *line, struct delay_line *const *lines, size_t line_count,
                    char *answer, size_t answer_bytes)
{
    struct answer a = {.text = answer, .size_bytes = answer_bytes};
    char words[COMMAND_LINE_BYTES];
    size_t size = strlen(line);
    answer[0] = '\0';
    for (size_t i = 0; i < size; i++) {
        if (line[i] < ' ' || line[i] > '~') {
            say(&a, "error a line holds printable ASCII only\n");
            return;
        }
    }
    if (size >= sizeof words) {
        say(&a, "error a line has at most %zu bytes\n", sizeof words - 1);
        return;
    }
    memcpy(words, line, size + 1);
    run(words, lines, line_count, &a);
}
