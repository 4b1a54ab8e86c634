/* A consumer: opened, closed, freed.
 *
 * It is one librdkafka handle and one thread that serves it. Closed and freed are two steps, so
 * that use after close is an error that can be answered, and messages in hand stay readable. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "consumer_parts.h"

static uint64_t ms_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

uint64_t consumer_now_ms(void)
{
    return ms_of(CLOCK_MONOTONIC);
}

int64_t consumer_wall_ms(void)
{
    return (int64_t)ms_of(CLOCK_REALTIME);
}

bool consumer_wait(struct trilog_consumer *c, uint64_t end_ms)
{
    if (consumer_now_ms() >= end_ms)
        return false;
    struct timespec end = {.tv_sec = (time_t)(end_ms / 1000),
                           .tv_nsec = (long)(end_ms % 1000) * 1000000};
    pthread_cond_timedwait(&c->changed, &c->lock, &end);
    return true;
}

/* ---- what is asked for ---- */

static bool is_name(const char *name)
{
    return strnlen(name, CONSUMER_NAME_MAX + 1) <= CONSUMER_NAME_MAX && record_is_topic(name);
}

static int copy_topics(struct trilog_consumer *c, const struct trilog_consumer_options *o)
{
    if (o->topic_count == 0 || o->topic_count > CONSUMER_TOPICS_MAX)
        return TRILOG_ERR_TOPIC;
    if (o->topics == NULL)
        return TRILOG_ERR_NULL;
    c->topics = calloc(o->topic_count, sizeof *c->topics);
    c->is_unknown = calloc(o->topic_count, sizeof *c->is_unknown);
    if (c->topics == NULL || c->is_unknown == NULL)
        return TRILOG_ERR_MEMORY;
    c->topic_count = o->topic_count;
    for (size_t i = 0; i < o->topic_count; i++) {
        if (o->topics[i] == NULL)
            return TRILOG_ERR_NULL;
        if (!record_is_topic(o->topics[i]))
            return TRILOG_ERR_TOPIC;
        bytes_copy_text(c->topics[i], sizeof c->topics[i], o->topics[i]);
    }
    return 0;
}

static int take_options(struct trilog_consumer *c, const struct trilog_consumer_options *o)
{
    if (o == NULL || o->group == NULL)
        return TRILOG_ERR_NULL;
    int result = copy_topics(c, o);
    if (result != 0)
        return result;
    c->is_broadcast = o->broadcast_instance != NULL;
    if (!is_name(o->group) || (c->is_broadcast && !is_name(o->broadcast_instance)))
        return TRILOG_ERR_GROUP;
    if ((unsigned)o->start > TRILOG_START_TIME || o->start_at < 0)
        return TRILOG_ERR_OFFSET;
    snprintf(c->group, sizeof c->group, "%s%s%s", o->group, c->is_broadcast ? ".broadcast." : "",
             c->is_broadcast ? o->broadcast_instance : "");
    if (o->broadcast_instance != NULL)
        bytes_copy_text(c->instance, sizeof c->instance, o->broadcast_instance);
    c->options = *o;
    return 0;
}

static int load_settings(struct trilog_consumer *c, char *why)
{
    struct err_note note = {0};
    int err = settings_file_open(&c->settings_file, c->options.config_path, &c->settings, &note);
    if (err == 0)
        return 0;
    snprintf(why, TRILOG_TEXT_SIZE, "%s", note.text);
    return err == UV_ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_SETTINGS;
}

/* ---- opening ---- */

static int make_lock(struct trilog_consumer *c)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic) != 0)
        return TRILOG_ERR_SYSTEM;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    int err = pthread_cond_init(&c->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (err != 0)
        return TRILOG_ERR_SYSTEM;
    if (pthread_mutex_init(&c->lock, NULL) == 0)
        return 0;
    pthread_cond_destroy(&c->changed);
    return TRILOG_ERR_SYSTEM;
}

static void close_parts(struct trilog_consumer *c)
{
    handle_site_stop(c->at);
    if (c->kafka != NULL)
        rd_kafka_destroy_flags(c->kafka, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    c->kafka = NULL;
    handle_site_close(c->at);
    c->at = NULL;
    pthread_mutex_lock(&c->lock);
    consumer_failures_close(c);
    c->is_closed = true;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

static void free_memory(struct trilog_consumer *c)
{
    struct held *h;
    HASH_CLEAR(hh, c->in_hand_by_address);
    while ((h = c->ready.first) != NULL || (h = c->in_hand.first) != NULL) {
        consumer_list_remove(c->ready.first != NULL ? &c->ready : &c->in_hand, h);
        consumer_held_free(h);
    }
    while (c->notes_first != NULL) {
        struct consumer_note *next = c->notes_first->next;
        free(c->notes_first);
        c->notes_first = next;
    }
    consumer_parts_free(c);
    if (c->missing != NULL)
        rd_kafka_topic_partition_list_destroy(c->missing);
    repeats_free(c->repeats);
    free(c->topics);
    free(c->is_unknown);
    free(c);
}

static int start(struct trilog_consumer *c, char *why)
{
    uint64_t window = (uint64_t)c->settings.repeat_window_records;
    if (window > 0) {
        c->repeats = repeats_new((uint32_t)window, (uint64_t)c->settings.repeat_window_ms);
        if (c->repeats == NULL)
            return TRILOG_ERR_MEMORY;
    }
    int result = consumer_site_open(c);
    if (result != 0)
        return result;
    result = consumer_failures_open(c, why);
    if (result == 0)
        result = consumer_kafka_open(c, why);
    if (result == 0)
        consumer_run_events(c); /* what was found */
    if (result == 0 && pthread_create(&c->thread, NULL, consumer_thread, c) != 0)
        result = TRILOG_ERR_SYSTEM;
    if (result != 0)
        close_parts(c);
    return result;
}

static int open_consumer(struct trilog_consumer *c, const struct trilog_consumer_options *options,
                         char *why)
{
    c->lock_file = -1;
    c->reads_near = true;
    c->near_since_ms = consumer_now_ms();
    int result = take_options(c, options);
    if (result == 0)
        result = load_settings(c, why);
    if (result == 0)
        result = make_lock(c);
    if (result != 0)
        return result;
    result = start(c, why);
    if (result != 0) {
        pthread_mutex_destroy(&c->lock);
        pthread_cond_destroy(&c->changed);
    }
    return result;
}

int trilog_consumer_open(struct trilog_consumer **consumer,
                         const struct trilog_consumer_options *options, char *why)
{
    char unheard[TRILOG_TEXT_SIZE];
    if (why == NULL)
        why = unheard;
    why[0] = '\0';
    struct trilog_consumer *c = consumer != NULL ? calloc(1, sizeof *c) : NULL;
    int result = consumer == NULL ? TRILOG_ERR_NULL : c == NULL ? TRILOG_ERR_MEMORY : 0;
    if (result == 0)
        result = open_consumer(c, options, why);
    if (result == 0) {
        *consumer = c;
        return 0;
    }
    if (c != NULL)
        free_memory(c);
    if (why[0] == '\0')
        snprintf(why, TRILOG_TEXT_SIZE, "%s", trilog_error_text(result));
    return result;
}

/* ---- closing ---- */

int trilog_consumer_close(struct trilog_consumer *c, int timeout_ms)
{
    if (c == NULL)
        return TRILOG_ERR_NULL;
    if (pthread_equal(pthread_self(), c->thread))
        return TRILOG_ERR_WRONG_THREAD;
    uint64_t end_ms = consumer_now_ms() + (uint64_t)(timeout_ms < 0 ? 0 : timeout_ms);
    pthread_mutex_lock(&c->lock);
    bool was_closing = c->is_closing;
    c->is_closing = true;
    pthread_cond_broadcast(&c->changed);
    while (!was_closing && c->in_hand.count > 0 && consumer_wait(c, end_ms))
        ;
    c->is_ending = c->is_ending || !was_closing;
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    if (was_closing)
        return TRILOG_ERR_CLOSED;
    pthread_join(c->thread, NULL);
    close_parts(c);
    return c->is_left ? TRILOG_ERR_TIMED_OUT : TRILOG_OK;
}

void trilog_consumer_destroy(struct trilog_consumer *c)
{
    if (c == NULL)
        return;
    trilog_consumer_close(c, 0);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->changed);
    free_memory(c);
}
