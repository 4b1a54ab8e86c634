/* /livez, /readyz, /v1/router, and the settings read again.
 *
 * Alive: what is not should be ended and started again, so nothing that a restart can't help
 * counts. Ready: clients that are sent here are served. */
#include <inttypes.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "router/admin_parts.h"

static void add_reason(json_t *reasons, const char *code, const char *message)
{
    json_array_append_new(reasons, json_pack("{s:s, s:s}", "code", code, "message", message));
}

static void answer_health(struct http_call *call, const char *name, json_t *reasons)
{
    bool is_well = json_array_size(reasons) == 0;
    json_t *json = json_pack("{s:b, s:o}", name, is_well ? 1 : 0, "reasons", reasons);
    http_answer_json(call, is_well ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, json);
}

static void add_silent(const struct router_survey *all, json_t *reasons)
{
    if (all->silent_count > 0)
        add_reason(reasons, "silent_shard", "a thread of this router does not answer");
}

void router_resource_livez(struct http_call *call)
{
    struct router_survey *all = router_survey_take(http_port_data(call->port));
    json_t *reasons = json_array();
    if (all != NULL)
        add_silent(all, reasons);
    answer_health(call, "alive", reasons);
    free(all);
}

static bool has_node(const struct router_survey *all)
{
    for (unsigned i = 0; i < all->node_count; i++)
        if (all->nodes[i].is_up && all->nodes[i].id >= 0)
            return true;
    return false;
}

void router_resource_readyz(struct http_call *call)
{
    struct router_admin *a = http_port_data(call->port);
    struct router_survey *all = router_survey_take(a);
    json_t *reasons = json_array();
    if (all == NULL || !all->is_written)
        add_reason(reasons, "starting", "the router begins");
    else
        add_silent(all, reasons);
    if (router_process_is_draining(a->process))
        add_reason(reasons, "draining", "the router is about to end");
    if (all != NULL && all->is_written && !has_node(all))
        add_reason(reasons, "no_node", "no node of the cluster answers");
    answer_health(call, "ready", reasons);
    free(all);
}

/* ---- the state ---- */

static json_t *address_json(const char *host, unsigned port)
{
    char text[CONF_ADDRESS_SIZE];
    snprintf(text, sizeof text, "%s:%u", host, port);
    return json_string(text);
}

static json_t *nodes_json(const struct router_survey *all)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < all->node_count; i++) {
        const struct board_node *n = &all->nodes[i];
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:s, s:b, s:I, s:I}", "node_id",
                                        n->id < 0 ? json_null() : json_integer(n->id), "address",
                                        address_json(n->host, n->port), "site", n->site, "up",
                                        n->is_up ? 1 : 0, "connections", (json_int_t)n->connections,
                                        "requests_under_way", (json_int_t)n->calls));
    }
    return list;
}

static json_t *routers_json(const struct router_settings *c, const struct router_survey *all)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < c->routers.count; i++) {
        const struct conf_router *r = &c->routers.entries[i];
        bool is_watched = peers_watch_site(c, r->site);
        json_array_append_new(
            list,
            json_pack("{s:I, s:s, s:o, s:o}", "router_id", (json_int_t)r->router_id, "site",
                      r->site, "address", address_json(r->address.host, r->address.port), "live",
                      is_watched ? json_boolean(view_has_live(&all->view, r->router_id))
                                 : json_null()));
    }
    return list;
}

static json_t *verdict_json(const struct router_verdict *verdict)
{
    json_t *list = json_array();
    if (verdict->epoch == 0) {
        json_decref(list);
        return json_null();
    }
    for (unsigned i = 0; i < verdict->site_count; i++) {
        const struct router_standing *site = &verdict->sites[i];
        char text[ROUTER_STANDING_TEXT_SIZE];
        router_standing_text(site, text, sizeof text);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "site", site->site.name,
                                              "health", router_health_text(site->health), "drain",
                                              router_drain_text(site->drain), "words", text));
    }
    return json_pack("{s:I, s:I, s:o}", "epoch", (json_int_t)verdict->epoch, "failover_epoch",
                     (json_int_t)verdict->failover_epoch, "sites", list);
}

static json_t *backlogs_json(const struct router_survey *all)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < all->view.backlog_count; i++) {
        const struct view_backlog *b = &all->view.backlogs[i];
        json_t *json = json_pack("{s:s, s:o, s:s, s:b}", "topic", b->topic, "records",
                                 b->is_known ? json_integer(b->records) : json_null(), "answer",
                                 b->answer == CONF_BACKLOG_REFUSE ? "refuse" : "throttle", "open",
                                 b->is_open ? 1 : 0);
        json_object_set_new(json, "group", json_string(b->group)); /* null where it is no UTF-8 */
        json_array_append_new(list, json);
    }
    return list;
}

static json_t *settings_json(const struct kept_settings *kept, const struct router_survey *all)
{
    return json_pack("{s:s, s:I, s:I, s:b}", "file", kept->values.source, "number",
                     (json_int_t)kept->number, "loaded_at_ms", (json_int_t)kept->loaded_at_ms,
                     "in_force", all->settings_number >= kept->number ? 1 : 0);
}

static json_t *load_json(const struct router_survey *all)
{
    return json_pack("{s:I, s:I, s:I, s:I}", "connections", (json_int_t)all->clients,
                     "held_requests", (json_int_t)all->counts.held_now, "bytes_under_way",
                     (json_int_t)all->held_bytes, "topics", (json_int_t)all->topics);
}

void router_resource_state(struct http_call *call)
{
    struct router_admin *a = http_port_data(call->port);
    struct router_survey *all = router_survey_take(a);
    struct kept_settings *kept = router_process_settings(a->process);
    const struct router_settings *c = &kept->values;
    uint64_t up_ms = clock_now_ms(&a->clock) - router_process_started_ms(a->process);
    json_t *json = all == NULL
                       ? NULL
                       : json_pack("{s:I, s:s, s:s, s:o, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
                                   "router_id", (json_int_t)c->router_id, "site", c->site,
                                   "environment", c->environment, "advertised",
                                   address_json(c->advertised.host, c->advertised.port),
                                   "uptime_ms", (json_int_t)up_ms, "shards",
                                   (json_int_t)all->shard_count, "settings",
                                   settings_json(kept, all), "load", load_json(all), "nodes",
                                   nodes_json(all), "routers", routers_json(c, all), "backlogs",
                                   backlogs_json(all), "verdict", verdict_json(&all->view.verdict));
    http_answer_json(call, MHD_HTTP_OK, json);
    kept_settings_release(kept);
    free(all);
}

/* ---- settings ---- */

void router_resource_reload(struct http_call *call)
{
    struct router_admin *a = http_port_data(call->port);
    struct err_note note = {0};
    if (json_object_size(call->json) > 0) {
        http_refuse(call, MHD_HTTP_BAD_REQUEST, "unknown_field",
                    "the settings are read from the router's file; there are no fields here");
        return;
    }
    int err = router_process_reload(a->process, &note);
    if (err != 0) {
        http_refuse(call, err == ERR_CANT_CHANGE ? MHD_HTTP_CONFLICT : MHD_HTTP_BAD_REQUEST,
                    err == ERR_CANT_CHANGE ? "not_allowed_now" : "invalid",
                    "%s; the settings are as they were", note.text);
        return;
    }
    struct kept_settings *kept = router_process_settings(a->process);
    http_answer_json(call, MHD_HTTP_OK, json_pack("{s:I}", "number", (json_int_t)kept->number));
    kept_settings_release(kept);
}
