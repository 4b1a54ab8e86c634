/* Batches that wait for room in their group, or for a new leader to be ready, and what becomes of
 * those nobody waits for. */
#include "../cluster/produce_path.h"
#include "../replication/group_internal.h"
#include "fake/fake_clock.h"
#include "machine_stage.h"
#include "protocol/error.h"

#define PARTS_MAX 8

struct produce_stage {
    struct machine_stage machine;
    struct fake_clock clock;
    struct repl_group *raft; /* its role and its queue are all that counts here */
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
    fake_clock_init(&s->clock);
    s->raft = calloc(1, sizeof *s->raft);
    s->raft->options.in_flight_bytes_max = 1 << 20;
    machine_set_group(s->machine.machine, s->raft);
    s->broker.clock = s->clock.seam;
    s->group.broker = &s->broker;
    s->group.raft = s->raft;
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
    free(s->raft);
}

static void begin_batch(struct produce_stage *s, const struct batch_of *batch)
{
    struct produce_part *part = &s->parts[s->part_count++];
    part->data = s;
    part->done = on_done;
    part->group = &s->group;
    part->place.number = 1;
    part->batch = stage_batch(batch);
    produce_part_begin(part);
}

static void begin(struct produce_stage *s)
{
    begin_batch(s, &(struct batch_of){.record_count = 1});
}

/* The election is won, and nothing of the new term in the log. */
static void elect(struct produce_stage *s)
{
    s->group.is_tail_full = false;
    s->machine.machine->is_ready = false;
    s->raft->raft.state = RAFT_LEADER;
    s->raft->needs_barrier = true;
}

/* Its first entry is there, and not committed yet. */
static void begin_term(struct produce_stage *s)
{
    s->raft->needs_barrier = false;
}

static void serve(struct produce_stage *s)
{
    s->raft->raft.state = RAFT_LEADER;
    s->raft->role = REPL_LEADER;
    begin_term(s);
    s->group.is_tail_full = false;
    s->machine.machine->is_ready = true;
    s->group.led_since_ms = clock_now_ms(&s->clock.seam);
}

static struct repl_submit *take_proposal(struct produce_stage *s)
{
    struct repl_submit *submit = s->raft->queued;
    cr_assert_not_null(submit, "something is proposed");
    s->raft->queued = submit->next;
    if (submit->next == NULL)
        s->raft->queued_last = NULL;
    return submit;
}

static void apply_next(struct produce_stage *s)
{
    struct repl_submit *submit = take_proposal(s);
    struct log_entry entry = {.term = s->machine.term,
                              .index = ++s->machine.index,
                              .type = LOG_ENTRY_COMMAND,
                              .body = submit->body};
    submit->head.wall_ms = s->machine.wall_ms;
    s->machine.callbacks.apply(s->machine.machine, &entry, &submit->head, submit);
    slice_unref(&entry.body); /* the log's own reference */
}

static void fail_next(struct produce_stage *s, int status)
{
    struct repl_submit *submit = take_proposal(s);
    struct slice body = submit->body;
    submit->on_failed(submit, status);
    slice_unref(&body);
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
    s.group.is_without_room = true;
    begin(&s);
    cr_assert_eq(s.parts[0].error_code, KAFKA_ERROR_KAFKA_STORAGE_ERROR);
    close_stage(&s);
}

Test(cluster_produce_path, holds_what_comes_between_election_and_serving_in_order)
{
    struct produce_stage s;
    open_stage(&s);
    elect(&s);
    begin(&s);
    begin(&s);
    produce_group_turn(&s.group);
    cr_assert_eq(s.done_count, 0);
    cr_assert_null(s.raft->queued, "the term's first entry goes before");
    serve(&s);
    begin(&s); /* comes before the turn: it must not overtake */
    produce_group_turn(&s.group);
    cr_assert_null(s.group.stalled_first);
    for (unsigned i = 0; i < 3; i++)
        apply_next(&s);
    unsigned order[] = {0, 1, 2};
    cr_assert_eq(s.done_count, 3);
    cr_assert_arr_eq(s.done, order, sizeof order);
    for (unsigned i = 0; i < 3; i++) {
        cr_assert_eq(s.parts[i].error_code, KAFKA_ERROR_NONE);
        cr_assert_eq(s.parts[i].base_offset, i);
    }
    close_stage(&s);
}

/* A round trip before it may serve: who answers what it has applied so far would not be right. */
Test(cluster_produce_path, proposes_behind_the_terms_first_entry_also_before_it_serves)
{
    struct produce_stage s;
    open_stage(&s);
    elect(&s);
    begin(&s);
    begin_term(&s);
    begin(&s); /* comes before the turn: it must not overtake */
    produce_group_turn(&s.group);
    begin(&s);
    for (unsigned i = 0; i < 3; i++) {
        apply_next(&s);
        cr_assert_eq(s.parts[i].error_code, KAFKA_ERROR_NONE);
        cr_assert_eq(s.parts[i].base_offset, i);
    }
    unsigned order[] = {0, 1, 2};
    cr_assert_arr_eq(s.done, order, sizeof order);
    close_stage(&s);
}

static void hold_ahead(struct produce_stage *s)
{
    elect(s);
    begin_term(s);
    produce_group_turn(&s->group);
    cr_assert_null(s->raft->queued, "it waits");
    cr_assert_eq(s->done_count, 0);
}

Test(cluster_produce_path, holds_what_it_can_not_judge_before_it_serves)
{
    struct produce_stage s;
    open_stage(&s);
    elect(&s);
    begin(&s);
    s.parts[0].place.number = 2; /* it is opened by what is not applied yet, perhaps */
    begin(&s);
    hold_ahead(&s);
    s.parts[0].place = (struct broker_place){.number = 1, .min_insync_replicas = 3};
    s.parts[0].wants_sites = true; /* no follower has been heard */
    hold_ahead(&s);
    s.parts[0].wants_sites = false;
    s.group.is_without_room = true;
    hold_ahead(&s);
    s.group.is_without_room = false;
    produce_group_turn(&s.group);
    apply_next(&s);
    apply_next(&s);
    unsigned order[] = {0, 1};
    cr_assert_arr_eq(s.done, order, sizeof order);
    close_stage(&s);
}

Test(cluster_produce_path, takes_a_gap_that_shows_before_it_serves_for_its_own_doing)
{
    struct produce_stage s;
    struct batch_of batch = {.record_count = 2, .producer_id = 7, .base_sequence = 4};
    open_stage(&s);
    fake_clock_advance_ms(&s.clock, 60000); /* it led last long ago */
    elect(&s);
    begin_term(&s);
    begin_batch(&s, &batch);
    apply_next(&s);
    cr_assert_eq(s.parts[0].error_code, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    close_stage(&s);
}

Test(cluster_produce_path, refuses_what_it_held_when_the_election_comes_to_nothing)
{
    struct produce_stage s;
    open_stage(&s);
    elect(&s);
    begin(&s);
    begin(&s);
    s.raft->raft.state = RAFT_FOLLOWER; /* it never served: nobody is told of a lost role */
    produce_group_turn(&s.group);
    cr_assert_eq(s.done_count, 2);
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(s.parts[i].error_code, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    elect(&s);
    begin(&s);
    cr_assert_eq(s.done_count, 2, "the next election is another one");
    close_stage(&s);
}

Test(cluster_produce_path, holds_nothing_for_a_replica_that_is_set_aside)
{
    struct produce_stage s;
    open_stage(&s);
    elect(&s);
    begin(&s);
    s.raft->is_set_aside = true; /* libraft's state stays as it was */
    produce_group_turn(&s.group);
    begin(&s);
    cr_assert_eq(s.done_count, 2);
    for (unsigned i = 0; i < 2; i++)
        cr_assert_eq(s.parts[i].error_code, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    close_stage(&s);
}

Test(cluster_produce_path, drops_what_it_held_too_long_for_its_request)
{
    struct produce_stage s;
    open_stage(&s);
    elect(&s);
    begin(&s);
    begin(&s);
    produce_part_give_up(&s.parts[0]);
    produce_group_turn(&s.group);
    cr_assert_eq(s.parts[0].error_code, KAFKA_ERROR_REQUEST_TIMED_OUT);
    serve(&s);
    produce_group_turn(&s.group);
    apply_next(&s);
    cr_assert_null(s.raft->queued, "what was given up is never written");
    cr_assert_eq(s.parts[1].base_offset, 0);
    close_stage(&s);
}

Test(cluster_produce_path, looks_again_whether_what_it_held_may_be_written)
{
    struct produce_stage s;
    open_stage(&s);
    elect(&s);
    begin(&s);
    serve(&s);
    s.group.is_without_room = true;
    produce_group_turn(&s.group);
    cr_assert_eq(s.parts[0].error_code, KAFKA_ERROR_KAFKA_STORAGE_ERROR);
    cr_assert_null(s.raft->queued);
    close_stage(&s);
}

Test(cluster_produce_path, says_of_a_proposed_batch_without_a_leader_that_its_fate_is_unknown)
{
    int statuses[] = {ERR_LEADERSHIP_LOST, ERR_CLOSED};
    for (unsigned i = 0; i < 2; i++) {
        struct produce_stage s;
        open_stage(&s);
        serve(&s);
        begin(&s);
        fail_next(&s, statuses[i]);
        cr_assert_eq(s.parts[0].error_code, KAFKA_ERROR_REQUEST_TIMED_OUT);
        close_stage(&s);
    }
}

/* What a batch with this sequence is answered, `ms` later; the stage is closed with that. */
static int16_t answer_later(struct produce_stage *s, struct batch_of batch, int32_t sequence,
                            uint64_t ms)
{
    fake_clock_advance_ms(&s->clock, ms);
    batch.base_sequence = sequence;
    begin_batch(s, &batch);
    apply_next(s);
    int16_t error_code = s->parts[s->part_count - 1].error_code;
    close_stage(s);
    return error_code;
}

/* ... after the election, when the producer's last one that is known here ended at sequence 1, or
 * none is known. */
static int16_t answer_to_sequence(int32_t sequence, bool is_known, uint64_t ms)
{
    struct produce_stage s;
    open_stage(&s);
    serve(&s);
    struct batch_of batch = {.record_count = 2, .producer_id = 7};
    if (is_known) {
        begin_batch(&s, &batch);
        apply_next(&s);
        cr_assert_eq(s.parts[0].error_code, KAFKA_ERROR_NONE);
    }
    return answer_later(&s, batch, sequence, ms);
}

Test(cluster_produce_path, takes_a_gap_soon_after_an_election_for_its_own_doing)
{
    cr_assert_eq(answer_to_sequence(2, true, 100), KAFKA_ERROR_NONE);
    cr_assert_eq(answer_to_sequence(4, true, 100), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(answer_to_sequence(4, false, 100), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER,
                 "the first of all may be what was refused");
    cr_assert_eq(answer_to_sequence(4, true, 60000), KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(answer_to_sequence(4, false, 60000), KAFKA_ERROR_UNKNOWN_PRODUCER_ID);
}

/* ... after another election, of which it wrote last before, or never. */
static int16_t answer_after_election(int32_t sequence, bool is_known, bool has_written, uint64_t ms)
{
    struct produce_stage s;
    open_stage(&s);
    serve(&s);
    struct batch_of batch = {.record_count = 2, .producer_id = is_known ? 7 : 8};
    begin_batch(&s, &batch);
    apply_next(&s);
    s.machine.machine->term = ++s.machine.term;
    serve(&s);
    batch = (struct batch_of){.record_count = 2, .producer_id = 7, .base_sequence = 2};
    if (has_written) {
        begin_batch(&s, &batch);
        apply_next(&s);
        cr_assert_eq(s.parts[s.part_count - 1].error_code, KAFKA_ERROR_NONE);
    }
    return answer_later(&s, batch, sequence, ms);
}

Test(cluster_produce_path, takes_a_gap_for_the_elections_doing_as_late_as_clients_wait)
{
    cr_assert_eq(answer_after_election(6, true, false, 59000), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER,
                 "sent before the election, perhaps");
    cr_assert_eq(answer_after_election(6, false, false, 59000), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER,
                 "the first of all may be what was refused");
    cr_assert_eq(answer_after_election(6, true, true, 59000),
                 KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER, "it came behind what was sent before");
    cr_assert_eq(answer_after_election(6, true, false, 60000),
                 KAFKA_ERROR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    cr_assert_eq(answer_after_election(6, false, false, 60000), KAFKA_ERROR_UNKNOWN_PRODUCER_ID);
    cr_assert_eq(answer_to_sequence(4, false, 5000), KAFKA_ERROR_UNKNOWN_PRODUCER_ID,
                 "nobody wrote to another leader");
}

/* ---- after a forced recovery ---- */

/* Applied where it is proposed. Returns what its client is told. */
static int16_t send_sequence(struct produce_stage *s, int32_t sequence)
{
    begin_batch(s,
                &(struct batch_of){.record_count = 2, .producer_id = 7, .base_sequence = sequence});
    if (s->done_count < s->part_count)
        apply_next(s);
    return s->parts[s->part_count - 1].error_code;
}

static void open_stridden(struct produce_stage *s)
{
    open_stage(s);
    serve(s);
    cr_assert_eq(send_sequence(s, 0), KAFKA_ERROR_NONE);
    struct partition *p = machine_partition(s->machine.machine, 1);
    log_producer_stride(log_partition_producers(p->log), 100);
}

Test(cluster_produce_path, has_a_producer_send_again_before_it_leaves_out_what_a_recovery_lost)
{
    struct produce_stage s;
    open_stridden(&s);
    cr_assert_eq(send_sequence(&s, 4), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(send_sequence(&s, 6), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER, "under way behind it");
    cr_assert_eq(send_sequence(&s, 4), KAFKA_ERROR_NONE, "it has nothing before that");
    cr_assert_eq(send_sequence(&s, 6), KAFKA_ERROR_NONE);
    close_stage(&s);
}

Test(cluster_produce_path, never_takes_for_lost_what_a_producer_sends_a_moment_later)
{
    struct produce_stage s;
    open_stridden(&s);
    cr_assert_eq(send_sequence(&s, 6), KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    cr_assert_eq(send_sequence(&s, 4), KAFKA_ERROR_NONE, "the request that it was in timed out");
    cr_assert_eq(s.parts[s.part_count - 1].base_offset, 2, "and so it is there");
    cr_assert_eq(send_sequence(&s, 6), KAFKA_ERROR_NONE);
    cr_assert_eq(s.parts[s.part_count - 1].base_offset, 4, "in its order");
    close_stage(&s);
}
