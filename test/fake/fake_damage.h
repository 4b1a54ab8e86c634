/* What bad disks do to files at rest: nobody is told, all of it is durable, and no operation that
 * was counted or made to fail has part in it. */
#ifndef FAKE_FAKE_DAMAGE_H
#define FAKE_FAKE_DAMAGE_H

#include "fake/fake_disk.h"

enum fake_damage {
    FAKE_DAMAGE_FLIP,        /* one bit */
    FAKE_DAMAGE_CUT,         /* the file ends earlier */
    FAKE_DAMAGE_REMOVE,      /* it is gone */
    FAKE_DAMAGE_STALE,       /* a sector has what another sector of the file has, or zeros */
    FAKE_DAMAGE_MISDIRECTED, /* a sector has what belongs into another file */
    FAKE_DAMAGE_COUNT
};

/* Damages a file below `size_max` bytes at a random place. False when nothing has changed by it:
 * no such file, or the bytes happen to be the same. */
bool fake_damage(struct fake_disk *d, const char *path, enum fake_damage kind, uint64_t size_max,
                 struct random *random);

const char *fake_damage_name(enum fake_damage kind);

#endif
