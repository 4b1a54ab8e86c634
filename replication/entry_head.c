/* The fixed head of COMMAND entries. */
#include "replication/entry_head.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"

_Static_assert(LOG_ENTRY_HEAD_SIZE == 32, "the layout in the header");

void repl_entry_head_encode(const struct repl_entry_head *head, uint8_t into[LOG_ENTRY_HEAD_SIZE])
{
    memset(into, 0, LOG_ENTRY_HEAD_SIZE);
    into[0] = REPL_ENTRY_VERSION;
    into[1] = head->kind;
    bytes_put_le16(into + 2, head->flags);
    bytes_put_le32(into + 4, head->partition_number);
    bytes_put_le64(into + 8, (uint64_t)head->wall_ms);
}

int repl_entry_head_decode(struct bytes from, struct repl_entry_head *head)
{
    if (from.size != LOG_ENTRY_HEAD_SIZE)
        return ERR_MALFORMED;
    if (from.data[0] != REPL_ENTRY_VERSION)
        return ERR_VERSION;
    head->kind = from.data[1];
    head->flags = bytes_get_le16(from.data + 2);
    head->partition_number = bytes_get_le32(from.data + 4);
    head->wall_ms = (int64_t)bytes_get_le64(from.data + 8);
    if (head->flags != 0 || bytes_get_le64(from.data + 16) != 0 ||
        bytes_get_le64(from.data + 24) != 0)
        return ERR_VERSION; /* delay, expiry and flags belong to a later level */
    return 0;
}
