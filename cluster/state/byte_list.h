/* A growable list of bytes for the state codecs: little-endian puts, one failure flag. */
#ifndef CLUSTER_STATE_BYTE_LIST_H
#define CLUSTER_STATE_BYTE_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/bytes.h"

struct byte_list {
    uint8_t *data;   /* owned (free) */
    size_t size;     /* used */
    size_t capacity; /* allocated */
    bool is_failed;  /* memory ran out: `data` is freed, puts do nothing */
};

void byte_list_put(struct byte_list *list, const void *data, size_t size);
void byte_list_put_u8(struct byte_list *list, uint8_t value);
void byte_list_put_u16(struct byte_list *list, uint16_t value);
void byte_list_put_u32(struct byte_list *list, uint32_t value);
void byte_list_put_u64(struct byte_list *list, uint64_t value);
/* u16 length and the text. At most 65,535 bytes. */
void byte_list_put_text(struct byte_list *list, const char *text);
/* u32 length and the bytes. */
void byte_list_put_bytes(struct byte_list *list, struct bytes bytes);

/* Hands the bytes to the caller (free): 0 or UV_ENOMEM. */
int byte_list_take(struct byte_list *list, uint8_t **bytes, size_t *size);

/* The readers that belong to the puts; borrowed. A missing part sets r->is_bad. */
struct bytes byte_list_read_text(struct bytes_reader *r);
struct bytes byte_list_read_bytes(struct bytes_reader *r);

#endif
