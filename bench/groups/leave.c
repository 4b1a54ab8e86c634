/* One leaves a large group: how long until it is stable again, and which partitions move.
 *
 * Each member has its own connection and beats at its own instants, as consumers do; by its next
 * heartbeat it hears that the group gathers. They bring what they own and the leader leaves it to
 * them (the cooperative protocol, KIP-429): only what nobody owns is given anew, to who has least.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "member.h"
#include "modes.h"

#define SESSION_MS       45000
#define REBALANCE_MS     60000
#define WAIT_SECONDS_MAX 120
#define GROUP            "bench-leave"
#define SUBSCRIPTION     1 /* version with what a member owns */

struct run {
    const struct options *options;
    struct member *members;
    struct frame *owned; /* by member: partition numbers as they are said */
    int *owners;         /* by partition: index of the member, or -1 */
    int64_t *beat_at_us; /* by member: the next heartbeat */
    long stable_count;   /* of the generation */
    int32_t generation;
    int64_t joined_us, stable_us; /* last join answered; last assignment told */
};

/* ---- what members bring ---- */

static void put_subscription(struct member *m, struct frame *into)
{
    const struct run *run = m->membership->owner;
    const struct frame *owned = &run->owned[m->index];
    frame_put_i16(into, SUBSCRIPTION);
    frame_put_i32(into, 1);
    frame_put_text(into, run->options->topic);
    frame_put_i32(into, -1); /* user data */
    frame_put_i32(into, 1);  /* topics that it owns something of */
    frame_put_text(into, run->options->topic);
    frame_put_bytes(into, NULL, 0);
    frame_set_i32(into, into->size - 4, (int32_t)(owned->size / 4));
    frame_put(into, owned->data, owned->size);
}

/* ---- the leader ---- */

struct share {
    char id[MEMBER_TEXT_SIZE];
    struct frame partitions;
};

/* What a member says that it owns becomes its share, unless another has said so before. */
static void read_member(const struct run *run, struct answer *members, struct share *share,
                        bool *is_taken)
{
    char text[MEMBER_TEXT_SIZE];
    answer_text(members, share->id, sizeof share->id);
    answer_text(members, text, sizeof text); /* instance */
    struct answer brought = answer_bytes(members);
    answer_i16(&brought);
    for (int32_t left = answer_i32(&brought); left > 0; left--)
        answer_text(&brought, text, sizeof text);
    answer_bytes(&brought);
    for (int32_t topics = answer_i32(&brought); topics > 0; topics--) {
        answer_text(&brought, text, sizeof text);
        for (int32_t left = answer_i32(&brought); left > 0; left--) {
            int32_t p = answer_i32(&brought);
            if (p < 0 || p >= run->options->partitions || is_taken[p])
                wire_fail("partition %d is owned twice", p);
            is_taken[p] = true;
            frame_put_i32(&share->partitions, p);
        }
    }
}

static struct share *least(struct share *shares, int32_t count)
{
    struct share *found = shares;
    for (int32_t i = 1; i < count; i++)
        if (shares[i].partitions.size < found->partitions.size)
            found = &shares[i];
    return found;
}

static void put_share(const struct run *run, const struct share *share, struct frame *into)
{
    struct frame assignment = {0};
    frame_put_i16(&assignment, SUBSCRIPTION);
    frame_put_i32(&assignment, 1);
    frame_put_text(&assignment, run->options->topic);
    frame_put_i32(&assignment, (int32_t)(share->partitions.size / 4));
    frame_put(&assignment, share->partitions.data, share->partitions.size);
    frame_put_i32(&assignment, -1);
    frame_put_text(into, share->id);
    frame_put_bytes(into, assignment.data, assignment.size);
    free(assignment.data);
}

static void assign(struct member *m, struct answer members, struct frame *into)
{
    const struct run *run = m->membership->owner;
    int32_t count = answer_i32(&members);
    struct share *shares = calloc((size_t)count, sizeof *shares);
    bool *is_taken = calloc((size_t)run->options->partitions, sizeof *is_taken);
    if (shares == NULL || is_taken == NULL)
        wire_fail("no memory");
    for (int32_t i = 0; i < count; i++)
        read_member(run, &members, &shares[i], is_taken);
    for (int32_t p = 0; p < run->options->partitions; p++)
        if (!is_taken[p])
            frame_put_i32(&least(shares, count)->partitions, p);
    frame_put_i32(into, count);
    for (int32_t i = 0; i < count; i++) {
        put_share(run, &shares[i], into);
        free(shares[i].partitions.data);
    }
    free(shares);
    free(is_taken);
}

/* ---- answers ---- */

static void on_joined(struct member *m)
{
    struct run *run = m->membership->owner;
    if (m->generation > run->generation) {
        run->generation = m->generation;
        run->stable_count = 0;
    }
    run->joined_us = wire_now_us();
}

static void on_stable(struct member *m, struct answer assignment)
{
    struct run *run = m->membership->owner;
    struct frame *owned = &run->owned[m->index];
    char topic[MEMBER_TEXT_SIZE];
    owned->size = 0;
    run->stable_us = wire_now_us();
    run->beat_at_us[m->index] = run->stable_us + run->options->interval_ms * 1000;
    run->stable_count += m->generation == run->generation;
    if (assignment.at == assignment.end)
        return;
    answer_i16(&assignment);
    answer_i32(&assignment);
    answer_text(&assignment, topic, sizeof topic);
    int32_t count = answer_i32(&assignment);
    frame_put(owned, answer_take(&assignment, (size_t)count * 4), (size_t)count * 4);
}

static void on_answer(struct member *m, struct answer answer)
{
    (void)answer;
    wire_fail("%s: an answer that nobody waits for", m->group);
}

/* ---- the run ---- */

static void beat_due(struct run *run)
{
    int64_t now_us = wire_now_us();
    for (long i = 0; i < run->options->members; i++) {
        struct member *m = &run->members[i];
        if (m->state != MEMBER_STABLE || m->is_busy || run->beat_at_us[i] > now_us)
            continue;
        run->beat_at_us[i] += run->options->interval_ms * 1000;
        member_beat(m);
    }
}

static void wait_stable(struct run *run, long count, int32_t above)
{
    int64_t since_us = wire_now_us();
    while (run->generation <= above || run->stable_count < count) {
        if (wire_now_us() - since_us > WAIT_SECONDS_MAX * 1000000L)
            wire_fail("%ld of %ld members are stable after %d s", run->stable_count, count,
                      WAIT_SECONDS_MAX);
        connections_poll(1);
        beat_due(run);
    }
}

/* As in a group that has run for long: at instants that have nothing to do with each other. */
static void spread_beats(struct run *run)
{
    int64_t now_us = wire_now_us();
    for (long i = 0; i < run->options->members; i++)
        run->beat_at_us[i] = now_us + run->options->interval_ms * 1000 * i / run->options->members;
}

/* Who owns what; each partition must be owned once. Returns how many changed their owner. */
static long take_owners(struct run *run)
{
    long moved_count = 0, owned_count = 0;
    for (long i = 0; i < run->options->members; i++) {
        struct answer owned = {run->owned[i].data, run->owned[i].data + run->owned[i].size};
        while (run->members[i].state == MEMBER_STABLE && owned.at < owned.end) {
            int32_t p = answer_i32(&owned);
            moved_count += run->owners[p] != (int)i;
            run->owners[p] = (int)i;
            owned_count++;
        }
    }
    if (owned_count != run->options->partitions)
        wire_fail("%ld partitions are owned, there are %ld", owned_count, run->options->partitions);
    return moved_count;
}

static void join_all(struct run *run, const struct membership *membership)
{
    struct place place = member_find_coordinator(run->options->brokers, GROUP);
    for (long i = 0; i < run->options->members; i++) {
        struct member *m = &run->members[i];
        m->membership = membership;
        m->index = (int)i;
        snprintf(m->group, sizeof m->group, GROUP);
        member_start(m, &place);
        connections_poll(0);
        beat_due(run);
    }
    wait_stable(run, run->options->members, 0);
}

/* The member in the middle: neither the leader nor the last that came. */
static void leave(struct run *run)
{
    long members = run->options->members;
    struct member *m = &run->members[members / 2];
    int32_t generation = run->generation;
    while (m->is_busy)
        connections_poll(1);
    int64_t since_us = wire_now_us();
    long held = (long)run->owned[m->index].size / 4;
    member_leave(m);
    run->owned[m->index].size = 0;
    wait_stable(run, members - 1, generation);
    printf("stable_ms=%.0f after_last_join_ms=%.0f generations=%d held=%ld moved=%ld\n",
           (double)(run->stable_us - since_us) / 1000,
           (double)(run->stable_us - run->joined_us) / 1000, run->generation - generation, held,
           take_owners(run));
}

static void *array(long count, size_t size)
{
    void *memory = calloc((size_t)count, size);
    if (memory == NULL)
        wire_fail("no memory");
    return memory;
}

void mode_leave(const struct options *options)
{
    struct run run = {.options = options};
    const struct membership membership = {.protocol = "cooperative-sticky",
                                          .session_ms = SESSION_MS,
                                          .rebalance_ms = REBALANCE_MS,
                                          .owner = &run,
                                          .put_subscription = put_subscription,
                                          .assign = assign,
                                          .on_joined = on_joined,
                                          .on_stable = on_stable,
                                          .on_answer = on_answer};
    run.members = array(options->members, sizeof *run.members);
    run.owned = array(options->members, sizeof *run.owned);
    run.beat_at_us = array(options->members, sizeof *run.beat_at_us);
    run.owners = array(options->partitions, sizeof *run.owners);
    int64_t since_us = wire_now_us();
    join_all(&run, &membership);
    printf("join_ms=%.0f ", (double)(wire_now_us() - since_us) / 1000);
    take_owners(&run);
    spread_beats(&run);
    leave(&run);
}
