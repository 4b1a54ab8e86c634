/* The order of sites for one topic and one member: a pure function of the verdict.
 *
 * How a site stands comes first; then the member's own site, then the topic's home; and all others
 * by rendezvous hashing: each site draws a number for the topic, the highest wins. A site of weight
 * w draws w times and keeps its best, so that it wins w times as often as one of weight 1. That is
 * exact, and in whole numbers: the usual -w/ln(u) needs a logarithm, which differs in its last bit
 * between machines, and members would not agree. 16 sites of weight 100 take 1600 draws, a few
 * microseconds; what matters asks once per topic and verdict.
 *
 * The numbers are part of the promise between releases (docs/verdict_format.md). */
#include "dc-router/policy.h"

/* What a site is sorted by. */
struct place {
    unsigned group;    /* how it stands: 0 is best */
    unsigned nearness; /* 0 own site, 1 home site, 2 neither */
    uint64_t draw;     /* highest first */
    const char *name;  /* should two draw the same */
};

/* Stafford's mix 13, the end of splitmix64. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* FNV-1a (Fowler, Noll, Vo), mixed. */
static uint64_t hash_of(struct bytes text)
{
    uint64_t hash = 0xcbf29ce484222325U;
    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ text.data[i]) * 0x100000001b3U;
    return mix(hash);
}

static uint64_t best_draw(uint64_t topic_hash, const struct router_site *site)
{
    uint64_t hash = topic_hash ^ mix(hash_of(bytes_of_text(site->name)) + 1), best = 0;
    for (uint64_t i = 0; i < site->weight; i++) {
        uint64_t draw = mix(hash + (i + 1) * 0x9e3779b97f4a7c15U);
        best = draw > best ? draw : best;
    }
    return best;
}

/* WHOLE, CUT, drained and whole, drained and cut, LEFT. */
static unsigned group_of(const struct router_standing *s)
{
    if (s->health == ROUTER_LEFT)
        return 4;
    return (s->drain == ROUTER_IN ? 0U : 2U) + (s->health == ROUTER_CUT ? 1U : 0U);
}

static bool is_before(const struct place *a, const struct place *b)
{
    if (a->group != b->group)
        return a->group < b->group;
    if (a->nearness != b->nearness)
        return a->nearness < b->nearness;
    if (a->draw != b->draw)
        return a->draw > b->draw;
    return strcmp(a->name, b->name) < 0;
}

static void insert(struct place *places, struct router_order *order, unsigned site,
                   struct place place)
{
    unsigned at = order->site_count++;
    for (; at > 0 && is_before(&place, &places[at - 1]); at--) {
        places[at] = places[at - 1];
        order->sites[at] = order->sites[at - 1];
    }
    places[at] = place;
    order->sites[at] = (uint8_t)site;
}

static bool is_index(const struct router_verdict *verdict, unsigned site)
{
    return site == ROUTER_NO_SITE || site < verdict->site_count;
}

int router_order(const struct router_verdict *verdict, struct bytes topic, unsigned home_site,
                 unsigned own_site, struct router_order *order)
{
    struct place places[ROUTER_SITES_MAX];
    struct router_order found = {0};
    if (verdict == NULL || order == NULL || topic.data == NULL || topic.size == 0 ||
        verdict->site_count > ROUTER_SITES_MAX || !is_index(verdict, home_site) ||
        !is_index(verdict, own_site))
        return ERR_INVALID;
    uint64_t topic_hash = hash_of(topic);
    for (unsigned i = 0; i < verdict->site_count; i++) {
        const struct router_standing *s = &verdict->sites[i];
        struct place place = {.group = group_of(s),
                              .nearness = i == own_site    ? 0
                                          : i == home_site ? 1
                                                           : 2,
                              .draw = best_draw(topic_hash, &s->site),
                              .name = s->site.name};
#ifdef TRILOG_BREAK_POLICY_DRAWS_BY_INDEX
        place.draw = mix(topic_hash + i);
#endif
        insert(places, &found, i, place);
        found.usable_count += s->health != ROUTER_LEFT ? 1U : 0U;
    }
    *order = found;
    return 0;
}
