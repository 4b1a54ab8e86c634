#include "../../replication/peer_link_receive.h"

#include <criterion/criterion.h>

#include "base/random.h"

#define BUFFER_SIZE ((size_t)16 << 10)

/* Appends an ENTRIES frame whose body is `size` bytes of `fill`, all of it payload. */
static size_t put_frame(uint8_t *at, uint8_t fill, size_t size)
{
    memset(at + PEER_FRAME_HEADER_SIZE, fill, size);
    struct slice piece = {.bytes = bytes_of(at + PEER_FRAME_HEADER_SIZE, size)};
    struct net_frame frame = {.payload = &piece, .payload_count = 1};
    peer_frame_encode(at, PEER_FRAME_MESSAGE, NET_ENTRIES, &frame);
    return PEER_FRAME_HEADER_SIZE + size;
}

/* Reads at most `chunk` bytes of what is left, as a socket would give them. */
static size_t read_some(struct peer_receive *r, struct bytes left, size_t chunk)
{
    uint8_t *at;
    size_t room;
    cr_assert_eq(peer_receive_room(r, &at, &room), 0);
    cr_assert_gt(room, 0);
    size_t size = left.size < chunk ? left.size : chunk;
    size = size < room ? size : room;
    memcpy(at, left.data, size);
    peer_receive_filled(r, size);
    return size;
}

static bool is_all(struct bytes bytes, uint8_t fill)
{
    for (size_t i = 0; i < bytes.size; i++)
        if (bytes.data[i] != fill)
            return false;
    return true;
}

Test(peer_link_receive, gives_every_frame_whole_however_the_bytes_arrive)
{
    enum { FRAMES = 200 };
    size_t before = buffer_total_bytes();
    struct random r;
    random_init(&r, 9);
    uint8_t *stream = malloc((size_t)FRAMES * 50000);
    size_t sizes[FRAMES], stream_size = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        sizes[i] = random_chance(&r, 0.8) ? random_below(&r, 600) : random_below(&r, 48000);
        stream_size += put_frame(stream + stream_size, (uint8_t)i, sizes[i]);
    }
    for (int round = 0; round < 20; round++) {
        struct peer_receive receive;
        peer_receive_init(&receive, BUFFER_SIZE);
        struct slice held[FRAMES];
        size_t count = 0, position = 0;
        size_t chunk_max = round == 0 ? 1 : 1 + random_below(&r, 30000);
        while (position < stream_size) {
            position += read_some(&receive, bytes_of(stream + position, stream_size - position),
                                  1 + random_below(&r, chunk_max));
            struct peer_frame f;
            int got;
            while ((got = peer_receive_next(&receive, &peer_frame_limits_up, &f)) > 0) {
                cr_assert_eq(f.body.size, sizes[count]);
                held[count++] = (struct slice){.owner = buffer_ref(receive.buffer),
                                               .bytes = f.body};
            }
            cr_assert_eq(got, 0);
        }
        cr_assert_eq(count, FRAMES);
        peer_receive_close(&receive);
        for (size_t i = 0; i < FRAMES; i++) {
            cr_assert(is_all(held[i].bytes, (uint8_t)i), "a held frame must not change");
            slice_unref(&held[i]);
        }
    }
    free(stream);
    cr_assert_eq(buffer_total_bytes(), before);
}

Test(peer_link_receive, uses_one_buffer_again_while_nobody_holds_it)
{
    uint8_t bytes[1000];
    size_t size = put_frame(bytes, 1, 900);
    struct peer_receive r;
    peer_receive_init(&r, BUFFER_SIZE);
    struct buffer *first = NULL;
    for (int i = 0; i < 1000; i++) {
        for (size_t at = 0; at < size;) {
            at += read_some(&r, bytes_of(bytes + at, size - at), 333);
            struct peer_frame f;
            cr_assert_eq(peer_receive_next(&r, &peer_frame_limits_up, &f), at == size);
        }
        first = first == NULL ? r.buffer : first;
        cr_assert_eq(r.buffer, first);
    }
    peer_receive_close(&r);
}

Test(peer_link_receive, lays_held_frames_side_by_side_in_a_buffer)
{
    uint8_t bytes[1000];
    size_t size = put_frame(bytes, 1, 900);
    struct peer_receive r;
    peer_receive_init(&r, BUFFER_SIZE);
    enum { FRAMES = 100 };
    struct slice held[FRAMES];
    size_t before = buffer_total_bytes();
    for (size_t i = 0; i < FRAMES; i++) {
        cr_assert_eq(read_some(&r, bytes_of(bytes, size), size), size);
        struct peer_frame f;
        cr_assert_eq(peer_receive_next(&r, &peer_frame_limits_up, &f), 1);
        held[i] = (struct slice){.owner = buffer_ref(r.buffer), .bytes = f.body};
    }
    size_t taken = buffer_total_bytes() - before;
    cr_assert_leq(taken, FRAMES * size * 3 / 2 + BUFFER_SIZE, "held frames pin what they weigh");
    for (size_t i = 0; i < FRAMES; i++)
        slice_unref(&held[i]);
    peer_receive_close(&r);
}

Test(peer_link_receive, gives_a_frame_beyond_its_size_a_buffer_of_its_own_that_goes_with_it)
{
    size_t large = 10 * BUFFER_SIZE;
    uint8_t *bytes = malloc(large + 100);
    size_t size = put_frame(bytes, 5, large);
    struct peer_receive r;
    peer_receive_init(&r, BUFFER_SIZE);
    struct peer_frame f;
    for (size_t at = 0; at < size;) {
        at += read_some(&r, bytes_of(bytes + at, size - at), 5000);
        cr_assert_eq(peer_receive_next(&r, &peer_frame_limits_up, &f), at == size);
    }
    cr_assert_eq(r.buffer->capacity, size, "exactly the frame");
    cr_assert(is_all(f.body, 5));
    size_t small = put_frame(bytes, 6, 10);
    cr_assert_eq(read_some(&r, bytes_of(bytes, small), small), small);
    cr_assert_eq(r.buffer->capacity, BUFFER_SIZE, "the large one is not kept");
    cr_assert_eq(peer_receive_next(&r, &peer_frame_limits_up, &f), 1);
    peer_receive_close(&r);
    free(bytes);
}

Test(peer_link_receive, reports_a_broken_stream)
{
    uint8_t bytes[100];
    size_t size = put_frame(bytes, 1, 50);
    bytes[PEER_FRAME_HEADER_SIZE - 1] ^= 0x40; /* the checksum */
    struct peer_receive r;
    peer_receive_init(&r, BUFFER_SIZE);
    read_some(&r, bytes_of(bytes, size), size);
    struct peer_frame f;
    cr_assert_lt(peer_receive_next(&r, &peer_frame_limits_up, &f), 0);
    peer_receive_close(&r);
}
