/* What is found of a backlog, and what follows. */
#include <stdbool.h>

#include "router/backlog.h"

/* A forced recovery moves a partition's next offset on by a gap as large as this, which nobody ever
 * has to read: across it nothing is counted. */
#define GAP_RECORDS_MIN (INT64_C(1) << 39)

static int64_t behind(const struct backlog_partition *p)
{
    int64_t records = p->committed < 0 || p->end <= p->committed ? 0 : p->end - p->committed;
    return records < GAP_RECORDS_MIN ? records : 0;
}

int64_t backlog_records(const struct backlog_partition *partitions, int32_t count)
{
    int64_t sum = 0;
    for (int32_t i = 0; i < count; i++)
        sum += behind(&partitions[i]);
    return sum;
}

int64_t backlog_age_ms(const struct conf_backlog *limit, bool is_open)
{
    return is_open ? limit->ms / 2 : limit->ms;
}

/* Something that is not committed is older than was asked for. */
static bool is_late(const struct backlog_partition *partitions, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        const struct backlog_partition *p = &partitions[i];
        if (behind(p) > 0 && (p->young < 0 || p->committed < p->young))
            return true;
    }
    return false;
}

bool backlog_is_too_much(const struct conf_backlog *limit, bool is_open,
                         const struct backlog_partition *partitions, int32_t count)
{
    int64_t records_max = is_open ? limit->records / 2 : limit->records;
    if (limit->records > 0 && backlog_records(partitions, count) > records_max)
        return true;
    return limit->ms > 0 && is_late(partitions, count);
}
