/* Frames and headers: what stands around every message. A frame is a 4-byte big-endian size and
 * that many bytes: a header, then the message, to its last byte. */
#ifndef PROTOCOL_FRAME_H
#define PROTOCOL_FRAME_H

#include <stdint.h>

#include "protocol/api_key.h"
#include "protocol/codec.h"

#define KAFKA_FRAME_SIZE_BYTES 4

/* Finds the first frame in what has arrived so far.
 *   frame_bytes_max  largest accepted content, at most INT32_MAX - 4
 * Returns the bytes used, size field included, and sets `frame` to the content, borrowed from
 * the source; ERR_NEED_MORE when it is not complete; ERR_MALFORMED for a size of 0 or below;
 * ERR_TOO_LARGE above the limit. Only the first 4 bytes decide, so a refusal comes before the
 * rest is waited for. */
int kafka_frame_decode(struct bytes source, uint32_t frame_bytes_max, struct bytes *frame);

/* Request header, versions 1 and 2. Version 0 belongs to a request that is not known here. */
struct kafka_request_header {
    const struct kafka_api *api;   /* NULL when the key is not known */
    int16_t api_key;               /* as sent */
    int16_t api_version;           /* as sent; kafka_api_has_version says whether it is known */
    int32_t correlation_id;        /* goes back with the answer */
    struct kafka_string client_id; /* may be null; borrowed */
};

/* Reads the header; the reader then stands at the message. Returns 0 also for keys and versions
 * that are not known, for the answer to those (or to an ApiVersions that is too new) needs the
 * correlation id; ERR_MALFORMED otherwise. An unknown key's header is taken as version 1. */
int kafka_request_header_decode(struct kafka_reader *r, struct kafka_request_header *header);

/* Begins a request's frame: size, header. `api` must be set. */
void kafka_request_header_encode(struct kafka_writer *w, const struct kafka_request_header *header);

/* Begins the answer's frame: size, correlation id, tagged fields where the version has them.
 * Then encode the message and call kafka_writer_finish. To answer an ApiVersions of too new a
 * version, encode the message at version 0. */
void kafka_response_header_encode(struct kafka_writer *w, const struct kafka_api *api,
                                  int16_t api_version, int32_t correlation_id);

/* The same without the size: the content of an answer that stands in an Envelope's. */
void kafka_response_content_begin(struct kafka_writer *w, const struct kafka_api *api,
                                  int16_t api_version, int32_t correlation_id);

/* Reads an answer's header, for those who asked. */
int kafka_response_header_decode(struct kafka_reader *r, const struct kafka_api *api,
                                 int16_t api_version, int32_t *correlation_id);

#endif
