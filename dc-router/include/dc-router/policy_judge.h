/* Who makes the verdict: out of what sites report of each other, calmly.
 *
 * One judge decides for all: that of group 0's leader. The others follow, each with a judge of its
 * own, so that whoever leads next knows what has been agreed and when. A router without a word from
 * any node may keep one for itself.
 *
 *     router_judge_report()   for each try of the real path, by anyone in a site
 *     router_judge_drain()    an operator's word
 *     router_judge_decide()   several times a second: 1 when the verdict is to change. Who only
 *                             follows does so as well, and drops what is offered
 *     router_judge_adopt()    when the change has been agreed, by whomever it was proposed
 *
 * What holds, whatever is reported (the tests say it of thousands of random histories):
 *   - A site that nobody reaches is left within lost_ms and a report's distance, and is never used
 *     while there is another that is reached. So is one that flaps.
 *   - What moves members between sites that are reached (a site comes back, a drain ends, a cut
 *     between two sites) happens at most once in quiet_ms.
 *   - A site that was left comes back when it has been well for quiet_ms, or frozen_ms where it was
 *     left often, since it was left, by whichever judge; at once only when nothing else is left.
 *   - When quiet_ms is over that is agreed, too (is_calm of a verdict): a judge that begins goes on
 *     from there, and waits anew only where nobody has said so.
 *   - A drain is at once.
 *   - When everything is lost, nothing is decided: the members are as well off where they are.
 *
 * Time is an argument, in ms, of any clock. It may jump: the judge counts the time between two
 * calls, 0 where it goes back and step_ms_max at most where it goes forward. So it must be called
 * more often than that: what it was not called for did not pass for it.
 *
 * One thread at a time. No allocation: the struct is all there is (about 12 KiB). A NULL argument
 * is ERR_INVALID. */
#ifndef DC_ROUTER_POLICY_JUDGE_H
#define DC_ROUTER_POLICY_JUDGE_H

#include "dc-router/policy.h"

struct router_judge_options {
    int64_t lost_ms;          /* a path that fails for so long is lost; of one that fails now and
                                 then a quarter of the time between is taken off */
    int64_t heard_ms;         /* a lost path that went well for so long is heard again */
    int64_t stale_ms;         /* a report says nothing after so long; not below lost_ms */
    int64_t cut_ms;           /* a site that others hear better is cut after so long, and when all
                                 that are concerned were heard anew: a dying one is not lost to all
                                 at the same instant */
    int64_t quiet_ms;         /* above: the quiet time; not below heard_ms */
    int64_t frozen_ms;        /* the quiet time of a site that was left often; not below quiet_ms */
    unsigned leaves_max;      /* left so often is often, 1..ROUTER_LEAVES_MAX */
    int64_t leaves_window_ms; /* a site that stayed so long begins to count anew */
    int64_t step_ms_max;      /* above; not above quiet_ms */
};
#define ROUTER_LEAVES_MAX 100

/* lost 1.5 s, heard 3 s, stale 2.5 s, cut 0.5 s, quiet 30 s, frozen 10 min after 3 times in 15 min,
 * step 1 s. */
struct router_judge_options router_judge_options_default(void);

/* One site's try of the real path to another, or to itself: connect, produce, commit, fetch. Who
 * has several tries at once (nodes, clients) tells of them together: a path has one outcome at a
 * time. */
struct router_report {
    unsigned from, to;       /* indexes of sites: who tried, and where */
    enum router_stage stage; /* that failed; ROUTER_STAGE_NONE: it was reached */
    int64_t age_ms;          /* since the try ended, not below 0 */
};

enum router_path_state {
    ROUTER_PATH_UNKNOWN = 0, /* never went well so far, and did not fail for long enough */
    ROUTER_PATH_HEARD = 1,
    ROUTER_PATH_LOST = 2
};

/* What is known of one pair of sites. Private. */
struct router_path {
    enum router_path_state state;
    bool was_reported;       /* all below is unset before */
    bool is_well;            /* the newest try */
    bool is_flapping;        /* LOST, but not by one long failure */
    enum router_stage stage; /* of the newest failure */
    int64_t reported_at_ms;  /* the judge's time of the newest try */
    int64_t run_since_ms;    /* since when all tries ended as the newest */
    int64_t failing_4ms;     /* quarters of ms: time that failed, less a quarter of the rest */
};

/* What is known of one site beside its standing. Private. Instants are the judge's; -1: not. */
struct router_site_watch {
    bool is_drain_asked;    /* the operator's newest word, or what was agreed since */
    bool is_word_new;       /* no verdict has agreed with that word yet */
    int64_t well_since_ms;  /* reached, and no path to it near to be lost */
    int64_t whole_since_ms; /* moreover cut off from no more sites than any other */
    int64_t cut_since_ms;   /* reached, and surely cut off from more sites than another */
    int64_t ending_at_ms;   /* when it went to ENDING */
    int64_t left_at_ms;     /* when it was last left, or found cut; -1: not in this judge's time */
};

/* Private; embed it. */
struct router_judge {
    struct router_judge_options options;
    struct router_verdict verdict; /* what is agreed; read it as you like */
    struct router_path paths[ROUTER_SITES_MAX][ROUTER_SITES_MAX]; /* [from][to] */
    struct router_site_watch watches[ROUTER_SITES_MAX];
    int64_t clock_ms;    /* the newest argument */
    int64_t time_ms;     /* the judge's own: begins at quiet_ms, never goes back */
    int64_t moved_at_ms; /* when members last had to move */
};

/* Begins with what is agreed, and nothing heard: unless that is calm, no member moves without need
 * in the first quiet_ms. Copies both. Returns 0, or ERR_INVALID (options out of range, a verdict
 * that is not sound). There is nothing to close; for other sites (router_verdict_init) begin anew.
 */
int router_judge_init(struct router_judge *judge, const struct router_judge_options *options,
                      const struct router_verdict *verdict, int64_t now_ms);

/* Takes a report. One that is older than what is known of its pair, or than stale_ms, changes
 * nothing. Returns 0, or ERR_INVALID (no such site or stage, age below 0). */
int router_judge_report(struct router_judge *judge, const struct router_report *report,
                        int64_t now_ms);

/* An operator drains a site, or takes that back; said twice is said once. The word stands until a
 * verdict agrees with it; from then on verdicts say. Tell it to every judge of a cluster, in one
 * order, or whoever leads next may not know it. Returns 0, or ERR_INVALID (no such site). */
int router_judge_drain(struct router_judge *judge, unsigned site, bool is_drained, int64_t now_ms);

/* Is the verdict to change? Returns 1 and the next one, whose epoch is one more; it counts once it
 * is adopted, and is offered again until then. It may say no more than that all is calm. Returns 0
 * and the present one, or ERR_INVALID. */
int router_judge_decide(struct router_judge *judge, int64_t now_ms, struct router_verdict *next);

/* Takes what has been agreed: its own proposal, or another judge's. Returns 0, or ERR_INVALID (not
 * sound, other sites, an epoch or failover epoch below the present): then nothing
 * is changed. The same verdict again is fine. */
int router_judge_adopt(struct router_judge *judge, const struct router_verdict *verdict,
                       int64_t now_ms);

/* What is known of a pair now: UNKNOWN as well when the newest report is stale. For those who show
 * the matrix. Indexes that are none: UNKNOWN. */
enum router_path_state router_judge_path(const struct router_judge *judge, unsigned from,
                                         unsigned to);

#endif
