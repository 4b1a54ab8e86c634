/* Lies about commits, leaders, epochs and the bounds of logs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

static const struct tape_line *at(const struct tape *tape, size_t line)
{
    return &tape->lines.items[line];
}

/* ---- commits ---- */

static bool is_commit_of(const struct tape *tape, size_t line, size_t like)
{
    return at(tape, line)->group == at(tape, like)->group &&
           mutate_is_same_place(tape, line, like) && tape_is(tape, line, "commit");
}

static bool is_fetched(const struct tape *tape, size_t line)
{
    return at(tape, line)->is_ok && tape_is(tape, line, "offset-fetch") &&
           mutate_invocation(tape, line) != TAPE_NONE;
}

/* May a commit of that offset still have been in force after `when`, by any of its lines? */
static bool may_last(const struct tape *tape, size_t like, int64_t offset, int64_t when)
{
    for (size_t i = 0; i < tape->lines.count; i++) {
        if (!is_commit_of(tape, i, like) || at(tape, i)->offset != offset || at(tape, i)->is_end)
            continue;
        size_t end = mutate_completion(tape, i);
        bool is_over = end != TAPE_NONE && (at(tape, end)->is_fail ||
                                            (at(tape, end)->is_ok && at(tape, end)->at < when));
        if (!is_over)
            return true;
    }
    return false;
}

/* Latest invocation of a commit that was acknowledged before `when`; -1. */
static int64_t replaced_before(const struct tape *tape, size_t like, int64_t when)
{
    int64_t latest = -1;
    for (size_t i = 0; i < tape->lines.count; i++) {
        if (!is_commit_of(tape, i, like) || !at(tape, i)->is_ok || at(tape, i)->at >= when)
            continue;
        size_t invocation = mutate_invocation(tape, i);
        if (invocation != TAPE_NONE && at(tape, invocation)->at > latest)
            latest = at(tape, invocation)->at;
    }
    return latest;
}

static bool answer_older(struct tape *tape, size_t line)
{
    if (!is_fetched(tape, line))
        return false;
    int64_t asked_at = at(tape, mutate_invocation(tape, line))->at;
    int64_t replaced = replaced_before(tape, line, asked_at);
    for (size_t i = 0; i < tape->lines.count; i++) {
        int64_t offset = at(tape, i)->offset;
        if (!is_commit_of(tape, i, line) || !at(tape, i)->is_ok || at(tape, i)->at >= replaced ||
            offset == at(tape, line)->offset || may_last(tape, line, offset, replaced))
            continue;
        tape_set_number(tape, line, LINE_offset, offset);
        return true;
    }
    return false;
}

SPOIL(commit_older)
{
    return mutate_somewhere(tape, answer_older);
}

static bool is_group_deleted(const struct tape *tape, size_t like)
{
    char action[LINE_TEXT_MAX + 1];
    for (size_t i = 0; i < tape->lines.count; i++)
        if (at(tape, i)->group == at(tape, like)->group && tape_is(tape, i, "admin") &&
            strcmp(tape_get(tape, i, LINE_action, action), "delete-group") == 0)
            return true;
    return false;
}

static bool answer_nothing(struct tape *tape, size_t line)
{
    if (!is_fetched(tape, line) || at(tape, line)->offset < 0 || is_group_deleted(tape, line))
        return false;
    int64_t asked_at = at(tape, mutate_invocation(tape, line))->at;
    if (replaced_before(tape, line, asked_at) < 0)
        return false;
    tape_set_number(tape, line, LINE_offset, -1);
    return true;
}

SPOIL(commit_none)
{
    return mutate_somewhere(tape, answer_nothing);
}

static bool answer_nobodys(struct tape *tape, size_t line)
{
    int64_t highest = 0;
    if (!is_fetched(tape, line))
        return false;
    for (size_t i = 0; i < tape->lines.count; i++)
        if (is_commit_of(tape, i, line) && at(tape, i)->offset > highest)
            highest = at(tape, i)->offset;
    tape_set_number(tape, line, LINE_offset, highest + 7);
    return true;
}

SPOIL(commit_nobodys)
{
    return mutate_somewhere(tape, answer_nobodys);
}

/* A client that nobody else has to do with commits too far. */
static bool commit_beyond(struct tape *tape, size_t line)
{
    char text[LINE_SIZE_MAX], topic[LINE_TEXT_MAX + 1];
    struct tape_line end = *at(tape, line);
    if (!tape_is(tape, line, "read-end"))
        return false;
    tape_get(tape, line, LINE_topic, topic);
    for (int i = 0; i < 2; i++) { /* the completion, and then before it the invocation */
        snprintf(text, sizeof text,
                 "{\"at\":%" PRId64 ",\"type\":\"commit\",\"process\":\"a-late\",\"site\":\"a\","
                 "\"id\":1,\"group\":\"late\",\"topic\":\"%s\",\"partition\":%" PRId64
                 ",\"offset\":%" PRId64 "%s}",
                 end.at, topic, end.partition, end.offset + 5, i == 0 ? ",\"outcome\":\"ok\"" : "");
        tape_insert(tape, line, text);
    }
    return true;
}

SPOIL(commit_beyond)
{
    return mutate_somewhere(tape, commit_beyond);
}

/* ---- leaders and epochs ---- */

static bool add_leader(struct tape *tape, size_t line)
{
    char leader[LINE_TEXT_MAX + 1];
    if (!tape_is(tape, line, "metadata") || at(tape, line)->epoch < 0)
        return false;
    tape_get(tape, line, LINE_leader, leader);
    if (leader[0] < '0')
        return false;
    tape_insert(tape, line + 1, at(tape, line)->text);
    tape_set_number(tape, line + 1, LINE_leader, strtoll(leader, NULL, 10) + 1);
    return true;
}

SPOIL(leaders)
{
    return mutate_somewhere(tape, add_leader);
}

static bool lower_epoch(struct tape *tape, size_t line)
{
    int64_t offset = at(tape, line)->offset;
    if (!mutate_is_read(tape, line, true))
        return false;
    size_t before = mutate_final(tape, line, offset - 1);
    if (before == TAPE_NONE || at(tape, before)->epoch < 1)
        return false;
    int64_t epoch = at(tape, before)->epoch - 1;
    for (size_t i = 0; i < tape->lines.count; i++)
        if (at(tape, i)->offset == offset && mutate_is_same_place(tape, i, line) &&
            tape_is(tape, i, "read"))
            tape_set_number(tape, i, LINE_epoch, epoch);
    return true;
}

SPOIL(epochs)
{
    return mutate_somewhere(tape, lower_epoch);
}

/* ---- bounds ---- */

static bool is_list(const struct tape *tape, size_t line, const char *which)
{
    char text[LINE_TEXT_MAX + 1];
    return at(tape, line)->is_ok && tape_is(tape, line, "list-offsets") &&
           strcmp(tape_get(tape, line, LINE_which, text), which) == 0 &&
           mutate_invocation(tape, line) != TAPE_NONE;
}

static bool lower_latest(struct tape *tape, size_t line)
{
    if (!is_list(tape, line, "latest"))
        return false;
    int64_t asked_at = at(tape, mutate_invocation(tape, line))->at;
    for (size_t i = 0; i < tape->lines.count; i++) {
        if (!at(tape, i)->is_ok || at(tape, i)->at >= asked_at || at(tape, i)->offset < 0 ||
            !mutate_is_same_place(tape, i, line) || !tape_is(tape, i, "send"))
            continue;
        tape_set_number(tape, line, LINE_offset,
                        (int64_t)tape_draw(tape, (size_t)at(tape, i)->offset + 1));
        return true;
    }
    return false;
}

SPOIL(latest)
{
    return mutate_somewhere(tape, lower_latest);
}

static bool raise_earliest(struct tape *tape, size_t line)
{
    if (!is_list(tape, line, "earliest") || mutate_deleted_before(tape, line) > 0)
        return false;
    tape_set_number(tape, line, LINE_offset, at(tape, line)->offset + 1);
    return true;
}

SPOIL(earliest)
{
    return mutate_somewhere(tape, raise_earliest);
}
