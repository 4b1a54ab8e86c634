/* Opened before the handle and closed after it, for its last connections go by the gate; stopped in
 * between, so that the gate lets them go wherever they want to. */
#include "handle_site.h"

#include <stdio.h>
#include <stdlib.h>

#define DECIDE_MS_MAX 1000

int handle_site_open(struct handle_site **handle, const struct client_settings *settings)
{
    struct handle_site *h = calloc(1, sizeof *h);
    if (h == NULL)
        return TRILOG_ERR_MEMORY;
    int result = site_gate_init(&h->gate, DECIDE_MS_MAX);
    if (result == 0) {
        result = site_watch_open(&h->watch, settings, &h->gate);
        if (result != 0)
            site_gate_close(&h->gate);
    }
    if (result != 0)
        free(h);
    else
        *handle = h;
    return result;
}

void handle_site_stop(struct handle_site *h)
{
    if (h == NULL)
        return;
    site_watch_close(h->watch);
    h->watch = NULL;
}

void handle_site_close(struct handle_site *h)
{
    if (h == NULL)
        return;
    handle_site_stop(h);
    site_gate_close(&h->gate);
    free(h);
}

bool handle_site_note(struct handle_site *h, char text[static TRILOG_TEXT_SIZE])
{
    struct site_change change;
    if (!site_watch_take(h->watch, &change))
        return false;
    int size = snprintf(text, TRILOG_TEXT_SIZE,
                        "site=%s from=%s failover_epoch=%llu cause=", change.site, change.from,
                        (unsigned long long)change.failover_epoch);
    bytes_copy_text(text + size, TRILOG_TEXT_SIZE - (size_t)size, change.cause);
    return true;
}

int handle_site_state(const struct handle_site *h, bool is_closing, struct trilog_site_state *state)
{
    *state = (struct trilog_site_state){0};
    if (is_closing)
        return TRILOG_ERR_CLOSED;
    site_watch_state(h->watch, state);
    return TRILOG_OK;
}
