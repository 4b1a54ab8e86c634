/* What a follower last heard of its leader, kept in the WAL once a second.
 *
 * When a majority is lost for good, the operator must be told what is known to be lost and since
 * when more may be: this says how far the leader was, as of when, and up to when by the leader's
 * clock all that it had acknowledged is here. It rides with other appends and asks for no sync of
 * its own. Layout, little-endian: u8 version 3, u8 × 7 zero, u64 leader's raft id, u64 term,
 * u64 commit index, i64 wall clock of this node in ms, u64 position of the leader (its applied
 * index), u64 records and u64 bytes up to there, i64 its wall clock then, i64 its newest wall
 * clock of a position that is on this disk, u64 term of the position. Version 2 ends before that
 * term, version 1 before the position. */
#include <string.h>

#include "base/err.h"
#include "beat.h"
#include "group_internal.h"

#define HEARD_VERSION  3
#define HEARD_EVERY_MS 1000

_Static_assert(HEARD_SIZE == 88, "the layout above");
static const size_t heard_sizes[HEARD_VERSION + 1] = {0, 40, 80, HEARD_SIZE};

static void encode(const struct repl_heard *heard, uint8_t into[HEARD_SIZE])
{
    memset(into, 0, HEARD_SIZE);
    into[0] = HEARD_VERSION;
    uint8_t *at = bytes_put_le64(into + 8, heard->leader_raft_id);
    at = bytes_put_le64(at, heard->term);
    at = bytes_put_le64(at, heard->commit_index);
    at = bytes_put_le64(at, (uint64_t)heard->wall_ms);
    at = bytes_put_le64(at, heard->position);
    at = bytes_put_le64(at, heard->totals.records);
    at = bytes_put_le64(at, heard->totals.bytes);
    at = bytes_put_le64(at, (uint64_t)heard->leader_wall_ms);
    at = bytes_put_le64(at, (uint64_t)heard->level_wall_ms);
    bytes_put_le64(at, heard->position_term);
}

static void decode(struct bytes_reader *r, unsigned version, struct repl_heard *heard)
{
    *heard = (struct repl_heard){.leader_raft_id = bytes_read_le64(r)};
    heard->term = bytes_read_le64(r);
    heard->commit_index = bytes_read_le64(r);
    heard->wall_ms = (int64_t)bytes_read_le64(r);
    if (version < 2)
        return;
    heard->position = bytes_read_le64(r);
    heard->totals.records = bytes_read_le64(r);
    heard->totals.bytes = bytes_read_le64(r);
    heard->leader_wall_ms = (int64_t)bytes_read_le64(r);
    heard->level_wall_ms = (int64_t)bytes_read_le64(r);
    heard->position_term = version < 3 ? heard->term : bytes_read_le64(r);
}

int repl_heard_read(struct log_wal *wal, uint32_t group_id, struct repl_heard *heard)
{
    static const uint8_t zeros[7];
    uint8_t from[HEARD_SIZE];
    size_t size = log_wal_heard(wal, group_id, from, sizeof from);
    if (size == 0)
        return ERR_NOT_FOUND;
    if (from[0] == 0 || from[0] > HEARD_VERSION)
        return ERR_VERSION;
    if (size != heard_sizes[from[0]] || memcmp(from + 1, zeros, 7) != 0)
        return ERR_MALFORMED;
    struct bytes_reader r = bytes_reader_of(bytes_of(from + 8, size - 8));
    decode(&r, from[0], heard);
    return 0;
}

/* Is what the leader had applied on this replica's disk? A log whose last entry is of the leader's
 * term, or of a later one, has all of that leader's up to there; in an earlier term's it may be
 * another entry, unless it is committed here as well. */
static bool has_place(const struct repl_group *g, const struct heard_place *place)
{
    struct raft *raft = (struct raft *)(uintptr_t)&g->raft;
    uint64_t stored = raft->last_stored, term = 0;
    if (place->leader_wall_ms == 0 || place->position > stored)
        return false;
    return place->position <= raft->commit_index ||
           (group_term_of((struct repl_group *)(uintptr_t)g, stored, &term) && term >= place->term);
}

/* A leader says how far it is once an entry of its own term is committed, so that one is up to
 * there: a log that goes so far without having reached that term has another in its place. */
uint64_t repl_heard_lacking(const struct repl_group_status *status, const struct repl_heard *heard,
                            bool *is_other)
{
    *is_other = heard->position > status->commit_index && heard->position <= status->kept_index &&
                status->kept_term < heard->position_term;
    uint64_t here = *is_other ? status->commit_index : status->kept_index;
    return heard->position > here ? heard->position - here : 0;
}

struct repl_heard group_heard_now(const struct repl_group *g)
{
    struct repl_heard heard = g->heard;
    for (unsigned i = 0; i < HEARD_PLACES; i++) {
        const struct heard_place *place = &g->heard_places[i];
        if (place->leader_wall_ms > heard.level_wall_ms && has_place(g, place))
            heard.level_wall_ms = place->leader_wall_ms;
    }
    return heard;
}

static void on_kept(struct log_wal_append *append, int status)
{
    struct repl_group *g = append->data;
    g->is_keeping_heard = false;
    if (status != 0)
        group_fatal(g, status, "write-ahead log");
}

/* What was all here stays so over a restart. */
void group_heard_begin(struct repl_group *g)
{
    struct repl_heard kept;
    if (g->heard.level_wall_ms == 0 &&
        repl_heard_read(g->options.wal, g->options.identity.group_id, &kept) == 0)
        g->heard.level_wall_ms = kept.level_wall_ms;
}

/* A clock that was set back says nothing of before: what it said is forgotten. */
static void note_place(struct repl_group *g, const struct repl_beat_row *row)
{
    struct heard_place *newest =
        &g->heard_places[(g->heard_next + HEARD_PLACES - 1) % HEARD_PLACES];
    if (row->wall_ms == 0)
        return;
    if (row->wall_ms < newest->leader_wall_ms || row->wall_ms < g->heard.level_wall_ms) {
        memset(g->heard_places, 0, sizeof g->heard_places);
        g->heard.level_wall_ms = 0;
    }
    g->heard_places[g->heard_next] = (struct heard_place){
        .position = row->position, .term = row->term, .leader_wall_ms = row->wall_ms};
    g->heard_next = (g->heard_next + 1) % HEARD_PLACES;
}

void group_heard_note(struct repl_group *g, const struct repl_beat_row *row)
{
    g->heard.level_wall_ms = group_heard_now(g).level_wall_ms;
    note_place(g, row);
    g->heard.leader_raft_id = row->leader;
    g->heard.term = row->term;
    g->heard.commit_index = row->commit;
    g->heard.wall_ms = clock_wall_ms(g->options.clock);
    if (row->wall_ms != 0) { /* else what was heard of the leader before still holds */
        g->heard.position = row->position;
        g->heard.position_term = row->term;
        g->heard.totals = row->totals;
        g->heard.leader_wall_ms = row->wall_ms;
    }
    g->heard_ns = clock_now_ns(g->options.clock);
    g->is_heard_new = true;
}

/* Once a second, and at once when a replica can say for the first time up to when it has all: one
 * that ended in its leader's first second would know of no such time after its restart. */
void group_heard_tick(struct repl_group *g, uint64_t now_ms)
{
    bool is_time = now_ms - g->heard_kept_ms >= HEARD_EVERY_MS;
    if (!g->is_heard_new || g->is_keeping_heard || (!is_time && g->heard_kept_level_ms != 0))
        return;
    struct repl_heard heard = group_heard_now(g);
    if (!is_time && heard.level_wall_ms == 0)
        return;
    g->is_heard_new = false;
    g->heard_kept_ms = now_ms;
    g->heard_kept_level_ms = heard.level_wall_ms;
    encode(&heard, g->heard_bytes);
    g->heard_append = (struct log_wal_append){.data = g,
                                              .group = g->options.identity,
                                              .heard = bytes_of(g->heard_bytes, HEARD_SIZE),
                                              .home = g->options.home};
    g->is_keeping_heard = log_wal_append(g->options.wal, &g->heard_append, on_kept) == 0;
}
