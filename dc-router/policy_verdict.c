/* The verdict: made of a list of sites, checked, written as bytes and read back, said in words.
 *
 * It is the only thing of the policy that travels: an entry of group 0, an answer to routers and
 * clients. So it stands for itself (names and weights are in it), whoever reads it checks every
 * value, and equal verdicts are equal bytes: members can compare what they go by. */
#include "dc-router/policy.h"

#include <stdio.h>

#define VERDICT_VERSION   1
#define FLAG_CALM         1
#define STANDING_SIZE_MIN 10 /* with an empty name */

/* ---- sites, and what is sound ---- */

static bool is_sound_name(const char *name)
{
    size_t length = strnlen(name, ROUTER_SITE_NAME_SIZE);
    return length > 0 && length < ROUTER_SITE_NAME_SIZE;
}

static bool is_sound_site(const struct router_site *site)
{
    return is_sound_name(site->name) && site->weight > 0 && site->weight <= ROUTER_WEIGHT_MAX;
}

static int check_sites(const struct router_site *sites, size_t count)
{
    if (count == 0)
        return ERR_INVALID;
    if (count > ROUTER_SITES_MAX)
        return ERR_FULL;
    for (size_t i = 0; i < count; i++) {
        if (!is_sound_site(&sites[i]))
            return ERR_INVALID;
        for (size_t k = 0; k < i; k++)
            if (strcmp(sites[i].name, sites[k].name) == 0)
                return ERR_INVALID;
    }
    return 0;
}

/* Which reasons each health can have, as bits. */
static bool is_sound_reason(enum router_health health, enum router_reason reason)
{
    static const unsigned reasons[] = {
        [ROUTER_WHOLE] = 1U << ROUTER_REASON_WELL | 1U << ROUTER_REASON_NOTHING_ELSE,
        [ROUTER_CUT] = 1U << ROUTER_REASON_UNHEARD | 1U << ROUTER_REASON_FLAPPING,
        [ROUTER_LEFT] = 1U << ROUTER_REASON_UNREACHED | 1U << ROUTER_REASON_FLAPPING,
    };
    return reason < ROUTER_REASON_COUNT && (reasons[health] >> reason & 1U) != 0;
}

static bool is_sound_standing(const struct router_standing *s)
{
    return s->health <= ROUTER_LEFT && s->drain <= ROUTER_ENDING && s->stage < ROUTER_STAGE_COUNT &&
           is_sound_reason(s->health, s->reason) &&
           (s->health != ROUTER_WHOLE || s->stage == ROUTER_STAGE_NONE);
}

int router_verdict_check(const struct router_verdict *verdict)
{
    struct router_site sites[ROUTER_SITES_MAX];
    bool has_used = false;
    if (verdict == NULL || verdict->epoch == 0 || verdict->site_count > ROUTER_SITES_MAX)
        return ERR_INVALID;
    for (unsigned i = 0; i < verdict->site_count; i++) {
        sites[i] = verdict->sites[i].site;
        if (!is_sound_standing(&verdict->sites[i]))
            return ERR_INVALID;
        has_used |= verdict->sites[i].health != ROUTER_LEFT;
    }
    return has_used ? check_sites(sites, verdict->site_count) : ERR_INVALID;
}

/* ---- made ---- */

static bool has_used_site(const struct router_verdict *verdict)
{
    for (unsigned i = 0; i < verdict->site_count; i++)
        if (verdict->sites[i].health != ROUTER_LEFT)
            return true;
    return false;
}

/* A site as it stood before; one that is new is left until it was quiet. */
static void stand_as_before(struct router_standing *s, const struct router_verdict *previous)
{
    unsigned before = router_verdict_find(previous, s->site.name);
    struct router_site site = s->site;
    if (before != ROUTER_NO_SITE)
        *s = previous->sites[before];
    else
        *s = (struct router_standing){.health = ROUTER_LEFT, .reason = ROUTER_REASON_UNREACHED};
    s->site = site;
}

static void make_all_whole(struct router_verdict *verdict)
{
    for (unsigned i = 0; i < verdict->site_count; i++) {
        verdict->sites[i].health = ROUTER_WHOLE;
        verdict->sites[i].reason = ROUTER_REASON_WELL;
        verdict->sites[i].stage = ROUTER_STAGE_NONE;
    }
}

static void copy_site(struct router_site *into, const struct router_site *from)
{
    bytes_copy_text(into->name, sizeof into->name, from->name); /* no byte behind it differs */
    into->weight = from->weight;
}

int router_verdict_init(struct router_verdict *verdict, const struct router_site *sites,
                        size_t site_count, const struct router_verdict *previous)
{
    if (verdict == NULL || sites == NULL || verdict == previous)
        return ERR_INVALID;
    int err = check_sites(sites, site_count);
    if (err == 0 && previous != NULL)
        err = router_verdict_check(previous);
    if (err != 0)
        return err;

    *verdict = (struct router_verdict){
        .epoch = 1, .is_calm = previous == NULL, .site_count = (unsigned)site_count};
    for (unsigned i = 0; i < site_count; i++) {
        copy_site(&verdict->sites[i].site, &sites[i]);
        if (previous != NULL)
            stand_as_before(&verdict->sites[i], previous);
    }
    if (previous != NULL) {
        verdict->epoch = previous->epoch + 1;
        verdict->failover_epoch = previous->failover_epoch;
    }
    if (!has_used_site(verdict))
        make_all_whole(verdict);
    return 0;
}

bool router_verdict_is_news(const struct router_verdict *known, const char *known_cluster_id,
                            const struct router_verdict *next, const char *next_cluster_id)
{
    bool are_both_told = known_cluster_id[0] != '\0' && next_cluster_id[0] != '\0';
    if (known->epoch == 0 || (are_both_told && strcmp(known_cluster_id, next_cluster_id) != 0))
        return true;
    return next->failover_epoch != known->failover_epoch
               ? next->failover_epoch > known->failover_epoch
               : next->epoch > known->epoch;
}

unsigned router_verdict_find(const struct router_verdict *verdict, const char *name)
{
    if (verdict == NULL || name == NULL)
        return ROUTER_NO_SITE;
    for (unsigned i = 0; i < verdict->site_count; i++)
        if (strcmp(verdict->sites[i].site.name, name) == 0)
            return i;
    return ROUTER_NO_SITE;
}

/* ---- as bytes: u16 version, u16 flags, u64 epoch, u64 failover epoch, u16 n, n x site ---- */

/* u8 health, u8 drain, u8 reason, u8 stage, u8 leave count, u8 0, u16 weight, text name */
static uint8_t *encode_standing(const struct router_standing *s, uint8_t *into)
{
    size_t length = strlen(s->site.name);
    *into++ = (uint8_t)s->health;
    *into++ = (uint8_t)s->drain;
    *into++ = (uint8_t)s->reason;
    *into++ = (uint8_t)s->stage;
    *into++ = s->leave_count;
    *into++ = 0;
    into = bytes_put_le16(into, (uint16_t)s->site.weight);
    into = bytes_put_le16(into, (uint16_t)length);
    memcpy(into, s->site.name, length);
    return into + length;
}

int router_verdict_encode(const struct router_verdict *verdict, uint8_t *into, size_t size)
{
    uint8_t bytes[ROUTER_VERDICT_SIZE_MAX], *at = bytes;
    int err = into == NULL ? ERR_INVALID : router_verdict_check(verdict);
    if (err != 0)
        return err;
    at = bytes_put_le16(at, VERDICT_VERSION);
    at = bytes_put_le16(at, verdict->is_calm ? FLAG_CALM : 0);
    at = bytes_put_le64(at, verdict->epoch);
    at = bytes_put_le64(at, verdict->failover_epoch);
    at = bytes_put_le16(at, (uint16_t)verdict->site_count);
    for (unsigned i = 0; i < verdict->site_count; i++)
        at = encode_standing(&verdict->sites[i], at);
    size_t used = (size_t)(at - bytes);
    if (used > size)
        return ERR_TOO_LARGE;
    memcpy(into, bytes, used);
    return (int)used;
}

static bool decode_standing(struct bytes_reader *r, struct router_standing *s)
{
    s->health = (enum router_health)bytes_read_u8(r);
    s->drain = (enum router_drain)bytes_read_u8(r);
    s->reason = (enum router_reason)bytes_read_u8(r);
    s->stage = (enum router_stage)bytes_read_u8(r);
    s->leave_count = bytes_read_u8(r);
    bool is_clean = bytes_read_u8(r) == 0;
    s->site.weight = bytes_read_le16(r);
    size_t length = bytes_read_le16(r);
    if (r->is_bad || length >= ROUTER_SITE_NAME_SIZE || length > bytes_reader_left(r))
        return false;
    bytes_read_copy(r, s->site.name, length);
    return is_clean && memchr(s->site.name, 0, length) == NULL;
}

int router_verdict_decode(struct bytes from, struct router_verdict *verdict)
{
    struct router_verdict read = {0};
    if (verdict == NULL || from.data == NULL)
        return verdict == NULL ? ERR_INVALID : ERR_MALFORMED;
    struct bytes_reader r = bytes_reader_of(from);
    uint16_t version = bytes_read_le16(&r);
    if (!r.is_bad && version != VERDICT_VERSION)
        return version > VERDICT_VERSION ? ERR_VERSION : ERR_MALFORMED;
    uint16_t flags = bytes_read_le16(&r);
    read.is_calm = (flags & FLAG_CALM) != 0;
    read.epoch = bytes_read_le64(&r);
    read.failover_epoch = bytes_read_le64(&r);
    read.site_count = bytes_read_le16(&r);
    if (r.is_bad || (flags & ~FLAG_CALM) != 0 || read.site_count > ROUTER_SITES_MAX ||
        bytes_reader_left(&r) < (size_t)read.site_count * STANDING_SIZE_MIN)
        return ERR_MALFORMED;
    for (unsigned i = 0; i < read.site_count; i++)
        if (!decode_standing(&r, &read.sites[i]))
            return ERR_MALFORMED;
    if (bytes_reader_left(&r) != 0 || router_verdict_check(&read) != 0)
        return ERR_MALFORMED;
    *verdict = read;
    return 0;
}

/* ---- in words ---- */

#define TEXT_OF(table, value)                                                                      \
    ((size_t)(value) < sizeof(table) / sizeof *(table) ? (table)[value] : "?")

const char *router_health_text(enum router_health health)
{
    static const char *const texts[] = {"whole", "cut off", "left"};
    return TEXT_OF(texts, health);
}

const char *router_drain_text(enum router_drain drain)
{
    static const char *const texts[] = {"in use", "drained", "drained until it was quiet"};
    return TEXT_OF(texts, drain);
}

const char *router_stage_text(enum router_stage stage)
{
    static const char *const texts[] = {"all of the path works",
                                        "takes no connection",
                                        "takes connections and answers nothing",
                                        "answers, and commits no record",
                                        "commits records, and no offset",
                                        "commits, and what it has can't be read"};
    return TEXT_OF(texts, stage);
}

const char *router_reason_text(enum router_reason reason)
{
    static const char *const texts[] = {"it is well", "no site reaches it", "it comes and goes",
                                        "it and a site that others hear don't hear each other",
                                        "there was nothing else"};
    return TEXT_OF(texts, reason);
}

void router_standing_text(const struct router_standing *standing, char *into, size_t size)
{
    if (into == NULL || size == 0)
        return;
    into[0] = '\0';
    if (standing == NULL)
        return;
    bool has_stage = standing->stage != ROUTER_STAGE_NONE, is_in = standing->drain == ROUTER_IN;
    snprintf(into, size, "%.*s: %s, %s%s%s%s%s%s", ROUTER_SITE_NAME_SIZE - 1, standing->site.name,
             router_health_text(standing->health), router_reason_text(standing->reason),
             has_stage ? " (" : "", has_stage ? router_stage_text(standing->stage) : "",
             has_stage ? ")" : "", is_in ? "" : ", ",
             is_in ? "" : router_drain_text(standing->drain));
}
