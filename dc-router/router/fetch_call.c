/* What is asked of one node for a client's fetch: sent on a lane, parked there, come back.
 *
 * Two questions are the same when their bytes are. */
#include <stdlib.h>

#include "router/fetch_parts.h"
#include "router/router.h"

#define FETCH_BYTES_MAX   (64u << 20)
#define NODE_MS_MAX       10000 /* that a node, or a lane, takes beyond the waiting that is asked for */
#define FETCH_BYTES_LEAST (1 << 20)
#define WAIT_MS_MAX_SHORT 50 /* while others wait for a lane */
#define UNWANTED_MAX      4  /* of a client that run out at nodes */

static void break_promise(struct fetch_call *call)
{
    call->client->shard->promised_bytes -= call->promised_bytes;
    call->promised_bytes = 0;
}

void fetch_free_call(struct fetch_call *call)
{
    struct fetch_call **at = &call->state->calls;
    while (*at != call)
        at = &(*at)->next;
    *at = call->next;
    break_promise(call);
    slice_unref(&call->wanted);
    slice_unref(&call->sent);
    call->client->shard->held_bytes -= call->answer.bytes.size;
    slice_unref(&call->answer);
    free(call);
}

void fetch_state_destroy(struct fetch_state *f)
{
    if (f == NULL)
        return;
    while (f->calls != NULL)
        fetch_free_call(f->calls);
    free(f);
}

static struct fetch_call *find_away(struct fetch_state *f)
{
    struct fetch_call *call = f->calls;
    while (call != NULL && call->is_back)
        call = call->next;
    return call;
}

void fetch_state_abandon(struct fetch_state *f)
{
    struct fetch_call *call;
    while (f != NULL && (call = find_away(f)) != NULL)
        lane_call_abandon(&call->call); /* it comes back from inside, and frees itself */
}

/* The newest are first. */
static struct fetch_call *unwanted_too_long(const struct fetch_state *f)
{
    unsigned count = 0;
    for (struct fetch_call *call = f->calls; call != NULL; call = call->next)
        if (!call->is_back && !call->is_wanted && ++count > UNWANTED_MAX)
            return call;
    return NULL;
}

void fetch_end_unwanted(struct fetch_state *f)
{
    struct fetch_call *call;
    while ((call = unwanted_too_long(f)) != NULL)
        lane_call_abandon(&call->call); /* it comes back from inside, and frees itself */
}

bool fetch_call_is_at_node(const struct fetch_call *call)
{
    return !call->is_back && call->call.lane != NULL;
}

/* For who waits for it, or, while there is room, for who asks next. */
static bool may_keep(const struct fetch_call *call, struct slice answer)
{
    const struct router_shard *s = call->client->shard;
    return call->state->fetch != NULL ||
           s->held_bytes + answer.bytes.size <= router_shard_memory_bytes(s) / 2;
}

static void keep(struct fetch_call *call, struct slice answer)
{
    call->answer = slice_ref(answer);
    call->client->shard->held_bytes += answer.bytes.size;
}

static void on_back(struct lane_call *lane_call, int status, struct slice answer)
{
    struct fetch_call *call = lane_call->data;
    struct client *client = call->client;
    struct fetch_state *state = call->state;
    break_promise(call);
    call->is_back = true;
    call->status = status;
    call->is_wanted = call->is_wanted && may_keep(call, answer);
    if (status == 0 && call->is_wanted)
        keep(call, answer);
    if (!call->is_wanted || client->is_closed)
        fetch_free_call(call);
    if (state->fetch != NULL)
        fetch_advance(state->fetch);
    client_release(client);
}

/* ---- what is asked of one node ---- */

struct limits {
    int32_t wait_ms, bytes;
};

static struct limits limits_of(const struct fetch *f)
{
    return (struct limits){.wait_ms = f->message->max_wait_ms, .bytes = f->message->max_bytes};
}

/* Clients stand where the router does; but nobody is named for being near where nobody should read.
 */
static struct kafka_string reading_site(const struct router_shard *s)
{
    bool may = site_verdict_lets_read(&s->view.verdict, s->settings->site);
    return kafka_string_of(may ? s->settings->site : "");
}

static bool is_of(const struct fetch *f, unsigned i, const struct router_node *n)
{
    return f->items[i].node == n;
}

static int32_t partitions_at(const struct fetch *f, const struct router_node *n,
                             const struct kafka_fetch_request_topic *topic)
{
    int32_t count = 0;
    for (unsigned i = 0; i < f->item_count; i++)
        count += is_of(f, i, n) && f->items[i].topic == topic;
    return count;
}

/* A leader that is told the site names a replica there, and gives nothing: not where that can't be
 * asked. */
static bool may_name_near(const struct fetch *f, const struct router_node *n)
{
    for (unsigned i = 0; i < f->item_count; i++)
        if (is_of(f, i, n) && f->items[i].is_near_unfit)
            return false;
    return true;
}

/* The client's request with this node's partitions only. */
static int write_request(const struct fetch *f, const struct router_node *n, struct limits limits,
                         struct kafka_writer *w)
{
    struct client_request *r = f->request;
    struct kafka_fetch_request m = *f->message;
    size_t count = (size_t)m.topics_count;
    struct kafka_fetch_request_topic *topics = calloc(count + 1, sizeof *topics);
    struct kafka_fetch_request_partition *partitions = calloc(f->item_count + 1,
                                                              sizeof *partitions);
    size_t used = 0;
    int err = topics == NULL || partitions == NULL ? UV_ENOMEM : 0;
    m.topics = topics;
    m.topics_count = 0;
    m.max_wait_ms = limits.wait_ms;
    m.max_bytes = limits.bytes;
    m.session_id = 0;
    m.session_epoch = -1;
    m.forgotten_topics_count = 0;
    m.rack_id = may_name_near(f, n) ? reading_site(f->request->shard) : kafka_string_of("");
    for (size_t t = 0; t < count && err == 0; t++) {
        const struct kafka_fetch_request_topic *from = &f->message->topics[t];
        if (partitions_at(f, n, from) == 0)
            continue;
        struct kafka_fetch_request_topic *into = &topics[m.topics_count++];
        *into = (struct kafka_fetch_request_topic){.name = from->name,
                                                   .partitions = &partitions[used]};
        for (unsigned i = 0; i < f->item_count; i++)
            if (is_of(f, i, n) && f->items[i].topic == from)
                into->partitions[into->partitions_count++] = *f->items[i].partition;
        used += (size_t)into->partitions_count;
    }
    kafka_writer_init(w, FETCH_BYTES_MAX);
    struct kafka_request_header header = r->header;
    header.correlation_id = 0; /* so that the same question has the same bytes */
    kafka_request_header_encode(w, &header);
    if (err == 0)
        err = r->header.api->request.encode(w, r->header.api_version, &m);
    if (err == 0)
        err = kafka_writer_finish(w);
    free(topics);
    free(partitions);
    return err;
}

static struct slice joined(const struct kafka_writer *w)
{
    struct buffer *copy = buffer_create(w->size_bytes);
    if (copy == NULL)
        return (struct slice){0};
    kafka_writer_copy(w, copy->data, w->size_bytes);
    return (struct slice){.owner = copy,
                          .bytes = bytes_of(copy->data + KAFKA_FRAME_SIZE_BYTES,
                                            w->size_bytes - KAFKA_FRAME_SIZE_BYTES)};
}

static struct fetch_call *find_same(struct fetch_state *s, const struct router_node *n,
                                    struct bytes wanted)
{
    for (struct fetch_call *call = s->calls; call != NULL; call = call->next)
        if (call->node == n && bytes_is_equal(call->wanted.bytes, wanted) &&
            (!call->is_back || call->status == 0))
            return call;
    return NULL;
}

static struct slice encode(const struct fetch *f, const struct router_node *n, struct limits limits)
{
    struct kafka_writer w;
    int err = write_request(f, n, limits, &w);
    struct slice encoded = err == 0 ? joined(&w) : (struct slice){0};
    kafka_writer_close(&w);
    return encoded;
}

/* While others wait for a lane, each has it for a short time only; and all that fetches bring at
 * once stays within the shard's memory, as far as a megabyte each is let. */
static struct limits limits_for(const struct fetch *f, const struct router_node *n)
{
    const struct router_shard *s = f->request->shard;
    size_t room = router_shard_memory_bytes(s), used = s->promised_bytes + s->held_bytes;
    size_t left = room > used ? room - used : 0;
    struct limits limits = limits_of(f);
    if (router_node_lanes_are_short(n) && limits.wait_ms > WAIT_MS_MAX_SHORT)
        limits.wait_ms = WAIT_MS_MAX_SHORT;
    if (left < FETCH_BYTES_LEAST)
        left = FETCH_BYTES_LEAST;
    if (limits.bytes > 0 && (size_t)limits.bytes > left)
        limits.bytes = (int32_t)left;
    return limits;
}

static size_t most_bytes(const struct fetch *f, const struct router_node *n, struct limits limits)
{
    size_t sum = 0, most = limits.bytes > 0 ? (size_t)limits.bytes : 0;
    for (unsigned i = 0; i < f->item_count; i++)
        if (is_of(f, i, n) && f->items[i].partition->partition_max_bytes > 0)
            sum += (size_t)f->items[i].partition->partition_max_bytes;
    return sum < most ? sum : most;
}

static struct slice encode_to_send(const struct fetch *f, const struct router_node *n,
                                   struct limits limits, struct slice wanted)
{
    bool is_same = limits.wait_ms == f->message->max_wait_ms &&
                   limits.bytes == f->message->max_bytes;
    return is_same ? slice_ref(wanted) : encode(f, n, limits);
}

static void send_call(struct fetch *f, struct router_node *n, struct slice wanted)
{
    struct client_request *r = f->request;
    struct limits limits = limits_for(f, n);
    int32_t wait_ms = f->message->max_wait_ms > 0 ? f->message->max_wait_ms : 0;
    struct fetch_call *call = calloc(1, sizeof *call);
    if (call == NULL)
        return;
    *call = (struct fetch_call){.client = r->client,
                                .state = r->client->fetches,
                                .node = n,
                                .version = r->header.api_version,
                                .is_wanted = true,
                                .wanted = slice_ref(wanted),
                                .sent = encode_to_send(f, n, limits, wanted)};
    call->call.data = call;
    call->promised_bytes = most_bytes(f, n, limits);
    r->shard->promised_bytes += call->promised_bytes;
    call->call.give_up_ms = router_now_ms(r->shard) + (uint64_t)wait_ms + NODE_MS_MAX;
    call->next = call->state->calls;
    call->state->calls = call;
    struct kafka_slices inner = {.items = &call->sent, .count = 1};
    if (call->sent.owner == NULL ||
        router_node_send_lane(n, &call->call, &r->client->identity, inner, on_back) != 0)
        fetch_free_call(call);
    else
        client_claim(r->client);
}

void fetch_ask_node(struct fetch *f, struct router_node *n)
{
    struct slice wanted = encode(f, n, limits_of(f));
    if (wanted.owner == NULL)
        return;
    struct fetch_call *call = find_same(f->request->client->fetches, n, wanted.bytes);
    if (call != NULL)
        call->is_wanted = true;
    else
        send_call(f, n, wanted);
    slice_unref(&wanted);
}
