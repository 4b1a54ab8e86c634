/* Settings that change while a consumer runs and memory runs out at any place: none is forgotten.
 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "consumer_parts.h"
#include "fake_cluster.h"
#include "memory_seam.h"

#define TURNS_MAX 2000

static void on_event(void *data, enum trilog_consumer_event_kind kind, const char *text)
{
    (void)data, (void)kind, (void)text;
}

static struct trilog_consumer *open_consumer(struct fake_cluster *cluster)
{
    static const char *const topic = "t";
    struct trilog_consumer *c = NULL;
    struct trilog_consumer_options options = {.config_path = cluster->config,
                                              .topics = &topic,
                                              .topic_count = 1,
                                              .group = "g",
                                              .on_event = on_event};
    char why[TRILOG_TEXT_SIZE];
    cr_assert_eq(trilog_consumer_open(&c, &options, why), TRILOG_OK, "%s", why);
    return c;
}

/* As the consumer's own thread does once a second. Which port stands first now? */
static unsigned look(struct trilog_consumer *c, int failing_allocation, bool *is_met)
{
    pthread_mutex_lock(&c->lock);
    c->tick_at_ms = 0;
    memory_seam_fail(failing_allocation);
    consumer_watch(c, consumer_now_ms());
    *is_met = memory_seam_end();
    unsigned port = c->settings.bootstrap.entries[0].port;
    pthread_mutex_unlock(&c->lock);
    return port;
}

Test(client_consumer_watch, takes_changed_settings_over_though_there_was_no_memory_at_first)
{
    struct fake_cluster cluster;
    fake_cluster_open(&cluster, 1);
    fake_cluster_configure(&cluster, NULL, "");
    struct trilog_consumer *c = open_consumer(&cluster);
    unsigned turn = 0;
    bool is_met = true;
    while (is_met && turn < TURNS_MAX) {
        char address[64];
        bool is_any;
        snprintf(address, sizeof address, "127.0.0.1:%u", 10000 + ++turn);
        fake_cluster_configure(&cluster, address, "");
        look(c, (int)turn, &is_met);
        cr_assert_eq(look(c, 0, &is_any), 10000 + turn, "at allocation %u", turn);
    }
    cr_assert(turn > 3 && turn < TURNS_MAX, "%u", turn);
    trilog_consumer_destroy(c);
    fake_cluster_close(&cluster);
}
