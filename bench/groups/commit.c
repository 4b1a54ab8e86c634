/* Commits: so many groups of one member each, which commits all its partitions, waits for the
 * answer, and commits the next offsets.
 *
 * With a rate, each member's commits are due at fixed instants, and the time counts from when one
 * was due, so that a slow answer hides nothing. In the end each group's offsets are asked for:
 * they must be the last that were acknowledged. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "member.h"
#include "modes.h"

#define WARM_UP_SECONDS 3
#define LATENCY_US_MAX  10000000 /* in steps of 10 */
#define LATENCY_STEP_US 10
#define SESSION_MS      45000
#define PARTITION_SIZE                                                                             \
    (4 + 8 + 4 + 2) /* in a commit: number, offset, leader epoch, no metadata                      \
                     */

struct committer {
    struct member member;
    struct frame frame; /* the commit; only its offsets change */
    size_t first_at;    /* in it, partition 0's */
    int64_t offset, acknowledged;
    int64_t due_us, sent_us;
};

struct run {
    const struct options *options;
    struct committer *committers;
    long stable_count;
    int64_t begin_us, end_us; /* of what is measured */
    int64_t interval_us;      /* between two commits of a member; 0: none */
    uint64_t commit_count, total_count;
    uint32_t *latencies; /* counts by LATENCY_STEP_US */
    bool is_over;
};

/* ---- joining ---- */

static void put_subscription(struct member *m, struct frame *into)
{
    const struct run *run = m->membership->owner;
    frame_put_i16(into, 0);
    frame_put_i32(into, 1);
    frame_put_text(into, run->options->topic);
    frame_put_i32(into, -1); /* user data */
}

static void assign(struct member *m, struct answer members, struct frame *into)
{
    const struct run *run = m->membership->owner;
    struct frame all = {0};
    if (answer_i32(&members) != 1)
        wire_fail("%s: a member too many", m->group);
    frame_put_i16(&all, 0);
    frame_put_i32(&all, 1);
    frame_put_text(&all, run->options->topic);
    frame_put_i32(&all, (int32_t)run->options->partitions);
    for (long p = 0; p < run->options->partitions; p++)
        frame_put_i32(&all, (int32_t)p);
    frame_put_i32(&all, -1);
    frame_put_i32(into, 1);
    frame_put_text(into, m->id);
    frame_put_bytes(into, all.data, all.size);
    free(all.data);
}

/* ---- commits ---- */

static void make_commit(struct run *run, struct committer *c)
{
    struct frame *f = &c->frame;
    frame_begin(f, API_OFFSET_COMMIT, 7);
    frame_put_text(f, c->member.group);
    frame_put_i32(f, c->member.generation);
    frame_put_text(f, c->member.id);
    frame_put_text(f, NULL);
    frame_put_i32(f, 1);
    frame_put_text(f, run->options->topic);
    frame_put_i32(f, (int32_t)run->options->partitions);
    for (long p = 0; p < run->options->partitions; p++) {
        frame_put_i32(f, (int32_t)p);
        if (p == 0)
            c->first_at = f->size;
        frame_put_i64(f, 0);
        frame_put_i32(f, 0);
        frame_put_text(f, "");
    }
    frame_end(f);
}

static void commit(struct run *run, struct committer *c)
{
    c->offset++;
    for (long p = 0; p < run->options->partitions; p++)
        frame_set_i64(&c->frame, c->first_at + (size_t)p * PARTITION_SIZE, c->offset);
    c->sent_us = wire_now_us();
    member_send(&c->member, &c->frame);
}

static void count(struct run *run, const struct committer *c, int64_t now_us)
{
    int64_t since_us = run->interval_us > 0 ? c->due_us : c->sent_us;
    int64_t took_us = now_us - since_us;
    run->total_count++;
    if (now_us < run->begin_us || now_us >= run->end_us)
        return;
    run->commit_count++;
    if (took_us >= LATENCY_US_MAX)
        took_us = LATENCY_US_MAX - 1;
    run->latencies[took_us / LATENCY_STEP_US]++;
}

/* Without a rate the next one at once; with one when it is due, see run_due(). */
static void go_on(struct run *run, struct committer *c, int64_t now_us)
{
    if (run->is_over)
        return;
    if (run->interval_us > 0) {
        c->due_us += run->interval_us;
        if (c->due_us > now_us)
            return;
    }
    commit(run, c);
}

static void on_committed(struct member *m, struct answer answer)
{
    struct run *run = m->membership->owner;
    struct committer *c = &run->committers[m->index];
    char topic[MEMBER_TEXT_SIZE];
    int64_t now_us = wire_now_us();
    answer_i32(&answer);
    if (answer_i32(&answer) != 1)
        wire_fail("%s: another topic is answered", m->group);
    answer_text(&answer, topic, sizeof topic);
    for (int32_t left = answer_i32(&answer); left > 0; left--) {
        answer_i32(&answer);
        int16_t code = answer_i16(&answer);
        if (code != 0)
            wire_fail("%s: a commit is answered with %d", m->group, code);
    }
    c->acknowledged = c->offset;
    count(run, c, now_us);
    go_on(run, c, now_us);
}

static void on_stable(struct member *m, struct answer assignment)
{
    struct run *run = m->membership->owner;
    if (assignment.at == assignment.end)
        wire_fail("%s: nothing is assigned", m->group);
    run->committers[m->index].offset = wire_now_us(); /* above what an earlier run has stored */
    make_commit(run, &run->committers[m->index]);
    run->stable_count++;
}

/* ---- what was stored ---- */

static void check_stored(const struct run *run, struct committer *c)
{
    struct frame *f = &c->frame;
    char text[MEMBER_TEXT_SIZE];
    frame_begin(f, API_OFFSET_FETCH, 5);
    frame_put_text(f, c->member.group);
    frame_put_i32(f, 1);
    frame_put_text(f, run->options->topic);
    frame_put_i32(f, (int32_t)run->options->partitions);
    for (long p = 0; p < run->options->partitions; p++)
        frame_put_i32(f, (int32_t)p);
    frame_end(f);
    connection_send(&c->member.connection, f);
    struct answer answer = connection_wait(&c->member.connection);
    answer_i32(&answer);
    answer_i32(&answer);
    answer_text(&answer, text, sizeof text);
    for (int32_t left = answer_i32(&answer); left > 0; left--) {
        answer_i32(&answer);
        int64_t offset = answer_i64(&answer);
        answer_i32(&answer);
        answer_text(&answer, text, sizeof text);
        if (answer_i16(&answer) != 0 || offset != c->acknowledged)
            wire_fail("%s: stored is %lld, acknowledged was %lld", c->member.group,
                      (long long)offset, (long long)c->acknowledged);
    }
}

/* ---- the run ---- */

static void wait_until(struct run *run, bool (*is_done)(const struct run *run), const char *what)
{
    int64_t since_us = wire_now_us();
    while (!is_done(run)) {
        if (wire_now_us() - since_us > 60 * 1000000L)
            wire_fail("waited 60 s: %s", what);
        connections_poll(10);
    }
}

static bool are_stable(const struct run *run)
{
    return run->stable_count == run->options->groups;
}

static bool are_idle(const struct run *run)
{
    for (long i = 0; i < run->options->groups; i++)
        if (run->committers[i].member.is_busy)
            return false;
    return true;
}

/* Commits that are due, of members that wait for nothing. */
static void run_due(struct run *run)
{
    int64_t now_us = wire_now_us();
    for (long i = 0; i < run->options->groups; i++) {
        struct committer *c = &run->committers[i];
        if (c->due_us <= now_us && !c->member.is_busy)
            commit(run, c);
    }
}

static void begin_commits(struct run *run)
{
    const struct options *o = run->options;
    int64_t now_us = wire_now_us();
    run->begin_us = now_us + WARM_UP_SECONDS * 1000000L;
    run->end_us = run->begin_us + o->seconds * 1000000L;
    run->interval_us = o->rate > 0 ? o->groups * 1000000L / o->rate : 0;
    for (long i = 0; i < o->groups; i++) {
        struct committer *c = &run->committers[i];
        c->due_us = now_us + run->interval_us * i / o->groups;
        if (run->interval_us == 0)
            commit(run, c);
    }
}

static double latency_ms(const struct run *run, double share)
{
    uint64_t seen = 0, wanted = (uint64_t)((double)run->commit_count * share);
    for (size_t i = 0; i < LATENCY_US_MAX / LATENCY_STEP_US; i++) {
        seen += run->latencies[i];
        if (seen > wanted)
            return (double)(i + 1) * LATENCY_STEP_US / 1000;
    }
    return 0;
}

static void join_all(struct run *run, const struct membership *membership)
{
    for (long i = 0; i < run->options->groups; i++) {
        struct member *m = &run->committers[i].member;
        m->membership = membership;
        m->index = (int)i;
        snprintf(m->group, sizeof m->group, "bench-commit-%06ld", i);
        struct place place = member_find_coordinator(run->options->brokers, m->group);
        member_start(m, &place);
        connections_poll(0);
    }
    wait_until(run, are_stable, "not all groups are stable");
}

void mode_commit(const struct options *options)
{
    struct run run = {.options = options};
    const struct membership membership = {.protocol = "range",
                                          .session_ms = SESSION_MS,
                                          .rebalance_ms = SESSION_MS,
                                          .owner = &run,
                                          .put_subscription = put_subscription,
                                          .assign = assign,
                                          .on_stable = on_stable,
                                          .on_answer = on_committed};
    run.committers = calloc((size_t)options->groups, sizeof *run.committers);
    run.latencies = calloc(LATENCY_US_MAX / LATENCY_STEP_US, sizeof *run.latencies);
    if (run.committers == NULL || run.latencies == NULL)
        wire_fail("no memory");
    join_all(&run, &membership);
    begin_commits(&run);
    while (wire_now_us() < run.end_us) {
        connections_poll(1);
        if (run.interval_us > 0)
            run_due(&run);
    }
    run.is_over = true;
    wait_until(&run, are_idle, "not all commits are answered");
    for (long i = 0; i < options->groups; i++) {
        check_stored(&run, &run.committers[i]);
        member_leave(&run.committers[i].member); /* the next run finds nobody to wait for */
    }
    double rate = (double)run.commit_count / (double)options->seconds;
    printf(
        "commits_per_s=%.0f offsets_per_s=%.0f p50_ms=%.2f p99_ms=%.2f p999_ms=%.2f total=%llu\n",
        rate, rate * (double)options->partitions, latency_ms(&run, 0.5), latency_ms(&run, 0.99),
        latency_ms(&run, 0.999), (unsigned long long)run.total_count);
}
