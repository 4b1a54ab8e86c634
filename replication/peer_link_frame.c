/* The frame header and its checksum.
 *
 * The checksum covers the header and the head: what decides how bytes are read. The payload of
 * an ENTRIES frame is raft entries, each of which carries its own checksum in the head and is
 * checked by whoever decodes the message; a second pass over the same bytes here would cost as
 * much as the first. On the other channels, which are small or throttled, the checksum covers
 * the payload too, so nothing there is unchecked.
 *
 * Lengths are believed only up to the limits given, before anything is allocated for them. */
#include "peer_link_frame.h"

#include <assert.h>

#include "base/crc32c.h"
#include "replication/peer_link.h"

#define FRAME_MAGIC       0x46504c54u /* "TLPF" as bytes on the wire */
#define CRC_AT            16          /* the checksum is the header's last field */
#define GREETING_SIZE_MAX 1024

const struct peer_frame_limits peer_frame_limits_greeting = {.head_size_max = GREETING_SIZE_MAX,
                                                             .payload_size_max = 0};
const struct peer_frame_limits peer_frame_limits_up = {.head_size_max = PEER_FRAME_HEAD_MAX,
                                                       .payload_size_max = PEER_FRAME_PAYLOAD_MAX};

_Static_assert(PEER_FRAME_HEADER_SIZE + (int64_t)PEER_FRAME_HEAD_MAX + PEER_FRAME_PAYLOAD_MAX <
                   INT32_MAX,
               "a frame's size fits the decoder's answer");
_Static_assert(CRC_AT + sizeof(uint32_t) == PEER_FRAME_HEADER_SIZE, "nothing after the checksum");

static bool is_payload_covered(enum net_channel channel)
{
    return channel != NET_ENTRIES;
}

size_t peer_frame_payload_size(const struct net_frame *frame)
{
    size_t size = 0;
    for (unsigned i = 0; i < frame->payload_count; i++)
        size += frame->payload[i].bytes.size;
    return size;
}

void peer_frame_encode(uint8_t into[PEER_FRAME_HEADER_SIZE], enum peer_frame_kind kind,
                       enum net_channel channel, const struct net_frame *frame)
{
    size_t payload_size = peer_frame_payload_size(frame);
    assert(frame->head.size <= PEER_FRAME_HEAD_MAX);
    assert(payload_size <= PEER_FRAME_PAYLOAD_MAX);

    uint8_t *at = bytes_put_le32(into, FRAME_MAGIC);
    *at++ = PEER_VERSION_MAX;
    *at++ = (uint8_t)kind;
    *at++ = (uint8_t)channel;
    *at++ = 0;
    at = bytes_put_le32(at, (uint32_t)frame->head.size);
    at = bytes_put_le32(at, (uint32_t)payload_size);
    uint32_t crc = crc32c(crc32c(0, bytes_of(into, CRC_AT)), frame->head);
    for (unsigned i = 0; is_payload_covered(channel) && i < frame->payload_count; i++)
        crc = crc32c(crc, frame->payload[i].bytes);
    bytes_put_le32(at, crc);
}

static int check_header(const struct peer_frame *f, uint32_t magic, uint8_t zero,
                        const struct peer_frame_limits *limits)
{
    if (magic != FRAME_MAGIC || zero != 0)
        return ERR_MALFORMED;
    if (f->version < PEER_VERSION_MIN || f->version > PEER_VERSION_MAX)
        return ERR_VERSION;
    if (f->kind < PEER_FRAME_HELLO || f->kind > PEER_FRAME_MESSAGE ||
        f->channel >= NET_CHANNEL_COUNT)
        return ERR_MALFORMED;
    if (f->kind != PEER_FRAME_MESSAGE && f->payload_size != 0)
        return ERR_MALFORMED;
    if (f->head_size > limits->head_size_max || f->payload_size > limits->payload_size_max)
        return ERR_TOO_LARGE;
    return 0;
}

int peer_frame_decode(struct bytes from, const struct peer_frame_limits *limits,
                      struct peer_frame *frame, size_t *size_needed)
{
    *size_needed = PEER_FRAME_HEADER_SIZE;
    if (from.size < PEER_FRAME_HEADER_SIZE)
        return ERR_NEED_MORE;
    struct bytes_reader r = bytes_reader_of(bytes_of(from.data, PEER_FRAME_HEADER_SIZE));
    uint32_t magic = bytes_read_le32(&r);
    frame->version = bytes_read_u8(&r);
    frame->kind = (enum peer_frame_kind)bytes_read_u8(&r);
    frame->channel = (enum net_channel)bytes_read_u8(&r);
    uint8_t zero = bytes_read_u8(&r);
    frame->head_size = bytes_read_le32(&r);
    frame->payload_size = bytes_read_le32(&r);
    uint32_t crc = bytes_read_le32(&r);
    int err = check_header(frame, magic, zero, limits);
    if (err < 0)
        return err;

    size_t body_size = (size_t)frame->head_size + frame->payload_size;
    *size_needed = PEER_FRAME_HEADER_SIZE + body_size;
    if (from.size < *size_needed)
        return ERR_NEED_MORE;
    frame->body = bytes_of(from.data + PEER_FRAME_HEADER_SIZE, body_size);
    size_t covered = is_payload_covered(frame->channel) ? body_size : frame->head_size;
    uint32_t seen = crc32c(crc32c(0, bytes_of(from.data, CRC_AT)),
                           bytes_of(frame->body.data, covered));
    return seen == crc ? (int)*size_needed : ERR_CORRUPT;
}
