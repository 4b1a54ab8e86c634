/* What a follower last heard of its leader, kept in the WAL once a second.
 *
 * When a majority is lost for good, the operator must be told what is known to be lost and since
 * when more may be: this says how far the leader was, as of when. It rides with other appends and
 * asks for no sync of its own. Layout: u8 version 1, u8 × 7 zero, u64 leader's raft id, u64 term,
 * u64 commit index, i64 wall clock of this node in ms; little-endian. */
#include <string.h>

#include "base/err.h"
#include "group_internal.h"

#define HEARD_VERSION  1
#define HEARD_EVERY_MS 1000

_Static_assert(HEARD_SIZE == 40, "the layout above");

static void encode(const struct repl_heard *heard, uint8_t into[HEARD_SIZE])
{
    memset(into, 0, HEARD_SIZE);
    into[0] = HEARD_VERSION;
    bytes_put_le64(into + 8, heard->leader_raft_id);
    bytes_put_le64(into + 16, heard->term);
    bytes_put_le64(into + 24, heard->commit_index);
    bytes_put_le64(into + 32, (uint64_t)heard->wall_ms);
}

int repl_heard_read(struct log_wal *wal, uint32_t group_id, struct repl_heard *heard)
{
    static const uint8_t zeros[7];
    uint8_t from[HEARD_SIZE];
    size_t size = log_wal_heard(wal, group_id, from, sizeof from);
    if (size == 0)
        return ERR_NOT_FOUND;
    if (from[0] != HEARD_VERSION)
        return ERR_VERSION;
    if (size != HEARD_SIZE || memcmp(from + 1, zeros, sizeof zeros) != 0)
        return ERR_MALFORMED;
    *heard = (struct repl_heard){.leader_raft_id = bytes_get_le64(from + 8),
                                 .term = bytes_get_le64(from + 16),
                                 .commit_index = bytes_get_le64(from + 24),
                                 .wall_ms = (int64_t)bytes_get_le64(from + 32)};
    return 0;
}

static void on_kept(struct log_wal_append *append, int status)
{
    struct repl_group *g = append->data;
    g->is_keeping_heard = false;
    if (status != 0)
        group_fatal(g, status, "write-ahead log");
}

void group_heard_note(struct repl_group *g, uint64_t leader, uint64_t term, uint64_t commit)
{
    g->heard = (struct repl_heard){.leader_raft_id = leader,
                                   .term = term,
                                   .commit_index = commit,
                                   .wall_ms = clock_wall_ms(g->options.clock)};
    g->heard_ns = clock_now_ns(g->options.clock);
    g->is_heard_new = true;
}

void group_heard_tick(struct repl_group *g, uint64_t now_ms)
{
    if (!g->is_heard_new || g->is_keeping_heard || now_ms - g->heard_kept_ms < HEARD_EVERY_MS)
        return;
    g->is_heard_new = false;
    g->heard_kept_ms = now_ms;
    encode(&g->heard, g->heard_bytes);
    g->heard_append = (struct log_wal_append){.data = g,
                                              .group = g->options.identity,
                                              .heard = bytes_of(g->heard_bytes, HEARD_SIZE),
                                              .home = g->options.home};
    g->is_keeping_heard = log_wal_append(g->options.wal, &g->heard_append, on_kept) == 0;
}
