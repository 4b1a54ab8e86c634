/* Any bytes as frames from a peer: through the decoder (what decodes encodes to the same bytes),
 * and on to a replica that follows, with WAL and store on fakes.
 *
 * Input: frames, each with a u16 size (little-endian) in front. A frame's version, ids and group
 * are put right when its first byte is odd, so that most of it gets further. */
#include <assert.h>
#include <stdlib.h>

#include "../../replication/message.h"
#include "base/err.h"
#include "fake/fake_clock.h"
#include "fake/fake_disk.h"
#include "fake/fake_work.h"
#include "fake/quiet.h"
#include "replication/node.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define GROUP_ID   1u
#define FRAMES_MAX 50

struct target {
    struct fake_clock clock;
    struct random random;
    struct fake_work work;
    struct fake_disk *disk;
    struct log_wal *wal;
    struct log_store *store;
    struct repl_node *node;
    struct repl_group *group;
    struct net net;
    struct net_handler handler;
    struct repl_member founders[3];
    uint64_t applied_index;
};

static int on_send(void *data, uint32_t node_id, enum net_channel channel,
                   const struct net_frame *frame)
{
    (void)data, (void)node_id, (void)channel, (void)frame;
    return 0;
}

static size_t on_unsent(void *data, uint32_t node_id, enum net_channel channel)
{
    (void)data, (void)node_id, (void)channel;
    return 0;
}

static void on_apply(void *data, const struct log_entry *entry, const struct repl_entry_head *head,
                     struct repl_submit *own)
{
    struct target *t = data;
    (void)head;
    assert(own == NULL && entry->index > t->applied_index);
    t->applied_index = entry->index;
}

static void on_role(void *data, enum repl_role role, uint64_t term)
{
    (void)data, (void)role, (void)term;
}

static void on_progress(void *data)
{
    (void)data;
}

static uint32_t on_count(void *data, const struct repl_entry_head *head, struct bytes body)
{
    (void)data, (void)head;
    return body.size > 0 ? body.data[0] : 0;
}

static void on_totals(void *data, struct repl_totals *totals)
{
    const struct target *t = data;
    *totals = (struct repl_totals){.records = t->applied_index, .bytes = t->applied_index};
}

static int on_encode(void *data, uint8_t **bytes, size_t *size, uint32_t *feature_level)
{
    (void)data;
    *bytes = calloc(1, 1);
    *size = 1;
    *feature_level = 1;
    return 0;
}

static int on_restore(void *data, struct log_store *store, const struct log_store_state *state)
{
    struct target *t = data;
    (void)store;
    t->applied_index = state->index;
    return 0;
}

static void on_fatal(void *data, int status)
{
    (void)data, (void)status;
    abort(); /* nothing that a peer says ends a process */
}

static void open_disk(struct target *t)
{
    struct log_wal_options wal = {.directory = "wal",
                                  .file_size_bytes = LOG_WAL_FILE_SIZE_MIN,
                                  .queue_bytes_max = 1u << 20,
                                  .kept_bytes_max = 1u << 20,
                                  .clock = &t->clock.seam};
    t->disk = fake_disk_create(1);
    int err = log_wal_open(fake_disk_seam(t->disk), &wal, &t->work.seam, &t->work.seam, &t->wal,
                           NULL);
    assert(err == 0);
    err = log_store_open(fake_disk_seam(t->disk), GROUP_ID, &t->work.seam, &t->work.seam, &t->store,
                         NULL);
    assert(err == 0);
}

static void open_group(struct target *t)
{
    struct repl_group_options options = {.identity = {.group_id = GROUP_ID},
                                         .raft_id = repl_raft_id(1, 1),
                                         .founders = t->founders,
                                         .founder_count = 3,
                                         .clock = &t->clock.seam,
                                         .random = &t->random,
                                         .home = &t->work.seam,
                                         .wal = t->wal,
                                         .store = t->store,
                                         .node = t->node,
                                         .machine = {.data = t,
                                                     .count = on_count,
                                                     .totals = on_totals,
                                                     .apply = on_apply,
                                                     .on_role = on_role,
                                                     .on_progress = on_progress,
                                                     .encode_state = on_encode,
                                                     .restore = on_restore},
                                         .election_timeout_ms = 1000,
                                         .in_flight_entries_max = 100,
                                         .in_flight_bytes_max = 1u << 20,
                                         .append_bytes_max = 16u << 10,
                                         .cache_bytes_max = 1u << 20,
                                         .on_fatal = on_fatal};
    for (uint32_t i = 0; i < 3; i++)
        t->founders[i] = (struct repl_member){
            .raft_id = repl_raft_id(i + 1, 1), .site = {(char)('a' + i)}, .is_voter = true};
    int err = repl_group_create(&options, &t->group, NULL);
    assert(err == 0);
}

static void open_target(struct target *t)
{
    struct repl_node_options node = {.node_id = 1,
                                     .incarnation = 1,
                                     .clock = &t->clock.seam,
                                     .random = &t->random,
                                     .heartbeat_ms = 75,
                                     .gone_ms = 300};
    fake_clock_init(&t->clock);
    random_init(&t->random, 1);
    fake_work_init(&t->work);
    open_disk(t);
    int err = repl_node_create(&node, &t->node);
    assert(err == 0);
    t->net = (struct net){.data = t, .send = on_send, .unsent_bytes = on_unsent};
    repl_node_set_shard(t->node, 0, &t->net, &t->work.seam);
    t->handler = repl_node_handler(t->node, 0);
    open_group(t);
}

static void close_target(struct target *t)
{
    repl_group_stop(t->group);
    while (!repl_group_is_idle(t->group) && fake_work_run_one(&t->work)) {
    }
    assert(repl_group_is_idle(t->group));
    repl_group_destroy(t->group);
    fake_work_run_all(&t->work, NULL);
    repl_node_destroy(t->node);
    log_store_close(t->store);
    log_wal_close(t->wal);
    fake_disk_destroy(t->disk);
    assert(buffer_total_bytes() == 0);
}

/* What decodes is what would be sent. */
static void encode_again(struct bytes frame)
{
    static struct log_entry entries[REPL_APPEND_ENTRIES_MAX];
    struct repl_message m;
    if (repl_message_decode(frame, NULL, entries, &m) != 0)
        return;
    uint8_t *again = malloc(
        REPL_MESSAGE_ENCODED_MAX(m.entry_count, m.configuration.size + m.rest.size));
    size_t size = repl_message_encode(&m, again);
    assert(size <= frame.size && memcmp(again, frame.data, size) == 0);
    free(again);
}

static void put_right(uint8_t *frame, size_t size)
{
    if (size < REPL_MESSAGE_HEAD_SIZE || !(frame[0] & 1) || frame[2] >= REPL_HEARTBEAT)
        return;
    uint32_t node_id = 2 + (frame[1] & 1);
    bytes_put_le16(frame, REPL_MESSAGE_VERSION);
    bytes_put_le32(frame + 4, GROUP_ID);
    memset(frame + 8, 0, 12);
    bytes_put_le64(frame + 20, repl_raft_id(node_id, 1));
    bytes_put_le64(frame + 28, repl_raft_id(1, 1));
    if (size >= REPL_MESSAGE_HEAD_SIZE + 8 && frame[2] < REPL_SHIP_ASK)
        memset(frame + REPL_MESSAGE_HEAD_SIZE + 1, 0, 7); /* small terms meet */
}

static void take(struct target *t, struct bytes bytes)
{
    struct buffer *b = buffer_create(bytes.size);
    memcpy(b->data, bytes.data, bytes.size);
    put_right(b->data, bytes.size);
    struct bytes frame = bytes_of(b->data, bytes.size);
    encode_again(frame);
    for (uint32_t node_id = 2; node_id <= 3; node_id++) {
        t->handler.on_alive(t->handler.data, node_id);
        t->handler.on_frame(t->handler.data, node_id, NET_ENTRIES, frame, b);
    }
    buffer_unref(b);
    fake_work_run_all(&t->work, NULL);
    fake_clock_advance_ms(&t->clock, 10);
    repl_node_tick(t->node);
    repl_group_tick(t->group);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct target t;
    struct bytes_reader r = bytes_reader_of(bytes_of(data, size));
    memset(&t, 0, sizeof t);
    be_quiet();
    open_target(&t);
    for (unsigned i = 0; i < FRAMES_MAX && bytes_reader_left(&r) >= 2; i++) {
        size_t wanted = bytes_read_le16(&r), left = bytes_reader_left(&r);
        struct bytes frame = bytes_read(&r, wanted < left ? wanted : left);
        if (frame.size > 0)
            take(&t, frame);
    }
    close_target(&t);
    return 0;
}
