/* A machine's checkpoint, and replicas that are fed the same entries. */
#include "machine_stage.h"
#include "base/random.h"
#include "consumer_bodies.h"
#include "metadata_bodies.h"

#define PARTITIONS 6

static void produce_something(struct machine_stage *s, uint32_t number, struct random *random)
{
    stage_produce(s, number,
                  (struct batch_of){.record_count = 1 + (int32_t)random_below(random, 4),
                                    .producer_id = (int64_t)random_below(random, 4),
                                    .producer_epoch = (int16_t)random_below(random, 2),
                                    .base_sequence = (int32_t)random_below(random, 6)});
}

static void commit_something(struct machine_stage *s, uint32_t number, struct random *random)
{
    char group[16];
    snprintf(group, sizeof group, "group%d", (int)random_below(random, 5));
    struct byte_list body = commit_body(group, -1, "", "orders", (int32_t)random_below(random, 3),
                                        (int64_t)random_below(random, 1000));
    stage_apply_bytes(s, ENTRY_GROUP_STATE, number, bytes_of(body.data, body.size));
    free(body.data);
}

/* One random entry, a function of `random` alone. Partition numbers are not used again. */
static void step(struct machine_stage *s, struct random *random, uint32_t *next_number)
{
    uint32_t number = *next_number > PARTITIONS
                          ? *next_number - 1 - (uint32_t)random_below(random, PARTITIONS)
                          : 1 + (uint32_t)random_below(random, PARTITIONS);
    uint64_t what = random_below(random, 100);
    struct partition_state state = stage_state(PARTITION_OPEN, *next_number);
    state.flags = *next_number % 3 == 0 ? PARTITION_IS_OFFSETS : 0;
    s->wall_ms += (int64_t)random_below(random, 10);
    if (what < 8)
        stage_put_state(s, (*next_number)++, &state);
    else if (what < 12)
        stage_close_partition(s, number);
    else if (what < 15)
        s->term++;
    else if (what < 60)
        produce_something(s, number, random);
    else
        commit_something(s, number, random);
}

Test(cluster_machine_snapshot, replicas_of_the_same_entries_have_the_same_checksum)
{
    struct machine_stage a, b;
    struct random random_a, random_b;
    uint32_t next_a = 1, next_b = 1, checksum = 0, different = 0;
    machine_stage_open(&a, NULL);
    machine_stage_open(&b, NULL);
    random_init(&random_a, 23);
    random_init(&random_b, 23);
    for (int i = 0; i < 2000; i++) {
        step(&a, &random_a, &next_a);
        step(&b, &random_b, &next_b);
        cr_assert_eq(machine_checksum(a.machine), machine_checksum(b.machine), "entry %d", i);
        different += machine_checksum(a.machine) != checksum;
        checksum = machine_checksum(a.machine);
    }
    cr_assert_gt(different, 1000, "a checksum that never changes says nothing");
    machine_stage_close(&a);
    machine_stage_close(&b);
}

static void count_metadata(void *data)
{
    ++*(unsigned *)data;
}

/* Runs on each group's own shard, and what it calls lives on group 0's. */
Test(cluster_machine_snapshot, only_group_zero_tells_of_metadata_when_it_is_restored)
{
    struct metadata *metadata;
    cr_assert_eq(metadata_create(&metadata), 0);
    for (uint32_t group_id = 0; group_id < 2; group_id++) {
        struct machine_stage s;
        unsigned told = 0;
        machine_stage_open(&s, group_id == 0 ? metadata : NULL);
        s.machine->options.on_metadata = count_metadata;
        s.machine->options.metadata_data = &told;
        s.callbacks.on_progress(s.machine);
        cr_assert_eq(told, group_id == 0);
        s.callbacks.on_progress(s.machine);
        cr_assert_eq(told, group_id == 0, "each change is told once");
        machine_stage_close(&s);
    }
    metadata_destroy(metadata);
}

Test(cluster_machine_snapshot, one_entry_more_or_less_shows_in_the_checksum)
{
    struct machine_stage a, b;
    machine_stage_open(&a, NULL);
    machine_stage_open(&b, NULL);
    stage_open_partition(&a, 1);
    stage_open_partition(&b, 1);
    struct batch_of of = {.record_count = 1, .producer_id = 9};
    stage_produce(&a, 1, of);
    of.producer_id = 8;
    stage_produce(&b, 1, of);
    cr_assert_neq(machine_checksum(a.machine), machine_checksum(b.machine), "another producer");
    machine_stage_close(&a);
    machine_stage_close(&b);
}

struct checkpointed {
    struct log_checkpoint checkpoint;
    bool is_done;
};

static void on_checkpoint(struct log_checkpoint *checkpoint, int status)
{
    struct checkpointed *c = checkpoint->data;
    cr_assert_eq(status, 0);
    c->is_done = true;
}

/* Checkpoint, power cut, restore: what follows is judged from the disk alone. */
static void restart(struct machine_stage *s)
{
    struct checkpointed c = {.checkpoint.state = {.index = s->index, .term = s->term}};
    uint8_t *bytes;
    size_t size;
    cr_assert_eq(
        s->callbacks.encode_state(s->machine, &bytes, &size, &c.checkpoint.state.feature_level), 0);
    c.checkpoint.data = &c;
    c.checkpoint.state.machine = bytes_of(bytes, size);
    cr_assert_eq(log_store_checkpoint(s->store, &c.checkpoint, on_checkpoint), 0);
    fake_work_run_all(&s->work, NULL);
    cr_assert(c.is_done);
    free(bytes);
    fake_disk_halt(s->disk);
    struct machine_options options = s->machine->options;
    machine_destroy(s->machine);
    log_store_close(s->store);
    fake_disk_crash(s->disk, NULL);
    cr_assert_eq(
        log_store_open(fake_disk_seam(s->disk), 5, &s->work.seam, &s->work.seam, &s->store, NULL),
        0);
    cr_assert_eq(machine_create(&options, &s->machine), 0);
    s->callbacks = machine_callbacks(s->machine);
    cr_assert_eq(s->callbacks.restore(s->machine, s->store, log_store_state(s->store)), 0);
}

Test(cluster_machine_snapshot, brings_back_the_same_machine_after_a_power_cut)
{
    struct machine_stage a, b;
    struct random random_a, random_b;
    uint32_t next_a = 1, next_b = 1;
    machine_stage_open(&a, NULL);
    machine_stage_open(&b, NULL);
    random_init(&random_a, 29);
    random_init(&random_b, 29);
    for (int i = 0; i < 1500; i++) {
        step(&a, &random_a, &next_a);
        step(&b, &random_b, &next_b);
        if (i % 100 != 99)
            continue;
        restart(&b);
        cr_assert_eq(machine_checksum(a.machine), machine_checksum(b.machine), "entry %d", i);
    }
    machine_stage_close(&a);
    machine_stage_close(&b);
}

Test(cluster_machine_snapshot, carries_group_zeros_metadata)
{
    struct machine_stage s;
    struct meta t = meta_founded();
    meta_topic_create(&t, 1, "orders", 12);
    struct bytes before = meta_bytes(t.m);
    machine_stage_open(&s, NULL);
    s.machine->options.metadata = t.m;
    s.index = 1;
    restart(&s);
    struct bytes after = meta_bytes(t.m);
    cr_assert(bytes_is_equal(before, after));
    free((void *)(uintptr_t)before.data);
    free((void *)(uintptr_t)after.data);
    machine_stage_close(&s);
    metadata_destroy(t.m);
}

Test(cluster_machine_snapshot, cut_or_of_another_store_is_refused)
{
    struct machine_stage a, b;
    struct random random;
    uint32_t next_number = 1, level;
    uint8_t *bytes;
    size_t size;
    machine_stage_open(&a, NULL);
    machine_stage_open(&b, NULL);
    random_init(&random, 31);
    for (int i = 0; i < 200; i++)
        step(&a, &random, &next_number);
    cr_assert_eq(a.callbacks.encode_state(a.machine, &bytes, &size, &level), 0);
    struct log_store_state state = {.index = 1, .machine = bytes_of(bytes, size)};
    cr_assert_eq(b.callbacks.restore(b.machine, b.store, &state), ERR_CORRUPT,
                 "no such partitions");
    cr_assert_eq(a.callbacks.restore(a.machine, a.store, &state), 0);
    for (size_t cut = 0; cut < size; cut++) {
        state.machine.size = cut;
        cr_assert_neq(a.callbacks.restore(a.machine, a.store, &state), 0, "%zu bytes", cut);
    }
    free(bytes);
    machine_stage_close(&a);
    machine_stage_close(&b);
}

/* What a survivor compares with what its lost leader had said: every record that was in the log,
 * also a duplicate's, through a checkpoint. */
Test(cluster_machine_snapshot, counts_the_records_of_all_entries_and_keeps_the_totals)
{
    struct machine_stage s;
    struct repl_totals before, after, restored;
    struct log_store_state state = {.index = 1};
    uint8_t *bytes;
    uint32_t level;
    machine_stage_open(&s, NULL);
    stage_open_partition(&s, 1);
    machine_totals(s.machine, &before);
    cr_assert_eq(before.records, 0, "an opened partition is no record");
    struct batch_of of = {.record_count = 5, .producer_id = 9};
    stage_produce(&s, 1, of);
    stage_produce(&s, 1, of); /* a duplicate */
    machine_totals(s.machine, &after);
    cr_assert_eq(after.records, 10);
    cr_assert_gt(after.bytes, 2 * 61);
    stage_close_partition(&s, 1); /* so that the state can be restored without its store */
    cr_assert_eq(s.callbacks.encode_state(s.machine, &bytes, &state.machine.size, &level), 0);
    state.machine.data = bytes;
    cr_assert_eq(s.callbacks.restore(s.machine, s.store, NULL), 0);
    machine_totals(s.machine, &restored);
    cr_assert_eq(restored.records, 0);
    cr_assert_eq(s.callbacks.restore(s.machine, s.store, &state), 0);
    machine_totals(s.machine, &restored);
    cr_assert(restored.records == after.records && restored.bytes == after.bytes);
    free(bytes);
    machine_stage_close(&s);
}
