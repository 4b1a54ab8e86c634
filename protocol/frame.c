/* Frames and headers. The client id of a request header stays a string of the old kind also in
 * header version 2, so that a broker can read it whatever the version (KIP-511). */
#include "protocol/frame.h"

#include <assert.h>

#include "base/err.h"

int kafka_frame_decode(struct bytes source, uint32_t frame_bytes_max, struct bytes *frame)
{
    assert(frame_bytes_max <= INT32_MAX - KAFKA_FRAME_SIZE_BYTES);
    if (source.size < KAFKA_FRAME_SIZE_BYTES)
        return ERR_NEED_MORE;
    int32_t size = (int32_t)bytes_get_be32(source.data);
    if (size <= 0)
        return ERR_MALFORMED;
    if ((uint32_t)size > frame_bytes_max)
        return ERR_TOO_LARGE;
    if ((uint32_t)size > source.size - KAFKA_FRAME_SIZE_BYTES)
        return ERR_NEED_MORE;
    *frame = bytes_of(source.data + KAFKA_FRAME_SIZE_BYTES, (size_t)size);
    return size + KAFKA_FRAME_SIZE_BYTES;
}

int kafka_request_header_decode(struct kafka_reader *r, struct kafka_request_header *header)
{
    r->is_flexible = false;
    header->api_key = kafka_read_int16(r);
    header->api_version = kafka_read_int16(r);
    header->correlation_id = kafka_read_int32(r);
    header->client_id = kafka_read_string(r, true);
    header->api = kafka_api_find(header->api_key);
    if (header->api == NULL)
        return r->err;
    r->is_flexible = kafka_api_request_header_version(header->api, header->api_version) == 2;
    kafka_skip_tags(r);
    return r->err;
}

void kafka_request_header_encode(struct kafka_writer *w, const struct kafka_request_header *header)
{
    assert(header->api != NULL && header->api->key == header->api_key);
    kafka_writer_begin_frame(w);
    w->is_flexible = false;
    kafka_write_int16(w, header->api_key);
    kafka_write_int16(w, header->api_version);
    kafka_write_int32(w, header->correlation_id);
    kafka_write_string(w, header->client_id, true);
    if (kafka_api_request_header_version(header->api, header->api_version) == 2)
        kafka_write_uvarint(w, 0);
}

int16_t kafka_api_response_header_version(const struct kafka_api *api, int16_t version)
{
    return api->key != KAFKA_API_API_VERSIONS && version >= api->version_flexible ? 1 : 0;
}

void kafka_response_header_encode(struct kafka_writer *w, const struct kafka_api *api,
                                  int16_t api_version, int32_t correlation_id)
{
    kafka_writer_begin_frame(w);
    kafka_response_content_begin(w, api, api_version, correlation_id);
}

void kafka_response_content_begin(struct kafka_writer *w, const struct kafka_api *api,
                                  int16_t api_version, int32_t correlation_id)
{
    w->is_flexible = false;
    kafka_write_int32(w, correlation_id);
    if (kafka_api_response_header_version(api, api_version) == 1)
        kafka_write_uvarint(w, 0);
}

int kafka_response_header_decode(struct kafka_reader *r, const struct kafka_api *api,
                                 int16_t api_version, int32_t *correlation_id)
{
    *correlation_id = kafka_read_int32(r);
    r->is_flexible = kafka_api_response_header_version(api, api_version) == 1;
    kafka_skip_tags(r);
    return r->err;
}
