/* A few messages of Kafka's Java library with known contents, so that each field is seen to
 * land where it belongs. */
#include "protocol/messages.h"

#include <criterion/criterion.h>

#include "base/err.h"
#include "hex.h"
#include "protocol/frame.h"

static uint8_t input[1024];
static struct kafka_arena arena;

static struct kafka_reader reader_of_hex(const char *hex)
{
    kafka_arena_init(&arena, 1 << 16);
    return kafka_reader_of(bytes_of_hex(hex, input, sizeof input));
}

Test(golden_values, are_read_from_a_producers_request_header)
{
    struct kafka_reader r = reader_of_hex("000000090000004d000a70726f64756365722d3100");
    struct kafka_request_header header;
    cr_assert_eq(kafka_request_header_decode(&r, &header), 0);
    cr_assert_eq(header.api, kafka_api_find(KAFKA_API_PRODUCE));
    cr_assert_eq(header.api_version, 9);
    cr_assert_eq(header.correlation_id, 77);
    cr_assert(kafka_string_is_text(header.client_id, "producer-1"));
    cr_assert_eq(kafka_reader_left(&r), 0);
}

Test(golden_values, are_read_from_an_api_versions_request)
{
    struct kafka_reader r = reader_of_hex("126170616368652d6b61666b612d6a61766106332e392e3000");
    struct kafka_api_versions_request m;
    cr_assert_eq(kafka_api_versions_request_decode(&r, 3, &arena, &m), 0);
    cr_assert(kafka_string_is_text(m.client_software_name, "apache-kafka-java"));
    cr_assert(kafka_string_is_text(m.client_software_version, "3.9.0"));
}

Test(golden_values, are_read_from_an_api_versions_response_with_tagged_fields)
{
    struct kafka_reader r = reader_of_hex(
        "00000300000003000b00001200000003000000000c020108000000000000000602080202660002000100");
    struct kafka_api_versions_response m;
    cr_assert_eq(kafka_api_versions_response_decode(&r, 3, &arena, &m), 0);
    cr_assert_eq(m.api_keys_count, 2);
    cr_assert_eq(m.api_keys[0].api_key, 0);
    cr_assert_eq(m.api_keys[0].min_version, 3);
    cr_assert_eq(m.api_keys[0].max_version, 11);
    cr_assert_eq(m.api_keys[1].api_key, 18);
    cr_assert_eq(m.throttle_time_ms, 12);
    cr_assert_eq(m.finalized_features_epoch, 6);
    cr_assert_eq(m.finalized_features_count, 1);
    cr_assert(kafka_string_is_text(m.finalized_features[0].name, "f"));
    cr_assert_eq(m.finalized_features[0].max_version_level, 2);
    cr_assert_eq(m.supported_features_count, 0);
    kafka_arena_close(&arena);
}

static void check_metadata(const struct kafka_metadata_response *m)
{
    cr_assert_eq(m->brokers_count, 1);
    cr_assert_eq(m->brokers[0].node_id, 1);
    cr_assert(kafka_string_is_text(m->brokers[0].host, "127.0.0.1"));
    cr_assert_eq(m->brokers[0].port, 9092);
    cr_assert(kafka_string_is_text(m->brokers[0].rack, "a"));
    cr_assert_eq(m->controller_id, 2);
    cr_assert_eq(m->topics_count, 1);
    cr_assert(kafka_string_is_text(m->topics[0].name, "orders"));
    cr_assert_eq(m->topics[0].partitions_count, 1);
    const struct kafka_metadata_response_partition *p = &m->topics[0].partitions[0];
    cr_assert_eq(p->partition_index, 3);
    cr_assert_eq(p->leader_id, 1);
    cr_assert_eq(p->replica_nodes_count, 3);
    cr_assert_eq(p->replica_nodes[2], 3);
    cr_assert_eq(p->isr_nodes_count, 2);
}

Test(golden_values, are_read_from_metadata_of_the_old_kind)
{
    struct kafka_reader r = reader_of_hex(
        "000000010000000100093132372e302e302e31000023840001610000000200000001000000066f"
        "7264657273000000000100000000000300000001000000030000000100000002000000030000"
        "00020000000100000002");
    struct kafka_metadata_response m;
    cr_assert_eq(kafka_metadata_response_decode(&r, 1, &arena, &m), 0);
    check_metadata(&m);
    cr_assert(kafka_string_is_null(m.cluster_id), "version 1 has none");
    cr_assert_eq(m.topics[0].partitions[0].leader_epoch, -1, "version 1 has none");
    kafka_arena_close(&arena);
}

Test(golden_values, are_read_from_metadata_of_the_newest_kind)
{
    struct kafka_reader r = reader_of_hex(
        "0000000002000000010a3132372e302e302e310000238402610003636c00000002020000076f72"
        "646572730102030405060708090a0b0c0d0e0f10000200000000000300000001000000080400"
        "0000010000000200000003030000000100000002020000000300800000000000");
    struct kafka_metadata_response m;
    cr_assert_eq(kafka_metadata_response_decode(&r, 12, &arena, &m), 0);
    check_metadata(&m);
    cr_assert(kafka_string_is_text(m.cluster_id, "cl"));
    cr_assert_eq(m.topics[0].partitions[0].leader_epoch, 8);
    cr_assert_eq(m.topics[0].partitions[0].offline_replicas[0], 3);
    cr_assert_eq(m.topics[0].topic_id.bytes[15], 0x10);
    cr_assert_eq(m.topics[0].topic_authorized_operations, INT32_MIN);
    kafka_arena_close(&arena);
}

Test(golden_values, tell_no_topics_from_all_topics)
{
    struct kafka_reader r = reader_of_hex("00000000");
    struct kafka_metadata_request m;
    cr_assert_eq(kafka_metadata_request_decode(&r, 12, &arena, &m), 0);
    cr_assert_eq(m.topics_count, -1);
    cr_assert(!m.allow_auto_topic_creation);
}

/* What a broker that does not know the version answers (KIP-511). */
Test(golden_values, are_written_for_an_api_versions_request_of_too_new_a_version)
{
    struct kafka_reader r = reader_of_hex("0012006300000001000163" /* version 99 */ "00");
    struct kafka_request_header header;
    cr_assert_eq(kafka_request_header_decode(&r, &header), 0);
    cr_assert(!kafka_api_has_version(header.api, header.api_version));
    struct kafka_api_versions_response_api_key row = {KAFKA_API_API_VERSIONS, 0, 3};
    struct kafka_api_versions_response m;
    kafka_api_versions_response_init(&m);
    m.error_code = 35;
    m.api_keys = &row;
    m.api_keys_count = 1;
    struct kafka_writer w;
    kafka_writer_init(&w, 1000);
    kafka_response_header_encode(&w, header.api, header.api_version, header.correlation_id);
    cr_assert_eq(kafka_api_versions_response_encode(&w, 0, &m), 0);
    cr_assert_eq(kafka_writer_finish(&w), 0);
    uint8_t out[64], expected[64];
    struct bytes bytes = bytes_of(out, kafka_writer_copy(&w, out, sizeof out));
    cr_assert(bytes_is_equal(bytes, bytes_of_hex("0000001000000001002300000001001200000003",
                                                 expected, sizeof expected)));
    kafka_writer_close(&w);
}
