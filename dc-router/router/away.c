#include "router/away.h"

#include "base/err.h"
#include "router/router.h"

struct away *away_create(struct client_request *r, bool is_lane, away_answer_cb on_answer,
                         away_failed_cb on_failed)
{
    struct away *a = client_request_allocate(r, sizeof *a);
    if (a == NULL) {
        client_request_end_client(r, "its answer needs too much memory");
        return NULL;
    }
    a->request = r;
    a->is_lane = is_lane;
    a->on_answer = on_answer;
    a->on_failed = on_failed;
    a->call.data = a->waiter.data = a;
    return a;
}

static void on_back(struct upstream_call *call, int status, struct slice answer)
{
    struct away *a = call->data;
    struct client_request *r = a->request;
    if (a->lane != NULL)
        lane_give_back(a->lane);
    a->lane = NULL;
    if (status != 0)
        a->on_failed(a, status);
    else if (a->on_answer == NULL || a->on_answer(a, answer))
        client_request_answer_bytes(r, answer);
    client_request_release(r);
}

void away_send(struct away *a, struct router_node *n)
{
    struct client_request *r = a->request;
    struct kafka_slices inner = {.items = &r->frame, .count = 1};
    const struct client_identity *identity = &r->client->identity;
    int err = a->is_lane ? router_node_send_lane(n, &a->call, identity, inner, on_back, &a->lane)
                         : router_node_send(n, &a->call, identity, inner, on_back);
    if (err == 0) {
        client_request_claim(r);
        return;
    }
    a->lane = NULL;
    a->on_failed(a, err == ERR_BUSY ? ERR_BUSY : UV_ENOTCONN);
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
