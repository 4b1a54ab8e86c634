/* Whole frames out of a byte stream, in counted buffers that whoever keeps a frame refers to.
 *
 * An ordinary buffer serves many small frames; a frame that does not fit gets a buffer of its own
 * size. Nothing is copied but the beginning of a frame that the last buffer had no room for. */
#ifndef ROUTER_FRAME_INPUT_H
#define ROUTER_FRAME_INPUT_H

#include <uv.h>

#include "base/buffer.h"

#define FRAME_INPUT_BYTES (64u * 1024) /* of an ordinary buffer */

struct frame_input {
    struct buffer *buffer; /* NULL while nothing is held */
    size_t start, end;     /* of what was read and not taken */
    uint32_t frame_bytes_max;
};

/* Where the next bytes go: uv_alloc_cb's part. An empty buffer without memory. */
void frame_input_room(struct frame_input *input, uv_buf_t *into);
void frame_input_add(struct frame_input *input, size_t size);
/* 1 and the next frame's content, borrowed from the input (reference it to keep it); 0 when there
 * is no whole one; ERR_MALFORMED, ERR_TOO_LARGE. */
int frame_input_next(struct frame_input *input, struct slice *frame);
/* What was read and not taken. */
size_t frame_input_held_bytes(const struct frame_input *input);
/* The size of the frame that has begun and is not whole, size field included; 0: not known. */
size_t frame_input_wanted_bytes(const struct frame_input *input);
/* Gives the buffer back if nothing is held in it: an idle connection has none. */
void frame_input_rest(struct frame_input *input);
void frame_input_close(struct frame_input *input);

#endif
