/* A record as one piece of memory: what the spool stores, and what is sent again. Private to
 * libtrilog; the bytes are described in docs/spool_format.md. */
#ifndef CLIENT_RECORD_H
#define CLIENT_RECORD_H

#include "base/bytes.h"
#include "trilog/trilog.h"

#define RECORD_HEADERS_MAX    1000
#define RECORD_TOPIC_SIZE_MAX 249
#define RECORD_ID_SIZE        16
#define RECORD_ID_NAME        "trilog-id"

/* Headers that stand for fields of a record. */
#define RECORD_EXPIRES_NAME     "trilog-expires" /* ms since 1970, as a decimal text */
#define RECORD_TRACEPARENT_NAME "traceparent"
#define RECORD_TRACESTATE_NAME  "tracestate"
#define RECORD_OWN_HEADERS_MAX  3

/* Who sent it, and which of the sender's it is: the same each time that it is sent. */
struct record_id {
    uint8_t bytes[RECORD_ID_SIZE];
};

bool record_is_topic(const char *name);

/* 0, TRILOG_ERR_NULL, TRILOG_ERR_TOPIC or TRILOG_ERR_TOO_LARGE. */
int record_check(const struct trilog_record *record, uint64_t bytes_max);

/* A record as it goes on its way: what was in its fields is in headers too. */
struct record_sent {
    struct trilog_record record;   /* borrows what the given one does, and from this struct */
    struct trilog_header *headers; /* owned: record_sent_free(); may be NULL */
    char expires[24];
};

/* 0 or TRILOG_ERR_MEMORY. The struct must stay where it is. */
int record_prepare(const struct trilog_record *given, struct record_sent *sent);
void record_sent_free(struct record_sent *sent);

/* Of topic and key; without a key, of this record alone (`order`), which has no order to keep. */
uint64_t record_key_hash(const struct trilog_record *record, uint64_t order);

/* Returned owned (free), or NULL without memory. */
uint8_t *record_encode(const struct trilog_record *record, const struct record_id *id,
                       size_t *size);

/* Borrows from the bytes, but for *headers, which is returned owned (free). ERR_MALFORMED or
 * UV_ENOMEM. */
int record_decode(struct bytes from, struct trilog_record *record, struct record_id *id,
                  struct trilog_header **headers);

#endif
