/* A new handle of librdkafka's in place of the old one: for what only an opening sets.
 *
 * That is the site that it reads in (consumer_near.c), and its environment, which its client id
 * says. It is a rebalance; the member of a group comes back as another one. Another environment is
 * another cluster, or counts as one: positions are the ones that are committed there. */
#include "consumer_parts.h"

#define OPEN_AGAIN_MS 1000

static bool is_of_another(const struct trilog_consumer *c)
{
    return strcmp(c->environment, c->settings.environment) != 0;
}

static void forget_cluster(struct trilog_consumer *c)
{
    pthread_mutex_lock(&c->lock);
    consumer_parts_forget(c);
    pthread_mutex_unlock(&c->lock);
    c->reads_near = true;
    c->near_left_count = 0;
    c->near_since_ms = consumer_now_ms();
}

/* The old site is closed once there is a handle: its watch may be in the middle of a question. */
static int open_elsewhere(struct trilog_consumer *c, char *why)
{
    struct handle_site *old = c->at;
    forget_cluster(c);
    int result = consumer_site_open(c);
    if (result != 0)
        return result;
    result = consumer_kafka_open(c, why);
    handle_site_close(old);
    return result;
}

static int open_again(struct trilog_consumer *c)
{
    char why[TRILOG_TEXT_SIZE];
    return is_of_another(c) ? open_elsewhere(c, why) : consumer_kafka_open(c, why);
}

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
    while (open_again(c) != 0 && !consumer_is_ending(c)) {
        pthread_mutex_lock(&c->lock);
        consumer_wait(c, consumer_now_ms() + OPEN_AGAIN_MS);
        pthread_mutex_unlock(&c->lock);
    }
}

void consumer_renew_watch(struct trilog_consumer *c)
{
    if (c->kafka == NULL || !is_of_another(c) || rd_kafka_fatal_error(c->kafka, NULL, 0) != 0)
        return; /* a handle made anew would throw out whoever has its name now */
    consumer_renew(c);
    if (c->kafka == NULL)
        return; /* it ends */
    pthread_mutex_lock(&c->lock);
    consumer_event(c, TRILOG_CONSUMER_EVENT_SETTINGS, "environment=%s is in use", c->environment);
    pthread_mutex_unlock(&c->lock);
}
