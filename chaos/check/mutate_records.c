/* Lies about records: gone, changed, twice, in another order. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "mutate.h"

static const struct tape_line *at(const struct tape *tape, size_t line)
{
    return &tape->lines.items[line];
}

static bool is_acknowledgement(const struct tape *tape, size_t line)
{
    return at(tape, line)->is_ok && at(tape, line)->offset >= 0 && tape_is(tape, line, "send");
}

/* ---- gone ---- */

/* Removes the final reads of a value, all or those of one process. Returns how many. */
static size_t remove_finals(struct tape *tape, uint32_t value, uint32_t process)
{
    bool *is_marked = memory_make(tape->lines.count, 1);
    size_t count = 0;
    for (size_t i = 0; i < tape->lines.count; i++) {
        is_marked[i] = at(tape, i)->is_final && at(tape, i)->value == value &&
                       (process == NAME_NONE || at(tape, i)->process == process);
        count += is_marked[i];
    }
    mutate_remove_marked(tape, is_marked);
    free(is_marked);
    return count;
}

static bool lose(struct tape *tape, size_t line)
{
    if (!is_acknowledgement(tape, line) ||
        at(tape, line)->offset < mutate_deleted_before(tape, line))
        return false;
    size_t invocation = mutate_invocation(tape, line);
    return invocation != TAPE_NONE &&
           remove_finals(tape, at(tape, invocation)->value, NAME_NONE) > 0;
}

SPOIL(lost)
{
    return mutate_somewhere(tape, lose);
}

static bool lose_at_one_site(struct tape *tape, size_t line)
{
    if (!mutate_is_read(tape, line, true) || at(tape, line)->node >= 0 ||
        at(tape, line)->offset < mutate_deleted_before(tape, line))
        return false;
    size_t end = mutate_completion(tape, mutate_send(tape, at(tape, line)->value));
    return end != TAPE_NONE && is_acknowledgement(tape, end) &&
           at(tape, end)->offset == at(tape, line)->offset &&
           remove_finals(tape, at(tape, line)->value, at(tape, line)->process) > 0;
}

SPOIL(lost_at_one_site)
{
    return mutate_somewhere(tape, lose_at_one_site);
}

/* Cuts all final reads, or those of one process, off at an offset. */
static void cut_finals(struct tape *tape, size_t like, int64_t end, uint32_t process)
{
    bool *is_marked = memory_make(tape->lines.count, 1);
    for (size_t i = 0; i < tape->lines.count; i++) {
        bool is_meant = mutate_is_same_place(tape, i, like) &&
                        (process == NAME_NONE || at(tape, i)->process == process);
        is_marked[i] = is_meant && at(tape, i)->is_final && at(tape, i)->offset >= end;
        if (is_meant && tape_is(tape, i, "read-end"))
            tape_set_number(tape, i, LINE_offset, end);
    }
    mutate_remove_marked(tape, is_marked);
    free(is_marked);
}

static bool lose_the_end(struct tape *tape, size_t line)
{
    if (!is_acknowledgement(tape, line) ||
        at(tape, line)->offset < mutate_deleted_before(tape, line))
        return false;
    size_t end = mutate_next(tape, 0, "read-end", line);
    if (end == TAPE_NONE || at(tape, end)->offset - at(tape, line)->offset > 3 ||
        mutate_final(tape, line, at(tape, line)->offset) == TAPE_NONE)
        return false;
    cut_finals(tape, line, at(tape, line)->offset, NAME_NONE);
    return true;
}

SPOIL(lost_at_the_end)
{
    return mutate_somewhere(tape, lose_the_end);
}

static bool go(struct tape *tape, size_t line)
{
    if (!mutate_is_read(tape, line, false) ||
        at(tape, line)->offset < mutate_deleted_before(tape, line))
        return false;
    uint32_t value = at(tape, line)->value;
    size_t end = mutate_completion(tape, mutate_send(tape, value));
    if (end == TAPE_NONE || at(tape, end)->is_fail ||
        mutate_final(tape, line, at(tape, line)->offset) == TAPE_NONE)
        return false;
    tape_set(tape, end, LINE_outcome, "unknown");
    return remove_finals(tape, value, NAME_NONE) > 0;
}

SPOIL(gone)
{
    return mutate_somewhere(tape, go);
}

/* ---- changed ---- */

static void take_bytes_of(struct tape *tape, size_t line, const struct tape *source, size_t other)
{
    static const enum line_field fields[] = {LINE_value, LINE_size, LINE_crc, LINE_key};
    char text[LINE_TEXT_MAX + 1];
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        tape_set(tape, line, fields[i], tape_get(source, other, fields[i], text));
}

/* Shows an earlier record of the partition instead. */
static bool show_another(struct tape *tape, size_t line)
{
    if (!mutate_is_read(tape, line, false) || at(tape, line)->offset < 1)
        return false;
    int64_t offset = (int64_t)tape_draw(tape, (size_t)at(tape, line)->offset);
    size_t other = mutate_final(tape, line, offset);
    if (other == TAPE_NONE || at(tape, other)->value == at(tape, line)->value)
        return false;
    take_bytes_of(tape, line, tape, other);
    return true;
}

SPOIL(two_records)
{
    return mutate_somewhere(tape, show_another);
}

static bool acknowledge_another(struct tape *tape, size_t line)
{
    size_t other = tape_draw(tape, tape->lines.count);
    if (!is_acknowledgement(tape, line) || !is_acknowledgement(tape, other) ||
        !mutate_is_same_place(tape, line, other) ||
        at(tape, line)->offset == at(tape, other)->offset ||
        at(tape, line)->offset < mutate_deleted_before(tape, line))
        return false;
    tape_set_number(tape, line, LINE_offset, at(tape, other)->offset);
    return true;
}

SPOIL(two_acknowledgements)
{
    return mutate_somewhere(tape, acknowledge_another);
}

static bool change_bytes(struct tape *tape, size_t line)
{
    char crc[LINE_TEXT_MAX + 1];
    if (!mutate_is_read(tape, line, false))
        return false;
    tape_get(tape, line, LINE_crc, crc);
    crc[0] = crc[0] == '0' ? '1' : '0';
    tape_set(tape, line, LINE_crc, crc);
    return true;
}

SPOIL(other_bytes)
{
    return mutate_somewhere(tape, change_bytes);
}

static bool change_key(struct tape *tape, size_t line)
{
    if (!mutate_is_read(tape, line, false))
        return false;
    tape_set(tape, line, LINE_key, "k-of-nobody");
    return true;
}

SPOIL(other_key)
{
    return mutate_somewhere(tape, change_key);
}

static bool say_failed(struct tape *tape, size_t line)
{
    if (!is_acknowledgement(tape, line) ||
        mutate_final(tape, line, at(tape, line)->offset) == TAPE_NONE)
        return false;
    tape_set(tape, line, LINE_outcome, "fail");
    return true;
}

SPOIL(failed)
{
    return mutate_somewhere(tape, say_failed);
}

static bool complete_again(struct tape *tape, size_t line)
{
    if (!at(tape, line)->is_end || !tape_is(tape, line, "send"))
        return false;
    tape_insert(tape, line + 1, at(tape, line)->text);
    return true;
}

SPOIL(completed_twice)
{
    return mutate_somewhere(tape, complete_again);
}

/* ---- once more, at the end of the partition ---- */

/* Every final reader gets it behind its last record, whose epoch it takes. */
static void append_to_finals(struct tape *tape, size_t like, const char *text, const char *value)
{
    int64_t last = at(tape, mutate_next(tape, 0, "read-end", like))->offset;
    char epoch[24];
    snprintf(epoch, sizeof epoch, "%" PRId64, at(tape, mutate_final(tape, like, last - 1))->epoch);
    for (size_t i = 0; i < tape->lines.count; i++) {
        char node[LINE_TEXT_MAX + 1], process[LINE_TEXT_MAX + 1], copy[LINE_SIZE_MAX];
        if (!mutate_is_same_place(tape, i, like) || !tape_is(tape, i, "read-end"))
            continue;
        tape_get(tape, i, LINE_node, node);
        tape_get(tape, i, LINE_process, process);
        tape_set_number(tape, i, LINE_offset, last + 1);
        const char *is_node = node[0] != '\0' ? ",\"node\":" : "";
        snprintf(copy, sizeof copy, "%.*s%s%s}", (int)strlen(text) - 1, text, is_node, node);
        tape_insert(tape, i, copy);
        tape_set_number(tape, i, LINE_offset, last);
        tape_set(tape, i, LINE_process, process);
        tape_set(tape, i, LINE_epoch, epoch);
        tape_set(tape, i, LINE_value, value);
        tape_set_number(tape, i, LINE_at, at(tape, i + 1)->at);
        i++;
    }
}

static bool is_fit_to_append(const struct tape *tape, size_t line)
{
    size_t end = mutate_next(tape, 0, "read-end", line);
    return mutate_is_read(tape, line, true) && at(tape, line)->node < 0 && end != TAPE_NONE &&
           mutate_final(tape, line, at(tape, end)->offset - 1) != TAPE_NONE;
}

static bool is_idempotent(const struct tape *tape, uint32_t process)
{
    for (size_t i = 0; i < tape->lines.count; i++)
        if (at(tape, i)->process == process && tape_is(tape, i, "process"))
            return strstr(at(tape, i)->text, "\"idempotent\":1") != NULL;
    return false;
}

static bool repeat(struct tape *tape, size_t line)
{
    char value[LINE_TEXT_MAX + 1];
    if (!is_fit_to_append(tape, line) ||
        !is_idempotent(tape, at(tape, mutate_send(tape, at(tape, line)->value))->process))
        return false;
    tape_get(tape, line, LINE_value, value);
    append_to_finals(tape, line, at(tape, line)->text, value);
    return true;
}

SPOIL(at_two_offsets)
{
    return mutate_somewhere(tape, repeat);
}

static bool invent(struct tape *tape, size_t line)
{
    if (!is_fit_to_append(tape, line))
        return false;
    append_to_finals(tape, line, at(tape, line)->text, "a-ghost-7");
    return true;
}

SPOIL(never_sent)
{
    return mutate_somewhere(tape, invent);
}

/* ---- in another order ---- */

struct exchange {
    size_t one, other;                     /* final reads of the two */
    size_t one_end, other_end;             /* completions of their sends */
    int64_t one_at, one_done_at, other_at; /* sent, completed; sent */
    uint32_t one_process, other_process;
};

/* Two records of a partition, `one` at the lower offset. */
static bool draw_exchange(struct tape *tape, size_t line, struct exchange *e)
{
    size_t end = mutate_next(tape, 0, "read-end", line);
    if (!mutate_is_read(tape, line, true) || end == TAPE_NONE)
        return false;
    int64_t distance = 1 + (int64_t)tape_draw(tape, 12);
    *e = (struct exchange){.one = line,
                           .other = mutate_final(tape, line, at(tape, line)->offset + distance)};
    if (e->other == TAPE_NONE)
        return false;
    size_t one = mutate_send(tape, at(tape, e->one)->value);
    size_t other = mutate_send(tape, at(tape, e->other)->value);
    e->one_end = mutate_completion(tape, one);
    e->other_end = mutate_completion(tape, other);
    if (e->one_end == TAPE_NONE || e->other_end == TAPE_NONE ||
        !is_acknowledgement(tape, e->one_end) || !is_acknowledgement(tape, e->other_end) ||
        at(tape, e->one_end)->offset != at(tape, e->one)->offset ||
        at(tape, e->other_end)->offset != at(tape, e->other)->offset)
        return false;
    e->one_at = at(tape, one)->at;
    e->other_at = at(tape, other)->at;
    e->one_done_at = at(tape, e->one_end)->at;
    e->one_process = at(tape, one)->process;
    e->other_process = at(tape, other)->process;
    return true;
}

/* No read of the lower offset came before the other record was sent. */
static bool is_unseen_until(const struct tape *tape, size_t like, int64_t when)
{
    for (size_t i = 0; i < tape->lines.count; i++)
        if (at(tape, i)->offset == at(tape, like)->offset && at(tape, i)->at < when &&
            mutate_is_same_place(tape, i, like) && tape_is(tape, i, "read"))
            return false;
    return true;
}

static void exchange(struct tape *tape, const struct exchange *e)
{
    int64_t low = at(tape, e->one)->offset, high = at(tape, e->other)->offset;
    struct tape before;
    tape_copy(&before, tape);
    for (size_t i = 0; i < tape->lines.count; i++) {
        if (!mutate_is_same_place(&before, i, e->one) || !tape_is(&before, i, "read"))
            continue;
        if (at(&before, i)->offset == low)
            take_bytes_of(tape, i, &before, e->other);
        else if (at(&before, i)->offset == high)
            take_bytes_of(tape, i, &before, e->one);
    }
    tape_set_number(tape, e->one_end, LINE_offset, high);
    tape_set_number(tape, e->other_end, LINE_offset, low);
    tape_close(&before);
}

static bool reorder_idempotent(struct tape *tape, size_t line)
{
    struct exchange e;
    if (!draw_exchange(tape, line, &e) || e.one_process != e.other_process ||
        !is_idempotent(tape, e.one_process) || !is_unseen_until(tape, e.one, e.other_at))
        return false;
    exchange(tape, &e);
    return true;
}

SPOIL(order_idempotent)
{
    return mutate_somewhere(tape, reorder_idempotent);
}

/* Records that a plain producer's client has sent again are held by one of their places only. */
static bool is_there_once(const struct tape *tape, size_t like)
{
    for (size_t i = 0; i < tape->lines.count; i++)
        if (tape_is(tape, i, "read") && at(tape, i)->value == at(tape, like)->value &&
            (!mutate_is_same_place(tape, i, like) || at(tape, i)->offset != at(tape, like)->offset))
            return false;
    return true;
}

static bool reorder_plain(struct tape *tape, size_t line)
{
    struct exchange e;
    if (!draw_exchange(tape, line, &e) || e.one_process != e.other_process ||
        is_idempotent(tape, e.one_process) || e.one_done_at >= e.other_at ||
        !is_there_once(tape, e.one) || !is_there_once(tape, e.other))
        return false;
    exchange(tape, &e);
    return true;
}

SPOIL(order_plain)
{
    return mutate_somewhere(tape, reorder_plain);
}

static bool reorder_others(struct tape *tape, size_t line)
{
    struct exchange e;
    if (!draw_exchange(tape, line, &e) || e.one_process == e.other_process ||
        e.one_done_at >= e.other_at)
        return false;
    exchange(tape, &e);
    return true;
}

SPOIL(order_real_time)
{
    return mutate_somewhere(tape, reorder_others);
}

/* ---- replicas ---- */

static bool is_of_a_node(const struct tape *tape, size_t line)
{
    return mutate_is_read(tape, line, true) && at(tape, line)->node >= 0;
}

static bool change_replica(struct tape *tape, size_t line)
{
    char crc[LINE_TEXT_MAX + 1];
    if (!is_of_a_node(tape, line))
        return false;
    tape_get(tape, line, LINE_crc, crc);
    char *last = &crc[strlen(crc) - 1];
    *last = *last == '0' ? '1' : '0';
    tape_set(tape, line, LINE_crc, crc);
    return true;
}

SPOIL(replica_bytes)
{
    return mutate_somewhere(tape, change_replica);
}

static bool change_epoch(struct tape *tape, size_t line)
{
    if (!is_of_a_node(tape, line))
        return false;
    tape_set_number(tape, line, LINE_epoch, at(tape, line)->epoch + 1);
    return true;
}

SPOIL(replica_epoch)
{
    return mutate_somewhere(tape, change_epoch);
}

static bool make_hole(struct tape *tape, size_t line)
{
    if (!is_of_a_node(tape, line) || at(tape, line)->offset < mutate_deleted_before(tape, line))
        return false;
    tape_remove(tape, line);
    return true;
}

SPOIL(replica_hole)
{
    return mutate_somewhere(tape, make_hole);
}

static bool shorten(struct tape *tape, size_t line)
{
    if (!is_of_a_node(tape, line) || at(tape, line)->offset < mutate_deleted_before(tape, line))
        return false;
    cut_finals(tape, line, at(tape, line)->offset, at(tape, line)->process);
    return true;
}

SPOIL(replica_short)
{
    return mutate_somewhere(tape, shorten);
}
