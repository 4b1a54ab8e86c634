/* First start, as a pure state machine.
 *
 * Message, little-endian: u32 magic, u16 version, u16 state, u64 incarnation, u32 configured groups
 * per node, u32 CRC-32C of the READY set, u64 0, u16 configured founders, per founder u32 node id,
 * u16 size and site. Version 1 ends before the founders.
 *
 * Invitation: u32 magic, u16 version, u16 founders, 16 cluster id, u32 groups per node, per
 * founder u32 node id, u64 incarnation, u16 size and site */
#include "start/founding.h"

#include <stdio.h>
#include <string.h>

#include "base/crc32c.h"
#include "state/byte_list.h"

#define INVITE_MAGIC    0x56494f54u /* "TOIV" */
#define MESSAGE_MAGIC   0x44464f54u /* "TOFD" */
#define MESSAGE_VERSION 2
#define INVITE_VERSION  1

void founding_init(struct founding *f, struct identity *identity, uint32_t groups_per_node,
                   const struct identity_founder *founders, unsigned founder_count)
{
    memset(f, 0, sizeof *f);
    f->identity = identity;
    f->groups_per_node = groups_per_node;
    f->founder_count = founder_count;
    memcpy(f->founders, founders, founder_count * sizeof founders[0]);
}

static struct founding_heard *heard_of(struct founding *f, uint32_t node_id)
{
    for (unsigned i = 0; i < f->founder_count; i++)
        if (f->founders[i].node_id == node_id && node_id != f->identity->node_id)
            return &f->heard[i];
    return NULL;
}

void founding_on_hello(struct founding *f, uint32_t node_id, uint64_t incarnation,
                       const uint64_t cluster_id[2])
{
    struct founding_heard *heard = heard_of(f, node_id);
    if (heard == NULL)
        return;
    if (heard->incarnation != incarnation)
        *heard = (struct founding_heard){.incarnation = incarnation};
    heard->cluster_id[0] = cluster_id[0];
    heard->cluster_id[1] = cluster_id[1];
    heard->is_heard = true;
}

static bool is_founded(const struct founding_heard *heard)
{
    return heard->is_heard && (heard->cluster_id[0] | heard->cluster_id[1]) != 0;
}

int founding_invite_encode(const struct identity *identity, uint8_t **bytes, size_t *size)
{
    struct byte_list list = {0};
    byte_list_put_u32(&list, INVITE_MAGIC);
    byte_list_put_u16(&list, INVITE_VERSION);
    byte_list_put_u16(&list, (uint16_t)identity->founder_count);
    byte_list_put_u64(&list, identity->cluster_id[0]);
    byte_list_put_u64(&list, identity->cluster_id[1]);
    byte_list_put_u32(&list, identity->groups_per_node);
    for (unsigned i = 0; i < identity->founder_count; i++) {
        byte_list_put_u32(&list, identity->founders[i].node_id);
        byte_list_put_u64(&list, identity->founders[i].incarnation);
        byte_list_put_text(&list, identity->founders[i].site);
    }
    return byte_list_take(&list, bytes, size);
}

static bool read_founders(struct bytes_reader *r, struct identity_founder *founders, unsigned count,
                          bool has_incarnations)
{
    for (unsigned i = 0; i < count; i++) {
        struct identity_founder *founder = &founders[i];
        founder->node_id = bytes_read_le32(r);
        founder->incarnation = has_incarnations ? bytes_read_le64(r) : 0;
        struct bytes site = byte_list_read_text(r);
        if (r->is_bad || site.size >= sizeof founder->site)
            return false;
        memset(founder->site, 0, sizeof founder->site);
        memcpy(founder->site, site.data, site.size);
    }
    return bytes_reader_left(r) == 0;
}

/* Only from a node whose handshake named that cluster, and not when we were READY for it: then
 * we are one of its founders and follow. */
static void on_invite(struct founding *f, const struct founding_heard *heard,
                      struct bytes_reader *r)
{
    struct identity invited = *f->identity;
    uint64_t ready_id[2];
    unsigned count = bytes_read_le16(r);
    invited.cluster_id[0] = bytes_read_le64(r);
    invited.cluster_id[1] = bytes_read_le64(r);
    invited.groups_per_node = bytes_read_le32(r);
    if (r->is_bad || count == 0 || count > IDENTITY_FOUNDERS_MAX ||
        !read_founders(r, invited.founders, count, true) || invited.groups_per_node == 0 ||
        f->identity->state == IDENTITY_FOUNDED ||
        memcmp(invited.cluster_id, heard->cluster_id, sizeof invited.cluster_id) != 0)
        return;
    invited.founder_count = count;
    identity_cluster_id(f->identity, ready_id);
    if (f->identity->state == IDENTITY_READY &&
        memcmp(ready_id, invited.cluster_id, sizeof ready_id) == 0)
        return;
    invited.is_rebuilt = true;
    invited.state = IDENTITY_FOUNDED;
    f->invited = invited;
    f->is_invited = true;
}

static bool is_same_settings(const struct founding_settings *a, const struct founding_settings *b)
{
    bool is_same = a->groups_per_node == b->groups_per_node && a->founder_count == b->founder_count;
    for (unsigned i = 0; is_same && i < a->founder_count; i++)
        is_same = a->founders[i].node_id == b->founders[i].node_id &&
                  strcmp(a->founders[i].site, b->founders[i].site) == 0;
    return is_same;
}

static void hear_settings(struct founding *f, uint32_t node_id,
                          const struct founding_settings *settings)
{
    for (unsigned i = 0; i < f->founder_count; i++) {
        if (f->founders[i].node_id != node_id)
            continue;
        if (!is_same_settings(&f->settings[i], settings))
            f->told_differences[i] = 0;
        f->settings[i] = *settings;
    }
}

static bool read_settings(struct bytes_reader *r, uint16_t version,
                          struct founding_settings *settings)
{
    bytes_read_le64(r); /* unused */
    if (version == 1)
        return !r->is_bad;
    settings->founder_count = bytes_read_le16(r);
    return !r->is_bad && settings->founder_count <= IDENTITY_FOUNDERS_MAX &&
           read_founders(r, settings->founders, settings->founder_count, false);
}

/* Who is FOUNDED was READY with the same set. */
static void on_founder(struct founding *f, uint32_t node_id, struct bytes_reader *r)
{
    struct founding_settings settings = {0};
    struct founding_heard *heard = heard_of(f, node_id);
    uint32_t magic = bytes_read_le32(r);
    uint16_t version = bytes_read_le16(r);
    uint16_t state = bytes_read_le16(r);
    uint64_t incarnation = bytes_read_le64(r);
    settings.groups_per_node = bytes_read_le32(r);
    uint32_t crc = bytes_read_le32(r);
    if (r->is_bad || magic != MESSAGE_MAGIC || version == 0 || version > MESSAGE_VERSION ||
        heard == NULL || !heard->is_heard || heard->incarnation != incarnation ||
        !read_settings(r, version, &settings))
        return;
    heard->is_ready = state == IDENTITY_READY || state == IDENTITY_FOUNDED;
    heard->is_founded = state == IDENTITY_FOUNDED;
    heard->is_lost = state == IDENTITY_LOST;
    heard->ready_set_crc = crc;
    hear_settings(f, node_id, &settings);
}

void founding_on_message(struct founding *f, uint32_t node_id, struct bytes message)
{
    struct bytes_reader r = bytes_reader_of(message);
    struct bytes_reader invite = r;
    bool is_invite = bytes_read_le32(&invite) == INVITE_MAGIC &&
                     bytes_read_le16(&invite) == INVITE_VERSION && !invite.is_bad;
    const struct founding_heard *from = heard_of(f, node_id);
    if (is_invite && from != NULL && is_founded(from))
        on_invite(f, from, &invite);
    else
        on_founder(f, node_id, &r);
}

void founding_on_down(struct founding *f, uint32_t node_id)
{
    struct founding_heard *heard = heard_of(f, node_id);
    if (heard != NULL)
        *heard = (struct founding_heard){0};
}

/* The founders as seen now, ourselves included. */
static void see_set(const struct founding *f, struct identity *seen)
{
    *seen = *f->identity;
    seen->groups_per_node = f->groups_per_node;
    seen->founder_count = f->founder_count;
    for (unsigned i = 0; i < f->founder_count; i++) {
        seen->founders[i] = f->founders[i];
        seen->founders[i].incarnation = f->founders[i].node_id == f->identity->node_id
                                            ? f->identity->incarnation
                                            : f->heard[i].incarnation;
    }
}

static uint32_t set_crc(const struct identity *identity)
{
    uint32_t crc = crc32c(0, bytes_of(&identity->groups_per_node, 4));
    for (unsigned i = 0; i < identity->founder_count; i++) {
        crc = crc32c(crc, bytes_of(&identity->founders[i].node_id, 4));
        crc = crc32c(crc, bytes_of(&identity->founders[i].incarnation, 8));
        crc = crc32c(crc, bytes_of_text(identity->founders[i].site));
    }
    return crc;
}

static bool has_heard_all(const struct founding *f)
{
    for (unsigned i = 0; i < f->founder_count; i++)
        if (f->founders[i].node_id != f->identity->node_id && !f->heard[i].is_heard)
            return false;
    return true;
}

static bool are_all_ready_with(const struct founding *f, uint32_t crc)
{
    for (unsigned i = 0; i < f->founder_count; i++) {
        const struct founding_heard *heard = &f->heard[i];
        if (f->founders[i].node_id != f->identity->node_id &&
            !(heard->is_heard && heard->is_ready && heard->ready_set_crc == crc))
            return false;
    }
    return true;
}

static enum founding_step found(struct founding *f)
{
    f->identity->state = IDENTITY_FOUNDED;
    identity_cluster_id(f->identity, f->identity->cluster_id);
    return FOUNDING_PERSIST;
}

/* Somebody has data: ours too, if we were READY for that very cluster. */
static enum founding_step follow(struct founding *f, const struct founding_heard *heard)
{
    uint64_t cluster_id[2];
    identity_cluster_id(f->identity, cluster_id);
    if (f->identity->state == IDENTITY_READY && cluster_id[0] == heard->cluster_id[0] &&
        cluster_id[1] == heard->cluster_id[1])
        return found(f);
    if (!f->is_invited)
        return FOUNDING_REBUILD;
    *f->identity = f->invited;
    return FOUNDING_PERSIST;
}

static bool is_founder(const struct founding *f)
{
    for (unsigned i = 0; i < f->founder_count; i++)
        if (f->founders[i].node_id == f->identity->node_id)
            return true;
    return false;
}

enum founding_step founding_advance(struct founding *f)
{
    struct identity seen;
    if (f->identity->state == IDENTITY_FOUNDED)
        return FOUNDING_WAIT;
    for (unsigned i = 0; i < f->founder_count; i++)
        if (is_founded(&f->heard[i]))
            return follow(f, &f->heard[i]);
    if (f->identity->state == IDENTITY_LOST)
        return FOUNDING_REBUILD; /* it has data: nothing is founded over that */
    if (!is_founder(f) || !has_heard_all(f))
        return FOUNDING_WAIT; /* who joins later waits for its invitation */
    see_set(f, &seen);
    if (f->identity->state == IDENTITY_READY && set_crc(f->identity) == set_crc(&seen))
        return are_all_ready_with(f, set_crc(&seen)) ? found(f) : FOUNDING_WAIT;
    *f->identity = seen;
    f->identity->state = IDENTITY_READY;
    return FOUNDING_PERSIST;
}

bool founding_is_over(const struct founding *f)
{
    if (f->identity->state != IDENTITY_FOUNDED)
        return false;
    for (unsigned i = 0; i < f->founder_count; i++)
        if (f->heard[i].is_heard && !f->heard[i].is_founded && !is_founded(&f->heard[i]))
            return false;
    return true;
}

size_t founding_message(const struct founding *f, uint8_t into[FOUNDING_MESSAGE_SIZE_MAX])
{
    uint8_t *at = into;
    at = bytes_put_le32(at, MESSAGE_MAGIC);
    at = bytes_put_le16(at, MESSAGE_VERSION);
    at = bytes_put_le16(at, (uint16_t)f->identity->state);
    at = bytes_put_le64(at, f->identity->incarnation);
    at = bytes_put_le32(at, f->groups_per_node);
    at = bytes_put_le32(at, set_crc(f->identity));
    at = bytes_put_le64(at, 0);
    at = bytes_put_le16(at, (uint16_t)f->founder_count);
    for (unsigned i = 0; i < f->founder_count; i++) {
        size_t size = strnlen(f->founders[i].site, sizeof f->founders[i].site - 1);
        at = bytes_put_le32(at, f->founders[i].node_id);
        at = bytes_put_le16(at, (uint16_t)size);
        memcpy(at, f->founders[i].site, size);
        at += size;
    }
    return (size_t)(at - into);
}

/* ---- what the operator should know ---- */

enum { GROUPS_DIFFER = 1, FOUNDERS_DIFFER = 2 };

static void put_founder(char text[FOUNDING_TEXT_SIZE], const struct identity_founder *founder)
{
    size_t size = strlen(text);
    snprintf(text + size, FOUNDING_TEXT_SIZE - size, "%s%u@%s", size > 0 ? "," : "",
             founder->node_id, founder->site);
}

static bool are_founders_equal(const struct founding *f, const struct founding_settings *theirs)
{
    bool are_equal = f->founder_count == theirs->founder_count;
    for (unsigned i = 0; i < f->founder_count && are_equal; i++)
        are_equal = f->founders[i].node_id == theirs->founders[i].node_id &&
                    strcmp(f->founders[i].site, theirs->founders[i].site) == 0;
    return are_equal;
}

static void tell_groups(const struct founding *f, const struct founding_settings *theirs,
                        struct founding_difference *d)
{
    d->setting = "raft_groups_per_node";
    snprintf(d->ours, sizeof d->ours, "%u", f->groups_per_node);
    snprintf(d->theirs, sizeof d->theirs, "%u", theirs->groups_per_node);
}

static void tell_founders(const struct founding *f, const struct founding_settings *theirs,
                          struct founding_difference *d)
{
    d->setting = "nodes";
    for (unsigned i = 0; i < f->founder_count; i++)
        put_founder(d->ours, &f->founders[i]);
    for (unsigned i = 0; i < theirs->founder_count; i++)
        put_founder(d->theirs, &theirs->founders[i]);
}

bool founding_next_difference(struct founding *f, struct founding_difference *d)
{
    for (unsigned i = 0; i < f->founder_count; i++) {
        const struct founding_settings *theirs = &f->settings[i];
        uint32_t bits = 0;
        if (theirs->groups_per_node != 0 && theirs->groups_per_node != f->groups_per_node)
            bits |= GROUPS_DIFFER;
        if (theirs->founder_count != 0 && !are_founders_equal(f, theirs))
            bits |= FOUNDERS_DIFFER;
        bits &= ~f->told_differences[i];
        if (bits == 0)
            continue;
        *d = (struct founding_difference){.node_id = f->founders[i].node_id};
        if (bits & GROUPS_DIFFER)
            tell_groups(f, theirs, d);
        else
            tell_founders(f, theirs, d);
        f->told_differences[i] |= bits & GROUPS_DIFFER ? GROUPS_DIFFER : FOUNDERS_DIFFER;
        return true;
    }
    return false;
}

bool founding_has_lost(const struct founding *f, char text[FOUNDING_TEXT_SIZE])
{
    text[0] = '\0';
    for (unsigned i = 0; i < f->founder_count; i++)
        if (f->heard[i].is_heard && f->heard[i].is_lost)
            put_founder(text, &f->founders[i]);
    return text[0] != '\0';
}

bool founding_missing(const struct founding *f, char text[FOUNDING_TEXT_SIZE])
{
    text[0] = '\0';
    for (unsigned i = 0; i < f->founder_count; i++)
        if (f->founders[i].node_id != f->identity->node_id && !f->heard[i].is_heard)
            put_founder(text, &f->founders[i]);
    return text[0] != '\0';
}
