/* Records of __consumer_offsets, byte for byte as Kafka lays them out. */
#include "consumer_bodies.h"

#include "cluster/group_record.h"

/* The only record of a batch. */
static struct kafka_record only_record(const struct verdict *v)
{
    struct kafka_record_batch batch;
    struct kafka_record_iterator it;
    struct kafka_record record, none;
    cr_assert_eq(kafka_record_batch_decode(bytes_of(v->batch, v->batch_size), &batch),
                 (int)v->batch_size);
    cr_assert_eq(batch.base_offset, 0);
    cr_assert_eq(batch.producer_id, -1);
    cr_assert_eq(kafka_record_iterator_init(&it, &batch), 0);
    cr_assert_eq(kafka_record_next(&it, &record), 1);
    cr_assert_eq(kafka_record_next(&it, &none), 0);
    return record;
}

#define assert_bytes(actual, literal)                                                              \
    cr_assert(bytes_is_equal(actual, bytes_of(literal, sizeof literal - 1)))

static struct verdict applied(struct consumer_table *t, struct byte_list body)
{
    struct verdict v = apply_list(t, &body, 0x0102030405060708);
    cr_assert_eq(v.error, 0);
    return v;
}

Test(cluster_consumer_record, lays_out_an_offset_as_key_1_and_value_3)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    struct verdict v = applied(t, commit_body("group", -1, "", "orders", 2, 258));
    struct kafka_record record = only_record(&v);
    assert_bytes(record.key, "\0\1\0\5group\0\6orders\0\0\0\2");
    assert_bytes(record.value, "\0\3\0\0\0\0\0\0\1\2\0\0\0\3\0\4note\1\2\3\4\5\6\7\10");
    cr_assert_eq(record.timestamp, 0x0102030405060708);
    verdict_free(&v);
    consumer_table_destroy(t);
}

Test(cluster_consumer_record, lays_out_an_offset_with_an_expiry_as_value_1)
{
    struct kafka_record_batch_builder b;
    struct slice batch;
    struct group_offset offset = {.topic = kafka_string_of("t"),
                                  .offset = 1,
                                  .leader_epoch = 5,
                                  .metadata = kafka_string_of("")};
    kafka_record_batch_builder_init(&b, 1000);
    group_record_offset(&b, kafka_string_of("g"), &offset, 7, 9);
    cr_assert_eq(kafka_record_batch_builder_finish(&b, &batch), 0);
    struct verdict v = {.batch = (uint8_t *)(uintptr_t)batch.bytes.data,
                        .batch_size = batch.bytes.size};
    struct kafka_record record = only_record(&v);
    assert_bytes(record.key, "\0\1\0\1g\0\1t\0\0\0\0");
    assert_bytes(record.value, "\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\11");
    slice_unref(&batch);
    kafka_record_batch_builder_close(&b);
}

Test(cluster_consumer_record, lays_out_a_membership_as_key_2_and_value_3)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    struct byte_list taken = generation_body("group", 9);
    cr_assert_eq(apply_error(t, &taken, 1), 0);
    struct verdict v = applied(t, membership_body("group", 9, 1));
    struct kafka_record record = only_record(&v);
    assert_bytes(record.key, "\0\2\0\5group");
    assert_bytes(record.value, "\0\3\0\10consumer\0\0\0\11\0\5range\0\2m0\1\2\3\4\5\6\7\10\0\0\0\1"
                               "\0\2m0\377\377\0\6client\0\12/127.0.0.1\0\0\352\140\0\0\47\20"
                               "\0\0\0\3sub\0\0\0\4part");
    verdict_free(&v);
    v = applied(t, membership_body("group", 9, 0));
    assert_bytes(only_record(&v).value, "\0\3\0\10consumer\0\0\0\11\377\377\377\377"
                                        "\1\2\3\4\5\6\7\10\0\0\0\0");
    verdict_free(&v);
    consumer_table_destroy(t);
}

Test(cluster_consumer_record, leaves_tombstones_for_what_is_gone)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    struct byte_list body = commit_body("group", -1, "", "orders", 2, 258);
    cr_assert_eq(apply_error(t, &body, 1), 0);
    struct verdict v = applied(t,
                               removal_body("group", "orders", 2, GROUP_OFFSET_ASKED, INT64_MAX));
    struct kafka_record record = only_record(&v);
    assert_bytes(record.key, "\0\1\0\5group\0\6orders\0\0\0\2");
    cr_assert_null(record.value.data);
    verdict_free(&v);

    body = generation_body("group", 1);
    cr_assert_eq(apply_error(t, &body, 1), 0);
    body = membership_body("group", 1, 0);
    cr_assert_eq(apply_error(t, &body, 1), 0);
    v = applied(t, delete_body("group", true));
    record = only_record(&v);
    assert_bytes(record.key, "\0\2\0\5group");
    cr_assert_null(record.value.data);
    verdict_free(&v);
    consumer_table_destroy(t);
}

Test(cluster_consumer_record, tells_nothing_of_numbers_taken)
{
    struct consumer_table *t;
    cr_assert_eq(consumer_table_create(&t), 0);
    struct verdict v = applied(t, generation_body("group", 1));
    cr_assert_eq(v.batch_size, 0);
    verdict_free(&v);
    v = applied(t, delete_body("group", true));
    cr_assert_eq(v.batch_size, 0, "nobody was ever told of this group");
    verdict_free(&v);
    consumer_table_destroy(t);
}
