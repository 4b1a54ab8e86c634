/* The way back of one file: a table of the blocks that changed since its last sync. */
#include "undo.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chance.h"

/* What the seed is asked about a file, beside its sectors. */
enum question { ASK_MANNER, ASK_SIZE, ASK_SIZE_BETWEEN, ASK_CUT_OFF, ASK_TORN, ASK_SECTOR };

/* A table of this many slots is kept for the next time, a larger one is given back. */
#define SLOTS_KEPT_MAX 256u

static uint64_t lower(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t higher(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t ask(uint64_t seed, enum question question)
{
    return chance_mix(seed, question);
}

/* The block's slot, or the free one where it belongs. */
static struct undo_block *slot_of(struct undo_block *slots, size_t slot_count, uint64_t number)
{
    size_t i = (size_t)chance_mix(0, number) & (slot_count - 1);
    while (slots[i].saved != 0 && slots[i].number != number)
        i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static int grow_table(struct undo *undo)
{
    size_t slot_count = undo->slot_count == 0 ? 64 : undo->slot_count * 2;
    struct undo_block *slots = calloc(slot_count, sizeof *slots);
    if (slots == NULL)
        return ENOMEM;
    for (size_t i = 0; i < undo->slot_count; i++)
        if (undo->slots[i].saved != 0)
            *slot_of(slots, slot_count, undo->slots[i].number) = undo->slots[i];
    free(undo->slots);
    undo->slots = slots;
    undo->slot_count = slot_count;
    return 0;
}

static bool is_zero(const uint8_t *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* Keeps the bytes of the block's sectors in `wanted`, of which none is saved yet. Zeroes, as in
 * space set aside for later, need no memory. */
static int keep_old(struct undo *undo, const struct undo_file *file, struct undo_block *block,
                    uint64_t number, uint8_t wanted)
{
    uint8_t now[UNDO_BLOCK_BYTES];
    int err = file->read(file->data, number * UNDO_BLOCK_BYTES, now, sizeof now);
    if (err != 0 || (block->old == NULL && is_zero(now, sizeof now)))
        return err;
    if (block->old == NULL) {
        block->old = calloc(1, UNDO_BLOCK_BYTES);
        if (block->old == NULL)
            return ENOMEM;
        undo->old_count++;
    }
    for (size_t i = 0, at = 0; i < UNDO_BLOCK_SECTORS; i++, at += UNDO_SECTOR_BYTES)
        if (wanted & (1u << i))
            memcpy(block->old + at, now + at, UNDO_SECTOR_BYTES);
    return 0;
}

/* Keeps the old bytes of the sectors in `wanted` unless they are kept already. */
static int save_block(struct undo *undo, const struct undo_file *file, uint64_t number,
                      uint8_t wanted, uint64_t size_now)
{
    if (2 * (undo->block_count + 1) > undo->slot_count && grow_table(undo) != 0)
        return ENOMEM;
    struct undo_block *block = slot_of(undo->slots, undo->slot_count, number);
    wanted &= (uint8_t)~block->saved;
    if (wanted == 0)
        return 0;
    int err = 0;
    if (number * UNDO_BLOCK_BYTES < size_now)
        err = keep_old(undo, file, block, number, wanted);
    if (err != 0)
        return err;
    undo->block_count += block->saved == 0;
    undo->sector_count += (unsigned)__builtin_popcount(wanted);
    block->number = number;
    block->saved |= wanted;
    return 0;
}

/* The sectors of block `number` that [offset, end) touches. */
static uint8_t sectors_touched(uint64_t number, uint64_t offset, uint64_t end)
{
    uint64_t start = number * UNDO_BLOCK_BYTES;
    uint64_t first = offset > start ? (offset - start) / UNDO_SECTOR_BYTES : 0;
    uint64_t past = lower((end - start + UNDO_SECTOR_BYTES - 1) / UNDO_SECTOR_BYTES,
                          UNDO_BLOCK_SECTORS);
    return (uint8_t)(((1u << past) - 1) & ~((1u << first) - 1));
}

static int save_range(struct undo *undo, const struct undo_file *file, uint64_t offset,
                      uint64_t end, uint64_t size_now)
{
    undo->changes++;
    if (!undo->is_changed) {
        undo->is_changed = true;
        undo->size_synced = undo->size_lowest = undo->size_now = size_now;
        undo->write_offset = undo->write_end = undo->write_size_before = 0;
    }
    int err = 0;
    for (uint64_t at = offset; err == 0 && at < end;) {
        uint64_t number = at / UNDO_BLOCK_BYTES;
        err = save_block(undo, file, number, sectors_touched(number, at, end), size_now);
        at = (number + 1) * UNDO_BLOCK_BYTES;
    }
    return err;
}

int undo_before_write(struct undo *undo, const struct undo_file *file, uint64_t offset,
                      uint64_t size, uint64_t size_now)
{
    int err = save_range(undo, file, offset, offset + size, size_now);
    if (err != 0)
        return err;
    undo->write_offset = offset;
    undo->write_end = offset + size;
    undo->write_size_before = size_now;
    undo->size_now = higher(size_now, offset + size);
    return 0;
}

int undo_before_resize(struct undo *undo, const struct undo_file *file, uint64_t size,
                       uint64_t size_now)
{
    int err = save_range(undo, file, lower(size, size_now), size_now, size_now);
    if (err != 0)
        return err;
    undo->size_lowest = lower(undo->size_lowest, size);
    undo->size_now = size;
    undo->write_offset = undo->write_end = 0; /* the newest write is not the newest change */
    return 0;
}

void undo_clear(struct undo *undo)
{
    for (size_t i = 0; i < undo->slot_count; i++)
        free(undo->slots[i].old);
    if (undo->slot_count > SLOTS_KEPT_MAX) {
        free(undo->slots);
        undo->slots = NULL;
        undo->slot_count = 0;
    } else if (undo->block_count > 0) {
        memset(undo->slots, 0, undo->slot_count * sizeof *undo->slots);
    }
    undo->block_count = undo->old_count = 0;
    undo->sector_count = 0;
    undo->is_changed = false;
}

/* What was decided about a file before its sectors are gone through. */
struct plan {
    const struct undo_choice *choice;
    uint64_t kept_of_8;   /* so many of eight sectors survive */
    uint64_t size;        /* the file's, in the end */
    bool is_cut_off_lost; /* sectors behind size_lowest get their old bytes back, all */
    uint64_t zero_from;   /* old bytes from here on were cut off, and are zeroes */
    uint64_t torn_from;   /* the newest write [torn_from, torn_end): */
    uint64_t torn_at;     /* is there up to here */
    uint64_t torn_end;    /* 0: no torn write */
};

/* Sometimes none, sometimes all, sometimes half, sometimes all but few: holes among much that
 * survived are what half and half hardly ever shows in a long file. */
static uint64_t kept_of_8(const struct undo_choice *choice)
{
    static const uint64_t manners[] = {0, 8, 4, 7};
    if (choice->keep != UNDO_KEEP_RANDOM)
        return choice->keep == UNDO_KEEP_ALL ? 8 : 0;
    return manners[ask(choice->seed, ASK_MANNER) % 4];
}

/* A failed sync that drops nothing would show nothing. */
static uint64_t dropped_kept_of_8(uint64_t seed)
{
    static const uint64_t manners[] = {0, 2, 4, 6};
    return manners[ask(seed, ASK_MANNER) % 4];
}

static uint64_t size_between(const struct undo_choice *choice, uint64_t low, uint64_t high)
{
    assert(low <= high);
    if (choice->keep != UNDO_KEEP_RANDOM)
        return choice->keep == UNDO_KEEP_ALL ? high : low;
    switch (ask(choice->seed, ASK_SIZE) % 3) {
    case 0:
        return low;
    case 1:
        return high;
    default:
        return low + ask(choice->seed, ASK_SIZE_BETWEEN) % (high - low + 1);
    }
}

static void plan_torn_write(struct plan *plan, const struct undo *undo)
{
    uint64_t first = undo->write_offset / UNDO_SECTOR_BYTES;
    uint64_t past = (undo->write_end + UNDO_SECTOR_BYTES - 1) / UNDO_SECTOR_BYTES;
    uint64_t at = first + ask(plan->choice->seed, ASK_TORN) % (past - first + 1);
    plan->torn_from = first * UNDO_SECTOR_BYTES;
    plan->torn_at = at * UNDO_SECTOR_BYTES;
    plan->torn_end = past * UNDO_SECTOR_BYTES;
}

static struct plan plan_of(const struct undo *undo, const struct undo_choice *choice)
{
    struct plan plan = {.choice = choice, .kept_of_8 = kept_of_8(choice), .zero_from = UINT64_MAX};
    bool was_cut_off = undo->size_lowest < undo->size_synced;
    uint64_t low = undo->size_lowest;
    uint64_t high = undo->size_now;
    if (choice->is_torn && undo->write_end > undo->write_offset) {
        plan_torn_write(&plan, undo);
        uint64_t there = lower(plan.torn_at, undo->write_end);
        high = lower(high, higher(undo->write_size_before, there));
        low = plan.torn_at > plan.torn_from ? lower(higher(low, there), high) : low;
    }
    if (was_cut_off && (choice->keep == UNDO_KEEP_NONE ||
                        (choice->keep == UNDO_KEEP_RANDOM && ask(choice->seed, ASK_CUT_OFF) & 1))) {
        plan.is_cut_off_lost = true;
        plan.size = undo->size_synced;
        return plan;
    }
    if (was_cut_off)
        plan.zero_from = undo->size_lowest;
    plan.size = size_between(choice, low, high);
    return plan;
}

static bool survives(const struct plan *plan, const struct undo *undo, uint64_t offset)
{
    if (plan->is_cut_off_lost && offset + UNDO_SECTOR_BYTES > undo->size_lowest)
        return false;
    if (offset >= plan->torn_from && offset < plan->torn_end)
        return offset < plan->torn_at;
    uint64_t drawn = chance_mix(ask(plan->choice->seed, ASK_SECTOR), offset / UNDO_SECTOR_BYTES);
    return drawn % 8 < plan->kept_of_8;
}

static int write_old_sector(const struct plan *plan, const struct undo_file *file, uint64_t offset,
                            const uint8_t *old)
{
    uint8_t sector[UNDO_SECTOR_BYTES] = {0};
    uint64_t known = plan->zero_from <= offset ? 0 : plan->zero_from - offset;
    if (old != NULL)
        memcpy(sector, old, lower(known, sizeof sector));
    return file->write(file->data, offset, sector, lower(sizeof sector, plan->size - offset));
}

static int roll_back_block(const struct undo *undo, const struct undo_file *file,
                           const struct plan *plan, const struct undo_block *block,
                           struct undo_outcome *outcome)
{
    for (unsigned i = 0; i < UNDO_BLOCK_SECTORS; i++) {
        uint64_t offset = block->number * UNDO_BLOCK_BYTES + i * UNDO_SECTOR_BYTES;
        if (!(block->saved & (1u << i)))
            continue;
        if (survives(plan, undo, offset)) {
            outcome->sectors_kept++;
            continue;
        }
        outcome->sectors_lost++;
        const uint8_t *old = block->old == NULL ? NULL : block->old + i * UNDO_SECTOR_BYTES;
        int err = offset < plan->size ? write_old_sector(plan, file, offset, old) : 0;
        if (err != 0)
            return err;
    }
    return 0;
}

static int follow_plan(const struct undo *undo, const struct undo_file *file,
                       const struct plan *plan, struct undo_outcome *outcome)
{
    int err = plan->size == undo->size_now ? 0 : file->set_size(file->data, plan->size);
    for (size_t i = 0; err == 0 && i < undo->slot_count; i++)
        err = roll_back_block(undo, file, plan, &undo->slots[i], outcome);
    return err;
}

int undo_roll_back(struct undo *undo, const struct undo_file *file,
                   const struct undo_choice *choice, struct undo_outcome *outcome)
{
    if (!undo->is_changed)
        return 0;
    struct plan plan = plan_of(undo, choice);
    int err = follow_plan(undo, file, &plan, outcome);
    undo_clear(undo);
    return err;
}

int undo_drop(struct undo *undo, const struct undo_file *file, uint64_t seed,
              struct undo_outcome *outcome)
{
    if (!undo->is_changed)
        return 0;
    struct undo_choice choice = {.keep = UNDO_KEEP_RANDOM, .seed = seed};
    uint64_t size_lowest = undo->size_lowest, size_now = undo->size_now;
    struct plan plan = {.choice = &choice,
                        .kept_of_8 = dropped_kept_of_8(seed),
                        .size = size_now,
                        .zero_from = size_lowest < undo->size_synced ? size_lowest : UINT64_MAX};
    int err = follow_plan(undo, file, &plan, outcome);
    undo_clear(undo);
    undo->is_changed = size_lowest != size_now;
    undo->size_synced = undo->size_lowest = size_lowest;
    undo->size_now = size_now;
    undo->write_offset = undo->write_end = 0;
    return err;
}

bool undo_apply_old(const struct undo *undo, uint64_t number, uint8_t *block)
{
    if (undo->block_count == 0)
        return false;
    const struct undo_block *saved = slot_of(undo->slots, undo->slot_count, number);
    for (unsigned i = 0; i < UNDO_BLOCK_SECTORS; i++) {
        size_t at = i * UNDO_SECTOR_BYTES;
        if (!(saved->saved & (1u << i)))
            continue;
        if (saved->old == NULL)
            memset(block + at, 0, UNDO_SECTOR_BYTES);
        else
            memcpy(block + at, saved->old + at, UNDO_SECTOR_BYTES);
    }
    return saved->saved != 0;
}

size_t undo_memory_bytes(const struct undo *undo)
{
    return undo->slot_count * sizeof *undo->slots + undo->old_count * UNDO_BLOCK_BYTES;
}
