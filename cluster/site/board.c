/* Many say something of one pair of sites: nodes, routers, clients. A judge wants one word.
 *
 * Each of them has one voice (reporter.h), for as long as what it said last is fresh. The word is
 * that of the first of these of whom more say the one than the other:
 *   1. nodes, by the real path (canary.c);
 *   2. nodes that have signs of life only (part.c), and routers;
 *   3. clients, by their addresses.
 * So who counts less has the word where those before him say nothing, or as many of them fail as
 * not; but whatever clients say, and however many they are, they outvote no node and no router, and
 * routers no node that has tried it. Where it stays even, all is well.
 *
 * There is room for so many voices: one that counts less pushes out nobody who counts more and is
 * fresh. What a try found counts from when it ended, however long its report was on its way. */
#include "site/board.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct told {
    uint64_t reporter; /* 0: free */
    uint64_t at_ms;    /* when the try ended */
    enum router_stage stage;
    bool is_by_signs;
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
    return site_who(reporter) == SITE_WHO_NODE;
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

static bool may_push_out(uint64_t reporter, const struct told *t, uint64_t now_ms)
{
    bool is_above = t->reporter != 0 && site_who(t->reporter) < site_who(reporter);
    return !is_above || (!is_node(t->reporter) && !counts(t, now_ms));
}

/* Who has said nothing lately; else who counts least; of several, the oldest. */
static bool goes_before(const struct told *t, const struct told *other, uint64_t now_ms)
{
    bool is_fresh = counts(t, now_ms), is_other_fresh = counts(other, now_ms);
    if (is_fresh != is_other_fresh)
        return !is_fresh;
    if (is_fresh && site_who(t->reporter) != site_who(other->reporter))
        return site_who(t->reporter) > site_who(other->reporter);
    return t->at_ms < other->at_ms;
}

/* Its own place, a free one, or another's; nodes keep theirs. NULL: all count more. */
static struct told *place_of(struct pair *pair, uint64_t reporter, uint64_t now_ms)
{
    struct told *place = NULL;
    for (unsigned i = 0; i < SITE_REPORTERS_MAX; i++) {
        struct told *t = &pair->told[i];
        if (t->reporter == reporter)
            return t;
        if (may_push_out(reporter, t, now_ms) && (place == NULL || goes_before(t, place, now_ms)))
            place = t;
    }
    return place;
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
    struct told *t = place_of(&b->pairs[from][to], r->reporter, now_ms);
    if (t == NULL)
        return ERR_BUSY;
    bool is_same = t->reporter == r->reporter;
    if (is_same && at_ms < t->at_ms)
        return 0; /* it has said something newer */
    if (is_same && !is_node(r->reporter) && is_own && at_ms - t->at_ms < SITE_REPORT_MS_LEAST)
        return ERR_BUSY;
    *t = (struct told){.reporter = r->reporter,
                       .at_ms = at_ms,
                       .stage = r->told.stage,
                       .is_by_signs = r->is_by_signs,
                       .is_untold = is_own};
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

/* ---- told on ---- */

/* Reports to be told on, as they are collected. */
struct telling {
    struct site_report *reports;
    unsigned count, count_max;
    uint64_t now_ms;
};

static void collect(struct site_board *b, unsigned index, enum site_who who,
                    struct telling *telling)
{
    const struct router_verdict *v = &b->judge.verdict;
    unsigned from = index / v->site_count, to = index % v->site_count;
    for (unsigned i = 0; i < SITE_REPORTERS_MAX && telling->count < telling->count_max; i++) {
        struct told *t = &b->pairs[from][to].told[i];
        if (!t->is_untold || site_who(t->reporter) != who)
            continue;
        t->is_untold = false;
        if (!counts(t, telling->now_ms))
            continue;
        struct site_report *r = &telling->reports[telling->count++];
        *r = (struct site_report){.told = {.stage = t->stage, .age_ms = age_of(t, telling->now_ms)},
                                  .reporter = t->reporter,
                                  .is_by_signs = t->is_by_signs};
        memcpy(r->told.from, v->sites[from].site.name, sizeof r->told.from);
        memcpy(r->told.to, v->sites[to].site.name, sizeof r->told.to);
    }
}

/* This node's own first: it says no more than one thing of each site; then routers'. Of what
 * routers and clients say there may be more than a message takes: each pair has its turn. */
unsigned site_board_untold(struct site_board *b, struct site_report *reports, unsigned count_max,
                           uint64_t now_ms)
{
    struct telling telling = {.reports = reports, .count_max = count_max, .now_ms = now_ms};
    pthread_mutex_lock(&b->lock);
    unsigned sites = b->has_judge ? b->judge.verdict.site_count : 0, pairs = sites * sites;
    for (unsigned i = 0; i < pairs; i++)
        collect(b, i, SITE_WHO_NODE, &telling);
    for (unsigned who = SITE_WHO_ROUTER; who <= SITE_WHO_CLIENT; who++)
        for (unsigned i = 0; i < pairs && telling.count < count_max; i++) {
            b->told_next = (b->told_next + 1) % pairs;
            collect(b, b->told_next, (enum site_who)who, &telling);
        }
    pthread_mutex_unlock(&b->lock);
    return telling.count;
}

/* ---- one word for each pair ---- */

/* Those who count alike; the first have the word. */
enum voice { VOICE_TRIED, VOICE_HEARD, VOICE_CLIENTS, VOICE_COUNT };

static enum voice voice_of(const struct told *t)
{
    static const enum voice voices[] = {[SITE_WHO_NODE] = VOICE_TRIED,
                                        [SITE_WHO_ROUTER] = VOICE_HEARD,
                                        [SITE_WHO_CLIENT] = VOICE_CLIENTS};
    return t->is_by_signs ? VOICE_HEARD : voices[site_who(t->reporter)];
}

/* What they say, all together. */
struct votes {
    unsigned reporters, failing;
    uint64_t newest_ms;      /* of all of them */
    uint64_t failed_ms;      /* the newest failure */
    enum router_stage stage; /* of that */
};

static void add_vote(struct votes *v, const struct told *t)
{
    v->reporters++;
    v->newest_ms = t->at_ms > v->newest_ms ? t->at_ms : v->newest_ms;
    if (t->stage == ROUTER_STAGE_NONE)
        return;
    v->failing++;
    if (t->at_ms >= v->failed_ms) {
        v->failed_ms = t->at_ms;
        v->stage = t->stage;
    }
}

struct word {
    unsigned reporters, failing; /* all */
    bool is_said, is_decided;
    uint64_t newest_ms;      /* of those who have the word */
    enum router_stage stage; /* ROUTER_STAGE_NONE: it is well */
};

/* Those before were silent, or even. */
static void hear(struct word *w, const struct votes *v)
{
    w->reporters += v->reporters;
    w->failing += v->failing;
    if (v->reporters == 0 || w->is_decided)
        return;
    w->is_said = true;
    w->is_decided = 2 * v->failing != v->reporters;
    w->newest_ms = v->newest_ms;
    w->stage = 2 * v->failing > v->reporters ? v->stage : ROUTER_STAGE_NONE;
}

static struct word word_of(const struct pair *pair, uint64_t now_ms)
{
    struct votes votes[VOICE_COUNT] = {0};
    struct word w = {0};
    for (unsigned i = 0; i < SITE_REPORTERS_MAX; i++)
        if (counts(&pair->told[i], now_ms))
            add_vote(&votes[voice_of(&pair->told[i])], &pair->told[i]);
    for (unsigned i = 0; i < VOICE_COUNT; i++)
        hear(&w, &votes[i]);
    return w;
}

static void feed(struct site_board *b, unsigned from, unsigned to, uint64_t now_ms)
{
    struct pair *pair = &b->pairs[from][to];
    struct word w = word_of(pair, now_ms);
    if (!w.is_said || w.newest_ms <= pair->fed_at_ms)
        return;
    uint64_t age_ms = now_ms > w.newest_ms ? now_ms - w.newest_ms : 0;
    struct router_report report = {
        .from = from, .to = to, .stage = w.stage, .age_ms = (int64_t)age_ms};
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
