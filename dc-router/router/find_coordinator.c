/* FindCoordinator: this router, for it brings each request to the coordinator that there is. */
#include "protocol/error.h"
#include "router/handlers.h"
#include "router/router.h"

#define KEY_GROUP         0
#define VERSION_WITH_TYPE 1
#define VERSION_WITH_KEYS 4

static void answer_keys(struct client_request *r,
                        const struct kafka_find_coordinator_request *message, int16_t error_code)
{
    const struct router_settings *settings = r->shard->settings;
    struct kafka_find_coordinator_response response;
    size_t count = (size_t)message->coordinator_keys_count;
    kafka_find_coordinator_response_init(&response);
    response.coordinators = client_request_allocate(r, (count + 1) * sizeof *response.coordinators);
    if (response.coordinators == NULL) {
        client_request_end_client(r, "its answer needs too much memory");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        struct kafka_find_coordinator_response_coordinator *into = &response.coordinators[i];
        kafka_find_coordinator_response_coordinator_init(into);
        into->key = message->coordinator_keys[i];
        into->error_code = error_code;
        into->node_id = error_code == 0 ? (int32_t)settings->router_id : -1;
        into->host = kafka_string_of(error_code == 0 ? settings->advertised.host : "");
        into->port = error_code == 0 ? settings->advertised.port : -1;
    }
    response.coordinators_count = (int32_t)count;
    client_request_answer(r, &response);
}

void handle_find_coordinator(struct client_request *r)
{
    const struct kafka_find_coordinator_request *message = r->message;
    const struct router_settings *settings = r->shard->settings;
    bool is_group = r->header.api_version < VERSION_WITH_TYPE || message->key_type == KEY_GROUP;
    int16_t error_code = is_group ? KAFKA_ERROR_NONE
                                  : KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (r->header.api_version >= VERSION_WITH_KEYS) {
        answer_keys(r, message, error_code);
        return;
    }
    struct kafka_find_coordinator_response response;
    kafka_find_coordinator_response_init(&response);
    response.error_code = error_code;
    response.node_id = is_group ? (int32_t)settings->router_id : -1;
    response.host = kafka_string_of(is_group ? settings->advertised.host : "");
    response.port = is_group ? settings->advertised.port : -1;
    client_request_answer(r, &response);
}
