/* A history as it is held in memory: what was sent, what lies where, who said what about it.
 *
 * Lines are taken in file after file; what needs all of them (who is right about an offset, what
 * a commit may be followed by) is decided afterwards, by time stamps, never by the order of files.
 * Reads are merged into the partition's slots as they come, so they cost no memory of their own. */
#ifndef CHECK_HISTORY_H
#define CHECK_HISTORY_H

#include "line.h"
#include "names.h"
#include "numbers.h"

#define NONE  UINT32_MAX
#define NEVER INT64_MAX /* an instant that did not come */
/* Offsets lie in stretches: after a forced recovery a partition goes on at the next one. */
#define STRETCH_BITS   40
#define STRETCH        (INT64_C(1) << STRETCH_BITS)
#define STRETCHES_MAX  8
#define RECOVERIES_MAX (STRETCHES_MAX - 1)
#define DISSENTS_MAX   1000000

/* Where a line stands. */
struct place {
    uint32_t line; /* from 1; 0: nowhere */
    uint32_t file; /* index into history.files */
};

enum outcome { OUTCOME_UNKNOWN, OUTCOME_OK, OUTCOME_FAIL };

struct process {
    uint32_t name, site;
    bool is_idempotent;
    bool is_probe; /* its pauses are the broker's: it gives up at once and asks again */
    uint32_t send_count;
    uint32_t file;           /* that its first line is in */
    int64_t last_number;     /* of the last value that it sent, -1: none */
    struct pages operations; /* from an operation's id to an entry of history.operations + 1 */
};

enum operation_kind { SEND, POLL, COMMIT, OFFSET_FETCH, LIST_OFFSETS, ADMIN };

/* A value: sent, or only seen. */
struct record {
    int64_t invoked_at;      /* NEVER: nobody sent it */
    int64_t completed_at;    /* NEVER: not completed */
    int64_t offset;          /* that was acknowledged, -1 unknown */
    int64_t seen_offset;     /* the first one where it lies and that is not taken, -1 nowhere */
    uint32_t prefix, number; /* its name is "<prefix>-<number>"; NONE: the prefix alone */
    uint32_t process;        /* NONE: nobody sent it */
    uint32_t partition;      /* index; NONE: not known */
    uint32_t seen_partition; /* where seen_offset is */
    uint32_t order;          /* its place among the sends of its process */
    uint32_t crc, size, key; /* of the bytes; the key by its hash */
    struct place place;      /* of the invocation */
    uint8_t outcome;         /* enum outcome */
    bool is_lost, is_in_end; /* found by property_records.c; is it in any final read? */
};

/* Who saw a record at an offset. */
enum seen {
    SEEN_ACKNOWLEDGED = 1,
    SEEN_READ = 2,       /* by a consumer, while it ran */
    SEEN_FINAL_SITE = 4, /* by a final read through a site */
    SEEN_FINAL_NODE = 8, /* by a final read of one replica */
};

/* What lies at an offset, as most see it. */
struct slot {
    uint32_t record; /* index + 1; 0: nothing is known */
    uint32_t crc, size, key;
    int64_t read_at;      /* earliest; NEVER */
    int32_t epoch;        /* -1 unknown */
    int64_t last_read_at; /* 0: never */
    int64_t last_got_at; /* a broker gave it then or later: its reader was sent to its place then */
    uint32_t reader;     /* index of who came first, NONE: only the acknowledgement */
    struct place place;
    uint8_t seen;    /* enum seen */
    uint8_t missing; /* enum seen: kinds of final reads that lack it (history_settle) */
    bool is_taken;   /* by a forced recovery, which may take it (forced_recovery.c) */
};

/* Somebody saw another thing than the slot says. */
struct dissent {
    uint32_t partition;
    int64_t offset;
    struct slot slot;
};

struct range {
    int64_t from, to; /* half open */
};

/* One process reading one partition, of one node where it chose so. Also a final read. */
struct reader {
    uint32_t process, partition;
    int32_t node;                /* -1: whom the client chose */
    uint32_t member;             /* index of the group's partition, NONE */
    int64_t expected;            /* the next offset, -1 unknown */
    int64_t last_at;             /* of its last line about the partition */
    int64_t placed_at;           /* assigned or moved, by itself; 0: never */
    bool is_resuming;            /* assigned at the group's offset, nothing read yet */
    VECTOR(struct range) finals; /* what its final read saw */
    int64_t final_from_at;       /* began; NEVER */
    int64_t final_end;           /* said by read-end, -1: not ended */
};

/* A reader's next record was not the next one. */
struct jump {
    uint32_t reader;
    int64_t from, to, last_at, at;
    struct place place;
};

struct leader_claim {
    int64_t epoch, leader, first_at;
    int64_t node; /* who said so */
    struct place place;
};

struct partition {
    uint32_t topic; /* index */
    int32_t number;
    VECTOR(struct slot *) pages[STRETCHES_MAX]; /* of slots */
    int64_t slots_end;                          /* behind the last slot that was ever touched */
    int64_t deleted_before;                     /* by delete-records, done or perhaps done */
    VECTOR(struct leader_claim) claims;
    VECTOR(uint32_t) readers;
    int64_t final_from_at[2]; /* latest start of a whole final read: by site, by node; -1: none */
};

struct topic {
    uint32_t name;
    VECTOR(uint32_t) partitions; /* index + 1 by number */
    int64_t deleted_at;          /* NEVER */
    bool is_reused;              /* created again after it was deleted: not judged */
};

/* Operations but sends and polls. */
struct operation {
    uint8_t kind, outcome;
    uint8_t which; /* list-offsets: 'l' or 'e' */
    uint32_t process;
    uint32_t action;    /* name, admin */
    uint32_t partition; /* index, NONE */
    uint32_t topic;     /* index, NONE */
    uint32_t group;     /* name, NONE */
    uint32_t member;    /* index of the group's partition, NONE */
    int64_t invoked_at, completed_at, offset;
    struct place place; /* of the completion, else of the invocation */
    int64_t from_at;    /* offset-fetch: when the value can first have been asked for */
    bool is_resume;     /* no operation of its own: the first read after an assignment */
};

/* What a group says of a partition. */
struct member {
    uint32_t group; /* name */
    uint32_t partition;
    VECTOR(uint8_t) delivered[STRETCHES_MAX]; /* a bit per offset */
    uint64_t read_count, reread_count;
};

/* A record that lies at more offsets than the one it knows. */
struct repetition {
    uint32_t record, partition;
    int64_t offset;
};

struct fault {
    uint32_t id, name, target, site, node; /* names, NAME_NONE */
    int64_t inject_at, heal_at;            /* NEVER: not healed */
};

/* Sites were lost, and the rest was ordered to go on without what it had not. */
struct forced_recovery {
    int64_t at;         /* right before the order */
    int64_t until;      /* right after the lost sites had ended */
    int64_t since;      /* what was acknowledged from then on may be lost: so it was printed */
    int64_t known_lost; /* records, so it was printed */
};

struct history_file {
    char *path;
    bool has_end;    /* its last line said so */
    bool is_cut;     /* the last line has no \n */
    int64_t last_at; /* the latest instant in it */
    uint64_t line_count;
};

struct history {
    struct names names;    /* of processes, sites, topics, groups … */
    struct names prefixes; /* of values */
    VECTOR(struct history_file) files;
    VECTOR(struct process) processes;
    VECTOR(uint32_t) process_by_name; /* index + 1 */
    VECTOR(struct record) records;
    VECTOR(struct pages) numbers; /* by prefix: from a value's number to a record + 1 */
    VECTOR(uint32_t) whole;       /* by prefix: the record whose whole name it is + 1 */
    VECTOR(struct topic) topics;
    VECTOR(uint32_t) topic_by_name; /* index + 1 */
    VECTOR(struct partition) partitions;
    VECTOR(struct operation) operations;
    VECTOR(struct member) members;
    VECTOR(struct reader) readers;
    VECTOR(struct jump) jumps;
    VECTOR(struct dissent) dissents;
    VECTOR(struct fault) faults;
    VECTOR(struct forced_recovery) recoveries; /* by rising at, once it is settled */
    VECTOR(uint32_t) repeated;                 /* records that were completed again */
    VECTOR(struct repetition) repetitions;
    struct pairs member_by_pair, reader_by_pair;
    uint64_t line_count, send_count, read_count, operation_count, unknown_type_count;
    uint64_t dissents_dropped;
    int64_t cut_at; /* from here on lines may be missing (history_settle); NEVER */
    uint32_t last_reader;
    struct place at; /* the line being read */
};

void history_init(struct history *h);
void history_close(struct history *h);

/* ---- finding, and making what is new ---- */
uint32_t history_process(struct history *h, struct text name, struct text site);
uint32_t history_topic(struct history *h, struct text name);
/* number: 0 … PARTITIONS_MAX - 1 */
uint32_t history_partition(struct history *h, uint32_t topic, int64_t number);
#define PARTITIONS_MAX 100000
uint32_t history_record(struct history *h, struct text value);
uint32_t history_member(struct history *h, uint32_t group, uint32_t partition);
uint32_t history_reader(struct history *h, uint32_t process, uint32_t partition, int64_t node);

/* Is there room for what lies at this offset? */
bool history_holds(int64_t offset);
/* An offset that is held. The slot stays where it is. */
struct slot *partition_slot(struct partition *p, int64_t offset);
/* NULL where nothing was ever seen. */
const struct slot *partition_find(const struct partition *p, int64_t offset);

/* The first offset from `from` on of which anything is known, -1: none. */
int64_t partition_next(const struct partition *p, int64_t from);

/* Can both be what lies at one offset? What an acknowledgement says of bytes is only what was sent;
 * an epoch below 0 is not known. */
bool slot_agrees(const struct slot *a, const struct slot *b);
/* Adds what a second one saw that agrees. */
void slot_merge(struct slot *slot, const struct slot *seen);

/* Merges what somebody saw at an offset. */
void history_see(struct history *h, uint32_t partition, int64_t offset, const struct slot *seen);

/* The value's name, at most LINE_TEXT_MAX bytes and a zero. Returns `into`. */
char *history_value(const struct history *h, uint32_t record, char into[LINE_TEXT_MAX + 1]);

/* Is there any sense in judging it? Not where a topic's name was used twice. */
bool history_is_judged(const struct history *h, uint32_t partition);
/* Must what was acknowledged be there at the end? Not in a topic that was deleted. */
bool history_has_end(const struct history *h, uint32_t partition);
/* The end, as far as anybody saw or was told. */
int64_t history_end(const struct history *h, uint32_t partition);

/* Was a value perhaps sent by a process whose file was cut short before the line that says so? */
bool history_may_be_cut(struct history *h, const struct record *record);

/* Brings together what needs all files (settle.c). Once, before anything is judged. */
void history_settle(struct history *h);

/* ---- taking lines (history_line.c) ---- */

/* Returns 0, or -1 and in `why` what is wrong with it. */
int history_take(struct history *h, const struct line *line, const char **why);

#endif
