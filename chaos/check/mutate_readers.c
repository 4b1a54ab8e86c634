/* Lies about readers: records skipped, repeated, a start elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

#define RUN_MAX 400

static const struct tape_line *at(const struct tape *tape, size_t line)
{
    return &tape->lines.items[line];
}

static bool moves_reader(const struct tape *tape, size_t line)
{
    return tape_is(tape, line, "assign") || tape_is(tape, line, "seek") ||
           tape_is(tape, line, "revoke");
}

/* The reads of one reader that follow one another without a move, beginning with `first`. */
struct run {
    size_t lines[RUN_MAX];
    size_t count;
    bool is_moved_after; /* ended by a move, not by the end of what is looked at */
};

static void find_run(const struct tape *tape, size_t first, struct run *run)
{
    run->count = 0;
    run->is_moved_after = false;
    for (size_t i = first; i < tape->lines.count && run->count < RUN_MAX; i++) {
        if (at(tape, i)->process != at(tape, first)->process ||
            !mutate_is_same_place(tape, i, first))
            continue;
        if (i != first && moves_reader(tape, i)) {
            run->is_moved_after = true;
            return;
        }
        if (mutate_is_read(tape, i, false))
            run->lines[run->count++] = i;
    }
}

static bool is_fit(const struct tape *tape, size_t line)
{
    return mutate_is_read(tape, line, false) && mutate_deleted_before(tape, line) == 0;
}

/* As the reader of `like` would have read that offset. Returns false where nothing is known. */
static bool insert_read(struct tape *tape, size_t before, const struct tape_line *like,
                        int64_t offset)
{
    static const enum line_field fields[] = {LINE_value, LINE_size, LINE_crc, LINE_key};
    char text[LINE_TEXT_MAX + 1];
    size_t known = TAPE_NONE;
    for (size_t i = 0; i < tape->lines.count && known == TAPE_NONE; i++)
        if (at(tape, i)->is_final && at(tape, i)->offset == offset &&
            at(tape, i)->partition == like->partition && at(tape, i)->topic == like->topic)
            known = i;
    if (known == TAPE_NONE)
        return false;
    tape_insert(tape, before, like->text);
    known += known >= before;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        tape_set(tape, before, fields[i], tape_get(tape, known, fields[i], text));
    if (at(tape, known)->epoch >= 0)
        tape_set_number(tape, before, LINE_epoch, at(tape, known)->epoch);
    tape_set_number(tape, before, LINE_offset, offset);
    return true;
}

static bool are_known(const struct tape *tape, size_t like, int64_t from, int64_t to)
{
    for (int64_t offset = from; offset < to; offset++)
        if (mutate_final(tape, like, offset) == TAPE_NONE)
            return false;
    return from < to;
}

/* Before `line`, its reader reads from … to - 1. */
static void insert_reads(struct tape *tape, size_t line, const struct tape_line *like, int64_t from,
                         int64_t to)
{
    for (int64_t offset = to; offset-- > from;)
        insert_read(tape, line, like, offset);
}

/* ---- in the middle ---- */

static bool skip_one(struct tape *tape, size_t line)
{
    struct run run;
    if (!is_fit(tape, line))
        return false;
    find_run(tape, line, &run);
    if (run.count < 3)
        return false;
    tape_remove(tape, run.lines[1]);
    return true;
}

SPOIL(gap)
{
    return mutate_somewhere(tape, skip_one);
}

static bool repeat_some(struct tape *tape, size_t line)
{
    struct run run;
    if (!is_fit(tape, line))
        return false;
    find_run(tape, line, &run);
    size_t count = 1 + tape_draw(tape, 9);
    if (run.count < count)
        return false;
    struct tape_line last = *at(tape, run.lines[count - 1]);
    int64_t from = at(tape, line)->offset;
    if (!are_known(tape, line, from, last.offset + 1))
        return false;
    insert_reads(tape, run.lines[count - 1] + 1, &last, from, last.offset + 1);
    return true;
}

SPOIL(step_back)
{
    return mutate_somewhere(tape, repeat_some);
}

static bool throw_to_beginning(struct tape *tape, size_t line)
{
    struct tape_line like = *at(tape, line);
    if (!is_fit(tape, line) || like.offset < 12 || like.offset > 300 ||
        !are_known(tape, line, 0, like.offset + 1))
        return false;
    insert_reads(tape, line + 1, &like, 0, like.offset + 1);
    return true;
}

SPOIL(thrown_to_beginning)
{
    return mutate_somewhere(tape, throw_to_beginning);
}

static int64_t sent_at(const struct tape *tape, size_t read)
{
    size_t send = mutate_send(tape, at(tape, read)->value);
    return send == TAPE_NONE ? -1 : at(tape, send)->at;
}

static bool throw_to_end(struct tape *tape, size_t line)
{
    struct run run;
    if (!is_fit(tape, line))
        return false;
    find_run(tape, line, &run);
    for (size_t to = 11; to < run.count; to++) {
        if (sent_at(tape, run.lines[to]) < at(tape, line)->at)
            continue;
        for (size_t i = to; i-- > 1;)
            tape_remove(tape, run.lines[i]);
        return true;
    }
    return false;
}

SPOIL(thrown_to_end)
{
    return mutate_somewhere(tape, throw_to_end);
}

/* ---- after an assignment ---- */

/* Commits of the group that an assignment or a fetch is about. */
static bool is_commit_of(const struct tape *tape, size_t line, size_t like)
{
    return at(tape, line)->group == at(tape, like)->group &&
           mutate_is_same_place(tape, line, like) && tape_is(tape, line, "commit");
}

static bool was_ever_committed(const struct tape *tape, size_t like, int64_t offset)
{
    for (size_t i = 0; i < tape->lines.count; i++)
        if (at(tape, i)->offset == offset && is_commit_of(tape, i, like))
            return true;
    return false;
}

/* Was anything certainly committed before? Then nothing is no possible answer. */
static bool has_commit_before(const struct tape *tape, size_t like, int64_t when)
{
    for (size_t i = 0; i < tape->lines.count; i++)
        if (at(tape, i)->is_ok && at(tape, i)->at < when && is_commit_of(tape, i, like))
            return true;
    return false;
}

/* The offset of the commit that was invoked last before `when`, of those acknowledged; -1. */
static int64_t last_commit(const struct tape *tape, size_t like, int64_t when)
{
    int64_t last_at = -1, offset = -1;
    for (size_t i = 0; i < tape->lines.count; i++) {
        if (!at(tape, i)->is_ok || !is_commit_of(tape, i, like))
            continue;
        size_t invocation = mutate_invocation(tape, i);
        if (invocation != TAPE_NONE && at(tape, invocation)->at < when &&
            at(tape, invocation)->at > last_at) {
            last_at = at(tape, invocation)->at;
            offset = at(tape, i)->offset;
        }
    }
    return offset;
}

/* What was read after an assignment to the group's offset. */
static bool find_resume(struct tape *tape, size_t assign, struct run *run)
{
    if (!tape_is(tape, assign, "assign") || at(tape, assign)->group == NAME_NONE ||
        at(tape, assign)->offset >= 0 || mutate_deleted_before(tape, assign) > 0)
        return false;
    find_run(tape, assign, run);
    return run->count > 0;
}

static bool resume_behind(struct tape *tape, size_t assign)
{
    struct run run;
    size_t count = 1 + tape_draw(tape, 9);
    if (!find_resume(tape, assign, &run) || run.count <= count)
        return false;
    size_t next = run.lines[count];
    int64_t committed = last_commit(tape, assign, at(tape, next)->at);
    bool is_far = at(tape, next)->offset - (committed < 0 ? 0 : committed) >= 10;
    if (was_ever_committed(tape, assign, at(tape, next)->offset) ||
        (is_far && sent_at(tape, next) >= at(tape, assign)->at))
        return false; /* else it looks as if it were thrown to the end */
    for (size_t i = count; i-- > 0;)
        tape_remove(tape, run.lines[i]);
    return true;
}

SPOIL(resume_behind)
{
    return mutate_somewhere(tape, resume_behind);
}

static bool resume_before(struct tape *tape, size_t assign)
{
    struct run run;
    int64_t count = 1 + (int64_t)tape_draw(tape, 9);
    if (!find_resume(tape, assign, &run))
        return false;
    struct tape_line like = *at(tape, run.lines[0]);
    int64_t from = like.offset - count;
    if (from < 1 || was_ever_committed(tape, assign, from) ||
        !are_known(tape, assign, from, like.offset))
        return false;
    insert_reads(tape, run.lines[0], &like, from, like.offset);
    return true;
}

SPOIL(resume_before)
{
    return mutate_somewhere(tape, resume_before);
}

static bool resume_at_beginning(struct tape *tape, size_t assign)
{
    struct run run;
    if (!find_resume(tape, assign, &run))
        return false;
    struct tape_line like = *at(tape, run.lines[0]);
    if (like.offset < 12 || like.offset > 300 || last_commit(tape, assign, like.at) < 12 ||
        was_ever_committed(tape, assign, 0) ||
        !has_commit_before(tape, assign, at(tape, assign)->at) ||
        !are_known(tape, assign, 0, like.offset))
        return false;
    insert_reads(tape, run.lines[0], &like, 0, like.offset);
    return true;
}

SPOIL(resume_at_beginning)
{
    return mutate_somewhere(tape, resume_at_beginning);
}
