/* Frames out of a byte stream. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "router/frame_input.h"

static const uint8_t three[] = {0,   0,   0,   2,   'a', 'b', 0, 0, 0,  4,
                                'c', 'd', 'e', 'f', 0,   0,   0, 1, 'g'};

static void feed(struct frame_input *input, const uint8_t *from, size_t size)
{
    while (size > 0) {
        uv_buf_t into;
        frame_input_room(input, &into);
        cr_assert_gt(into.len, 0);
        size_t part = size < into.len ? size : into.len;
        memcpy(into.base, from, part);
        frame_input_add(input, part);
        from += part;
        size -= part;
    }
}

static size_t take(struct frame_input *input, char *into)
{
    struct slice frame;
    size_t size = 0;
    while (frame_input_next(input, &frame) > 0) {
        memcpy(into + size, frame.bytes.data, frame.bytes.size);
        size += frame.bytes.size;
    }
    return size;
}

Test(router_frame_input, gives_the_same_frames_wherever_the_stream_is_cut)
{
    for (size_t at = 0; at <= sizeof three; at++) {
        struct frame_input input = {.frame_bytes_max = 100};
        char got[16];
        feed(&input, three, at);
        size_t size = take(&input, got);
        feed(&input, three + at, sizeof three - at);
        size += take(&input, got + size);
        cr_assert_eq(size, 7);
        cr_assert_arr_eq(got, "abcdefg", 7);
        frame_input_rest(&input);
        cr_assert_null(input.buffer, "nothing is held");
        frame_input_close(&input);
    }
}

Test(router_frame_input, a_frame_that_is_kept_does_not_change_under_what_comes_after_it)
{
    struct frame_input input = {.frame_bytes_max = 1u << 20};
    struct slice kept, next;
    feed(&input, three, 6 + 5);
    cr_assert_eq(frame_input_next(&input, &kept), 1);
    kept = slice_ref(kept);
    frame_input_rest(&input);
    feed(&input, three + 11, sizeof three - 11);
    cr_assert_eq(frame_input_next(&input, &next), 1);
    cr_assert_arr_eq(next.bytes.data, "cdef", 4);
    cr_assert_arr_eq(kept.bytes.data, "ab", 2);
    slice_unref(&kept);
    frame_input_close(&input);
}

Test(router_frame_input, a_frame_larger_than_a_buffer_gets_one_of_its_own_size)
{
    static uint8_t large[4 + 3 * FRAME_INPUT_BYTES];
    struct frame_input input = {.frame_bytes_max = sizeof large};
    struct slice frame;
    bytes_put_be32(large, sizeof large - 4);
    memset(large + 4, 'x', sizeof large - 4);
    large[sizeof large - 1] = 'y';
    for (size_t at = 0; at < sizeof large; at += 1000)
        feed(&input, large + at, sizeof large - at < 1000 ? sizeof large - at : 1000);
    cr_assert_eq(frame_input_next(&input, &frame), 1);
    cr_assert_eq(frame.bytes.size, sizeof large - 4);
    cr_assert_arr_eq(frame.bytes.data, large + 4, sizeof large - 4);
    frame_input_close(&input);
}

Test(router_frame_input, refuses_sizes_that_are_too_large_or_negative_before_it_takes_memory)
{
    static const uint8_t too_large[] = {0, 0, 0, 101}, negative[] = {0xff, 0xff, 0xff, 0xff};
    struct frame_input input = {.frame_bytes_max = 100};
    struct slice frame;
    feed(&input, too_large, sizeof too_large);
    cr_assert_eq(frame_input_next(&input, &frame), ERR_TOO_LARGE);
    frame_input_close(&input);
    feed(&input, negative, sizeof negative);
    cr_assert_eq(frame_input_next(&input, &frame), ERR_MALFORMED);
    frame_input_close(&input);
}
