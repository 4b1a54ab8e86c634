/* Checked part by part: what strptime takes for a date is more than anybody means. */
#include "moment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

/* `digits` of them, within bounds. Moves on behind them. */
static bool read_part(const char **at, int digits, int least, int most, int *value)
{
    *value = 0;
    for (int i = 0; i < digits; i++) {
        char c = *(*at)++;
        if (c < '0' || c > '9')
            return false;
        *value = *value * 10 + (c - '0');
    }
    return *value >= least && *value <= most;
}

static bool read_mark(const char **at, char mark)
{
    if (**at != mark)
        return false;
    ++*at;
    return true;
}

bool moment_read(const char *text, int64_t *ms)
{
    struct tm parts = {0}, made;
    int year, month, fraction = 0;
    const char *at = text;
    if (!read_part(&at, 4, 1970, 9999, &year) || !read_mark(&at, '-') ||
        !read_part(&at, 2, 1, 12, &month) || !read_mark(&at, '-') ||
        !read_part(&at, 2, 1, 31, &parts.tm_mday) || !read_mark(&at, 'T') ||
        !read_part(&at, 2, 0, 23, &parts.tm_hour) || !read_mark(&at, ':') ||
        !read_part(&at, 2, 0, 59, &parts.tm_min))
        return false;
    if (read_mark(&at, ':') && !read_part(&at, 2, 0, 59, &parts.tm_sec))
        return false;
    if (read_mark(&at, '.') && !read_part(&at, 3, 0, 999, &fraction))
        return false;
    read_mark(&at, 'Z');
    if (*at != '\0')
        return false;
    parts.tm_year = year - 1900;
    parts.tm_mon = month - 1;
    made = parts;
    int64_t seconds = (int64_t)timegm(&made);
    *ms = seconds * 1000 + fraction;
    return made.tm_mday == parts.tm_mday; /* else the month has no such day */
}

bool moment_write(int64_t ms, char text[MOMENT_SIZE])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    if (ms < 0 || gmtime_r(&seconds, &utc) == NULL || utc.tm_year > 9999 - 1900)
        return false;
    size_t size = strftime(text, MOMENT_SIZE, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + size, MOMENT_SIZE - size, ".%03dZ", (int)(ms % 1000));
    return true;
}
