/* Settings that change while the producer runs.
 *
 * Site and addresses are taken over at once. The handle stays, and with it the producer id: new
 * addresses are added to it. It can't forget one, but it turns to those that the cluster names, and
 * to others only while these are gone. Another environment alone takes a new handle
 * (producer_renew.c). All other settings are of the handle and of the spool as they were opened. */
#include "producer_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define LOOK_EVERY_MS 1000

int producer_settings_open(struct trilog_producer *p, char *why)
{
    struct err_note note = {0};
    int err = settings_file_open(&p->settings_file, p->options.config_path, &p->settings, &note);
    if (err == 0)
        return 0;
    snprintf(why, TRILOG_TEXT_SIZE, "%s", note.text);
    return err == UV_ENOMEM ? TRILOG_ERR_MEMORY : TRILOG_ERR_SETTINGS;
}

static bool has_address(const struct conf_addresses *all, const struct conf_address *one)
{
    for (unsigned i = 0; i < all->count; i++)
        if (all->entries[i].port == one->port && strcmp(all->entries[i].host, one->host) == 0)
            return true;
    return false;
}

static unsigned count_new(const struct conf_addresses *now, const struct conf_addresses *before)
{
    unsigned count = 0;
    for (unsigned i = 0; i < now->count; i++)
        count += !has_address(before, &now->entries[i]);
    return count;
}

/* Do settings differ that only an opening takes over? */
static bool has_other_change(const struct client_settings *now,
                             const struct client_settings *before)
{
#define DIFFERS_NUMBER(field) now->field != before->field
    return DIFFERS_NUMBER(send_timeout_ms) || DIFFERS_NUMBER(record_bytes_max) ||
           DIFFERS_NUMBER(queue_records_max) || DIFFERS_NUMBER(queue_bytes_max) ||
           DIFFERS_NUMBER(spool_bytes_max) || DIFFERS_NUMBER(spool_records_max) ||
           DIFFERS_NUMBER(spool_is_durable) || DIFFERS_NUMBER(failure_bytes_max) ||
           DIFFERS_NUMBER(failure_records_max) || DIFFERS_NUMBER(retry_wait_ms) ||
           DIFFERS_NUMBER(retry_wait_ms_max) || DIFFERS_NUMBER(retry_count_max) ||
           strcmp(now->client_id, before->client_id) != 0 ||
           strcmp(now->spool_directory, before->spool_directory) != 0 ||
           strcmp(now->failure_directory, before->failure_directory) != 0;
#undef DIFFERS_NUMBER
}

static int add_addresses(struct trilog_producer *p, const struct conf_addresses *addresses)
{
    char *list = handle_address_list(addresses);
    if (list == NULL)
        return TRILOG_ERR_MEMORY;
    rd_kafka_brokers_add(p->kafka, list); /* those that it has are no new ones */
    free(list);
    return 0;
}

/* Of the handle, where it stays. One that is to go keeps to where it was: what it has is for that
 * environment. */
static int take_addresses(struct trilog_producer *p, const struct client_settings *now,
                          unsigned new_count)
{
    bool stays = p->kafka != NULL && strcmp(p->environment, now->environment) == 0;
    bool has_more = new_count > 0 || producer_is_renewing(p);
    return stays && has_more ? add_addresses(p, &now->bootstrap) : 0;
}

/* With the lock held, which is given up for the event. */
static int take_over(struct trilog_producer *p, const struct client_settings *now)
{
    struct client_settings *own = &p->settings;
    unsigned new_count = count_new(&now->bootstrap, &own->bootstrap);
    unsigned gone_count = count_new(&own->bootstrap, &now->bootstrap);
    bool is_moved = strcmp(now->site, own->site) != 0;
    bool is_of_another = strcmp(now->environment, own->environment) != 0;
    bool has_rest = has_other_change(now, own);
    if (new_count + gone_count == 0 && !is_moved && !is_of_another && !has_rest)
        return 0;
    int result = take_addresses(p, now, new_count);
    if (result != 0)
        return result;
    own->bootstrap = now->bootstrap;
    bytes_copy_text(own->site, sizeof own->site, now->site);
    bytes_copy_text(own->environment, sizeof own->environment, now->environment);
    bool is_renewing = producer_is_renewing(p);
    if (!is_renewing)
        site_watch_settings(p->at->watch, own);
    else if (is_of_another)
        producer_renew_begin(p);
    producer_event(p, TRILOG_EVENT_SETTINGS_CHANGED,
                   "site=%s environment=%s addresses_new=%u addresses_gone=%u%s%s", now->site,
                   now->environment, new_count, gone_count,
                   is_renewing ? "; in use once what was sent before is settled" : "",
                   has_rest ? "; other settings change when the producer is opened again" : "");
    return 0;
}

/* With the lock held. */
static int reload(struct trilog_producer *p, char *why)
{
    struct client_settings *now = malloc(sizeof *now);
    if (now == NULL)
        return TRILOG_ERR_MEMORY;
    struct err_note note = {0};
    int err = settings_file_load(&p->settings_file, now, &note);
    int result = err == 0           ? take_over(p, now)
                 : err == UV_ENOMEM ? TRILOG_ERR_MEMORY
                                    : TRILOG_ERR_SETTINGS;
    free(now);
    if (result == TRILOG_ERR_MEMORY)
        settings_file_forget(&p->settings_file); /* and is looked at again */
    if (err != 0)
        snprintf(why, TRILOG_TEXT_SIZE, "%s", note.text);
    else if (result != 0)
        snprintf(why, TRILOG_TEXT_SIZE, "%s", trilog_error_text(result));
    return result;
}

void producer_settings_watch(struct trilog_producer *p, uint64_t now_ms)
{
    if (now_ms < p->settings_look_at_ms)
        return;
    p->settings_look_at_ms = now_ms + LOOK_EVERY_MS;
    char why[TRILOG_TEXT_SIZE];
    if (settings_file_has_changed(&p->settings_file) && reload(p, why) == TRILOG_ERR_SETTINGS)
        producer_event(p, TRILOG_EVENT_SETTINGS_REFUSED, "settings stay as they were: %s", why);
}

int trilog_producer_reload(struct trilog_producer *p, char *why)
{
    char unheard[TRILOG_TEXT_SIZE];
    if (why == NULL)
        why = unheard;
    why[0] = '\0';
    if (p == NULL)
        return TRILOG_ERR_NULL;
    pthread_mutex_lock(&p->lock);
    int result = p->is_closing ? TRILOG_ERR_CLOSED : reload(p, why);
    pthread_mutex_unlock(&p->lock);
    return result;
}
