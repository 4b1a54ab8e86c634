/* FindCoordinator: which node leads the raft group where a consumer group lives.
 *
 * The topic that carries consumer groups is made when it is first needed; whoever asks waits for
 * that, and is told to come again when it takes long. Transactions have no coordinator here: the
 * answer is one that no client tries again. */
#include <string.h>

#include "base/err.h"
#include "base/random.h"
#include "consumer/group_place.h"
#include "controller.h"
#include "consumer/coordinator.h"
#include "protocol/error.h"
#include "request.h"
#include "request/text.h"

#define KEY_GROUP         0
#define KEY_TRANSACTION   1
#define VERSION_WITH_TYPE 1
#define VERSION_WITH_KEYS 4
#define CREATE_TIMEOUT_MS 3000

struct find_coordinator {
    struct request *request;
    struct controller_change change; /* creates the topic */
    struct request_deadline pause;   /* while a coordinator is being elected */
    struct kafka_find_coordinator_response response;
};

struct found {
    int16_t error_code;
    const char *why; /* sentence for the client, or NULL */
    int32_t node_id, port;
    struct kafka_string host;
};

static int8_t key_type(const struct request *r)
{
    const struct kafka_find_coordinator_request *message = r->message;
    return r->header.api_version >= VERSION_WITH_TYPE ? message->key_type : KEY_GROUP;
}

/* ---- finding ---- */

static struct found refused(int16_t error_code, const char *why)
{
    return (struct found){.error_code = error_code,
                          .why = why,
                          .node_id = -1,
                          .port = -1,
                          .host = kafka_string_of("")};
}

static struct found describe_node(struct request *r, uint32_t node_id)
{
    struct metadata *m = r->broker->metadata;
    struct found found = refused(KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, NULL);
    metadata_read_lock(m);
    const struct metadata_node *node = metadata_node_by_id(m, node_id);
    if (node != NULL) {
        found.error_code = KAFKA_ERROR_NONE;
        found.node_id = (int32_t)node_id;
        found.port = node->port;
        found.host = text_copy(r, node->host);
    }
    metadata_read_unlock(m);
    return found;
}

static struct found find(struct request *r, struct kafka_string key)
{
    struct broker_place place;
    if (key_type(r) == KEY_TRANSACTION)
        return refused(KAFKA_ERROR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
                       "Transactions are not supported.");
    if (key_type(r) != KEY_GROUP)
        return refused(KAFKA_ERROR_INVALID_REQUEST, "The key type is not known.");
    if (key.size < 0)
        return refused(KAFKA_ERROR_INVALID_GROUP_ID, NULL);
    if (coordinator_place(r->broker, key.data, (size_t)key.size, &place) != 0)
        return refused(KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, NULL);
    uint32_t leader = broker_group_leader(r->broker, place.group_id, NULL);
    bool is_here = leader == (uint32_t)r->broker->conf.node_id;
    if (leader == 0 || (!is_here && !repl_node_is_alive(r->broker->node, leader)))
        return refused(KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE, NULL);
    return describe_node(r, leader);
}

/* ---- answering ---- */

static struct kafka_string sentence(struct request *r, const struct found *found)
{
    return found->why == NULL ? KAFKA_STRING_NULL : text_copy(r, found->why);
}

static void answer_one(struct find_coordinator *f)
{
    struct request *r = f->request;
    const struct kafka_find_coordinator_request *message = r->message;
    struct found found = find(r, message->key);
    f->response.error_code = found.error_code;
    f->response.error_message = sentence(r, &found);
    f->response.node_id = found.node_id;
    f->response.host = found.host;
    f->response.port = found.port;
    request_answer(r, &f->response);
}

static void answer_keys(struct find_coordinator *f)
{
    struct request *r = f->request;
    const struct kafka_find_coordinator_request *message = r->message;
    int32_t count = message->coordinator_keys_count;
    f->response.coordinators = request_array(r, (size_t)count, sizeof *f->response.coordinators);
    if (f->response.coordinators == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    f->response.coordinators_count = count;
    for (int32_t i = 0; i < count; i++) {
        struct kafka_find_coordinator_response_coordinator *into = &f->response.coordinators[i];
        struct found found = find(r, message->coordinator_keys[i]);
        kafka_find_coordinator_response_coordinator_init(into);
        into->key = message->coordinator_keys[i];
        into->error_code = found.error_code;
        into->error_message = sentence(r, &found);
        into->node_id = found.node_id;
        into->host = found.host;
        into->port = found.port;
    }
    request_answer(r, &f->response);
}

static void answer(struct find_coordinator *f)
{
    kafka_find_coordinator_response_init(&f->response);
    if (f->request->header.api_version >= VERSION_WITH_KEYS)
        answer_keys(f);
    else
        answer_one(f);
}

/* ---- elections ---- */

static bool is_electing(struct request *r, struct kafka_string key)
{
    struct broker_place place;
    return key_type(r) == KEY_GROUP && key.size >= 0 &&
           coordinator_place(r->broker, key.data, (size_t)key.size, &place) == 0 &&
           broker_group_is_electing(r->broker, place.group_id);
}

static bool is_any_electing(struct request *r)
{
    const struct kafka_find_coordinator_request *message = r->message;
    if (r->header.api_version < VERSION_WITH_KEYS)
        return is_electing(r, message->key);
    for (int32_t i = 0; i < message->coordinator_keys_count; i++)
        if (is_electing(r, message->coordinator_keys[i]))
            return true;
    return false;
}

static void answer_when_elected(struct find_coordinator *f);

static void on_pause_over(struct request_deadline *pause)
{
    answer_when_elected(pause->data);
}

/* As with Metadata: who has just lost a coordinator would go into a pause of its own, longer than
 * the election. */
static void answer_when_elected(struct find_coordinator *f)
{
    struct request *r = f->request;
    if (!is_any_electing(r)) {
        answer(f);
        return;
    }
    f->pause.data = f;
    request_deadline_start(r, &f->pause, clock_now_ms(&r->broker->clock) + BROKER_ELECTION_PAUSE_MS,
                           on_pause_over);
}

/* ---- the topic ---- */

/* The voters of a raft group of the founding, which is how many replicas there are; 0 before there
 * are groups. */
static int16_t voters(struct broker *b)
{
    metadata_read_lock(b->metadata);
    unsigned count = metadata_group_count(b->metadata);
    const struct metadata_group *group = metadata_group_at(b->metadata, count > 1 ? 1 : 0);
    int16_t voter_count = group == NULL ? 0 : (int16_t)group->node_count;
    metadata_read_unlock(b->metadata);
    return voter_count;
}

/* Whatever came of it (another may have been first): what is there now is answered. */
static void on_created(struct controller_change *change, int status)
{
    (void)status;
    answer(change->data);
}

static void create_topic(struct find_coordinator *f)
{
    struct broker *b = f->request->broker;
    struct metadata_change change = {
        .kind = METADATA_TOPIC_CREATE,
        .name = OFFSETS_TOPIC,
        .is_internal = true,
        .replication_factor = voters(b),
        .partition_count = (int32_t)b->conf.offsets_topic_num_partitions,
    };
    struct random random;
    group_place_configure(&change);
    random_init_system(&random);
    for (unsigned i = 0; i < sizeof change.id; i += 8)
        bytes_put_le64(change.id + i, random_u64(&random));
    if (change.replication_factor == 0 ||
        metadata_change_encode(&change, &f->change.body, &f->change.body_size) != 0) {
        answer(f);
        return;
    }
    f->change.data = f;
    f->change.home = f->request->shard;
    f->change.timeout_ms = CREATE_TIMEOUT_MS;
    controller_propose(b->controller, &f->change, on_created);
}

void request_handle_find_coordinator(struct request *r)
{
    struct find_coordinator *f = request_allocate(r, sizeof *f);
    struct broker_place place;
    if (f == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    f->request = r;
    if (key_type(r) == KEY_GROUP && coordinator_place(r->broker, "", 0, &place) != 0)
        create_topic(f);
    else
        answer_when_elected(f);
}
