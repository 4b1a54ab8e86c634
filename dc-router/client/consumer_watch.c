/* What the consumer tells now and then: who is stuck, what was dropped, a changed file of settings.
 *
 * A handler that is stuck costs nothing but its own records: the library's thread goes on, so the
 * group stays as it is, and what is held is bounded. So it is only named, again and again, each
 * time that its age has doubled. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "consumer_parts.h"

#define EVERY_MS     1000
#define KEY_SIZE_MAX 40

/* Printable, and cut. */
static void key_text(const struct trilog_record *r, char text[static KEY_SIZE_MAX + 1])
{
    size_t size = r->key_size < KEY_SIZE_MAX ? r->key_size : KEY_SIZE_MAX;
    for (size_t i = 0; i < size; i++) {
        char byte = ((const char *)r->key)[i];
        text[i] = byte >= ' ' && byte <= '~' ? byte : '?';
    }
    text[size] = '\0';
}

/* Is it to be told at this age? */
static bool is_time(const struct trilog_consumer *c, uint64_t age_ms, uint64_t told_at_age_ms)
{
    return age_ms >= (uint64_t)c->settings.stuck_after_ms && age_ms >= 2 * told_at_age_ms;
}

static uint64_t count_old(const struct trilog_consumer *c, uint64_t now_ms)
{
    uint64_t count = 0;
    for (const struct held *h = c->in_hand.first; h != NULL; h = h->next) {
        if (now_ms - h->taken_at_ms < (uint64_t)c->settings.stuck_after_ms)
            break; /* they are by age */
        count++;
    }
    return count;
}

static bool watch_hands(struct trilog_consumer *c, uint64_t now_ms)
{
    struct held *h = c->in_hand.first;
    uint64_t age_ms = h != NULL ? now_ms - h->taken_at_ms : 0;
    if (h == NULL || age_ms < (uint64_t)c->settings.stuck_after_ms)
        return false;
    if (is_time(c, age_ms, h->told_at_ms)) {
        char key[KEY_SIZE_MAX + 1];
        key_text(&h->message.record, key);
        consumer_event(c, TRILOG_CONSUMER_EVENT_STUCK,
                       "%s-%d at %" PRId64 " (key '%s') is in hand for %" PRIu64 " ms; %" PRIu64
                       " records are so for over %" PRId64 " ms",
                       h->message.record.topic, h->message.partition, h->message.offset, key,
                       age_ms, count_old(c, now_ms), c->settings.stuck_after_ms);
        h->told_at_ms = age_ms;
    }
    return true;
}

static bool watch_takers(struct trilog_consumer *c, uint64_t now_ms)
{
    uint64_t age_ms = now_ms - c->taken_at_ms;
    if (c->ready.count == 0 || age_ms < (uint64_t)c->settings.stuck_after_ms) {
        c->untaken_told_ms = 0;
        return false;
    }
    if (is_time(c, age_ms, c->untaken_told_ms)) {
        consumer_event(c, TRILOG_CONSUMER_EVENT_STUCK,
                       "nobody has taken a record for %" PRIu64 " ms; %" PRIu64 " are ready",
                       age_ms, c->ready.count);
        c->untaken_told_ms = age_ms;
    }
    return true;
}

static void watch_stuck(struct trilog_consumer *c, uint64_t now_ms)
{
    bool has_hands = watch_hands(c, now_ms);
    bool is_stuck = watch_takers(c, now_ms) || has_hands;
    if (c->is_stuck && !is_stuck)
        consumer_event(c, TRILOG_CONSUMER_EVENT_UNSTUCK, "records are worked on again");
    c->is_stuck = is_stuck;
}

static void tell_count(struct trilog_consumer *c, enum trilog_consumer_event_kind kind,
                       uint64_t count, uint64_t *told, const char *what)
{
    if (count > *told)
        consumer_event(c, kind, "%" PRIu64 " records %s; %" PRIu64 " in all", count - *told, what,
                       count);
    *told = count;
}

static void watch_fatal(struct trilog_consumer *c)
{
    char text[256];
    if (c->is_fatal || rd_kafka_fatal_error(c->kafka, text, sizeof text) == 0)
        return;
    c->is_fatal = true;
    consumer_event(c, TRILOG_CONSUMER_EVENT_FATAL, "%s", text);
    pthread_cond_broadcast(&c->changed);
}

/* 0; UV_ENOMEM: nothing is taken over. Those of another environment are the next handle's
 * (consumer_renew.c). */
static int take_over(struct trilog_consumer *c, const struct client_settings *now)
{
    char *list = handle_address_list(&now->bootstrap);
    if (list == NULL)
        return UV_ENOMEM;
    bool is_of_another = strcmp(c->environment, now->environment) != 0;
    bytes_copy_text(c->settings.site, sizeof c->settings.site, now->site); /* the next handle's */
    bytes_copy_text(c->settings.environment, sizeof c->settings.environment, now->environment);
    c->settings.bootstrap = now->bootstrap;
    if (!is_of_another)
        site_watch_settings(c->at->watch, now);
    if (is_of_another || rd_kafka_brokers_add(c->kafka, list) > 0)
        consumer_event(c, TRILOG_CONSUMER_EVENT_SETTINGS,
                       "addresses are %s%s; other settings change when it is opened again", list,
                       is_of_another ? ", of another environment" : "");
    free(list);
    return 0;
}

static void watch_settings(struct trilog_consumer *c)
{
    struct client_settings *now;
    if (!settings_file_has_changed(&c->settings_file) || (now = malloc(sizeof *now)) == NULL)
        return;
    struct err_note note = {0};
    int err = settings_file_load(&c->settings_file, now, &note);
    if (err == 0)
        err = take_over(c, now);
    if (err == UV_ENOMEM)
        settings_file_forget(&c->settings_file); /* and is looked at again */
    else if (err != 0)
        consumer_event(c, TRILOG_CONSUMER_EVENT_SETTINGS, "settings stay as they were: %s",
                       note.text);
    free(now);
}

void consumer_watch(struct trilog_consumer *c, uint64_t now_ms)
{
    if (c->kafka == NULL)
        return; /* it ends */
    watch_fatal(c);
    watch_stuck(c, now_ms);
    consumer_site_note(c);
    if (now_ms < c->tick_at_ms)
        return;
    c->tick_at_ms = now_ms + EVERY_MS;
    tell_count(c, TRILOG_CONSUMER_EVENT_REPEATS, c->state.repeat_count, &c->told_repeat_count,
               "were dropped: they are there twice");
    tell_count(c, TRILOG_CONSUMER_EVENT_EXPIRED, c->state.expired_count, &c->told_expired_count,
               "were skipped: they had expired");
    watch_settings(c);
}
