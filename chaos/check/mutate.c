/* The table of lies, and what the files that tell them share.
 *
 * Each takes a place at random where the lie is one: where it can't be explained by concurrency,
 * deletions or unknown outcomes. What a lie entails besides (a lost record leaves a gap in the
 * final read) stands in the table too; nothing else may be found. */
#include "mutate.h"

#include <stdlib.h>
#include <string.h>

#define BIT(property) (1u << (property))

const struct mutation mutations[] = {
    {"lost", LOST, BIT(POLL_GAP), mutate_lost},
    {"lost-at-the-end", LOST, BIT(READ_THEN_GONE) | BIT(COMMIT_BEYOND_END), mutate_lost_at_the_end},
    {"lost-at-one-site", LOST, BIT(POLL_GAP), mutate_lost_at_one_site},
    {"two-records", TWO_RECORDS, 0, mutate_two_records},
    {"two-acknowledgements", TWO_RECORDS, 0, mutate_two_acknowledgements},
    {"record-at-two-offsets", TWO_OFFSETS, 0, mutate_at_two_offsets},
    {"never-sent", INVENTED, 0, mutate_never_sent},
    {"other-bytes", INVENTED, 0, mutate_other_bytes},
    {"other-key", INVENTED, 0, mutate_other_key},
    {"read-though-failed", READ_THOUGH_FAILED, 0, mutate_failed},
    {"read-then-gone", READ_THEN_GONE, BIT(POLL_GAP), mutate_gone},
    {"producer-order", PRODUCER_ORDER, BIT(REAL_TIME) | BIT(STALE_LIST_OFFSETS),
     mutate_order_idempotent},
    {"producer-order-plain", PRODUCER_ORDER,
     BIT(REAL_TIME) | BIT(INVENTED) | BIT(STALE_LIST_OFFSETS), mutate_order_plain},
    {"offsets-real-time", REAL_TIME, BIT(PRODUCER_ORDER) | BIT(INVENTED) | BIT(STALE_LIST_OFFSETS),
     mutate_order_real_time},
    {"poll-gap", POLL_GAP, 0, mutate_gap},
    {"poll-step-back", POLL_STEP_BACK, 0, mutate_step_back},
    {"thrown-to-beginning", THROWN_TO_BEGINNING, 0, mutate_thrown_to_beginning},
    {"thrown-to-end", THROWN_TO_END, 0, mutate_thrown_to_end},
    {"resume-behind", WRONG_RESUME, 0, mutate_resume_behind},
    {"resume-before", WRONG_RESUME, 0, mutate_resume_before},
    {"resume-at-beginning", THROWN_TO_BEGINNING, 0, mutate_resume_at_beginning},
    {"commit-older", COMMIT_ROLLED_BACK, 0, mutate_commit_older},
    {"commit-none", COMMIT_ROLLED_BACK, 0, mutate_commit_none},
    {"commit-from-nowhere", COMMIT_FROM_NOWHERE, 0, mutate_commit_nobodys},
    {"commit-beyond-end", COMMIT_BEYOND_END, 0, mutate_commit_beyond},
    {"replica-bytes", REPLICAS_DIFFER, BIT(INVENTED), mutate_replica_bytes},
    {"replica-epoch", REPLICAS_DIFFER, 0, mutate_replica_epoch},
    {"replica-hole", REPLICAS_DIFFER, BIT(POLL_GAP), mutate_replica_hole},
    {"replica-short", REPLICAS_DIFFER, 0, mutate_replica_short},
    {"two-leaders", TWO_LEADERS, 0, mutate_leaders},
    {"epoch-step-back", EPOCH_STEP_BACK, 0, mutate_epochs},
    {"latest-too-low", STALE_LIST_OFFSETS, 0, mutate_latest},
    {"earliest-too-high", STALE_LIST_OFFSETS, 0, mutate_earliest},
    {"acknowledged-twice", ACKNOWLEDGED_TWICE, 0, mutate_completed_twice},
};
const size_t mutation_count = sizeof mutations / sizeof *mutations;

const struct mutation *mutation_find(const char *name)
{
    for (size_t i = 0; i < mutation_count; i++)
        if (strcmp(mutations[i].name, name) == 0)
            return &mutations[i];
    return NULL;
}

static const struct tape_line *at(const struct tape *tape, size_t line)
{
    return &tape->lines.items[line];
}

bool mutate_somewhere(struct tape *tape, bool (*spoil)(struct tape *tape, size_t line))
{
    size_t count = tape->lines.count, first = tape_draw(tape, count);
    for (size_t i = 0; i < count; i++)
        if (spoil(tape, (first + i) % count))
            return true;
    return false;
}

bool mutate_is_read(const struct tape *tape, size_t line, bool is_final)
{
    return tape->lines.items[line].is_final == is_final && tape_is(tape, line, "read");
}

bool mutate_is_same_place(const struct tape *tape, size_t one, size_t other)
{
    return tape->lines.items[one].partition == tape->lines.items[other].partition &&
           tape->lines.items[one].topic == tape->lines.items[other].topic;
}

size_t mutate_next(const struct tape *tape, size_t from, const char *type, size_t like)
{
    for (size_t i = from; i < tape->lines.count; i++)
        if (mutate_is_same_place(tape, i, like) && tape_is(tape, i, type))
            return i;
    return TAPE_NONE;
}

static bool is_same_operation(const struct tape *tape, size_t one, size_t other)
{
    const struct tape_line *a = &tape->lines.items[one], *b = &tape->lines.items[other];
    return a->process == b->process && a->id == b->id && a->type == b->type &&
           a->is_end != b->is_end;
}

size_t mutate_invocation(const struct tape *tape, size_t end)
{
    for (size_t i = end; i-- > 0;)
        if (is_same_operation(tape, i, end))
            return i;
    return TAPE_NONE;
}

size_t mutate_completion(const struct tape *tape, size_t invocation)
{
    for (size_t i = invocation; i != TAPE_NONE && i < tape->lines.count; i++)
        if (is_same_operation(tape, i, invocation))
            return i;
    return TAPE_NONE;
}

size_t mutate_send(const struct tape *tape, uint32_t value)
{
    for (size_t i = 0; i < tape->lines.count; i++)
        if (tape->lines.items[i].value == value && tape_is(tape, i, "send"))
            return i;
    return TAPE_NONE;
}

int64_t mutate_deleted_before(const struct tape *tape, size_t like)
{
    int64_t before = 0;
    char action[LINE_TEXT_MAX + 1];
    for (size_t i = mutate_next(tape, 0, "admin", like); i != TAPE_NONE;
         i = mutate_next(tape, i + 1, "admin", like)) {
        int64_t offset = at(tape, i)->offset < 0 ? INT64_MAX : at(tape, i)->offset;
        if (strcmp(tape_get(tape, i, LINE_action, action), "delete-records") == 0 &&
            offset > before)
            before = offset;
    }
    return before;
}

size_t mutate_final(const struct tape *tape, size_t like, int64_t offset)
{
    for (size_t i = 0; i < tape->lines.count; i++)
        if (tape->lines.items[i].is_final && tape->lines.items[i].offset == offset &&
            mutate_is_same_place(tape, i, like))
            return i;
    return TAPE_NONE;
}

void mutate_remove_marked(struct tape *tape, const bool *is_marked)
{
    size_t kept = 0;
    for (size_t i = 0; i < tape->lines.count; i++)
        if (!is_marked[i])
            tape->lines.items[kept++] = tape->lines.items[i];
    tape->lines.count = kept;
}
