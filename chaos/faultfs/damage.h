/* Damage at rest: stored bytes that change by themselves. */
#ifndef FAULTFS_DAMAGE_H
#define FAULTFS_DAMAGE_H

#include <stddef.h>
#include <stdint.h>

struct command;
struct volume;

/* Flips bits, or makes blocks stale, as the command says; `answer` then says where. 0, or -1 and
 * `answer` says why not. */
int damage_flip(struct volume *volume, const struct command *command, char *answer, size_t size);
int damage_make_stale(struct volume *volume, const struct command *command, char *answer,
                      size_t size);

#endif
