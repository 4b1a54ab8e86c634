/* Kafka's numbers and strings on the wire, and a connection that asks and waits.
 *
 * librdkafka gives no leader epochs and can't be told which replica or node to ask; for that
 * the ledger speaks the few requests it needs itself. Nothing that is received is believed. */
#ifndef LEDGER_WIRE_H
#define LEDGER_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_ADDRESS_BYTES 128
#define WIRE_REQUEST_BYTES (256 * 1024)
#define WIRE_ANSWER_BYTES  (64 * 1024 * 1024) /* at most; more is malformed */

struct wire_bytes {
    const uint8_t *data; /* NULL: null */
    size_t size;
};

/* Reads forward; once something does not fit it is bad and stays so, and all that is read then is
 * zero, null, empty. */
struct wire_reader {
    const uint8_t *data;
    size_t size, position;
    bool is_bad;
};

int8_t wire_read_int8(struct wire_reader *reader);
int16_t wire_read_int16(struct wire_reader *reader);
int32_t wire_read_int32(struct wire_reader *reader);
int64_t wire_read_int64(struct wire_reader *reader);
/* Zigzag, as in records; at most 10 bytes. */
int64_t wire_read_varint(struct wire_reader *reader);
/* `size` bytes, which must be there. */
struct wire_bytes wire_read_raw(struct wire_reader *reader, int64_t size);
/* A string with its int16 length, or null. */
struct wire_bytes wire_read_string(struct wire_reader *reader);
/* Bytes with their int32 length, or null. */
struct wire_bytes wire_read_bytes(struct wire_reader *reader);
/* The count of an array (null: 0) whose elements take `element_bytes` at least. */
int32_t wire_read_count(struct wire_reader *reader, size_t element_bytes);

/* The same text? */
bool wire_is_text(struct wire_bytes bytes, const char *text);

/* Writes forward; what does not fit makes it full and is left out. */
struct wire_writer {
    uint8_t *data;
    size_t size, size_max;
    bool is_full;
};

void wire_write_int8(struct wire_writer *writer, int8_t number);
void wire_write_int16(struct wire_writer *writer, int16_t number);
void wire_write_int32(struct wire_writer *writer, int32_t number);
void wire_write_int64(struct wire_writer *writer, int64_t number);
void wire_write_string(struct wire_writer *writer, const char *text); /* NULL: null */

/* "HOST:PORT" */
struct wire_connection {
    int socket; /* -1: not connected */
    char address[WIRE_ADDRESS_BYTES];
    int32_t correlation_id;
    uint8_t request[WIRE_REQUEST_BYTES];
    uint8_t *answer; /* owned */
    size_t answer_bytes_max;
};

void wire_init(struct wire_connection *connection, const char *address);
void wire_close(struct wire_connection *connection);

/* Begins a request; its body is then written behind the header. */
struct wire_writer wire_begin(struct wire_connection *connection, int16_t api, int16_t version);

/* Sends it, connecting first where needed, and waits for the answer, all within `timeout_ms`. What
 * `reader` gives lives until the next call. Returns 0, or -1 with the name of what went wrong in
 * `*error` and the connection closed. */
int wire_call(struct wire_connection *connection, struct wire_writer *request, int timeout_ms,
              struct wire_reader *reader, const char **error);

/* Kafka's name for an error code. */
const char *wire_error_name(int16_t code);

#endif
