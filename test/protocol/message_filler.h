/* Random messages, and whether two are the same, by the generated field descriptions. */
#ifndef TEST_MESSAGE_FILLER_H
#define TEST_MESSAGE_FILLER_H

#include "base/random.h"
#include "protocol/describe.h"

/* Sets the defaults, then every field that the version has to something; null now and then where
 * it may be. What it points at lies in the arena. */
void message_fill(const struct kafka_struct_description *type, int16_t version, struct random *r,
                  struct kafka_arena *arena, void *message);

/* Compares all fields, also those that a version does not have: they are at their defaults. */
bool message_is_equal(const struct kafka_struct_description *type, const void *a, const void *b);

#endif
