/* Another environment while the producer runs: another client id, hence a new handle.
 *
 *   changed ──▶ nothing goes to librdkafka (as if it were full) ──▶ all of the old handle's settled
 *           ──▶ old handle gone ──▶ new handle ──▶ records go again
 *
 * What the old handle has is settled first, so that nothing of unknown fate is sent by two handles.
 * What is not settled within send_timeout_ms is as in closing: its sender was told, or the spool
 * has it, which sends it again (a repeat, if it was taken). */
#include "producer_parts.h"

#include <string.h>

bool producer_is_renewing(const struct trilog_producer *p)
{
    return p->kafka == NULL || strcmp(p->environment, p->settings.environment) != 0;
}

void producer_renew_begin(struct trilog_producer *p)
{
    p->renew_by_ms = producer_now_ms() + (uint64_t)p->settings.send_timeout_ms;
}

static bool is_settled(const struct trilog_producer *p)
{
    for (const struct send *s = p->sends.first; s != NULL; s = s->next)
        if (!s->is_told)
            return false;
    return p->send_count == 0 || producer_now_ms() >= p->renew_by_ms;
}

/* The old one, which nobody uses: with the lock held, which is given up meanwhile. */
static void end_handle(struct trilog_producer *p)
{
    rd_kafka_t *old = p->kafka;
    p->kafka = NULL;
    pthread_mutex_unlock(&p->lock);
    rd_kafka_destroy_flags(old, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    pthread_mutex_lock(&p->lock);
}

/* Nothing of the old sites is left: their routers may be called as the new ones are. The lock is
 * given up while the watch begins. */
static int begin_site(struct trilog_producer *p)
{
    struct handle_site *fresh;
    struct client_settings settings = p->settings;
    pthread_mutex_unlock(&p->lock);
    int result = handle_site_open(&fresh, &settings);
    pthread_mutex_lock(&p->lock);
    if (result != 0)
        return result;
    p->at = fresh;
    p->has_topic = false;
    site_watch_settings(fresh->watch, &p->settings); /* as they are by now */
    return 0;
}

static void tell_failure(struct trilog_producer *p, int result, const char *why)
{
    bool is_first = p->renew_at_ms == 0;
    p->renew_at_ms = producer_now_ms() + PRODUCER_LATER_MS;
    if (is_first)
        producer_event(p, TRILOG_EVENT_SETTINGS_REFUSED, "environment=%s is not in use yet: %s",
                       p->settings.environment, why[0] != '\0' ? why : trilog_error_text(result));
}

static void begin_handle(struct trilog_producer *p)
{
    char why[TRILOG_TEXT_SIZE] = "";
    struct handle_site *old = p->at;
    int result = begin_site(p);
    if (result == 0)
        result = producer_kafka_open(p, why);
    if (p->at != old) { /* its watch may be in the middle of a question */
        pthread_mutex_unlock(&p->lock);
        handle_site_close(old);
        pthread_mutex_lock(&p->lock);
    }
    if (result != 0) {
        tell_failure(p, result, why);
        return;
    }
    p->is_fatal = false; /* the old one may have been: refused in its environment */
    p->renew_at_ms = 0;
    producer_event(p, TRILOG_EVENT_SETTINGS_CHANGED, "environment=%s is in use", p->environment);
}

void producer_renew_watch(struct trilog_producer *p)
{
    if (!producer_is_renewing(p) || p->is_closing || !is_settled(p) ||
        producer_now_ms() < p->renew_at_ms)
        return;
    if (p->send_count > 0) {
        pthread_mutex_unlock(&p->lock);
        producer_kafka_purge(p);
        pthread_mutex_lock(&p->lock);
    }
    if (p->send_count > 0 || !producer_is_renewing(p))
        return; /* librdkafka has not let all go yet; or it is the old environment again */
    if (p->kafka != NULL)
        end_handle(p);
    begin_handle(p);
}
