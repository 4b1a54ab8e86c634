/* Envelopes, written around a request and taken off an answer.
 *
 * The generated code copies what a request holds, and asks an arena for what an answer holds: right
 * for messages, wrong for what a router does with each megabyte. The few fields are written and
 * read here by hand; a test holds both against the generated code, which has them from the schema.
 */
#include "protocol/envelope.h"

#include <assert.h>

#include "protocol/messages.h"

#define VERSION        0
#define TAG_ROUTER_ID  1000
#define TAG_NUMBER     1001
#define TAG_SINCE      1002
#define TAG_NODE_LIFE  1003
#define TAG_LIFE       1000 /* of the answer */
#define TAG_NOW        1001
#define TAG_SIZE_BYTES 8

static void write_tag(struct kafka_writer *w, uint32_t tag, int64_t value)
{
    kafka_write_tag(w, tag, TAG_SIZE_BYTES);
    kafka_write_int64(w, value);
}

void kafka_envelope_write(struct kafka_writer *w, int32_t correlation_id,
                          struct kafka_string router, const struct kafka_envelope_client *client,
                          struct kafka_slices request)
{
    struct kafka_request_header header = {.api = kafka_api_find(KAFKA_API_ENVELOPE),
                                          .api_key = KAFKA_API_ENVELOPE,
                                          .api_version = VERSION,
                                          .correlation_id = correlation_id,
                                          .client_id = router};
    assert(client->router_id != 0 && client->number != 0);
    kafka_request_header_encode(w, &header);
    w->is_flexible = true;
    kafka_write_slices(w, request, false);
    kafka_write_bytes(w, KAFKA_BYTES_EMPTY, true); /* no principal yet */
    kafka_write_bytes(w, client->address, false);
    kafka_write_uvarint(w, 4); /* tagged fields */
    write_tag(w, TAG_ROUTER_ID, client->router_id);
    write_tag(w, TAG_NUMBER, client->number);
    write_tag(w, TAG_SINCE, client->since);
    write_tag(w, TAG_NODE_LIFE, client->node_life);
}

static void read_tags(struct kafka_reader *r, struct kafka_envelope_answer *answer)
{
    uint32_t count = kafka_read_tag_count(r);
    int64_t previous = -1;
    struct kafka_reader field;
    for (uint32_t i = 0; i < count && r->err == 0; i++) {
        uint32_t tag = kafka_read_tag(r, &previous, &field);
        if (tag != TAG_LIFE && tag != TAG_NOW)
            continue;
        *(tag == TAG_LIFE ? &answer->life : &answer->now) = kafka_read_int64(&field);
        kafka_read_tag_end(r, &field);
    }
}

int kafka_envelope_answer_read(struct bytes frame, struct kafka_envelope_answer *answer)
{
    struct kafka_reader r = kafka_reader_of(frame);
    *answer = (struct kafka_envelope_answer){0};
    if (kafka_response_header_decode(&r, kafka_api_find(KAFKA_API_ENVELOPE), VERSION,
                                     &answer->correlation_id) != 0)
        return r.err;
    r.is_flexible = true;
    answer->data = kafka_read_bytes(&r, true);
    answer->error_code = kafka_read_int16(&r);
    read_tags(&r, answer);
    return r.err;
}
