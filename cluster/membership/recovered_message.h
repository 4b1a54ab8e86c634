/* What a node says of the generations of its groups, as bytes. Pure.
 *
 * Little-endian: u8 type, u8 version, u16 groups, per group u32 id, u32 generation, u64 recovery
 * id; by rising id, and only groups whose generation is above 0. */
#ifndef CLUSTER_MEMBERSHIP_RECOVERED_MESSAGE_H
#define CLUSTER_MEMBERSHIP_RECOVERED_MESSAGE_H

#include "start/recovery_order.h"
#include "state/byte_list.h"

/* Of the rows generation and recovery id; those of generation 0 are left out. Returns how many
 * are said. */
unsigned recovered_message_put(struct byte_list *list, const struct recovery_row *rows,
                               unsigned count);
/* Rows to put aside, as whoever is of an older generation would. False: it is no such message. */
bool recovered_message_read(struct bytes message, struct recovery_order *order);

#endif
