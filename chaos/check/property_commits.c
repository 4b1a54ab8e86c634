/* What a group has committed, as a register that many write and read.
 *
 * Per group and partition. A commit takes effect at some instant between its invocation and its
 * completion; one of unknown outcome at some instant after its invocation, or never; one that
 * failed never. A fetch must answer what was in force at some instant between its own invocation
 * and completion. So a commit C is a possible answer to a fetch F if
 *
 *     C was invoked before F completed, and there is no other commit D that certainly came after C
 *     (D invoked after C completed) and certainly before F (D acknowledged before F was invoked).
 *
 * Nothing at all (-1) is possible while no commit was acknowledged before F. So a legitimate lower
 * commit, say of a member that took over, makes the lower value possible, and no other. A fetch
 * that saw a commit also proves it: from then on it counts as acknowledged by then. The first
 * record after an assignment to the group's offset is such a fetch, between the two lines.
 *
 * A commit that a forced recovery may have taken (forced_recovery.c) is certain only for fetches
 * that were answered before the order. A group whose offset lies behind what survives goes on where
 * the log does.
 *
 * Once a file was cut short, commits may be missing from the history: what is answered from then on
 * is not judged. */
#include <inttypes.h>
#include <stdlib.h>

#include "forced_recovery.h"
#include "verdict.h"

/* Something done for certain by `done_at`, invoked not before `invoked_at`. */
struct done {
    int64_t done_at, invoked_at;
    int64_t latest_invoked_at[RECOVERIES_MAX + 1]; /* of all up to this one that so many recoveries
                                                      can't have taken */
};

/* The operations of one group's partition. */
struct register_of {
    const struct history *history;
    const struct operation *const *commits; /* not failed; by offset */
    size_t commit_count;
    const struct operation *const *fetches;
    size_t fetch_count;
    struct done *done; /* by done_at */
    size_t done_count;
};

static int compare_done(const void *a, const void *b)
{
    const struct done *one = a, *other = b;
    return (one->done_at > other->done_at) - (one->done_at < other->done_at);
}

/* Perhaps, by one of the first `count` recoveries. */
static bool is_taken(const struct history *h, size_t count, const struct done *done)
{
    for (size_t i = 0; i < count; i++)
        if (recovery_may_take(h, i, done->invoked_at, done->done_at, done->done_at))
            return true;
    return false;
}

static void sort_done(struct register_of *r)
{
    qsort(r->done, r->done_count, sizeof *r->done, compare_done);
    for (size_t k = 0; k <= r->history->recoveries.count; k++) {
        int64_t latest = INT64_MIN;
        for (size_t i = 0; i < r->done_count; i++) {
            if (r->done[i].invoked_at > latest && !is_taken(r->history, k, &r->done[i]))
                latest = r->done[i].invoked_at;
            r->done[i].latest_invoked_at[k] = latest;
        }
    }
}

/* Commits completed before this instant were certainly replaced when the fetch began. */
static int64_t replaced_before(const struct register_of *r, const struct operation *fetch)
{
    int64_t at = fetch->from_at;
    size_t from = 0, to = r->done_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (r->done[middle].done_at < at)
            from = middle + 1;
        else
            to = middle;
    }
    size_t recoveries = recovery_count_by(r->history, fetch->completed_at);
    return from == 0 ? INT64_MIN : r->done[from - 1].latest_invoked_at[recoveries];
}

static int64_t effective_by(const struct operation *commit)
{
    return commit->outcome == OUTCOME_OK ? commit->completed_at : NEVER;
}

static bool is_possible(const struct operation *commit, const struct operation *fetch,
                        int64_t replaced_before_at)
{
    return commit->invoked_at < fetch->completed_at && effective_by(commit) >= replaced_before_at;
}

/* The first commit of that offset or a higher one. */
static size_t lower_bound(const struct register_of *r, int64_t offset)
{
    size_t from = 0, to = r->commit_count;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (r->commits[middle]->offset < offset)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

struct answer {
    bool is_possible, was_committed;
    int64_t invoked_at; /* of the earliest possible commit of that offset */
};

static struct answer examine(const struct register_of *r, const struct operation *fetch,
                             int64_t offset)
{
    int64_t replaced = replaced_before(r, fetch);
    struct answer answer = {.is_possible = offset == -1 && replaced == INT64_MIN,
                            .was_committed = offset == -1,
                            .invoked_at = NEVER};
    for (size_t i = lower_bound(r, offset); i < r->commit_count && r->commits[i]->offset == offset;
         i++) {
        answer.was_committed |= r->commits[i]->invoked_at < fetch->completed_at;
        if (!is_possible(r->commits[i], fetch, replaced))
            continue;
        answer.is_possible = true;
        if (r->commits[i]->invoked_at < answer.invoked_at)
            answer.invoked_at = r->commits[i]->invoked_at;
    }
    return answer;
}

/* What fetches saw is done. Weaker than the truth where several commits wrote the same offset. That
 * a group goes on at the log's start tells nothing: it does so without a commit too. */
static void learn_from_fetches(const struct history *h, struct register_of *r)
{
    size_t certain = r->done_count, learned = 0;
    for (size_t i = 0; i < r->fetch_count; i++) {
        const struct operation *fetch = r->fetches[i];
        struct answer answer = {.is_possible = false};
        bool is_telling = !fetch->is_resume ||
                          fetch->offset > h->partitions.items[fetch->partition].deleted_before;
        if (fetch->offset >= 0 && is_telling)
            answer = examine(r, fetch, fetch->offset);
        if (answer.is_possible)
            r->done[certain + learned++] = (struct done){.done_at = fetch->completed_at,
                                                         .invoked_at = answer.invoked_at};
    }
    r->done_count += learned;
    sort_done(r);
}

/* ---- judging ---- */

static struct violation violation_of(const struct history *h, const struct operation *o)
{
    struct violation violation = violation_at(
        h, o->partition, o->offset, partition_find(&h->partitions.items[o->partition], o->offset));
    violation.process = o->process;
    violation.place = o->place;
    violation.node = -1;
    return violation;
}

/* The offset of the commit that was invoked last among the possible ones, -1: none is known. */
static int64_t expected_offset(const struct register_of *r, const struct operation *fetch)
{
    int64_t replaced = replaced_before(r, fetch), offset = -1, invoked_at = INT64_MIN;
    for (size_t i = 0; i < r->commit_count; i++) {
        const struct operation *c = r->commits[i];
        if (is_possible(c, fetch, replaced) && c->outcome == OUTCOME_OK &&
            c->invoked_at > invoked_at) {
            invoked_at = c->invoked_at;
            offset = c->offset;
        }
    }
    return offset;
}

static void judge_fetch(struct verdict *v, const struct register_of *r,
                        const struct operation *fetch)
{
    const struct history *h = v->history;
    struct answer answer = examine(r, fetch, fetch->offset);
    if (!answer.was_committed)
        verdict_add(v, COMMIT_FROM_NOWHERE, violation_of(h, fetch),
                    "group %s: offset %" PRId64 " was never committed",
                    names_text(&h->names, h->members.items[fetch->member].group), fetch->offset);
    else if (!answer.is_possible)
        verdict_add(v, COMMIT_ROLLED_BACK, violation_of(h, fetch),
                    "group %s: the answer is %" PRId64 ", committed is %" PRId64,
                    names_text(&h->names, h->members.items[fetch->member].group), fetch->offset,
                    expected_offset(r, fetch));
}

/* Of the commits of offsets from … to, both included. */
static bool is_any_possible(const struct register_of *r, const struct operation *fetch,
                            int64_t from, int64_t to)
{
    int64_t replaced = replaced_before(r, fetch);
    for (size_t i = lower_bound(r, from); i < r->commit_count && r->commits[i]->offset <= to; i++)
        if (is_possible(r->commits[i], fetch, replaced))
            return true;
    return false;
}

/* Nothing that survives lies between what was committed and where the log goes on. */
static bool may_resume_behind_gap(const struct history *h, const struct register_of *r,
                                  const struct operation *fetch)
{
    int64_t end = recovery_survives_to(h, fetch->partition, fetch->offset);
    if (!recovery_made_gap(h, fetch->partition, end, fetch->offset, fetch->completed_at))
        return false;
    bool is_nothing_left = end <= h->partitions.items[fetch->partition].deleted_before;
    return is_any_possible(r, fetch, end, fetch->offset) ||
           (is_nothing_left && examine(r, fetch, -1).is_possible);
}

/* Below the log's start the group begins there; with nothing committed, at the start too. */
static bool may_resume(const struct history *h, const struct register_of *r,
                       const struct operation *fetch)
{
    int64_t deleted = h->partitions.items[fetch->partition].deleted_before;
    int64_t highest = fetch->offset <= deleted ? deleted : fetch->offset;
    if (examine(r, fetch, fetch->offset).is_possible)
        return true;
    if (fetch->offset > deleted)
        return may_resume_behind_gap(h, r, fetch);
    return examine(r, fetch, -1).is_possible || is_any_possible(r, fetch, -1, highest);
}

static void judge_resume(struct verdict *v, const struct register_of *r,
                         const struct operation *fetch)
{
    const struct history *h = v->history;
    if (may_resume(h, r, fetch))
        return;
    int64_t committed = expected_offset(r, fetch);
    int64_t from = committed < 0 ? 0 : committed;
    enum property property = reader_jump_is(h, fetch->partition, from, fetch->offset,
                                            fetch->from_at, WRONG_RESUME);
    verdict_add(v, property, violation_of(h, fetch),
                "group %s: assigned at %" PRId64 ", goes on at %" PRId64 ", committed is %" PRId64,
                names_text(&h->names, h->members.items[fetch->member].group), fetch->from_at,
                fetch->offset, committed);
}

static void judge_bounds(struct verdict *v, const struct operation *commit)
{
    const struct history *h = v->history;
    const struct partition *p = &h->partitions.items[commit->partition];
    bool has_end = p->final_from_at[0] >= 0 || p->final_from_at[1] >= 0;
    int64_t end = history_end(h, commit->partition);
    if (has_end && history_has_end(h, commit->partition) && commit->offset > end &&
        commit->outcome == OUTCOME_OK)
        verdict_add(v, COMMIT_BEYOND_END, violation_of(h, commit),
                    "group %s: %" PRId64 " is committed, the log ends at %" PRId64,
                    names_text(&h->names, h->members.items[commit->member].group), commit->offset,
                    end);
}

static void judge_member(struct verdict *v, struct register_of *r)
{
    const struct history *h = v->history;
    sort_done(r);
    learn_from_fetches(h, r);
    for (size_t i = 0; i < r->commit_count; i++)
        judge_bounds(v, r->commits[i]);
    for (size_t i = 0; i < r->fetch_count; i++) {
        const struct operation *fetch = r->fetches[i];
        if (fetch->invoked_at > h->topics.items[fetch->topic].deleted_at)
            continue;
        if (fetch->completed_at >= h->cut_at)
            v->unjudged_fetches++;
        else if (fetch->is_resume)
            judge_resume(v, r, fetch);
        else
            judge_fetch(v, r, fetch);
    }
}

/* ---- sorting operations by group and partition ---- */

static bool matters(const struct history *h, const struct operation *o)
{
    return (o->kind == COMMIT || o->kind == OFFSET_FETCH) && o->member != NONE &&
           (o->kind == COMMIT ? o->outcome != OUTCOME_FAIL : o->outcome == OUTCOME_OK) &&
           history_is_judged(h, o->partition);
}

static int compare_operations(const void *a, const void *b)
{
    const struct operation *one = *(const struct operation *const *)a;
    const struct operation *other = *(const struct operation *const *)b;
    if (one->member != other->member)
        return one->member < other->member ? -1 : 1;
    if (one->kind != other->kind)
        return one->kind < other->kind ? -1 : 1; /* commits first */
    if (one->kind == COMMIT && one->offset != other->offset)
        return one->offset < other->offset ? -1 : 1;
    return (one->invoked_at > other->invoked_at) - (one->invoked_at < other->invoked_at);
}

static void judge_run(struct verdict *v, const struct operation **operations, size_t count,
                      struct done *done)
{
    struct register_of r = {.history = v->history, .commits = operations, .done = done};
    while (r.commit_count < count && operations[r.commit_count]->kind == COMMIT)
        r.commit_count++;
    r.fetches = operations + r.commit_count;
    r.fetch_count = count - r.commit_count;
    for (size_t i = 0; i < r.commit_count; i++)
        if (r.commits[i]->outcome == OUTCOME_OK)
            done[r.done_count++] = (struct done){.done_at = r.commits[i]->completed_at,
                                                 .invoked_at = r.commits[i]->invoked_at};
    judge_member(v, &r);
}

void judge_commits(struct verdict *v)
{
    const struct history *h = v->history;
    const struct operation **operations = memory_make(h->operations.count, sizeof *operations);
    struct done *done = memory_make(h->operations.count, sizeof *done);
    size_t count = 0;
    for (size_t i = 0; i < h->operations.count; i++)
        if (matters(h, &h->operations.items[i]))
            operations[count++] = &h->operations.items[i];
    qsort(operations, count, sizeof *operations, compare_operations);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from; to < count && operations[to]->member == operations[from]->member;)
            to++;
        judge_run(v, operations + from, to - from, done);
    }
    free(operations);
    free(done);
}
