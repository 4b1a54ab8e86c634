/* ApiVersions: what this broker speaks (KIP-35, KIP-511). */
#include "error_code.h"
#include "request.h"

void request_handle_api_versions(struct request *r)
{
    struct kafka_api_versions_response response;
    struct kafka_api_versions_response_api_key *rows = request_array(r, kafka_api_count,
                                                                     sizeof *rows);
    if (rows == NULL) {
        request_close_connection(r, "out of memory");
        return;
    }
    for (size_t i = 0; i < kafka_api_count; i++) {
        kafka_api_versions_response_api_key_init(&rows[i]);
        rows[i].api_key = kafka_apis[i].key;
        rows[i].min_version = kafka_apis[i].version_advertised;
        rows[i].max_version = kafka_apis[i].version_max;
    }
    kafka_api_versions_response_init(&response);
    response.api_keys = rows;
    response.api_keys_count = (int32_t)kafka_api_count;
    request_answer(r, &response);
}
