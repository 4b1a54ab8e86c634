/* One salvage while it works: what its files share. On the port's thread, but where its item is
 * away on a worker or a shard: then nobody else touches it.
 *
 *   resource_salvage.c   the call, what lies aside, which recovery it was
 *   salvage_next.c       which partition is next, its topic, where it parts
 *   salvage_topic.c      its salvage topic: made, and how far that has come
 *   salvage_copy.c       its tail: read and produced
 *   salvage_store.c, salvage_read.c, salvage_batch.c   what they read, and what they make of it */
#ifndef CLUSTER_ADMIN_SALVAGE_H
#define CLUSTER_ADMIN_SALVAGE_H

#include "admin/admin_parts.h"
#include "admin/offset_lookup.h"
#include "admin/salvage_store.h"
#include "broker.h"

#define SALVAGE_NAME_SIZE  (METADATA_TOPIC_NAME_MAX + 1)
#define SALVAGE_ASK_MS_MAX 8000 /* of one question to a leader */

struct salvage {
    struct admin *admin;
    struct broker *broker;
    struct admin_call *call; /* NULL: nobody waits for the answer any more */
    bool is_away;            /* its item is on a worker or a shard */
    struct work_item item;
    struct salvage_store *store;
    char id[SALVAGE_ID_SIZE];
    struct err_note note;
    int err; /* of what was done elsewhere */
    uint64_t epoch;
    uint64_t begun_at_ms; /* clock: since what lies aside is open */
    bool has_gone_on;     /* this call has brought something, or is done with a partition */
    size_t bytes;         /* produced by this call */
    json_int_t records;   /* likewise */
    json_int_t left_out_all;
    json_t *tails;       /* owned */
    const char *waiting; /* why it ends before its time, or NULL */
    char waiting_text[200];
    /* the partition that it is at */
    unsigned place;
    char topic[SALVAGE_NAME_SIZE], target[SALVAGE_NAME_SIZE];
    int32_t partition_count; /* of the topic, by whoever knew most of them */
    bool is_live;            /* the cluster has that topic */
    struct broker_place live;
    int64_t parting, from, end;
    int64_t target_first, target_next; /* of the salvage topic's partition */
    json_int_t left_out;               /* records, by this call */
    struct salvage_piece piece;
    struct offset_wish wish;
    struct offset_lookup lookup;
};

/* ---- resource_salvage.c ---- */

/* Hands the item over. In what it runs, salvage_come_back is the last that is done; in what runs
 * then, salvage_is_back the first: false when there is nobody left to answer, and it is freed. */
void salvage_work_elsewhere(struct salvage *s, work_cb run);
void salvage_come_back(struct salvage *s, work_cb run);
bool salvage_is_back(struct salvage *s);
/* The call has done its work: it goes on in another one. */
bool salvage_is_enough(const struct salvage *s);

/* Each of these is the last that its caller does: `s` may be gone. */

/* The call's work is over; asked again, it goes on at the same partition. */
void salvage_answer(struct salvage *s);
/* The same, and why: something is waited for. */
void salvage_wait(struct salvage *s, const char *why);

/* ---- salvage_next.c: likewise ---- */

void salvage_next(struct salvage *s);
/* This partition is done, or can't be: `trouble` says why, or NULL. On to the next. */
void salvage_leave(struct salvage *s, const char *trouble);

/* ---- salvage_topic.c: likewise ---- */

/* Asks the leader of the salvage topic's partition. False: the call has ended instead. */
bool salvage_ask_leader(struct salvage *s, enum kafka_api_key api, int16_t version,
                        const void *message, ask_cb cb);
/* Of an answer: false when it is none, or an error: the call has ended, or the partition. */
bool salvage_is_sound(struct salvage *s, int status, bool has_partition, int16_t error_code);
/* Brings the partition's records of [parting, end) over, but those that are there. */
void salvage_bring(struct salvage *s);

/* ---- salvage_copy.c: likewise ---- */

/* From s->from on, until the partition or the call ends. */
void salvage_copy(struct salvage *s);

#endif
