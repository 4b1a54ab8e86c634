/* Power: cut and on again.
 *
 * Calls hold the power lock while they act, so the moment of the cut is when it is had: a call
 * has happened then, or fails. A slow call that still sleeps has not happened. */
#include "power.h"

#include "content.h"
#include "node.h"
#include "volume.h"

/* What survives of a file depends on the seed and the file's path: not on who wrote first. */
static void roll_back_files(struct volume *volume, const struct undo_choice *choice,
                            struct power_outcome *outcome)
{
    struct node *node;
    while ((node = volume->unsynced_first) != NULL) {
        char path[PATH_MAX];
        struct undo_choice own = *choice;
        node_path(volume, node, path);
        own.seed = chance_mix_text(choice->seed, path);
        node_hold(volume, node);
        int err = content_roll_back(volume, node, &own, &outcome->sectors);
        node_release(volume, node, 1);
        outcome->files++;
        if (err != 0) {
            volume_trouble(volume, "writing back what was lost", err);
            outcome->is_whole = false;
        }
    }
}

static void roll_back(struct volume *volume, const struct undo_choice *choice,
                      struct power_outcome *outcome)
{
    uint64_t troubles = atomic_load(&volume->counts.troubles);
    roll_back_files(volume, choice, outcome);
    names_roll_back(volume, choice, &outcome->entries);
    outcome->is_whole = atomic_load(&volume->counts.troubles) == troubles;
}

bool power_cut(struct volume *volume, enum undo_keep keep, bool is_torn, int64_t seed,
               struct power_outcome *outcome)
{
    *outcome = (struct power_outcome){.is_whole = true};
    volume_stand_still(volume);
    bool was_on = volume->is_on;
    if (was_on) {
        volume->is_on = false;
        volume->boot++;
        atomic_fetch_add(&volume->counts.cuts, 1);
        outcome->seed = seed >= 0 ? (uint64_t)seed : chance_next(&volume->chance) >> 1;
        struct undo_choice choice = {.keep = keep, .is_torn = is_torn, .seed = outcome->seed};
        roll_back(volume, &choice, outcome);
    }
    volume_go_on(volume);
    rules_wake(&volume->rules);
    return was_on;
}

bool power_turn_on(struct volume *volume)
{
    volume_stand_still(volume);
    bool was_off = !volume->is_on;
    volume->is_on = true;
    volume_go_on(volume);
    return was_off;
}
