#include "router/own_request.h"

#include "base/err.h"
#include "protocol/frame.h"
#include "router/router.h"

#define ANSWER_ARENA_BYTES_MIN (64u << 10)
#define REQUEST_BYTES_MAX      (64u << 20)

struct kafka_slices own_request_content(struct kafka_writer *w)
{
    struct bytes *first = &w->slices[0].bytes;
    *first = bytes_of(first->data + KAFKA_FRAME_SIZE_BYTES, first->size - KAFKA_FRAME_SIZE_BYTES);
    return (struct kafka_slices){.items = w->slices, .count = (int32_t)w->slice_count};
}

int own_request_send(struct router_node *n, struct upstream_call *call, enum kafka_api_key api,
                     int16_t version, const void *message, upstream_cb cb)
{
    struct kafka_request_header header = {.api = kafka_api_find((int16_t)api),
                                          .api_key = (int16_t)api,
                                          .api_version = version,
                                          .client_id = kafka_string_of("trilog-router")};
    struct kafka_writer w;
    kafka_writer_init(&w, REQUEST_BYTES_MAX);
    kafka_request_header_encode(&w, &header);
    int err = header.api->request.encode(&w, version, message);
    if (err == 0)
        err = kafka_writer_finish(&w);
    if (err == 0)
        err = router_node_send_own(n, call, own_request_content(&w), cb);
    kafka_writer_close(&w);
    return err;
}

int own_answer_read(struct own_answer *own, enum kafka_api_key api_key, int16_t version,
                    struct slice answer)
{
    const struct kafka_api *api = kafka_api_find((int16_t)api_key);
    struct kafka_reader r = kafka_reader_of(answer.bytes);
    int32_t number;
    kafka_arena_init(&own->arena,
                     kafka_arena_limit_for(answer.bytes.size) + ANSWER_ARENA_BYTES_MIN);
    own->message = kafka_arena_allocate(&own->arena, api->response.size);
    int err = own->message == NULL ? UV_ENOMEM
                                   : kafka_response_header_decode(&r, api, version, &number);
    if (err == 0)
        err = api->response.decode(&r, version, &own->arena, own->message);
    if (err != 0)
        own_answer_close(own);
    return err;
}

void own_answer_close(struct own_answer *own)
{
    kafka_arena_close(&own->arena);
}
