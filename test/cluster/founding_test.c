/* First start among three nodes: messages late and lost, restarts, wiped folders; never two
 * clusters, and what is empty among others' data never founds. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../cluster/start/founding.h"
#include "base/random.h"

#define NODES        3
#define MESSAGES_MAX 200
#define IDLE_STEPS   4000 /* enough for any conversation to end */

struct message {
    unsigned from, to;
    uint64_t from_incarnation, to_incarnation; /* of the connection it came by */
    struct bytes bytes;                        /* owned */
};

struct node {
    struct identity disk;   /* what is durable */
    struct identity memory; /* what the running process has */
    struct founding founding;
    bool is_up;
};

struct world {
    struct random random;
    struct node nodes[NODES];
    struct message messages[MESSAGES_MAX];
    unsigned message_count;
    uint64_t next_incarnation;
    unsigned found_count; /* times that a node became FOUNDED by founding */
    uint64_t first_cluster_id[2];
    bool may_lose;
};

static const struct identity_founder founders[NODES] = {
    {.node_id = 1, .site = "a"}, {.node_id = 2, .site = "b"}, {.node_id = 3, .site = "c"}};

static void make_folder(struct world *w, unsigned n)
{
    w->nodes[n].disk = (struct identity){.cluster_name = "tests",
                                         .node_id = n + 1,
                                         .incarnation = w->next_incarnation++,
                                         .state = IDENTITY_NEW};
}

static bool are_connected(struct world *w, unsigned a, unsigned b)
{
    return a != b && w->nodes[a].is_up && w->nodes[b].is_up;
}

static void greet(struct world *w, unsigned listener, unsigned speaker)
{
    const struct identity *identity = &w->nodes[speaker].memory;
    uint64_t none[2] = {0};
    founding_on_hello(&w->nodes[listener].founding, identity->node_id, identity->incarnation,
                      identity->state == IDENTITY_FOUNDED ? identity->cluster_id : none);
}

static void start(struct world *w, unsigned n)
{
    struct node *node = &w->nodes[n];
    node->memory = node->disk;
    node->is_up = true;
    founding_init(&node->founding, &node->memory, 4, founders, NODES);
    for (unsigned other = 0; other < NODES; other++)
        if (are_connected(w, n, other)) {
            greet(w, n, other);
            greet(w, other, n);
        }
}

static void stop(struct world *w, unsigned n)
{
    w->nodes[n].is_up = false;
    for (unsigned other = 0; other < NODES; other++)
        if (w->nodes[other].is_up)
            founding_on_down(&w->nodes[other].founding, n + 1);
}

static void check(struct world *w)
{
    for (unsigned n = 0; n < NODES; n++) {
        const struct identity *identity = &w->nodes[n].disk;
        if (identity->state != IDENTITY_FOUNDED)
            continue;
        if (w->found_count == 0)
            memcpy(w->first_cluster_id, identity->cluster_id, sizeof w->first_cluster_id);
        w->found_count++;
        cr_assert_arr_eq(identity->cluster_id, w->first_cluster_id, 16, "two clusters");
        cr_assert_neq(identity->cluster_id[0] | identity->cluster_id[1], 0);
    }
}

static void put_message(struct world *w, unsigned from, unsigned to, const uint8_t *bytes,
                        size_t size)
{
    if (w->message_count == MESSAGES_MAX)
        return;
    uint8_t *copy = malloc(size);
    memcpy(copy, bytes, size);
    w->messages[w->message_count++] = (struct message){
        .from = from,
        .to = to,
        .from_incarnation = w->nodes[from].memory.incarnation,
        .to_incarnation = w->nodes[to].memory.incarnation,
        .bytes = bytes_of(copy, size)};
}

static void tell(struct world *w, unsigned n)
{
    uint8_t told[FOUNDING_MESSAGE_SIZE_MAX], *invitation;
    size_t size, told_size = founding_message(&w->nodes[n].founding, told);
    for (unsigned to = 0; to < NODES; to++) {
        if (!are_connected(w, n, to))
            continue;
        put_message(w, n, to, told, told_size);
        if (w->nodes[n].memory.state != IDENTITY_FOUNDED ||
            w->nodes[to].memory.state == IDENTITY_FOUNDED)
            continue;
        cr_assert_eq(founding_invite_encode(&w->nodes[n].memory, &invitation, &size), 0);
        put_message(w, n, to, invitation, size);
        free(invitation);
    }
}

/* As founding_phase.c does it: what was decided is durable before anything else happens. A node
 * that is founded starts anew, with handshakes that say so. */
static void advance(struct world *w, unsigned n)
{
    struct node *node = &w->nodes[n];
    bool was_founded = node->memory.state == IDENTITY_FOUNDED;
    if (founding_advance(&node->founding) == FOUNDING_PERSIST) {
        if (random_below(&w->random, 10) == 0) {
            stop(w, n); /* before it was written */
            return;
        }
        node->disk = node->memory;
        check(w);
    }
    if (!was_founded && node->disk.state == IDENTITY_FOUNDED) {
        stop(w, n);
        start(w, n);
    }
    tell(w, n);
}

/* Any message that is under way, from any connection that still is. */
static void deliver(struct world *w)
{
    unsigned at = (unsigned)random_below(&w->random, w->message_count);
    struct message m = w->messages[at];
    w->messages[at] = w->messages[--w->message_count];
    bool is_lost = w->may_lose && random_below(&w->random, 4) == 0;
    if (!is_lost && are_connected(w, m.from, m.to) &&
        w->nodes[m.from].memory.incarnation == m.from_incarnation &&
        w->nodes[m.to].memory.incarnation == m.to_incarnation)
        founding_on_message(&w->nodes[m.to].founding, m.from + 1, m.bytes);
    free((void *)(uintptr_t)m.bytes.data);
}

static void disturb(struct world *w)
{
    unsigned n = (unsigned)random_below(&w->random, NODES);
    if (w->nodes[n].is_up)
        stop(w, n);
    else
        start(w, n);
}

static void step(struct world *w, bool may_disturb)
{
    uint64_t what = random_below(&w->random, 100);
    unsigned n = (unsigned)random_below(&w->random, NODES);
    if (what < 50 && w->message_count > 0)
        deliver(w);
    else if (what < 97 || !may_disturb) {
        if (w->nodes[n].is_up)
            advance(w, n);
    } else
        disturb(w);
}

static void world_init(struct world *w, uint64_t seed)
{
    memset(w, 0, sizeof *w);
    random_init(&w->random, seed);
    w->next_incarnation = 100;
    w->may_lose = true;
    for (unsigned n = 0; n < NODES; n++)
        make_folder(w, n);
    for (unsigned n = 0; n < NODES; n++)
        start(w, n);
}

static void world_close(struct world *w)
{
    while (w->message_count > 0)
        free((void *)(uintptr_t)w->messages[--w->message_count].bytes.data);
}

static void settle(struct world *w)
{
    for (unsigned i = 0; i < IDLE_STEPS; i++) {
        for (unsigned n = 0; n < NODES; n++)
            if (!w->nodes[n].is_up)
                start(w, n);
        step(w, false);
    }
}

Test(cluster_founding, makes_one_cluster_whatever_is_lost_or_restarted)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        world_init(&w, seed);
        for (unsigned i = 0; i < 300; i++)
            step(&w, true);
        settle(&w);
        for (unsigned n = 0; n < NODES; n++) {
            cr_assert_eq(w.nodes[n].disk.state, IDENTITY_FOUNDED, "seed %d node %u", (int)seed, n);
            cr_assert_not(w.nodes[n].disk.is_rebuilt);
            cr_assert_eq(w.nodes[n].disk.founder_count, NODES);
            cr_assert_arr_eq(w.nodes[n].disk.cluster_id, w.first_cluster_id, 16);
        }
        world_close(&w);
    }
}

Test(cluster_founding, a_node_that_was_emptied_joins_and_never_founds)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        world_init(&w, seed);
        settle(&w);
        unsigned wiped = (unsigned)random_below(&w.random, NODES);
        stop(&w, wiped);
        make_folder(&w, wiped);
        for (unsigned i = 0; i < 300; i++)
            step(&w, true); /* check() sees any other cluster */
        settle(&w);
        cr_assert_eq(w.nodes[wiped].disk.state, IDENTITY_FOUNDED, "seed %d", (int)seed);
        cr_assert(w.nodes[wiped].disk.is_rebuilt, "it begins with no replica and no vote");
        cr_assert_arr_eq(w.nodes[wiped].disk.cluster_id, w.first_cluster_id, 16);
        world_close(&w);
    }
}

/* Whoever has not founded may lose its folder in the middle of it. */
Test(cluster_founding, never_makes_two_clusters_when_a_folder_goes_in_the_middle)
{
    static struct world w;
    unsigned wiped_count = 0;
    for (uint64_t seed = 1; seed <= 500; seed++) {
        world_init(&w, seed);
        for (uint64_t i = random_below(&w.random, 80); i > 0; i--)
            step(&w, true);
        unsigned n = (unsigned)random_below(&w.random, NODES);
        if (w.nodes[n].disk.state != IDENTITY_FOUNDED) {
            if (w.nodes[n].is_up)
                stop(&w, n);
            make_folder(&w, n);
            wiped_count++;
        }
        settle(&w); /* check() sees a second cluster */
        world_close(&w);
    }
    cr_assert_gt(wiped_count, 50);
}

Test(cluster_founding, an_emptied_pair_waits_for_the_node_that_has_data)
{
    static struct world w;
    for (uint64_t seed = 1; seed <= 100; seed++) {
        world_init(&w, seed);
        settle(&w);
        for (unsigned n = 0; n < NODES; n++)
            stop(&w, n);
        make_folder(&w, 0);
        make_folder(&w, 1);
        start(&w, 0);
        start(&w, 1);
        for (unsigned i = 0; i < 2000; i++)
            step(&w, false); /* the third is down */
        cr_assert_neq(w.nodes[0].disk.state, IDENTITY_FOUNDED);
        cr_assert_neq(w.nodes[1].disk.state, IDENTITY_FOUNDED);
        world_close(&w);
    }
}

Test(cluster_founding, ignores_strangers_and_broken_messages)
{
    static struct world w;
    uint8_t message[FOUNDING_MESSAGE_SIZE_MAX] = {0}, *invitation;
    uint64_t id[2] = {5, 6};
    size_t size;
    world_init(&w, 1);
    struct founding *f = &w.nodes[0].founding;
    struct founding before;
    size_t message_size = founding_message(&w.nodes[1].founding, message);
    founding_on_hello(f, 9, 77, id); /* not a founder */
    founding_on_message(f, 9, bytes_of(message, message_size));
    before = *f;
    for (size_t cut = 0; cut < message_size; cut++)
        founding_on_message(f, 2, bytes_of(message, cut));
    cr_assert_arr_eq(&before, f, sizeof before);
    struct identity other = w.nodes[1].memory;
    other.cluster_id[0] = 5;
    other.cluster_id[1] = 6;
    other.groups_per_node = 4;
    other.founder_count = 1;
    cr_assert_eq(founding_invite_encode(&other, &invitation, &size), 0);
    founding_on_message(f, 2, bytes_of(invitation, size));
    cr_assert_not(f->is_invited, "by a node whose handshake named no cluster");
    founding_on_hello(f, 2, other.incarnation, id);
    for (size_t cut = 0; cut < size; cut++)
        founding_on_message(f, 2, bytes_of(invitation, cut));
    cr_assert_not(f->is_invited, "by an invitation that is cut");
    cr_assert_eq(founding_advance(f), FOUNDING_REBUILD);
    founding_on_message(f, 2, bytes_of(invitation, size));
    cr_assert(f->is_invited);
    free(invitation);
    world_close(&w);
}

Test(cluster_founding, nodes_that_would_make_other_groups_do_not_found)
{
    static struct world w;
    world_init(&w, 3);
    w.nodes[2].founding.groups_per_node = 8;
    for (unsigned i = 0; i < 3000; i++)
        step(&w, false);
    for (unsigned n = 0; n < NODES; n++)
        if (w.nodes[n].founding.groups_per_node == 8 || n == 0)
            cr_assert_neq(w.nodes[n].disk.state, IDENTITY_FOUNDED);
    world_close(&w);
}

/* Two nodes, connected, each told once what the other is set to. */
static void tell_each_other(struct founding *f, struct identity *identities)
{
    uint64_t none[2] = {0};
    for (unsigned n = 0; n < 2; n++) {
        uint8_t message[FOUNDING_MESSAGE_SIZE_MAX];
        size_t size = founding_message(&f[n], message);
        founding_on_hello(&f[1 - n], n + 1, identities[n].incarnation, none);
        founding_on_message(&f[1 - n], n + 1, bytes_of(message, size));
    }
}

Test(cluster_founding, says_once_what_differs_with_both_values)
{
    struct identity identities[2] = {{.node_id = 1, .incarnation = 11, .state = IDENTITY_NEW},
                                     {.node_id = 2, .incarnation = 12, .state = IDENTITY_NEW}};
    struct founding f[2];
    struct founding_difference d;
    founding_init(&f[0], &identities[0], 4, founders, 3);
    founding_init(&f[1], &identities[1], 8, founders, 2);
    tell_each_other(f, identities);
    cr_assert(founding_next_difference(&f[0], &d));
    cr_assert_eq(d.node_id, 2);
    cr_assert_str_eq(d.setting, "raft_groups_per_node");
    cr_assert_str_eq(d.ours, "4");
    cr_assert_str_eq(d.theirs, "8");
    cr_assert(founding_next_difference(&f[0], &d));
    cr_assert_str_eq(d.setting, "nodes");
    cr_assert_str_eq(d.ours, "1@a,2@b,3@c");
    cr_assert_str_eq(d.theirs, "1@a,2@b");
    tell_each_other(f, identities);
    cr_assert_not(founding_next_difference(&f[0], &d), "once");
    founding_on_down(&f[0], 2);
    tell_each_other(f, identities);
    cr_assert_not(founding_next_difference(&f[0], &d), "also after a new connection");
    f[1].groups_per_node = 5;
    tell_each_other(f, identities);
    cr_assert(founding_next_difference(&f[0], &d), "and again when it has changed");
    cr_assert_str_eq(d.theirs, "5");
    char missing[FOUNDING_TEXT_SIZE];
    cr_assert(founding_missing(&f[0], missing));
    cr_assert_str_eq(missing, "3@c");
    cr_assert_not(founding_missing(&f[1], missing));
}

/* The last to be READY founds in the same breath, and then is away while it opens its folder. */
Test(cluster_founding, who_is_founded_first_says_so_and_stays_until_the_others_are)
{
    static struct world w;
    uint8_t message[FOUNDING_MESSAGE_SIZE_MAX];
    world_init(&w, 1);
    for (unsigned n = 0; n < NODES; n++)
        cr_assert_eq(founding_advance(&w.nodes[n].founding), FOUNDING_PERSIST);
    for (unsigned n = 1; n < NODES; n++)
        founding_on_message(&w.nodes[0].founding, n + 1,
                            bytes_of(message, founding_message(&w.nodes[n].founding, message)));
    cr_assert_eq(founding_advance(&w.nodes[0].founding), FOUNDING_PERSIST);
    cr_assert_eq(w.nodes[0].memory.state, IDENTITY_FOUNDED);
    cr_assert_not(founding_is_over(&w.nodes[0].founding));
    for (unsigned n = 1; n < NODES; n++)
        for (unsigned from = 0; from < NODES; from++)
            if (from != n)
                founding_on_message(
                    &w.nodes[n].founding, from + 1,
                    bytes_of(message, founding_message(&w.nodes[from].founding, message)));
    cr_assert_eq(founding_advance(&w.nodes[1].founding), FOUNDING_PERSIST);
    cr_assert_eq(w.nodes[1].memory.state, IDENTITY_FOUNDED, "its word is as good as READY");
    founding_on_message(&w.nodes[0].founding, 2,
                        bytes_of(message, founding_message(&w.nodes[1].founding, message)));
    cr_assert_not(founding_is_over(&w.nodes[0].founding), "one is missing");
    founding_on_down(&w.nodes[0].founding, 3);
    cr_assert(founding_is_over(&w.nodes[0].founding), "nobody waits for its word any more");
    world_close(&w);
}
