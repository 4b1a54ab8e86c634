/* FindCoordinator: a live router of this site, for each brings every request to the coordinator
 * that there is. All of them name the same one for a group. */
#include "protocol/error.h"
#include "router/face.h"
#include "router/handlers.h"
#include "router/permit.h"
#include "router/router.h"

#define KEY_GROUP         0
#define VERSION_WITH_TYPE 1
#define VERSION_WITH_KEYS 4

static const struct face_broker nobody = {.id = -1, .host = {.data = "", .size = 0}, .port = -1};

/* Of one key. */
static int16_t choose(struct client_request *r, const struct face *face, struct kafka_string key,
                      const struct face_broker **chosen)
{
    const struct kafka_find_coordinator_request *message = r->message;
    bool is_group = r->header.api_version < VERSION_WITH_TYPE || message->key_type == KEY_GROUP;
    *chosen = &nobody;
    if (!is_group)
        return KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED;
    if (!permit_group(r, key))
        return KAFKA_ERROR_GROUP_AUTHORIZATION_FAILED;
    *chosen = face_choose(face, face_site(face, key), key, 0);
    return KAFKA_ERROR_NONE;
}

static void answer_keys(struct client_request *r, const struct face *face)
{
    const struct kafka_find_coordinator_request *message = r->message;
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
        const struct face_broker *chosen;
        kafka_find_coordinator_response_coordinator_init(into);
        into->key = message->coordinator_keys[i];
        into->error_code = choose(r, face, into->key, &chosen);
        into->node_id = chosen->id;
        into->host = chosen->host;
        into->port = chosen->port;
    }
    response.coordinators_count = (int32_t)count;
    client_request_answer(r, &response);
}

static void answer_one(struct client_request *r, const struct face *face)
{
    const struct kafka_find_coordinator_request *message = r->message;
    struct kafka_find_coordinator_response response;
    const struct face_broker *chosen;
    kafka_find_coordinator_response_init(&response);
    response.error_code = choose(r, face, message->key, &chosen);
    response.node_id = chosen->id;
    response.host = chosen->host;
    response.port = chosen->port;
    client_request_answer(r, &response);
}

void handle_find_coordinator(struct client_request *r)
{
    struct face face;
    face_look(r->shard, r->client, &face);
    if (r->header.api_version >= VERSION_WITH_KEYS)
        answer_keys(r, &face);
    else
        answer_one(r, &face);
}
