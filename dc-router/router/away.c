#include "router/away.h"

#include "base/err.h"
#include "router/own_request.h"
#include "router/router.h"

struct away *away_create(struct client_request *r, uint64_t lane_ms, away_answer_cb on_answer,
                         away_failed_cb on_failed)
{
    struct away *a = client_request_allocate(r, sizeof *a);
    if (a == NULL) {
        client_request_end_client(r, "its answer needs too much memory");
        return NULL;
    }
    a->request = r;
    a->lane_ms = lane_ms;
    a->on_answer = on_answer;
    a->on_failed = on_failed;
    a->call.data = a->lane_call.data = a->waiter.data = a;
    return a;
}

/* As it came; but what can't be read is not handed on to somebody who might believe it. */
static void pass_on(struct client_request *r, struct slice answer)
{
    struct own_answer own;
    if (own_answer_read(&own, (enum kafka_api_key)r->header.api->key, r->header.api_version,
                        answer) != 0) {
        client_request_end_client(r, "a node's answer is malformed");
        return;
    }
    own_answer_close(&own);
    client_request_answer_bytes(r, answer);
}

static void take_back(struct away *a, int status, struct slice answer)
{
    struct client_request *r = a->request;
    if (status != 0)
        a->on_failed(a, status);
    else if (a->on_answer == NULL || a->on_answer(a, answer))
        pass_on(r, answer);
    client_request_release(r);
}

static void on_back(struct upstream_call *call, int status, struct slice answer)
{
    take_back(call->data, status, answer);
}

static void on_lane_back(struct lane_call *call, int status, struct slice answer)
{
    take_back(call->data, status, answer);
}

static int send_lane(struct away *a, struct router_node *n, struct kafka_slices inner)
{
    a->lane_call.give_up_ms = router_now_ms(a->request->shard) + a->lane_ms;
    return router_node_send_lane(n, &a->lane_call, &a->request->client->identity, inner,
                                 on_lane_back);
}

void away_send(struct away *a, struct router_node *n)
{
    struct client_request *r = a->request;
    struct kafka_slices inner = {.items = r->instead.owner != NULL ? &r->instead : &r->frame,
                                 .count = 1};
    int err = a->lane_ms > 0 ? send_lane(a, n, inner)
                             : router_node_send(n, &a->call, &r->client->identity, inner, on_back);
    if (err == 0)
        client_request_claim(r);
    else
        a->on_failed(a, UV_ENOTCONN);
}

static void on_told(struct map_waiter *w)
{
    struct away *a = w->data;
    struct client_request *r = a->request;
    a->on_again(a);
    client_request_release(r);
}

void away_wait(struct away *a, void (*again)(struct away *a))
{
    client_request_claim(a->request);
    a->on_again = again;
    cluster_map_wait(a->request->shard, &a->waiter, on_told);
}
