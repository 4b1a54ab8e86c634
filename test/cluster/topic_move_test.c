/* A partition moves from one group to another on two nodes: one leads, the other follows at a pace
 * of its own in each group, and both lose their power at any moment. All real but raft: the logs
 * are lists, and what is in them is committed. */
#include "cluster/move_entry.h"
#include "cluster/move_step.h"
#include "cluster/recovery_entry.h"
#include "log/repair.h"
#include "machine_stage.h"
#include "metadata_bodies.h"

#define NODES       2
#define GROUPS      2 /* numbered from 1 */
#define ENTRIES_MAX 4000

struct logged {
    struct repl_entry_head head;
    struct slice body;
};

struct group_log {
    struct logged entries[ENTRIES_MAX]; /* index i is at i - 1, but for a stride behind a cut */
    uint64_t count;
    uint64_t cut; /* so many were there when it was recovered */
    bool is_cut;
};
#define INDEX_STRIDE (1u << 16)

struct replica {
    struct log_store *store;
    struct machine *machine;
    struct log_checkpoint checkpoint;
    uint64_t applied;
};

struct site {
    uint32_t node_id;
    struct fake_disk *disk;
    struct fake_work work;
    struct log_folders *folders;
    struct replica replicas[GROUPS];
};

struct story {
    struct random random;
    struct meta meta;
    struct group_log logs[GROUPS];
    struct site sites[NODES];
    uint8_t topic_id[16];
    int64_t produced;      /* records */
    int32_t next_sequence; /* of the producer */
    unsigned power_cuts, moves, recoveries;
    bool is_away, was_away; /* node 2: silent, and dead to group 0 */
    bool was_recovered;     /* the next batch may lie behind a stride */
};

static uint64_t index_of(const struct group_log *log, uint64_t applied)
{
    return log->is_cut && applied > log->cut ? applied + INDEX_STRIDE : applied;
}

/* ---- sites ---- */

static void open_site(struct site *s, bool is_leader)
{
    s->folders = log_folders_create();
    fake_work_init(&s->work);
    for (uint32_t g = 0; g < GROUPS; g++) {
        struct replica *r = &s->replicas[g];
        struct machine_options options = {.group_id = g + 1};
        struct err_note note = {0};
        *r = (struct replica){0};
        cr_assert_eq(log_store_open(fake_disk_seam(s->disk), g + 1, &s->work.seam, &s->work.seam,
                                    &r->store, &note),
                     0, "%s", note.text);
        cr_assert_eq(machine_create(&options, &r->machine), 0);
    }
    for (uint32_t g = 0; g < GROUPS; g++) {
        struct replica *r = &s->replicas[g];
        struct repl_machine callbacks = machine_callbacks(r->machine);
        cr_assert_eq(log_store_set_folders(r->store, s->folders), 0);
        cr_assert_eq(callbacks.restore(callbacks.data, r->store, log_store_state(r->store)), 0);
        r->applied = log_store_state(r->store)->index % INDEX_STRIDE;
        if (is_leader)
            callbacks.on_role(callbacks.data, REPL_LEADER, 3);
    }
}

static void close_site(struct site *s)
{
    fake_work_run_all(&s->work, NULL);
    for (uint32_t g = 0; g < GROUPS; g++) {
        machine_destroy(s->replicas[g].machine);
        log_store_close(s->replicas[g].store);
    }
    log_folders_destroy(s->folders);
}

/* What the process still did is on its way to the disk or not. */
static void cut_power(struct story *t, struct site *s)
{
    fake_disk_halt_at(s->disk, 1 + random_below(&t->random, 12));
    fake_work_run_all(&s->work, &t->random);
    fake_disk_halt(s->disk);
    close_site(s);
    fake_disk_crash(s->disk, &t->random);
    open_site(s, s->node_id == 1);
    t->power_cuts++;
}

static void on_checkpoint(struct log_checkpoint *req, int status)
{
    struct replica *r = req->data;
    (void)status;
    free((void *)(uintptr_t)r->checkpoint.state.machine.data);
    r->checkpoint.data = NULL;
}

static void checkpoint(struct story *t, struct site *s, uint32_t group)
{
    struct replica *r = &s->replicas[group];
    uint64_t index = index_of(&t->logs[group], r->applied);
    if (index <= log_store_state(r->store)->index || r->checkpoint.data != NULL)
        return;
    uint8_t *bytes;
    size_t size;
    r->checkpoint = (struct log_checkpoint){.data = r};
    r->checkpoint.state = (struct log_store_state){.index = index, .term = 3};
    cr_assert_eq(
        machine_encode_state(r->machine, &bytes, &size, &r->checkpoint.state.feature_level), 0);
    r->checkpoint.state.machine = bytes_of(bytes, size);
    if (log_store_checkpoint(r->store, &r->checkpoint, on_checkpoint) != 0)
        on_checkpoint(&r->checkpoint, ERR_BUSY);
}

static void apply_next(struct story *t, struct site *s, uint32_t group)
{
    struct replica *r = &s->replicas[group];
    struct group_log *log = &t->logs[group];
    if (r->applied == log->count)
        return;
    struct logged *e = &log->entries[r->applied];
    struct log_entry entry = {.term = 3,
                              .index = index_of(log, ++r->applied),
                              .type = LOG_ENTRY_COMMAND,
                              .body = e->body};
    machine_apply(r->machine, &entry, &e->head, NULL);
}

/* ---- the leader ---- */

static void commit(struct story *t, uint32_t group, enum entry_kind kind, uint32_t number,
                   struct slice body)
{
    struct group_log *log = &t->logs[group];
    cr_assert_lt(log->count, ENTRIES_MAX);
    log->entries[log->count++] = (struct logged){.head = {.kind = (uint8_t)kind,
                                                          .partition_number = number,
                                                          .wall_ms = (int64_t)(1000 + log->count)},
                                                 .body = body};
    apply_next(t, &t->sites[0], group);
}

static struct slice copied(const uint8_t *bytes, size_t size)
{
    struct buffer *b = buffer_create(size);
    memcpy(b->data, bytes, size);
    return (struct slice){.owner = b, .bytes = bytes_of(b->data, size)};
}

static void commit_state(struct story *t, uint32_t group, uint32_t number,
                         const struct partition_state *state)
{
    uint8_t body[PARTITION_STATE_SIZE];
    commit(t, group, ENTRY_PARTITION_STATE, number,
           copied(body, partition_state_encode(state, body)));
}

static const struct metadata_partition *place_of(struct story *t)
{
    return &meta_topic(&t->meta, "orders")->partitions[0];
}

/* Where group 0 shows it; refused there while it is closed or not open. */
static void produce(struct story *t)
{
    const struct metadata_partition *place = place_of(t);
    uint32_t group = place->group_id - 1;
    struct partition *p = machine_partition(t->sites[0].replicas[group].machine, place->number);
    if (p == NULL || p->moved_index != 0 ||
        t->sites[0].replicas[group].applied != t->logs[group].count)
        return;
    int64_t before = log_partition_next_offset(p->log);
    if (t->was_recovered && before > t->produced) {
        cr_assert_eq(before % LOG_OFFSET_STRIDE, 0, "no offset that a lost log may have given");
        t->produced = before;
    }
    t->was_recovered = false;
    struct batch_of of = {.record_count = 1 + (int32_t)random_below(&t->random, 9),
                          .producer_id = 77,
                          .base_sequence = t->next_sequence};
    commit(t, group, ENTRY_RECORD_BATCH, place->number, stage_batch(&of));
    cr_assert_eq(before, t->produced, "it goes on where it ended");
    cr_assert_eq(log_partition_next_offset(p->log), before + of.record_count,
                 "the producer is known after the move");
    t->produced += of.record_count;
    t->next_sequence += of.record_count;
}

static int report(struct story *t, const struct metadata_move *move, enum move_task task,
                  const struct move_replica *here)
{
    struct metadata_change change = move_report(move, task, here);
    return meta_apply(&t->meta, &change).error;
}

static void open_moved(struct story *t, const struct metadata_move *move)
{
    uint8_t *state;
    size_t size;
    struct machine *old = t->sites[0].replicas[move->from.group_id - 1].machine;
    int err = machine_moved_state(old, move->from.number, &state, &size);
    if (err != 0) {
        cr_assert(err == ERR_BUSY || err == ERR_NOT_FOUND); /* behind, or not in a checkpoint */
        return;
    }
    struct move_opening opening = {.move = move,
                                   .settings = stage_state(PARTITION_OPEN, 1).settings,
                                   .metadata_version = 1,
                                   .first_offset = metadata_first_offset(t->meta.m, &move->to),
                                   .state = bytes_of(state, size)};
    for (uint32_t position = 0; position < size;) {
        struct slice body;
        position = (uint32_t)move_opening_piece(&opening, position, &body);
        commit(t, move->to.group_id - 1, ENTRY_PARTITION_STATE, move->to.number, body);
    }
    free(state);
}

static void work_on_move(struct story *t, struct site *s, uint32_t group)
{
    if (metadata_move_count(t->meta.m) == 0)
        return;
    struct metadata_move move = *metadata_move_at(t->meta.m, 0);
    struct replica *r = &s->replicas[group];
    bool is_level = r->applied == t->logs[group].count;
    struct move_replica here = {.machine = r->machine,
                                .group_id = group + 1,
                                .node_id = s->node_id,
                                .checkpoint_index = log_store_state(r->store)->index};
    unsigned tasks = is_level || s->node_id != 1 ? move_tasks(&move, &here) : 0;
    uint8_t body[PARTITION_STATE_SIZE];
    for (unsigned bit = 0; bit < 9; bit++) {
        enum move_task task = (enum move_task)(1u << bit);
        if (!(tasks & task))
            continue;
        if (task == MOVE_CHECKPOINT) {
            checkpoint(t, s, group);
        } else if (task == MOVE_OPEN) {
            open_moved(t, &move);
        } else if (task & (MOVE_PROPOSE_OUT | MOVE_PROPOSE_SETTLE | MOVE_PROPOSE_CLOSE)) {
            uint32_t number = move_entry_body(&move, task, &here, 1, body);
            commit(t, group, ENTRY_PARTITION_STATE, number, copied(body, sizeof body));
        } else {
            cr_assert_eq(report(t, &move, task, &here), 0);
        }
    }
}

static int start_move(struct story *t, uint32_t to_group)
{
    struct metadata_change change = {.kind = METADATA_MOVE};
    memcpy(change.id, t->topic_id, sizeof change.id);
    change.move.step = METADATA_MOVE_START;
    change.move.group_id = to_group;
    return meta_apply(&t->meta, &change).error;
}

/* ---- the story ---- */

static void begin(struct story *t, uint64_t seed)
{
    struct metadata_group groups[1 + GROUPS] = {0};
    memset(t, 0, sizeof *t);
    random_init(&t->random, seed);
    t->meta = meta_create();
    for (unsigned i = 0; i <= GROUPS; i++)
        groups[i] = (struct metadata_group){.group_id = i,
                                            .preferred_node_id = 1,
                                            .next_partition_number = 1,
                                            .node_count = NODES,
                                            .node_ids = {1, 2}};
    struct metadata_change change = {.kind = METADATA_CLUSTER,
                                     .id = "cluster of moves",
                                     .groups = groups,
                                     .group_count = 1 + GROUPS};
    cr_assert_eq(meta_apply(&t->meta, &change).error, 0);
    for (uint32_t id = 1; id <= NODES; id++) {
        struct metadata_change node = {.kind = METADATA_NODE,
                                       .node = {.node_id = id, .incarnation = id, .port = 9092}};
        node.node.host[0] = 'h';
        node.node.site[0] = (char)('a' + id);
        cr_assert_eq(meta_apply(&t->meta, &node).error, 0);
    }
    cr_assert_eq(meta_topic_create(&t->meta, 9, "orders", 1), 0);
    memcpy(t->topic_id, meta_topic(&t->meta, "orders")->id, sizeof t->topic_id);
    for (unsigned i = 0; i < NODES; i++) {
        t->sites[i].node_id = i + 1;
        t->sites[i].disk = fake_disk_create(seed * 10 + i);
        open_site(&t->sites[i], i == 0);
    }
    struct partition_state state = stage_state(PARTITION_OPEN, 1);
    state.settings.segment_bytes = 1200;
    memcpy(state.id.topic_id, t->topic_id, sizeof t->topic_id);
    commit_state(t, place_of(t)->group_id - 1, place_of(t)->number, &state);
}

static void step(struct story *t, bool may_cut)
{
    struct site *s = &t->sites[t->is_away ? 0 : random_below(&t->random, NODES)];
    uint32_t group = (uint32_t)random_below(&t->random, GROUPS);
    uint64_t draw = random_below(&t->random, 100);
    if (draw < 25)
        produce(t);
    else if (draw < 50)
        for (uint64_t n = random_below(&t->random, 12); n > 0; n--)
            apply_next(t, s, group);
    else if (draw < 55)
        checkpoint(t, s, group);
    else if (draw < 65)
        log_store_tend(s->replicas[group].store);
    else if (draw < 85)
        work_on_move(t, s, group);
    else if (draw < 97 || !may_cut)
        fake_work_run_any(&s->work, &t->random);
    else
        cut_power(t, s);
}

static void set_away(struct story *t, bool is_away)
{
    struct metadata_node row = {.node_id = 2,
                                .state = is_away ? METADATA_NODE_DEAD : METADATA_NODE_ACTIVE};
    struct metadata_change change = {.kind = METADATA_NODE_STATE, .nodes = &row, .node_count = 1};
    cr_assert_eq(meta_apply(&t->meta, &change).error, 0);
    t->is_away = is_away;
    t->was_away = true;
}

/* What no topic has: of a move that was over when its old group's log lost that. */
static void close_deleted(struct story *t, uint32_t group)
{
    struct replica *r = &t->sites[0].replicas[group];
    int32_t index;
    for (uint32_t number = 1; number < 40; number++) {
        const struct partition *p = machine_partition(r->machine, number);
        if (p == NULL || metadata_topic_of(t->meta.m, group + 1, number, &index) != NULL)
            continue;
        struct partition_state state = {
            .action = PARTITION_CLOSE, .id = p->id, .settings = p->settings};
        state.metadata_version = 1;
        commit_state(t, group, number, &state);
    }
}

/* What group 0 knows and a recovered log does not: as who leads the group does. */
static void open_unknown(struct story *t, uint32_t group)
{
    const struct metadata_move *move = metadata_move_at(t->meta.m, 0);
    const struct metadata_partition *place = place_of(t);
    bool is_moving = metadata_move_count(t->meta.m) > 0;
    if (is_moving && move_closes_again(move, group + 1))
        place = &move->from;
    else if (is_moving && move->phase != METADATA_MOVE_CLOSING)
        return;
    if (place->group_id != group + 1 ||
        machine_partition(t->sites[0].replicas[group].machine, place->number) != NULL)
        return;
    struct partition_state state = stage_state(PARTITION_OPEN, 1);
    memcpy(state.id.topic_id, t->topic_id, sizeof t->topic_id);
    state.epoch_base = place->epoch_base;
    state.start_offset = metadata_first_offset(t->meta.m, place);
    state.metadata_version = 1;
    commit_state(t, group, place->number, &state);
}

/* Everything level, done and durable. */
static void settle(struct story *t)
{
    for (unsigned round = 0; round < 200; round++)
        for (unsigned i = 0; i < NODES; i++)
            for (uint32_t group = 0; group < GROUPS; group++) {
                struct replica *r = &t->sites[i].replicas[group];
                while (r->applied < t->logs[group].count)
                    apply_next(t, &t->sites[i], group);
                log_store_tend(r->store);
                work_on_move(t, &t->sites[i], group);
                if (i == 0) {
                    open_unknown(t, group);
                    close_deleted(t, group);
                }
                fake_work_run_all(&t->sites[i].work, NULL);
            }
    cr_assert_eq(metadata_move_count(t->meta.m), 0, "every move comes to its end");
}

/* ---- forced recovery ---- */

/* What only the lost node had of this group's log is gone. */
static void cut_log(struct story *t, uint32_t group)
{
    struct group_log *log = &t->logs[group];
    while (log->count > t->sites[1].replicas[group].applied)
        slice_unref(&log->entries[--log->count].body);
    log->cut = log->count;
    log->is_cut = true;
}

static void commit_recovery(struct story *t, uint32_t group, const struct recovery_entry *entry)
{
    uint8_t body[RECOVERY_ENTRY_SIZE_MAX];
    commit(t, group, ENTRY_RECOVERY, 0, copied(body, recovery_entry_encode(entry, body)));
}

static void order(struct story *t, unsigned groups)
{
    struct metadata_recovery_change wanted = {
        .recovery_id = 7, .node_id = 2, .forecast_pause_ms = -1};
    struct metadata_change change = {.kind = METADATA_RECOVERY, .recovery = &wanted};
    for (uint32_t group = 0; group < GROUPS; group++)
        if (groups & (1u << group))
            wanted.groups[wanted.group_count++] = (struct metadata_recovery_row){
                .group_id = group + 1, .generation = t->recoveries};
    cr_assert_eq(meta_apply(&t->meta, &change).error, 0);
}

/* Node 1 is lost for good, and with it the end of these groups' logs; node 2 goes on with what it
 * has. A new node takes the lost one's place. */
static void recover(struct story *t, unsigned groups)
{
    struct recovery_entry entry = {.generation = 1, .recovery_id = 7, .site = "c"};
    fake_work_run_all(&t->sites[1].work, NULL);
    close_site(&t->sites[0]);
    fake_disk_destroy(t->sites[0].disk);
    t->sites[0].disk = fake_disk_create(1000 + ++t->recoveries);
    open_site(&t->sites[0], true);
    order(t, groups);
    entry.producer_id_end = metadata_next_producer_id(t->meta.m);
    entry.group_ids[entry.group_count++] = 1;
    for (uint32_t group = 0; group < GROUPS; group++) {
        if (!(groups & (1u << group)))
            continue;
        cut_log(t, group);
        commit_recovery(t, group, &entry);
    }
    t->was_recovered = t->was_away = true;
}

struct read_back {
    struct log_read req;
    int status;
    bool is_done;
};

static void on_read(struct log_read *req, int status)
{
    struct read_back *r = req->data;
    r->status = status;
    r->is_done = true;
}

/* What the old group had forgotten before this node took it over is fetched from the others; so is
 * what a lost node had closed with, and this one had not. */
static bool is_to_be_fetched(struct story *t, const struct site *s, int status)
{
    struct log_damage_status damage = {0};
    log_store_damage(s->replicas[place_of(t)->group_id - 1].store, &damage);
    return t->was_away && (s->node_id == 2 || t->recoveries > 0) &&
           (status == UV_ENOENT || status == ERR_CORRUPT) && damage.suspected > 0;
}

static void check_all_read(struct story *t, struct site *s)
{
    static struct read_back r;
    const struct metadata_partition *place = place_of(t);
    struct partition *p = machine_partition(s->replicas[place->group_id - 1].machine,
                                            place->number);
    cr_assert_not_null(p);
    cr_assert_eq(log_partition_next_offset(p->log), t->produced);
    for (int64_t offset = 0; offset < t->produced;) {
        offset = log_partition_behind_gap(p->log, offset);
        r = (struct read_back){.req = {.data = &r,
                                       .offset = offset,
                                       .offset_max = INT64_MAX,
                                       .size_bytes_max = 1,
                                       .readers = &s->work.seam,
                                       .home = &s->work.seam}};
        int got = log_partition_read(p->log, &r.req, on_read);
        fake_work_run_all(&s->work, NULL);
        if (got == 0 && r.is_done && is_to_be_fetched(t, s, r.status))
            return;
        cr_assert(got == 1 || (got == 0 && r.is_done && r.status == 0), "node %u offset %lld: %s",
                  s->node_id, (long long)offset, err_name(got < 0 ? got : r.status));
        uint8_t head[61];
        size_t have = 0;
        for (unsigned i = 0; i < r.req.slice_count; i++) {
            struct bytes b = r.req.slices[i].bytes;
            size_t take = b.size < sizeof head - have ? b.size : sizeof head - have;
            memcpy(head + have, b.data, take);
            have += take;
            slice_unref(&r.req.slices[i]);
        }
        cr_assert_eq((int64_t)bytes_get_be64(head), offset, "batches follow each other");
        offset += (int32_t)bytes_get_be32(head + 23) + 1;
    }
}

static void count_name(void *data, const char *name, bool is_directory)
{
    (void)name;
    *(unsigned *)data += is_directory;
}

static void check_owner(struct story *t, struct site *s)
{
    const struct metadata_partition *place = place_of(t);
    for (uint32_t group = 0; group < GROUPS; group++)
        for (uint32_t number = 1; number < 40; number++)
            cr_assert_eq(machine_partition(s->replicas[group].machine, number) != NULL,
                         group + 1 == place->group_id && number == place->number,
                         "one owner at the end");
    unsigned folders = 0;
    cr_assert_eq(disk_list(fake_disk_seam(s->disk), "topics", count_name, &folders), 0);
    cr_assert_leq(folders, 1, "nothing is left over");
}

static void end(struct story *t)
{
    settle(t);
    for (unsigned i = 0; i < NODES; i++) {
        for (uint32_t group = 0; group < GROUPS; group++)
            checkpoint(t, &t->sites[i], group);
        fake_work_run_all(&t->sites[i].work, NULL);
        cut_power(t, &t->sites[i]);
    }
    settle(t);
    for (uint32_t group = 0; group < GROUPS; group++)
        cr_assert_eq(machine_checksum(t->sites[0].replicas[group].machine),
                     machine_checksum(t->sites[1].replicas[group].machine));
    for (unsigned i = 0; i < NODES; i++) {
        check_owner(t, &t->sites[i]);
        check_all_read(t, &t->sites[i]);
        close_site(&t->sites[i]);
        fake_disk_destroy(t->sites[i].disk);
    }
    for (uint32_t group = 0; group < GROUPS; group++)
        for (uint64_t i = 0; i < t->logs[group].count; i++)
            slice_unref(&t->logs[group].entries[i].body);
    metadata_destroy(t->meta.m);
}

static struct story story;

Test(cluster_topic_move, records_producers_and_files_go_on_in_the_new_group)
{
    begin(&story, 1);
    for (int i = 0; i < 30; i++)
        produce(&story);
    uint32_t from = place_of(&story)->group_id;
    cr_assert_eq(start_move(&story, 3 - from), 0);
    cr_assert_eq(start_move(&story, 3 - from), ERR_EXISTS);
    settle(&story);
    cr_assert_eq(place_of(&story)->group_id, 3 - from);
    cr_assert_geq(place_of(&story)->epoch_base, METADATA_MOVE_EPOCH_STRIDE);
    for (int i = 0; i < 30; i++)
        produce(&story);
    end(&story);
}

/* Of every part of a move, with what the lost node had done of it, or a part of that. */
Test(cluster_topic_move, a_move_comes_to_its_end_through_a_forced_recovery_at_any_moment)
{
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(&story, seed);
        for (int i = 0; i < 20; i++)
            produce(&story);
        cr_assert_eq(start_move(&story, 3 - place_of(&story)->group_id), 0);
        for (uint64_t i = random_below(&story.random, 400); i > 0; i--)
            step(&story, true);
        recover(&story, 1 + (unsigned)random_below(&story.random, 3));
        for (int i = 0; i < 100; i++)
            step(&story, true);
        settle(&story);
        produce(&story);
        end(&story);
    }
}

/* The survivor was away as long as the partition was there; the new group has got it, or not yet.
 */
Test(cluster_topic_move, an_old_group_that_never_knew_the_partition_opens_it_to_close_it_again)
{
    unsigned opened = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        begin(&story, seed);
        uint32_t from = place_of(&story)->group_id - 1;
        const struct metadata_move *move;
        for (int i = 0; i < 20; i++)
            produce(&story);
        cr_assert_eq(start_move(&story, 2 - from), 0);
        for (move = metadata_move_at(story.meta.m, 0); move->phase == METADATA_MOVE_CLOSING;) {
            work_on_move(&story, &story.sites[0], from);
            fake_work_run_all(&story.sites[0].work, NULL);
        }
        for (uint64_t i = random_below(&story.random, 4); i > 0; i--) {
            work_on_move(&story, &story.sites[0], 1 - from);
            fake_work_run_all(&story.sites[0].work, NULL);
        }
        if (random_chance(&story.random, 0.5))
            apply_next(&story, &story.sites[1], 1 - from);
        cr_assert_eq(story.sites[1].replicas[from].applied, 0, "node 2 has nothing of it");
        recover(&story, 1u << from);
        cr_assert(move_closes_again(move, from + 1));
        opened += story.logs[1 - from].count > 0;
        settle(&story);
        produce(&story);
        end(&story);
    }
    cr_assert(opened > 5 && opened < 35);
}

Test(cluster_topic_move, moves_to_and_fro_survive_power_cuts_of_everyone_at_any_moment)
{
    unsigned power_cuts = 0, moves = 0;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        begin(&story, seed);
        for (int i = 0; i < 1500; i++) {
            if (metadata_move_count(story.meta.m) == 0 && random_chance(&story.random, 0.02) &&
                start_move(&story, 3 - place_of(&story)->group_id) == 0)
                story.moves++;
            step(&story, true);
        }
        power_cuts += story.power_cuts;
        moves += story.moves;
        end(&story);
    }
    cr_assert_gt(moves, 60);
    cr_assert_gt(power_cuts, 500);
}

Test(cluster_topic_move, ends_without_a_node_that_is_dead_which_follows_when_it_is_back)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        begin(&story, seed);
        for (int i = 0; i < 100; i++)
            step(&story, true);
        cr_assert_eq(start_move(&story, 3 - place_of(&story)->group_id), 0);
        for (uint64_t n = random_below(&story.random, 100); n > 0; n--)
            step(&story, true);
        set_away(&story, true);
        for (int i = 0; i < 5000 && metadata_move_count(story.meta.m) > 0; i++)
            step(&story, true);
        cr_assert_eq(metadata_move_count(story.meta.m), 0, "seed %u: it waits for the dead",
                     (unsigned)seed);
        set_away(&story, false);
        for (int i = 0; i < 300; i++)
            step(&story, true);
        end(&story);
    }
}

Test(cluster_topic_move, a_deleted_topic_takes_its_move_with_it)
{
    begin(&story, 3);
    produce(&story);
    cr_assert_eq(start_move(&story, 3 - place_of(&story)->group_id), 0);
    struct metadata_group from = *metadata_group_by_id(story.meta.m, place_of(&story)->group_id);
    cr_assert_eq(from.partition_count, 1);
    struct bytes before = meta_bytes(story.meta.m);
    struct metadata *copy;
    cr_assert_eq(metadata_create(&copy), 0);
    cr_assert_eq(metadata_decode(copy, before), 0, "a move is in the checkpoint");
    cr_assert_eq(metadata_move_count(copy), 1);
    struct bytes again = meta_bytes(copy);
    cr_assert(bytes_is_equal(before, again));
    cr_assert_eq(meta_topic_delete(&story.meta, 9), 0);
    cr_assert_eq(metadata_move_count(story.meta.m), 0);
    for (uint32_t g = 1; g <= GROUPS; g++)
        cr_assert_eq(metadata_group_by_id(story.meta.m, g)->partition_count, 0);
    free((void *)(uintptr_t)before.data);
    free((void *)(uintptr_t)again.data);
    metadata_destroy(copy);
}

Test(cluster_topic_move, a_state_that_came_in_part_is_kept_in_the_checkpoint_and_dropped_by_a_close)
{
    struct machine_stage s;
    uint8_t piece[100] = {1}, body[MOVE_IN_HEAD_SIZE + sizeof piece];
    machine_stage_open(&s, NULL);
    struct move_in in = {.state = stage_state(PARTITION_MOVE_IN, 4),
                         .from_group = 2,
                         .from_index = 9,
                         .total_size = 300,
                         .piece = bytes_of(piece, sizeof piece)};
    struct bytes bytes = bytes_of(body, move_in_encode(&in, body));
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_PARTITION_STATE, 4, bytes).error, 0);
    uint32_t whole = machine_checksum(s.machine);
    in.position = 200; /* a gap */
    bytes = bytes_of(body, move_in_encode(&in, body));
    cr_assert_eq(stage_apply_bytes(&s, ENTRY_PARTITION_STATE, 4, bytes).error, ERR_INVALID);
    cr_assert_eq(machine_checksum(s.machine), whole, "a piece that fits nowhere changes nothing");
    cr_assert_null(machine_partition(s.machine, 4));
    cr_assert_eq(stage_close_partition(&s, 4), 0);
    cr_assert_neq(machine_checksum(s.machine), whole);
    cr_assert_eq(stage_close_partition(&s, 4), ERR_NOT_FOUND);
    machine_stage_close(&s);
}

Test(cluster_topic_move, a_piece_cut_short_or_beyond_its_whole_is_malformed)
{
    uint8_t piece[10] = {1}, body[MOVE_IN_HEAD_SIZE + sizeof piece];
    struct move_in in = {.state = stage_state(PARTITION_MOVE_IN, 4),
                         .from_group = 2,
                         .from_index = 9,
                         .total_size = 10,
                         .piece = bytes_of(piece, sizeof piece)};
    struct move_in into;
    size_t size = move_in_encode(&in, body);
    cr_assert_eq(move_in_decode(bytes_of(body, size), &into), 0);
    cr_assert_eq(into.total_size, 10);
    cr_assert_eq(into.piece.size, sizeof piece);
    for (size_t cut = 0; cut <= MOVE_IN_HEAD_SIZE; cut++)
        cr_assert_eq(move_in_decode(bytes_of(body, cut), &into), ERR_MALFORMED, "%zu bytes", cut);
    in.position = 1;
    size = move_in_encode(&in, body);
    cr_assert_eq(move_in_decode(bytes_of(body, size), &into), ERR_MALFORMED);
}
