/* The verdict on sites in group 0's state: what may follow what, and whom leaders shun.
 *
 * Apply knows no health: it takes a verdict that follows the agreed one by one epoch and is about
 * sites that there are. So of two judges that offer one at once the first has its way, and the
 * other one sees what it has missed.
 *
 * Body of the change: u8 step, u8 0, then VERDICT: the rest is the verdict
 * (docs/verdict_format.md); DRAIN, UNDRAIN: text site; WEIGHT: text site, u16 weight. Of the
 * checkpoint: bytes verdict, none: 0 bytes. */
#include <assert.h>
#include <string.h>

#include "cluster/recovery_entry.h"
#include "state/metadata_image.h"

/* ---- what is asked ---- */

const struct router_verdict *metadata_verdict(const struct metadata *m)
{
    return m->verdict.epoch == 0 ? NULL : &m->verdict;
}

static const struct router_standing *standing_of(const struct metadata *m, const char *site)
{
    unsigned at = router_verdict_find(metadata_verdict(m), site);
    return at == ROUTER_NO_SITE ? NULL : &m->verdict.sites[at];
}

bool metadata_is_drained(const struct metadata *m, const char *site)
{
    const struct router_standing *s = standing_of(m, site);
    return s != NULL && s->drain != ROUTER_IN;
}

static bool is_best(const struct router_standing *s)
{
    return s->health == ROUTER_WHOLE && s->drain == ROUTER_IN;
}

/* A site that is cut off stays where no other one is better. */
bool metadata_is_shunned(const struct metadata *m, const char *site)
{
    const struct router_standing *s = standing_of(m, site);
    bool has_best = false;
    if (s == NULL || s->drain != ROUTER_IN)
        return s != NULL;
    for (unsigned i = 0; i < m->verdict.site_count; i++)
        has_best |= is_best(&m->verdict.sites[i]);
    return s->health == ROUTER_CUT && has_best;
}

/* ---- steps ---- */

static bool has_site(const struct metadata *m, const char *site)
{
    for (unsigned i = 0; i < m->node_count; i++)
        if (m->nodes[i].state != METADATA_NODE_GONE && strcmp(m->nodes[i].site, site) == 0)
            return true;
    return false;
}

static int take_verdict(struct metadata *m, const struct router_verdict *next)
{
    if (next->epoch != m->verdict.epoch + 1)
        return ERR_CANT_CHANGE;
    for (unsigned i = 0; i < next->site_count; i++)
        if (!has_site(m, next->sites[i].site.name))
            return ERR_NOT_FOUND;
    m->verdict = *next;
    m->verdict.failover_epoch = m->failover_epoch;
    return 0;
}

static bool is_last_in_use(const struct metadata *m, unsigned site)
{
    for (unsigned i = 0; i < m->verdict.site_count; i++)
        if (i != site && m->verdict.sites[i].drain == ROUTER_IN)
            return false;
    return true;
}

static void follow_by_one(struct metadata *m)
{
#ifdef TRILOG_BREAK_WORD_WITHOUT_EPOCH
    return;
#endif
    m->verdict.epoch++;
    m->verdict.failover_epoch = m->failover_epoch;
}

/* The last site that is in use stays so. */
static int set_drain(struct metadata *m, unsigned at, bool is_drained)
{
    struct router_standing *s = &m->verdict.sites[at];
    if ((s->drain == ROUTER_DRAINED) == is_drained)
        return 0;
    if (is_drained && is_last_in_use(m, at))
        return ERR_CANT_CHANGE;
    m->verdict.is_calm = m->verdict.is_calm && s->drain != ROUTER_IN; /* who is there moves */
    s->drain = is_drained ? ROUTER_DRAINED : ROUTER_ENDING;
    follow_by_one(m);
    return 0;
}

static int set_weight(struct metadata *m, unsigned at, uint16_t weight)
{
    struct router_site *site = &m->verdict.sites[at].site;
    if (weight == 0 || weight > ROUTER_WEIGHT_MAX)
        return ERR_INVALID;
    if (site->weight == weight)
        return 0;
    site->weight = weight;
    follow_by_one(m);
    return 0;
}

static int apply_verdict(struct metadata *m, struct bytes_reader *r)
{
    struct router_verdict next;
    struct bytes rest = bytes_read(r, bytes_reader_left(r));
    if (r->is_bad || router_verdict_decode(rest, &next) != 0)
        return ERR_MALFORMED;
    return take_verdict(m, &next);
}

/* Said twice is said once. */
static int apply_word(struct metadata *m, enum metadata_site_step step, struct bytes_reader *r)
{
    char site[ROUTER_SITE_NAME_SIZE] = "";
    struct bytes text = byte_list_read_text(r);
    uint16_t weight = step == METADATA_SITE_WEIGHT ? bytes_read_le16(r) : 0;
    if (r->is_bad || bytes_reader_left(r) != 0 || metadata_copy_text(text, site, sizeof site) != 0)
        return ERR_MALFORMED;
    unsigned at = router_verdict_find(metadata_verdict(m), site);
    if (m->verdict.epoch == 0)
        return ERR_CANT_CHANGE;
    if (at == ROUTER_NO_SITE)
        return ERR_NOT_FOUND;
    return step == METADATA_SITE_WEIGHT ? set_weight(m, at, weight)
                                        : set_drain(m, at, step == METADATA_SITE_DRAIN);
}

int metadata_apply_sites(struct metadata *m, struct bytes_reader *r)
{
    uint8_t step = bytes_read_u8(r), zero = bytes_read_u8(r);
    if (r->is_bad || zero != 0)
        return ERR_MALFORMED;
    switch (step) {
    case METADATA_SITE_VERDICT:
        return apply_verdict(m, r);
    case METADATA_SITE_DRAIN:
    case METADATA_SITE_UNDRAIN:
    case METADATA_SITE_WEIGHT:
        return apply_word(m, step, r);
    default:
        return ERR_MALFORMED;
    }
}

/* Verdicts of the lost side may have been told to clients, who go by the highest epoch; and nobody
 * knows when that one moved them. */
void metadata_stride_verdict(struct metadata *m)
{
    if (m->verdict.epoch == 0 || m->verdict.epoch > UINT64_MAX - RECOVERY_NUMBER_STRIDE)
        return;
    m->verdict.epoch += RECOVERY_NUMBER_STRIDE;
    m->verdict.is_calm = false;
    m->verdict.failover_epoch = m->failover_epoch;
}

/* ---- bytes ---- */

/* A sound one: that of this state is, and what is proposed was checked. */
static size_t encode(const struct router_verdict *verdict, uint8_t bytes[ROUTER_VERDICT_SIZE_MAX])
{
    int size = router_verdict_encode(verdict, bytes, ROUTER_VERDICT_SIZE_MAX);
    assert(size > 0);
    return (size_t)size;
}

void metadata_put_site_change(struct byte_list *list, const struct metadata_change *change)
{
    const struct metadata_site_change *c = change->sites;
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    byte_list_put_u8(list, (uint8_t)c->step);
    byte_list_put_u8(list, 0);
    if (c->step == METADATA_SITE_VERDICT)
        byte_list_put(list, bytes, encode(c->verdict, bytes));
    else
        byte_list_put_text(list, c->site);
    if (c->step == METADATA_SITE_WEIGHT)
        byte_list_put_u16(list, c->weight);
}

void metadata_put_verdict(struct byte_list *list, const struct metadata *m)
{
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX];
    size_t size = m->verdict.epoch == 0 ? 0 : encode(&m->verdict, bytes);
#ifdef TRILOG_BREAK_VERDICT_NOT_KEPT
    size = 0;
#endif
    byte_list_put_u16(list, (uint16_t)size);
    byte_list_put(list, bytes, size);
}

int metadata_read_verdict(struct metadata *m, struct bytes_reader *r)
{
    size_t size = bytes_read_le16(r);
    struct bytes from = bytes_read(r, size);
    if (r->is_bad)
        return ERR_MALFORMED;
    if (size > 0 && router_verdict_decode(from, &m->verdict) != 0)
        return ERR_MALFORMED;
    return m->verdict.failover_epoch > m->failover_epoch ? ERR_MALFORMED : 0;
}
