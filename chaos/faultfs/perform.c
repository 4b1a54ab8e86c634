/* What each command does, and what it answers. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "control.h"
#include "damage.h"
#include "node.h"
#include "power.h"
#include "volume.h"

typedef unsigned long long number;

static void answer_status(struct volume *volume, char *answer, size_t size)
{
    struct volume_counts *counts = &volume->counts;
    volume_stand_still(volume);
    uint64_t sectors = 0;
    for (struct node *node = volume->unsynced_first; node != NULL; node = node->unsynced_after)
        sectors += node->undo.sector_count;
    char space[32] = "-";
    if (volume->is_full)
        snprintf(space, sizeof space, "%llu", (number)volume->free_bytes);
    int used = snprintf(
        answer, size,
        "ok power=%s seed=%llu cuts=%llu full=%s free_bytes=%s reads=%llu writes=%llu fsyncs=%llu "
        "read_bytes=%llu written_bytes=%llu failed=%llu slowed=%llu lost=%llu misdirected=%llu "
        "unsynced_files=%llu unsynced_bytes=%llu unsynced_entries=%zu undo_bytes=%llu "
        "undo_bytes_max=%llu forced_files=%llu forced_entries=%llu troubles=%llu",
        volume->is_on ? "on" : "off", (number)volume->seed, (number)counts->cuts,
        volume->is_full ? "yes" : "no", space, (number)counts->calls[CALL_READ],
        (number)counts->calls[CALL_WRITE], (number)counts->calls[CALL_FSYNC],
        (number)counts->bytes_read, (number)counts->bytes_written,
        (number)volume->rules.struck[COMMAND_FAIL], (number)volume->rules.struck[COMMAND_SLOW],
        (number)volume->rules.struck[COMMAND_LOSE], (number)volume->rules.struck[COMMAND_MISDIRECT],
        (number)volume->unsynced_count, (number)(sectors * UNDO_SECTOR_BYTES),
        volume->entries.count, (number)volume->undo_bytes, (number)volume->undo_bytes_max,
        (number)counts->forced_files, (number)counts->forced_entries, (number)counts->troubles);
    volume_go_on(volume);
    rules_describe(&volume->rules, answer + used, size - (size_t)used);
}

static void answer_power_cut(struct volume *volume, const struct command *command, char *answer,
                             size_t size)
{
    struct power_outcome outcome;
    if (!power_cut(volume, command->keep, command->torn != 0, command->seed, &outcome)) {
        snprintf(answer, size, "error the power is off already");
        return;
    }
    snprintf(answer, size,
             "%s seed=%llu files=%llu sectors_kept=%llu sectors_lost=%llu entries_kept=%llu "
             "entries_lost=%llu",
             outcome.is_whole ? "ok" : "error not all could be written back:", (number)outcome.seed,
             (number)outcome.files, (number)outcome.sectors.sectors_kept,
             (number)outcome.sectors.sectors_lost, (number)outcome.entries.entries_kept,
             (number)outcome.entries.entries_lost);
}

static void answer_damage(struct volume *volume, const struct command *command, char *answer,
                          size_t size)
{
    char where[CONTROL_LINE_BYTES - 64];
    int err = command->verb == COMMAND_FLIP
                  ? damage_flip(volume, command, where, sizeof where)
                  : damage_make_stale(volume, command, where, sizeof where);
    snprintf(answer, size, "%s%s%s", err == 0 ? "ok" : "error", err == 0 ? "" : " ", where);
}

static void heal(struct volume *volume)
{
    rules_clear(&volume->rules);
    volume_set_full(volume, false, 0);
    power_turn_on(volume);
}

static void perform(struct volume *volume, const struct command *command, char *answer, size_t size)
{
    snprintf(answer, size, "ok");
    switch (command->verb) {
    case COMMAND_FAIL:
    case COMMAND_SLOW:
    case COMMAND_LOSE:
    case COMMAND_MISDIRECT:
        if (rules_add(&volume->rules, command) != 0)
            snprintf(answer, size, "error %u faults are in force already", RULES_COUNT_MAX);
        return;
    case COMMAND_FULL:
        volume_set_full(volume, true, (uint64_t)command->free_bytes);
        return;
    case COMMAND_POWER_CUT:
        answer_power_cut(volume, command, answer, size);
        return;
    case COMMAND_POWER_ON:
        if (!power_turn_on(volume))
            snprintf(answer, size, "error the power is on already");
        return;
    case COMMAND_FLIP:
    case COMMAND_STALE:
        answer_damage(volume, command, answer, size);
        return;
    case COMMAND_HEAL:
        heal(volume);
        return;
    case COMMAND_STATUS:
        answer_status(volume, answer, size);
        return;
    }
}

void control_answer(struct volume *volume, const char *line, char *answer, size_t size)
{
    struct command command;
    char why[512];
    if (command_parse(line, &command, why, sizeof why) != 0)
        snprintf(answer, size, "error %s", why);
    else
        perform(volume, &command, answer, size);
}
