/* Kafka's protocol by bare bytes, as far as a member of a consumer group needs it: the old
 * versions without the compact encoding, which every broker of the last years takes. */
#ifndef BENCH_GROUPS_WIRE_H
#define BENCH_GROUPS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum api {
    API_OFFSET_COMMIT = 8,
    API_OFFSET_FETCH = 9,
    API_FIND_COORDINATOR = 10,
    API_JOIN_GROUP = 11,
    API_HEARTBEAT = 12,
    API_LEAVE_GROUP = 13,
    API_SYNC_GROUP = 14
};

enum code {
    CODE_UNKNOWN_MEMBER_ID = 25,
    CODE_REBALANCE_IN_PROGRESS = 27,
    CODE_MEMBER_ID_REQUIRED = 79
};

/* Prints a sentence to stderr and ends the program with 1. */
__attribute__((noreturn, format(printf, 1, 2))) void wire_fail(const char *format, ...);
int64_t wire_now_us(void);

/* ---- what is said ---- */

/* A growing list of bytes; all numbers big-endian. */
struct frame {
    uint8_t *data;
    size_t size, capacity;
};

/* Empties it and begins a request. */
void frame_begin(struct frame *f, enum api api, int16_t version);
/* Its length is known now. */
void frame_end(struct frame *f);
void frame_put(struct frame *f, const void *data, size_t size);
void frame_put_i8(struct frame *f, int8_t value);
void frame_put_i16(struct frame *f, int16_t value);
void frame_put_i32(struct frame *f, int32_t value);
void frame_put_i64(struct frame *f, int64_t value);
void frame_put_text(struct frame *f, const char *text); /* NULL: null */
void frame_put_bytes(struct frame *f, const void *data, size_t size);
void frame_set_i32(struct frame *f, size_t at, int32_t value);
void frame_set_i64(struct frame *f, size_t at, int64_t value);

/* ---- what is heard ---- */

/* What does not fit ends the program: an answer that breaks the protocol is no figure. */
struct answer {
    const uint8_t *at, *end;
};
const uint8_t *answer_take(struct answer *a, size_t size);
int16_t answer_i16(struct answer *a);
int32_t answer_i32(struct answer *a);
int64_t answer_i64(struct answer *a);
/* Into `text`, cut at its size; a null one becomes "". */
void answer_text(struct answer *a, char *text, size_t size);
struct answer answer_bytes(struct answer *a);

/* ---- connections ---- */

struct connection {
    int fd;
    uint8_t *input;
    size_t input_size, input_capacity;
    void *owner;
    void (*on_answer)(void *owner, struct answer answer); /* behind its correlation id */
};

/* Connects and waits for that; from then on it is watched by the loop. */
void connection_open(struct connection *c, const char *host, int port);
void connection_close(struct connection *c);
/* All of it; waits while the socket is full. */
void connection_send(struct connection *c, const struct frame *f);
/* Waits for the next answer by itself, outside the loop; valid until the next one. */
struct answer connection_wait(struct connection *c);

/* Takes what has come, for at most so long. */
void connections_poll(int wait_ms);

#endif
