/* Produce on the side of a raft group.
 *
 * A batch that finds the group's window full waits here in order: an error would let a later
 * batch overtake it. Where the election is won and the first entry of the new term not yet
 * committed, it is proposed behind that one, for clients hear of the new leader before: a round
 * trip less without an answer. It waits where what is applied so far is not enough to know that it
 * may be. What waits is bounded by the node's
 * request memory, for connections stop reading at that, and what outlives its request is dropped
 * here unproposed. After apply, a topic whose min.insync.replicas is above the majority waits until
 * so many sites have the entry (design, section 6). */
#include "produce_path.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "error_code.h"
#include "log/producer_state.h"
#include "protocol/record_batch.h"
#include "membership/topic_move.h"

/* A client whose first batch was refused here, because we did not lead yet, has sent more behind it
 * before it knew. To these a gap is our doing, not a loss; told OUT_OF_ORDER_SEQUENCE, or
 * UNKNOWN_PRODUCER_ID, librdkafka begins a new producer epoch and sends again, under new numbers,
 * what it has in flight elsewhere: records come twice. So long after an election the code is one
 * that makes it send all again, in order. Likewise after a batch that was refused for want of room.
 *
 * Where a link loses most of what it carries, what was under way comes as late as its client waits
 * for an answer (librdkafka: a minute). Not from a producer that has written here since the
 * election: that came behind what it had sent before, on the same connection. Nor where nothing
 * was ever written to another leader. */
#define GAP_IS_OURS_MS      5000
#define LATE_GAP_IS_OURS_MS 60000

static void finish(struct produce_part *part, int16_t error_code)
{
    part->error_code = error_code;
    slice_unref(&part->batch);
    part->done(part);
}

static bool is_site_counted(const struct repl_group_status *status, unsigned upto, const char *site,
                            uint64_t index)
{
    for (unsigned i = 0; i < upto; i++)
        if (status->replicas[i].match_index >= index &&
            strcmp(status->replicas[i].member.site, site) == 0)
            return true;
    return false;
}

/* Sites with a replica that has `index` on disk; for index 0 those with a level replica. */
static int sites_with(const struct repl_group_status *status, uint64_t index)
{
    int count = 0;
    for (unsigned i = 0; i < status->replica_count; i++) {
        const struct repl_replica_status *replica = &status->replicas[i];
        bool has_it = index > 0 ? replica->match_index >= index : replica->is_level;
        if (has_it && (index == 0 || !is_site_counted(status, i, replica->member.site, index)))
            count++;
    }
    return count;
}

/* What the majority guarantees by the site rule needs no waiting. */
static bool needs_more_sites(const struct produce_part *part)
{
    return part->wants_sites && part->place.min_insync_replicas > 2;
}

static bool has_enough_sites(struct produce_part *part, uint64_t index)
{
    struct repl_group_status status;
    repl_group_status(part->group->raft, &status);
    return sites_with(&status, index) >= part->place.min_insync_replicas;
}

/* A batch that was proposed by a leader which was lost, or ends, may be committed all the same.
 * "Not the leader" would tell its client that it certainly is not there, and even a client without
 * retries would send it again. */
static int16_t error_code_of_proposed(int err)
{
    return err == ERR_LEADERSHIP_LOST || err == ERR_CLOSED ? KAFKA_ERROR_REQUEST_TIMED_OUT
                                                           : error_code_of(err);
}

static bool is_within(uint64_t since_ms, uint64_t now_ms, uint64_t ms)
{
    return since_ms != 0 && now_ms - since_ms < ms;
}

/* May it have been under way since before the election? By the epoch of what its producer wrote
 * last to the partition, or of the oldest record there, if it has written nothing. */
static bool may_be_older_than_election(const struct produce_part *part)
{
    struct machine *m = part->group->machine;
    const struct partition *p = machine_partition(m, part->place.number);
    struct kafka_record_batch batch;
    if (p == NULL || kafka_record_batch_decode(part->batch.bytes, &batch) < 0)
        return true;
    int64_t offset = log_producer_last_offset(log_partition_producers(p->log), batch.producer_id);
    if (offset < 0)
        offset = log_partition_start_offset(p->log);
    return offset < log_partition_next_offset(p->log) &&
           log_partition_epoch_of(p->log, offset) != machine_leader_epoch(m, p);
}

static bool may_have_refused(const struct produce_part *part)
{
    const struct broker_group *g = part->group;
    uint64_t now_ms = clock_now_ms(&g->broker->clock);
    if (!machine_is_ready(g->machine) || /* it was proposed ahead of that */
        now_ms - g->led_since_ms < GAP_IS_OURS_MS ||
        is_within(g->moved_in_at_ms, now_ms, GAP_IS_OURS_MS) ||
        is_within(g->refused_at_ms, now_ms, GAP_IS_OURS_MS))
        return true;
    return (now_ms - g->led_since_ms < LATE_GAP_IS_OURS_MS ||
            is_within(g->moved_in_at_ms, now_ms, LATE_GAP_IS_OURS_MS)) &&
           may_be_older_than_election(part);
}

/* A producer's first batch may be the one that was refused: then the gap is before all it has. */
static int16_t error_code_of_judged(const struct produce_part *part,
                                    enum log_producer_verdict verdict)
{
    bool is_gap = verdict == LOG_PRODUCER_OUT_OF_ORDER || verdict == LOG_PRODUCER_UNKNOWN;
    return is_gap && may_have_refused(part) ? KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER
                                            : error_code_of_verdict(verdict);
}

static void on_applied(struct machine_request *req, int status)
{
    struct produce_part *part = req->data;
    const struct machine_result *result = &req->result;
    if (status != 0 || result->error != 0) {
        finish(part, error_code_of_proposed(status != 0 ? status : result->error));
        return;
    }
    part->base_offset = result->base_offset;
    part->log_append_time_ms = result->log_append_time_ms;
    part->log_start_offset = result->log_start_offset;
    int16_t error_code = error_code_of_judged(part, result->verdict);
    if (error_code == KAFKA_ERROR_NONE && needs_more_sites(part) &&
        !has_enough_sites(part, req->submit.index)) {
        part->next = part->group->waiting_for_sites;
        part->group->waiting_for_sites = part;
        return;
    }
    finish(part, error_code);
}

/* False when the group has no room now. */
static bool propose(struct produce_part *part)
{
    struct broker_group *g = part->group;
    if (g->is_tail_full)
        return false;
    part->machine.data = part;
    part->machine.submit.head = (struct repl_entry_head){
        .kind = ENTRY_RECORD_BATCH,
        .partition_number = part->place.number,
    };
    part->machine.submit.body = part->batch;
    part->machine.submit.summed_size = part->batch.bytes.size - KAFKA_RECORD_BATCH_CRC_FROM;
    part->machine.submit.summed_crc = part->batch_crc;
    int err = machine_submit_ahead(g->machine, &part->machine, on_applied);
    if (err == ERR_BUSY)
        return false;
    if (err != 0)
        finish(part, error_code_of(err));
    return true;
}

static bool is_about_to_lead(const struct broker_group *g)
{
    return !machine_is_ready(g->machine) && repl_group_is_elected(g->raft);
}

/* By what is applied so far: of what is sent quickly more may seem to be one than is. */
static bool is_jump(const struct produce_part *part, const struct partition *p,
                    struct log_producer_batch *producer)
{
    struct kafka_record_batch batch;
    struct log_producer_state *producers = log_partition_producers(p->log);
    if (!log_producer_is_stridden(producers) ||
        kafka_record_batch_decode(part->batch.bytes, &batch) < 0)
        return false;
    *producer = (struct log_producer_batch){.producer_id = batch.producer_id,
                                            .producer_epoch = batch.producer_epoch,
                                            .base_sequence = batch.base_sequence};
    return log_producer_is_jump(producers, producer);
}

static bool is_refused_jump(const struct produce_part *part, const struct partition *p)
{
    struct broker_group *g = part->group;
    struct log_producer_batch producer;
    return is_jump(part, p, &producer) &&
           produce_jump_is_refused(&g->jumps, part->place.number, &producer,
                                   clock_now_ms(&g->broker->clock));
}

/* Ahead of that goes what needs no more than a majority, to a partition that is open as far as this
 * replica has applied; apply has the last word, as of all that is proposed. */
static bool may_propose(const struct produce_part *part)
{
    struct broker_group *g = part->group;
    const struct partition *p = machine_partition(g->machine, part->place.number);
    struct log_producer_batch producer;
    return machine_is_ready(g->machine) ||
           (repl_group_may_submit_ahead(g->raft) && p != NULL && p->moved_index == 0 &&
            !g->is_without_room && !needs_more_sites(part) && !is_jump(part, p, &producer));
}

static int16_t refusal(struct produce_part *part)
{
    struct broker_group *g = part->group;
    if (!machine_is_ready(g->machine))
        return is_about_to_lead(g) ? KAFKA_ERROR_NONE : KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER;
    const struct partition *p = machine_partition(g->machine, part->place.number);
    if (p == NULL || p->moved_index != 0)
        return KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER; /* not open yet, or moved away: try again */
    if (g->is_without_room) {
        g->refused_at_ms = clock_now_ms(&g->broker->clock);
        return KAFKA_ERROR_KAFKA_STORAGE_ERROR;
    }
    if (needs_more_sites(part) && !has_enough_sites(part, 0))
        return KAFKA_ERROR_NOT_ENOUGH_REPLICAS;
    return is_refused_jump(part, p) ? KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER : KAFKA_ERROR_NONE;
}

/* On its way here from another group: its clients have heard so already. */
static bool is_opening(const struct produce_part *part)
{
    struct broker_group *g = part->group;
    return (machine_is_ready(g->machine) || is_about_to_lead(g)) &&
           machine_partition(g->machine, part->place.number) == NULL &&
           topic_move_is_opening(g->broker, g->group_id, part->place.number);
}

static void wait_for_opening(struct produce_part *part)
{
    struct broker_group *g = part->group;
    part->next = NULL;
    if (g->opening_last != NULL)
        g->opening_last->next = part;
    else
        g->opening_first = part;
    g->opening_last = part;
}

static void begin(struct produce_part *part)
{
    struct broker_group *g = part->group;
    int16_t error_code = refusal(part);
    if (error_code != KAFKA_ERROR_NONE && is_opening(part)) {
        wait_for_opening(part);
        return;
    }
    if (error_code != KAFKA_ERROR_NONE) {
        finish(part, error_code);
        return;
    }
    if (g->stalled_first == NULL && may_propose(part) && propose(part))
        return;
    part->next = NULL;
    if (g->stalled_last != NULL)
        g->stalled_last->next = part;
    else
        g->stalled_first = part;
    g->stalled_last = part;
}

/* In the order of their coming; those whose partition is not open yet wait again. */
static void begin_opened(struct broker_group *g)
{
    struct produce_part *part = g->opening_first;
    g->opening_first = g->opening_last = NULL;
    while (part != NULL) {
        struct produce_part *next = part->next; /* the part may be gone afterwards */
        begin(part);
        part = next;
    }
}

void produce_part_begin(struct produce_part *part)
{
    struct broker_group *g = part->group;
    assert(shard_is_here(g->shard));
    if (g->opening_first != NULL)
        begin_opened(g); /* what came before goes before */
    begin(part);
}

static void propose_stalled(struct broker_group *g)
{
    while (g->stalled_first != NULL) {
        struct produce_part *part = g->stalled_first;
        struct produce_part *next = part->next; /* the part may be gone once proposed */
        int16_t error_code = refusal(part);
        if (error_code != KAFKA_ERROR_NONE && is_opening(part))
            wait_for_opening(part);
        else if (error_code != KAFKA_ERROR_NONE)
            finish(part, error_code);
        else if (!may_propose(part) || !propose(part))
            return;
        g->stalled_first = next;
        if (next == NULL)
            g->stalled_last = NULL;
    }
}

static void finish_with_sites(struct broker_group *g)
{
    struct produce_part *waiting = g->waiting_for_sites;
    g->waiting_for_sites = NULL;
    while (waiting != NULL) {
        struct produce_part *part = waiting;
        waiting = part->next;
        if (has_enough_sites(part, part->machine.submit.index)) {
            finish(part, KAFKA_ERROR_NONE);
        } else {
            part->next = g->waiting_for_sites;
            g->waiting_for_sites = part;
        }
    }
}

void produce_part_give_up(struct produce_part *part)
{
    atomic_store(&part->is_given_up, true);
    atomic_store(&part->group->has_given_up, true);
}

/* Takes those given up out of a list, in its order; returns the new last one. */
static struct produce_part *drop_given_up(struct produce_part **list)
{
    struct produce_part *last = NULL;
    while (*list != NULL) {
        struct produce_part *part = *list;
        if (atomic_load(&part->is_given_up)) {
            *list = part->next;
            finish(part, KAFKA_ERROR_REQUEST_TIMED_OUT);
        } else {
            last = part;
            list = &part->next;
        }
    }
    return last;
}

void produce_group_turn(struct broker_group *g)
{
    if (atomic_exchange(&g->has_given_up, false)) {
        g->stalled_last = drop_given_up(&g->stalled_first);
        drop_given_up(&g->waiting_for_sites);
        g->opening_last = drop_given_up(&g->opening_first);
    }
    if (g->opening_first != NULL)
        begin_opened(g);
    if (g->stalled_first != NULL)
        propose_stalled(g);
    if (g->waiting_for_sites != NULL)
        finish_with_sites(g);
}

static void finish_all(struct produce_part *part, int16_t error_code)
{
    while (part != NULL) {
        struct produce_part *next = part->next;
        finish(part, error_code);
        part = next;
    }
}

void produce_group_lost(struct broker_group *g)
{
    struct produce_part *stalled = g->stalled_first;
    struct produce_part *waiting = g->waiting_for_sites;
    struct produce_part *opening = g->opening_first;
    g->stalled_first = g->stalled_last = NULL;
    g->opening_first = g->opening_last = NULL;
    g->waiting_for_sites = NULL;
    finish_all(stalled, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    finish_all(opening, KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER);
    finish_all(waiting, KAFKA_ERROR_NOT_ENOUGH_REPLICAS_AFTER_APPEND);
}
