/* Power: cut and on again. */
#ifndef FAULTFS_POWER_H
#define FAULTFS_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "names.h"
#include "undo.h"

struct volume;

struct power_outcome {
    uint64_t seed;  /* the one that was used */
    uint64_t files; /* with something unsynced */
    struct undo_outcome sectors;
    struct names_outcome entries;
    bool is_whole; /* the backing folder took all that was written back */
};

/* From now on every call fails with EIO, until power_turn_on(), and what was opened before, for
 * ever. When it returns, the backing folder holds what survived. `seed` < 0: the volume's chance.
 * False: it is off already. */
bool power_cut(struct volume *volume, enum undo_keep keep, bool is_torn, int64_t seed,
               struct power_outcome *outcome);
/* False: it is on already. */
bool power_turn_on(struct volume *volume);

#endif
