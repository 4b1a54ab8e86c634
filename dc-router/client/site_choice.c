/* From the verdict and what answers to one site.
 *
 * An application is one member, whose topic is the first that it sent to: it has one handle, which
 * is at one site at a time. Until it has sent, its own site decides, which comes first for any
 * topic while it is to be used. */
#include "site_choice.h"

#include <string.h>

unsigned site_choice_site(struct site_choice *c, const char *name)
{
    for (unsigned i = 0; i < c->count; i++)
        if (strcmp(c->sites[i].name, name) == 0)
            return i;
    if (c->count == ROUTER_SITES_MAX)
        return SITE_NONE;
    bytes_copy_text(c->sites[c->count].name, sizeof c->sites[c->count].name, name);
    return c->count++;
}

void site_choice_on_up(struct site_choice *c, unsigned site, uint64_t now_ms)
{
    struct choice_site *s = &c->sites[site];
    if (!s->is_up)
        s->up_since_ms = now_ms;
    s->is_up = true;
    if (now_ms - s->up_since_ms >= SITE_LOSSES_KEPT_MS)
        s->loss_count = 0;
}

void site_choice_on_lost(struct site_choice *c, unsigned site)
{
    struct choice_site *s = &c->sites[site];
    s->loss_count += s->is_up;
    s->is_up = false;
}

static bool order_of(const struct site_choice *c, struct router_order *order)
{
    const char *topic = c->topic[0] != '\0' ? c->topic : "-";
    return c->has_verdict && router_order(&c->verdict, bytes_of_text(topic), ROUTER_NO_SITE,
                                          router_verdict_find(&c->verdict, c->own), order) == 0;
}

static unsigned find(const struct site_choice *c, const char *name)
{
    for (unsigned i = 0; i < c->count; i++)
        if (strcmp(c->sites[i].name, name) == 0)
            return i;
    return SITE_NONE;
}

static unsigned add(unsigned *order, unsigned count, unsigned site)
{
    for (unsigned i = 0; i < count; i++)
        if (order[i] == site)
            return count;
    if (site != SITE_NONE)
        order[count++] = site;
    return count;
}

/* Sites that the verdict does not know come last. */
unsigned site_choice_order(const struct site_choice *c, unsigned order[ROUTER_SITES_MAX])
{
    unsigned count = 0;
    struct router_order agreed;
    if (order_of(c, &agreed))
        for (unsigned i = 0; i < agreed.site_count; i++)
            count = add(order, count, find(c, c->verdict.sites[agreed.sites[i]].site.name));
    count = add(order, count, find(c, c->own));
    for (unsigned i = 0; i < c->count; i++)
        count = add(order, count, i);
    return count;
}

static uint64_t quiet_ms(const struct choice_site *s)
{
    if (s->loss_count == 0)
        return 0;
    unsigned doublings = s->loss_count - 1 < 5 ? s->loss_count - 1 : 5;
    uint64_t quiet = (uint64_t)SITE_QUIET_MS << doublings;
    return quiet < SITE_QUIET_MS_MAX ? quiet : SITE_QUIET_MS_MAX;
}

unsigned site_choice_decide(const struct site_choice *c, uint64_t now_ms)
{
    unsigned order[ROUTER_SITES_MAX], count = site_choice_order(c, order), first_up = SITE_NONE;
    for (unsigned i = 0; i < count; i++) {
        const struct choice_site *s = &c->sites[order[i]];
        if (!s->is_up)
            continue;
        if (order[i] == c->used || now_ms - s->up_since_ms >= quiet_ms(s))
            return order[i];
        if (first_up == SITE_NONE)
            first_up = order[i];
    }
    return first_up; /* none was quiet for long enough: better than none */
}

const char *site_choice_first(const struct site_choice *c)
{
    struct router_order agreed;
    return order_of(c, &agreed) ? c->verdict.sites[agreed.sites[0]].site.name : c->own;
}
