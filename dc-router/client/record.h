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

/* Who sent it, and which of the sender's it is: the same each time that it is sent. */
struct record_id {
    uint8_t bytes[RECORD_ID_SIZE];
};

/* 0, TRILOG_ERR_NULL, TRILOG_ERR_TOPIC or TRILOG_ERR_TOO_LARGE. */
int record_check(const struct trilog_record *record, uint64_t bytes_max);

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
