/* ApiVersions: what goes through this router. A node of another release may know less; it then
 * refuses a version in words that the client understands, for its answer goes back as it stands. */
#include "protocol/error.h"
#include "protocol/messages.h"
#include "router/handlers.h"

#define APIS_MAX 128

static void answer_too_new(struct client_request *r, struct kafka_api_versions_response *response)
{
    response->error_code = KAFKA_ERROR_UNSUPPORTED_VERSION;
    r->header.api_version = 0;
}

void handle_api_versions(struct client_request *r)
{
    struct kafka_api_versions_response_api_key rows[APIS_MAX];
    struct kafka_api_versions_response response;
    kafka_api_versions_response_init(&response);
    response.api_keys = rows;
    for (size_t i = 0; i < kafka_api_count && response.api_keys_count < APIS_MAX; i++) {
        const struct kafka_api *api = &kafka_apis[i];
        if (router_handler_of(api->key) == NULL)
            continue;
        rows[response.api_keys_count++] = (struct kafka_api_versions_response_api_key){
            .api_key = api->key,
            .min_version = api->version_advertised,
            .max_version = api->version_max,
        };
    }
    if (r->message == NULL)
        answer_too_new(r, &response);
    client_request_answer(r, &response);
}
