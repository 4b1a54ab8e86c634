/* Raft configurations: our members as libraft's servers, and back from bytes.
 *
 * libraft reads an encoded configuration without looking where it ends, so whatever comes from a
 * peer or a disk is checked here first. Layout (libraft's, little-endian): u8 format 1, u64
 * servers, per server u64 id, text and NUL, u8 role; zeros up to a multiple of 8. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "group_internal.h"

#define FORMAT 1

int configuration_add(struct raft_configuration *c, const struct repl_member *member)
{
    char address[64];
    snprintf(address, sizeof address, "%llx@%s", (unsigned long long)member->raft_id, member->site);
    int rv = raft_configuration_add(c, member->raft_id, address,
                                    member->is_voter ? RAFT_VOTER : RAFT_STANDBY);
    return rv == 0 ? 0 : UV_ENOMEM;
}

void configuration_member(const struct raft_server *server, struct repl_member *member)
{
    const char *at = strchr(server->address, '@');
    memset(member, 0, sizeof *member);
    member->raft_id = server->id;
    member->is_voter = server->role == RAFT_VOTER;
    bytes_copy_text(member->site, sizeof member->site, at == NULL ? "" : at + 1);
}

static void check_server(struct bytes_reader *r)
{
    uint64_t id = bytes_read_le64(r);
    const uint8_t *end = memchr(r->at, 0, bytes_reader_left(r));
    if (end == NULL) {
        r->is_bad = true;
        return;
    }
    bytes_read(r, (size_t)(end - r->at) + 1);
    uint8_t role = bytes_read_u8(r);
    r->is_bad |= id == 0 || (role != RAFT_VOTER && role != RAFT_STANDBY);
}

bool configuration_is_sound(struct bytes encoded)
{
    struct bytes_reader r = bytes_reader_of(encoded);
    uint8_t format = bytes_read_u8(&r);
    uint64_t count = bytes_read_le64(&r);
    if (r.is_bad || format != FORMAT || count == 0 || count > REPL_MEMBERS_MAX)
        return false;
    for (uint64_t i = 0; i < count && !r.is_bad; i++)
        check_server(&r);
    return !r.is_bad && bytes_reader_left(&r) < 8;
}

int configuration_decode(struct bytes encoded, struct raft_configuration *c)
{
    struct raft_buffer buffer = {.base = (void *)(uintptr_t)encoded.data, .len = encoded.size};
    raft_configuration_init(c);
    if (!configuration_is_sound(encoded))
        return ERR_MALFORMED;
    int rv = raft_configuration_decode(&buffer, c);
    if (rv == 0)
        return 0;
    raft_configuration_init(c); /* libraft has freed what it had */
    if (rv == RAFT_NOMEM)
        return UV_ENOMEM;
    return ERR_MALFORMED;
}

int repl_configuration_encode(const struct repl_member *members, unsigned count, uint8_t **bytes,
                              size_t *size)
{
    struct raft_configuration c;
    struct raft_buffer encoded = {0};
    int err = 0;
    raft_configuration_init(&c);
    for (unsigned i = 0; i < count && err == 0; i++)
        err = configuration_add(&c, &members[i]);
    if (err == 0 && raft_configuration_encode(&c, &encoded) != 0)
        err = UV_ENOMEM;
    raft_configuration_close(&c);
    *size = encoded.len;
    *bytes = err == 0 ? malloc(encoded.len) : NULL;
    if (*bytes != NULL)
        memcpy(*bytes, encoded.base, encoded.len);
    raft_free(encoded.base);
    return err == 0 && *bytes == NULL ? UV_ENOMEM : err;
}

bool configuration_is_voter(const struct raft_configuration *c, uint64_t raft_id)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->servers[i].id == raft_id)
            return c->servers[i].role == RAFT_VOTER;
    return false;
}

static const char *site_of(const struct raft_configuration *c, uint64_t raft_id)
{
    for (unsigned i = 0; i < c->n; i++)
        if (c->servers[i].id == raft_id)
            return strchr(c->servers[i].address, '@');
    return NULL;
}

bool configuration_is_same_site(const struct raft_configuration *c, uint64_t one, uint64_t other)
{
    const char *site = site_of(c, one), *other_site = site_of(c, other);
    return site != NULL && other_site != NULL && strcmp(site, other_site) == 0;
}

bool configuration_has_sole_voter(const struct raft_configuration *c, uint64_t raft_id)
{
    unsigned voters = 0, own = 0;
    for (unsigned i = 0; i < c->n; i++) {
        bool is_voter = c->servers[i].role == RAFT_VOTER;
        voters += is_voter;
        own += is_voter && c->servers[i].id == raft_id;
    }
    return voters == 1 && own == 1;
}
