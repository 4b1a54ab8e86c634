/* Any bytes as what a peer sends: once through the decoders of frame, hello and refusal, once
 * through a connection's receive buffer in pieces whose sizes the first byte chooses. Both must see
 * the same frames, and what was decoded must encode to the same bytes. */
#include <assert.h>
#include <string.h>

#include "../../replication/peer_link_hello.h"
#include "../../replication/peer_link_receive.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BUFFER_SIZE ((size_t)8 << 10)

/* A hello that our release wrote gives its own bytes again. */
static void decode_head(const struct peer_frame *f)
{
    struct peer_hello hello;
    unsigned refusal;
    uint32_t node_id;
    uint8_t again[PEER_HELLO_SIZE_MAX];
    if (peer_hello_decode(f->body, &hello) == 0 && hello.version_max <= PEER_VERSION_MAX) {
        size_t size = peer_hello_encode(&hello, again);
        assert(bytes_is_equal(bytes_of(again, size), f->body));
        assert(peer_refusal_text(peer_hello_judge(&hello, &hello.identity, NULL)) != NULL);
    }
    if (peer_refusal_decode(f->body, &refusal, &node_id) == 0) {
        peer_refusal_encode(refusal, node_id, again);
        assert(bytes_is_equal(bytes_of(again, PEER_REFUSAL_SIZE), f->body));
        assert(peer_refusal_text(refusal) != NULL);
    }
}

static void encode_again(const struct peer_frame *f, const uint8_t *at)
{
    uint8_t header[PEER_FRAME_HEADER_SIZE];
    struct slice payload = {.bytes = bytes_of(f->body.data + f->head_size, f->payload_size)};
    struct net_frame frame = {
        .head = bytes_of(f->body.data, f->head_size), .payload = &payload, .payload_count = 1};
    peer_frame_encode(header, f->kind, f->channel, &frame);
    assert(memcmp(header, at, sizeof header) == 0);
}

/* Frames up to the first error or the end; *bytes_total is the sum of their bodies. */
static unsigned decode_whole(struct bytes from, size_t *bytes_total)
{
    unsigned count = 0;
    struct peer_frame f;
    size_t needed;
    int consumed;
    while ((consumed = peer_frame_decode(from, &peer_frame_limits_up, &f, &needed)) > 0) {
        assert((size_t)consumed <= from.size && (size_t)consumed == needed);
        encode_again(&f, from.data);
        decode_head(&f);
        *bytes_total += f.body.size;
        count++;
        from = bytes_of(from.data + consumed, from.size - (size_t)consumed);
    }
    return count;
}

static unsigned decode_in_pieces(struct bytes from, size_t piece_max, size_t *bytes_total)
{
    unsigned count = 0;
    struct peer_receive r;
    peer_receive_init(&r, BUFFER_SIZE);
    int got = 0;
    while (from.size > 0 && got >= 0) {
        uint8_t *at;
        size_t room;
        if (peer_receive_room(&r, &at, &room) < 0)
            break;
        size_t size = from.size < piece_max ? from.size : piece_max;
        size = size < room ? size : room;
        memcpy(at, from.data, size);
        peer_receive_filled(&r, size);
        from = bytes_of(from.data + size, from.size - size);
        struct peer_frame f;
        while ((got = peer_receive_next(&r, &peer_frame_limits_up, &f)) > 0) {
            *bytes_total += f.body.size;
            count++;
        }
    }
    peer_receive_close(&r);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t piece_max = 1 + (size_t)data[0] * 17, whole_total = 0, pieces_total = 0;
    struct bytes stream = bytes_of(data + 1, size - 1);
    unsigned whole = decode_whole(stream, &whole_total);
    unsigned pieces = decode_in_pieces(stream, piece_max, &pieces_total);
    assert(whole == pieces && whole_total == pieces_total);
    /* Random input seldom has a right checksum: the inner decoders also get it as it is. */
    decode_head(&(struct peer_frame){.body = stream});
    return 0;
}
