/* What any node does for the whole cluster: topics, configs, producer ids.
 *
 * A node that was not reached has done nothing, so another one is asked. Of one that took the
 * request and gave no answer nobody knows: the client's connection ends, as it would with the
 * node's own, and the client decides. */
#include "router/away.h"
#include "router/handlers.h"
#include "router/router.h"

#define ANYWHERE_MS_MAX 5000

static void try_node(struct away *a);

static void on_failed(struct away *a, int status)
{
    struct client_request *r = a->request;
    uint64_t waited_ms = router_now_ms(r->shard) - r->received_ms;
    bool is_untouched = status == UV_ENOTCONN;
    if (client_request_is_abandoned(r) || !is_untouched || waited_ms > ANYWHERE_MS_MAX)
        client_request_end_client(r, is_untouched ? "no node answers" : "the node gave no answer");
    else
        away_wait(a, try_node);
}

static void try_node(struct away *a)
{
    struct router_node *n = node_pool_any(a->request->shard,
                                          (uint64_t)a->request->client->identity.number);
    if (n == NULL)
        on_failed(a, UV_ENOTCONN);
    else
        away_send(a, n);
}

void handle_anywhere(struct client_request *r)
{
    struct away *a = away_create(r, false, NULL, on_failed);
    if (a != NULL)
        try_node(a);
}
