/* Who is there, and may we speak.
 *
 * Both ends send a hello and both judge the other's: a node that is in the wrong cluster, under a
 * wrong id or in a wrong site must be told from the right one before a single vote is exchanged
 * with it. A node that does not belong to a cluster yet may speak on CONTROL only, for founding.
 *
 * The fields up to the version range never move, so that releases without a common version can
 * tell each other so. A newer release may append fields; ours are exact. */
#include "peer_link_hello.h"

#include <assert.h>
#include <string.h>

#define FLAG_HAS_DATA 1u

const char *peer_refusal_text(unsigned refusal)
{
    switch (refusal) {
#define PEER_REFUSAL_CASE(name, code, text)                                                        \
    case code:                                                                                     \
        return text;
        PEER_REFUSAL_TABLE(PEER_REFUSAL_CASE)
#undef PEER_REFUSAL_CASE
    default:
        return "for a reason that a newer release knows";
    }
}

size_t peer_hello_encode(const struct peer_hello *hello, uint8_t into[PEER_HELLO_SIZE_MAX])
{
    const struct peer_identity *me = &hello->identity;
    size_t site_size = strlen(me->site), host_size = strlen(me->client_host);
    size_t peer_host_size = strlen(me->peer_host);
    assert(site_size < sizeof me->site && host_size < sizeof me->client_host &&
           peer_host_size < sizeof me->peer_host);

    uint8_t *at = bytes_put_le16(into, hello->version_min);
    at = bytes_put_le16(at, hello->version_max);
    at = bytes_put_le32(at, me->node_id);
    at = bytes_put_le64(at, me->incarnation);
    at = bytes_put_le64(at, me->cluster_id[0]);
    at = bytes_put_le64(at, me->cluster_id[1]);
    at = bytes_put_le32(at, hello->to_node_id);
    at = bytes_put_le16(at, me->client_port);
    *at++ = (uint8_t)hello->channel;
    *at++ = me->has_data ? FLAG_HAS_DATA : 0;
    at = bytes_put_le16(at, hello->lane);
    at = bytes_put_le16(at, hello->shard_count);
    *at++ = (uint8_t)site_size;
    *at++ = (uint8_t)host_size;
    at = bytes_put_le16(at, me->peer_port);
    *at++ = (uint8_t)peer_host_size;
    *at++ = 0;
    assert(at - into == PEER_HELLO_FIXED_SIZE);
    memcpy(at, me->site, site_size);
    memcpy(at + site_size, me->client_host, host_size);
    memcpy(at + site_size + host_size, me->peer_host, peer_host_size);
    return PEER_HELLO_FIXED_SIZE + site_size + host_size + peer_host_size;
}

static int read_text(struct bytes_reader *r, size_t size, char *into, size_t into_size)
{
    struct bytes text = bytes_read(r, size);
    if (text.size != size || size >= into_size)
        return ERR_MALFORMED;
    for (size_t i = 0; i < size; i++)
        if (text.data[i] <= ' ' || text.data[i] > '~')
            return ERR_MALFORMED;
    if (size > 0)
        memcpy(into, text.data, size);
    into[size] = '\0';
    return 0;
}

static int check_numbers(const struct peer_hello *h, uint8_t channel, uint8_t flags)
{
    if (h->version_min == 0 || h->version_min > h->version_max)
        return ERR_MALFORMED;
    if (channel >= NET_CHANNEL_COUNT || (flags & ~FLAG_HAS_DATA) != 0)
        return ERR_MALFORMED;
    if (h->identity.node_id == 0 || h->shard_count == 0 || h->shard_count > PEER_LANES_MAX)
        return ERR_MALFORMED;
    if (h->lane >= (channel == NET_ENTRIES ? PEER_LANES_MAX : 1))
        return ERR_MALFORMED;
    return 0;
}

int peer_hello_decode(struct bytes from, struct peer_hello *hello)
{
    struct bytes_reader r = bytes_reader_of(from);
    struct peer_identity *peer = &hello->identity;
    hello->version_min = bytes_read_le16(&r);
    hello->version_max = bytes_read_le16(&r);
    peer->node_id = bytes_read_le32(&r);
    peer->incarnation = bytes_read_le64(&r);
    peer->cluster_id[0] = bytes_read_le64(&r);
    peer->cluster_id[1] = bytes_read_le64(&r);
    hello->to_node_id = bytes_read_le32(&r);
    peer->client_port = bytes_read_le16(&r);
    uint8_t channel = bytes_read_u8(&r);
    uint8_t flags = bytes_read_u8(&r);
    hello->lane = bytes_read_le16(&r);
    hello->shard_count = bytes_read_le16(&r);
    uint8_t site_size = bytes_read_u8(&r);
    uint8_t host_size = bytes_read_u8(&r);
    peer->peer_port = bytes_read_le16(&r);
    uint8_t peer_host_size = bytes_read_u8(&r);
    uint8_t zero = bytes_read_u8(&r);
    if (r.is_bad || site_size == 0 || zero != 0 || check_numbers(hello, channel, flags) < 0)
        return ERR_MALFORMED;
    hello->channel = (enum net_channel)channel;
    peer->has_data = (flags & FLAG_HAS_DATA) != 0;
    if (read_text(&r, site_size, peer->site, sizeof peer->site) < 0 ||
        read_text(&r, host_size, peer->client_host, sizeof peer->client_host) < 0 ||
        read_text(&r, peer_host_size, peer->peer_host, sizeof peer->peer_host) < 0)
        return ERR_MALFORMED;
    bool is_newer = hello->version_max > PEER_VERSION_MAX;
    return bytes_reader_left(&r) == 0 || is_newer ? 0 : ERR_MALFORMED;
}

void peer_refusal_encode(unsigned refusal, uint32_t node_id, uint8_t into[PEER_REFUSAL_SIZE])
{
    assert(refusal != PEER_ACCEPTED);
    uint8_t *at = bytes_put_le16(into, (uint16_t)refusal);
    at = bytes_put_le16(at, 0);
    bytes_put_le32(at, node_id);
}

int peer_refusal_decode(struct bytes from, unsigned *refusal, uint32_t *node_id)
{
    struct bytes_reader r = bytes_reader_of(from);
    *refusal = bytes_read_le16(&r);
    uint16_t zero = bytes_read_le16(&r);
    *node_id = bytes_read_le32(&r);
    bool is_sound = !r.is_bad && bytes_reader_left(&r) == 0 && zero == 0;
    return is_sound && *refusal != PEER_ACCEPTED ? 0 : ERR_MALFORMED;
}

bool peer_identity_is_founded(const struct peer_identity *identity)
{
    return (identity->cluster_id[0] | identity->cluster_id[1]) != 0;
}

enum peer_refusal peer_hello_judge(const struct peer_hello *hello, const struct peer_identity *self,
                                   const struct peer_address *expected)
{
    const struct peer_identity *peer = &hello->identity;
    if (hello->version_min > PEER_VERSION_MAX || hello->version_max < PEER_VERSION_MIN)
        return PEER_REFUSED_VERSION;
    if (peer->node_id == self->node_id)
        return PEER_REFUSED_OWN_NODE;
    if (hello->to_node_id != self->node_id)
        return PEER_REFUSED_OTHER_NODE;
    if (expected == NULL)
        return PEER_REFUSED_UNKNOWN_NODE;
    if (peer->node_id != expected->node_id)
        return PEER_REFUSED_OTHER_NODE;
    if (strcmp(peer->site, expected->site) != 0)
        return PEER_REFUSED_OTHER_SITE;
    if (!peer_identity_is_founded(peer) || !peer_identity_is_founded(self))
        return hello->channel == NET_CONTROL ? PEER_ACCEPTED : PEER_REFUSED_NOT_FOUNDED;
    if (memcmp(peer->cluster_id, self->cluster_id, sizeof self->cluster_id) != 0)
        return PEER_REFUSED_OTHER_CLUSTER;
    return PEER_ACCEPTED;
}
