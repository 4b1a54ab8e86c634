/* All nodes hear the same reports and judge; group 0's leader has the word.
 *
 * Nothing is kept but what was proposed last and when: the judge (board.h) goes by what group 0 has
 * agreed, so that a leader which dies between its proposal and the verdict leaves nothing open.
 *
 * Message, little-endian: u8 type (6), u8 version (1), u16 n, n x (text from, text to, u8 stage,
 * u32 age ms, u64 reporter, 0: the node that tells). Lost ones are followed by others. */
#include "site/drive.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "site/board.h"
#include "site/canary.h"
#include "state/byte_list.h"
#include "upkeep/maintain.h"

#define MESSAGE_VERSION 1
#define TOLD_MAX        64 /* reports in a message; the rest is told next time */
#define REPORT_SIZE     17 /* the least that one takes */
#define DRIVE_MS        100
#define AGAIN_MS        500 /* after a proposal that nothing was heard of */
#define HEARD_MS        500 /* between two reports of who is heard */

/* ---- sites that there are ---- */

static bool is_listed(const struct router_site *sites, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(sites[i].name, name) == 0)
            return true;
    return false;
}

static int by_name(const void *a, const void *b)
{
    const struct router_site *first = a, *second = b;
    return strcmp(first->name, second->name);
}

static size_t sites_of_nodes(const struct metadata *m, struct router_site *sites)
{
    size_t count = 0;
    for (unsigned i = 0; i < metadata_node_count(m); i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        bool is_heard = node->incarnation != 0 && node->state != METADATA_NODE_GONE;
        if (!is_heard || is_listed(sites, count, node->site) || count == ROUTER_SITES_MAX)
            continue;
        sites[count] = (struct router_site){.weight = 1};
        bytes_copy_text(sites[count++].name, sizeof sites[0].name, node->site);
    }
    qsort(sites, count, sizeof sites[0], by_name);
    return count;
}

/* Until all founders are there a verdict would be on a part of the cluster. */
static bool are_founders_known(const struct metadata *m)
{
    const struct metadata_group *group = metadata_group_by_id(m, 0);
    for (unsigned i = 0; group != NULL && i < group->node_count; i++) {
        const struct metadata_node *node = metadata_node_by_id(m, group->node_ids[i]);
        if (node == NULL || node->incarnation == 0)
            return false;
    }
    return group != NULL;
}

bool site_next_of_nodes(const struct metadata *m, struct router_verdict *next)
{
    struct router_site sites[ROUTER_SITES_MAX];
    const struct router_verdict *agreed = metadata_verdict(m);
    size_t count = sites_of_nodes(m, sites), known = 0;
    for (size_t i = 0; i < count; i++)
        known += router_verdict_find(agreed, sites[i].name) != ROUTER_NO_SITE;
    if (!are_founders_known(m) || (agreed != NULL && known == count && known == agreed->site_count))
        return false;
    return router_verdict_init(next, sites, count, agreed) == 0;
}

/* ---- what is agreed ---- */

static void tell_standing(const struct router_verdict *v, const struct router_standing *before,
                          const struct router_standing *now)
{
    char text[ROUTER_STANDING_TEXT_SIZE];
    bool is_same = before != NULL && before->health == now->health && before->drain == now->drain;
    if (is_same)
        return;
    router_standing_text(now, text, sizeof text);
    event_info("site_verdict", "epoch=%llu of=%s health=%s drain=%s reason=\"%s\"",
               (unsigned long long)v->epoch, now->site.name, router_health_text(now->health),
               router_drain_text(now->drain), text);
}

static void tell_change(const struct router_verdict *before, const struct router_verdict *now)
{
    for (unsigned i = 0; i < now->site_count; i++) {
        unsigned at = router_verdict_find(before, now->sites[i].site.name);
        tell_standing(now, at == ROUTER_NO_SITE ? NULL : &before->sites[at], &now->sites[i]);
    }
}

static void follow(struct broker *b, uint64_t now_ms)
{
    struct site_view view;
    const struct router_verdict *agreed = metadata_verdict(b->metadata);
    if (agreed == NULL || agreed->epoch == b->site_epoch)
        return;
    site_board_look(b->sites, &view, now_ms);
    tell_change(&view.verdict, agreed);
    site_board_follow(b->sites, agreed, now_ms);
    b->site_epoch = agreed->epoch;
}

/* ---- deciding ---- */

static void propose(struct broker_group *g, const struct router_verdict *next, uint64_t now_ms)
{
    struct broker *b = g->broker;
    struct metadata_site_change c = {.step = METADATA_SITE_VERDICT, .verdict = next};
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &c};
    bool is_under_way = next->epoch == b->site_proposed_epoch &&
                        now_ms - b->site_proposed_at_ms < AGAIN_MS;
    if (is_under_way)
        return;
    b->site_proposed_epoch = next->epoch;
    b->site_proposed_at_ms = now_ms;
    maintain_propose_metadata(g, &change);
}

static void decide(struct broker_group *g, uint64_t now_ms)
{
    struct broker *b = g->broker;
    struct router_verdict next;
    bool is_change = site_board_decide(b->sites, &next, now_ms);
    if (!machine_is_ready(g->machine))
        return;
    site_canary_maintain(g);
    if (site_next_of_nodes(b->metadata, &next) || is_change)
        propose(g, &next, now_ms);
}

/* ---- who is heard ---- */

static bool is_any_heard(struct broker *b, const char *site)
{
    const struct metadata *m = b->metadata;
    bool is_heard = strcmp(site, b->conf.site) == 0;
    for (unsigned i = 0; i < metadata_node_count(m) && !is_heard; i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        is_heard = strcmp(node->site, site) == 0 && node->state != METADATA_NODE_GONE &&
                   repl_node_is_alive(b->node, node->node_id);
    }
    return is_heard;
}

/* Nodes' signs of life: less than the real path, and all there is without a canary. */
static void report_heard(struct broker *b, uint64_t now_ms)
{
    const struct router_verdict *agreed = metadata_verdict(b->metadata);
    if (b->conf.site_canary_ms != 0 || agreed == NULL || now_ms - b->site_heard_at_ms < HEARD_MS)
        return;
    b->site_heard_at_ms = now_ms;
    for (unsigned i = 0; i < agreed->site_count; i++) {
        struct site_report r = {.reporter = (uint64_t)b->conf.node_id};
        bytes_copy_text(r.from, sizeof r.from, b->conf.site);
        bytes_copy_text(r.to, sizeof r.to, agreed->sites[i].site.name);
        r.stage = is_any_heard(b, r.to) ? ROUTER_STAGE_NONE : ROUTER_STAGE_CONNECT;
        site_board_take(b->sites, &r, true, now_ms);
    }
}

/* ---- telling ---- */

static void put_report(struct byte_list *list, const struct broker *b, const struct site_report *r)
{
    bool is_own = r->reporter == (uint64_t)b->conf.node_id;
    byte_list_put_text(list, r->from);
    byte_list_put_text(list, r->to);
    byte_list_put_u8(list, (uint8_t)r->stage);
    byte_list_put_u32(list, (uint32_t)r->age_ms);
    byte_list_put_u64(list, is_own ? 0 : r->reporter);
}

static void tell(struct broker *b, uint64_t now_ms)
{
    struct site_report reports[TOLD_MAX];
    struct byte_list list = {0};
    uint32_t node_ids[METADATA_NODES_MAX];
    unsigned count = site_board_untold(b->sites, reports, TOLD_MAX, now_ms);
    if (count == 0)
        return;
    byte_list_put_u8(&list, BROKER_MESSAGE_SITES);
    byte_list_put_u8(&list, MESSAGE_VERSION);
    byte_list_put_u16(&list, (uint16_t)count);
    for (unsigned i = 0; i < count; i++)
        put_report(&list, b, &reports[i]);
    unsigned node_count = list.is_failed ? 0 : broker_node_ids(b, node_ids);
    for (unsigned i = 0; i < node_count; i++)
        repl_node_send(b->node, node_ids[i], bytes_of(list.data, list.size));
    free(list.data);
}

static bool read_site(struct bytes_reader *r, char site[ROUTER_SITE_NAME_SIZE])
{
    struct bytes text = byte_list_read_text(r);
    if (r->is_bad || text.size == 0 || text.size >= ROUTER_SITE_NAME_SIZE)
        return false;
    memcpy(site, text.data, text.size);
    return true;
}

static bool read_report(struct bytes_reader *r, uint32_t from_node_id, struct site_report *report)
{
    *report = (struct site_report){0};
    if (!read_site(r, report->from) || !read_site(r, report->to))
        return false;
    report->stage = (enum router_stage)bytes_read_u8(r);
    report->age_ms = bytes_read_le32(r);
    uint64_t reporter = bytes_read_le64(r);
    report->reporter = reporter == 0 ? from_node_id : reporter | SITE_REPORTER_OTHER;
    return !r->is_bad;
}

void site_on_message(struct broker *b, uint32_t from_node_id, struct bytes message)
{
    struct bytes_reader r = bytes_reader_of(message);
    struct site_report report;
    uint64_t now_ms = clock_now_ms(&b->clock);
    bytes_read_u8(&r);
    uint8_t version = bytes_read_u8(&r);
    uint16_t count = bytes_read_le16(&r);
    if (r.is_bad || version != MESSAGE_VERSION || count > TOLD_MAX ||
        bytes_reader_left(&r) < (size_t)count * REPORT_SIZE)
        return;
    for (unsigned i = 0; i < count && read_report(&r, from_node_id, &report); i++)
        site_board_take(b->sites, &report, false, now_ms);
}

void site_drive(struct broker_group *g)
{
    struct broker *b = g->broker;
    uint64_t now_ms = clock_now_ms(&b->clock);
    if (now_ms - b->site_driven_at_ms < DRIVE_MS)
        return;
    b->site_driven_at_ms = now_ms;
    follow(b, now_ms);
    report_heard(b, now_ms);
    tell(b, now_ms);
    decide(g, now_ms);
}
