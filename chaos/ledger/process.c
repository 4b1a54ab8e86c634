/* Who a line is about. */
#include "process.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>

void process_line(struct process *process, struct line *line, int64_t at_us, const char *type)
{
    if (at_us < process->last_at_us)
        at_us = process->last_at_us;
    process->last_at_us = at_us;
    line_begin(line, at_us, type);
    line_string(line, "process", process->name);
    line_string(line, "site", process->site);
}

static const char *librdkafka_name(void)
{
    static _Thread_local char name[64];
    snprintf(name, sizeof name, "librdkafka %s", rd_kafka_version_str());
    return name;
}

void process_begin(struct process *process, struct pen *pen, const char *name, const char *site,
                   const struct process_kind *kind)
{
    struct line line;
    process->pen = pen;
    process->next_id = 1;
    process->last_at_us = 0;
    snprintf(process->name, sizeof process->name, "%s", name);
    snprintf(process->site, sizeof process->site, "%s", site);
    process_line(process, &line, now_us(), "process");
    line_string(&line, "role", kind->role);
    if (kind->idempotent != PROCESS_NO_PRODUCER)
        line_number(&line, "idempotent", kind->idempotent);
    if (kind->node != 0)
        line_number(&line, "node", kind->node);
    if (kind->group != NULL)
        line_string(&line, "group", kind->group);
    line_string(&line, "client", kind->client != NULL ? kind->client : librdkafka_name());
    pen_write(pen, &line);
}
