/* Consumer groups without a living member, were a single site lost: what `trilog what-if` says of
 * it, for each site at every scrape. Each shard counts in a place of its own. */
#include <stdlib.h>
#include <string.h>

#include "admin/metrics.h"
#include "membership/forecast.h"

struct members_look {
    unsigned site_count;
    unsigned left_empty[REPL_SHARDS_MAX][FORECAST_SITES_MAX];
    struct lost_sites sites[]; /* each one alone */
};

static void look_at(void *data, unsigned shard, struct broker_group *g)
{
    struct members_look *look = data;
    for (unsigned i = 0; i < look->site_count; i++) {
        struct lost_members lost;
        lost_members_count(g, &look->sites[i], &lost);
        look->left_empty[shard][i] += lost.groups_left_empty;
    }
}

bool metrics_member_look(struct broker *b, struct survey_look *into)
{
    struct forecast_of_site kept[FORECAST_SITES_MAX];
    unsigned count = forecast_each_kept(b, kept);
    struct members_look *look = calloc(1, sizeof *look + count * sizeof look->sites[0]);
    if (look == NULL)
        return false;
    look->site_count = count;
    for (unsigned i = 0; i < count; i++) {
        look->sites[i].count = 1;
        memcpy(look->sites[i].names[0], kept[i].site, sizeof kept[i].site);
        lost_sites_find_hosts(b, &look->sites[i]);
    }
    *into = (struct survey_look){.look = look_at, .free = free, .data = look};
    return true;
}

void metrics_of_members(struct metric_text *t, const struct survey *survey)
{
    const struct members_look *look = survey->look.data;
    metric_family(t, "trilog_forecast_consumer_groups_left_empty", METRIC_GAUGE,
                  "Consumer groups that would have no living member, were the site lost");
    for (unsigned i = 0; i < look->site_count; i++) {
        uint64_t sum = 0;
        for (unsigned s = 0; s < survey->shard_count; s++)
            sum += survey->shards[s].has_answered ? look->left_empty[s][i] : 0;
        metric_whole(t, "", sum, 1, "lost_site", look->sites[i].names[0]);
    }
}
