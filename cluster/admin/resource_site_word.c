/* POST /v1/sites/drain, /v1/sites/weight: an operator's word that a site is not to be used, or is
 * again; its share of the topics.
 *
 * What is answered is what group 0 has taken: it is in the verdict on sites then, and leaders go by
 * themselves; GET /v1/sites shows how many are still there. */
#include <stdlib.h>

#include "admin/admin_parts.h"
#include "admin/route.h"
#include "controller.h"

#define GROUP_0_MS_MAX 10000

struct word_call {
    struct controller_change change;
    struct admin_call *call; /* NULL once somebody else answered it */
    struct metadata_site_change word;
    unsigned group_count; /* led there now */
};

static json_t *answer_json(const struct word_call *w, bool is_begun)
{
    bool is_drained = w->word.step == METADATA_SITE_DRAIN;
    json_t *json = json_pack("{s:b, s:s}", "begun", is_begun ? 1 : 0, "site", w->word.site);
    if (json == NULL)
        return NULL;
    if (w->word.step == METADATA_SITE_WEIGHT) {
        json_object_set_new(json, "weight", json_integer(w->word.weight));
    } else {
        json_object_set_new(json, "drained", json_boolean(is_drained));
        json_object_set_new(json, "groups", json_integer((json_int_t)w->group_count));
    }
    return json;
}

static void on_change(struct controller_change *change, int status)
{
    struct word_call *w = change->data;
    int err = status != 0 ? status : change->result.error;
    if (w->call != NULL && err == 0)
        call_answer_json(w->call, MHD_HTTP_ACCEPTED, answer_json(w, true));
    else if (w->call != NULL)
        call_refuse_err(w->call, err,
                        err == ERR_CANT_CHANGE
                            ? "it is the last site in use, or nothing is agreed on sites yet"
                        : err == ERR_NOT_FOUND ? "there is no such site"
                                               : NULL);
    free(w);
}

static void on_abandoned(struct admin_call *call)
{
    struct word_call *w = call->data;
    w->call = NULL;
}

static bool read_site(struct word_call *w)
{
    const char *site;
    if (!call_field_text(w->call, "site", &site))
        return false;
    if (site[0] == '\0' || strlen(site) >= sizeof w->word.site) {
        call_refuse(w->call, MHD_HTTP_BAD_REQUEST, "invalid_field", "'site' is the name of a site");
        return false;
    }
    bytes_copy_text(w->word.site, sizeof w->word.site, site);
    return true;
}

static bool read_drain(struct word_call *w, bool *is_plan)
{
    static const char *const allowed[] = {"plan", "site", "drained"};
    bool is_drained = true;
    if (!call_allows_fields(w->call, allowed, 3) || !read_site(w) ||
        !call_field_flag(w->call, "drained", &is_drained) ||
        !call_field_flag(w->call, "plan", is_plan))
        return false;
    w->word.step = is_drained ? METADATA_SITE_DRAIN : METADATA_SITE_UNDRAIN;
    return true;
}

static bool read_weight(struct word_call *w, bool *is_plan)
{
    static const char *const allowed[] = {"plan", "site", "weight"};
    int64_t weight;
    if (!call_allows_fields(w->call, allowed, 3) || !read_site(w) ||
        !call_field_number(w->call, "weight", 1, ROUTER_WEIGHT_MAX, &weight) ||
        !call_field_flag(w->call, "plan", is_plan))
        return false;
    w->word.step = METADATA_SITE_WEIGHT;
    w->word.weight = (uint16_t)weight;
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

static void begin(struct word_call *w)
{
    struct admin_call *call = w->call;
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &w->word};
    w->change = (struct controller_change){
        .data = w, .home = call->admin->shard, .timeout_ms = GROUP_0_MS_MAX};
    if (metadata_change_encode(&change, &w->change.body, &w->change.body_size) != 0)
        w->change.body = NULL; /* told by the controller */
    call->data = w;
    call->on_abandoned = on_abandoned;
    controller_propose(call->broker->controller, &w->change, on_change);
}

static void take_word(struct admin_call *call, bool (*read)(struct word_call *w, bool *is_plan))
{
    bool is_plan = false;
    struct word_call *w = calloc(1, sizeof *w);
    if (w == NULL) {
        call_answer_json(call, MHD_HTTP_OK, NULL);
        return;
    }
    w->call = call;
    if (!read(w, &is_plan)) {
        free(w);
        return;
    }
    bool is_known = count_led(call->broker, w->word.site, &w->group_count);
    if (is_known && !is_plan) {
        begin(w);
        return;
    }
    if (is_known)
        call_answer_json(call, MHD_HTTP_OK, answer_json(w, false));
    else
        call_refuse_err(call, ERR_NOT_FOUND, "there is no such site, or nothing is agreed yet");
    free(w);
}

void resource_site_drain(struct admin_call *call)
{
    take_word(call, read_drain);
}

void resource_site_weight(struct admin_call *call)
{
    take_word(call, read_weight);
}
