/* FindCoordinator: a live router of this site, for each brings every request to the coordinator
 * that there is. All of them name the same one for a group. */
#include "protocol/error.h"
#include "router/face.h"
#include "router/handlers.h"
#include "router/router.h"

#define KEY_GROUP         0
#define VERSION_WITH_TYPE 1
#define VERSION_WITH_KEYS 4

static const struct face_broker nobody = {.id = -1, .host = {.data = "", .size = 0}, .port = -1};

static void answer_keys(struct client_request *r, const struct face *face,
                        const struct kafka_find_coordinator_request *message, int16_t error_code)
{
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
        const struct face_broker *chosen = error_code == 0
                                               ? face_choose(face, message->coordinator_keys[i], 0)
                                               : &nobody;
        kafka_find_coordinator_response_coordinator_init(into);
        into->key = message->coordinator_keys[i];
        into->error_code = error_code;
        into->node_id = chosen->id;
        into->host = chosen->host;
        into->port = chosen->port;
    }
    response.coordinators_count = (int32_t)count;
    client_request_answer(r, &response);
}

static void answer_one(struct client_request *r, const struct face *face, struct kafka_string key,
                       int16_t error_code)
{
    struct kafka_find_coordinator_response response;
    const struct face_broker *chosen = error_code == 0 ? face_choose(face, key, 0) : &nobody;
    kafka_find_coordinator_response_init(&response);
    response.error_code = error_code;
    response.node_id = chosen->id;
    response.host = chosen->host;
    response.port = chosen->port;
    client_request_answer(r, &response);
}

void handle_find_coordinator(struct client_request *r)
{
    const struct kafka_find_coordinator_request *message = r->message;
    bool is_group = r->header.api_version < VERSION_WITH_TYPE || message->key_type == KEY_GROUP;
    int16_t error_code = is_group ? KAFKA_ERROR_NONE
                                  : KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    struct face face;
    face_look(r->shard, &face);
    if (r->header.api_version >= VERSION_WITH_KEYS)
        answer_keys(r, &face, message, error_code);
    else
        answer_one(r, &face, message->key, error_code);
}
