/* Is it worth compressing what is shipped to another site? Pure: told sizes and times, it says so.
 *
 * The receiver knows what the link takes (struct ship_link) and tells it with what it asks for; the
 * source knows what compression costs and brings (struct ship_gain), and decides. */
#ifndef REPLICATION_SHIP_GAIN_H
#define REPLICATION_SHIP_GAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replication/node.h"

/* What the link has taken while it was what pieces waited for. Zeroed at first. */
struct ship_link {
    uint64_t bytes_per_second; /* on the wire; 0: not known, or the link is not the limit */
    uint64_t since_ns;         /* of the measurement under way, or 0 */
    uint64_t bytes;            /* that came since */
    uint64_t measured_ns;      /* the last one ended */
    uint64_t compressed_ns;    /* a compressed piece last came */
};

/* A piece has come: so many bytes on the wire. `is_busy`: so much is still on its way that the link
 * has had no rest. */
void ship_link_on_piece(struct ship_link *l, uint64_t now_ns, size_t wire_bytes, bool is_compressed,
                        bool is_busy);
/* Something else is waited for: our own rate or disk. The link is not the limit; while compressed
 * pieces come it may be just because of them, and counts as the limit for some seconds more. */
void ship_link_hold(struct ship_link *l, uint64_t now_ns);

/* What compressing pieces has brought lately, to one peer. Zeroed at first. */
struct ship_gain {
    uint64_t plain_bytes, wire_bytes; /* of the newest pieces that were tried */
    uint64_t compress_ns;             /* which took so long */
    unsigned poor_count;              /* the last ones in a row that gained next to nothing */
    uint64_t rest_bytes;              /* to go as they are before one is tried again */
    unsigned ask_history;             /* a bit for each of the newest asks: it had to queue */
};

/* An ask has come, and so many bytes for the same peer are still being read. If most asks find
 * some, it is not the link that pieces wait for. */
void ship_gain_on_ask(struct ship_gain *g, uint64_t reading_bytes);
/* Should this piece be tried? Counts it as sent. `link_bytes_per_second` as the receiver says. */
bool ship_gain_should_try(struct ship_gain *g, enum repl_ship_compression compression,
                          uint64_t link_bytes_per_second, size_t size);
/* One was: `wire_bytes` are as many as `plain_bytes` when it was left as it is. */
void ship_gain_tried(struct ship_gain *g, size_t plain_bytes, size_t wire_bytes,
                     uint64_t compress_ns);

#endif
