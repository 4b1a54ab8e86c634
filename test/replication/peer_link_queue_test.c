#include "../../replication/peer_link_queue.h"

#include <criterion/criterion.h>

#include "base/random.h"

#define STREAM_MAX ((size_t)4 << 20)

/* What was pushed and what came out, side by side. */
struct streams {
    uint8_t *pushed, *taken;
    size_t pushed_size, taken_size;
};

static struct streams streams_of_nothing(void)
{
    return (struct streams){.pushed = malloc(STREAM_MAX), .taken = malloc(STREAM_MAX)};
}

static void append(struct streams *s, struct bytes bytes)
{
    cr_assert_leq(s->pushed_size + bytes.size, STREAM_MAX);
    memcpy(s->pushed + s->pushed_size, bytes.data, bytes.size);
    s->pushed_size += bytes.size;
}

static void push_random(struct peer_queue *q, struct streams *s, struct random *r)
{
    uint8_t header[PEER_FRAME_HEADER_SIZE], head[300];
    struct slice pieces[5];
    unsigned count = (unsigned)random_below(r, 6);
    memset(header, (int)random_below(r, 256), sizeof header);
    memset(head, (int)random_below(r, 256), sizeof head);
    for (unsigned i = 0; i < count; i++) {
        struct buffer *b = buffer_create(2000);
        memset(b->data, (int)random_below(r, 256), b->capacity);
        pieces[i] = (struct slice){.owner = b, .bytes = bytes_of(b->data, random_below(r, 2000))};
    }
    struct net_frame frame = {.head = bytes_of(head, random_below(r, sizeof head)),
                              .payload = pieces,
                              .payload_count = count};
    cr_assert_eq(peer_queue_push(q, header, &frame), 0);
    append(s, bytes_of(header, sizeof header));
    append(s, frame.head);
    for (unsigned i = 0; i < count; i++) {
        append(s, pieces[i].bytes);
        slice_unref(&pieces[i]); /* the queue has its own claim */
    }
}

/* Gathers, and "writes" some of that, like a kernel that is nearly full. */
static void take_random(struct peer_queue *q, struct streams *s, struct random *r, bool is_all)
{
    uv_buf_t pieces[7];
    size_t size, gathered = 0;
    unsigned count = peer_queue_gather(q, pieces, 7, &size);
    size_t written = is_all ? size : (size > 0 ? random_below(r, size + 1) : 0);
    for (unsigned i = 0; i < count; i++) {
        size_t part = pieces[i].len < written - gathered ? pieces[i].len : written - gathered;
        memcpy(s->taken + s->taken_size, pieces[i].base, part);
        s->taken_size += part;
        gathered += part;
    }
    peer_queue_consume(q, written);
}

Test(peer_link_queue, gives_the_bytes_in_order_whatever_the_kernel_takes)
{
    size_t before = buffer_total_bytes();
    struct streams s = streams_of_nothing();
    struct random r;
    random_init(&r, 3);
    struct peer_queue q;
    peer_queue_init(&q);
    for (int round = 0; round < 1500; round++) {
        if (random_chance(&r, 0.4) && s.pushed_size < STREAM_MAX - 20000)
            push_random(&q, &s, &r);
        else
            take_random(&q, &s, &r, false);
        cr_assert_eq(q.size_bytes, s.pushed_size - s.taken_size);
    }
    while (q.size_bytes > 0)
        take_random(&q, &s, &r, true);
    cr_assert_eq(s.taken_size, s.pushed_size);
    cr_assert_eq(memcmp(s.taken, s.pushed, s.pushed_size), 0);
    peer_queue_close(&q);
    cr_assert_eq(buffer_total_bytes(), before, "every claim was given back");
    free(s.pushed);
    free(s.taken);
}

Test(peer_link_queue, makes_one_piece_of_many_small_frames)
{
    struct peer_queue q;
    peer_queue_init(&q);
    uint8_t header[PEER_FRAME_HEADER_SIZE] = {0};
    for (int i = 0; i < 100; i++) {
        struct net_frame frame = {.head = bytes_of_text("a heartbeat")};
        cr_assert_eq(peer_queue_push(&q, header, &frame), 0);
    }
    uv_buf_t pieces[4];
    size_t size;
    cr_assert_eq(peer_queue_gather(&q, pieces, 4, &size), 1);
    cr_assert_eq(size, 100 * (PEER_FRAME_HEADER_SIZE + strlen("a heartbeat")));
    peer_queue_close(&q);
}

Test(peer_link_queue, references_a_large_payload_and_gives_the_claim_back_when_written)
{
    struct peer_queue q;
    peer_queue_init(&q);
    uint8_t header[PEER_FRAME_HEADER_SIZE] = {0};
    struct buffer *b = buffer_create(65536);
    memset(b->data, 1, b->capacity);
    struct slice piece = {.owner = b, .bytes = bytes_of(b->data, b->capacity)};
    struct net_frame frame = {.payload = &piece, .payload_count = 1};
    cr_assert_eq(peer_queue_push(&q, header, &frame), 0);
    cr_assert_eq(atomic_load(&b->references), 2);
    uv_buf_t pieces[4];
    size_t size;
    cr_assert_eq(peer_queue_gather(&q, pieces, 4, &size), 2);
    cr_assert_eq((uint8_t *)pieces[1].base, b->data, "not copied");
    peer_queue_consume(&q, size - 1);
    cr_assert_eq(atomic_load(&b->references), 2, "still needed for its last byte");
    peer_queue_consume(&q, 1);
    cr_assert_eq(atomic_load(&b->references), 1);
    buffer_unref(b);
    peer_queue_close(&q);
}

Test(peer_link_queue, uses_its_chunk_again_once_all_is_written)
{
    struct peer_queue q;
    peer_queue_init(&q);
    uint8_t header[PEER_FRAME_HEADER_SIZE] = {0};
    struct net_frame frame = {.head = bytes_of_text("again")};
    cr_assert_eq(peer_queue_push(&q, header, &frame), 0);
    const struct buffer *chunk = q.chunk;
    for (int i = 0; i < 10000; i++) {
        peer_queue_consume(&q, q.size_bytes);
        cr_assert_eq(peer_queue_push(&q, header, &frame), 0);
        cr_assert_eq(q.chunk, chunk);
    }
    peer_queue_close(&q);
}
