/*   known? --no--> FindCoordinator at any node --> known
 *     '--yes--> sent --> answered, or "not here any more", "not yet" --> forgotten, and again */
#include "router/group_part.h"

#include "base/err.h"
#include "protocol/error.h"
#include "router/own_request.h"
#include "router/router.h"

#define FIND_VERSION 3
#define GROUP_MS_MAX 5000 /* that a request looks for its coordinator */
#define TRIES_MAX    3    /* coordinators that give no answer */

static void go_on(struct group_part *p);

/* ---- the client's line ---- */

/* What changes offsets, or tells them, goes one after another: sent again, a commit would come
 * behind one that was made after it. */
static bool is_ordered(const struct group_part *p)
{
    int16_t key = p->request->header.api->key;
    return key == KAFKA_API_OFFSET_COMMIT || key == KAFKA_API_OFFSET_FETCH ||
           key == KAFKA_API_OFFSET_DELETE || key == KAFKA_API_LEAVE_GROUP ||
           key == KAFKA_API_DELETE_GROUPS;
}

/* True: it is its turn. */
static bool join_line(struct group_part *p)
{
    struct client *c = p->request->client;
    bool is_first = c->group_first == NULL;
    if (is_first)
        c->group_first = p;
    else
        c->group_last->line_next = p;
    c->group_last = p;
    return is_first;
}

static void leave_line(struct group_part *p)
{
    struct client *c = p->request->client;
    c->group_first = p->line_next;
    if (c->group_first == NULL)
        c->group_last = NULL;
    else
        go_on(c->group_first);
}

/* What would set a group back if it came late. */
static bool is_commit(const struct group_part *p)
{
    int16_t key = p->request->header.api->key;
    return key == KAFKA_API_OFFSET_COMMIT || key == KAFKA_API_OFFSET_DELETE;
}

/* A connection to the coordinator has ended with the commit on it. The node may still have it
 * unread, ended or reset, and do it after whatever comes on another connection. If the node leads
 * no more, or is another process, it refuses it or has lost it; else neither the commit nor a later
 * one may go there in this client's name. The client's connection ends, as it would at a node: what
 * is left of it counts no more once its next one is heard (docs/kafka.md). */
static bool is_astray(const struct group_part *p, const struct router_node *n)
{
    return is_commit(p) && (p->request->client->is_commit_astray ||
                            (p->left_at == n && p->left_life == n->moment.life));
}

/* Nothing has been heard of the node since: it may have died, and somebody else leads soon. */
static bool is_to_be_heard(const struct group_part *p, const struct router_node *n)
{
    return is_commit(p) && p->left_at == n && n->answered_ms <= p->looking_ms;
}

static void end(struct group_part *p, int status, struct slice answer)
{
    struct client_request *r = p->request;
    bool was_in_line = is_ordered(p);
    client_claim(r->client);
    p->cb(p, status, answer);
    if (was_in_line)
        leave_line(p);
    client_release(r->client);
    client_request_release(r);
}

static bool is_too_late(const struct group_part *p)
{
    const struct client_request *r = p->request;
    return r->client->is_ending || p->tries >= TRIES_MAX ||
           router_now_ms(r->shard) - p->looking_ms > GROUP_MS_MAX;
}

static void on_told(struct map_waiter *w)
{
    struct group_part *p = w->data;
    if (is_too_late(p))
        end(p, ERR_TIMEOUT, (struct slice){0});
    else
        go_on(p);
}

static void wait(struct group_part *p)
{
    cluster_map_forget_coordinator(p->request->shard, p->group_id);
    p->waiter.data = p;
    cluster_map_wait(p->request->shard, &p->waiter, on_told);
}

/* ---- finding ---- */

static void on_found(struct upstream_call *call, int status, struct slice answer)
{
    struct group_part *p = call->data;
    struct own_answer own;
    int32_t node_id = -1;
    if (status == 0 &&
        own_answer_read(&own, KAFKA_API_FIND_COORDINATOR, FIND_VERSION, answer) == 0) {
        const struct kafka_find_coordinator_response *found = own.message;
        if (found->error_code == KAFKA_ERROR_NONE)
            node_id = found->node_id;
        own_answer_close(&own);
    }
    const struct router_node *n = node_pool_find(p->request->shard, node_id);
    if (n == NULL || !router_node_is_up(n)) { /* asked again at once, they would say so again */
        wait(p);
        return;
    }
    cluster_map_learn_coordinator(p->request->shard, p->group_id, node_id);
    go_on(p);
}

static void find(struct group_part *p)
{
    struct router_shard *s = p->request->shard;
    struct router_node *n = node_pool_any(s, p->request->client->identity.turn);
    struct kafka_find_coordinator_request request;
    kafka_find_coordinator_request_init(&request);
    request.key = p->group_id;
    p->find_call.data = p;
    if (n == NULL || own_request_send(n, &p->find_call, KAFKA_API_FIND_COORDINATOR, FIND_VERSION,
                                      &request, on_found) != 0)
        wait(p);
}

/* ---- asking ---- */

static int16_t first_commit_error(const struct kafka_offset_commit_response *m)
{
    return m->topics_count == 0 || m->topics[0].partitions_count == 0
               ? KAFKA_ERROR_NONE
               : m->topics[0].partitions[0].error_code;
}

static int16_t first_fetch_error(const struct kafka_offset_fetch_response *m)
{
    return m->groups_count > 0 ? m->groups[0].error_code : m->error_code;
}

static int16_t error_in(int16_t key, const void *message)
{
    const struct kafka_describe_groups_response *described = message;
    const struct kafka_delete_groups_response *deleted = message;
    switch (key) {
    case KAFKA_API_JOIN_GROUP:
        return ((const struct kafka_join_group_response *)message)->error_code;
    case KAFKA_API_SYNC_GROUP:
        return ((const struct kafka_sync_group_response *)message)->error_code;
    case KAFKA_API_HEARTBEAT:
        return ((const struct kafka_heartbeat_response *)message)->error_code;
    case KAFKA_API_LEAVE_GROUP:
        return ((const struct kafka_leave_group_response *)message)->error_code;
    case KAFKA_API_OFFSET_COMMIT:
        return first_commit_error(message);
    case KAFKA_API_OFFSET_FETCH:
        return first_fetch_error(message);
    case KAFKA_API_OFFSET_DELETE:
        return ((const struct kafka_offset_delete_response *)message)->error_code;
    case KAFKA_API_DESCRIBE_GROUPS:
        return described->groups_count > 0 ? described->groups[0].error_code : 0;
    case KAFKA_API_DELETE_GROUPS:
        return deleted->groups_count > 0 ? deleted->groups[0].error_code : 0;
    default:
        return KAFKA_ERROR_NONE;
    }
}

/* 0: it says `error_code`. Else nothing of it goes to the client, who might believe it. */
static int read_error(const struct group_part *p, struct slice answer, int16_t *error_code)
{
    const struct client_request *r = p->request;
    struct own_answer own;
    if (own_answer_read(&own, (enum kafka_api_key)r->header.api->key, r->header.api_version,
                        answer) != 0)
        return ERR_MALFORMED;
    *error_code = error_in(r->header.api->key, own.message);
    own_answer_close(&own);
    return 0;
}

/* Is it somebody else's to say, or too early to say it? A coordinator that is new has not done what
 * it answers so, and is ready soon: each client would have to wait for that by itself, and kafkajs
 * leaves its group over it. */
static bool is_to_be_asked_again(int16_t error_code)
{
    return error_code == KAFKA_ERROR_NOT_COORDINATOR ||
           error_code == KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE ||
           error_code == KAFKA_ERROR_COORDINATOR_LOAD_IN_PROGRESS;
}

/* ---- what is parked at nodes ---- */

static void park(struct group_part *p)
{
    struct client *c = p->request->client;
    p->parked_next = c->group_parked;
    c->group_parked = p;
}

static void unpark(struct group_part *p)
{
    struct group_part **at = &p->request->client->group_parked;
    while (*at != p)
        at = &(*at)->parked_next;
    *at = p->parked_next;
}

void group_parts_abandon(struct client *c)
{
    while (c->group_parked != NULL)
        lane_call_abandon(&c->group_parked->lane_call); /* it comes back from inside */
}

static void take_answer(struct group_part *p, struct slice answer)
{
    int16_t error_code;
    int err = read_error(p, answer, &error_code);
    if (err != 0 || is_too_late(p) || !is_to_be_asked_again(error_code))
        end(p, err, answer);
    else
        wait(p);
}

static void take_back(struct group_part *p, int status, struct slice answer)
{
    if (status == ERR_CLOSED) { /* the coordinator had it, for as long as it liked */
        p->looking_ms = router_now_ms(p->request->shard);
        p->tries++;
        p->left_at = p->sent_to;
        p->left_life = p->sent_life;
    }
    if (status == 0)
        take_answer(p, answer);
    else if (status == ERR_INVALID)
        end(p, status, answer);
    else
        wait(p);
}

static void on_back(struct upstream_call *call, int status, struct slice answer)
{
    take_back(call->data, status, answer);
}

static void on_lane_back(struct lane_call *call, int status, struct slice answer)
{
    unpark(call->data);
    take_back(call->data, status, answer);
}

static int send_lane(struct group_part *p, struct router_node *n)
{
    p->lane_call.data = p;
    p->lane_call.kind = LANE_GROUPS;
    p->lane_call.give_up_ms = router_now_ms(p->request->shard) + p->lane_ms;
    int err = router_node_send_lane(n, &p->lane_call, &p->request->client->identity, p->inner,
                                    on_lane_back);
    if (err == 0)
        park(p);
    return err;
}

static void send_part(struct group_part *p, struct router_node *n)
{
    p->call.data = p;
    p->sent_to = n;
    p->sent_life = n->moment.life;
    int err = p->lane_ms > 0
                  ? send_lane(p, n)
                  : router_node_send(n, &p->call, &p->request->client->identity, p->inner, on_back);
    if (err != 0)
        wait(p);
}

static void go_on(struct group_part *p)
{
    struct router_shard *s = p->request->shard;
    struct router_node *n = node_pool_find(s, cluster_map_coordinator(s, p->group_id));
    if (n == NULL || !router_node_is_up(n)) {
        find(p);
    } else if (is_to_be_heard(p, n)) {
        wait(p);
    } else if (is_astray(p, n)) {
        p->request->client->is_commit_astray = true;
        end(p, ERR_CLOSED, (struct slice){0});
    } else {
        send_part(p, n);
    }
}

void group_part_start(struct group_part *p, group_part_cb cb)
{
    p->cb = cb;
    p->looking_ms = p->request->received_ms;
    client_request_claim(p->request);
    if (!is_ordered(p) || join_line(p))
        go_on(p);
}
