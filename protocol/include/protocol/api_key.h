/* The requests that this broker knows, and at which versions. The table is generated from
 * protocol/schema/, one file per request. */
#ifndef PROTOCOL_API_KEY_H
#define PROTOCOL_API_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "protocol/api_keys.h"
#include "protocol/codec.h"

/* One message for code that handles all of them alike: tests, fuzzing, tools. */
struct kafka_message_type {
    const char *name; /* "kafka_fetch_request": the struct's name */
    size_t size;      /* of the struct */
    int (*decode)(struct kafka_reader *r, int16_t version, struct kafka_arena *arena,
                  void *message);
    int (*encode)(struct kafka_writer *w, int16_t version, const void *message);
};

struct kafka_api {
    int16_t key;                /* enum kafka_api_key */
    int16_t version_min;        /* lowest that is decoded */
    int16_t version_max;        /* highest that is decoded, and advertised */
    int16_t version_advertised; /* lowest that ApiVersions names; below version_min is refused */
    int16_t version_flexible;   /* first with compact types, or KAFKA_NEVER_FLEXIBLE */
    const char *name;           /* "Fetch" */
    struct kafka_message_type request;
    struct kafka_message_type response;
};

/* All of them, in the order of their keys. */
extern const struct kafka_api kafka_apis[];
extern const size_t kafka_api_count;

/* NULL when the key is not known here. */
const struct kafka_api *kafka_api_find(int16_t key);

static inline bool kafka_api_has_version(const struct kafka_api *api, int16_t version)
{
    return version >= api->version_min && version <= api->version_max;
}

/* 1, or 2 when the version is flexible: then the header ends in tagged fields. */
static inline int16_t kafka_api_request_header_version(const struct kafka_api *api, int16_t version)
{
    return version >= api->version_flexible ? 2 : 1;
}

/* 0, or 1 when the version is flexible; always 0 for ApiVersions, which a client must be able
 * to read before it knows the broker (KIP-511). */
int16_t kafka_api_response_header_version(const struct kafka_api *api, int16_t version);

#endif
