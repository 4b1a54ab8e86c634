/* Produce: each batch to its partition's leader, held and sent again when that goes away.
 *
 *   sent ──▶ acknowledged ──▶ answered
 *     '──▶ refused by who leads no more, or never reached ──▶ held ──▶ sent again …
 *     '──▶ fate unknown ──▶ idempotent? held ──▶ sent again … : answered REQUEST_TIMED_OUT
 *
 * What is held waits for a leader within the request's own timeout. A success is only ever a
 * leader's. A batch of unknown fate is sent again if its producer is idempotent: the leader knows
 * it by its sequence. Any other is answered as Kafka answers what it does not know (KIP-185's
 * world).
 *
 * A node that answers probes may be silent about a batch (a disk that hangs, a quorum that is
 * lost). So after a second it is asked who leads; where that is another node, the batch's fate
 * counts as unknown, and at the request's own timeout it does in any case.
 *
 * Order is that of each partition (produce_line.c): behind a batch that is held, or is still with a
 * former leader, the client's later ones for that partition wait. Answers leave in the order of
 * requests all the same, so what was not held up is told behind what was. */
#include <stdlib.h>

#include "base/err.h"
#include "protocol/error.h"
#include "router/handlers.h"
#include "router/permit.h"
#include "router/produce_parts.h"
#include "router/router.h"

#define TIMEOUT_MS_MIN  1000
#define TIMEOUT_MS_MAX  (15 * 60 * 1000)
#define ANSWER_MS_MORE  1000 /* than its timeout: the node tells that it is over */
#define GIVE_UP_MS_MORE 3000 /* then the connection to the node is given up */
#define LOOK_AFTER_MS   1000 /* without an answer: does another node lead? */
#define LOOK_EVERY_MS   500
#define MOVED_MS_MIN    3000 /* before that is told to a client that can't send again safely */
#define THROTTLE_MS     1000 /* that a client should wait where a backlog is too large */

/* ---- the client's line ---- */

static void join_line(struct produce *p)
{
    struct client *c = p->request->client;
    if (c->produce_last != NULL)
        c->produce_last->next = p;
    else
        c->produce_first = p;
    c->produce_last = p;
}

static void leave_line(struct produce *p)
{
    struct client *c = p->request->client;
    struct produce *before = NULL;
    for (struct produce *at = c->produce_first; at != p; at = at->next)
        before = at;
    if (before == NULL)
        c->produce_first = p->next;
    else
        before->next = p->next;
    if (c->produce_last == p)
        c->produce_last = before;
}

/* ---- ending ---- */

static void give_up(struct produce *p)
{
    for (unsigned i = 0; i < p->item_count; i++) {
        if (!p->items[i].is_done)
            produce_end_item(p, i, p->items[i].error_code);
    }
}

static void count_end(struct produce *p)
{
    struct counts *counts = &p->request->shard->counts;
    counts->held_now -= p->was_held;
    for (unsigned i = 0; i < p->item_count; i++) {
        int16_t error_code = produce_answer_to(p, i)->error_code;
        counts->troubles[TROUBLE_UNKNOWN_FATE] += error_code == KAFKA_ERROR_REQUEST_TIMED_OUT;
        counts->troubles[TROUBLE_HELD_TOO_LONG] += error_code == KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    }
}

static void go_on(struct client *c);
static bool try_again(struct produce *p);
static void look_again(struct produce *p, uint64_t at_ms);

static void end(struct produce *p)
{
    struct client_request *r = p->request;
    struct client *c = r->client;
    leave_line(p);
    count_end(p);
    deadline_drop(&p->deadline);
    if (p->is_waiting) {
        cluster_map_wait_no_more(&p->waiter);
        p->is_waiting = false;
        client_request_release(r);
    }
    if (p->message->acks == 0)
        client_request_answer_nothing(r);
    else
        client_request_answer(r, &p->response);
    go_on(c);
    client_request_release(r);
}

/* News of the cluster. */
static void on_told(struct map_waiter *w)
{
    struct produce *p = w->data;
    struct client_request *r = p->request;
    p->is_waiting = false;
    for (unsigned i = 0; i < p->item_count; i++)
        p->items[i].is_refused = false;
    try_again(p);
    client_request_release(r);
}

static void count_held(struct produce *p)
{
    struct counts *counts = &p->request->shard->counts;
    counts->held += !p->was_held;
    counts->held_now += !p->was_held;
    p->was_held = true;
}

static bool has_unsent(const struct produce *p)
{
    for (unsigned i = 0; i < p->item_count; i++)
        if (produce_item_waits(&p->items[i]))
            return true;
    return false;
}

/* What is not under way waits for news; what is behind it waits until it is done. */
static void hold(struct produce *p)
{
    if (!has_unsent(p))
        return;
    for (unsigned i = 0; i < p->item_count; i++)
        if (produce_item_waits(&p->items[i]) && produce_line_is_first(&p->items[i]))
            p->items[i].is_held = true;
    count_held(p);
    if (p->is_waiting)
        return;
    p->is_waiting = true;
    p->waiter.data = p;
    client_request_claim(p->request);
    cluster_map_wait(p->request->shard, &p->waiter, on_told);
}

/* ---- answers of nodes ---- */

static void wait_no_more(struct produce_part *part)
{
    struct produce *p = part->produce;
    struct produce_part **at = &p->parts;
    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
    p->away_count--;
}

/* Returns whether the request has ended. */
static bool end_or_hold(struct produce *p)
{
    hold(p);
    if (p->away_count > 0 || p->done_count < p->item_count)
        return false;
    end(p);
    return true;
}

/* Something has come of a part of it: `done_count` were done before. */
static void take_stock(struct produce *p, unsigned done_count)
{
    bool has_more_done = p->done_count > done_count;
    struct client *c = p->request->client;
    if (end_or_hold(p))
        return;
    if (has_more_done)
        go_on(c);
    else if (has_unsent(p))
        try_again(p);
}

static void on_back(struct upstream_call *call, int status, struct slice answer)
{
    struct produce_part *part = call->data;
    struct produce *p = part->produce;
    struct client_request *r = p->request;
    bool was_waited_for = !part->is_given_up;
    unsigned done_count = p->done_count;
    r->client->produce_away--;
    if (status == ERR_INVALID)
        client_end(r->client, "a node refused a request");
    if (was_waited_for) {
        if (status == 0 && answer.bytes.size > 0)
            produce_take_answer(p, part, answer);
        produce_settle_rest(p, part, status);
        wait_no_more(part);
    }
    kafka_writer_close(&part->writer);
    free(part);
    if (was_waited_for)
        take_stock(p, done_count);
    client_request_release(r);
}

/* ---- nodes that do not answer ---- */

/* One of its partitions is led elsewhere: the answer may wait for that one. */
static bool has_moved(const struct produce *p, const struct produce_part *part)
{
    for (unsigned k = 0; k < part->count; k++) {
        int32_t id = produce_leader_id(p, part->items[k]);
        if (id >= 0 && id != part->node->id)
            return true;
    }
    return false;
}

static bool is_to_be_given_up(const struct produce *p, const struct produce_part *part)
{
    uint64_t now_ms = router_now_ms(p->request->shard), wait_ms = LOOK_AFTER_MS;
    for (unsigned k = 0; k < part->count; k++)
        if (!produce_is_idempotent(produce_asked(p, part->items[k])->records))
            wait_ms = MOVED_MS_MIN;
    return now_ms >= p->answer_ms || (now_ms - part->sent_ms >= wait_ms && has_moved(p, part));
}

static void give_up_part(struct produce_part *part)
{
    struct produce *p = part->produce;
    wait_no_more(part);
    part->is_given_up = true;
    produce_settle_rest(p, part, ERR_CLOSED);
}

static void suspect_leaders(const struct produce *p)
{
    for (const struct produce_part *part = p->parts; part != NULL; part = part->next)
        for (unsigned k = 0; k < part->count; k++)
            if (k == 0 || p->items[part->items[k]].topic != p->items[part->items[k - 1]].topic)
                cluster_map_suspect(p->request->shard,
                                    p->message->topics[p->items[part->items[k]].topic].name);
}

static void on_look(struct deadline *d)
{
    struct produce *p = d->data;
    struct client_request *r = p->request;
    uint64_t now_ms = router_now_ms(r->shard);
    if (p->away_count == 0)
        return; /* it waits for a leader, and looks for itself */
    unsigned done_count = p->done_count;
    for (struct produce_part *part = p->parts, *next; part != NULL; part = next) {
        next = part->next;
        if (is_to_be_given_up(p, part))
            give_up_part(part);
    }
    if (p->away_count > 0) {
        suspect_leaders(p);
        look_again(p, now_ms + LOOK_EVERY_MS);
    }
    client_claim(r->client);
    struct client *c = r->client;
    take_stock(p, done_count);
    client_release(c);
}

static void look_again(struct produce *p, uint64_t at_ms)
{
    deadline_set(&p->request->shard->deadlines, &p->deadline,
                 at_ms < p->answer_ms ? at_ms : p->answer_ms, on_look);
}

/* ---- sending ---- */

static void send_part(struct produce_part *part, uint64_t now_ms)
{
    struct produce *p = part->produce;
    struct client_request *r = p->request;
    struct router_node *n = part->node;
    struct kafka_slices whole = {.items = &r->frame, .count = 1};
    bool is_whole = part->count == p->item_count && !p->was_tried;
    int err = is_whole ? 0 : produce_write_part(part, now_ms);
    part->call.data = part;
    part->call.give_up_ms = p->answer_ms + GIVE_UP_MS_MORE;
    if (err == 0)
        err = router_node_send_batches(n, &part->call, &r->client->identity,
                                       is_whole ? whole : own_request_content(&part->writer),
                                       on_back);
    if (err == 0) {
        part->sent_ms = now_ms;
        part->next = p->parts;
        p->parts = part;
        r->client->produce_away++;
        for (unsigned k = 0; k < part->count; k++) {
            struct produce_item *item = &p->items[part->items[k]];
            item->is_away = true;
            item->has_overtaken = false;
            item->node_id = n->id;
        }
        p->away_count++;
        client_request_claim(r);
        return;
    }
    kafka_writer_close(&part->writer);
    free(part);
}

static struct router_node *leader_of(struct produce *p, unsigned i)
{
    struct router_shard *s = p->request->shard;
    int32_t id = produce_leader_id(p, i);
    if (id == MAP_NO_SUCH)
        produce_settle(p, i, KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION);
    struct router_node *n = node_pool_find(s, id);
    return n != NULL && router_node_is_up(n) ? n : NULL;
}

/* Where the item can go now, or NULL: it is under way or done, waits for news, nobody leads, or it
 * would overtake. */
static struct router_node *way_of(struct produce *p, unsigned i)
{
    if (p->items[i].is_done || p->items[i].is_away || p->items[i].is_refused)
        return NULL;
    struct router_node *n = leader_of(p, i);
    return n != NULL && !produce_line_would_overtake(&p->items[i], n->id) ? n : NULL;
}

/* Where nothing of the client's is waited for. What was given up and is idempotent may overtake
 * itself: its leader knows it. */
static void choose_pipe(struct produce *p)
{
    struct client *c = p->request->client;
    for (const struct produce *at = c->produce_first; at != NULL; at = at->next)
        if (at->away_count > 0)
            return;
    for (unsigned i = 0; i < p->item_count; i++)
        if (c->produce_away > 0 && !produce_is_idempotent(produce_asked(p, i)->records))
            return;
    if (c->produce_away == 0)
        c->identity.pipe_count = (unsigned)p->request->shard->settings->pipes_per_node;
    for (unsigned i = 0; i < p->item_count; i++) {
        const struct router_node *n = p->items[i].is_done ? NULL : leader_of(p, i);
        if (n != NULL)
            router_node_avoid_stuck(n, &c->identity);
    }
}

/* The part for that node, of those that are being filled. NULL without memory. */
static struct produce_part *part_for(struct produce *p, struct produce_part **filled,
                                     struct router_node *n)
{
    for (struct produce_part *part = *filled; part != NULL; part = part->next)
        if (part->node == n)
            return part;
    struct produce_part *part = calloc(1, sizeof *part + p->item_count * sizeof(unsigned));
    if (part == NULL)
        return NULL;
    part->produce = p;
    part->node = n;
    part->next = *filled;
    *filled = part;
    return part;
}

static void send_parts(struct produce *p, uint64_t now_ms)
{
    struct produce_part *filled = NULL;
    for (unsigned i = 0; i < p->item_count; i++) {
        struct router_node *n = way_of(p, i);
        struct produce_part *part = n == NULL ? NULL : part_for(p, &filled, n);
        if (part != NULL)
            part->items[part->count++] = i;
    }
    while (filled != NULL) {
        struct produce_part *part = filled;
        filled = part->next;
        send_part(part, now_ms);
    }
}

/* All that can go goes, the rest is held. Returns whether the request has ended. */
static bool send_all(struct produce *p)
{
    uint64_t now_ms = router_now_ms(p->request->shard);
    unsigned away_count = p->away_count;
    choose_pipe(p);
    send_parts(p, now_ms);
    p->request->shard->counts.resent += p->was_sent && p->away_count > away_count;
    p->was_sent |= p->away_count > 0;
    p->was_tried = true;
    if (away_count == 0 && p->away_count > 0)
        look_again(p, now_ms + LOOK_AFTER_MS);
    return end_or_hold(p);
}

/* Returns whether the request has ended: with it the line has changed. */
static bool try_again(struct produce *p)
{
    struct router_shard *s = p->request->shard;
    if (router_now_ms(s) < p->deadline_ms && !s->is_stopping)
        return send_all(p); /* also for a client that has gone: it has sent it */
    if (p->away_count > 0)
        return false; /* the answers end it */
    give_up(p);
    end(p);
    return true;
}

/* Something of the client is done: what waited for it may go. */
static void go_on(struct client *c)
{
    for (struct produce *p = c->produce_first; p != NULL; p = p->next)
        if (has_unsent(p) && try_again(p))
            return; /* the end of one goes through the line by itself */
}

/* ---- beginning ---- */

static bool build_answer(struct produce *p)
{
    const struct kafka_produce_request *m = p->message;
    struct client_request *r = p->request;
    size_t count = 0, i = 0;
    for (int32_t t = 0; t < m->topics_count; t++)
        count += (size_t)m->topics[t].partitions_count;
    kafka_produce_response_init(&p->response);
    p->items = client_request_allocate(r, (count + 1) * sizeof *p->items);
    p->response.topics = client_request_allocate(r, ((size_t)m->topics_count + 1) *
                                                        sizeof *p->response.topics);
    if (p->items == NULL || p->response.topics == NULL)
        return false;
    p->item_count = (unsigned)count;
    p->response.topics_count = m->topics_count;
    for (int32_t t = 0; t < m->topics_count; t++) {
        struct kafka_produce_response_topic *into = &p->response.topics[t];
        size_t partitions = (size_t)m->topics[t].partitions_count;
        uint64_t name_hash = produce_line_hash(m->topics[t].name);
        kafka_produce_response_topic_init(into);
        into->name = m->topics[t].name;
        into->partitions = client_request_allocate(r, (partitions + 1) * sizeof *into->partitions);
        if (into->partitions == NULL)
            return false;
        into->partitions_count = (int32_t)partitions;
        for (size_t k = 0; k < partitions; k++) {
            kafka_produce_response_partition_init(&into->partitions[k]);
            into->partitions[k].partition_index = m->topics[t].partitions[k].partition_index;
            into->partitions[k].base_offset = -1;
            p->items[i++] = (struct produce_item){
                .produce = p,
                .place = {name_hash, (uint32_t)m->topics[t].partitions[k].partition_index},
                .topic = t,
                .partition = (int32_t)k,
                .error_code = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER};
        }
    }
    return true;
}

static uint64_t timeout_ms_of(const struct kafka_produce_request *m)
{
    int32_t ms = m->timeout_ms < TIMEOUT_MS_MIN ? TIMEOUT_MS_MIN : m->timeout_ms;
    return (uint64_t)(ms < TIMEOUT_MS_MAX ? ms : TIMEOUT_MS_MAX);
}

/* The error for all of a topic, or none. */
static int16_t trouble_with(struct produce *p, struct kafka_string topic)
{
    struct router_shard *s = p->request->shard;
    if (!permit_topic(p->request, topic))
        return KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED;
    const struct view_backlog *open = view_open_backlog(&s->view, topic);
    if (open == NULL)
        return KAFKA_ERROR_NONE;
    s->counts.troubles[TROUBLE_BACKLOG]++;
    if (open->answer == CONF_BACKLOG_REFUSE)
        return KAFKA_ERROR_POLICY_VIOLATION;
    p->response.throttle_time_ms = THROTTLE_MS;
    return KAFKA_ERROR_THROTTLING_QUOTA_EXCEEDED;
}

static void refuse_topics(struct produce *p)
{
    int32_t topic = -1;
    int16_t error_code = KAFKA_ERROR_NONE;
    for (unsigned i = 0; i < p->item_count; i++) {
        if (p->items[i].topic != topic) {
            topic = p->items[i].topic;
            error_code = trouble_with(p, p->message->topics[topic].name);
        }
        if (error_code != KAFKA_ERROR_NONE)
            produce_end_item(p, i, error_code);
    }
}

void handle_produce(struct client_request *r)
{
    struct produce *p = client_request_allocate(r, sizeof *p);
    if (p != NULL) {
        p->request = r;
        p->message = r->message;
    }
    if (p == NULL || !build_answer(p)) {
        client_request_end_client(r, "its answer needs too much memory");
        return;
    }
    uint64_t timeout_ms = timeout_ms_of(p->message);
    uint64_t hold_ms_max = (uint64_t)r->shard->settings->hold_ms_max;
    p->deadline_ms = r->received_ms + (timeout_ms < hold_ms_max ? timeout_ms : hold_ms_max);
    p->answer_ms = r->received_ms + timeout_ms + ANSWER_MS_MORE;
    p->deadline.data = p;
    client_request_claim(r);
    join_line(p);
    produce_line_join(p);
    refuse_topics(p);
    if (p->done_count == p->item_count)
        end(p);
    else
        send_all(p);
}
