/* The watch, and the gate that it sets, over routers and nodes of the test's own. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "fake_face.h"
#include "site_watch.h"

#define SITES 3

struct stage {
    struct fake_face faces[SITES]; /* a, b, c */
    struct client_settings settings;
    struct site_gate gate;
    struct site_watch *watch;
    struct router_verdict verdict;
};

static const char *const names[SITES] = {"a", "b", "c"};

/* The own site is a, which stands last in the list. `stand_in`: where routers or nodes stand.
 * `knows_home`: each shows a's router before itself. `host`: what settings call it; NULL: as it
 * calls itself. */
static void set_stage_of(struct stage *s, int32_t first_id, const char *const stand_in[SITES],
                         bool knows_home, const char *host)
{
    memset(s, 0, sizeof *s);
    strcpy(s->settings.site, "a");
    s->settings.bootstrap.count = SITES;
    struct router_site sites[SITES];
    for (int i = 0; i < SITES; i++) {
        fake_face_start(&s->faces[i], stand_in[i], first_id + i);
        atomic_store(&s->faces[i].shown_first, knows_home ? &s->faces[0] : NULL);
        struct conf_address *address = &s->settings.bootstrap.entries[SITES - 1 - i];
        *address = s->faces[i].address;
        if (host != NULL)
            bytes_copy_text(address->host, sizeof address->host, host);
        sites[i].weight = 1;
        strcpy(sites[i].name, names[i]);
    }
    cr_assert_eq(router_verdict_init(&s->verdict, sites, SITES, NULL), 0);
    cr_assert_eq(site_gate_init(&s->gate, 1000), 0);
    cr_assert_eq(site_watch_open(&s->watch, &s->settings, &s->gate), 0);
}

static void set_stage(struct stage *s, int32_t first_id)
{
    set_stage_of(s, first_id, names, false, NULL);
}

static void clear_stage(struct stage *s)
{
    site_watch_close(s->watch);
    site_gate_close(&s->gate);
    for (int i = 0; i < SITES; i++)
        fake_face_stop(&s->faces[i]);
}

static void judge(struct stage *s, int site, enum router_health health, enum router_drain drain)
{
    s->verdict.epoch++;
    s->verdict.failover_epoch = 7;
    struct router_standing *standing = &s->verdict.sites[site];
    standing->health = health;
    standing->reason = health == ROUTER_LEFT ? ROUTER_REASON_UNREACHED : ROUTER_REASON_WELL;
    standing->drain = drain;
    for (int i = 0; i < SITES; i++)
        fake_face_judge(&s->faces[i], &s->verdict);
}

static bool is_changed(struct stage *s, struct site_change *change)
{
    for (int i = 0; i < 3000; i++) {
        if (site_watch_take(s->watch, change))
            return true;
        usleep(10000);
    }
    return false;
}

static void wait_until_decided(struct stage *s)
{
    struct trilog_site_state state = {0};
    for (int i = 0; i < 3000 && !state.has_routers; i++) {
        usleep(10000);
        site_watch_state(s->watch, &state);
    }
    cr_assert_str_eq(state.site, "a");
}

/* As librdkafka does; the socket, or minus the errno. */
static int connect_through(struct stage *s, int site)
{
    const struct conf_address *a = &s->faces[site].address;
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(a->port)};
    char id[CONF_ADDRESS_SIZE];
    snprintf(id, sizeof id, "%s:%u", a->host, a->port);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int err = site_gate_connect(&s->gate, fd, (struct sockaddr *)&to, sizeof to, id);
    if (err == 0)
        return fd;
    close(fd);
    return -err;
}

static void assert_is_cut(int fd)
{
    char byte;
    cr_assert_eq(recv(fd, &byte, 1, 0), 0);
}

/* Which site's face has it? Closes it. */
static int led_to(struct stage *s, int fd)
{
    struct sockaddr_in at;
    socklen_t size = sizeof at;
    int site = -1;
    cr_assert_eq(getpeername(fd, (struct sockaddr *)&at, &size), 0);
    for (int i = 0; i < 3; i++)
        if (s->faces[i].address.port == ntohs(at.sin_port))
            site = i;
    site_gate_close_socket(&s->gate, fd);
    return site;
}

Test(client_site_watch, leads_to_the_own_site_whichever_routers_address_is_tried, .timeout = 60)
{
    struct stage s;
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    int own = connect_through(&s, 0);
    cr_assert_geq(own, 0, "it waits until that is known");
    wait_until_decided(&s);
    cr_assert_eq(led_to(&s, own), 0);
    cr_assert_eq(led_to(&s, connect_through(&s, 1)), 0);
    cr_assert_eq(led_to(&s, connect_through(&s, 2)), 0);
    clear_stage(&s);
}

Test(client_site_watch, refuses_by_the_socket_and_not_by_an_errno, .timeout = 60)
{
    struct site_gate gate;
    cr_assert_eq(site_gate_init(&gate, 1000), 0);
    struct conf_address address = {.host = "router-b", .port = 9192};
    site_gate_learn(&gate, &address, "b", true);
    site_gate_use(&gate, "a", -1); /* of which nobody knows a router */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); /* as librdkafka's are */
    cr_assert_eq(site_gate_connect(&gate, fd, (struct sockaddr *)&to, sizeof to, "router-b:9192"),
                 0);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int err = 0;
    socklen_t size = sizeof err;
    cr_assert_eq(poll(&p, 1, 30000), 1);
    cr_assert_eq(getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size), 0);
    cr_assert_eq(err, ECONNREFUSED);
    site_gate_close_socket(&gate, fd);
    site_gate_close(&gate);
}

Test(client_site_watch, goes_to_another_site_when_the_own_one_hangs, .timeout = 60)
{
    struct stage s;
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    int own = connect_through(&s, 0);
    wait_until_decided(&s);
    atomic_store(&s.faces[0].state, FACE_HUNG);
    struct site_change change;
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.from, "a");
    cr_assert_str_eq(change.cause, "routers of a do not answer here");
    assert_is_cut(own);
    site_gate_close_socket(&s.gate, own);
    int other = connect_through(&s, 0);
    cr_assert_geq(other, 0, "no metadata is needed for that");
    cr_assert_eq(led_to(&s, other), change.site[0] - 'a');
    atomic_store(&s.faces[0].state, FACE_WELL);
    clear_stage(&s);
}

/* Two round trips of 200 ms, and some. */
Test(client_site_watch, goes_to_a_site_that_is_far, .timeout = 60)
{
    struct stage s;
    struct site_change change;
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    wait_until_decided(&s);
    for (int i = 1; i < SITES; i++)
        atomic_store(&s.faces[i].delay_ms, 450);
    atomic_store(&s.faces[0].state, FACE_HUNG);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.from, "a");
    atomic_store(&s.faces[0].state, FACE_WELL);
    clear_stage(&s);
}

/* Routers that know whose an application is show its own site's first, wherever they stand. */
static void assert_leads_elsewhere(const char *host)
{
    struct stage s;
    struct site_change change;
    set_stage_of(&s, CONF_ROUTER_ID_LEAST, names, true, host);
    wait_until_decided(&s);
    for (int i = 0; i < SITES; i++)
        cr_assert_eq(led_to(&s, connect_through(&s, i)), 0);
    judge(&s, 0, ROUTER_LEFT, ROUTER_IN);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_neq(change.site, "a", "the site is left, while its router is still shown first");
    cr_assert_neq(led_to(&s, connect_through(&s, 0)), 0);
    clear_stage(&s);
}

Test(client_site_watch, knows_where_a_router_stands_that_shows_the_own_sites_first, .timeout = 60)
{
    assert_leads_elsewhere(NULL);
}

Test(client_site_watch, also_of_one_that_settings_call_by_another_name, .timeout = 60)
{
    assert_leads_elsewhere("localhost");
}

static void wait_until_asked(struct stage *s, int face, int before)
{
    for (int i = 0; i < 3000 && atomic_load(&s->faces[face].asked) == before; i++)
        usleep(10000);
    cr_assert_gt(atomic_load(&s->faces[face].asked), before);
}

static void set_states(struct stage *s, enum fake_face_state a, enum fake_face_state b,
                       enum fake_face_state other_a)
{
    atomic_store(&s->faces[0].state, a);
    atomic_store(&s->faces[1].state, b);
    atomic_store(&s->faces[2].state, other_a);
}

Test(client_site_watch, goes_to_a_site_that_it_had_lost_when_both_routers_of_its_own_are_gone,
     .timeout = 120)
{
    static const char *const stand_in[SITES] = {"a", "b", "a"};
    struct stage s;
    struct site_change change;
    set_stage_of(&s, CONF_ROUTER_ID_LEAST, stand_in, false, NULL);
    wait_until_decided(&s);
    for (int i = 0; i < SITES; i++)
        wait_until_asked(&s, i, 0);
    set_states(&s, FACE_AWAY, FACE_WELL, FACE_AWAY);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.site, "b");
    set_states(&s, FACE_WELL, FACE_AWAY, FACE_WELL);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.site, "a", "better than none, whatever happened");
    int asked = atomic_load(&s.faces[2].asked);
    set_states(&s, FACE_AWAY, FACE_WELL, FACE_WELL);
    wait_until_asked(&s, 2, asked);
    set_states(&s, FACE_AWAY, FACE_WELL, FACE_AWAY);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.site, "b", "nobody has looked at it since it was lost");
    clear_stage(&s);
}

static int asked_of_a(struct stage *s)
{
    return atomic_load(&s->faces[0].asked) + atomic_load(&s->faces[2].asked);
}

/* One of a's two routers, until the other one is asked in its place. */
static void hang_who_is_linked(struct stage *s)
{
    int before = asked_of_a(s);
    for (int i = 0; i < 3000 && asked_of_a(s) == before; i++) {
        bool is_first = i / 300 % 2 == 0; /* for 3 s each */
        set_states(s, is_first ? FACE_HUNG : FACE_WELL, FACE_WELL,
                   is_first ? FACE_WELL : FACE_HUNG);
        usleep(10000);
    }
    cr_assert_gt(asked_of_a(s), before);
}

Test(client_site_watch, asks_another_router_of_the_site_when_one_hangs, .timeout = 120)
{
    static const char *const stand_in[SITES] = {"a", "b", "a"};
    struct stage s;
    struct site_change change;
    set_stage_of(&s, CONF_ROUTER_ID_LEAST, stand_in, false, NULL);
    wait_until_decided(&s);
    for (int i = 0; i < SITES; i++)
        wait_until_asked(&s, i, 0);
    hang_who_is_linked(&s);
    cr_assert_not(site_watch_take(s.watch, &change), "the site is not left");
    set_states(&s, FACE_HUNG, FACE_WELL, FACE_HUNG);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.from, "a");
    cr_assert_str_eq(change.site, "b");
    set_states(&s, FACE_WELL, FACE_WELL, FACE_WELL);
    clear_stage(&s);
}

/* A listener of the site in use whose queue is full: what connects is not answered. */
static int listen_full(struct stage *s, struct sockaddr_in *at, int *filler)
{
    socklen_t size = sizeof *at;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    *at = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    cr_assert_eq(bind(listener, (struct sockaddr *)at, size), 0);
    cr_assert_eq(listen(listener, 0), 0);
    cr_assert_eq(getsockname(listener, (struct sockaddr *)at, &size), 0);
    *filler = socket(AF_INET, SOCK_STREAM, 0);
    cr_assert_eq(connect(*filler, (struct sockaddr *)at, size), 0);
    struct conf_address address = {.host = "127.0.0.1", .port = ntohs(at->sin_port)};
    site_gate_learn(&s->gate, &address, "a", true);
    return listener;
}

Test(client_site_watch, cuts_what_gets_nothing_through_to_a_site_that_answers, .timeout = 120)
{
    struct stage s;
    struct sockaddr_in at;
    int filler;
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    int well = connect_through(&s, 0);
    wait_until_decided(&s);
    int listener = listen_full(&s, &at, &filler);
    char id[CONF_ADDRESS_SIZE];
    snprintf(id, sizeof id, "127.0.0.1:%u", ntohs(at.sin_port));
    int stuck = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    cr_assert_eq(site_gate_connect(&s.gate, stuck, (struct sockaddr *)&at, sizeof at, id), 0);
    struct pollfd p = {.fd = stuck, .events = POLLOUT};
    cr_assert_eq(poll(&p, 1, 30000), 1, "the kernel would try for two minutes");
    p = (struct pollfd){.fd = well, .events = POLLIN};
    cr_assert_eq(poll(&p, 1, 0), 0, "not what is well");
    site_gate_close_socket(&s.gate, stuck);
    site_gate_close_socket(&s.gate, well);
    close(filler);
    close(listener);
    clear_stage(&s);
}

Test(client_site_watch, follows_a_drain_and_its_end_with_cause_and_epoch, .timeout = 60)
{
    struct stage s;
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    site_watch_topic(s.watch, "t");
    wait_until_decided(&s);
    judge(&s, 0, ROUTER_WHOLE, ROUTER_DRAINED);
    struct site_change change;
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.from, "a");
    cr_assert_eq(change.failover_epoch, 7);
    cr_assert_not_null(strstr(change.cause, "drained"), "%s", change.cause);
    judge(&s, 0, ROUTER_WHOLE, ROUTER_IN);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.site, "a");
    clear_stage(&s);
}

Test(client_site_watch, follows_a_cluster_that_was_formed_anew_and_counts_from_one_again,
     .timeout = 60)
{
    struct stage s;
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    site_watch_topic(s.watch, "t");
    wait_until_decided(&s);
    s.verdict.epoch = 1000;
    judge(&s, 0, ROUTER_WHOLE, ROUTER_DRAINED);
    struct site_change change;
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.from, "a");
    s.verdict.epoch = 1;
    s.verdict.failover_epoch = 0;
    s.verdict.sites[0].drain = ROUTER_IN;
    for (int i = 0; i < SITES; i++)
        fake_face_form_anew(&s.faces[i], "two", &s.verdict);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.site, "a", "where nobody drains it");
    clear_stage(&s);
}

static bool is_told(struct stage *s, int site, const char *begins)
{
    char report[256] = "";
    for (int i = 0; i < 3000; i++) {
        fake_face_report(&s->faces[site], report);
        if (strncmp(report, begins, strlen(begins)) == 0)
            return true;
        usleep(10000);
    }
    return false;
}

Test(client_site_watch, tells_the_site_that_it_uses_of_one_that_fails_and_then_is_well,
     .timeout = 60)
{
    struct stage s;
    struct site_change change;
    char none[256];
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    judge(&s, 0, ROUTER_WHOLE, ROUTER_IN);
    wait_until_decided(&s);
    atomic_store(&s.faces[0].state, FACE_HUNG);
    cr_assert(is_changed(&s, &change));
    int used = change.site[0] - 'a';
    cr_assert(is_told(&s, used, "from=a to=a stage=answer"));
    atomic_store(&s.faces[0].state, FACE_WELL);
    cr_assert(is_told(&s, used, "from=a to=a stage=none"));
    fake_face_report(&s.faces[0], none);
    cr_assert_str_eq(none, "", "nothing is told while all is well");
    clear_stage(&s);
}

Test(client_site_watch, finds_a_site_that_comes_back_when_all_were_away, .timeout = 60)
{
    struct stage s;
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    wait_until_decided(&s);
    for (int i = 0; i < SITES; i++)
        atomic_store(&s.faces[i].state, FACE_AWAY);
    usleep(1500000);
    atomic_store(&s.faces[2].state, FACE_WELL);
    struct site_change change;
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.site, "c");
    clear_stage(&s);
}

Test(client_site_watch, tells_of_the_verdict_over_nodes_and_cuts_only_what_is_left, .timeout = 60)
{
    struct stage s;
    set_stage(&s, 1);
    int sockets[SITES];
    for (int i = 0; i < SITES; i++) {
        sockets[i] = connect_through(&s, i);
        cr_assert_geq(sockets[i], 0, "leaders are where they are");
    }
    judge(&s, 1, ROUTER_WHOLE, ROUTER_IN);
    struct trilog_site_state state = {0};
    for (int i = 0; i < 3000 && state.verdict_epoch != s.verdict.epoch; i++) {
        usleep(10000);
        site_watch_state(s.watch, &state);
    }
    cr_assert_eq(state.verdict_epoch, s.verdict.epoch);
    /* Its own address it has to have seen, to know whose it is. */
    site_gate_learn(&s.gate, &s.faces[0].address, "a", false);
    judge(&s, 0, ROUTER_LEFT, ROUTER_IN);
    struct site_change change;
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.from, "a");
    cr_assert_not_null(strstr(change.cause, "a: left"), "%s", change.cause);
    assert_is_cut(sockets[0]);
    for (int i = 0; i < SITES; i++)
        site_gate_close_socket(&s.gate, sockets[i]);
    int again = connect_through(&s, 0);
    cr_assert_geq(again, 0);
    site_gate_close_socket(&s.gate, again);
    clear_stage(&s);
}

Test(client_site_watch, takes_other_addresses_and_another_own_site_while_it_runs, .timeout = 60)
{
    struct stage s;
    set_stage(&s, CONF_ROUTER_ID_LEAST);
    wait_until_decided(&s);
    strcpy(s.settings.site, "b");
    site_watch_settings(s.watch, &s.settings);
    struct site_change change;
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.site, "b");
    s.settings.bootstrap.count = 1;
    s.settings.bootstrap.entries[0] = s.faces[2].address;
    site_watch_settings(s.watch, &s.settings);
    cr_assert(is_changed(&s, &change));
    cr_assert_str_eq(change.site, "c");
    clear_stage(&s);
}
