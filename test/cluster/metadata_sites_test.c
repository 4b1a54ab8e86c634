/* The verdict on sites in group 0's state: what may follow what, and whom leaders shun. */
#include "metadata_bodies.h"
#include "site/part.h"

static void add_node(struct meta *t, uint32_t node_id, const char *site)
{
    struct metadata_change change = {.kind = METADATA_NODE,
                                     .node = {.node_id = node_id, .incarnation = 7, .port = 9092}};
    bytes_copy_text(change.node.site, sizeof change.node.site, site);
    bytes_copy_text(change.node.host, sizeof change.node.host, "host");
    cr_assert_eq(meta_apply(t, &change).error, 0);
}

/* Nodes 1, 2, 3 in sites a, b, c; group i belongs to node 1 + i % 3. */
static struct meta three_sites(void)
{
    struct meta t = meta_founded();
    add_node(&t, 1, "a");
    add_node(&t, 2, "b");
    add_node(&t, 3, "c");
    return t;
}

static struct router_verdict first_verdict(void)
{
    static const struct router_site sites[] = {{"a", 1}, {"b", 1}, {"c", 1}};
    struct router_verdict verdict;
    cr_assert_eq(router_verdict_init(&verdict, sites, 3, NULL), 0);
    return verdict;
}

static int agree(struct meta *t, const struct router_verdict *verdict)
{
    struct metadata_site_change c = {.step = METADATA_SITE_VERDICT, .verdict = verdict};
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &c};
    return meta_apply(t, &change).error;
}

static int say(struct meta *t, enum metadata_site_step step, const char *site)
{
    struct metadata_site_change c = {.step = step};
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &c};
    bytes_copy_text(c.site, sizeof c.site, site);
    return meta_apply(t, &change).error;
}

/* The agreed one with one site's health changed, as a judge would offer it. */
static struct router_verdict after(const struct meta *t, unsigned site, enum router_health health)
{
    struct router_verdict next = *metadata_verdict(t->m);
    next.epoch++;
    next.sites[site].health = health;
    next.sites[site].reason = health == ROUTER_WHOLE  ? ROUTER_REASON_WELL
                              : health == ROUTER_LEFT ? ROUTER_REASON_UNREACHED
                                                      : ROUTER_REASON_UNHEARD;
    return next;
}

static struct meta agreed(void)
{
    struct meta t = three_sites();
    struct router_verdict first = first_verdict();
    cr_assert_null(metadata_verdict(t.m));
    cr_assert_eq(agree(&t, &first), 0);
    return t;
}

static uint32_t leader_of(const struct meta *t, uint32_t group_id)
{
    return metadata_leader_of(t->m, metadata_group_by_id(t->m, group_id));
}

Test(cluster_metadata_sites, a_verdict_follows_the_agreed_one_by_one_epoch)
{
    struct meta t = agreed();
    struct router_verdict next = after(&t, 1, ROUTER_LEFT), other = after(&t, 2, ROUTER_LEFT);
    cr_assert_eq(agree(&t, &next), 0);
    cr_assert_eq(agree(&t, &other), ERR_CANT_CHANGE, "another judge was faster");
    cr_assert_eq(metadata_verdict(t.m)->epoch, 2);
    cr_assert_eq(metadata_verdict(t.m)->sites[1].health, ROUTER_LEFT);
    cr_assert_eq(metadata_verdict(t.m)->sites[2].health, ROUTER_WHOLE);
    metadata_destroy(t.m);
}

Test(cluster_metadata_sites, a_verdict_is_about_sites_that_there_are_and_has_the_failover_epoch)
{
    struct meta t = three_sites();
    struct metadata_change raise = {.kind = METADATA_FAILOVER_EPOCH, .name = "test"};
    struct router_verdict verdict = first_verdict();
    bytes_copy_text(verdict.sites[2].site.name, sizeof verdict.sites[2].site.name, "x");
    cr_assert_eq(agree(&t, &verdict), ERR_NOT_FOUND);
    verdict = first_verdict();
    verdict.failover_epoch = 77;
    cr_assert_eq(meta_apply(&t, &raise).error, 0);
    cr_assert_eq(agree(&t, &verdict), 0);
    cr_assert_eq(metadata_verdict(t.m)->failover_epoch, 1);
    metadata_destroy(t.m);
}

Test(cluster_metadata_sites, a_drain_is_in_the_verdict_at_once_and_leaders_go)
{
    struct meta t = agreed();
    cr_assert(metadata_verdict(t.m)->is_calm);
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "b"), 0);
    cr_assert(!metadata_verdict(t.m)->is_calm, "members have just moved");
    cr_assert_eq(metadata_verdict(t.m)->epoch, 2);
    cr_assert_eq(metadata_verdict(t.m)->sites[1].drain, ROUTER_DRAINED);
    for (uint32_t id = 0; id <= BODY_DATA_GROUPS; id++) {
        uint32_t preferred = metadata_group_by_id(t.m, id)->preferred_node_id;
        cr_assert(preferred == 2 ? leader_of(&t, id) != 2 : leader_of(&t, id) == preferred);
    }
    cr_assert_str_eq(metadata_avoided_for(t.m, "b"), "b");
    cr_assert_str_eq(metadata_avoided_for(t.m, "a"), "");
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "b"), 0);
    cr_assert_eq(metadata_verdict(t.m)->epoch, 2, "said twice is said once");
    cr_assert_eq(say(&t, METADATA_SITE_UNDRAIN, "b"), 0);
    cr_assert_eq(metadata_verdict(t.m)->sites[1].drain, ROUTER_ENDING, "until it was quiet");
    cr_assert_neq(leader_of(&t, 1), 2);
    metadata_destroy(t.m);
}

static int weigh(struct meta *t, const char *site, uint16_t weight)
{
    struct metadata_site_change c = {.step = METADATA_SITE_WEIGHT, .weight = weight};
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &c};
    bytes_copy_text(c.site, sizeof c.site, site);
    return meta_apply(t, &change).error;
}

Test(cluster_metadata_sites, a_weight_is_in_the_verdict_at_once_and_stays_in_those_that_follow)
{
    struct meta t = three_sites();
    cr_assert_eq(weigh(&t, "b", 3), ERR_CANT_CHANGE, "nothing is agreed yet");
    metadata_destroy(t.m);
    t = agreed();
    cr_assert_eq(weigh(&t, "x", 3), ERR_NOT_FOUND);
    cr_assert_eq(weigh(&t, "b", 0), ERR_INVALID);
    cr_assert_eq(weigh(&t, "b", ROUTER_WEIGHT_MAX + 1), ERR_INVALID);
    cr_assert_eq(metadata_verdict(t.m)->epoch, 1);
    cr_assert_eq(weigh(&t, "b", 3), 0);
    cr_assert_eq(weigh(&t, "b", 3), 0);
    cr_assert_eq(metadata_verdict(t.m)->epoch, 2, "said twice is said once");
    struct router_verdict next = after(&t, 2, ROUTER_LEFT);
    cr_assert_eq(agree(&t, &next), 0);
    cr_assert_eq(metadata_verdict(t.m)->sites[1].site.weight, 3);
    cr_assert_eq(metadata_verdict(t.m)->sites[2].health, ROUTER_LEFT);
    metadata_destroy(t.m);
}

Test(cluster_metadata_sites, a_site_that_is_new_weighs_1_and_the_others_what_they_did)
{
    struct meta t = agreed();
    struct router_verdict next;
    cr_assert_eq(weigh(&t, "b", 3), 0);
    cr_assert(!site_next_of_nodes(t.m, &next));
    add_node(&t, 4, "d");
    cr_assert(site_next_of_nodes(t.m, &next));
    cr_assert_eq(next.site_count, 4);
    cr_assert_eq(next.sites[1].site.weight, 3);
    cr_assert_eq(next.sites[3].site.weight, 1);
    metadata_destroy(t.m);
}

Test(cluster_metadata_sites, the_last_site_in_use_is_not_drained)
{
    struct meta t = three_sites();
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "b"), ERR_CANT_CHANGE, "nothing is agreed yet");
    metadata_destroy(t.m);
    t = agreed();
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "x"), ERR_NOT_FOUND);
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "a"), 0);
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "b"), 0);
    for (uint32_t id = 0; id <= BODY_DATA_GROUPS; id++)
        cr_assert_eq(leader_of(&t, id), 3);
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "c"), ERR_CANT_CHANGE);
    metadata_destroy(t.m);
}

Test(cluster_metadata_sites, leaders_go_to_the_site_that_hears_both_of_two_that_do_not)
{
    struct meta t = agreed();
    struct router_verdict next = after(&t, 0, ROUTER_CUT);
    next.sites[1] = next.sites[0];
    bytes_copy_text(next.sites[1].site.name, sizeof next.sites[1].site.name, "b");
    cr_assert_eq(agree(&t, &next), 0);
    for (uint32_t id = 0; id <= BODY_DATA_GROUPS; id++)
        cr_assert_eq(leader_of(&t, id), 3);
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "c"), 0);
    for (uint32_t id = 0; id <= BODY_DATA_GROUPS; id++)
        cr_assert_neq(leader_of(&t, id), 3, "a site that is drained is no refuge");
    metadata_destroy(t.m);
}

Test(cluster_metadata_sites, is_in_the_checkpoint)
{
    struct meta t = agreed(), u = meta_create();
    cr_assert_eq(say(&t, METADATA_SITE_DRAIN, "c"), 0);
    struct bytes first = meta_bytes(t.m);
    cr_assert_eq(metadata_decode(u.m, first), 0);
    struct bytes second = meta_bytes(u.m);
    cr_assert(bytes_is_equal(first, second));
    cr_assert_eq(metadata_verdict(u.m)->sites[2].drain, ROUTER_DRAINED);
    free((void *)(uintptr_t)first.data);
    free((void *)(uintptr_t)second.data);
    metadata_destroy(t.m);
    metadata_destroy(u.m);
}

/* Version 4 ended with the recoveries. */
Test(cluster_metadata_sites, there_is_none_in_a_checkpoint_of_the_version_before)
{
    struct meta t = three_sites(), other = agreed();
    struct bytes bytes = meta_bytes(t.m);
    uint8_t *before = (uint8_t *)(uintptr_t)bytes.data;
    bytes_put_le16(before, 4);
    cr_assert_eq(metadata_decode(other.m, bytes_of(before, bytes.size - 2)), 0);
    cr_assert_null(metadata_verdict(other.m));
    cr_assert_eq(metadata_decode(other.m, bytes), ERR_MALFORMED, "version 4 had no more");
    free(before);
    metadata_destroy(t.m);
    metadata_destroy(other.m);
}

Test(cluster_metadata_sites, malformed_steps_change_nothing)
{
    struct meta t = agreed();
    static const uint8_t bodies[][8] = {
        {3, 0, 17, 0, 9, 0},       /* an unknown step */
        {3, 0, 17, 0, 2, 1},       /* a byte that is not zero */
        {3, 0, 17, 0, 1, 0, 1, 0}, /* half a verdict */
        {3, 0, 17, 0, 2, 0, 9, 0}, /* a name that is not there */
    };
    static const size_t sizes[] = {6, 6, 8, 8};
    for (unsigned i = 0; i < 4; i++)
        cr_assert_eq(meta_apply_bytes(&t, bytes_of(bodies[i], sizes[i])).error, ERR_MALFORMED);
    cr_assert_eq(metadata_verdict(t.m)->epoch, 1);
    metadata_destroy(t.m);
}
