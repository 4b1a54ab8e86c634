#include "router/site_verdict.h"

#include "base/event.h"
#include "dc-router/verdict_told.h"
#include "router/own_request.h"
#include "router/router.h"

#define ASK_EVERY_MS 500

bool site_verdict_lets_read(const struct router_verdict *verdict, const char *site)
{
    unsigned i = router_verdict_find(verdict, site);
    return i == ROUTER_NO_SITE ||
           (verdict->sites[i].health != ROUTER_LEFT && verdict->sites[i].drain != ROUTER_DRAINED);
}

/* ---- asking ---- */

static bool is_told(const struct router_verdict *before, const struct router_standing *now)
{
    unsigned at = router_verdict_find(before, now->site.name);
    return at != ROUTER_NO_SITE && before->sites[at].health == now->health &&
           before->sites[at].drain == now->drain;
}

/* Of each site that stands otherwise than before. */
static void tell(const struct router_verdict *before, const struct router_verdict *verdict)
{
    char text[ROUTER_STANDING_TEXT_SIZE];
    for (unsigned i = 0; i < verdict->site_count; i++) {
        if (is_told(before, &verdict->sites[i]))
            continue;
        router_standing_text(&verdict->sites[i], text, sizeof text);
        event_info("site_verdict", "epoch=%llu of_site=%s reason=\"%s\"",
                   (unsigned long long)verdict->epoch, verdict->sites[i].site.name, text);
    }
}

static void take(struct router_shard *s, const struct router_verdict *verdict,
                 const char *cluster_id)
{
    struct site_verdict *known = &s->site_verdict;
    if (!router_verdict_is_news(&s->view.verdict, known->cluster_id, verdict, cluster_id))
        return;
    if (known->cluster_id[0] != '\0' && strcmp(known->cluster_id, cluster_id) != 0)
        event_warn("other_cluster", "from=%s to=%s reason=\"nodes tell another cluster's id\"",
                   known->cluster_id, cluster_id);
    tell(&s->view.verdict, verdict);
    bytes_copy_text(known->cluster_id, sizeof known->cluster_id, cluster_id);
    s->view.verdict = *verdict;
    view_publish(s);
}

static void on_told(struct upstream_call *call, int status, struct slice answer)
{
    struct router_shard *s = call->data;
    struct router_verdict verdict;
    char cluster_id[ROUTER_CLUSTER_ID_SIZE];
    struct own_answer own;
    s->site_verdict.is_asking = false;
    if (status != 0 ||
        own_answer_read(&own, KAFKA_API_DESCRIBE_CONFIGS, ROUTER_VERDICT_VERSION, answer) != 0)
        return;
    if (router_verdict_read(own.message, &verdict, cluster_id) == 0)
        take(s, &verdict, cluster_id);
    own_answer_close(&own);
}

static int ask(struct router_shard *s, struct router_node *n)
{
    struct router_verdict_question question;
    router_verdict_ask(&question, n->id);
    s->site_verdict.call.data = s;
    return own_request_send(n, &s->site_verdict.call, KAFKA_API_DESCRIBE_CONFIGS,
                            ROUTER_VERDICT_VERSION, &question.message, on_told);
}

void site_verdict_tick(struct router_shard *s, uint64_t now_ms)
{
    struct site_verdict *v = &s->site_verdict;
    if (v->is_asking || now_ms - v->asked_ms < ASK_EVERY_MS)
        return;
    struct router_node *n = node_pool_any(s, v->turn++);
    v->asked_ms = now_ms;
    if (n != NULL && n->id >= 0)
        v->is_asking = ask(s, n) == 0;
}
