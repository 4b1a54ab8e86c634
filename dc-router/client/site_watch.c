/* Who is asked, what follows from it, and who is told.
 *
 *   link ──verdict──▶ choice ──which site──▶ gate ──▶ librdkafka's connections
 *     │                 ▲                      └────▶ a change, for the application
 *     └── no answer ────┘
 *
 * Where addresses are routers, librdkafka sees one site's at a time. Where they are nodes, it
 * connects to whichever leads; the verdict's first site is told, and connections to a site that is
 * left are cut, so that what waits there for an answer looks for the new leader at once. */
#include "site_watch.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "site_choice.h"
#include "site_link.h"
#include "site_word.h"

#define LOOK_EVERY_MS 500
#define ANSWER_MS_MAX 800 /* who takes longer hangs */
#define NEAR_MS_MAX   400 /* connected, and answered once: in the own site */
#define FAR_MS_MAX    600 /* elsewhere, or nobody knows where: two round trips of 200 ms, and some */

struct known_address {
    struct conf_address address;
    bool is_router;
    bool is_up;
    unsigned site; /* in the choice; SITE_NONE: not known, or a node's */
};

struct site_watch {
    pthread_t thread;
    struct site_gate *gate;
    int wake; /* an eventfd */

    pthread_mutex_t lock; /* of these */
    bool is_stopping;
    bool has_news; /* other addresses, site, topic */
    struct conf_addresses next_addresses;
    char next_own[CONF_NAME_SIZE];
    char next_topic[RECORD_TOPIC_SIZE_MAX + 1];
    bool has_change;
    struct site_change change;
    struct trilog_site_state state;

    /* the thread's own */
    unsigned count;
    struct known_address known[CONF_ADDRESSES_MAX];
    struct site_choice choice;
    char cluster_id[ROUTER_CLUSTER_ID_SIZE]; /* whose verdict the choice has; "": not known */
    struct site_word word;
    struct site_link link;
    unsigned link_at; /* in `known` */
    unsigned ahead_next;
    char told[CONF_NAME_SIZE]; /* the site that the application was told of last */
    struct site_face face;
};

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- addresses ---- */

static bool has_routers(const struct site_watch *w)
{
    for (unsigned i = 0; i < w->count; i++)
        if (w->known[i].is_router)
            return true;
    return false;
}

static bool is_same(const struct conf_address *a, const struct conf_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

/* Where the router at this address stands; by its own word where it is known by another name. */
static const char *stands_in(const struct site_face *face, const struct conf_address *address)
{
    for (unsigned b = 0; b < face->count; b++)
        if (is_same(&face->brokers[b].address, address))
            return face->brokers[b].site;
    return face->site;
}

static void note_up(struct site_watch *w, unsigned i)
{
    struct known_address *k = &w->known[i];
    const struct site_face *f = &w->face;
    for (unsigned b = 0; b < f->count; b++)
        site_gate_learn(w->gate, &f->brokers[b].address, f->brokers[b].site, f->are_routers);
    k->is_up = true;
    k->is_router = f->are_routers;
    const char *site = stands_in(f, &k->address);
    k->site = f->are_routers ? site_choice_site(&w->choice, site) : SITE_NONE;
    if (k->site == SITE_NONE)
        return;
    site_gate_learn(w->gate, &k->address, site, true);
    site_choice_on_up(&w->choice, k->site, now_ms());
    site_word_well(&w->word, k->site);
}

/* A site is lost with its last router. */
static void note_lost(struct site_watch *w, unsigned i, enum router_stage stage)
{
    unsigned site = w->known[i].site;
    w->known[i].is_up = false;
    if (site == SITE_NONE)
        return;
    for (unsigned k = 0; k < w->count; k++)
        if (w->known[k].site == site && w->known[k].is_up)
            return;
    site_choice_on_lost(&w->choice, site);
    site_word_failed(&w->word, site, stage, now_ms());
}

/* Who is at this address? True: the link is open. */
static bool open_link(struct site_watch *w, unsigned i, struct site_link *link)
{
    unsigned site = w->known[i].site;
    bool is_near = site != SITE_NONE && strcmp(w->choice.sites[site].name, w->choice.own) == 0;
    int wait_ms = is_near ? NEAR_MS_MAX : FAR_MS_MAX;
    bool is_up = site_link_open(link, &w->known[i].address, wait_ms, &w->face) == 0;
    if (is_up)
        note_up(w, i);
    else
        note_lost(w, i, link->stage);
    return is_up;
}

static void look(struct site_watch *w, unsigned i)
{
    struct site_link link;
    if (open_link(w, i, &link))
        site_link_close(&link);
}

static bool is_own_up(const struct site_watch *w)
{
    for (unsigned i = 0; i < w->choice.count; i++)
        if (w->choice.sites[i].is_up && strcmp(w->choice.sites[i].name, w->choice.own) == 0)
            return true;
    return false;
}

/* No site is known to be up: all addresses in their order, until the own site's is met. */
static void look_everywhere(struct site_watch *w)
{
    for (unsigned i = 0; i < w->count && !is_own_up(w); i++) {
        look(w, i);
        if (w->known[i].is_up && !w->known[i].is_router)
            return;
    }
}

static bool is_ahead(const struct site_watch *w, unsigned site)
{
    unsigned order[ROUTER_SITES_MAX], count = site_choice_order(&w->choice, order);
    for (unsigned i = 0; i < count && order[i] != w->choice.used; i++)
        if (order[i] == site)
            return true;
    return false;
}

/* One address each time: of whom nothing is known, or whose site would be preferred. */
static void look_ahead(struct site_watch *w)
{
    for (unsigned n = 0; n < w->count; n++) {
        unsigned i = (w->ahead_next + n) % w->count;
        if (w->known[i].site != SITE_NONE && !is_ahead(w, w->known[i].site))
            continue;
        look(w, i);
        w->ahead_next = i + 1;
        return;
    }
}

/* ---- the link ---- */

/* Some site that was used is left now: what waits there waits in vain. */
static void cut_left(struct site_watch *w, const struct router_verdict *before)
{
    const struct router_verdict *now = &w->choice.verdict;
    for (unsigned i = 0; i < now->site_count; i++) {
        unsigned was = router_verdict_find(before, now->sites[i].site.name);
        if (now->sites[i].health == ROUTER_LEFT && was != ROUTER_NO_SITE &&
            before->sites[was].health != ROUTER_LEFT)
            site_gate_cut(w->gate, now->sites[i].site.name);
    }
}

static void take_verdict(struct site_watch *w, const struct router_verdict *verdict,
                         const char *cluster_id)
{
    struct site_choice *c = &w->choice;
    if (c->has_verdict && !router_verdict_is_news(&c->verdict, w->cluster_id, verdict, cluster_id))
        return;
    struct router_verdict before = c->verdict;
    bool had_one = c->has_verdict;
    bytes_copy_text(w->cluster_id, sizeof w->cluster_id, cluster_id);
    c->verdict = *verdict;
    c->has_verdict = true;
    if (had_one && !has_routers(w))
        cut_left(w, &before);
}

static void use(struct site_watch *w, unsigned site)
{
    w->choice.used = site;
    site_gate_use(w->gate, w->choice.sites[site].name, w->link.socket);
}

static bool is_beside(const struct site_watch *w, unsigned i)
{
    unsigned site = w->known[w->link_at].site;
    return i != w->link_at && site != SITE_NONE && w->known[i].site == site;
}

/* The site's other routers, one after the other: to the first that answers. */
static bool link_beside(struct site_watch *w)
{
    for (unsigned i = 0; i < w->count; i++) {
        struct site_link link;
        if (!is_beside(w, i) || !open_link(w, i, &link))
            continue;
        if (!is_beside(w, i)) { /* it stands elsewhere by now */
            site_link_close(&link);
            continue;
        }
        site_link_close(&w->link);
        w->link = link;
        w->link_at = i;
        return true;
    }
    return false;
}

/* Who is slow has 0.8 s, and half of that alone. `has_site_hung`: its others were as slow
 * meanwhile; where they were refused or are none, it is asked once more. */
static int await_answer(struct site_watch *w, bool *has_site_hung)
{
    if (site_link_is_answered(&w->link, ANSWER_MS_MAX / 2))
        return 0;
    uint64_t since_ms = now_ms();
    if (link_beside(w)) {
        use(w, w->known[w->link_at].site);
        int err = site_link_ask_verdict(&w->link, ANSWER_MS_MAX);
        return err != 0 || site_link_is_answered(&w->link, ANSWER_MS_MAX) ? err : UV_ETIMEDOUT;
    }
    uint64_t waited_ms = now_ms() - since_ms;
    int left_ms = waited_ms < ANSWER_MS_MAX / 2 ? (int)(ANSWER_MS_MAX / 2 - waited_ms) : 0;
    *has_site_hung = left_ms == 0;
    return site_link_is_answered(&w->link, left_ms) ? 0 : UV_ETIMEDOUT;
}

/* Is the link open, and answered by? */
static bool ask(struct site_watch *w)
{
    struct router_verdict verdict;
    char cluster_id[ROUTER_CLUSTER_ID_SIZE];
    bool has_site_hung = false;
    if (w->link.socket < 0)
        return false;
    int err = site_link_ask_verdict(&w->link, ANSWER_MS_MAX);
    if (err == 0)
        err = await_answer(w, &has_site_hung);
    if (err == UV_ETIMEDOUT && has_site_hung)
        note_lost(w, w->link_at, ROUTER_STAGE_ANSWER);
    if (err == 0)
        err = site_link_take_verdict(&w->link, ANSWER_MS_MAX, &verdict, cluster_id);
    if (err == 0)
        take_verdict(w, &verdict, cluster_id);
    if (err == 0 || err == ERR_NOT_FOUND)
        return true;
    site_link_close(&w->link);
    return false;
}

/* To any address of the site, the one after the last first. */
static bool link_to(struct site_watch *w, unsigned site)
{
    unsigned last = w->link_at;
    site_link_close(&w->link);
    for (unsigned n = 1; n <= w->count; n++) {
        unsigned i = (last + n) % w->count;
        if (w->known[i].site != site)
            continue;
        w->link_at = i;
        if (open_link(w, i, &w->link) && w->known[i].site == site)
            return true;
        site_link_close(&w->link);
    }
    return false;
}

/* Through the site that is used, of those that are not. */
static void tell_cluster(struct site_watch *w)
{
    char report[ROUTER_REPORT_SIZE_MAX + 1];
    if (w->link.socket < 0 || !site_word_due(&w->word, &w->choice, now_ms(), report))
        return;
    int err = site_link_tell(&w->link, ANSWER_MS_MAX, report);
    if (err == 0 || err == ERR_INVALID)
        site_word_told(&w->word, err == 0, now_ms());
    else
        site_link_close(&w->link);
}

/* ---- a round ---- */

/* Which site to use; where none is up, whoever was lost is looked at anew, once in a round. */
static unsigned decide(struct site_watch *w, bool *has_looked)
{
    unsigned target = site_choice_decide(&w->choice, now_ms());
    if (target != SITE_NONE || *has_looked)
        return target;
    *has_looked = true;
    look_everywhere(w);
    return site_choice_decide(&w->choice, now_ms());
}

static void round_of_routers(struct site_watch *w, bool has_looked)
{
    bool is_asked = false;
    for (unsigned tries = 0; tries < 2 * ROUTER_SITES_MAX; tries++) {
        unsigned target = decide(w, &has_looked);
        if (target == SITE_NONE)
            return;
        if (target == w->choice.used && is_asked)
            break;
        is_asked = target == w->choice.used && ask(w);
        if (is_asked || !w->choice.sites[target].is_up)
            continue; /* is it still the first, by what was told or was not? */
        if (link_to(w, target))
            use(w, target);
        else
            site_choice_on_lost(&w->choice, target);
    }
    if (is_asked)
        site_gate_cut_stuck(w->gate); /* the way is there */
    look_ahead(w);
    tell_cluster(w);
}

static bool is_any_up(const struct site_watch *w)
{
    for (unsigned i = 0; i < w->count; i++)
        if (w->known[i].is_up)
            return true;
    return false;
}

static void one_round(struct site_watch *w)
{
    bool has_looked = !is_any_up(w);
    if (has_looked)
        look_everywhere(w);
    if (!is_any_up(w) && w->choice.used == SITE_NONE)
        site_gate_use(w->gate, "", -1); /* none is better: whoever comes first is tried */
    if (has_routers(w)) {
        round_of_routers(w, has_looked);
    } else if (is_any_up(w)) {
        site_gate_use(w->gate, "", -1);
        if (!ask(w) && link_to(w, SITE_NONE))
            ask(w);
    }
}

/* ---- telling ---- */

static void write_cause(const struct site_watch *w, const char *to, char *into, size_t size)
{
    const struct site_choice *c = &w->choice;
    unsigned from = c->has_verdict ? router_verdict_find(&c->verdict, w->told) : ROUTER_NO_SITE;
    unsigned at = c->has_verdict ? router_verdict_find(&c->verdict, to) : ROUTER_NO_SITE;
    const struct router_standing *s = from != ROUTER_NO_SITE ? &c->verdict.sites[from] : NULL;
    bool is_own = strcmp(to, c->own) == 0;
    if (s != NULL && (s->health != ROUTER_WHOLE || s->drain != ROUTER_IN))
        router_standing_text(s, into, size);
    else if (is_own)
        snprintf(into, size, "the own site is to be used again");
    else if (has_routers(w))
        snprintf(into, size, "routers of %s do not answer here", w->told);
    else if (at != ROUTER_NO_SITE)
        router_standing_text(&c->verdict.sites[at], into, size);
    else
        snprintf(into, size, "other settings");
}

static void tell(struct site_watch *w)
{
    const struct site_choice *c = &w->choice;
    bool is_routed = has_routers(w) && c->used != SITE_NONE;
    pthread_mutex_lock(&w->lock);
    w->state.is_heard = is_any_up(w);
    pthread_mutex_unlock(&w->lock);
    const char *site = is_routed ? c->sites[c->used].name : site_choice_first(c);
    if (has_routers(w) && !is_routed)
        return; /* none yet */
    pthread_mutex_lock(&w->lock);
    bytes_copy_text(w->state.site, sizeof w->state.site, site);
    w->state.has_routers = is_routed;
    w->state.failover_epoch = c->has_verdict ? c->verdict.failover_epoch : 0;
    w->state.verdict_epoch = c->has_verdict ? c->verdict.epoch : 0;
    if (strcmp(site, w->told) != 0) {
        if (!w->has_change)
            bytes_copy_text(w->change.from, sizeof w->change.from, w->told);
        bytes_copy_text(w->change.site, sizeof w->change.site, site);
        w->change.failover_epoch = w->state.failover_epoch;
        write_cause(w, site, w->change.cause, sizeof w->change.cause);
        w->has_change = true;
        bytes_copy_text(w->told, sizeof w->told, site);
    }
    pthread_mutex_unlock(&w->lock);
}

/* ---- the thread ---- */

/* What is known of addresses that stay is kept. */
static void take_addresses(struct site_watch *w, const struct conf_addresses *next)
{
    struct known_address before[CONF_ADDRESSES_MAX];
    unsigned before_count = w->count;
    memcpy(before, w->known, sizeof before);
    w->count = next->count;
    for (unsigned i = 0; i < next->count; i++) {
        w->known[i] = (struct known_address){.address = next->entries[i], .site = SITE_NONE};
        bool is_known = false;
        for (unsigned k = 0; k < before_count && !is_known; k++)
            if (is_same(&before[k].address, &next->entries[i])) {
                w->known[i] = before[k];
                is_known = true;
            }
        if (!is_known)
            site_gate_learn(w->gate, &next->entries[i], "", false);
    }
    w->link_at = 0;
    site_link_close(&w->link);
    w->choice.has_verdict = false; /* it may be another cluster's */
}

/* False when it is to end. */
static bool take_news(struct site_watch *w)
{
    pthread_mutex_lock(&w->lock);
    bool is_stopping = w->is_stopping;
    if (w->has_news) {
        if (w->next_addresses.count > 0)
            take_addresses(w, &w->next_addresses);
        w->next_addresses.count = 0;
        bytes_copy_text(w->choice.own, sizeof w->choice.own, w->next_own);
        bytes_copy_text(w->choice.topic, sizeof w->choice.topic, w->next_topic);
        w->has_news = false;
    }
    pthread_mutex_unlock(&w->lock);
    return !is_stopping;
}

/* Until the next look is due, somebody wants something, or the link ends. */
static void rest(struct site_watch *w)
{
    struct pollfd p[2] = {{.fd = w->wake, .events = POLLIN},
                          {.fd = w->link.socket, .events = POLLIN}};
    uint64_t count;
    if (poll(p, 2, LOOK_EVERY_MS) > 0 && (p[0].revents & POLLIN) != 0)
        (void)!read(w->wake, &count, sizeof count);
}

static void *watch_thread(void *watch)
{
    struct site_watch *w = watch;
    while (take_news(w)) {
        one_round(w);
        tell(w);
        rest(w);
    }
    site_link_close(&w->link);
    return NULL;
}

static void wake(struct site_watch *w)
{
    uint64_t one = 1;
    (void)!write(w->wake, &one, sizeof one);
}

/* ---- from other threads ---- */

static int start(struct site_watch *w)
{
    w->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (w->wake < 0)
        return TRILOG_ERR_SYSTEM;
    if (pthread_mutex_init(&w->lock, NULL) != 0) {
        close(w->wake);
        return TRILOG_ERR_SYSTEM;
    }
    if (pthread_create(&w->thread, NULL, watch_thread, w) == 0)
        return 0;
    pthread_mutex_destroy(&w->lock);
    close(w->wake);
    return TRILOG_ERR_SYSTEM;
}

int site_watch_open(struct site_watch **watch, const struct client_settings *settings,
                    struct site_gate *gate)
{
    struct site_watch *w = calloc(1, sizeof *w);
    if (w == NULL)
        return TRILOG_ERR_MEMORY;
    w->gate = gate;
    w->link.socket = -1;
    w->choice.used = SITE_NONE;
    w->has_news = true;
    w->next_addresses = settings->bootstrap;
    bytes_copy_text(w->next_own, sizeof w->next_own, settings->site);
    bytes_copy_text(w->told, sizeof w->told, settings->site);
    bytes_copy_text(w->state.site, sizeof w->state.site, settings->site);
    int result = start(w);
    if (result == 0)
        *watch = w;
    else
        free(w);
    return result;
}

void site_watch_close(struct site_watch *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_stopping = true;
    pthread_mutex_unlock(&w->lock);
    wake(w);
    pthread_join(w->thread, NULL);
    site_gate_use(w->gate, "", -1);
    pthread_mutex_destroy(&w->lock);
    close(w->wake);
    free(w);
}

void site_watch_settings(struct site_watch *w, const struct client_settings *settings)
{
    pthread_mutex_lock(&w->lock);
    w->next_addresses = settings->bootstrap;
    bytes_copy_text(w->next_own, sizeof w->next_own, settings->site);
    w->has_news = true;
    pthread_mutex_unlock(&w->lock);
    wake(w);
}

void site_watch_topic(struct site_watch *w, const char *topic)
{
    pthread_mutex_lock(&w->lock);
    bool is_first = w->next_topic[0] == '\0';
    if (is_first) {
        bytes_copy_text(w->next_topic, sizeof w->next_topic, topic);
        w->has_news = true;
    }
    pthread_mutex_unlock(&w->lock);
    if (is_first)
        wake(w);
}

bool site_watch_take(struct site_watch *w, struct site_change *change)
{
    pthread_mutex_lock(&w->lock);
    bool has_change = w->has_change;
    if (has_change)
        *change = w->change;
    w->has_change = false;
    pthread_mutex_unlock(&w->lock);
    return has_change;
}

void site_watch_state(struct site_watch *w, struct trilog_site_state *state)
{
    pthread_mutex_lock(&w->lock);
    *state = w->state;
    pthread_mutex_unlock(&w->lock);
}
