/* ApiVersions: what this broker speaks (KIP-35, KIP-511).
 *
 * Envelope is shown to those who may send one, and to nobody else: Kafka shows it to no client, and
 * one that can't use it should not think of it. A router finds out by it whether it is trusted, and
 * what it shows its own clients has no Envelope, as theirs come to the node within one. */
#include "error_code.h"
#include "request.h"

#define VERSION_WITH_SOFTWARE 3

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* KIP-511: letters and digits, inside also '-' and '.'. */
static bool is_software_name(struct kafka_string name)
{
    for (int32_t i = 0; i < name.size; i++)
        if (!is_plain(name.data[i]) && name.data[i] != '-' && name.data[i] != '.')
            return false;
    return name.size > 0 && is_plain(name.data[0]) && is_plain(name.data[name.size - 1]);
}

static bool is_sound(const struct request *r)
{
    const struct kafka_api_versions_request *message = r->message;
    return r->header.api_version < VERSION_WITH_SOFTWARE ||
           (is_software_name(message->client_software_name) &&
            is_software_name(message->client_software_version));
}

void request_handle_api_versions(struct request *r)
{
    struct kafka_api_versions_response response;
    kafka_api_versions_response_init(&response);
    if (!is_sound(r)) {
        response.error_code = KAFKA_ERROR_INVALID_REQUEST;
        request_answer(r, &response);
        return;
    }
    struct kafka_api_versions_response_api_key *rows = request_array(r, kafka_api_count,
                                                                     sizeof *rows);
    if (rows == NULL) {
        request_close_connection(r, "out of memory");
        return;
    }
    response.api_keys = rows;
    for (size_t i = 0; i < kafka_api_count; i++) {
        if (kafka_apis[i].key == KAFKA_API_ENVELOPE && !r->context.may_pass_on)
            continue;
        struct kafka_api_versions_response_api_key *row = &rows[response.api_keys_count++];
        kafka_api_versions_response_api_key_init(row);
        row->api_key = kafka_apis[i].key;
        row->min_version = kafka_apis[i].version_advertised;
        row->max_version = kafka_apis[i].version_max;
    }
    request_answer(r, &response);
}
