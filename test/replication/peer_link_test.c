#include <signal.h>
#include <sys/wait.h>

#include "peer_link_station.h"

static struct ports ports;

/* Two nodes with so many shards each, connected on every lane they send on. */
static void start_pair(struct station *a, unsigned a_shards, struct station *b, unsigned b_shards)
{
    station_start(a, 1, &ports, 2, a_shards);
    station_start(b, 2, &ports, 2, b_shards);
    for (unsigned i = 0; i < a_shards; i++)
        cr_assert(await(a, &a->heard.shard_up[i], 1));
    for (unsigned i = 0; i < b_shards; i++)
        cr_assert(await(b, &b->heard.shard_up[i], 1));
}

/* ENTRIES of shard 0 and SHIPPING have no callback of their own: they are up when a send passes. */
static void await_lane(struct sending *probe)
{
    for (int i = 0; i < 10000 && station_send(probe) == ERR_CLOSED; i++)
        usleep(1000);
    cr_assert_eq(probe->err, 0);
}

Test(peer_link, delivers_the_frames_of_every_channel_and_shard_in_order_both_ways)
{
    ports = ports_reserve();
    struct station a, b;
    start_pair(&a, 2, &b, 2);
    struct station *from[2] = {&a, &b}, *to[2] = {&b, &a};
    for (unsigned way = 0; way < 2; way++) {
        uint32_t from_id = from[way]->self.node_id, to_id = to[way]->self.node_id;
        for (enum net_channel channel = 0; channel < NET_CHANNEL_COUNT; channel++) {
            unsigned shards = channel == NET_ENTRIES ? 2 : 1;
            for (unsigned shard = 0; shard < shards; shard++) {
                struct sending o = {.station = from[way],
                                    .shard = shard,
                                    .to = to_id,
                                    .channel = channel,
                                    .count = 1,
                                    .payload_size = 10};
                await_lane(&o);
                o.first = 1;
                o.count = 400;
                o.payload_size = 3000;
                cr_assert_eq(station_send(&o), 0);
            }
            cr_assert(await(to[way], &to[way]->heard.frames[from_id][channel], 401 * shards));
        }
        cr_assert_eq(look(to[way], &to[way]->heard.wrong), 0);
        cr_assert_gt(to[way]->heard.alive, 0);
    }
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link, carries_the_largest_frame)
{
    ports = ports_reserve();
    struct station a, b;
    start_pair(&a, 1, &b, 1);
    struct sending o = {.station = &a, .to = 2, .channel = NET_ENTRIES, .count = 1};
    await_lane(&o);
    o.first = 1;
    o.payload_size = PEER_FRAME_PAYLOAD_MAX + 1;
    cr_assert_eq(station_send(&o), ERR_TOO_LARGE);
    o.payload_size = PEER_FRAME_PAYLOAD_MAX;
    cr_assert_eq(station_send(&o), 0, "larger than the window, but nothing else waits");
    cr_assert(await(&b, &b.heard.frames[1][NET_ENTRIES], 2));
    cr_assert_eq(look(&b, &b.heard.wrong), 0);
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}

/* A shard that does nothing until told. */
struct held_shard {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_over;
    struct work_item item;
};

static void hold(struct work_item *item)
{
    struct held_shard *p = item->data;
    pthread_mutex_lock(&p->lock);
    while (!p->is_over)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

static void shard_hold(struct held_shard *p, struct shard *shard)
{
    *p = (struct held_shard){.item.data = p};
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    shard_post(shard, &p->item, hold);
}

static void shard_release(struct held_shard *p)
{
    pthread_mutex_lock(&p->lock);
    p->is_over = true;
    pthread_cond_signal(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

static void read_unsent(void *data)
{
    struct sending *o = data;
    o->payload_size = net_unsent_bytes(peer_links_net(o->station->links, o->shard), o->to,
                                       o->channel);
}

Test(peer_link, answers_busy_beyond_the_window_and_still_delivers_what_it_took)
{
    ports = ports_reserve();
    struct station a, b;
    start_pair(&a, 1, &b, 1);
    struct sending o = {.station = &a, .to = 2, .channel = NET_ENTRIES, .count = 1};
    await_lane(&o);
    cr_assert(await(&b, &b.heard.frames[1][NET_ENTRIES], 1));
    struct held_shard held;
    shard_hold(&held, b.shards[0]);

    o.first = 1;
    o.count = 10000;
    o.payload_size = 100000;
    cr_assert_eq(station_send(&o), ERR_BUSY);
    unsigned taken = o.sent;
    cr_assert_geq(taken, 80, "a window of 8 MiB holds more than 80 of them");
    struct sending unsent = o;
    run_on(a.shards[0], read_unsent, &unsent);
    cr_assert_leq(unsent.payload_size, (size_t)8 << 20);

    struct sending beat = {.station = &a, .to = 2, .channel = NET_CONTROL, .count = 10};
    cr_assert_eq(station_send(&beat), 0, "data must not keep a heartbeat out");

    shard_release(&held);
    cr_assert(await(&b, &b.heard.frames[1][NET_ENTRIES], 1 + taken));
    cr_assert(await(&b, &b.heard.frames[1][NET_CONTROL], 10));
    o.first = 1 + taken;
    o.count = 1;
    cr_assert_eq(station_send(&o), 0, "there is room again");
    cr_assert(await(&b, &b.heard.frames[1][NET_ENTRIES], 2 + taken));
    cr_assert_eq(look(&b, &b.heard.wrong), 0);
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}

static void serve_uneven(unsigned a_shards, unsigned b_shards)
{
    struct station a, b;
    start_pair(&a, a_shards, &b, b_shards);
    for (unsigned shard = 0; shard < a_shards; shard++) {
        struct sending o = {
            .station = &a, .shard = shard, .to = 2, .channel = NET_ENTRIES, .count = 1};
        await_lane(&o);
    }
    for (unsigned shard = 0; shard < b_shards; shard++) {
        struct sending o = {
            .station = &b, .shard = shard, .to = 1, .channel = NET_ENTRIES, .count = 1};
        await_lane(&o);
    }
    cr_assert(await(&b, &b.heard.frames[1][NET_ENTRIES], a_shards));
    cr_assert(await(&a, &a.heard.frames[2][NET_ENTRIES], b_shards));
    cr_assert_eq(look(&a, &a.heard.wrong) + look(&b, &b.heard.wrong), 0);
    station_stop(&a);
    station_stop(&b);
}

Test(peer_link, gives_every_shard_a_lane_when_the_node_that_connects_has_fewer)
{
    ports = ports_reserve();
    serve_uneven(1, 4);
    ports_release(&ports);
}

Test(peer_link, gives_every_shard_a_lane_when_the_node_that_connects_has_more)
{
    ports = ports_reserve();
    serve_uneven(3, 2);
    ports_release(&ports);
}

Test(peer_link, joins_three_nodes)
{
    ports = ports_reserve();
    struct station s[4];
    for (unsigned id = 1; id <= 3; id++)
        station_start(&s[id], id, &ports, 3, 2);
    for (unsigned id = 1; id <= 3; id++)
        for (unsigned peer = 1; peer <= 3; peer++)
            if (peer != id)
                cr_assert(await(&s[id], &s[id].heard.up[peer], 1));
    for (unsigned id = 1; id <= 3; id++)
        station_stop(&s[id]);
    ports_release(&ports);
}

Test(peer_link, tells_lost_and_then_refused_when_a_peer_is_gone_on_whichever_side_it_connected)
{
    ports = ports_reserve();
    for (unsigned gone = 1; gone <= 2; gone++) {
        struct station s[3];
        start_pair(&s[1], 2, &s[2], 2);
        struct station *stays = &s[3 - gone];
        station_stop(&s[gone]);
        cr_assert(await(stays, &stays->heard.down[gone], 1));
        cr_assert(await(stays, &stays->heard.refused[gone], 1));
        struct sending o = {.station = stays, .to = gone, .channel = NET_CONTROL, .count = 1};
        cr_assert_eq(station_send(&o), ERR_CLOSED);
        station_stop(stays);
    }
    ports_release(&ports);
}

/* A process of its own with node `id`; it serves until it is killed. */
static pid_t start_process(uint32_t id)
{
    pid_t child = fork(); /* before this process has threads */
    if (child == 0) {
        struct station s;
        station_start(&s, id, &ports, 2, 2);
        for (;;)
            pause();
    }
    cr_assert_gt(child, 0);
    return child;
}

static void see_kill(uint32_t killed)
{
    uint32_t stays = 3 - killed;
    pid_t child = start_process(killed);
    struct station s;
    station_start(&s, stays, &ports, 2, 2);
    cr_assert(await(&s, &s.heard.up[killed], 1));
    unsigned refused = look(&s, &s.heard.refused[killed]);
    cr_assert_eq(kill(child, SIGKILL), 0);
    cr_assert(await(&s, &s.heard.down[killed], 1));
    cr_assert(await(&s, &s.heard.refused[killed], refused + 1));
    cr_assert_eq(waitpid(child, NULL, 0), child);
    station_stop(&s);
}

Test(peer_link, sees_that_the_process_of_a_peer_it_connects_to_was_killed)
{
    ports = ports_reserve();
    see_kill(2);
    ports_release(&ports);
}

Test(peer_link, sees_that_the_process_of_a_peer_that_connects_to_it_was_killed)
{
    ports = ports_reserve();
    see_kill(1);
    ports_release(&ports);
}

Test(peer_link, is_up_at_once_when_a_peer_returns_however_long_the_other_would_have_waited)
{
    ports = ports_reserve();
    struct peer_links_options patient = station_options();
    patient.reconnect_ms = 600000; /* far beyond what the test waits */
    for (unsigned back = 1; back <= 2; back++) {
        struct station s[3];
        unsigned other = 3 - back;
        struct peer_identity self = station_identity(other), returning = station_identity(back);
        station_start_as(&s[other], &self, &ports, 2, 2, patient);
        cr_assert(await(&s[other], &s[other].heard.refused[back], 1));
        for (unsigned round = 1; round <= 2; round++) {
            station_start_as(&s[back], &returning, &ports, 2, 2, patient);
            cr_assert(await(&s[other], &s[other].heard.up[back], round));
            cr_assert(await(&s[back], &s[back].heard.up[other], 1));
            cr_assert(await(&s[back], &s[back].heard.shard_up[1], 1));
            station_stop(&s[back]);
            cr_assert(await(&s[other], &s[other].heard.refused[back], 1 + round));
        }
        station_stop(&s[other]);
    }
    ports_release(&ports);
}

Test(peer_link, can_be_stopped_before_its_shards_ran_and_twice)
{
    ports = ports_reserve();
    struct station s;
    struct peer_identity self = station_identity(1);
    station_init(&s, &self, 2);
    cr_assert_eq(station_create_links(&s, &ports, 3, station_options(), NULL), 0);
    peer_links_stop(s.links);
    peer_links_stop(s.links);
    peer_links_destroy(s.links);
    for (unsigned i = 0; i < 2; i++)
        shard_destroy(s.shards[i]);
    peer_links_destroy(NULL);
    ports_release(&ports);
}

Test(peer_link, says_which_address_it_can_not_listen_on)
{
    ports = ports_reserve();
    struct station first, second;
    station_start(&first, 1, &ports, 2, 1);
    struct peer_identity self = station_identity(1);
    station_init(&second, &self, 2);
    struct err_note note = {{0}};
    int err = station_create_links(&second, &ports, 2, station_options(), &note);
    cr_assert_eq(err, UV_EADDRINUSE);
    cr_assert_not_null(strstr(note.text, "127.0.0.1"));
    for (unsigned i = 0; i < 2; i++)
        shard_destroy(second.shards[i]);
    station_stop(&first);
    ports_release(&ports);
}

Test(peer_link, finds_peers_by_name)
{
    ports = ports_reserve();
    struct station a, b;
    station_start(&b, 2, &ports, 2, 1);
    struct peer_identity self = station_identity(1);
    station_init(&a, &self, 1);
    struct peer_address peer = {
        .node_id = 2, .site = "site-2", .host = "localhost", .port = ports.of[2]};
    struct peer_links_options options = station_options();
    options.listen_host = "localhost";
    options.listen_port = ports.of[1];
    options.peers = &peer;
    options.peer_count = 1;
    cr_assert_eq(peer_links_create(&options, &self, a.shards, 1, &a.links, NULL), 0);
    station_run(&a);
    cr_assert(await(&a, &a.heard.up[2], 1));
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}
