/* Many say something of one pair of sites: nodes, routers, clients. A judge wants one word.
 *
 * A pair fails where more than half of those fail that said something lately: one client behind a
 * broken link, or one that lies, takes no site away; and where a site's nodes get through and its
 * routers do not, there are more routers. What a try found counts from when it ended, however long
 * its report was on its way. */
#include "site/board.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct told {
    uint64_t reporter; /* 0: free */
    uint64_t at_ms;    /* when the try ended */
    enum router_stage stage;
    bool is_untold;
};

struct pair {
    struct told told[SITE_REPORTERS_MAX];
    uint64_t fed_at_ms; /* the newest that the judge has */
};

struct site_board {
    pthread_mutex_t lock; /* guards all; held for a look */
    struct router_judge_options options;
    bool has_judge;
    struct router_judge judge;
    struct pair pairs[ROUTER_SITES_MAX][ROUTER_SITES_MAX];
    unsigned told_next; /* the pair whose reports by others are told first */
    uint64_t reports, refused;
};

int site_board_create(const struct router_judge_options *options, struct site_board **board)
{
    *board = calloc(1, sizeof **board);
    if (*board == NULL)
        return UV_ENOMEM;
    pthread_mutex_init(&(*board)->lock, NULL);
    (*board)->options = *options;
    return 0;
}

void site_board_destroy(struct site_board *board)
{
    if (board == NULL)
        return;
    pthread_mutex_destroy(&board->lock);
    free(board);
}

/* ---- reports ---- */

static bool is_node(uint64_t reporter)
{
    return reporter < SITE_REPORTER_OTHER;
}

/* Its own place, a free one, or that of who has said nothing for longest. Nodes keep theirs. */
static struct told *place_of(struct pair *pair, uint64_t reporter)
{
    struct told *oldest = NULL;
    for (unsigned i = 0; i < SITE_REPORTERS_MAX; i++) {
        struct told *t = &pair->told[i];
        if (t->reporter == reporter)
            return t;
        bool is_taken = t->reporter != 0 && is_node(t->reporter) && !is_node(reporter);
        if (!is_taken && (oldest == NULL || t->at_ms < oldest->at_ms))
            oldest = t;
    }
    return oldest;
}

static int take(struct site_board *b, const struct site_report *r, bool is_own, uint64_t now_ms)
{
    unsigned from = b->has_judge ? router_verdict_find(&b->judge.verdict, r->told.from)
                                 : ROUTER_NO_SITE;
    unsigned to = b->has_judge ? router_verdict_find(&b->judge.verdict, r->told.to)
                               : ROUTER_NO_SITE;
    if (from == ROUTER_NO_SITE || to == ROUTER_NO_SITE)
        return ERR_NOT_FOUND;
    if (r->told.age_ms >= SITE_FRESH_MS || r->told.age_ms > now_ms || r->reporter == 0 ||
        (unsigned)r->told.stage >= ROUTER_STAGE_COUNT)
        return ERR_INVALID;
    uint64_t at_ms = now_ms - r->told.age_ms;
    struct told *t = place_of(&b->pairs[from][to], r->reporter);
    if (t == NULL)
        return ERR_BUSY;
    bool is_same = t->reporter == r->reporter;
    if (is_same && at_ms < t->at_ms)
        return 0; /* it has said something newer */
    if (is_same && !is_node(r->reporter) && is_own && at_ms - t->at_ms < SITE_REPORT_MS_LEAST)
        return ERR_BUSY;
    *t = (struct told){
        .reporter = r->reporter, .at_ms = at_ms, .stage = r->told.stage, .is_untold = is_own};
    return 0;
}

int site_board_take(struct site_board *b, const struct site_report *report, bool is_own,
                    uint64_t now_ms)
{
    pthread_mutex_lock(&b->lock);
    int err = take(b, report, is_own, now_ms);
    if (is_own && !is_node(report->reporter)) {
        b->reports++;
        b->refused += err != 0;
    }
    pthread_mutex_unlock(&b->lock);
    return err;
}

/* Who looks has read the clock before it had the lock: what came meanwhile is new. */
static uint64_t age_of(const struct told *t, uint64_t now_ms)
{
    return now_ms > t->at_ms ? now_ms - t->at_ms : 0;
}

static bool counts(const struct told *t, uint64_t now_ms)
{
    return t->reporter != 0 && age_of(t, now_ms) < SITE_FRESH_MS;
}

/* ---- told on ---- */

/* Reports to be told on, as they are collected. */
struct telling {
    struct site_report *reports;
    unsigned count, count_max;
    uint64_t now_ms;
};

static void collect(struct site_board *b, unsigned index, bool of_nodes, struct telling *telling)
{
    const struct router_verdict *v = &b->judge.verdict;
    unsigned from = index / v->site_count, to = index % v->site_count;
    for (unsigned i = 0; i < SITE_REPORTERS_MAX && telling->count < telling->count_max; i++) {
        struct told *t = &b->pairs[from][to].told[i];
        if (!t->is_untold || is_node(t->reporter) != of_nodes)
            continue;
        t->is_untold = false;
        if (!counts(t, telling->now_ms))
            continue;
        struct site_report *r = &telling->reports[telling->count++];
        *r = (struct site_report){.told = {.stage = t->stage, .age_ms = age_of(t, telling->now_ms)},
                                  .reporter = t->reporter};
        memcpy(r->told.from, v->sites[from].site.name, sizeof r->told.from);
        memcpy(r->told.to, v->sites[to].site.name, sizeof r->told.to);
    }
}

/* This node's own first: it says no more than one thing of each site. Of what routers and clients
 * say there may be more than a message takes: each pair has its turn. */
unsigned site_board_untold(struct site_board *b, struct site_report *reports, unsigned count_max,
                           uint64_t now_ms)
{
    struct telling telling = {.reports = reports, .count_max = count_max, .now_ms = now_ms};
    pthread_mutex_lock(&b->lock);
    unsigned sites = b->has_judge ? b->judge.verdict.site_count : 0, pairs = sites * sites;
    for (unsigned i = 0; i < pairs; i++)
        collect(b, i, true, &telling);
    for (unsigned i = 0; i < pairs && telling.count < count_max; i++) {
        b->told_next = (b->told_next + 1) % pairs;
        collect(b, b->told_next, false, &telling);
    }
    pthread_mutex_unlock(&b->lock);
    return telling.count;
}

/* ---- one word for each pair ---- */

struct word {
    unsigned reporters, failing;
    uint64_t newest_ms;      /* of all of them; 0: nobody said anything */
    uint64_t failed_ms;      /* the newest failure */
    enum router_stage stage; /* of that */
};

static struct word word_of(const struct pair *pair, uint64_t now_ms)
{
    struct word w = {0};
    for (unsigned i = 0; i < SITE_REPORTERS_MAX; i++) {
        const struct told *t = &pair->told[i];
        if (!counts(t, now_ms))
            continue;
        w.reporters++;
        w.newest_ms = t->at_ms > w.newest_ms ? t->at_ms : w.newest_ms;
        if (t->stage == ROUTER_STAGE_NONE)
            continue;
        w.failing++;
        if (t->at_ms >= w.failed_ms) {
            w.failed_ms = t->at_ms;
            w.stage = t->stage;
        }
    }
    return w;
}

static void feed(struct site_board *b, unsigned from, unsigned to, uint64_t now_ms)
{
    struct pair *pair = &b->pairs[from][to];
    struct word w = word_of(pair, now_ms);
    if (w.reporters == 0 || w.newest_ms <= pair->fed_at_ms)
        return;
    uint64_t age_ms = now_ms > w.newest_ms ? now_ms - w.newest_ms : 0;
    struct router_report report = {.from = from,
                                   .to = to,
                                   .stage = 2 * w.failing > w.reporters ? w.stage
                                                                        : ROUTER_STAGE_NONE,
                                   .age_ms = (int64_t)age_ms};
    pair->fed_at_ms = w.newest_ms;
    router_judge_report(&b->judge, &report, (int64_t)now_ms);
}

bool site_board_decide(struct site_board *b, struct router_verdict *next, uint64_t now_ms)
{
    bool is_change = false;
    pthread_mutex_lock(&b->lock);
    unsigned sites = b->has_judge ? b->judge.verdict.site_count : 0;
    for (unsigned from = 0; from < sites; from++)
        for (unsigned to = 0; to < sites; to++)
            feed(b, from, to, now_ms);
    if (sites > 0)
        is_change = router_judge_decide(&b->judge, (int64_t)now_ms, next) == 1;
    pthread_mutex_unlock(&b->lock);
    return is_change;
}

/* ---- what is agreed ---- */

/* Other sites: who said what of which is anew, too. */
static void begin(struct site_board *b, const struct router_verdict *verdict, uint64_t now_ms)
{
    memset(b->pairs, 0, sizeof b->pairs);
    b->has_judge = router_judge_init(&b->judge, &b->options, verdict, (int64_t)now_ms) == 0;
}

void site_board_follow(struct site_board *b, const struct router_verdict *verdict, uint64_t now_ms)
{
    pthread_mutex_lock(&b->lock);
    if (!b->has_judge || router_judge_adopt(&b->judge, verdict, (int64_t)now_ms) != 0)
        begin(b, verdict, now_ms);
    pthread_mutex_unlock(&b->lock);
}

/* ---- looking ---- */

static void look_at(const struct site_board *b, unsigned from, unsigned to, uint64_t now_ms,
                    struct site_path_view *view)
{
    const struct pair *pair = &b->pairs[from][to];
    struct word w = word_of(pair, now_ms);
    *view = (struct site_path_view){.state = router_judge_path(&b->judge, from, to),
                                    .stage = b->judge.paths[from][to].stage,
                                    .reporters = w.reporters,
                                    .failing = w.failing,
                                    .reported_ago_ms = UINT64_MAX};
    for (unsigned i = 0; i < SITE_REPORTERS_MAX; i++) {
        const struct told *t = &pair->told[i];
        if (t->reporter != 0 && age_of(t, now_ms) < view->reported_ago_ms)
            view->reported_ago_ms = age_of(t, now_ms);
    }
}

void site_board_look(struct site_board *b, struct site_view *view, uint64_t now_ms)
{
    *view = (struct site_view){0};
    pthread_mutex_lock(&b->lock);
    view->reports = b->reports;
    view->refused = b->refused;
    if (b->has_judge)
        view->verdict = b->judge.verdict;
    for (unsigned from = 0; from < view->verdict.site_count; from++)
        for (unsigned to = 0; to < view->verdict.site_count; to++)
            look_at(b, from, to, now_ms, &view->paths[from][to]);
    pthread_mutex_unlock(&b->lock);
}
