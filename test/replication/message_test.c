/* Peer messages as bytes. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "../../replication/message.h"
#include "base/crc32c.h"
#include "base/err.h"
#include "base/random.h"

#define FRAME_MAX 4096

struct sample {
    struct repl_message message;
    struct log_entry entries[3];
    uint8_t payload[256];
    size_t payload_size;
    uint8_t frame[FRAME_MAX];
    size_t size;
};

static const enum repl_message_type types[] = {
    REPL_REQUEST_VOTE, REPL_REQUEST_VOTE_RESULT, REPL_APPEND,     REPL_APPEND_RESULT,
    REPL_INSTALL,      REPL_TIMEOUT_NOW,         REPL_READ_ROUND, REPL_READ_ROUND_ACK,
    REPL_SHIP_ASK,     REPL_SHIP_PIECE,          REPL_PROMISE,    REPL_HEARTBEAT,
    REPL_APPLICATION,  REPL_LEAVE_ASK,           REPL_LEFT};
#define TYPE_COUNT (sizeof types / sizeof types[0])

static void add_entries(struct sample *s)
{
    size_t sizes[3] = {LOG_ENTRY_HEAD_SIZE + 40, 0, 24};
    enum log_entry_type entry_types[3] = {LOG_ENTRY_COMMAND, LOG_ENTRY_BARRIER, LOG_ENTRY_CHANGE};
    for (unsigned i = 0; i < 3; i++) {
        uint8_t *at = s->payload + s->payload_size;
        size_t head = entry_types[i] == LOG_ENTRY_COMMAND ? LOG_ENTRY_HEAD_SIZE : 0;
        for (size_t b = 0; b < sizes[i]; b++)
            at[b] = (uint8_t)(b * 7 + i);
        s->entries[i] = (struct log_entry){.term = 5 + i, .type = entry_types[i]};
        s->entries[i].crc = crc32c(0, bytes_of(at, sizes[i]));
        s->entries[i].head.bytes = bytes_of(at, head);
        s->entries[i].body.bytes = bytes_of(at + head, sizes[i] - head);
        s->payload_size += sizes[i];
    }
    s->message.entries = s->entries;
    s->message.entry_count = 3;
}

static void fill(struct sample *s, enum repl_message_type type)
{
    static const uint8_t some[] = "some bytes";
    memset(s, 0, sizeof *s);
    s->message = (struct repl_message){.type = type,
                                       .group = {3, 2, 0x1122334455667788},
                                       .from = 0x1000000000001,
                                       .to = 0x2000000000009,
                                       .term = type < REPL_SHIP_ASK ? 8 : 0};
    struct repl_message *m = &s->message;
    if (type == REPL_REQUEST_VOTE || type == REPL_REQUEST_VOTE_RESULT || type == REPL_TIMEOUT_NOW) {
        m->last_index = 77, m->last_term = 7, m->is_pre_vote = true, m->is_granted = true;
        m->features = 1, m->capacity = 2, m->raft_version = 2;
    } else if (type == REPL_PROMISE) {
        m->term = 8, m->last_index = 77;
    } else if (type == REPL_LEAVE_ASK) {
        m->round = 5;
    } else if (type == REPL_LEFT) {
        m->round = 5, m->term = 8, m->last_index = 77;
    } else if (type == REPL_APPEND) {
        m->previous_index = 41, m->previous_term = 5, m->commit_index = 40;
        add_entries(s);
    } else if (type == REPL_APPEND_RESULT) {
        m->rejected = 12, m->last_index = 11, m->features = 1, m->raft_version = 2;
    } else if (type == REPL_INSTALL) {
        m->last_index = 100, m->last_term = 6, m->configuration_index = 90;
        m->configuration = bytes_of(some, sizeof some);
    } else if (type == REPL_READ_ROUND || type == REPL_READ_ROUND_ACK) {
        m->round = 123456789;
    } else if (type == REPL_SHIP_ASK || type == REPL_SHIP_PIECE) {
        m->round = 99, m->last_index = 100, m->file = 3, m->position = 1 << 20, m->size = 4096;
        m->is_refused = type == REPL_SHIP_PIECE;
        m->may_compress = true;
        m->link_kib_per_second = type == REPL_SHIP_ASK ? 12345 : 0;
    } else {
        m->rest = bytes_of(some, sizeof some);
    }
    s->size = repl_message_encode(m, s->frame);
    if (type == REPL_SHIP_PIECE) {
        memcpy(s->payload, some, sizeof some);
        s->payload_size = sizeof some;
        m->piece = bytes_of(some, sizeof some);
    }
    memcpy(s->frame + s->size, s->payload, s->payload_size);
    s->size += s->payload_size;
}

static int decode(const struct sample *s, size_t size, struct repl_message *m,
                  struct log_entry entries[REPL_APPEND_ENTRIES_MAX])
{
    /* A copy of the exact size, so that a sanitizer sees a byte too far. */
    uint8_t *copy = malloc(size + (size == 0));
    memcpy(copy, s->frame, size);
    int err = repl_message_decode(bytes_of(copy, size), NULL, entries, m);
    free(copy);
    return err;
}

static struct log_entry entries[REPL_APPEND_ENTRIES_MAX];

static void check_entries(const struct sample *s, const struct repl_message *m)
{
    cr_assert_eq(m->entry_count, s->message.entry_count);
    for (unsigned i = 0; i < m->entry_count; i++) {
        cr_assert_eq(m->entries[i].index, s->message.previous_index + 1 + i);
        cr_assert_eq(m->entries[i].term, s->entries[i].term);
        cr_assert_eq(m->entries[i].type, s->entries[i].type);
        cr_assert_eq(m->entries[i].crc, s->entries[i].crc);
        cr_assert(bytes_is_equal(m->entries[i].head.bytes, s->entries[i].head.bytes));
        cr_assert(bytes_is_equal(m->entries[i].body.bytes, s->entries[i].body.bytes));
    }
}

Test(repl_message, comes_back_as_it_went_whatever_its_type)
{
    static struct sample s;
    for (unsigned t = 0; t < TYPE_COUNT; t++) {
        struct repl_message m;
        fill(&s, types[t]);
        struct bytes frame = bytes_of(s.frame, s.size);
        cr_assert_eq(repl_message_decode(frame, NULL, entries, &m), 0, "type %d", types[t]);
        const struct repl_message *w = &s.message;
        cr_assert_eq(m.type, w->type);
        cr_assert_eq(memcmp(&m.group, &w->group, sizeof m.group), 0);
        cr_assert(m.from == w->from && m.to == w->to && m.term == w->term);
        cr_assert(m.last_index == w->last_index && m.last_term == w->last_term);
        cr_assert(m.is_pre_vote == w->is_pre_vote && m.does_disrupt == w->does_disrupt &&
                  m.is_granted == w->is_granted);
        cr_assert(m.features == w->features && m.capacity == w->capacity &&
                  m.raft_version == w->raft_version);
        cr_assert(m.previous_index == w->previous_index && m.previous_term == w->previous_term &&
                  m.commit_index == w->commit_index && m.rejected == w->rejected);
        cr_assert(m.configuration_index == w->configuration_index &&
                  bytes_is_equal(m.configuration, w->configuration));
        cr_assert(m.round == w->round && m.file == w->file && m.position == w->position &&
                  m.size == w->size && m.is_refused == w->is_refused);
        cr_assert(m.may_compress == w->may_compress && m.is_compressed == w->is_compressed &&
                  m.link_kib_per_second == w->link_kib_per_second);
        cr_assert(bytes_is_equal(m.rest, w->rest) && bytes_is_equal(m.piece, w->piece));
        check_entries(&s, &m);
        cr_assert_eq(repl_message_group_id(frame), 3);
        cr_assert_eq(repl_message_from(frame), w->from);
    }
}

Test(repl_message, cut_at_any_byte_is_malformed)
{
    static struct sample s;
    for (unsigned t = 0; t < TYPE_COUNT; t++) {
        fill(&s, types[t]);
        /* What ends with "the rest" is whole after its fixed part. */
        size_t whole = types[t] == REPL_SHIP_PIECE || types[t] == REPL_HEARTBEAT ||
                               types[t] == REPL_APPLICATION
                           ? 11
                           : 0;
        for (size_t size = 0; size + whole < s.size; size++) {
            struct repl_message m;
            cr_assert_eq(decode(&s, size, &m, entries), ERR_MALFORMED, "type %d cut at %zu of %zu",
                         types[t], size, s.size);
        }
    }
}

Test(repl_message, with_a_byte_too_many_is_malformed)
{
    static struct sample s;
    for (unsigned t = 0; t < TYPE_COUNT; t++) {
        struct repl_message m;
        fill(&s, types[t]);
        if (types[t] == REPL_SHIP_PIECE || types[t] == REPL_HEARTBEAT ||
            types[t] == REPL_APPLICATION)
            continue;
        cr_assert_eq(decode(&s, s.size + 1, &m, entries), ERR_MALFORMED, "type %d", types[t]);
    }
}

Test(repl_message, of_an_unknown_version_or_type_says_so)
{
    static struct sample s;
    struct repl_message m;
    fill(&s, REPL_APPEND);
    bytes_put_le16(s.frame, 2);
    cr_assert_eq(decode(&s, s.size, &m, entries), ERR_VERSION);
    fill(&s, REPL_READ_ROUND);
    s.frame[2] = 0;
    cr_assert_eq(decode(&s, s.size, &m, entries), ERR_VERSION);
    s.frame[2] = 16;
    cr_assert_eq(decode(&s, s.size, &m, entries), ERR_VERSION);
}

Test(repl_message, with_a_damaged_entry_is_corrupt)
{
    static struct sample s;
    fill(&s, REPL_APPEND);
    for (size_t i = s.size - s.payload_size; i < s.size; i++) {
        struct repl_message m;
        s.frame[i] ^= 0x10;
        cr_assert_eq(decode(&s, s.size, &m, entries), ERR_CORRUPT, "byte %zu", i);
        s.frame[i] ^= 0x10;
    }
}

/* Encodes it again after a test has changed it. */
static int decode_changed(struct sample *s)
{
    static struct repl_message m;
    size_t size = repl_message_encode(&s->message, s->frame);
    memcpy(s->frame + size, s->payload, s->payload_size);
    return decode(s, size + s->payload_size, &m, entries);
}

Test(repl_message, with_impossible_terms_is_malformed)
{
    static struct sample s;
    fill(&s, REPL_APPEND);
    cr_assert_eq(decode_changed(&s), 0);
    s.entries[1].term = 4; /* goes down */
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
    s.entries[1].term = 0;
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
    fill(&s, REPL_APPEND);
    s.entries[2].term = 9; /* beyond the sender's */
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
    fill(&s, REPL_APPEND);
    s.message.previous_term = 6; /* above the first's */
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
    s.message.previous_term = 0; /* there is an entry, it has a term */
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
    fill(&s, REPL_APPEND);
    s.message.previous_index = UINT64_MAX - 1;
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
}

Test(repl_message, that_is_compressed_without_having_been_asked_so_is_malformed)
{
    static struct sample s;
    fill(&s, REPL_SHIP_PIECE);
    s.message.is_refused = false;
    s.message.is_compressed = true;
    cr_assert_eq(decode_changed(&s), 0);
    s.message.is_refused = true;
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
    s.message.is_refused = s.message.may_compress = false;
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
    s.message.may_compress = true;
    s.payload_size = 0;
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED, "no bytes are not compressed ones");
    fill(&s, REPL_SHIP_ASK);
    s.message.is_compressed = true;
    cr_assert_eq(decode_changed(&s), ERR_MALFORMED);
    fill(&s, REPL_SHIP_ASK);
    s.frame[s.size - 5] |= 8; /* an unknown flag */
    cr_assert_eq(decode(&s, s.size, &(struct repl_message){0}, entries), ERR_MALFORMED);
}

Test(repl_message, with_entries_where_none_are_expected_is_malformed)
{
    static struct sample s;
    struct repl_message m;
    fill(&s, REPL_APPEND);
    cr_assert_eq(decode(&s, s.size, &m, NULL), ERR_MALFORMED);
}

Test(repl_message, of_garbage_is_never_read_beyond_its_end)
{
    static struct sample s;
    struct random r;
    random_init(&r, 5);
    for (unsigned round = 0; round < 20000; round++) {
        struct repl_message m;
        fill(&s, types[random_below(&r, TYPE_COUNT)]);
        for (uint64_t flips = random_below(&r, 6); flips > 0; flips--)
            s.frame[random_below(&r, s.size)] = (uint8_t)random_u64(&r);
        size_t size = random_below(&r, s.size + 1);
        int err = decode(&s, size, &m, entries);
        cr_assert(err == 0 || err == ERR_MALFORMED || err == ERR_VERSION || err == ERR_CORRUPT);
        cr_assert(err != 0 || m.entry_count <= REPL_APPEND_ENTRIES_MAX);
    }
}
