#include "router/kept_settings.h"

#include <stdlib.h>
#include <string.h>

struct kept_settings *kept_settings_create(const struct router_settings *values, uint64_t number,
                                           int64_t wall_ms)
{
    struct kept_settings *k = malloc(sizeof *k);
    if (k == NULL)
        return NULL;
    k->values = *values;
    k->number = number;
    k->loaded_at_ms = wall_ms;
    atomic_init(&k->claims, 1);
    return k;
}

struct kept_settings *kept_settings_claim(struct kept_settings *k)
{
    atomic_fetch_add(&k->claims, 1);
    return k;
}

void kept_settings_release(struct kept_settings *k)
{
    if (k != NULL && atomic_fetch_sub(&k->claims, 1) == 1)
        free(k);
}

static bool is_same_address(const struct conf_address *a, const struct conf_address *b)
{
    return a->port == b->port && strcmp(a->host, b->host) == 0;
}

static int refuse(struct err_note *note, const struct router_settings *next,
                  enum router_setting_id id, const char *name)
{
    return err_set(note, ERR_CANT_CHANGE,
                   "%s:%u: %s can't change while the router runs: start it again for that",
                   next->source, next->lines[id], name);
}

/* Who it is, where it listens, and its threads: all else may change. */
int kept_settings_may_follow(const struct router_settings *now, const struct router_settings *next,
                             struct err_note *note)
{
    if (next->router_id != now->router_id)
        return refuse(note, next, ROUTER_SETTING_router_id, "router_id");
    if (strcmp(next->site, now->site) != 0)
        return refuse(note, next, ROUTER_SETTING_site, "site");
    if (!is_same_address(&next->listen, &now->listen))
        return refuse(note, next, ROUTER_SETTING_listen, "listen");
    if (!is_same_address(&next->admin_listen, &now->admin_listen))
        return refuse(note, next, ROUTER_SETTING_admin_listen, "admin_listen");
    if (strcmp(next->admin_token_file, now->admin_token_file) != 0)
        return refuse(note, next, ROUTER_SETTING_admin_token_file, "admin_token_file");
    if (next->shards != now->shards)
        return refuse(note, next, ROUTER_SETTING_shards, "shards");
    return 0;
}
