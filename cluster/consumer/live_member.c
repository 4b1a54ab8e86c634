/* Members of a live group: who they are, what they can do, and the vote on a protocol.
 *
 * Each member is counted with all that it brought, so that neither a group nor a coordinator
 * grows beyond its limit; what would is refused when it joins. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "consumer/live_parts.h"

#define MEMBER_OVERHEAD_BYTES 512

void live_member_count(struct live_member *m, size_t more, size_t less)
{
    m->bytes = m->bytes + more - less;
    m->group->bytes = m->group->bytes + more - less;
    m->group->set->bytes = m->group->set->bytes + more - less;
}

/* ---- identity ---- */

static struct kafka_string place_text(char **at, struct kafka_string text)
{
    if (text.size < 0)
        return KAFKA_STRING_NULL;
    char *start = *at;
    if (text.size > 0)
        memcpy(start, text.data, (size_t)text.size);
    *at += text.size;
    return (struct kafka_string){.data = start, .size = text.size};
}

static size_t text_size(struct kafka_string text)
{
    return text.size > 0 ? (size_t)text.size : 0;
}

/* Puts the texts into one allocation, in place of the former. */
static int set_identity(struct live_member *m, const struct group_member *from)
{
    size_t size = text_size(from->member_id) + text_size(from->instance_id) +
                  text_size(from->client_id) + text_size(from->client_host);
    size_t former = m->identity == NULL ? 0
                                        : text_size(m->id) + text_size(m->instance_id) +
                                              text_size(m->client_id) + text_size(m->client_host);
    char *identity = malloc(size + 1);
    if (identity == NULL)
        return UV_ENOMEM;
    char *at = identity;
    m->id = place_text(&at, from->member_id);
    m->instance_id = place_text(&at, from->instance_id);
    m->client_id = place_text(&at, from->client_id);
    m->client_host = place_text(&at, from->client_host);
    free(m->identity);
    m->identity = identity;
    live_member_count(m, size, former);
    return 0;
}

static void enlist(struct live_member *m)
{
    struct live_group *g = m->group;
    HASH_ADD_KEYPTR(hh, g->members, m->id.data, (unsigned)m->id.size, m);
    if (!kafka_string_is_null(m->instance_id))
        HASH_ADD_KEYPTR(by_instance, g->static_members, m->instance_id.data,
                        (unsigned)m->instance_id.size, m);
}

static void strike(struct live_member *m)
{
    HASH_DEL(m->group->members, m);
    if (!kafka_string_is_null(m->instance_id))
        HASH_DELETE(by_instance, m->group->static_members, m);
}

struct live_member *live_member_find(const struct live_group *g, struct kafka_string id)
{
    struct live_member *m = NULL;
    if (id.size > 0)
        HASH_FIND(hh, g->members, id.data, (unsigned)id.size, m);
    return m;
}

struct live_member *live_member_find_static(const struct live_group *g, struct kafka_string id)
{
    struct live_member *m = NULL;
    if (id.size > 0)
        HASH_FIND(by_instance, g->static_members, id.data, (unsigned)id.size, m);
    return m;
}

struct live_member *live_member_create(struct live_group *g, const struct group_member *identity)
{
    struct live_member *m = calloc(1, sizeof *m);
    if (m == NULL)
        return NULL;
    m->group = g;
    if (set_identity(m, identity) != 0) {
        free(m);
        return NULL;
    }
    m->session_timeout_ms = identity->session_timeout_ms;
    m->rebalance_timeout_ms = identity->rebalance_timeout_ms;
    live_member_count(m, MEMBER_OVERHEAD_BYTES, 0);
    enlist(m);
    if (g->leader == NULL)
        g->leader = m;
    return m;
}

int live_member_rename(struct live_member *m, struct kafka_string id)
{
    struct group_member renamed = {.member_id = id,
                                   .instance_id = m->instance_id,
                                   .client_id = m->client_id,
                                   .client_host = m->client_host};
    strike(m);
    int err = set_identity(m, &renamed);
    enlist(m);
    return err;
}

void live_member_remove(struct live_member *m, int16_t error_code)
{
    struct live_group *g = m->group;
    strike(m);
    if (g->leader == m)
        g->leader = g->members; /* the one who has been here longest */
    if (m->join != NULL)
        live_join_refuse(m->join, error_code);
    if (m->sync != NULL)
        live_sync_refuse(m->sync, error_code);
    live_forget_beliefs(m);
    live_member_count(m, 0, m->bytes);
    free(m->identity);
    free(m->protocols);
    free(m->assignment);
    free(m);
}

void live_member_touch(struct live_member *m)
{
    m->expires_at_ms = live_now(m->group) + (uint64_t)m->session_timeout_ms;
    live_group_wake_by(m->group, m->expires_at_ms);
}

/* ---- what it brings ---- */

static size_t protocols_size(const struct group_protocol *protocols, uint32_t n)
{
    size_t size = n * sizeof *protocols;
    for (uint32_t i = 0; i < n; i++)
        size += text_size(protocols[i].name) + protocols[i].metadata.size;
    return size;
}

int live_member_set_protocols(struct live_member *m, const struct group_protocol *protocols,
                              uint32_t n)
{
    size_t size = protocols_size(protocols, n);
    struct group_protocol *copies = malloc(size + 1);
    if (copies == NULL)
        return UV_ENOMEM;
    char *at = (char *)(copies + n);
    for (uint32_t i = 0; i < n; i++) {
        copies[i].name = place_text(&at, protocols[i].name);
        copies[i].metadata = bytes_of(at, protocols[i].metadata.size);
        if (protocols[i].metadata.size > 0)
            memcpy(at, protocols[i].metadata.data, protocols[i].metadata.size);
        at += protocols[i].metadata.size;
    }
    live_member_count(m, size, protocols_size(m->protocols, m->protocol_count));
    free(m->protocols);
    m->protocols = copies;
    m->protocol_count = n;
    return 0;
}

int live_member_set_assignment(struct live_member *m, struct bytes assignment)
{
    uint8_t *copy = NULL;
    if (assignment.size > 0) {
        copy = malloc(assignment.size);
        if (copy == NULL)
            return UV_ENOMEM;
        memcpy(copy, assignment.data, assignment.size);
    }
    live_member_count(m, assignment.size, m->assignment_size);
    free(m->assignment);
    m->assignment = copy;
    m->assignment_size = assignment.size;
    return 0;
}

bool live_member_has_same_protocols(const struct live_member *m, const struct group_protocol *p,
                                    uint32_t n)
{
    if (n != m->protocol_count)
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (!kafka_string_is_equal(p[i].name, m->protocols[i].name) ||
            !bytes_is_equal(p[i].metadata, m->protocols[i].metadata))
            return false;
    return true;
}

static const struct group_protocol *protocol_of(const struct live_member *m,
                                                struct kafka_string name)
{
    for (uint32_t i = 0; i < m->protocol_count; i++)
        if (kafka_string_is_equal(m->protocols[i].name, name))
            return &m->protocols[i];
    return NULL;
}

struct bytes live_member_metadata(const struct live_member *m, struct kafka_string protocol)
{
    const struct group_protocol *p = protocol_of(m, protocol);
    return p == NULL ? (struct bytes){0} : p->metadata;
}

/* ---- the vote ---- */

static bool is_known_to_all(const struct live_group *g, struct kafka_string name)
{
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next)
        if (protocol_of(m, name) == NULL)
            return false;
    return true;
}

bool live_group_supports(const struct live_group *g, struct kafka_string type,
                         const struct group_protocol *protocols, uint32_t n)
{
    if (n == 0 || type.size <= 0)
        return false;
    if (g->members == NULL)
        return true;
    if (!kafka_string_is_equal(type, g->protocol_type))
        return false;
    for (uint32_t i = 0; i < n; i++)
        if (is_known_to_all(g, protocols[i].name))
            return true;
    return false;
}

/* Each member votes for the first on its own list that all know. */
struct kafka_string live_group_vote(const struct live_group *g)
{
    const struct live_member *first = g->members;
    bool is_candidate[GROUP_PROTOCOLS_MAX] = {0};
    uint32_t votes[GROUP_PROTOCOLS_MAX] = {0}, best = 0;
    for (uint32_t i = 0; i < first->protocol_count; i++)
        is_candidate[i] = is_known_to_all(g, first->protocols[i].name);
    for (const struct live_member *m = g->members; m != NULL; m = m->hh.next) {
        bool has_voted = false;
        for (uint32_t i = 0; i < m->protocol_count && !has_voted; i++)
            for (uint32_t c = 0; c < first->protocol_count && !has_voted; c++)
                if (is_candidate[c] &&
                    kafka_string_is_equal(first->protocols[c].name, m->protocols[i].name)) {
                    votes[c]++;
                    has_voted = true;
                }
    }
    for (uint32_t c = 1; c < first->protocol_count; c++)
        if (votes[c] > votes[best])
            best = c;
    return first->protocols[best].name;
}
