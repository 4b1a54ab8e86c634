/* All nodes hear the same reports and judge; group 0's leader has the word.
 *
 * Nothing is kept but what was proposed last and when: the judge (board.h) goes by what group 0 has
 * agreed, so that a leader which dies between its proposal and the verdict leaves nothing open.
 *
 * Message, little-endian: u8 type (6), u8 version (1), u16 n, n x (text from, text to, u8 stage,
 * u32 age ms, u64 reporter: 0: the node that tells, by the real path; 1: the same, by signs of
 * life; else a router or client, reporter.h). Lost ones are followed by others. */
#include "site/part.h"

#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "state/byte_list.h"

#define MESSAGE_VERSION 1
#define TOLD_MAX        64 /* reports in a message; the rest is told next time */
#define REPORT_SIZE     17 /* the least that one takes */
#define SELF            0  /* for a reporter: the node that tells, by the real path, … */
#define SELF_BY_SIGNS   1  /* … or by signs of life */
#define RUN_MS          100
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

/* One that is new weighs as much as any, until an operator says how much. */
static unsigned weight_of(const struct router_verdict *agreed, const char *site)
{
    unsigned at = router_verdict_find(agreed, site);
    return at == ROUTER_NO_SITE ? 1 : agreed->sites[at].site.weight;
}

static size_t sites_of_nodes(const struct metadata *m, struct router_site *sites)
{
    size_t count = 0;
    for (unsigned i = 0; i < metadata_node_count(m); i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        bool is_heard = node->incarnation != 0 && node->state != METADATA_NODE_GONE;
        if (!is_heard || is_listed(sites, count, node->site) || count == ROUTER_SITES_MAX)
            continue;
        sites[count] = (struct router_site){.weight = weight_of(metadata_verdict(m), node->site)};
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

static void follow(struct site_part *p, const struct site_around *a, uint64_t now_ms)
{
    struct site_view view;
    const struct router_verdict *agreed = metadata_verdict(a->metadata);
    if (agreed == NULL || agreed->epoch == p->epoch)
        return;
    site_board_look(a->board, &view, now_ms);
    tell_change(&view.verdict, agreed);
    site_board_follow(a->board, agreed, now_ms);
    p->epoch = agreed->epoch;
}

/* ---- deciding ---- */

static void propose(struct site_part *p, const struct site_around *a,
                    const struct router_verdict *next, uint64_t now_ms)
{
    struct metadata_site_change c = {.step = METADATA_SITE_VERDICT, .verdict = next};
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &c};
    bool is_under_way = next->epoch == p->proposed_epoch && now_ms - p->proposed_at_ms < AGAIN_MS;
    if (is_under_way)
        return;
    p->proposed_epoch = next->epoch;
    p->proposed_at_ms = now_ms;
    a->propose(a->data, &change);
}

static void decide(struct site_part *p, const struct site_around *a, uint64_t now_ms)
{
    struct router_verdict next;
    bool is_change = site_board_decide(a->board, &next, now_ms);
    if (a->is_ready && (site_next_of_nodes(a->metadata, &next) || is_change))
        propose(p, a, &next, now_ms);
}

/* ---- who is heard ---- */

static bool is_any_heard(const struct site_around *a, const char *site)
{
    const struct metadata *m = a->metadata;
    bool is_heard = strcmp(site, a->site) == 0;
    for (unsigned i = 0; i < metadata_node_count(m) && !is_heard; i++) {
        const struct metadata_node *node = metadata_node_at(m, i);
        is_heard = strcmp(node->site, site) == 0 && node->state != METADATA_NODE_GONE &&
                   a->is_alive(a->data, node->node_id);
    }
    return is_heard;
}

/* Nodes' signs of life: less than the real path, and all there is without a canary. */
static void report_heard(struct site_part *p, const struct site_around *a, uint64_t now_ms)
{
    const struct router_verdict *agreed = metadata_verdict(a->metadata);
    if (!a->has_no_path || agreed == NULL || now_ms - p->heard_at_ms < HEARD_MS)
        return;
    p->heard_at_ms = now_ms;
    for (unsigned i = 0; i < agreed->site_count; i++) {
        struct site_report r = {.reporter = a->node_id, .is_by_signs = true};
        bytes_copy_text(r.told.from, sizeof r.told.from, a->site);
        bytes_copy_text(r.told.to, sizeof r.told.to, agreed->sites[i].site.name);
        r.told.stage = is_any_heard(a, r.told.to) ? ROUTER_STAGE_NONE : ROUTER_STAGE_CONNECT;
        site_board_take(a->board, &r, true, now_ms);
    }
}

/* ---- telling ---- */

static void put_report(struct byte_list *list, uint32_t node_id, const struct site_report *r)
{
    byte_list_put_text(list, r->told.from);
    byte_list_put_text(list, r->told.to);
    byte_list_put_u8(list, (uint8_t)r->told.stage);
    byte_list_put_u32(list, (uint32_t)r->told.age_ms);
    uint64_t self = r->is_by_signs ? SELF_BY_SIGNS : SELF;
    byte_list_put_u64(list, r->reporter == node_id ? self : r->reporter);
}

static void tell(const struct site_around *a, uint64_t now_ms)
{
    struct site_report reports[TOLD_MAX];
    struct byte_list list = {0};
    unsigned count = site_board_untold(a->board, reports, TOLD_MAX, now_ms);
    if (count == 0)
        return;
    byte_list_put_u8(&list, SITE_MESSAGE_TYPE);
    byte_list_put_u8(&list, MESSAGE_VERSION);
    byte_list_put_u16(&list, (uint16_t)count);
    for (unsigned i = 0; i < count; i++)
        put_report(&list, a->node_id, &reports[i]);
    if (!list.is_failed)
        a->tell(a->data, bytes_of(list.data, list.size));
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
    if (!read_site(r, report->told.from) || !read_site(r, report->told.to))
        return false;
    report->told.stage = (enum router_stage)bytes_read_u8(r);
    report->told.age_ms = bytes_read_le32(r);
    uint64_t reporter = bytes_read_le64(r);
    bool is_self = reporter == SELF || reporter == SELF_BY_SIGNS;
    report->reporter = is_self ? from_node_id : reporter | SITE_REPORTER_OTHER;
    report->is_by_signs = reporter == SELF_BY_SIGNS;
    return !r->is_bad;
}

void site_part_take(const struct site_around *around, uint32_t from_node_id, struct bytes message,
                    uint64_t now_ms)
{
    struct bytes_reader r = bytes_reader_of(message);
    struct site_report report;
    bytes_read_u8(&r);
    uint8_t version = bytes_read_u8(&r);
    uint16_t count = bytes_read_le16(&r);
    if (r.is_bad || version != MESSAGE_VERSION || count > TOLD_MAX ||
        bytes_reader_left(&r) < (size_t)count * REPORT_SIZE)
        return;
    for (unsigned i = 0; i < count && read_report(&r, from_node_id, &report); i++)
        site_board_take(around->board, &report, false, now_ms);
}

bool site_part_run(struct site_part *part, const struct site_around *around, uint64_t now_ms)
{
    if (now_ms - part->run_at_ms < RUN_MS)
        return false;
    part->run_at_ms = now_ms;
    follow(part, around, now_ms);
    report_heard(part, around, now_ms);
    tell(around, now_ms);
    decide(part, around, now_ms);
    return true;
}
