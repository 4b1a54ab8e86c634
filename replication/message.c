/* The codec of peer messages: a head, fields by type, an entry table, payloads behind it. */
#include "message.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/err.h"

/* Flags of SHIP. */
#define SHIP_REFUSED      1u
#define SHIP_MAY_COMPRESS 2u
#define SHIP_COMPRESSED   4u

#define ENTRY_ROW_SIZE 24 /* u64 term, u8 type, u8 0, u16 head size, u32 size, u32 crc, u32 0 */

struct writer {
    uint8_t *at;
};

static void put8(struct writer *w, uint8_t value)
{
    *w->at++ = value;
}

static void put16(struct writer *w, uint16_t value)
{
    w->at = bytes_put_le16(w->at, value);
}

static void put32(struct writer *w, uint32_t value)
{
    w->at = bytes_put_le32(w->at, value);
}

static void put64(struct writer *w, uint64_t value)
{
    w->at = bytes_put_le64(w->at, value);
}

static void put_bytes(struct writer *w, struct bytes bytes)
{
    put32(w, (uint32_t)bytes.size);
    if (bytes.size > 0)
        memcpy(w->at, bytes.data, bytes.size);
    w->at += bytes.size;
}

static void put_vote(struct writer *w, const struct repl_message *m)
{
    put64(w, m->last_index);
    put64(w, m->last_term);
    put8(w, (uint8_t)(m->is_pre_vote | m->does_disrupt << 1 | m->is_granted << 2));
    put16(w, m->features);
    put16(w, m->capacity);
}

static void put_append(struct writer *w, const struct repl_message *m)
{
    put64(w, m->previous_index);
    put64(w, m->previous_term);
    put64(w, m->commit_index);
    put16(w, (uint16_t)m->entry_count);
    for (unsigned i = 0; i < m->entry_count; i++) {
        const struct log_entry *e = &m->entries[i];
        put64(w, e->term);
        put8(w, (uint8_t)e->type);
        put8(w, 0);
        put16(w, (uint16_t)e->head.bytes.size);
        put32(w, log_entry_size(e));
        put32(w, e->crc);
        put32(w, 0);
    }
}

static void put_ship(struct writer *w, const struct repl_message *m)
{
    put64(w, m->round);
    put64(w, m->last_index);
    put32(w, m->file);
    put64(w, m->position);
    put32(w, m->size);
    put8(w,
         (uint8_t)((m->is_refused ? SHIP_REFUSED : 0) | (m->may_compress ? SHIP_MAY_COMPRESS : 0) |
                   (m->is_compressed ? SHIP_COMPRESSED : 0)));
    if (m->type == REPL_SHIP_ASK && m->may_compress)
        put32(w, m->link_kib_per_second);
}

static void put_repair(struct writer *w, const struct repl_message *m)
{
    put64(w, m->round);
    put32(w, m->partition_number);
    put32(w, m->segment_version);
    put64(w, (uint64_t)m->base_offset);
    put64(w, (uint64_t)m->offset);
    put32(w, (uint32_t)m->position);
    put32(w, m->size);
    put32(w, m->segment_size);
    put32(w, m->segment_crc);
    put8(w, m->is_sealed);
    put8(w, m->answer);
}

size_t repl_message_encode(const struct repl_message *m, uint8_t *into)
{
    struct writer w = {.at = into};
    put16(&w, REPL_MESSAGE_VERSION);
    put8(&w, (uint8_t)m->type);
    put8(&w, m->raft_version);
    put32(&w, m->group.group_id);
    put32(&w, m->group.generation);
    put64(&w, m->group.recovery_id);
    put64(&w, m->from);
    put64(&w, m->to);
    if (m->type < REPL_SHIP_ASK)
        put64(&w, m->term);
    switch (m->type) {
    case REPL_REQUEST_VOTE:
    case REPL_REQUEST_VOTE_RESULT:
    case REPL_TIMEOUT_NOW:
        put_vote(&w, m);
        break;
    case REPL_APPEND:
        put_append(&w, m);
        break;
    case REPL_APPEND_RESULT:
        put64(&w, m->rejected);
        put64(&w, m->last_index);
        put16(&w, m->features);
        put16(&w, m->capacity);
        break;
    case REPL_INSTALL:
        put64(&w, m->last_index);
        put64(&w, m->last_term);
        put64(&w, m->configuration_index);
        put_bytes(&w, m->configuration);
        break;
    case REPL_READ_ROUND:
    case REPL_READ_ROUND_ACK:
        put64(&w, m->round);
        break;
    case REPL_SHIP_ASK:
    case REPL_SHIP_PIECE:
        put_ship(&w, m);
        break;
    case REPL_REPAIR_ASK:
    case REPL_REPAIR_PIECE:
        put_repair(&w, m);
        break;
    case REPL_PROMISE:
        put64(&w, m->term);
        put64(&w, m->last_index);
        break;
    case REPL_LEAVE_ASK:
        put64(&w, m->round);
        break;
    case REPL_LEFT:
        put64(&w, m->round);
        put64(&w, m->term);
        put64(&w, m->last_index);
        break;
    case REPL_HEARTBEAT:
    case REPL_APPLICATION:
        if (m->rest.size > 0)
            memcpy(w.at, m->rest.data, m->rest.size);
        w.at += m->rest.size;
        break;
    }
    return (size_t)(w.at - into);
}

static void read_vote(struct bytes_reader *r, struct repl_message *m)
{
    m->last_index = bytes_read_le64(r);
    m->last_term = bytes_read_le64(r);
    uint8_t flags = bytes_read_u8(r);
    r->is_bad |= flags > 7;
    m->is_pre_vote = flags & 1;
    m->does_disrupt = flags & 2;
    m->is_granted = flags & 4;
    m->features = bytes_read_le16(r);
    m->capacity = bytes_read_le16(r);
}

static int read_row(struct bytes_reader *r, struct log_entry *e, uint32_t *size, uint16_t *head)
{
    e->term = bytes_read_le64(r);
    uint8_t type = bytes_read_u8(r);
    uint8_t unused = bytes_read_u8(r);
    *head = bytes_read_le16(r);
    *size = bytes_read_le32(r);
    e->crc = bytes_read_le32(r);
    uint32_t unused_too = bytes_read_le32(r);
    if (r->is_bad || unused != 0 || unused_too != 0 || type < LOG_ENTRY_COMMAND ||
        type > LOG_ENTRY_CHANGE || *size > LOG_ENTRY_SIZE_MAX || e->term == 0)
        return ERR_MALFORMED;
    if (*head != (type == LOG_ENTRY_COMMAND ? LOG_ENTRY_HEAD_SIZE : 0) || *size < *head)
        return ERR_MALFORMED;
    e->type = (enum log_entry_type)type;
    return 0;
}

/* Terms never go down in a log, nor beyond the sender's own. */
static bool has_sound_terms(const struct repl_message *m)
{
    uint64_t term = m->previous_term;
    for (unsigned i = 0; i < m->entry_count; i++) {
        if (m->entries[i].term < term)
            return false;
        term = m->entries[i].term;
    }
    return term <= m->term;
}

static int read_entries(struct bytes_reader *r, struct buffer *owner, struct repl_message *m)
{
    static _Thread_local uint32_t sizes[REPL_APPEND_ENTRIES_MAX];
    static _Thread_local uint16_t heads[REPL_APPEND_ENTRIES_MAX];
    for (unsigned i = 0; i < m->entry_count; i++) {
        int err = read_row(r, &m->entries[i], &sizes[i], &heads[i]);
        if (err != 0)
            return err;
    }
    if (!has_sound_terms(m))
        return ERR_MALFORMED;
    for (unsigned i = 0; i < m->entry_count; i++) {
        struct log_entry *e = &m->entries[i];
        struct bytes payload = bytes_read(r, sizes[i]);
        if (r->is_bad)
            return ERR_MALFORMED;
        if (crc32c(0, payload) != e->crc)
            return ERR_CORRUPT;
        e->index = m->previous_index + 1 + i;
        e->head = (struct slice){.owner = heads[i] > 0 ? owner : NULL,
                                 .bytes = bytes_of(payload.data, heads[i])};
        e->body = (struct slice){
            .owner = payload.size > heads[i] ? owner : NULL,
            .bytes = bytes_of(payload.data + heads[i], payload.size - heads[i])};
    }
    return 0;
}

static int read_append(struct bytes_reader *r, struct buffer *owner, struct log_entry *entries,
                       struct repl_message *m)
{
    m->previous_index = bytes_read_le64(r);
    m->previous_term = bytes_read_le64(r);
    m->commit_index = bytes_read_le64(r);
    m->entry_count = bytes_read_le16(r);
    m->entries = entries;
    bool is_sound = !r->is_bad && m->entry_count <= REPL_APPEND_ENTRIES_MAX &&
                    (entries != NULL || m->entry_count == 0) &&
                    m->entry_count * (size_t)ENTRY_ROW_SIZE <= bytes_reader_left(r) &&
                    (m->previous_index == 0) == (m->previous_term == 0) &&
                    m->previous_index < UINT64_MAX - REPL_APPEND_ENTRIES_MAX;
    return is_sound ? read_entries(r, owner, m) : ERR_MALFORMED;
}

static void read_ship(struct bytes_reader *r, struct repl_message *m)
{
    m->round = bytes_read_le64(r);
    m->last_index = bytes_read_le64(r);
    m->file = bytes_read_le32(r);
    m->position = bytes_read_le64(r);
    m->size = bytes_read_le32(r);
    uint8_t flags = bytes_read_u8(r);
    m->is_refused = flags & SHIP_REFUSED;
    m->may_compress = flags & SHIP_MAY_COMPRESS;
    m->is_compressed = flags & SHIP_COMPRESSED;
    bool is_ask = m->type == REPL_SHIP_ASK;
    if (is_ask && m->may_compress)
        m->link_kib_per_second = bytes_read_le32(r);
    m->piece = bytes_read(r, bytes_reader_left(r));
    bool is_empty = m->piece.size == 0;
    r->is_bad |= flags > (SHIP_REFUSED | SHIP_MAY_COMPRESS | SHIP_COMPRESSED) ||
                 (is_ask && (!is_empty || m->is_compressed)) ||
                 (m->is_compressed && (is_empty || m->is_refused || !m->may_compress));
}

static void read_repair(struct bytes_reader *r, struct repl_message *m)
{
    m->round = bytes_read_le64(r);
    m->partition_number = bytes_read_le32(r);
    m->segment_version = bytes_read_le32(r);
    m->base_offset = (int64_t)bytes_read_le64(r);
    m->offset = (int64_t)bytes_read_le64(r);
    m->position = bytes_read_le32(r);
    m->size = bytes_read_le32(r);
    m->segment_size = bytes_read_le32(r);
    m->segment_crc = bytes_read_le32(r);
    uint8_t is_sealed = bytes_read_u8(r);
    m->is_sealed = is_sealed == 1;
    m->answer = bytes_read_u8(r);
    m->piece = bytes_read(r, bytes_reader_left(r));
    bool has_piece = m->type == REPL_REPAIR_PIECE && m->answer == REPL_REPAIR_HERE;
    r->is_bad |= is_sealed > 1 || m->answer > REPL_REPAIR_ANSWER_MAX ||
                 (m->type == REPL_REPAIR_ASK && m->answer != 0) ||
                 (m->piece.size > 0) != has_piece || m->base_offset < 0 ||
                 m->offset < m->base_offset || m->position >= m->segment_size;
}

static int read_by_type(struct bytes_reader *r, struct buffer *owner, struct log_entry *entries,
                        struct repl_message *m)
{
    switch (m->type) {
    case REPL_REQUEST_VOTE:
    case REPL_REQUEST_VOTE_RESULT:
    case REPL_TIMEOUT_NOW:
        read_vote(r, m);
        break;
    case REPL_APPEND:
        return read_append(r, owner, entries, m);
    case REPL_APPEND_RESULT:
        m->rejected = bytes_read_le64(r);
        m->last_index = bytes_read_le64(r);
        m->features = bytes_read_le16(r);
        m->capacity = bytes_read_le16(r);
        break;
    case REPL_INSTALL:
        m->last_index = bytes_read_le64(r);
        m->last_term = bytes_read_le64(r);
        m->configuration_index = bytes_read_le64(r);
        m->configuration = bytes_read(r, bytes_read_le32(r));
        break;
    case REPL_READ_ROUND:
    case REPL_READ_ROUND_ACK:
        m->round = bytes_read_le64(r);
        break;
    case REPL_SHIP_ASK:
    case REPL_SHIP_PIECE:
        read_ship(r, m);
        break;
    case REPL_REPAIR_ASK:
    case REPL_REPAIR_PIECE:
        read_repair(r, m);
        break;
    case REPL_PROMISE:
        m->term = bytes_read_le64(r);
        m->last_index = bytes_read_le64(r);
        break;
    case REPL_LEAVE_ASK:
        m->round = bytes_read_le64(r);
        break;
    case REPL_LEFT:
        m->round = bytes_read_le64(r);
        m->term = bytes_read_le64(r);
        m->last_index = bytes_read_le64(r);
        r->is_bad |= m->term == 0 || m->last_index == 0;
        break;
    case REPL_HEARTBEAT:
    case REPL_APPLICATION:
        m->rest = bytes_read(r, bytes_reader_left(r));
        break;
    default:
        return ERR_VERSION;
    }
    return 0;
}

int repl_message_decode(struct bytes frame, struct buffer *owner, struct log_entry *entries,
                        struct repl_message *m)
{
    struct bytes_reader r = bytes_reader_of(frame);
    memset(m, 0, sizeof *m);
    uint16_t version = bytes_read_le16(&r);
    m->type = bytes_read_u8(&r);
    m->raft_version = bytes_read_u8(&r);
    m->group.group_id = bytes_read_le32(&r);
    m->group.generation = bytes_read_le32(&r);
    m->group.recovery_id = bytes_read_le64(&r);
    m->from = bytes_read_le64(&r);
    m->to = bytes_read_le64(&r);
    if (!r.is_bad && version != REPL_MESSAGE_VERSION)
        return ERR_VERSION;
    if (m->type < REPL_SHIP_ASK)
        m->term = bytes_read_le64(&r);
    if (r.is_bad)
        return ERR_MALFORMED;
    int err = read_by_type(&r, owner, entries, m);
    if (err != 0)
        return err;
    return r.is_bad || bytes_reader_left(&r) != 0 ? ERR_MALFORMED : 0;
}

uint32_t repl_message_group_id(struct bytes frame)
{
    return frame.size < REPL_MESSAGE_HEAD_SIZE ? REPL_NO_GROUP : bytes_get_le32(frame.data + 4);
}

uint64_t repl_message_from(struct bytes frame)
{
    return frame.size < REPL_MESSAGE_HEAD_SIZE ? 0 : bytes_get_le64(frame.data + 20);
}
