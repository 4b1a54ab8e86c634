/* The world of generate.c: partitions, clients, and what is still to happen. */
#ifndef CHECK_GENERATE_PARTS_H
#define CHECK_GENERATE_PARTS_H

#include <stdbool.h>

#include "generate.h"
#include "memory.h"

#define NODES     GENERATE_SITES
#define MEMBERS   3 /* of a group: one at each site */
#define OUTAGES   2
#define DRILL     (GENERATE_SITES + 1) /* its file */
#define FINAL_ONE GENERATE_SITES       /* file of the final reads */
#define POLL_MAX  20

enum event_kind {
    INVOKE,     /* producer a sends */
    APPEND,     /* send a is in the log */
    ANSWER,     /* send a completes */
    ELECT,      /* partition a has another leader */
    HEAR,       /* node b says who leads partition a, as of epoch c */
    FAULT_AT,   /* fault a is injected */
    HEAL_AT,    /* fault a is healed */
    POLL_GROUP, /* member b of group a */
    TAKE,       /* member b of group a gets partition c */
    FOUND,      /* and hears where to start */
    MOVE,       /* group a is balanced anew */
    EFFECT,     /* operation a does what it does */
    COMPLETE,   /* operation a is answered */
    AUDIT,      /* somebody asks about groups and bounds */
    POLL_OTHER, /* consumer a, by assignment */
    DELETE      /* records, a group, the scratch topic */
};

struct event {
    int64_t at;
    enum event_kind kind;
    uint32_t a, b;
    int64_t c;
};

struct entry {
    uint32_t send;
    int32_t epoch;
};

struct led {
    VECTOR(struct entry) log;
    int64_t start; /* offsets below are deleted */
    int32_t epoch;
    unsigned leader;         /* node, from 1 */
    VECTOR(uint8_t) leaders; /* by epoch */
    int64_t down_from[OUTAGES], down_until[OUTAGES];
    bool is_deleted;
};

struct sent {
    uint32_t producer, number, partition;
    uint32_t crc, size, key;
    uint64_t id;
    int64_t offset;       /* of the append that is acknowledged, -1 */
    uint8_t appends_left; /* to come */
    bool is_second_told;  /* of two appends, the second one is acknowledged */
    const char *outcome;
    bool is_offset_hidden;
};

struct client {
    char name[32];
    unsigned site;
    uint64_t next_id;
    uint32_t next_number;
    int64_t next_at;
    bool is_idempotent;
    int64_t *last_append; /* by partition */
    int64_t *position;    /* consumers by assignment: by partition, -1: not reading */
};

struct work {
    const char *type, *action, *outcome;
    uint32_t client, partition;
    int group; /* -1: none */
    uint64_t id;
    int64_t offset;
    bool has_effect, is_latest;
};

struct group {
    char name[16];
    struct client members[MEMBERS];
    int64_t *committed; /* by partition */
    int64_t *position;  /* -1: its owner waits to hear where it starts, or nobody owns it */
    int64_t *told;      /* committed last by its owner */
    uint8_t *owner;     /* MEMBERS: nobody */
};

struct world {
    struct generate_options options;
    FILE *const *files;
    uint64_t random;
    int64_t now, end_at, mean_us;
    VECTOR(struct event) heap;
    struct led *partitions;
    unsigned partition_count; /* with the scratch topic's, the last one */
    struct client *producers;
    struct client others[2], auditor, administrator;
    struct group groups[GENERATE_GROUPS_MAX + 1]; /* the last one is the administrator's */
    VECTOR(struct sent) sends;
    VECTOR(struct work) works;
};

/* from … to, both included */
int64_t draw(struct world *w, int64_t from, int64_t to);
bool chance(struct world *w, unsigned percent);
void schedule(struct world *w, int64_t at, enum event_kind kind, uint32_t a, uint32_t b, int64_t c);
FILE *file_of(const struct world *w, const struct client *client);
const char *topic_of(const struct world *w, uint32_t partition);
unsigned number_of(const struct world *w, uint32_t partition);
/* What each line of a client begins with, up to a comma. */
void begin_line(const struct world *w, const struct client *client, const char *type);
/* One line `read`. group: NULL; final: in that stage; node: 0 for none */
void write_read(const struct world *w, const struct client *client, uint64_t poll,
                uint32_t partition, int64_t offset, const char *group, bool is_final,
                unsigned node);
void name_client(struct client *client, unsigned site, const char *name);

/* generate_clients.c */
void start_clients(struct world *w);
void on_client_event(struct world *w, const struct event *event);
void read_all_in_the_end(struct world *w);

#endif
