/* The table of pieces under way: 32 at most, so every question is a walk over all. */
#include "ship_window.h"

#include <assert.h>

struct ship_piece *ship_window_begin(struct ship_window *w, uint32_t file, uint64_t position,
                                     uint32_t size)
{
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++) {
        struct ship_piece *p = &w->pieces[n];
        if (p->state != SHIP_PIECE_UNUSED)
            continue;
        *p = (struct ship_piece){
            .state = SHIP_PIECE_ASKED, .file = file, .position = position, .size = size};
        w->count++;
        w->in_flight_bytes += size;
        return p;
    }
    return NULL;
}

void ship_window_end(struct ship_window *w, struct ship_piece *p)
{
    assert(p->state != SHIP_PIECE_UNUSED && w->count > 0 && w->in_flight_bytes >= p->size);
    w->count--;
    w->in_flight_bytes -= p->size;
    p->state = SHIP_PIECE_UNUSED;
}

struct ship_piece *ship_window_find(struct ship_window *w, uint32_t file, uint64_t position)
{
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++) {
        struct ship_piece *p = &w->pieces[n];
        if (p->state == SHIP_PIECE_ASKED && p->file == file && p->position == position)
            return p;
    }
    return NULL;
}

size_t ship_window_asked_bytes(const struct ship_window *w)
{
    size_t bytes = 0;
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++)
        if (w->pieces[n].state == SHIP_PIECE_ASKED && w->pieces[n].file != REPL_SHIP_CONTENTS)
            bytes += w->pieces[n].size;
    return bytes;
}

bool ship_window_is_busy(const struct ship_window *w, size_t bytes_max)
{
    unsigned count = 0;
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++)
        count += w->pieces[n].state == SHIP_PIECE_ASKED;
    return ship_window_asked_bytes(w) >= bytes_max / 2 || count >= REPL_SHIP_ASKS_MAX / 2;
}

bool ship_window_is_turn(const struct ship_window *w, const struct ship_piece *p)
{
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++) {
        const struct ship_piece *other = &w->pieces[n];
        if (other->state != SHIP_PIECE_UNUSED && other->file == p->file &&
            other->position < p->position)
            return false;
    }
    return true;
}

struct ship_piece *ship_window_next(struct ship_window *w, uint32_t file)
{
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++) {
        struct ship_piece *p = &w->pieces[n];
        if (p->state == SHIP_PIECE_WAITING && p->file == file && ship_window_is_turn(w, p))
            return p;
    }
    return NULL;
}

struct ship_piece *ship_window_written(struct ship_window *w, struct log_install_write *write)
{
    struct ship_piece *p = (struct ship_piece *)((uint8_t *)write -
                                                 offsetof(struct ship_piece, write));
    assert(p >= w->pieces && p < w->pieces + REPL_SHIP_ASKS_MAX && p->state == SHIP_PIECE_WRITING);
    return p;
}

void ship_window_close(struct ship_window *w)
{
    assert(w->write_count == 0);
    for (unsigned n = 0; n < REPL_SHIP_ASKS_MAX; n++)
        if (w->pieces[n].state == SHIP_PIECE_WAITING)
            slice_unref(&w->pieces[n].write.piece);
}
