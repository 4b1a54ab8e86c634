/* The pieces of a snapshot that a receiver has asked for and not written yet: a bounded table.
 *
 * A file's pieces are written in its order, one after the other: what is there of it is then its
 * front, also after a restart. One that comes before its turn waits here. */
#ifndef REPLICATION_SHIP_WINDOW_H
#define REPLICATION_SHIP_WINDOW_H

#include "log/store.h"
#include "message.h"

enum ship_piece_state {
    SHIP_PIECE_UNUSED,
    SHIP_PIECE_ASKED,
    SHIP_PIECE_WAITING, /* it has come; one before it in its file is not written */
    SHIP_PIECE_WRITING
};

struct ship_piece {
    enum ship_piece_state state;
    uint32_t file; /* REPL_SHIP_CONTENTS at first */
    uint64_t position;
    uint32_t size;
    uint64_t asked_ms;
    unsigned asks;
    bool was_offered;               /* once at least, it was asked for compressed, too */
    struct log_install_write write; /* WAITING: its piece is referenced; WRITING */
};

struct ship_window {
    struct ship_piece pieces[REPL_SHIP_ASKS_MAX];
    unsigned count;         /* used */
    unsigned write_count;   /* under way */
    size_t in_flight_bytes; /* of the used ones */
};

/* NULL when all are used. */
struct ship_piece *ship_window_begin(struct ship_window *w, uint32_t file, uint64_t position,
                                     uint32_t size);
void ship_window_end(struct ship_window *w, struct ship_piece *p);
/* One that is still waited for, or NULL. */
struct ship_piece *ship_window_find(struct ship_window *w, uint32_t file, uint64_t position);
/* Bytes of files that were asked for and have not come. */
size_t ship_window_asked_bytes(const struct ship_window *w);
/* So much was asked for and has not come yet that who sends it has had no rest: half of the pieces,
 * or of `bytes_max`. */
bool ship_window_is_busy(const struct ship_window *w, size_t bytes_max);
/* Nothing before it in its file is in the window. */
bool ship_window_is_turn(const struct ship_window *w, const struct ship_piece *p);
/* One of the file that waits and whose turn it is, or NULL. */
struct ship_piece *ship_window_next(struct ship_window *w, uint32_t file);
/* The one that this write is of. */
struct ship_piece *ship_window_written(struct ship_window *w, struct log_install_write *write);
/* Drops what waits. None may be written. */
void ship_window_close(struct ship_window *w);

#endif
