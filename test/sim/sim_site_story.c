/* A table of what befalls sites, drawn one after the other, and the operator's mind.
 *
 * The operator wants some sites drained and looks whether they are; where not, says it (again).
 * Whoever was told that it is done relies on it (sim_check_sites.h). */
#include "sim/sim_site_story.h"

#include <stdlib.h>
#include <string.h>

#include "sim/sim_actor.h"
#include "sim/sim_fault.h"
#include "sim/sim_metadata.h"

#define SITES          3
#define REST_NS_MAX    (4 * WORLD_S) /* from the end of one trouble to the next */
#define OVERLAP_CHANCE 0.25          /* it comes before that one's end */
#define TROUBLE_NS_MIN (2 * WORLD_S)
#define TROUBLE_NS_MAX (12 * WORLD_S)
#define FLAP_NS        WORLD_S /* up, and down */
#define OPERATOR_NS    (400 * WORLD_MS)
#define MIND_CHANCE    0.03 /* a look: another one is to be drained, or not any more */
#define WEIGHT_CHANCE  0.15 /* the same: one is to weigh more, or less */

static struct { /* one simulation a process */
    uint64_t until_ns;
    uint64_t trouble_until_ns; /* the newest */
    bool is_settled;
    bool is_wanted[SITES]; /* drained, by the operator */
} story;

static bool is_of(const struct sim_node *n, unsigned site)
{
    return n->site[0] == (char)('a' + site);
}

static uint64_t draw_ns(struct sim *s)
{
    uint64_t now_ns = world_now_ns(s->world);
    uint64_t left_ns = story.until_ns > now_ns ? story.until_ns - now_ns : 1;
    uint64_t duration_ns = world_between(s->world, TROUBLE_NS_MIN, TROUBLE_NS_MAX);
    duration_ns = duration_ns < left_ns ? duration_ns : left_ns;
    story.trouble_until_ns = now_ns + duration_ns;
    return duration_ns;
}

/* ---- what befalls them ---- */

static void freeze(struct sim *s, unsigned site, uint64_t duration_ns)
{
    for (unsigned i = 0; i < s->node_count; i++)
        if (is_of(s->nodes[i], site))
            sim_node_pause(s->nodes[i], duration_ns);
}

/* `other` is SITES: from all others. */
static void cut(struct sim *s, unsigned site, unsigned other, bool is_to, bool is_from,
                uint64_t duration_ns)
{
    for (unsigned a = 0; a < s->node_count; a++)
        for (unsigned b = 0; b < s->node_count; b++) {
            if (!is_of(s->nodes[a], site) || is_of(s->nodes[b], site) ||
                (other != SITES && !is_of(s->nodes[b], other)))
                continue;
            if (is_from)
                sim_fault_cut(s, a, b, duration_ns);
            if (is_to)
                sim_fault_cut(s, b, a, duration_ns);
        }
}

static void hang(struct sim *s, unsigned site)
{
    freeze(s, site, draw_ns(s));
}

static void on_return(void *data)
{
    struct sim_node *n = data;
    n->is_lost = false;
    sim_node_restart_in(n, 1);
}

/* Where sites are lost for good that is a story of its own: there it hangs. */
static void die(struct sim *s, unsigned site)
{
    uint64_t duration_ns = draw_ns(s);
    enum sim_end how = random_chance(world_random(s->world), 0.5) ? SIM_END_KILL : SIM_END_POWER;
    if (s->does_recover) {
        freeze(s, site, duration_ns);
        return;
    }
    for (unsigned i = 0; i < s->node_count; i++) {
        struct sim_node *n = s->nodes[i];
        if (!is_of(n, site) || n->is_lost)
            continue;
        n->is_lost = true;
        sim_node_end(n, how);
        world_in(s->world, duration_ns, NULL, on_return, n);
    }
}

static void cut_off(struct sim *s, unsigned site)
{
    uint64_t how = world_between(s->world, 0, 3); /* both ways twice as often */
    cut(s, site, SITES, how != 1, how != 2, draw_ns(s));
}

static void cut_from_one(struct sim *s, unsigned site)
{
    uint64_t how = world_between(s->world, 0, 3);
    unsigned other = (site + 1 + (unsigned)world_between(s->world, 0, 1)) % SITES;
    cut(s, site, other, how != 1, how != 2, draw_ns(s));
}

struct flap {
    struct sim *sim;
    unsigned site;
    bool does_freeze;
    uint64_t until_ns;
};

static void on_flap(void *data)
{
    struct flap *f = data;
    struct sim *s = f->sim;
    if (world_now_ns(s->world) >= f->until_ns || sim_faults_are_held())
        return;
    if (f->does_freeze)
        freeze(s, f->site, FLAP_NS);
    else
        cut(s, f->site, SITES, true, true, FLAP_NS);
    world_in(s->world, 2 * FLAP_NS, NULL, on_flap, f);
}

static void flap(struct sim *s, unsigned site)
{
    struct flap *f = calloc(1, sizeof *f);
    if (f == NULL)
        abort();
    *f = (struct flap){.sim = s,
                       .site = site,
                       .does_freeze = random_chance(world_random(s->world), 0.5),
                       .until_ns = world_now_ns(s->world) + draw_ns(s)};
    on_flap(f);
}

static const struct {
    const char *name;
    void (*strike)(struct sim *s, unsigned site);
} table[] = {{"hangs", hang},
             {"dies", die},
             {"is cut off", cut_off},
             {"is cut from one", cut_from_one},
             {"flaps", flap}};

static void on_story_time(void *data)
{
    struct sim *s = data;
    if (world_now_ns(s->world) + TROUBLE_NS_MIN >= story.until_ns)
        return;
    if (!sim_faults_are_held()) {
        size_t what = world_between(s->world, 0, sizeof table / sizeof table[0] - 1);
        unsigned site = (unsigned)world_between(s->world, 0, SITES - 1);
        sim_tell(s, "site %c %s", 'a' + (int)site, table[what].name);
        sim_count(s, SIM_site_faults, 1);
        sim_count(s, SIM_faults, 1);
        table[what].strike(s, site);
    }
    uint64_t now_ns = world_now_ns(s->world), next_ns = now_ns + REST_NS_MAX / 2;
    if (story.trouble_until_ns > now_ns && !random_chance(world_random(s->world), OVERLAP_CHANCE))
        next_ns = story.trouble_until_ns;
    world_at(s->world, next_ns + world_between(s->world, 0, REST_NS_MAX), NULL, on_story_time, s);
}

/* ---- the operator ---- */

static unsigned count_wanted(void)
{
    unsigned count = 0;
    for (unsigned i = 0; i < SITES; i++)
        count += story.is_wanted[i] ? 1 : 0;
    return count;
}

/* The last one in use can't be drained. */
static void change_mind(struct sim *s)
{
    unsigned site = (unsigned)world_between(s->world, 0, SITES - 1);
    if (story.is_wanted[site] || count_wanted() + 1 < SITES)
        story.is_wanted[site] = !story.is_wanted[site];
}

static void say(struct sim *s, const char *site, struct metadata_site_change word)
{
    struct metadata_change change = {.kind = METADATA_SITES, .sites = &word};
    bytes_copy_text(word.site, sizeof word.site, site);
    sim_tell(s, "operator: word %d on site %s", (int)word.step, site);
    sim_metadata_propose(s, &change);
}

/* How much it weighs is said once, and may be lost. */
static void say_weight(struct sim *s, const char *site)
{
    say(s, site,
        (struct metadata_site_change){.step = METADATA_SITE_WEIGHT,
                                      .weight = (uint16_t)world_between(s->world, 1, 3)});
}

static void say_drain(struct sim *s, const struct router_standing *standing, bool is_wanted)
{
    bool is_drained = standing->drain == ROUTER_DRAINED;
    enum metadata_site_step step = is_wanted ? METADATA_SITE_DRAIN : METADATA_SITE_UNDRAIN;
    if (is_drained != is_wanted)
        say(s, standing->site.name, (struct metadata_site_change){.step = step});
}

static void on_operator_time(void *data)
{
    struct sim *s = data;
    const struct router_verdict *v = metadata_verdict(sim_metadata_truth());
    if (!story.is_settled && random_chance(world_random(s->world), MIND_CHANCE))
        change_mind(s);
    if (v != NULL && random_chance(world_random(s->world), WEIGHT_CHANCE))
        say_weight(s, v->sites[world_between(s->world, 0, v->site_count - 1)].site.name);
    for (unsigned i = 0; v != NULL && i < v->site_count; i++)
        say_drain(s, &v->sites[i], story.is_wanted[i]);
    if (!s->clients->is_stopping)
        world_in(s->world, OPERATOR_NS, NULL, on_operator_time, s);
}

void sim_site_story_start(struct sim *s, uint64_t until_ns)
{
    if (!s->has_verdict)
        return;
    story.until_ns = until_ns;
    on_story_time(s);
    on_operator_time(s);
}

void sim_site_story_settle(struct sim *s)
{
    (void)s;
    story.is_settled = true;
    memset(story.is_wanted, 0, sizeof story.is_wanted);
}
