/* When to compress what is shipped.
 *
 * A piece of n bytes takes n / link on its way. Compressed to m it takes m / link, and the time to
 * compress it, in which the source's worker does nothing else. So it pays while
 *
 *     (n - m) / link  >  time to compress
 *
 * What n, m and the time are is known from the newest pieces. Batches that producers have
 * compressed gain nothing: after a few such pieces the next megabytes go as they are, then one is
 * tried again, for a topic's data may be followed by another's. Decompression is some times
 * faster than compression and not looked at.
 *
 * A receiver can't tell a slow link from a source that is busy. The source can: asks come one by
 * one as the link delivers, or they find the ones before still being read. Then its disk or its
 * processors are the limit, and compressing would take more of what producers need. */
#include "ship_gain.h"

#define SECOND_NS       UINT64_C(1000000000)
#define MEASURE_NS      (SECOND_NS / 5) /* of the link */
#define COMPRESSED_NS   SECOND_NS       /* compressed pieces come, if one did so lately */
#define STALE_NS        (10 * SECOND_NS)
#define PIECE_SIZE_MIN  1024u /* smaller ones are all head */
#define POOR_MAX        4u
#define POOR_SHARE      10u /* under a tenth is next to nothing */
#define REST_BYTES      (UINT64_C(32) << 20)
#define ASKS_KNOWN      8u                   /* bits of ask_history that count */
#define ASKS_BUSY_MIN   6u                   /* so many of them had to queue: we are the limit */
#define QUEUE_BYTES_MIN (UINT64_C(1) << 20)  /* small files are asked for in bunches */
#define KNOWN_BYTES_MAX (UINT64_C(16) << 20) /* older pieces count half, then a quarter, ... */

/* ---- the receiver ---- */

static void measure(struct ship_link *l, uint64_t now_ns)
{
    uint64_t took_ns = now_ns - l->since_ns;
    if (took_ns < MEASURE_NS)
        return;
    l->bytes_per_second = (uint64_t)((double)l->bytes * (double)SECOND_NS / (double)took_ns) + 1;
    l->measured_ns = l->since_ns = now_ns;
    l->bytes = 0;
}

void ship_link_on_piece(struct ship_link *l, uint64_t now_ns, size_t wire_bytes, bool is_compressed,
                        bool is_busy)
{
    if (is_compressed)
        l->compressed_ns = now_ns;
    if (!is_busy) {
        ship_link_hold(l, now_ns);
    } else if (l->since_ns == 0) {
        l->since_ns = now_ns; /* this one has been waited for since nobody knows when */
        l->bytes = 0;
    } else {
        l->bytes += wire_bytes;
        measure(l, now_ns);
    }
}

void ship_link_hold(struct ship_link *l, uint64_t now_ns)
{
    bool is_relieved = l->compressed_ns != 0 && now_ns - l->compressed_ns < COMPRESSED_NS &&
                       now_ns - l->measured_ns < STALE_NS;
    l->since_ns = 0;
    if (!is_relieved)
        l->bytes_per_second = 0;
}

/* ---- the source ---- */

static void rest(struct ship_gain *g)
{
    *g = (struct ship_gain){.rest_bytes = REST_BYTES, .ask_history = g->ask_history};
}

void ship_gain_on_ask(struct ship_gain *g, uint64_t reading_bytes)
{
    bool must_queue = reading_bytes >= QUEUE_BYTES_MIN;
    g->ask_history = (g->ask_history << 1 | must_queue) & ((1u << ASKS_KNOWN) - 1);
}

static bool is_source_busy(const struct ship_gain *g)
{
    return (unsigned)__builtin_popcount(g->ask_history) >= ASKS_BUSY_MIN;
}

static bool does_pay(const struct ship_gain *g, uint64_t link_bytes_per_second)
{
    double saved_ns = (double)(g->plain_bytes - g->wire_bytes) * (double)SECOND_NS /
                      (double)link_bytes_per_second;
    return saved_ns > (double)g->compress_ns;
}

bool ship_gain_should_try(struct ship_gain *g, enum repl_ship_compression compression,
                          uint64_t link_bytes_per_second, size_t size)
{
    bool is_forced = compression == REPL_SHIP_COMPRESSION_ALWAYS;
    if (compression == REPL_SHIP_COMPRESSION_NEVER || size < PIECE_SIZE_MIN)
        return false;
    if (!is_forced && (link_bytes_per_second == 0 || is_source_busy(g)))
        return false;
    if (g->rest_bytes > 0) {
        g->rest_bytes -= size < g->rest_bytes ? size : g->rest_bytes;
        return false;
    }
    if (is_forced || g->plain_bytes == 0 || does_pay(g, link_bytes_per_second))
        return true;
    rest(g); /* other data, or an idler processor, may say otherwise later */
    return false;
}

void ship_gain_tried(struct ship_gain *g, size_t plain_bytes, size_t wire_bytes,
                     uint64_t compress_ns)
{
    if (g->rest_bytes > 0)
        return; /* tried beside the last poor one */
    g->plain_bytes += plain_bytes;
    g->wire_bytes += wire_bytes;
    g->compress_ns += compress_ns;
    bool is_poor = (plain_bytes - wire_bytes) * POOR_SHARE < plain_bytes;
    g->poor_count = is_poor ? g->poor_count + 1 : 0;
    if (g->poor_count >= POOR_MAX) {
        rest(g);
    } else if (g->plain_bytes > KNOWN_BYTES_MAX) {
        g->plain_bytes /= 2;
        g->wire_bytes /= 2;
        g->compress_ns /= 2;
    }
}
