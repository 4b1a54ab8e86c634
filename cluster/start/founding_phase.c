/* The founding conversation over real links: one shard, CONTROL only, until it is decided. */
#include "start/founding_phase.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/event.h"
#include "start/founding.h"
#include "start/founding_peers.h"

#define TELL_MS          50   /* between two messages to each peer */
#define STAY_MS_MAX      1000 /* founded, for those who are not: they wait for our word */
#define MISSING_MS       2000 /* a founder not heard for so long is worth an event */
#define REBUILD_EVENT_MS 10000

struct phase {
    const struct disk *disk;
    struct shard *shard;
    struct peer_links *links;
    struct net *net;
    struct founding founding;
    uv_timer_t timer;
    unsigned silent_ticks;            /* since the last rebuild event */
    unsigned founded_ticks;           /* since this node was founded */
    unsigned missing_ticks;           /* since `missing` changed */
    char missing[FOUNDING_TEXT_SIZE]; /* founders that are not heard */
    atomic_bool is_done;              /* founded, or failed with `err` */
    int err;
};

static void tell_all(struct phase *p)
{
    uint8_t message[FOUNDING_MESSAGE_SIZE_MAX];
    struct net_frame frame = {.head = bytes_of(message, founding_message(&p->founding, message))};
    for (unsigned i = 0; i < p->founding.founder_count; i++)
        if (p->founding.founders[i].node_id != p->founding.identity->node_id)
            net_send(p->net, p->founding.founders[i].node_id, NET_CONTROL, &frame);
}

static void tell_that_rebuild_is_needed(struct phase *p)
{
    bool is_lost = p->founding.identity->state == IDENTITY_LOST;
    if (p->silent_ticks++ % (REBUILD_EVENT_MS / TELL_MS) == 0)
        event_error("rebuild_needed", "reason=\"%s\" next=\"%s\"",
                    is_lost ? "this node has data and lost its identity"
                            : "this node is empty, its cluster is not",
                    "any node of its cluster that has data invites it: bring one up, or restore the"
                    " file \\\"node\\\" of this one");
}

/* Nothing is founded over data that somebody still has. */
static void tell_lost(struct phase *p)
{
    char lost[FOUNDING_TEXT_SIZE];
    if (p->founding.identity->state != IDENTITY_LOST && founding_has_lost(&p->founding, lost) &&
        p->silent_ticks++ % (REBUILD_EVENT_MS / TELL_MS) == 0)
        event_error("founding_refused",
                    "because_of=%s reason=\"it has data of a cluster\" next=\"bring"
                    " up a node that still knows its cluster\"",
                    lost);
}

static void tell_differences(struct phase *p)
{
    struct founding_difference d;
    while (founding_next_difference(&p->founding, &d))
        event_error("founding_differs", "peer=%u setting=%s ours=%s theirs=%s", d.node_id,
                    d.setting, d.ours, d.theirs);
}

static void tell_missing(struct phase *p)
{
    char missing[FOUNDING_TEXT_SIZE];
    bool is_any = founding_missing(&p->founding, missing);
    p->missing_ticks = strcmp(missing, p->missing) == 0 ? p->missing_ticks + 1 : 0;
    memcpy(p->missing, missing, sizeof missing);
    if (is_any && p->missing_ticks == MISSING_MS / TELL_MS)
        event_warn("founding_waits", "for=%s", missing);
}

static bool may_go(struct phase *p)
{
    return p->founding.identity->state == IDENTITY_FOUNDED &&
           (founding_is_over(&p->founding) || p->founded_ticks++ >= STAY_MS_MAX / TELL_MS);
}

/* The identity is durable before anything that follows from it is said. Each step is told at once,
 * also the last: whoever goes on to serve is away for as long as it opens its folder, and the
 * others would have to wait for it. */
static void advance(struct phase *p)
{
    enum founding_step step = founding_advance(&p->founding);
    while (step == FOUNDING_PERSIST && p->err == 0) {
        p->err = identity_write(p->disk, p->founding.identity);
        event_info("founding", "state=%d founders=%u", (int)p->founding.identity->state,
                   p->founding.identity->founder_count);
        if (p->err == 0)
            tell_all(p);
        step = founding_advance(&p->founding);
    }
    if (p->err == 0 && step == FOUNDING_REBUILD)
        tell_that_rebuild_is_needed(p);
    if (p->err == 0)
        tell_all(p);
    if (p->err == 0 && step == FOUNDING_WAIT)
        tell_lost(p);
    tell_differences(p);
    if (p->founding.identity->state != IDENTITY_FOUNDED)
        tell_missing(p);
    if (p->err != 0 || may_go(p))
        atomic_store(&p->is_done, true);
}

static void on_hello(void *data, const struct peer_identity *peer)
{
    struct phase *p = data;
    founding_on_hello(&p->founding, peer->node_id, peer->incarnation, peer->cluster_id);
}

static void on_frame(void *data, uint32_t node_id, enum net_channel channel, struct bytes frame,
                     struct buffer *owner)
{
    struct phase *p = data;
    (void)channel;
    (void)owner;
    founding_on_message(&p->founding, node_id, frame);
}

static void on_alive(void *data, uint32_t node_id)
{
    (void)data;
    (void)node_id;
}

static void on_down(void *data, uint32_t node_id, int is_refused)
{
    struct phase *p = data;
    (void)is_refused;
    founding_on_down(&p->founding, node_id);
}

static void on_timer(uv_timer_t *timer)
{
    struct phase *p = timer->data;
    if (!atomic_load(&p->is_done))
        advance(p);
}

static void close_timer(struct work_item *item)
{
    struct phase *p = item->data;
    uv_close((uv_handle_t *)&p->timer, NULL);
}

static int by_node_id(const void *a, const void *b)
{
    const struct identity_founder *first = a, *second = b;
    return (first->node_id > second->node_id) - (first->node_id < second->node_id);
}

static void init_founding(struct phase *p, const struct conf_settings *conf,
                          struct identity *identity)
{
    struct identity_founder founders[IDENTITY_FOUNDERS_MAX] = {0};
    unsigned count = conf->nodes.count < IDENTITY_FOUNDERS_MAX ? conf->nodes.count
                                                               : IDENTITY_FOUNDERS_MAX;
    for (unsigned i = 0; i < count; i++) {
        founders[i].node_id = conf->nodes.entries[i].id;
        bytes_copy_text(founders[i].site, sizeof founders[i].site, conf->nodes.entries[i].site);
    }
    qsort(founders, count, sizeof founders[0], by_node_id);
    founding_init(&p->founding, identity, (uint32_t)conf->raft_groups_per_node, founders, count);
}

static int open_links(struct phase *p, const struct conf_settings *conf,
                      const struct identity *identity, struct err_note *note)
{
    struct peer_identity self;
    struct peer_address addresses[REPL_NODES_MAX];
    founding_peer_identity(conf, identity, &self);
    struct peer_links_options options = {
        .listen_host = conf->peer_listen.host,
        .listen_port = conf->peer_listen.port,
        .peers = addresses,
        .peer_count = founding_peer_addresses(conf, addresses),
        .window_bytes = 1 << 20,
        .reconnect_ms = 20,
        .on_hello = on_hello,
        .hello_data = p,
    };
    int err = peer_links_create(&options, &self, &p->shard, 1, &p->links, note);
    if (err != 0)
        return err;
    p->net = peer_links_net(p->links, 0);
    peer_links_set_handler(p->links, 0,
                           (struct net_handler){.data = p,
                                                .on_frame = on_frame,
                                                .on_alive = on_alive,
                                                .on_up = on_alive,
                                                .on_down = on_down});
    return 0;
}

static void wait_until_done(struct phase *p, const atomic_bool *should_stop)
{
    struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    while (!atomic_load(&p->is_done) && !atomic_load(should_stop))
        nanosleep(&pause, NULL);
}

static int converse(struct phase *p, const atomic_bool *should_stop)
{
    struct work_item item = {.data = p};
    uv_timer_init(shard_loop(p->shard), &p->timer);
    p->timer.data = p;
    uv_timer_start(&p->timer, on_timer, 0, TELL_MS);
    int err = shard_start(p->shard);
    if (err != 0) {
        uv_close((uv_handle_t *)&p->timer, NULL);
        return err;
    }
    wait_until_done(p, should_stop);
    shard_post(p->shard, &item, close_timer);
    peer_links_stop(p->links);
    shard_stop(p->shard);
    if (p->err != 0)
        return p->err;
    return atomic_load(&p->is_done) ? 0 : ERR_CLOSED;
}

int founding_phase_run(const struct conf_settings *conf, const struct disk *disk,
                       struct identity *identity, const atomic_bool *should_stop,
                       struct err_note *note)
{
    struct phase p = {.disk = disk};
    init_founding(&p, conf, identity);
    p.shard = shard_create(0);
    if (p.shard == NULL)
        return UV_ENOMEM;
    int err = open_links(&p, conf, identity, note);
    if (err == 0) {
        err = converse(&p, should_stop);
        peer_links_destroy(p.links);
    }
    shard_destroy(p.shard);
    return err;
}
