/* Snapshots that go compressed between sites, and files that are fetched on after a restart. */
#include "base/err.h"
#include "group_fixture.h"

#define KIB 1024u

static struct cluster c;

static unsigned compressed_pieces, offers;
static uint64_t wire_bytes;

static bool count_pieces(struct cluster *cluster, unsigned from, unsigned to,
                         const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    offers += m->type == REPL_SHIP_ASK && m->may_compress;
    if (m->type == REPL_SHIP_PIECE && m->file != REPL_SHIP_CONTENTS) {
        compressed_pieces += m->is_compressed;
        wire_bytes += m->piece.size;
    }
    return true;
}

static void leave_behind(struct replica *gone, unsigned count)
{
    cluster_append(&c, 20);
    cluster_settle(&c, 2000);
    replica_kill(gone);
    for (unsigned round = 0; round < 4; round++) {
        cluster_append(&c, count);
        for (unsigned i = 0; i < c.count; i++)
            if (c.replicas[i].group != NULL)
                cluster_checkpoint(&c, &c.replicas[i]);
    }
}

/* Records of some kilobytes go to files, and the log keeps next to nothing behind a checkpoint. */
static void prepare(uint64_t seed)
{
    cluster_init(&c, 3, 3, seed);
    c.has_partition = true;
    c.trailing_entries = 5;
    c.cache_bytes_max = 4096;
    c.wal_kept_bytes = 1;
    c.value_size = 9000;
    c.record_size = 20000;
    c.segment_bytes = 64 * KIB;
    compressed_pieces = offers = 0;
    wire_bytes = 0;
}

/* The leader of a cluster with files, and a replica that is down and needs them. */
static struct replica *begin(struct replica **gone, unsigned count)
{
    cluster_start(&c);
    struct replica *leader = cluster_leader(&c, 1000);
    cluster_settle(&c, 1000);
    *gone = cluster_other(&c, leader, 0);
    leave_behind(*gone, count);
    c.filter = count_pieces;
    return leader;
}

static void narrow(uint64_t bytes_per_ms)
{
    for (unsigned i = 0; i < REPLICAS_MAX; i++)
        for (unsigned j = 0; j < REPLICAS_MAX; j++)
            c.bytes_per_ms[i][j] = bytes_per_ms;
}

/* Returns how long it took. */
static uint64_t install(struct replica *gone)
{
    uint64_t since_ns = c.clock.now_ns;
    if (gone->group == NULL)
        replica_start(gone);
    for (unsigned i = 0; i < 120000 && replica_counters(gone).snapshots_installed == 0; i++)
        cluster_run_ms(&c, 1);
    uint64_t took_ms = (c.clock.now_ns - since_ns) / 1000000;
    cr_assert_eq(replica_counters(gone).snapshots_installed, 1);
    narrow(0);
    cluster_settle(&c, 5000);
    cluster_check_same(&c);
    return took_ms;
}

/* Shipping 8 MB over a link of 2 MB a second. */
static uint64_t install_over_narrow_link(enum repl_ship_compression compression)
{
    struct replica *gone;
    prepare(70);
    c.ship_compression = compression;
    struct replica *leader = begin(&gone, 100);
    narrow(2000);
    uint64_t took_ms = install(gone);
    struct repl_counters counters = replica_counters(leader);
    cr_assert_geq(counters.shipped_bytes, 5000000);
    cr_assert_eq(counters.shipped_wire_bytes, wire_bytes, "counted as it goes over the network");
    if (compression == REPL_SHIP_COMPRESSION_NEVER)
        cr_assert_eq(counters.shipped_wire_bytes, counters.shipped_bytes);
    else
        cr_assert_lt(counters.shipped_wire_bytes, counters.shipped_bytes / 2);
    return took_ms;
}

Test(repl_group_compress, makes_catch_up_faster_where_the_link_is_the_limit)
{
    uint64_t plain_ms = install_over_narrow_link(REPL_SHIP_COMPRESSION_NEVER);
    cr_assert_eq(offers, 0);
    cr_assert_eq(compressed_pieces, 0);
    cluster_close(&c);
    uint64_t auto_ms = install_over_narrow_link(REPL_SHIP_COMPRESSION_AUTO);
    cr_assert_gt(compressed_pieces, 0);
    cr_assert_gt(wire_bytes, 500000, "it went plain until it was known");
    cr_assert_lt(auto_ms, plain_ms * 2 / 3, "%llu ms, plain %llu ms", (unsigned long long)auto_ms,
                 (unsigned long long)plain_ms);
    cluster_close(&c);
}

Test(repl_group_compress, is_left_out_where_the_link_is_not_the_limit)
{
    struct replica *gone;
    prepare(71);
    c.ship_bytes_per_second = 4 << 20; /* this is */
    begin(&gone, 30);
    install(gone);
    cr_assert_gt(offers, 0);
    cr_assert_eq(compressed_pieces, 0);
    cluster_close(&c);
}

/* Its disk answers one question in 20 ms; three more wait. */
Test(repl_group_compress, is_left_out_where_the_source_is_the_limit)
{
    struct replica *gone;
    prepare(78);
    c.record_size = 60000;
    c.segment_bytes = 64u << 20;
    struct replica *leader = begin(&gone, 100);
    replica_start(gone);
    for (unsigned i = 0; i < 20000 && replica_counters(gone).snapshots_installed == 0; i++) {
        leader->is_worker_paused = true;
        if (i % 20 == 0)
            fake_work_run_one(&leader->worker);
        cluster_run_ms(&c, 1);
    }
    leader->is_worker_paused = false;
    install(gone);
    cr_assert_gt(offers, 20);
    cr_assert_leq(compressed_pieces, 2, "%u of %u", compressed_pieces, offers);
    cluster_close(&c);
}

Test(repl_group_compress, is_done_whatever_the_link_when_the_setting_says_so)
{
    struct replica *gone;
    prepare(72);
    c.ship_compression = REPL_SHIP_COMPRESSION_ALWAYS;
    struct replica *leader = begin(&gone, 30);
    install(gone);
    struct repl_counters counters = replica_counters(leader);
    cr_assert_lt(counters.shipped_wire_bytes, counters.shipped_bytes / 10);
    cr_assert_eq(counters.shipped_wire_bytes, wire_bytes);
    replica_kill(gone); /* what was installed is what is on its disk */
    replica_start(gone);
    cluster_settle(&c, 3000);
    cluster_check_same(&c);
    cluster_close(&c);
}

/* The rate spares disks, and they have as much to do with what came compressed. */
Test(repl_group_compress, does_not_let_files_come_faster_than_their_rate)
{
    struct replica *gone;
    prepare(79);
    c.ship_compression = REPL_SHIP_COMPRESSION_ALWAYS;
    c.ship_bytes_per_second = 1 << 20;
    struct replica *leader = begin(&gone, 30);
    uint64_t took_ms = install(gone);
    struct repl_counters counters = replica_counters(leader);
    cr_assert_lt(counters.shipped_wire_bytes, counters.shipped_bytes / 10);
    cr_assert_geq(took_ms, counters.shipped_bytes * 1000 / (1 << 20) * 9 / 10);
    cluster_close(&c);
}

Test(repl_group_compress, is_left_out_within_a_site)
{
    struct replica *gone;
    prepare(73);
    c.ship_compression = REPL_SHIP_COMPRESSION_ALWAYS;
    for (unsigned i = 0; i < c.count; i++)
        c.replicas[i].site[0] = 'a';
    begin(&gone, 30);
    install(gone);
    cr_assert_gt(offers, 0);
    cr_assert_eq(compressed_pieces, 0);
    cluster_close(&c);
}

/* ---- what is here already ---- */

Test(repl_group_ship_window, fetches_only_what_an_open_segment_has_grown_by)
{
    struct replica *gone;
    prepare(81);
    c.ship_compression = REPL_SHIP_COMPRESSION_NEVER;
    c.record_size = 60000;
    c.segment_bytes = 64u << 20; /* all in one */
    begin(&gone, 25);
    install(gone);
    uint64_t first_bytes = wire_bytes;
    cr_assert_geq(first_bytes, 6000000);
    leave_behind(gone, 5);
    wire_bytes = 0;
    install(gone);
    cr_assert_leq(wire_bytes, first_bytes / 2, "%llu of %llu", (unsigned long long)wire_bytes,
                  (unsigned long long)first_bytes);
    cr_assert_geq(wire_bytes, 20 * 60000);
    cluster_close(&c);
}

/* ---- how much is under way ---- */

static int64_t asked_bytes, asked_bytes_most;

static bool count_asked(struct cluster *cluster, unsigned from, unsigned to,
                        const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    if (m->file == REPL_SHIP_CONTENTS)
        return true;
    asked_bytes += m->type == REPL_SHIP_ASK ? (int64_t)m->size : 0;
    asked_bytes -= m->type == REPL_SHIP_PIECE ? (int64_t)m->piece.size : 0;
    asked_bytes_most = asked_bytes > asked_bytes_most ? asked_bytes : asked_bytes_most;
    return true;
}

static int64_t most_asked_bytes(size_t peer_window_bytes)
{
    struct replica *gone;
    prepare(80);
    c.ship_compression = REPL_SHIP_COMPRESSION_NEVER;
    c.peer_window_bytes = peer_window_bytes;
    begin(&gone, 30);
    c.filter = count_asked;
    asked_bytes = asked_bytes_most = 0;
    install(gone);
    cr_assert_eq(asked_bytes, 0, "no piece was asked for twice");
    cluster_close(&c);
    return asked_bytes_most;
}

/* The source drops what does not fit in its half of the window, after having read it. */
Test(repl_group_ship_window, holds_no_more_than_a_quarter_of_what_may_go_to_a_peer)
{
    cr_assert_leq(most_asked_bytes(1024 * KIB), (256 + 64) * KIB);
    cr_assert_geq(most_asked_bytes(0), 512 * KIB, "the group's own bound");
}

/* ---- peers of another release, and hostile ones ---- */

/* It can't read an ask with the offer: to it such a message is malformed. */
static bool as_old_source(struct cluster *cluster, unsigned from, unsigned to,
                          const struct repl_message *m)
{
    count_pieces(cluster, from, to, m);
    return m->type != REPL_SHIP_ASK || !m->may_compress;
}

Test(repl_group_compress, is_not_insisted_on_with_a_source_that_does_not_know_it)
{
    struct replica *gone;
    prepare(74);
    c.ship_compression = REPL_SHIP_COMPRESSION_ALWAYS;
    begin(&gone, 30);
    c.filter = as_old_source;
    uint64_t took_ms = install(gone);
    cr_assert_eq(compressed_pieces, 0);
    cr_assert_eq(offers, 2, "%u: one piece is tried, twice", offers);
    cr_assert_lt(took_ms, 5000);
    cluster_close(&c);
}

Test(repl_group_compress, is_not_sent_to_a_receiver_that_does_not_ask_for_it)
{
    struct replica *gone;
    prepare(75);
    c.ship_compression = REPL_SHIP_COMPRESSION_ALWAYS;
    begin(&gone, 30);
    c.ship_compression = REPL_SHIP_COMPRESSION_NEVER; /* of the one that starts now */
    install(gone);
    cr_assert_eq(offers, 0);
    cr_assert_eq(compressed_pieces, 0);
    cluster_close(&c);
}

static struct repl_message kept_ask;

static bool keep_offer(struct cluster *cluster, unsigned from, unsigned to,
                       const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    if (m->type != REPL_SHIP_ASK || !m->may_compress)
        return true;
    kept_ask = *m;
    return false;
}

Test(repl_group_compress, gives_up_a_source_whose_pieces_do_not_decompress)
{
    struct replica *gone;
    prepare(76);
    struct replica *leader = begin(&gone, 30);
    c.filter = keep_offer;
    kept_ask.type = 0;
    replica_start(gone);
    for (unsigned i = 0; i < 3000 && kept_ask.type == 0; i++)
        cluster_run_ms(&c, 1);
    cr_assert_eq(kept_ask.type, REPL_SHIP_ASK);
    struct repl_message forged = kept_ask;
    forged.type = REPL_SHIP_PIECE;
    forged.from = kept_ask.to;
    forged.to = kept_ask.from;
    forged.is_compressed = true;
    uint64_t number = kept_ask.round;
    struct buffer *bytes = buffer_create(500);
    memset(bytes->data, 0xff, 500);
    struct slice piece = {.owner = bytes, .bytes = bytes_of(bytes->data, 500)};
    cluster_inject(&c, leader->number, gone->number, &forged, &piece, 1);
    for (unsigned i = 0; i < 3000 && kept_ask.round == number; i++)
        cluster_run_ms(&c, 1);
    cr_assert_neq(kept_ask.round, number, "another attempt has begun");
    buffer_unref(bytes);
    c.filter = count_pieces;
    install(gone);
    cr_assert_eq(gone->fatal_count, 0);
    cluster_close(&c);
}

/* ---- a process that ends in the middle of a large file ---- */

#define LOST_POSITION (2u << 20)

static unsigned behind_count, front_count;
static bool is_second_life;

/* One piece in the middle is lost again and again; those behind it come. */
static bool lose_one(struct cluster *cluster, unsigned from, unsigned to,
                     const struct repl_message *m)
{
    (void)cluster, (void)from, (void)to;
    if (m->type != REPL_SHIP_PIECE || m->file == REPL_SHIP_CONTENTS || m->piece.size < 4 * KIB)
        return true;
    behind_count += m->position > LOST_POSITION;
    front_count += m->position < LOST_POSITION;
    return m->position != LOST_POSITION || is_second_life;
}

static void end_process(struct replica *r)
{
    replica_end(r);
    r->applied_count = 0;
    r->applied_index = 0;
}

Test(repl_group_compress, goes_on_within_a_file_where_the_process_before_ended)
{
    struct replica *gone;
    prepare(77);
    c.ship_compression = REPL_SHIP_COMPRESSION_NEVER;
    c.record_size = 60000;
    c.segment_bytes = 32u << 20; /* all in one */
    begin(&gone, 25);
    c.filter = lose_one;
    is_second_life = false;
    behind_count = front_count = 0;
    replica_start(gone);
    for (unsigned i = 0; i < 3000 && behind_count < 3; i++)
        cluster_run_ms(&c, 1);
    cr_assert_geq(behind_count, 3);
    cr_assert_eq(front_count, 2);
    cluster_run_ms(&c, 50); /* they are there */
    end_process(gone);
    is_second_life = true;
    install(gone);
    cr_assert_eq(front_count, 2, "%u: nothing before the lost piece is fetched again", front_count);
    cluster_close(&c);
}
