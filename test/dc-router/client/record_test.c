/* Records as bytes, and what is wrong with those that an application hands in. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/err.h"
#include "record.h"

static const struct trilog_header headers[] = {{"a", "1", 1}, {"b", NULL, 0}, {"c", "", 0}};
static const struct record_id id = {.bytes = {1, 2, 3, 16}};

Test(client_record, is_decoded_as_it_was)
{
    struct trilog_record r = {.topic = "t",
                              .key = "",
                              .value = "value",
                              .value_size = 5,
                              .headers = headers,
                              .header_count = 3,
                              .timestamp_ms = 77};
    size_t size;
    uint8_t *bytes = record_encode(&r, &id, &size);
    struct trilog_record back;
    struct trilog_header *back_headers;
    struct record_id back_id;
    cr_assert_eq(record_decode(bytes_of(bytes, size), &back, &back_id, &back_headers), 0);
    cr_assert_str_eq(back.topic, "t");
    cr_assert(back.key != NULL && back.key_size == 0, "an empty key is a key");
    cr_assert_eq(memcmp(back.value, "value", 5), 0);
    cr_assert_eq(back.timestamp_ms, 77);
    cr_assert_eq(back.header_count, 3);
    cr_assert_str_eq(back.headers[2].name, "c");
    cr_assert_null(back.headers[1].value);
    cr_assert_not_null(back.headers[2].value);
    cr_assert_eq(memcmp(&id, &back_id, sizeof id), 0);
    free(back_headers);
    for (size_t cut = 0; cut < size; cut++) {
        cr_assert_eq(record_decode(bytes_of(bytes, cut), &back, &back_id, &back_headers),
                     ERR_MALFORMED);
        cr_assert_null(back_headers);
    }
    free(bytes);
}

Test(client_record, may_have_more_headers_than_are_sent_from_here)
{
    struct trilog_header many[5000];
    for (size_t i = 0; i < 5000; i++)
        many[i] = (struct trilog_header){.name = ""};
    struct trilog_record r = {.topic = "t", .headers = many, .header_count = 5000}, back;
    size_t size;
    uint8_t *bytes = record_encode(&r, &id, &size);
    struct trilog_header *back_headers;
    struct record_id back_id;
    cr_assert_eq(record_decode(bytes_of(bytes, size), &back, &back_id, &back_headers), 0);
    cr_assert_eq(back.header_count, 5000);
    free(back_headers);
    free(bytes);
}

Test(client_record, is_refused_when_it_is_none)
{
    struct trilog_record r = {.topic = "t"};
    cr_assert_eq(record_check(&r, 100), 0);
    cr_assert_eq(record_check(NULL, 100), TRILOG_ERR_NULL);
    r.value_size = 1;
    cr_assert_eq(record_check(&r, 100), TRILOG_ERR_NULL);
    static const char *const bad[] = {"", ".", "..", "a b", "a/b", "\xc3\xa4"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        r = (struct trilog_record){.topic = bad[i]};
        cr_assert_eq(record_check(&r, 100), TRILOG_ERR_TOPIC, "%s", bad[i]);
    }
    r = (struct trilog_record){.topic = NULL};
    cr_assert_eq(record_check(&r, 100), TRILOG_ERR_NULL);
    r = (struct trilog_record){.topic = "t", .value = "", .value_size = SIZE_MAX};
    cr_assert_eq(record_check(&r, 100), TRILOG_ERR_TOO_LARGE);
    struct trilog_header header = {.name = NULL};
    r = (struct trilog_record){.topic = "t", .headers = &header, .header_count = 1};
    cr_assert_eq(record_check(&r, 100), TRILOG_ERR_NULL);
    header.name = "name";
    cr_assert_eq(record_check(&r, 3), TRILOG_ERR_TOO_LARGE);
    r.header_count = 1001;
    cr_assert_eq(record_check(&r, 100), TRILOG_ERR_TOO_LARGE);
}

Test(client_record, has_the_hash_of_its_topic_and_key_or_one_of_its_own)
{
    struct trilog_record a = {.topic = "t", .key = "k", .key_size = 1}, b = a;
    cr_assert_eq(record_key_hash(&a, 1), record_key_hash(&b, 2));
    b.topic = "u";
    cr_assert_neq(record_key_hash(&a, 1), record_key_hash(&b, 1));
    a.key = b.key = NULL;
    cr_assert_neq(record_key_hash(&a, 1), record_key_hash(&a, 2));
}

Test(client_record, carries_expiry_and_trace_as_headers)
{
    struct trilog_header header = {.name = "own", .value = "1", .value_size = 1};
    struct trilog_record given = {.topic = "t",
                                  .headers = &header,
                                  .header_count = 1,
                                  .expires_at_ms = 1700000000123,
                                  .traceparent = "00-ab-cd-01"};
    struct record_sent sent;
    cr_assert_eq(record_prepare(&given, &sent), 0);
    cr_assert_eq(sent.record.header_count, 3);
    cr_assert_str_eq(sent.record.headers[0].name, "own");
    cr_assert_str_eq(sent.record.headers[1].name, "trilog-expires");
    cr_assert_eq(sent.record.headers[1].value_size, 13);
    cr_assert_eq(memcmp(sent.record.headers[1].value, "1700000000123", 13), 0);
    cr_assert_str_eq(sent.record.headers[2].name, "traceparent");
    cr_assert_eq(sent.record.headers[2].value_size, 11);
    record_sent_free(&sent);
    given = (struct trilog_record){.topic = "t", .headers = &header, .header_count = 1};
    cr_assert_eq(record_prepare(&given, &sent), 0);
    cr_assert_eq(sent.record.headers, &header, "nothing to add, nothing copied");
    record_sent_free(&sent);
}
