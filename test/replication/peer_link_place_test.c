/* Peers that come, go and move while the links run. */
#include "peer_link_station.h"

/* A change of the links, made on their shard 0. */
struct edit {
    struct station *station;
    struct peer_address address;
    uint32_t removed; /* instead */
};

static void make_edit(void *data)
{
    struct edit *e = data;
    if (e->removed != 0)
        peer_links_remove_peer(e->station->links, e->removed);
    else
        peer_links_set_peer(e->station->links, &e->address);
}

static void set_peer(struct station *s, uint32_t node_id, uint16_t port)
{
    struct edit e = {.station = s, .address = {.node_id = node_id, .port = port}};
    snprintf(e.address.site, sizeof e.address.site, "site-%u", node_id);
    snprintf(e.address.host, sizeof e.address.host, "%s", port != 0 ? "127.0.0.1" : "");
    run_on(s->shards[0], make_edit, &e);
}

static void remove_peer(struct station *s, uint32_t node_id)
{
    struct edit e = {.station = s, .removed = node_id};
    run_on(s->shards[0], make_edit, &e);
}

/* Starts knowing nobody, and where it is reached is in its handshake. */
static void start_alone(struct station *s, uint32_t node_id, const struct ports *ports,
                        unsigned shard_count)
{
    struct peer_identity self = station_identity(node_id);
    snprintf(self.peer_host, sizeof self.peer_host, "127.0.0.1");
    self.peer_port = ports->of[node_id];
    station_start_as(s, &self, ports, 0, shard_count, station_options());
}

Test(peer_link_place, joins_peers_that_are_set_while_it_runs_on_all_shards)
{
    struct ports ports = ports_reserve();
    struct station a, b;
    start_alone(&a, 1, &ports, 2);
    start_alone(&b, 2, &ports, 3);
    set_peer(&b, 1, ports.of[1]);
    set_peer(&a, 2, ports.of[2]);
    cr_assert(await(&a, &a.heard.up[2], 1));
    cr_assert(await(&b, &b.heard.up[1], 1));
    for (unsigned i = 1; i < 3; i++)
        cr_assert(await(&b, &b.heard.shard_up[i], 1));
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_place, learns_from_a_knock_where_a_peer_is)
{
    struct ports ports = ports_reserve();
    struct station a, b;
    start_alone(&a, 1, &ports, 1);
    start_alone(&b, 2, &ports, 1);
    set_peer(&a, 2, 0);           /* it may come, nobody said from where */
    set_peer(&b, 1, ports.of[1]); /* the larger id does not connect: it knocks */
    cr_assert(await(&a, &a.heard.up[2], 1));
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_place, finds_a_peer_that_is_not_where_it_was_said_to_be)
{
    struct ports ports = ports_reserve();
    struct station a, b;
    start_alone(&a, 1, &ports, 1);
    start_alone(&b, 2, &ports, 1);
    set_peer(&a, 2, ports.of[3]); /* nobody listens there */
    cr_assert(await(&a, &a.heard.refused[2], 1));
    set_peer(&b, 1, ports.of[1]);
    cr_assert(await(&a, &a.heard.up[2], 1));
    station_stop(&b);
    cr_assert(await(&a, &a.heard.down[2], 1));
    set_peer(&a, 2, ports.of[1]); /* who lives there is another: it is not taken for node 2 */
    start_alone(&b, 2, &ports, 1);
    set_peer(&b, 1, ports.of[1]);
    cr_assert(await(&a, &a.heard.up[2], 2));
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_place, refuses_a_removed_peer_until_it_is_set_again)
{
    struct ports ports = ports_reserve();
    struct station a, b;
    start_alone(&a, 1, &ports, 2);
    start_alone(&b, 2, &ports, 2);
    set_peer(&a, 2, ports.of[2]);
    set_peer(&b, 1, ports.of[1]);
    cr_assert(await(&b, &b.heard.up[1], 1));
    cr_assert(await(&a, &a.heard.up[2], 1));
    remove_peer(&a, 2);
    cr_assert(await(&a, &a.heard.down[2], 1), "its owner hears that it is away");
    cr_assert(await(&b, &b.heard.down[1], 1));
    cr_assert_eq(look(&a, &a.heard.up[2]), 1);
    set_peer(&a, 2, ports.of[2]);
    cr_assert(await(&a, &a.heard.up[2], 2));
    cr_assert(await(&b, &b.heard.up[1], 2));
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}

static void take_strangers(void *data)
{
    struct station *s = data;
    peer_links_take_strangers(s->links, true);
}

/* A node that begins anew knows those of its settings; who leads may have come later. */
Test(peer_link_place, takes_in_who_calls_from_its_cluster_once_it_is_told_to)
{
    for (uint32_t stranger = 1; stranger < 4; stranger += 2) { /* it connects; it knocks */
        struct ports ports = ports_reserve();
        struct station anew, other;
        start_alone(&anew, 2, &ports, 2);
        start_alone(&other, stranger, &ports, 2);
        set_peer(&other, 2, ports.of[2]);
        run_on(anew.shards[0], take_strangers, &anew);
        cr_assert(await(&anew, &anew.heard.up[stranger], 1));
        cr_assert(await(&other, &other.heard.up[2], 1));
        cr_assert(await(&anew, &anew.heard.shard_up[1], 1));
        station_stop(&anew);
        station_stop(&other);
        ports_release(&ports);
    }
}
