#include "protocol/api_key.h"

#include <criterion/criterion.h>
#include <string.h>

#include "protocol/error.h"

Test(kafka_api, is_found_by_its_key_and_only_by_that)
{
    size_t found = 0;
    for (int key = INT16_MIN; key <= INT16_MAX; key++) {
        const struct kafka_api *api = kafka_api_find((int16_t)key);
        cr_assert(api == NULL || api->key == key);
        found += api != NULL;
    }
    cr_assert_eq(found, kafka_api_count);
    cr_assert_eq(found, 31);
}

Test(kafka_api, names_versions_as_clients_need_them)
{
    const struct kafka_api *produce = kafka_api_find(KAFKA_API_PRODUCE);
    cr_assert_str_eq(produce->name, "Produce");
    cr_assert_eq(produce->version_advertised, 0, "old librdkafka derives features from it");
    cr_assert(!kafka_api_has_version(produce, 2));
    cr_assert(kafka_api_has_version(produce, 3));
    cr_assert(kafka_api_has_version(produce, 11));
    cr_assert(!kafka_api_has_version(produce, 12));
    for (size_t i = 0; i < kafka_api_count; i++)
        if (&kafka_apis[i] != produce)
            cr_assert_eq(kafka_apis[i].version_advertised, kafka_apis[i].version_min);
}

Test(kafka_error, has_a_name_and_a_sentence_for_every_code)
{
    cr_assert_str_eq(kafka_error_name(KAFKA_ERROR_OFFSET_OUT_OF_RANGE), "OFFSET_OUT_OF_RANGE");
    cr_assert_str_eq(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
    cr_assert_str_eq(kafka_error_name(9999), "UNKNOWN");
    for (int16_t code = -1; code <= 133; code++)
        cr_assert(strcmp(kafka_error_name(code), "UNKNOWN") != 0, "%d", code);
}
