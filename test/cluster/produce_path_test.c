/* Batches that wait for room in their group, and what becomes of those nobody waits for. */
#include "../cluster/produce_path.h"
#include "machine_stage.h"
#include "protocol/error.h"

#define PARTS_MAX 8

struct produce_stage {
    struct machine_stage machine;
    struct broker broker;
    struct broker_group group;
    struct produce_part parts[PARTS_MAX];
    unsigned part_count, done_count;
    unsigned done[PARTS_MAX]; /* parts in the order in which they ended */
};

static void on_done(struct produce_part *part)
{
    struct produce_stage *s = part->data;
    s->done[s->done_count++] = (unsigned)(part - s->parts);
    cr_assert_null(part->batch.owner, "its bytes are given back before anyone is told");
}

static void open_stage(struct produce_stage *s)
{
    *s = (struct produce_stage){0};
    machine_stage_open(&s->machine, NULL);
    cr_assert_eq(stage_open_partition(&s->machine, 1), 0);
    s->machine.machine->is_ready = true;
    s->group.broker = &s->broker;
    s->group.shard = shard_create(0);
    s->group.machine = s->machine.machine;
    s->group.is_tail_full = true; /* no room: what comes waits */
}

static void close_stage(struct produce_stage *s)
{
    produce_group_lost(&s->group);
    cr_assert_eq(s->done_count, s->part_count, "each batch ends, once");
    shard_destroy(s->group.shard);
    machine_stage_close(&s->machine);
}

static void begin(struct produce_stage *s)
{
    struct produce_part *part = &s->parts[s->part_count++];
    part->data = s;
    part->done = on_done;
    part->group = &s->group;
    part->place.number = 1;
    part->batch = stage_batch(&(struct batch_of){.record_count = 1});
    produce_part_begin(part);
}

Test(cluster_produce_path, drops_a_waiting_batch_once_its_request_was_answered)
{
    struct produce_stage s;
    open_stage(&s);
    for (int i = 0; i < 3; i++)
        begin(&s);
    produce_part_give_up(&s.parts[1]);
    cr_assert_eq(s.done_count, 0, "on the group's own turn only");
    produce_group_turn(&s.group);
    cr_assert_eq(s.done_count, 1);
    cr_assert_eq(s.done[0], 1);
    cr_assert_eq(s.parts[1].error_code, KAFKA_ERROR_REQUEST_TIMED_OUT);
    close_stage(&s);
}

Test(cluster_produce_path, keeps_the_order_of_the_rest_whichever_is_dropped)
{
    struct produce_stage s;
    open_stage(&s);
    for (int i = 0; i < 4; i++)
        begin(&s);
    produce_part_give_up(&s.parts[0]);
    produce_part_give_up(&s.parts[3]); /* the last one: what comes next hangs on the one before */
    produce_group_turn(&s.group);
    begin(&s);
    produce_group_lost(&s.group);
    cr_assert_eq(s.done_count, 5);
    unsigned order[] = {0, 3, 1, 2, 4};
    cr_assert_arr_eq(s.done, order, sizeof order);
    close_stage(&s);
}

Test(cluster_produce_path, takes_new_batches_after_all_that_waited_were_dropped)
{
    struct produce_stage s;
    open_stage(&s);
    begin(&s);
    produce_part_give_up(&s.parts[0]);
    produce_group_turn(&s.group);
    begin(&s);
    cr_assert_eq(s.done_count, 1, "it waits");
    produce_group_lost(&s.group);
    cr_assert_eq(s.parts[1].error_code, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    close_stage(&s);
}

Test(cluster_produce_path, ends_a_given_up_batch_that_only_waits_for_sites)
{
    struct produce_stage s;
    open_stage(&s);
    begin(&s);
    struct produce_part *part = s.group.stalled_first;
    s.group.stalled_first = s.group.stalled_last = NULL;
    s.group.waiting_for_sites = part; /* as if it were applied */
    produce_part_give_up(part);
    produce_group_turn(&s.group);
    cr_assert_eq(part->error_code, KAFKA_ERROR_REQUEST_TIMED_OUT);
    cr_assert_null(s.group.waiting_for_sites);
    close_stage(&s);
}

Test(cluster_produce_path, refuses_where_the_disk_is_at_its_reserve)
{
    struct produce_stage s;
    open_stage(&s);
    atomic_store(&s.broker.is_disk_low, true);
    begin(&s);
    cr_assert_eq(s.parts[0].error_code, KAFKA_ERROR_KAFKA_STORAGE_ERROR);
    close_stage(&s);
}
