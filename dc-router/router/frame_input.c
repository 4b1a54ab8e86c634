/* A buffer that a frame still refers to is never written again below what was read; when its room
 * ends, what is left of the next frame moves to a new one. */
#include "router/frame_input.h"

#include <string.h>

#include "base/err.h"
#include "protocol/frame.h"

size_t frame_input_held_bytes(const struct frame_input *input)
{
    return input->end - input->start;
}

size_t frame_input_wanted_bytes(const struct frame_input *input)
{
    if (input->buffer == NULL || frame_input_held_bytes(input) < KAFKA_FRAME_SIZE_BYTES)
        return 0;
    return KAFKA_FRAME_SIZE_BYTES + (size_t)bytes_get_be32(input->buffer->data + input->start);
}

static bool is_own(const struct frame_input *input)
{
    return atomic_load(&input->buffer->references) == 1;
}

static bool replace(struct frame_input *input, size_t capacity)
{
    size_t held = input->buffer == NULL ? 0 : frame_input_held_bytes(input);
    struct buffer *next = buffer_create(capacity);
    if (next == NULL)
        return false;
    if (held > 0)
        memcpy(next->data, input->buffer->data + input->start, held);
    buffer_unref(input->buffer);
    *input = (struct frame_input){
        .buffer = next, .end = held, .frame_bytes_max = input->frame_bytes_max};
    return true;
}

static bool make_room(struct frame_input *input)
{
    size_t wanted = frame_input_wanted_bytes(input);
    if (input->buffer == NULL)
        return replace(input, FRAME_INPUT_BYTES);
    if (frame_input_held_bytes(input) == 0 && is_own(input))
        input->start = input->end = 0;
    bool has_room = input->buffer->capacity - input->start >= wanted &&
                    input->end < input->buffer->capacity;
    return has_room || replace(input, wanted > FRAME_INPUT_BYTES ? wanted : FRAME_INPUT_BYTES);
}

void frame_input_room(struct frame_input *input, uv_buf_t *into)
{
    if (!make_room(input)) {
        *into = uv_buf_init(NULL, 0); /* libuv reports ENOBUFS: the connection closes */
        return;
    }
    *into = uv_buf_init((char *)input->buffer->data + input->end,
                        (unsigned)(input->buffer->capacity - input->end));
}

void frame_input_add(struct frame_input *input, size_t size)
{
    input->end += size;
}

int frame_input_next(struct frame_input *input, struct slice *frame)
{
    struct bytes content;
    if (input->buffer == NULL)
        return 0;
    struct bytes held = bytes_of(input->buffer->data + input->start, frame_input_held_bytes(input));
    int used = kafka_frame_decode(held, input->frame_bytes_max, &content);
    if (used == ERR_NEED_MORE)
        return 0;
    if (used < 0)
        return used;
    input->start += (size_t)used;
    *frame = (struct slice){.owner = input->buffer, .bytes = content};
    return 1;
}

void frame_input_rest(struct frame_input *input)
{
    if (input->buffer == NULL || frame_input_held_bytes(input) > 0)
        return;
    buffer_unref(input->buffer);
    input->buffer = NULL;
    input->start = input->end = 0;
}

void frame_input_close(struct frame_input *input)
{
    buffer_unref(input->buffer);
    input->buffer = NULL;
    input->start = input->end = 0;
}
