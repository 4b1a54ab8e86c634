/* The site's death and return.
 *
 *   AHEAD --a third acknowledged--> SITE_DOWN --two thirds, and a few seconds-->
 *   SITE_RETURNING --level--> OVER
 *
 * The site that leads most partitions dies by SIGKILL. It comes back while records still flow,
 * so it has to catch up with a moving end. It is level when it answers for itself, and both it
 * and another site say: every partition has a leader, and the site's replica is in sync in each
 * of them. Two are asked because the node that comes back knows only what it has heard, and the
 * others may not have noticed yet that it was gone. */
#include "outage.h"

#include <assert.h>
#include <stdio.h>

#include "sender.h"
#include "view.h"

/* How long one question may take, and how long a site may take to come back. */
#define ASK_MS       300
#define LEVEL_MS_MAX 60000

int outage_witness(const struct outage *outage)
{
    return (outage->victim + 1) % CLUSTER_SITES;
}

static int kill_leading_site(struct outage *o)
{
    struct view view;
    if (view_take(&view, o->cluster, 0, o->topic, ASK_MS) < 0 ||
        view.partition_count != o->partition_count)
        return 0; /* asked again at the next step */
    o->victim = view_leads_most(&view);
    o->led_count = view_led_count(&view, o->victim);
    o->killed_at_ms = now_ms();
    if (cluster_kill(o->cluster, o->victim) < 0)
        return -1;
    o->phase = OUTAGE_SITE_DOWN;
    return 1;
}

static int start_again(struct outage *o)
{
    o->started_at_ms = now_ms();
    o->down_ms = o->started_at_ms - o->killed_at_ms;
    if (cluster_start(o->cluster, o->victim) < 0)
        return -1;
    o->phase = OUTAGE_SITE_RETURNING;
    return 1;
}

static bool is_level_seen_by(const struct outage *o, int site)
{
    struct view view;
    return view_take(&view, o->cluster, site, o->topic, ASK_MS) == 0 &&
           view_is_level(&view, o->partition_count, o->victim);
}

static int look_whether_level(struct outage *o)
{
    if (is_level_seen_by(o, o->victim) && is_level_seen_by(o, outage_witness(o))) {
        o->catch_up_ms = now_ms() - o->started_at_ms;
        o->phase = OUTAGE_OVER;
        return 1;
    }
    if (now_ms() - o->started_at_ms < LEVEL_MS_MAX)
        return 0;
    fprintf(stderr, "demo: site %s is not level %d s after its start\n",
            o->cluster->sites[o->victim].name, LEVEL_MS_MAX / 1000);
    return -1;
}

int outage_step(struct outage *o, uint64_t acknowledged_count)
{
    assert(o->kill_at_count < o->start_at_count);
    switch (o->phase) {
    case OUTAGE_AHEAD:
        return acknowledged_count >= o->kill_at_count ? kill_leading_site(o) : 0;
    case OUTAGE_SITE_DOWN:
        return acknowledged_count >= o->start_at_count &&
                       now_ms() - o->killed_at_ms >= o->down_ms_min
                   ? start_again(o)
                   : 0;
    case OUTAGE_SITE_RETURNING:
        return look_whether_level(o);
    case OUTAGE_OVER:
        break;
    }
    return 0;
}
