#include "../../replication/peer_link_frame.h"

#include <criterion/criterion.h>

#include "base/random.h"
#include "replication/peer_link.h"

#define FRAME_ROOM 512

/* A frame with a head of 40 bytes and a payload of two pieces, 100 bytes together. */
static size_t frame_on(enum net_channel channel, uint8_t into[FRAME_ROOM])
{
    static uint8_t content[140];
    for (size_t i = 0; i < sizeof content; i++)
        content[i] = (uint8_t)(i * 7 + 1);
    struct slice pieces[2] = {{.bytes = bytes_of(content + 40, 30)},
                              {.bytes = bytes_of(content + 70, 70)}};
    struct net_frame frame = {.head = bytes_of(content, 40), .payload = pieces, .payload_count = 2};
    peer_frame_encode(into, PEER_FRAME_MESSAGE, channel, &frame);
    memcpy(into + PEER_FRAME_HEADER_SIZE, content, sizeof content);
    return PEER_FRAME_HEADER_SIZE + sizeof content;
}

static int decode(const uint8_t *at, size_t size, struct peer_frame *f, size_t *needed)
{
    /* A copy of exactly `size` bytes lets the address sanitizer see a read beyond the end. */
    uint8_t *exact = malloc(size + (size == 0));
    memcpy(exact, at, size);
    int got = peer_frame_decode(bytes_of(exact, size), &peer_frame_limits_up, f, needed);
    free(exact);
    return got;
}

Test(peer_link_frame, gives_back_what_was_encoded)
{
    for (enum net_channel channel = 0; channel < NET_CHANNEL_COUNT; channel++) {
        uint8_t bytes[FRAME_ROOM];
        size_t size = frame_on(channel, bytes), needed;
        struct peer_frame f;
        int got = peer_frame_decode(bytes_of(bytes, sizeof bytes), &peer_frame_limits_up, &f,
                                    &needed);
        cr_assert_eq(got, (int)size);
        cr_assert_eq(f.kind, PEER_FRAME_MESSAGE);
        cr_assert_eq(f.channel, channel);
        cr_assert_eq(f.head_size, 40);
        cr_assert_eq(f.payload_size, 100);
        cr_assert(bytes_is_equal(f.body, bytes_of(bytes + PEER_FRAME_HEADER_SIZE, 140)));
    }
}

Test(peer_link_frame, needs_more_at_every_truncation_and_says_how_much)
{
    uint8_t bytes[FRAME_ROOM];
    size_t size = frame_on(NET_ENTRIES, bytes);
    for (size_t cut = 0; cut < size; cut++) {
        struct peer_frame f;
        size_t needed = 0;
        cr_assert_eq(decode(bytes, cut, &f, &needed), ERR_NEED_MORE);
        cr_assert_eq(needed, cut < PEER_FRAME_HEADER_SIZE ? PEER_FRAME_HEADER_SIZE : size);
    }
}

Test(peer_link_frame, sees_every_flipped_bit_that_its_checksum_covers)
{
    for (enum net_channel channel = 0; channel < NET_CHANNEL_COUNT; channel++) {
        uint8_t bytes[FRAME_ROOM];
        size_t size = frame_on(channel, bytes);
        size_t covered = channel == NET_ENTRIES ? PEER_FRAME_HEADER_SIZE + 40 : size;
        for (size_t bit = 0; bit < 8 * covered; bit++) {
            struct peer_frame f;
            size_t needed;
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            cr_assert_lt(decode(bytes, size, &f, &needed), 0, "bit %zu", bit);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    }
}

Test(peer_link_frame, refuses_lengths_beyond_the_limit_with_the_header_alone)
{
    static const uint32_t lengths[] = {0xffffffffu, 0x80000000u, PEER_FRAME_PAYLOAD_MAX + 1u};
    for (size_t i = 0; i < 3; i++) {
        uint8_t bytes[FRAME_ROOM];
        struct peer_frame f;
        size_t needed;
        frame_on(NET_ENTRIES, bytes);
        bytes_put_le32(bytes + 8, lengths[i]);
        cr_assert_eq(decode(bytes, PEER_FRAME_HEADER_SIZE, &f, &needed), ERR_TOO_LARGE);
        frame_on(NET_ENTRIES, bytes);
        bytes_put_le32(bytes + 12, lengths[i]);
        cr_assert_eq(decode(bytes, PEER_FRAME_HEADER_SIZE, &f, &needed), ERR_TOO_LARGE);
    }
}

Test(peer_link_frame, takes_no_message_and_no_large_head_in_a_greeting)
{
    uint8_t bytes[FRAME_ROOM];
    struct peer_frame f;
    size_t needed, size = frame_on(NET_CONTROL, bytes);
    cr_assert_eq(peer_frame_decode(bytes_of(bytes, size), &peer_frame_limits_greeting, &f, &needed),
                 ERR_TOO_LARGE);
}

Test(peer_link_frame, tells_another_version_from_garbage)
{
    uint8_t bytes[FRAME_ROOM];
    struct peer_frame f;
    size_t needed, size = frame_on(NET_CONTROL, bytes);
    bytes[4] = PEER_VERSION_MAX + 1;
    cr_assert_eq(decode(bytes, size, &f, &needed), ERR_VERSION);
    bytes[4] = 0;
    cr_assert_eq(decode(bytes, size, &f, &needed), ERR_VERSION);
    bytes[0] ^= 1;
    cr_assert_eq(decode(bytes, size, &f, &needed), ERR_MALFORMED);
}

Test(peer_link_frame, never_takes_random_bytes_for_a_frame)
{
    struct random r;
    random_init(&r, 11);
    for (int round = 0; round < 20000; round++) {
        uint8_t bytes[FRAME_ROOM];
        size_t size = random_below(&r, sizeof bytes), needed;
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)random_u64(&r);
        struct peer_frame f;
        int got = decode(bytes, size, &f, &needed);
        cr_assert(got < 0);
        cr_assert(got != ERR_NEED_MORE || size < PEER_FRAME_HEADER_SIZE);
    }
}
