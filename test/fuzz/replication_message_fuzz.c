/* Any bytes as the message in a peer's frame. What is decoded lies within the bytes, and encodes to
 * the same bytes again. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "../../replication/message.h"
#include "replication/entry_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct bytes part, struct bytes whole)
{
    assert(part.size == 0 ||
           (part.data >= whole.data && part.data + part.size <= whole.data + whole.size));
}

/* Payloads and pieces stand behind what the encoder writes. */
static void check_again(const struct repl_message *m, struct bytes frame)
{
    size_t room = REPL_MESSAGE_ENCODED_MAX(m->entry_count, m->configuration.size + m->rest.size);
    uint8_t *again = malloc(room);
    assert(again != NULL);
    size_t size = repl_message_encode(m, again);
    assert(size <= room && size <= frame.size && memcmp(again, frame.data, size) == 0);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct log_entry entries[REPL_APPEND_ENTRIES_MAX];
    struct buffer *owner = buffer_create(size);
    struct repl_message m;
    struct repl_entry_head head;
    if (size > 0)
        memcpy(owner->data, data, size);
    struct bytes frame = bytes_of(owner->data, size);
    if (repl_message_decode(frame, owner, entries, &m) == 0) {
        for (unsigned i = 0; i < m.entry_count; i++) {
            check_inside(m.entries[i].head.bytes, frame);
            check_inside(m.entries[i].body.bytes, frame);
            repl_entry_head_decode(m.entries[i].head.bytes, &head);
        }
        check_inside(m.configuration, frame);
        check_inside(m.rest, frame);
        check_inside(m.piece, frame);
        assert(repl_message_group_id(frame) == m.group.group_id);
        assert(repl_message_from(frame) == m.from);
        check_again(&m, frame);
    }
    buffer_unref(owner);
    return 0;
}
