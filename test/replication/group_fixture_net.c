/* The network between the fixture's nodes: frames in order per pair, late, lost or cut off. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "group_fixture.h"

struct flying {
    struct flying *next; /* by time */
    uint64_t at_ns;
    unsigned from, to;
    enum net_channel channel;
    struct buffer *frame;
};

static void fly(struct cluster *c, struct flying *f)
{
    struct flying **at = &c->first;
    while (*at != NULL && (*at)->at_ns <= f->at_ns)
        at = &(*at)->next;
    f->next = *at;
    *at = f;
}

static struct buffer *join(const struct net_frame *frame)
{
    size_t size = frame->head.size;
    for (unsigned i = 0; i < frame->payload_count; i++)
        size += frame->payload[i].bytes.size;
    struct buffer *b = buffer_create(size);
    uint8_t *at = b->data;
    memcpy(at, frame->head.data, frame->head.size);
    at += frame->head.size;
    for (unsigned i = 0; i < frame->payload_count; i++) {
        memcpy(at, frame->payload[i].bytes.data, frame->payload[i].bytes.size);
        at += frame->payload[i].bytes.size;
    }
    return b;
}

static bool is_let_through(struct cluster *c, unsigned from, unsigned to, struct buffer *frame)
{
    static struct log_entry entries[REPL_APPEND_ENTRIES_MAX];
    struct repl_message m;
    if (c->loss > 0 && random_chance(&c->random, c->loss))
        return false;
    if (c->filter == NULL)
        return true;
    cr_assert_eq(repl_message_decode(bytes_of(frame->data, frame->capacity), frame, entries, &m), 0,
                 "what replicas send decodes");
    return c->filter(c, from, to, &m);
}

static uint64_t arrival_ns(struct cluster *c, unsigned from, unsigned to, size_t size)
{
    uint64_t now_ns = c->clock.now_ns;
    if (c->bytes_per_ms[from][to] != 0) {
        uint64_t *busy = &c->busy_until_ns[from][to];
        if (*busy < now_ns)
            *busy = now_ns;
        *busy += size * 1000000 / c->bytes_per_ms[from][to];
        now_ns = *busy;
    }
    return now_ns + c->delay_ms[from][to] * 1000000;
}

static int on_send(void *data, uint32_t node_id, enum net_channel channel,
                   const struct net_frame *frame)
{
    struct replica *r = data;
    struct cluster *c = r->cluster;
    unsigned to = node_id - 1;
    cr_assert_leq(frame->payload_count, NET_PAYLOAD_MAX);
    if (to >= c->count || c->is_cut[r->number][to] || c->replicas[to].group == NULL)
        return ERR_CLOSED;
    c->frame_count++;
    struct buffer *joined = join(frame);
    if (!is_let_through(c, r->number, to, joined)) {
        buffer_unref(joined);
        return 0;
    }
    struct flying *f = calloc(1, sizeof *f);
    f->at_ns = arrival_ns(c, r->number, to, joined->capacity);
    f->from = r->number;
    f->to = to;
    f->channel = channel;
    f->frame = joined;
    fly(c, f);
    return 0;
}

static size_t on_unsent_bytes(void *data, uint32_t node_id, enum net_channel channel)
{
    (void)data, (void)node_id, (void)channel;
    return 0;
}

struct net net_of(struct replica *r)
{
    return (struct net){.data = r, .send = on_send, .unsent_bytes = on_unsent_bytes};
}

static void land(struct cluster *c, struct flying *f)
{
    struct replica *r = &c->replicas[f->to];
    if (r->group != NULL && !c->is_cut[f->from][f->to]) {
        c->speaking = (int)f->to;
        r->handler.on_alive(r->handler.data, c->replicas[f->from].node_id);
        r->handler.on_frame(r->handler.data, c->replicas[f->from].node_id, f->channel,
                            bytes_of(f->frame->data, f->frame->capacity), f->frame);
        c->speaking = -1;
    }
    buffer_unref(f->frame);
    free(f);
}

void net_land_all(struct cluster *c)
{
    struct flying **at = &c->first;
    while (*at != NULL && (*at)->at_ns <= c->clock.now_ns) {
        struct flying *f = *at;
        if (c->replicas[f->to].is_paused) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        land(c, f);
        at = &c->first; /* what landed may have changed the list */
    }
}

void net_drop(struct cluster *c, unsigned number)
{
    struct flying **at = &c->first;
    while (*at != NULL) {
        struct flying *f = *at;
        if (f->from != number && f->to != number) {
            at = &f->next;
            continue;
        }
        *at = f->next;
        buffer_unref(f->frame);
        free(f);
    }
}

void cluster_inject_bytes(struct cluster *c, unsigned from, unsigned to, struct bytes frame)
{
    struct flying *f = calloc(1, sizeof *f);
    f->from = from;
    f->to = to;
    f->frame = buffer_create(frame.size);
    if (frame.size > 0)
        memcpy(f->frame->data, frame.data, frame.size);
    land(c, f);
}

void cluster_inject(struct cluster *c, unsigned from, unsigned to, const struct repl_message *m,
                    const struct slice *payload, unsigned payload_count)
{
    uint8_t *head = malloc(
        REPL_MESSAGE_ENCODED_MAX(m->entry_count, m->configuration.size + m->rest.size));
    struct net_frame frame = {.head = bytes_of(head, repl_message_encode(m, head)),
                              .payload = payload,
                              .payload_count = payload_count};
    struct buffer *joined = join(&frame);
    cluster_inject_bytes(c, from, to, bytes_of(joined->data, joined->capacity));
    buffer_unref(joined);
    free(head);
}

void cluster_cut(struct cluster *c, unsigned a, unsigned b)
{
    c->is_cut[a][b] = c->is_cut[b][a] = true;
}

void cluster_isolate(struct cluster *c, unsigned a)
{
    for (unsigned i = 0; i < c->count; i++)
        if (i != a)
            cluster_cut(c, a, i);
}

void cluster_heal(struct cluster *c)
{
    memset(c->is_cut, 0, sizeof c->is_cut);
}

void cluster_delay(struct cluster *c, uint64_t one_way_ms)
{
    for (unsigned i = 0; i < REPLICAS_MAX; i++)
        for (unsigned j = 0; j < REPLICAS_MAX; j++)
            c->delay_ms[i][j] = one_way_ms;
}
