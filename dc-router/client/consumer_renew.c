/* A new handle of librdkafka's in place of the old one: for what only an opening sets.
 *
 * That is the site that it reads in (consumer_near.c), and its environment, which its client id
 * says. It is a rebalance: the member leaves its group, and comes as another one. */
#include "consumer_parts.h"

#define OPEN_AGAIN_MS 1000

/* What is in hand has its time to be done, as at any rebalance. */
void consumer_renew(struct trilog_consumer *c)
{
    consumer_leave_group(c);
    if (consumer_has_partitions(c))
        consumer_place_let_go(c); /* nobody has answered in time: what is ready comes again */
    rd_kafka_destroy_flags(c->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    c->kafka = NULL;
    c->is_paused = false;
    pthread_mutex_lock(&c->lock);
    c->is_committing = false;
    pthread_mutex_unlock(&c->lock);
    char why[TRILOG_TEXT_SIZE];
    while (consumer_kafka_open(c, why) != 0 && !consumer_is_ending(c)) {
        pthread_mutex_lock(&c->lock);
        consumer_wait(c, consumer_now_ms() + OPEN_AGAIN_MS);
        pthread_mutex_unlock(&c->lock);
    }
}

/* False where the handle is to stay: one made anew would throw out whoever has its name now. */
static bool is_wanted(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    bool is_wanted = !c->is_fatal && strcmp(c->environment, c->settings.environment) != 0;
    if (is_wanted)
        consumer_event(c, TRILOG_CONSUMER_EVENT_SETTINGS,
                       "environment=%s is in use: the group is left, and joined anew",
                       c->settings.environment);
    pthread_mutex_unlock(&c->lock);
    return is_wanted;
}

void consumer_renew_watch(struct trilog_consumer *c)
{
    if (is_wanted(c))
        consumer_renew(c);
}
