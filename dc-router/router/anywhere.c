/* What any node does for the whole cluster: topics, configs, producer ids.
 *
 * A node that was not reached has done nothing, so another one is asked; so it is where asking
 * twice does no harm. What another kind has done nobody knows while its node is silent, so its
 * answer is waited for. When the connection to the node ends, or the time, the client's ends too,
 * as it would with the node's own, and the client decides. */
#include "base/err.h"
#include "protocol/messages.h"
#include "router/away.h"
#include "router/handlers.h"
#include "router/permit.h"
#include "router/router.h"

#define ANYWHERE_MS_MAX 5000  /* that a node is looked for */
#define SOON_MS_MAX     10000 /* that a node takes for what says nothing of time */
#define ASKED_MS_MAX    (5 * 60 * 1000)

static void try_node(struct away *a);

static bool may_be_repeated(int16_t key)
{
    return key == KAFKA_API_DESCRIBE_CONFIGS || key == KAFKA_API_DESCRIBE_LOG_DIRS ||
           key == KAFKA_API_LIST_PARTITION_REASSIGNMENTS ||
           key == KAFKA_API_INIT_PRODUCER_ID; /* an id that nobody uses */
}

static void on_failed(struct away *a, int status)
{
    struct client_request *r = a->request;
    uint64_t waited_ms = router_now_ms(r->shard) - r->received_ms;
    bool is_untouched = status == UV_ENOTCONN || status == ERR_TIMEOUT;
    bool may_go_on = waited_ms <= ANYWHERE_MS_MAX &&
                     (is_untouched ||
                      (status == ERR_CLOSED && may_be_repeated(r->header.api->key)));
    if (client_request_is_abandoned(r) || !may_go_on)
        client_request_end_client(r, is_untouched ? "no node answers" : "the node gave no answer");
    else
        away_wait(a, try_node);
}

static void try_node(struct away *a)
{
    struct router_node *n = node_pool_any(a->request->shard, a->request->client->identity.turn);
    if (n == NULL)
        on_failed(a, UV_ENOTCONN);
    else
        away_send(a, n);
}

static int32_t asked_ms(const struct client_request *r)
{
    const void *m = r->message;
    switch (r->header.api->key) {
    case KAFKA_API_CREATE_TOPICS:
        return ((const struct kafka_create_topics_request *)m)->timeout_ms;
    case KAFKA_API_DELETE_TOPICS:
        return ((const struct kafka_delete_topics_request *)m)->timeout_ms;
    case KAFKA_API_CREATE_PARTITIONS:
        return ((const struct kafka_create_partitions_request *)m)->timeout_ms;
    case KAFKA_API_ELECT_LEADERS:
        return ((const struct kafka_elect_leaders_request *)m)->timeout_ms;
    default:
        return 0;
    }
}

void ask_anywhere(struct client_request *r, uint64_t ms_max, away_answer_cb on_answer)
{
    struct away *a = away_create(r, ms_max, on_answer, on_failed);
    if (a == NULL)
        return;
    a->lane_call.outlasts_silence = !may_be_repeated(r->header.api->key);
    try_node(a);
}

void handle_anywhere(struct client_request *r)
{
    if (refuse_anywhere(r))
        return;
    int32_t ms = asked_ms(r);
    uint64_t lane_ms = ms <= 0 ? 0 : ms < ASKED_MS_MAX ? (uint64_t)ms : ASKED_MS_MAX;
    ask_anywhere(r, lane_ms + SOON_MS_MAX, NULL);
}
