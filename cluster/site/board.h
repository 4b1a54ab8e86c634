/* What this node knows of how sites reach each other, and its judge (dc-router/policy_judge.h).
 *
 *   this node's tries ───────┐ told on to the other nodes
 *   routers' and clients' ───┤           │
 *                            ▼           ▼
 *                         one word for each pair of sites ──▶ judge ──▶ what is to be agreed
 *                                                               ▲
 *                           what group 0 has agreed ────────────┘
 *
 * Each node keeps one, and hears the same; that of group 0's leader counts. So whoever leads next
 * goes on where this one stood. */
#ifndef CLUSTER_SITE_BOARD_H
#define CLUSTER_SITE_BOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "dc-router/policy_judge.h"
#include "dc-router/policy_report.h"
#include "site/reporter.h"

#define SITE_REPORTERS_MAX   32 /* of one pair of sites: of those who count least the oldest goes */
#define SITE_FRESH_MS        1500 /* so long counts what one has said */
#define SITE_REPORT_MS_LEAST 100  /* between two reports of one pair, by one router or client */

struct site_report {
    struct router_told told; /* what */
    uint64_t reporter;       /* by whom (reporter.h) */
    bool is_by_signs; /* a node's: it has heard of the site, and has not tried the real path */
};

/* How a pair of sites stands, for who shows it. */
struct site_path_view {
    enum router_path_state state;
    enum router_stage stage;  /* of the newest failure; NONE: there was none */
    unsigned reporters;       /* that said something lately, of any kind */
    unsigned failing;         /* of them, where it fails; which of them count: board.c */
    uint64_t reported_ago_ms; /* UINT64_MAX: never */
};

struct site_view {
    struct router_verdict verdict; /* epoch 0: none is agreed yet */
    struct site_path_view paths[ROUTER_SITES_MAX][ROUTER_SITES_MAX]; /* [from][to] */
    uint64_t reports, refused; /* that routers and clients made here */
};

/* All from any thread. */
struct site_board;
/* Returned owned; `options` of its judge (policy_judge.h), copied. 0 or UV_ENOMEM. */
int site_board_create(const struct router_judge_options *options, struct site_board **board);
void site_board_destroy(struct site_board *board);

/* Takes a report, `is_own` to be told on. 0; ERR_NOT_FOUND (no such site, or no verdict yet),
 * ERR_INVALID (older than counts), ERR_BUSY (this router or client tells too often). */
int site_board_take(struct site_board *board, const struct site_report *report, bool is_own,
                    uint64_t now_ms);
/* Reports to be told on, at most `count_max`; each comes once. Returns how many. */
unsigned site_board_untold(struct site_board *board, struct site_report *reports,
                           unsigned count_max, uint64_t now_ms);

/* What group 0 has agreed; the same again is fine. */
void site_board_follow(struct site_board *board, const struct router_verdict *verdict,
                       uint64_t now_ms);
/* Is the verdict to change? Called several times a second, also by who only follows. */
bool site_board_decide(struct site_board *board, struct router_verdict *next, uint64_t now_ms);

void site_board_look(struct site_board *board, struct site_view *view, uint64_t now_ms);

#endif
