/* POST /v1/sites/drain: an operator's word that a site is not to be used, or is again.
 *
 * What is answered is what group 0 has taken: it is in the verdict on sites then, and leaders go by
 * themselves; GET /v1/sites shows how many are still there. */
#include <stdlib.h>

#include "admin/admin_parts.h"
#include "admin/route.h"
#include "controller.h"

#define GROUP_0_MS_MAX 10000

struct drain_call {
    struct controller_change change;
    struct admin_call *call; /* NULL once somebody else answered it */
    char site[ROUTER_SITE_NAME_SIZE];
    bool is_drained;
    unsigned group_count; /* led there now */
};

static json_t *answer_json(const struct drain_call *d, bool is_begun)
{
    return json_pack("{s:b, s:s, s:b, s:i}", "begun", is_begun ? 1 : 0, "site", d->site, "drained",
                     d->is_drained ? 1 : 0, "groups", (int)d->group_count);
}

static void on_change(struct controller_change *change, int status)
{
    struct drain_call *d = change->data;
    int err = status != 0 ? status : change->result.error;
    if (d->call != NULL && err == 0)
        call_answer_json(d->call, MHD_HTTP_ACCEPTED, answer_json(d, true));
    else if (d->call != NULL)
        call_refuse_err(d->call, err,
                        err == ERR_CANT_CHANGE
                            ? "it is the last site in use, or nothing is agreed on sites yet"
                        : err == ERR_NOT_FOUND ? "there is no such site"
                                               : NULL);
    free(d);
}

static void on_abandoned(struct admin_call *call)
{
    struct drain_call *d = call->data;
    d->call = NULL;
}

static bool read_body(struct drain_call *d, bool *is_plan)
{
    static const char *const allowed[] = {"plan", "site", "drained"};
    struct admin_call *call = d->call;
    const char *site;
    d->is_drained = true;
    if (!call_allows_fields(call, allowed, 3) || !call_field_text(call, "site", &site) ||
        !call_field_flag(call, "drained", &d->is_drained) ||
        !call_field_flag(call, "plan", is_plan))
        return false;
    if (site[0] == '\0' || strlen(site) >= sizeof d->site) {
        call_refuse(call, MHD_HTTP_BAD_REQUEST, "invalid_field", "'site' is the name of a site");
        return false;
    }
    bytes_copy_text(d->site, sizeof d->site, site);
    return true;
}

/* How many raft groups are led there; false where nobody knows of such a site. */
static bool count_led(struct broker *b, const char *site, unsigned *count)
{
    struct metadata *m = b->metadata;
    metadata_read_lock(m);
    bool is_known = router_verdict_find(metadata_verdict(m), site) != ROUTER_NO_SITE;
    for (unsigned i = 0; i < metadata_group_count(m); i++) {
        uint32_t leader = broker_group_leader(b, metadata_group_at(m, i)->group_id, NULL);
        const struct metadata_node *node = metadata_node_by_id(m, leader);
        *count += node != NULL && strcmp(node->site, site) == 0;
    }
    metadata_read_unlock(m);
    return is_known;
}

static void begin(struct drain_call *d)
{
    struct admin_call *call = d->call;
    struct metadata_site_change c = {.step = d->is_drained ? METADATA_SITE_DRAIN
                                                           : METADATA_SITE_UNDRAIN};
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &c};
    bytes_copy_text(c.site, sizeof c.site, d->site);
    d->change = (struct controller_change){
        .data = d, .home = call->admin->shard, .timeout_ms = GROUP_0_MS_MAX};
    if (metadata_change_encode(&change, &d->change.body, &d->change.body_size) != 0)
        d->change.body = NULL; /* told by the controller */
    call->data = d;
    call->on_abandoned = on_abandoned;
    controller_propose(call->broker->controller, &d->change, on_change);
}

void resource_site_drain(struct admin_call *call)
{
    bool is_plan = false;
    struct drain_call *d = calloc(1, sizeof *d);
    if (d == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    d->call = call;
    if (!read_body(d, &is_plan)) {
        free(d);
        return;
    }
    bool is_known = count_led(call->broker, d->site, &d->group_count);
    if (is_known && !is_plan) {
        begin(d);
        return;
    }
    if (is_known)
        call_answer_json(call, MHD_HTTP_OK, answer_json(d, false));
    else
        call_refuse_err(call, ERR_NOT_FOUND, "there is no such site, or nothing is agreed yet");
    free(d);
}
