/* Fetch: each partition at its leader, one answer.
 *
 * A client takes this router for the leader of all and asks for all at once; nodes keep a fetch
 * waiting until there is something. So what is asked of each node goes there on its own, and the
 * first that has something lets the client's answer go; what the others are still waiting for stays
 * parked there, and the client's next fetch, which asks for the same once more, finds it under way:
 *
 *   client  a b ──▶ a: records, b: nothing yet      a' b ──▶ …
 *   node A  a ───▶ records                          a' ──▶
 *   node B  b ──────────────────────────────────────────▶ records
 *
 * At most one call a node is wanted at a time; one whose partitions or offsets are not asked for
 * any more is let run out, and what it brings is dropped. */
#include <stdlib.h>

#include "base/err.h"
#include "protocol/error.h"
#include "router/fetch_parts.h"
#include "router/handlers.h"
#include "router/permit.h"
#include "router/router.h"

#define WAIT_MS_MIN      100 /* for a leader or a lane, also where a client would not wait */
#define NODE_LATE_MS_MAX 500 /* that a node may answer after the time is over */

/* ---- the answer ---- */

static struct fetch_item *find_item(struct fetch *f, struct kafka_string topic, int32_t partition)
{
    for (unsigned i = 0; i < f->item_count; i++)
        if (f->items[i].partition->partition_index == partition &&
            kafka_string_is_equal(f->items[i].topic->name, topic))
            return &f->items[i];
    return NULL;
}

/* Records stay where the node's answer lies. */
static void own_records(struct kafka_slices records, struct buffer *owner)
{
    for (int32_t i = 0; i < records.count; i++)
        ((struct slice *)(uintptr_t)records.items)[i].owner = owner;
}

/* Only the leader knows which offsets there are. */
static bool is_replicas_word(struct router_shard *s, const struct fetch_call *call,
                             struct kafka_string topic,
                             const struct kafka_fetch_response_partition *from)
{
    return from->error_code == KAFKA_ERROR_OFFSET_OUT_OF_RANGE &&
           cluster_map_leader(s, topic, from->partition_index) != call->node->id;
}

static bool take_partition(struct fetch *f, const struct fetch_call *call,
                           struct kafka_string topic,
                           const struct kafka_fetch_response_partition *from)
{
    struct fetch_item *item = find_item(f, topic, from->partition_index);
    if (item == NULL)
        return false;
    struct router_shard *s = f->request->shard;
    if (from->preferred_read_replica >= 0) { /* of this site: it is asked next */
        cluster_map_learn_near(s, topic, from->partition_index, from->preferred_read_replica);
        return true;
    }
    if (from->error_code != KAFKA_ERROR_NONE)
        cluster_map_learn_near(s, topic, from->partition_index, MAP_NOBODY);
    if (from->error_code == KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER)
        cluster_map_want(s, topic);
    if (is_replicas_word(s, call, topic, from))
        return true; /* the leader is asked next */
    *item->into = *from;
    own_records(item->into->records, call->answer.owner);
    size_t size = 0;
    for (int32_t i = 0; i < from->records.count; i++)
        size += from->records.items[i].bytes.size;
    return size > 0 || from->error_code != KAFKA_ERROR_NONE;
}

/* False: it is no answer. `has_news`: there is something in it that the client should have at once.
 */
static bool take_call(struct fetch *f, struct fetch_call *call, bool *has_news)
{
    struct own_answer *own = &f->taken[f->taken_count];
    if (call->status != 0 ||
        own_answer_read(own, KAFKA_API_FETCH, call->version, call->answer) != 0)
        return false;
    f->kept[f->taken_count++] = slice_ref(call->answer);
    const struct kafka_fetch_response *m = own->message;
    if (m->error_code != KAFKA_ERROR_NONE) {
        f->response.error_code = m->error_code;
        *has_news = true;
    }
    for (int32_t t = 0; t < m->topics_count; t++)
        for (int32_t p = 0; p < m->topics[t].partitions_count; p++)
            *has_news |= take_partition(f, call, m->topics[t].name, &m->topics[t].partitions[p]);
    return true;
}

static void end(struct fetch *f)
{
    struct client_request *r = f->request;
    struct fetch_state *state = r->client->fetches;
    cluster_map_wait_no_more(&f->waiter);
    deadline_drop(&f->deadline);
    state->fetch = NULL;
    client_request_answer(r, &f->response);
    for (unsigned i = 0; i < f->taken_count; i++) {
        own_answer_close(&f->taken[i]);
        slice_unref(&f->kept[i]);
    }
    f->taken_count = 0;
    client_request_release(r);
}

static unsigned count_away(const struct fetch_state *state)
{
    unsigned count = 0;
    for (const struct fetch_call *call = state->calls; call != NULL; call = call->next)
        count += call->is_wanted && !call->is_back;
    return count;
}

static void want_topics_at(const struct fetch *f, const struct router_node *n)
{
    const struct kafka_fetch_request_topic *wanted = NULL;
    for (unsigned i = 0; i < f->item_count; i++) {
        if (f->items[i].node != n || f->items[i].topic == wanted)
            continue;
        wanted = f->items[i].topic;
        cluster_map_want(f->request->shard, wanted->name);
    }
}

static void on_asked(struct map_waiter *w)
{
    end(w->data);
}

/* A node is lost. The client asks again when it is answered, but not before the cluster was asked
 * who leads now: else it would ask for the lost one, at once, and again. */
static void end_when_asked(struct fetch *f)
{
    if (f->waiter.previous == NULL)
        cluster_map_wait(f->request->shard, &f->waiter, on_asked);
}

/* Takes what is back. Ends when something is, or nothing is under way any more. */
void fetch_advance(struct fetch *f)
{
    struct fetch_state *state = f->request->client->fetches;
    bool has_news = f->has_errors || f->request->client->is_ending, has_lost = false;
    for (struct fetch_call *call = state->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (!call->is_back || !call->is_wanted || !f->has_begun)
            continue;
        if (!take_call(f, call, &has_news)) {
            want_topics_at(f, call->node);
            has_lost = true;
        }
        fetch_free_call(call);
    }
    if (has_lost && !has_news)
        end_when_asked(f);
    else if (has_news || (count_away(state) == 0 && f->waiter.previous == NULL))
        end(f);
}

/* A node that was asked tells itself that its time is over, and where its partitions end; but it
 * may not answer any more, and then somebody else may lead them. What still waits for a lane keeps
 * its place in the line, for the client's next fetch. */
static void on_late(struct deadline *d)
{
    struct fetch *f = d->data;
    struct router_shard *s = f->request->shard;
    const struct fetch_state *state = f->request->client->fetches;
    bool is_at_node = false;
    for (const struct fetch_call *call = state->calls; call != NULL; call = call->next)
        is_at_node |= call->is_wanted && fetch_call_is_at_node(call);
    if (f->waiter.previous != NULL)
        return; /* it is told every now and then */
    if (is_at_node && router_now_ms(s) < f->deadline_ms + NODE_LATE_MS_MAX) {
        deadline_set(&s->deadlines, d, f->deadline_ms + NODE_LATE_MS_MAX, on_late);
        return;
    }
    for (const struct fetch_call *call = state->calls; call != NULL; call = call->next)
        if (call->is_wanted && fetch_call_is_at_node(call))
            want_topics_at(f, call->node);
    end(f);
}

/* ---- beginning ---- */

static void init_answer(struct fetch_item *item)
{
    kafka_fetch_response_partition_init(item->into);
    item->into->partition_index = item->partition->partition_index;
    item->into->high_watermark =
        -1; /* unless its node says: a client takes its offset for the end */
    item->into->records = (struct kafka_slices){.count = 0};
}

static bool build(struct fetch *f)
{
    const struct kafka_fetch_request *m = f->message;
    struct client_request *r = f->request;
    size_t count = 0, i = 0;
    for (int32_t t = 0; t < m->topics_count; t++)
        count += (size_t)m->topics[t].partitions_count;
    kafka_fetch_response_init(&f->response);
    f->items = client_request_allocate(r, (count + 1) * sizeof *f->items);
    f->taken = client_request_allocate(r, (NODES_MAX + 1) * sizeof *f->taken);
    f->kept = client_request_allocate(r, (NODES_MAX + 1) * sizeof *f->kept);
    f->response.topics = client_request_allocate(r, ((size_t)m->topics_count + 1) *
                                                        sizeof *f->response.topics);
    if (f->items == NULL || f->taken == NULL || f->kept == NULL || f->response.topics == NULL)
        return false;
    f->item_count = (unsigned)count;
    f->response.topics_count = m->topics_count;
    for (int32_t t = 0; t < m->topics_count; t++) {
        const struct kafka_fetch_request_topic *from = &m->topics[t];
        struct kafka_fetch_response_topic *into = &f->response.topics[t];
        size_t partitions = (size_t)from->partitions_count;
        bool may = permit_topic(r, from->name);
        into->name = from->name;
        into->partitions = client_request_allocate(r, (partitions + 1) * sizeof *into->partitions);
        if (into->partitions == NULL)
            return false;
        into->partitions_count = (int32_t)partitions;
        for (size_t p = 0; p < partitions; p++, i++) {
            f->items[i] = (struct fetch_item){
                .topic = from, .partition = &from->partitions[p], .into = &into->partitions[p]};
            init_answer(&f->items[i]);
            f->items[i].is_refused = !may;
            if (!may)
                f->items[i].into->error_code = KAFKA_ERROR_TOPIC_AUTHORIZATION_FAILED;
        }
    }
    return true;
}

static struct router_node *up(struct router_shard *s, int32_t id)
{
    struct router_node *n = node_pool_find(s, id);
    return n != NULL && router_node_is_up(n) ? n : NULL;
}

/* Who is near, if its site is to be used. */
static struct router_node *near_node(struct router_shard *s, int32_t id)
{
    struct router_node *n = up(s, id);
    return n != NULL && site_verdict_lets_read(&s->view.verdict, n->site) ? n : NULL;
}

/* False: a partition's leader is not known. */
static bool find_leaders(struct fetch *f)
{
    struct router_shard *s = f->request->shard;
    bool is_complete = true;
    for (unsigned i = 0; i < f->item_count; i++) {
        struct fetch_item *item = &f->items[i];
        if (item->is_refused)
            continue;
        int32_t id = cluster_map_leader(s, item->topic->name, item->partition->partition_index);
        int32_t near = cluster_map_near(s, item->topic->name, item->partition->partition_index);
        item->node = near_node(s, near);
        item->is_near_unfit = item->node == NULL && near != MAP_NOT_KNOWN;
        if (item->node == NULL)
            item->node = up(s, id);
        if (id == MAP_NO_SUCH)
            item->into->error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        is_complete = is_complete && (item->node != NULL || id == MAP_NO_SUCH);
    }
    return is_complete;
}

static void forget_wishes(struct fetch_state *state)
{
    for (struct fetch_call *call = state->calls, *next; call != NULL; call = next) {
        next = call->next;
        if (call->is_back && !call->is_wanted)
            fetch_free_call(call);
    }
}

static void ask_all(struct fetch *f)
{
    struct fetch_state *state = f->request->client->fetches;
    for (struct fetch_call *call = state->calls; call != NULL; call = call->next)
        call->is_wanted = false;
    for (unsigned i = 0; i < f->item_count; i++) {
        struct router_node *n = f->items[i].node;
        bool is_first = n != NULL;
        for (unsigned k = 0; k < i && is_first; k++)
            is_first = f->items[k].node != n;
        if (is_first)
            fetch_ask_node(f, n);
        else if (n == NULL && f->items[i].into->error_code == KAFKA_ERROR_NONE)
            f->items[i].into->error_code = KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    }
    forget_wishes(state);
}

static bool has_errors(const struct fetch *f)
{
    for (unsigned i = 0; i < f->item_count; i++)
        if (f->items[i].into->error_code != KAFKA_ERROR_NONE)
            return true;
    return false;
}

static void begin(struct fetch *f)
{
    ask_all(f);
    f->has_begun = true;
    f->has_errors = has_errors(f);
    fetch_advance(f);
}

static void on_told(struct map_waiter *w)
{
    struct fetch *f = w->data;
    bool is_late = router_now_ms(f->request->shard) >= f->deadline_ms;
    if (client_request_is_abandoned(f->request))
        end(f);
    else if (!find_leaders(f) && !is_late)
        cluster_map_wait(f->request->shard, w, on_told);
    else
        begin(f);
}

void handle_fetch(struct client_request *r)
{
    struct client *c = r->client;
    struct fetch *f = client_request_allocate(r, sizeof *f);
    if (c->fetches == NULL)
        c->fetches = calloc(1, sizeof *c->fetches);
    if (f != NULL) {
        f->request = r;
        f->message = r->message;
        f->waiter.data = f->deadline.data = f;
    }
    if (f == NULL || c->fetches == NULL || !build(f)) {
        client_request_end_client(r, "its answer needs too much memory");
        return;
    }
    if (c->fetches->fetch != NULL)
        end(c->fetches->fetch); /* a client that does not wait for its fetch has what there is */
    fetch_end_unwanted(c->fetches);
    client_request_claim(r);
    c->fetches->fetch = f;
    f->deadline_ms = r->received_ms + (uint64_t)(f->message->max_wait_ms > WAIT_MS_MIN
                                                     ? f->message->max_wait_ms
                                                     : WAIT_MS_MIN);
    deadline_set(&r->shard->deadlines, &f->deadline, f->deadline_ms, on_late);
    if (find_leaders(f))
        begin(f);
    else
        cluster_map_wait(r->shard, &f->waiter, on_told);
}
