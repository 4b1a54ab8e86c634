/* Who is let in: the links of one real node, and a plain socket that plays the other. */
#include <sys/socket.h>
#include <sys/time.h>

#include "../../replication/peer_link_hello.h"
#include "peer_link_station.h"

static struct ports ports;

/* ---- the plain socket ---- */

static int dial(uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = {.tv_sec = AWAIT_S};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    cr_assert_eq(connect(s, (struct sockaddr *)&to, sizeof to), 0);
    return s;
}

static void write_all(int s, const void *bytes, size_t size)
{
    cr_assert_eq(send(s, bytes, size, MSG_NOSIGNAL), (ssize_t)size);
}

static size_t put_frame(uint8_t *at, enum peer_frame_kind kind, enum net_channel channel,
                        const void *head, size_t size)
{
    struct net_frame frame = {.head = bytes_of(head, size)};
    peer_frame_encode(at, kind, channel, &frame);
    memcpy(at + PEER_FRAME_HEADER_SIZE, head, size);
    return PEER_FRAME_HEADER_SIZE + size;
}

static size_t put_hello(uint8_t *at, enum peer_frame_kind kind, const struct peer_hello *hello)
{
    uint8_t head[PEER_HELLO_SIZE_MAX];
    size_t size = peer_hello_encode(hello, head);
    return put_frame(at, kind, hello->channel, head, size);
}

static void write_hello(int s, const struct peer_hello *hello)
{
    uint8_t bytes[1024];
    write_all(s, bytes, put_hello(bytes, PEER_FRAME_HELLO, hello));
}

/* True when the other side closes before anything more comes than what was read already. */
static bool is_closed_by_peer(int s)
{
    uint8_t byte;
    ssize_t got = recv(s, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
}

/* Reads one frame; its body is copied into `body`. */
static struct peer_frame read_frame(int s, uint8_t body[1024])
{
    uint8_t bytes[2048];
    size_t size = 0, needed = PEER_FRAME_HEADER_SIZE;
    struct peer_frame f = {0};
    int got = ERR_NEED_MORE;
    while (got == ERR_NEED_MORE) {
        ssize_t part = recv(s, bytes + size, needed - size, 0);
        cr_assert_gt(part, 0, "the other side must answer");
        size += (size_t)part;
        got = peer_frame_decode(bytes_of(bytes, size), &peer_frame_limits_greeting, &f, &needed);
    }
    cr_assert_eq(got, (int)size);
    memcpy(body, f.body.data, f.body.size);
    f.body.data = body;
    return f;
}

static unsigned read_refusal(int s)
{
    uint8_t body[1024];
    struct peer_frame f = read_frame(s, body);
    cr_assert_eq(f.kind, PEER_FRAME_REFUSAL);
    unsigned refusal;
    uint32_t node_id;
    cr_assert_eq(peer_refusal_decode(f.body, &refusal, &node_id), 0);
    cr_assert_eq(node_id, 2);
    return refusal;
}

static struct peer_hello hello_to_2(enum net_channel channel)
{
    return (struct peer_hello){.version_min = PEER_VERSION_MIN,
                               .version_max = PEER_VERSION_MAX,
                               .identity = station_identity(1),
                               .to_node_id = 2,
                               .channel = channel,
                               .shard_count = 1};
}

/* As node 1, past the handshake with station 2. */
static int dial_as_node_1(void)
{
    int s = dial(ports.of[2]);
    struct peer_hello hello = hello_to_2(NET_CONTROL);
    write_hello(s, &hello);
    uint8_t body[1024];
    struct peer_frame f = read_frame(s, body);
    cr_assert_eq(f.kind, PEER_FRAME_HELLO);
    cr_assert_eq(peer_hello_decode(f.body, &hello), 0);
    cr_assert_eq(hello.identity.node_id, 2);
    cr_assert_eq(hello.to_node_id, 1);
    return s;
}

static void assert_refused(const struct peer_hello *hello, unsigned refusal)
{
    int s = dial(ports.of[2]);
    write_hello(s, hello);
    cr_assert_eq(read_refusal(s), refusal);
    cr_assert(is_closed_by_peer(s));
    close(s);
}

/* ---- what a wrong node hears ---- */

Test(peer_link_refusal, tells_a_wrong_node_why)
{
    ports = ports_reserve();
    struct station b;
    station_start(&b, 2, &ports, 2, 2);
    struct peer_hello hello = hello_to_2(NET_CONTROL);
    hello.identity.cluster_id[0]++;
    assert_refused(&hello, PEER_REFUSED_OTHER_CLUSTER);
    hello = hello_to_2(NET_CONTROL);
    hello.identity.site[0] = 'x';
    assert_refused(&hello, PEER_REFUSED_OTHER_SITE);
    hello = hello_to_2(NET_ENTRIES);
    hello.to_node_id = 3;
    assert_refused(&hello, PEER_REFUSED_OTHER_NODE);
    hello.identity.node_id = 2;
    assert_refused(&hello, PEER_REFUSED_OWN_NODE);
    hello = hello_to_2(NET_CONTROL);
    hello.identity.node_id = 9;
    assert_refused(&hello, PEER_REFUSED_UNKNOWN_NODE);
    hello = hello_to_2(NET_CONTROL);
    hello.version_min = hello.version_max = PEER_VERSION_MAX + 1;
    assert_refused(&hello, PEER_REFUSED_VERSION);
    hello = hello_to_2(NET_SHIPPING);
    hello.identity.cluster_id[0] = hello.identity.cluster_id[1] = 0;
    assert_refused(&hello, PEER_REFUSED_NOT_FOUNDED);

    uint8_t bytes[1024];
    hello = hello_to_2(NET_CONTROL);
    size_t size = put_hello(bytes, PEER_FRAME_HELLO, &hello);
    bytes[4] = PEER_VERSION_MAX + 1; /* even the header is of another time */
    int s = dial(ports.of[2]);
    write_all(s, bytes, size);
    cr_assert_eq(read_refusal(s), PEER_REFUSED_VERSION);
    close(s);

    cr_assert_eq(look(&b, &b.heard.up[1]), 0);
    cr_assert_eq(look(&b, &b.heard.hellos), 0);
    close(dial_as_node_1()); /* and the right one is still let in */
    cr_assert(await(&b, &b.heard.up[1], 1));
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_refusal, keeps_two_clusters_apart)
{
    ports = ports_reserve();
    struct station a, b;
    struct peer_identity other = station_identity(1);
    other.cluster_id[0] = 5;
    station_start(&b, 2, &ports, 2, 1);
    station_start_as(&a, &other, &ports, 2, 1, station_options());
    /* A third node's view is not needed: the one that was refused backs off and stays down, and
     * when it comes back under the right cluster it is let in. */
    struct sending o = {.station = &a, .to = 2, .channel = NET_CONTROL, .count = 1};
    cr_assert_eq(station_send(&o), ERR_CLOSED);
    station_stop(&a);
    cr_assert_eq(look(&b, &b.heard.up[1]), 0);
    station_start(&a, 1, &ports, 2, 1);
    cr_assert(await(&b, &b.heard.up[1], 1));
    cr_assert(await(&a, &a.heard.up[2], 1));
    station_stop(&a);
    station_stop(&b);
    ports_release(&ports);
}

static void found(void *data)
{
    struct station *s = data;
    s->self.cluster_id[0] = 71;
    s->self.cluster_id[1] = 72;
    s->self.has_data = true;
    peer_links_set_identity(s->links, &s->self);
}

Test(peer_link_refusal, lets_unfounded_nodes_speak_on_control_only_until_both_are_founded)
{
    ports = ports_reserve();
    struct station s[3];
    for (unsigned id = 1; id <= 2; id++) {
        struct peer_identity self = station_identity(id);
        self.cluster_id[0] = self.cluster_id[1] = 0;
        station_start_as(&s[id], &self, &ports, 2, 2, station_options());
    }
    cr_assert(await(&s[1], &s[1].heard.up[2], 1));
    cr_assert(await(&s[2], &s[2].heard.up[1], 1));
    struct sending entries = {
        .station = &s[1], .shard = 1, .to = 2, .channel = NET_ENTRIES, .count = 1};
    struct sending control = {.station = &s[1], .to = 2, .channel = NET_CONTROL, .count = 1};
    cr_assert_eq(station_send(&control), 0);
    cr_assert_eq(station_send(&entries), ERR_CLOSED);

    run_on(s[1].shards[0], found, &s[1]);
    cr_assert(await(&s[2], &s[2].heard.founded[1], 1), "told by a new hello");
    cr_assert_eq(station_send(&entries), ERR_CLOSED);
    run_on(s[2].shards[0], found, &s[2]);
    cr_assert(await(&s[1], &s[1].heard.founded[2], 1));
    cr_assert(await(&s[1], &s[1].heard.shard_up[1], 1));
    cr_assert_eq(station_send(&entries), 0);
    cr_assert(await(&s[2], &s[2].heard.frames[1][NET_ENTRIES], 1));
    cr_assert_eq(look(&s[1], &s[1].heard.down[2]), 0, "the control connection stays");
    station_stop(&s[1]);
    station_stop(&s[2]);
    ports_release(&ports);
}

/* ---- bad streams ---- */

Test(peer_link_refusal, closes_on_garbage_and_on_a_hello_cut_anywhere)
{
    ports = ports_reserve();
    struct station b;
    station_start(&b, 2, &ports, 2, 1);
    uint8_t garbage[64], hello_bytes[1024];
    memset(garbage, 0xe5, sizeof garbage);
    int s = dial(ports.of[2]);
    write_all(s, garbage, sizeof garbage);
    cr_assert(is_closed_by_peer(s));
    close(s);

    struct peer_hello hello = hello_to_2(NET_CONTROL);
    size_t size = put_hello(hello_bytes, PEER_FRAME_HELLO, &hello);
    for (size_t cut = 0; cut < size; cut++) {
        s = dial(ports.of[2]);
        write_all(s, hello_bytes, cut);
        shutdown(s, SHUT_WR);
        cr_assert(is_closed_by_peer(s));
        close(s);
    }
    cr_assert_eq(look(&b, &b.heard.up[1]), 0);
    close(dial_as_node_1());
    cr_assert(await(&b, &b.heard.up[1], 1));
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_refusal, closes_when_anything_but_a_hello_comes_first)
{
    ports = ports_reserve();
    struct station b;
    station_start(&b, 2, &ports, 2, 1);
    for (enum peer_frame_kind kind = PEER_FRAME_REFUSAL; kind <= PEER_FRAME_MESSAGE; kind++) {
        uint8_t bytes[1024], refusal[PEER_REFUSAL_SIZE];
        struct peer_hello hello = hello_to_2(NET_CONTROL);
        peer_refusal_encode(PEER_REFUSED_VERSION, 1, refusal);
        /* A CALL is for the side that may not connect; node 1 may. */
        size_t size = kind == PEER_FRAME_CALL
                          ? put_hello(bytes, kind, &hello)
                          : put_frame(bytes, kind, NET_CONTROL, refusal, sizeof refusal);
        int s = dial(ports.of[2]);
        write_all(s, bytes, size);
        cr_assert(is_closed_by_peer(s));
        close(s);
    }
    cr_assert_eq(look(&b, &b.heard.up[1]), 0);
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_refusal, takes_a_message_that_came_with_the_hello_in_one_packet)
{
    ports = ports_reserve();
    struct station b;
    station_start(&b, 2, &ports, 2, 2);
    uint8_t bytes[1024], head[TEST_HEAD_SIZE] = {0};
    struct peer_hello hello = hello_to_2(NET_ENTRIES);
    hello.lane = 1; /* goes to the other shard, and the message with it */
    hello.shard_count = 2;
    size_t size = put_hello(bytes, PEER_FRAME_HELLO, &hello);
    head[8] = 1;
    size += put_frame(bytes + size, PEER_FRAME_MESSAGE, NET_ENTRIES, head, sizeof head);
    int s = dial(ports.of[2]);
    write_all(s, bytes, size);
    cr_assert(await(&b, &b.heard.frames[1][NET_ENTRIES], 1));
    cr_assert_eq(look(&b, &b.heard.wrong), 0);
    close(s);
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_refusal, drops_a_connection_whose_frame_is_damaged_or_of_another_channel)
{
    ports = ports_reserve();
    struct station b;
    station_start(&b, 2, &ports, 2, 1);
    for (unsigned round = 0; round < 3; round++) {
        int s = dial_as_node_1();
        cr_assert(await(&b, &b.heard.up[1], round + 1));
        uint8_t bytes[1024], head[TEST_HEAD_SIZE] = {0};
        size_t size = put_frame(bytes, PEER_FRAME_MESSAGE, round == 1 ? NET_ENTRIES : NET_CONTROL,
                                head, sizeof head);
        if (round == 0)
            bytes[size - 1] ^= 1; /* the head */
        if (round == 2)
            bytes_put_le32(bytes + 12, 0xfffffff0u); /* the payload's size */
        write_all(s, bytes, size);
        cr_assert(is_closed_by_peer(s));
        cr_assert(await(&b, &b.heard.down[1], round + 1));
        close(s);
    }
    cr_assert_eq(look(&b, &b.heard.frames[1][NET_CONTROL]), 0);
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_refusal, lets_a_newer_connection_replace_the_older)
{
    ports = ports_reserve();
    struct station b;
    station_start(&b, 2, &ports, 2, 1);
    int older = dial_as_node_1();
    cr_assert(await(&b, &b.heard.up[1], 1));
    int newer = dial_as_node_1();
    cr_assert(is_closed_by_peer(older));
    cr_assert(await(&b, &b.heard.up[1], 2));
    cr_assert_eq(look(&b, &b.heard.down[1]), 1);
    uint8_t bytes[1024], head[TEST_HEAD_SIZE] = {0};
    write_all(newer, bytes, put_frame(bytes, PEER_FRAME_MESSAGE, NET_CONTROL, head, sizeof head));
    cr_assert(await(&b, &b.heard.frames[1][NET_CONTROL], 1));
    close(older);
    close(newer);
    station_stop(&b);
    ports_release(&ports);
}

Test(peer_link_refusal, does_not_wait_for_ever_for_a_hello_and_stops_with_guests_waiting)
{
    ports = ports_reserve();
    struct station b;
    station_start(&b, 2, &ports, 2, 1);
    int silent = dial(ports.of[2]);
    cr_assert(is_closed_by_peer(silent), "the deadline closes it");
    close(silent);
    int half = dial(ports.of[2]);
    write_all(half, "TLPF", 4);
    close(dial_as_node_1()); /* `half` was accepted before this one */
    cr_assert(await(&b, &b.heard.up[1], 1));
    station_stop(&b);
    cr_assert(is_closed_by_peer(half));
    close(half);
    ports_release(&ports);
}
