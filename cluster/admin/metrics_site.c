/* The verdict on sites, and what is heard of them. */
#include "admin/metrics.h"

#include "site/board.h"

static void add_verdict(struct metric_text *t, const struct router_verdict *v)
{
    metric_family(t, "trilog_site_health", METRIC_GAUGE,
                  "As is agreed of each site: 0 whole, 1 cut off from another, 2 left");
    for (unsigned i = 0; i < v->site_count; i++)
        metric_whole(t, "", (uint64_t)v->sites[i].health, 1, "of_site", v->sites[i].site.name);
    metric_family(t, "trilog_site_drain", METRIC_GAUGE,
                  "As is agreed of each site: 0 in use, 1 drained, 2 in use again soon");
    for (unsigned i = 0; i < v->site_count; i++)
        metric_whole(t, "", (uint64_t)v->sites[i].drain, 1, "of_site", v->sites[i].site.name);
}

static void add_paths(struct metric_text *t, const struct site_view *view)
{
    const struct router_verdict *v = &view->verdict;
    metric_family(t, "trilog_site_path", METRIC_GAUGE,
                  "The way from one site to another: 0 nothing is known, 1 heard, 2 lost");
    for (unsigned from = 0; from < v->site_count; from++)
        for (unsigned to = 0; to < v->site_count; to++)
            metric_whole(t, "", (uint64_t)view->paths[from][to].state, 2, "from_site",
                         v->sites[from].site.name, "of_site", v->sites[to].site.name);
}

void metrics_of_sites(struct metric_text *t, struct broker *b)
{
    struct site_view view;
    site_board_look(b->sites, &view, clock_now_ms(&b->clock));
    metric_family(t, "trilog_site_verdict_epoch", METRIC_GAUGE,
                  "Of the verdict on sites that this node follows; 0: none");
    metric_whole(t, "", view.verdict.epoch, 0);
    metric_family(t, "trilog_site_reports_total", METRIC_COUNTER,
                  "What routers and clients reported of sites to this node");
    metric_whole(t, "", view.reports - view.refused, 1, "outcome", "taken");
    metric_whole(t, "", view.refused, 1, "outcome", "refused");
    add_verdict(t, &view.verdict);
    add_paths(t, &view);
}
