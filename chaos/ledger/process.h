/* One client as a history knows it: its name, its site, the numbers of its operations. Everything
 * of it is written by one thread at a time, so its lines stand in the order of what happened. */
#ifndef LEDGER_PROCESS_H
#define LEDGER_PROCESS_H

#include <stdint.h>

#include "history.h"

#define PROCESS_NAME_BYTES 64
#define SITE_BYTES         32

struct process {
    struct pen *pen;
    char name[PROCESS_NAME_BYTES];
    char site[SITE_BYTES];
    uint64_t next_id;   /* of its next operation; 1 is the first */
    int64_t last_at_us; /* of its newest line */
};

/* What its first line says of it. */
struct process_kind {
    const char *role;   /* producer, consumer, reader, observer, admin, driver */
    const char *group;  /* of a member, else NULL */
    const char *client; /* library and version; NULL: librdkafka as it says of itself */
    int idempotent;     /* producers: 0 or 1; else PROCESS_NO_PRODUCER */
    int32_t node;       /* of a probe: whom alone it asks; 0: nobody in particular */
};

#define PROCESS_NO_PRODUCER (-1)
#define PROCESS_WIRE_CLIENT "ledger wire client 1"

/* Writes the process's first line. Both strings are cut to their sizes above. */
void process_begin(struct process *process, struct pen *pen, const char *name, const char *site,
                   const struct process_kind *kind);

/* Begins a line of the process, with what every line has. Within a process `at` never falls: what
 * began before its newest line is said to have begun with it. */
void process_line(struct process *process, struct line *line, int64_t at_us, const char *type);

#endif
