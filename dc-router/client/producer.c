/* A producer: opened, closed, freed.
 *
 * It is one librdkafka handle with idempotence on, for as long as it is of one environment: a new
 * one while something is of unknown fate would put that into the log twice. Closed and freed are
 * two steps, so that use after close is an error that can be answered. */
#include "producer_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/random.h"

uint64_t producer_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static int make_lock(struct trilog_producer *p)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return TRILOG_ERR_SYSTEM;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int err = pthread_cond_init(&p->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (err != 0)
        return TRILOG_ERR_SYSTEM;
    if (pthread_mutex_init(&p->lock, NULL) == 0)
        return 0;
    pthread_cond_destroy(&p->changed);
    return TRILOG_ERR_SYSTEM;
}

static void free_parts(struct trilog_producer *p)
{
    handle_site_stop(p->at);
    if (p->kafka != NULL)
        rd_kafka_destroy_flags(p->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    p->kafka = NULL;
    handle_site_close(p->at);
    p->at = NULL;
    while (p->sends.first != NULL)
        producer_forget(p, p->sends.first);
    producer_spool_close(p);
    producer_failures_close(p);
}

static int start(struct trilog_producer *p, char *why)
{
    struct random random;
    random_init_system(&random);
    p->instance = random_u64(&random);
    p->next_due_at_ms = UINT64_MAX;
    int result = handle_site_open(&p->at, &p->settings);
    if (result != 0)
        return result;
    result = producer_spool_open(p, why);
    if (result == 0)
        result = producer_failures_open(p, why);
    if (result == 0)
        result = producer_kafka_open(p, why);
    if (result == 0 && pthread_create(&p->thread, NULL, producer_thread, p) != 0)
        result = TRILOG_ERR_SYSTEM;
    if (result != 0)
        free_parts(p);
    return result;
}

static int open_producer(struct trilog_producer *p, char *why)
{
    int result = producer_settings_open(p, why);
    if (result == 0)
        result = make_lock(p);
    if (result != 0)
        return result;
    result = start(p, why);
    if (result != 0) {
        pthread_mutex_destroy(&p->lock);
        pthread_cond_destroy(&p->changed);
    }
    return result;
}

int trilog_producer_open(struct trilog_producer **producer,
                         const struct trilog_producer_options *options, char *why)
{
    char unheard[TRILOG_TEXT_SIZE];
    if (why == NULL)
        why = unheard;
    why[0] = '\0';
    int result = TRILOG_ERR_NULL;
    struct trilog_producer *p = NULL;
    if (producer != NULL) {
        p = calloc(1, sizeof *p);
        result = p == NULL ? TRILOG_ERR_MEMORY : 0;
    }
    if (result == 0) {
        if (options != NULL)
            p->options = *options;
        result = open_producer(p, why);
    }
    if (result == 0) {
        *producer = p;
        return 0;
    }
    free(p);
    if (why[0] == '\0')
        snprintf(why, TRILOG_TEXT_SIZE, "%s", trilog_error_text(result));
    return result;
}

/* What the spool has is sent for as long as there is time; whatever is on its way then may be
 * sent once more by the next opening. False when somebody else closes it. */
static bool begin_closing(struct trilog_producer *p, uint64_t end_ms)
{
    pthread_mutex_lock(&p->lock);
    while (!p->is_closing && !p->is_fatal && p->send_count > 0 && producer_wait(p, end_ms))
        ;
    bool is_first = !p->is_closing;
    p->is_closing = true;
    pthread_mutex_unlock(&p->lock);
    return is_first;
}

int trilog_producer_close(struct trilog_producer *p, int timeout_ms)
{
    uint64_t end_ms = producer_now_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    int result = trilog_flush(p, timeout_ms);
    if (result != TRILOG_OK && result != TRILOG_ERR_TIMED_OUT)
        return result;
    if (!begin_closing(p, end_ms))
        return TRILOG_ERR_CLOSED;
    pthread_join(p->thread, NULL);
    free_parts(p);
    pthread_mutex_lock(&p->lock);
    p->is_closed = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    return TRILOG_OK;
}

void trilog_producer_destroy(struct trilog_producer *p)
{
    if (p == NULL)
        return;
    trilog_producer_close(p, 0);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
}
