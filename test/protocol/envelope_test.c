/* The router's side of envelopes, held against the code that the schema makes. */
#include "protocol/envelope.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/err.h"
#include "protocol/messages.h"

#define RECORDS_BYTES 5000

static const uint8_t address[] = {10, 1, 2, 3};
static const struct kafka_envelope_client client = {
    .address = {.data = address, .size = sizeof address},
    .router_id = -77,
    .number = 1LL << 40,
    .since = 33,
    .node_life = -5};

/* A head, and records in a buffer of their own. */
static void write_around(struct kafka_writer *w, struct buffer *records)
{
    static const uint8_t head[] = {0, 0, 0, 9, 1, 2, 3, 4};
    struct slice pieces[] = {{NULL, bytes_of(head, sizeof head)},
                             {records, bytes_of(records->data, RECORDS_BYTES)}};
    kafka_writer_init(w, 1u << 20);
    kafka_envelope_write(w, 42, kafka_string_of("router-a"), &client,
                         (struct kafka_slices){.items = pieces, .count = 2});
    cr_assert_eq(kafka_writer_finish(w), 0);
}

static struct buffer *make_records(void)
{
    struct buffer *records = buffer_create(RECORDS_BYTES);
    cr_assert_not_null(records);
    for (size_t i = 0; i < RECORDS_BYTES; i++)
        records->data[i] = (uint8_t)i;
    return records;
}

Test(kafka_envelope, is_written_as_the_schema_says)
{
    static uint8_t room[RECORDS_BYTES + 200];
    struct kafka_writer w;
    struct kafka_request_header header;
    struct kafka_envelope_request message;
    struct buffer *records = make_records();
    struct bytes frame;
    write_around(&w, records);
    size_t size = kafka_writer_copy(&w, room, sizeof room);
    cr_assert_eq(kafka_frame_decode(bytes_of(room, size), sizeof room, &frame), (int)size);
    struct kafka_reader r = kafka_reader_of(frame);
    cr_assert_eq(kafka_request_header_decode(&r, &header), 0);
    cr_assert_eq(header.api_key, KAFKA_API_ENVELOPE);
    cr_assert_eq(header.correlation_id, 42);
    cr_assert(kafka_string_is_text(header.client_id, "router-a"));
    cr_assert_eq(kafka_envelope_request_decode(&r, header.api_version, NULL, &message), 0);
    cr_assert_eq(kafka_reader_left(&r), 0);
    cr_assert_eq(message.request_data.size, 8 + RECORDS_BYTES);
    cr_assert_eq(memcmp(message.request_data.data + 8, records->data, RECORDS_BYTES), 0);
    cr_assert_eq(message.request_principal.size, 0);
    cr_assert(bytes_is_equal(message.client_host_address, client.address));
    cr_assert_eq(message.router_id, client.router_id);
    cr_assert_eq(message.client_number, client.number);
    cr_assert_eq(message.client_since, 33);
    cr_assert_eq(message.node_life, -5);
    kafka_writer_close(&w);
    buffer_unref(records);
}

Test(kafka_envelope, refers_to_what_it_passes_on)
{
    struct kafka_writer w;
    struct buffer *records = make_records();
    write_around(&w, records);
    size_t count;
    const struct slice *slices = kafka_writer_slices(&w, &count);
    cr_assert_eq(count, 3, "what is in front, the records, what is behind");
    cr_assert_eq(slices[1].bytes.data, records->data);
    cr_assert_eq(atomic_load(&records->references), 2);
    kafka_writer_close(&w);
    buffer_unref(records);
}

/* What a node answers, written by the generated code; NULL: no data. */
static struct bytes answer_of(struct bytes data, int16_t error_code, uint8_t *room, size_t size)
{
    struct kafka_writer w;
    struct bytes frame;
    struct slice piece = {NULL, data};
    struct kafka_envelope_response message = {
        .response_data = {.items = &piece, .count = data.data == NULL ? -1 : 1},
        .error_code = error_code,
        .life = -5,
        .now = 33};
    kafka_writer_init(&w, 1u << 20);
    kafka_response_header_encode(&w, kafka_api_find(KAFKA_API_ENVELOPE), 0, 42);
    kafka_envelope_response_encode(&w, 0, &message);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    size_t written = kafka_writer_copy(&w, room, size);
    kafka_writer_close(&w);
    cr_assert_eq(kafka_frame_decode(bytes_of(room, written), (uint32_t)size, &frame), (int)written);
    return frame;
}

Test(kafka_envelope, gives_the_client_s_answer_where_it_lies)
{
    static uint8_t room[RECORDS_BYTES + 200];
    struct kafka_envelope_answer answer;
    struct buffer *records = make_records();
    struct bytes data = bytes_of(records->data, RECORDS_BYTES);
    cr_assert_eq(kafka_envelope_answer_read(answer_of(data, 0, room, sizeof room), &answer), 0);
    cr_assert_eq(answer.correlation_id, 42);
    cr_assert_eq(answer.error_code, 0);
    cr_assert_eq(answer.life, -5);
    cr_assert_eq(answer.now, 33);
    cr_assert(bytes_is_equal(answer.data, data));
    cr_assert(answer.data.data > room && answer.data.data < room + sizeof room);
    data = bytes_of(NULL, 0);
    cr_assert_eq(kafka_envelope_answer_read(answer_of(data, 42, room, sizeof room), &answer), 0);
    cr_assert_null(answer.data.data);
    cr_assert_eq(answer.error_code, 42);
    buffer_unref(records);
}

Test(kafka_envelope, refuses_an_answer_that_is_cut_anywhere)
{
    uint8_t room[128];
    struct kafka_envelope_answer answer;
    struct bytes frame = answer_of(bytes_of("twelve bytes", 12), 0, room, sizeof room);
    for (size_t size = 0; size < frame.size; size++)
        cr_assert_eq(kafka_envelope_answer_read(bytes_of(frame.data, size), &answer), ERR_MALFORMED,
                     "%zu", size);
}
