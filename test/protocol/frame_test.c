#include "protocol/frame.h"

#include <criterion/criterion.h>

#include "base/err.h"

static struct bytes sized(uint8_t *frame, int32_t size)
{
    bytes_put_be32(frame, (uint32_t)size);
    return bytes_of(frame, 12);
}

Test(kafka_frame, is_found_whole_and_tells_what_it_used)
{
    uint8_t data[12] = {0};
    struct bytes frame;
    cr_assert_eq(kafka_frame_decode(sized(data, 5), 100, &frame), 9);
    cr_assert_eq(frame.data, data + 4);
    cr_assert_eq(frame.size, 5);
}

Test(kafka_frame, is_not_complete_until_its_last_byte)
{
    uint8_t data[12] = {0};
    struct bytes whole = sized(data, 8), frame;
    for (size_t size = 0; size < whole.size; size++)
        cr_assert_eq(kafka_frame_decode(bytes_of(data, size), 100, &frame), ERR_NEED_MORE);
    cr_assert_eq(kafka_frame_decode(whole, 100, &frame), 12);
}

Test(kafka_frame, is_refused_when_empty_negative_or_huge_by_its_first_four_bytes)
{
    uint8_t data[12] = {0};
    struct bytes frame;
    int32_t malformed[] = {0, -1, INT32_MIN};
    for (int i = 0; i < 3; i++) {
        sized(data, malformed[i]);
        cr_assert_eq(kafka_frame_decode(bytes_of(data, 4), 100, &frame), ERR_MALFORMED);
    }
    sized(data, 101);
    cr_assert_eq(kafka_frame_decode(bytes_of(data, 4), 100, &frame), ERR_TOO_LARGE);
    sized(data, INT32_MAX);
    cr_assert_eq(kafka_frame_decode(bytes_of(data, 4), INT32_MAX - 4, &frame), ERR_TOO_LARGE);
}

static size_t encoded_header(uint8_t *to, size_t size, int16_t key, int16_t version,
                             const char *client)
{
    struct kafka_request_header header = {kafka_api_find(key), key, version, 4711,
                                          kafka_string_of(client)};
    struct kafka_writer w;
    kafka_writer_init(&w, 1000);
    kafka_request_header_encode(&w, &header);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    size = kafka_writer_copy(&w, to, size);
    kafka_writer_close(&w);
    return size;
}

static void check_header(int16_t key, int16_t version, const char *client)
{
    uint8_t data[64];
    struct bytes frame;
    size_t size = encoded_header(data, sizeof data, key, version, client);
    cr_assert_eq(kafka_frame_decode(bytes_of(data, size), 100, &frame), (int)size);
    struct kafka_reader r = kafka_reader_of(frame);
    struct kafka_request_header header;
    cr_assert_eq(kafka_request_header_decode(&r, &header), 0);
    cr_assert_eq(header.api_key, key);
    cr_assert_eq(header.api_version, version);
    cr_assert_eq(header.correlation_id, 4711);
    cr_assert(kafka_string_is_equal(header.client_id, kafka_string_of(client)));
    cr_assert_eq(kafka_reader_finish(&r), 0);
    for (size_t cut = 0; cut < frame.size; cut++) {
        r = kafka_reader_of(bytes_of(frame.data, cut));
        cr_assert_eq(kafka_request_header_decode(&r, &header), ERR_MALFORMED);
    }
}

Test(kafka_request_header, is_read_as_it_was_written_and_refused_when_cut)
{
    check_header(KAFKA_API_PRODUCE, 8, "client");
    check_header(KAFKA_API_PRODUCE, 9, "client");
    check_header(KAFKA_API_OFFSET_DELETE, 0, "");
    check_header(KAFKA_API_API_VERSIONS, 3, NULL);
}

Test(kafka_request_header, keeps_the_correlation_id_of_a_request_that_is_not_known)
{
    static const uint8_t data[] = {0x7f, 0xff, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 1, 2, 3};
    struct kafka_reader r = kafka_reader_of(bytes_of(data, sizeof data));
    struct kafka_request_header header;
    cr_assert_eq(kafka_request_header_decode(&r, &header), 0);
    cr_assert(header.api == NULL);
    cr_assert_eq(header.correlation_id, 9);
}

static size_t response_header_bytes(int16_t key, int16_t version)
{
    const struct kafka_api *api = kafka_api_find(key);
    uint8_t data[16];
    int32_t correlation_id;
    struct kafka_writer w;
    kafka_writer_init(&w, 100);
    kafka_response_header_encode(&w, api, version, 7);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    size_t size = kafka_writer_copy(&w, data, sizeof data);
    struct kafka_reader r = kafka_reader_of(bytes_of(data + 4, size - 4));
    cr_assert_eq(kafka_response_header_decode(&r, api, version, &correlation_id), 0);
    cr_assert_eq(correlation_id, 7);
    cr_assert_eq(kafka_reader_finish(&r), 0);
    kafka_writer_close(&w);
    return size - 4;
}

Test(kafka_response_header, has_tagged_fields_where_flexible_but_never_for_api_versions)
{
    cr_assert_eq(response_header_bytes(KAFKA_API_FETCH, 11), 4);
    cr_assert_eq(response_header_bytes(KAFKA_API_FETCH, 12), 5);
    cr_assert_eq(response_header_bytes(KAFKA_API_OFFSET_DELETE, 0), 4);
    for (int16_t version = 0; version <= 3; version++)
        cr_assert_eq(response_header_bytes(KAFKA_API_API_VERSIONS, version), 4);
}
