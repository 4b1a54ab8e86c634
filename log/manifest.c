/* The manifest: a small log of records, each checkpoint's closed by a commit record.
 *
 * A record counts when a commit follows it. Appends are one write and one fdatasync, so after a
 * crash the file may end in anything: the first unsound record ends it, and it is cut at the last
 * commit. But damage where bytes were durable is no torn tail: each commit says how long the file
 * was, durably, when it was written, and the header says how long it was when it was made (a new
 * file is synced whole before it gets its name). The last checkpoint of all has no later commit: a
 * seal is written behind it once it is durable, without a sync of its own. Behind a damaged record,
 * records are looked for at each multiple of 8: a commit or a seal that vouches for the damaged
 * place makes it corruption. */
#include "manifest.h"

#include <assert.h>
#include <stdlib.h>

#include "base/crc32c.h"

#define RECORD_VERSION       1
#define PAYLOAD_SIZE_MAX     (1u << 30)
#define HEADER_PAYLOAD_SIZE  16
#define REMOVED_PAYLOAD_SIZE 24
#define COMMIT_PAYLOAD_SIZE  56 /* without the configuration */
#define SEAL_PAYLOAD_SIZE    8

void manifest_bytes_close(struct manifest_bytes *b)
{
    free(b->data);
    *b = (struct manifest_bytes){0};
}

size_t manifest_record_size(size_t payload_size)
{
    return (MANIFEST_RECORD_HEAD_SIZE + payload_size + 7) & ~(size_t)7;
}

static uint8_t *make_room(struct manifest_bytes *b, size_t size)
{
    if (b->err != 0)
        return NULL;
    if (b->size + size > b->capacity) {
        size_t capacity = b->capacity * 2 > b->size + size ? b->capacity * 2 : b->size + size;
        uint8_t *data = realloc(b->data, capacity);
        if (data == NULL) {
            b->err = UV_ENOMEM;
            return NULL;
        }
        b->data = data;
        b->capacity = capacity;
    }
    uint8_t *at = b->data + b->size;
    b->size += size;
    return at;
}

static void seal_record(uint8_t *at, size_t payload_size)
{
    struct bytes covered = bytes_of(at + 4, MANIFEST_RECORD_HEAD_SIZE - 4 + payload_size);
    bytes_put_le32(at, crc32c(0, covered));
}

void manifest_add(struct manifest_bytes *b, const struct manifest_record *record)
{
    assert(record->payload.size <= PAYLOAD_SIZE_MAX); /* machine states are far smaller */
    size_t size = manifest_record_size(record->payload.size);
    uint8_t *at = make_room(b, size);
    if (at == NULL)
        return;
    memset(at + size - 8, 0, 8); /* padding */
    uint8_t *into = bytes_put_le32(at + 4, (uint32_t)record->payload.size);
    *into++ = (uint8_t)record->kind;
    *into++ = RECORD_VERSION;
    into = bytes_put_le16(into, record->flags);
    into = bytes_put_le32(into, record->number);
    if (record->payload.size > 0)
        memcpy(into, record->payload.data, record->payload.size);
    seal_record(at, record->payload.size);
}

void manifest_add_header(struct manifest_bytes *b, uint32_t group_id)
{
    assert(b->size == 0);
    uint8_t payload[HEADER_PAYLOAD_SIZE] = {0};
    bytes_put_le32(payload, group_id);
    manifest_add(b, &(struct manifest_record){.kind = MANIFEST_HEADER,
                                              .payload = bytes_of(payload, sizeof payload)});
}

void manifest_finish_header(struct manifest_bytes *b)
{
    if (b->err != 0)
        return;
    bytes_put_le64(b->data + MANIFEST_RECORD_HEAD_SIZE + 8, b->size);
    seal_record(b->data, HEADER_PAYLOAD_SIZE);
}

void manifest_add_removed(struct manifest_bytes *b, uint32_t number,
                          const struct log_partition_id *id)
{
    uint8_t payload[REMOVED_PAYLOAD_SIZE] = {0};
    memcpy(payload, id->topic_id, sizeof id->topic_id);
    bytes_put_le32(payload + sizeof id->topic_id, (uint32_t)id->partition);
    manifest_add(b, &(struct manifest_record){.kind = MANIFEST_REMOVED,
                                              .number = number,
                                              .payload = bytes_of(payload, sizeof payload)});
}

void manifest_add_commit(struct manifest_bytes *b, const struct log_store_state *state,
                         uint64_t durable_size, uint16_t flags)
{
    size_t size = COMMIT_PAYLOAD_SIZE + state->configuration.size;
    bool has_left = state->left_index > 0;
    assert(!has_left || (state->index == 0 && state->configuration.size == 0));
    uint8_t *payload = malloc(size);
    if (payload == NULL) {
        b->err = UV_ENOMEM;
        return;
    }
    uint8_t *into = bytes_put_le64(payload, state->index);
    into = bytes_put_le64(into, state->term);
    into = bytes_put_le64(into, has_left ? state->left_index : state->configuration_index);
    into = bytes_put_le64(into, state->recovery_id);
    into = bytes_put_le64(into, durable_size);
    into = bytes_put_le32(into, state->generation);
    into = bytes_put_le32(into, state->feature_level);
    into = bytes_put_le32(into, (uint32_t)state->configuration.size);
    into = bytes_put_le32(into, 0);
    if (state->configuration.size > 0)
        memcpy(into, state->configuration.data, state->configuration.size);
    manifest_add(b, &(struct manifest_record){.kind = MANIFEST_COMMIT,
                                              .flags = has_left ? MANIFEST_COMMIT_LEFT : flags,
                                              .payload = bytes_of(payload, size)});
    free(payload);
}

void manifest_add_seal(struct manifest_bytes *b, uint64_t durable_size)
{
    uint8_t payload[SEAL_PAYLOAD_SIZE];
    bytes_put_le64(payload, durable_size);
    manifest_add(b, &(struct manifest_record){.kind = MANIFEST_SEAL,
                                              .payload = bytes_of(payload, sizeof payload)});
}

int64_t manifest_record_decode(struct bytes from, struct manifest_record *record)
{
    if (from.size < MANIFEST_RECORD_HEAD_SIZE)
        return ERR_NEED_MORE;
    uint32_t payload_size = bytes_get_le32(from.data + 4);
    if (payload_size > PAYLOAD_SIZE_MAX)
        return ERR_CORRUPT;
    size_t size = manifest_record_size(payload_size);
    if (from.size < size)
        return ERR_NEED_MORE;
    size_t unpadded = MANIFEST_RECORD_HEAD_SIZE + (size_t)payload_size;
    if (bytes_get_le32(from.data) != crc32c(0, bytes_of(from.data + 4, unpadded - 4)))
        return ERR_CORRUPT;
    for (size_t i = unpadded; i < size; i++)
        if (from.data[i] != 0)
            return ERR_CORRUPT;
    if (from.data[9] != RECORD_VERSION)
        return ERR_VERSION;
    record->kind = (enum manifest_kind)from.data[8];
    record->flags = bytes_get_le16(from.data + 10);
    record->number = bytes_get_le32(from.data + 12);
    record->payload = bytes_of(from.data + MANIFEST_RECORD_HEAD_SIZE, payload_size);
    return (int64_t)size;
}

static int decode_header(const struct manifest_record *record, uint32_t *group_id, uint64_t *size)
{
    struct bytes_reader r = bytes_reader_of(record->payload);
    *group_id = bytes_read_le32(&r);
    uint32_t unused = bytes_read_le32(&r);
    *size = bytes_read_le64(&r);
    bool is_sound = record->kind == MANIFEST_HEADER && record->flags == 0 && unused == 0 &&
                    !r.is_bad && bytes_reader_left(&r) == 0;
    return is_sound ? 0 : ERR_CORRUPT;
}

static int decode_commit(const struct manifest_record *record, struct log_store_state *state,
                         uint64_t *durable_size)
{
    struct bytes_reader r = bytes_reader_of(record->payload);
    state->index = bytes_read_le64(&r);
    state->term = bytes_read_le64(&r);
    state->configuration_index = bytes_read_le64(&r);
    state->recovery_id = bytes_read_le64(&r);
    *durable_size = bytes_read_le64(&r);
    state->generation = bytes_read_le32(&r);
    state->feature_level = bytes_read_le32(&r);
    uint32_t configuration_size = bytes_read_le32(&r);
    uint32_t unused = bytes_read_le32(&r);
    state->configuration = bytes_read(&r, configuration_size);
    bool is_sound = unused == 0 && !r.is_bad && bytes_reader_left(&r) == 0 &&
                    record->flags <= MANIFEST_COMMIT_LEFT;
    state->left_index = 0;
    if (record->flags != MANIFEST_COMMIT_LEFT)
        return is_sound ? 0 : ERR_CORRUPT;
    state->left_index = state->configuration_index;
    state->configuration_index = 0;
    is_sound &= state->left_index > 0 && state->index == 0 && configuration_size == 0;
    return is_sound ? 0 : ERR_CORRUPT;
}

static struct bytes rest_of(struct bytes file, uint64_t position)
{
    return bytes_of(file.data + position, file.size - position);
}

static int decode_seal(const struct manifest_record *record, uint64_t *durable_size)
{
    if (record->payload.size != SEAL_PAYLOAD_SIZE || record->flags != 0 || record->number != 0)
        return ERR_CORRUPT;
    *durable_size = bytes_get_le64(record->payload.data);
    return 0;
}

/* How much of the file a commit or seal says was durable; 0 of anything else. */
static uint64_t durable_size_by(const struct manifest_record *record)
{
    struct log_store_state state;
    uint64_t size = 0;
    int err = record->kind == MANIFEST_COMMIT ? decode_commit(record, &state, &size)
              : record->kind == MANIFEST_SEAL ? decode_seal(record, &size)
                                              : ERR_CORRUPT;
    return err == 0 ? size : 0;
}

/* Does a commit or seal behind `damaged` say that the place was durable? */
static bool is_vouched_for(struct bytes file, uint64_t damaged)
{
    for (uint64_t at = damaged + 8; at + MANIFEST_RECORD_HEAD_SIZE <= file.size; at += 8) {
        struct manifest_record record;
        bool may_vouch = file.data[at + 8] == MANIFEST_COMMIT || file.data[at + 8] == MANIFEST_SEAL;
        if (may_vouch && manifest_record_decode(rest_of(file, at), &record) > 0 &&
            durable_size_by(&record) > damaged)
            return true;
    }
    return false;
}

/* Finds where the last commit ends (or the header, without one). */
static int find_end(struct bytes file, struct manifest *m, struct err_note *note)
{
    struct manifest_record record;
    uint64_t made_size = 0;
    int64_t size = manifest_record_decode(file, &record);
    if (size == ERR_VERSION)
        return err_set(note, ERR_VERSION, "manifest: made by a later version");
    if (size < 0 || decode_header(&record, &m->group_id, &made_size) != 0)
        return err_set(note, ERR_CORRUPT, "manifest: header is damaged");
    uint64_t at = m->end = m->commit_end = (uint64_t)size;
    while (at < file.size && (size = manifest_record_decode(rest_of(file, at), &record)) > 0) {
        bool is_sealing = record.kind == MANIFEST_SEAL && at == m->end;
        at += (uint64_t)size;
        if (record.kind == MANIFEST_COMMIT)
            m->commit_end = at;
        if (record.kind == MANIFEST_COMMIT || is_sealing)
            m->end = at;
    }
    if (size == ERR_VERSION)
        return err_set(note, ERR_VERSION, "manifest: byte %llu is of a later version",
                       (unsigned long long)at);
    bool is_whole = at >= file.size;
    if (at < made_size || (!is_whole && is_vouched_for(file, at)))
        return err_set(note, ERR_CORRUPT, "manifest: checksum differs at byte %llu",
                       (unsigned long long)at);
    return 0;
}

static struct manifest_partition *find_partition(struct manifest *m, uint32_t number,
                                                 uint32_t *place)
{
    uint32_t low = 0, high = m->partition_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (m->partitions[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    *place = low;
    bool is_there = low < m->partition_count && m->partitions[low].number == number;
    return is_there ? &m->partitions[low] : NULL;
}

/* The entry of a partition, made at its place when it is new. NULL without memory. */
static struct manifest_partition *claim_partition(struct manifest *m, uint32_t number)
{
    uint32_t place;
    struct manifest_partition *p = find_partition(m, number, &place);
    if (p != NULL)
        return p;
    if (m->partition_count == m->partition_capacity) {
        uint32_t capacity = m->partition_capacity == 0 ? 16 : m->partition_capacity * 2;
        p = realloc(m->partitions, capacity * sizeof *p);
        if (p == NULL)
            return NULL;
        m->partitions = p;
        m->partition_capacity = capacity;
    }
    p = &m->partitions[place];
    memmove(p + 1, p, (m->partition_count++ - place) * sizeof *p);
    *p = (struct manifest_partition){.number = number};
    return p;
}

static int apply_partition(struct manifest *m, const struct manifest_record *record)
{
    struct manifest_partition *p = claim_partition(m, record->number);
    if (p == NULL)
        return UV_ENOMEM;
    if (p->is_removed || record->flags != 0)
        return ERR_CORRUPT; /* a number is never used again */
    p->record = record->payload;
    return 0;
}

static int apply_removed(struct manifest *m, const struct manifest_record *record)
{
    struct manifest_partition *p = claim_partition(m, record->number);
    if (p == NULL)
        return UV_ENOMEM;
    struct bytes_reader r = bytes_reader_of(record->payload);
    struct bytes topic_id = bytes_read(&r, sizeof p->id.topic_id);
    uint32_t partition = bytes_read_le32(&r);
    uint32_t unused = bytes_read_le32(&r);
    if (r.is_bad || bytes_reader_left(&r) != 0 || unused != 0 || record->flags != 0)
        return ERR_CORRUPT;
    memcpy(p->id.topic_id, topic_id.data, topic_id.size);
    p->id.partition = (int32_t)partition;
    p->is_removed = true;
    p->record = (struct bytes){0};
    return 0;
}

static int apply_commit(struct manifest *m, const struct manifest_record *record)
{
    struct bytes machine = m->state.machine;
    uint64_t durable_size;
    int err = decode_commit(record, &m->state, &durable_size);
    m->state.machine = machine;
    m->is_installing = (record->flags & MANIFEST_COMMIT_INSTALLING) != 0;
    return err;
}

static int apply(struct manifest *m, const struct manifest_record *record)
{
    switch (record->kind) {
    case MANIFEST_PARTITION:
        return apply_partition(m, record);
    case MANIFEST_REMOVED:
        return apply_removed(m, record);
    case MANIFEST_MACHINE:
        m->state.machine = record->payload;
        return 0;
    case MANIFEST_COMMIT:
        return apply_commit(m, record);
    case MANIFEST_SEAL:
        return decode_seal(record, &(uint64_t){0});
    default:
        return ERR_CORRUPT; /* a second header, or a kind that no version 1 has */
    }
}

int manifest_parse(struct bytes file, struct manifest *m, struct err_note *note)
{
    *m = (struct manifest){0};
    int err = find_end(file, m, note);
    if (err != 0)
        return err;
    uint64_t at = manifest_record_size(HEADER_PAYLOAD_SIZE);
    while (at < m->end && err == 0) {
        struct manifest_record record;
        int64_t size = manifest_record_decode(rest_of(file, at), &record);
        assert(size > 0); /* find_end has been here */
        err = apply(m, &record);
        if (err != 0)
            err_set(note, err, "manifest: record at byte %llu: %s", (unsigned long long)at,
                    err_text(err));
        at += (uint64_t)size;
    }
    if (err != 0)
        manifest_close(m);
    return err;
}

void manifest_close(struct manifest *m)
{
    free(m->partitions);
    *m = (struct manifest){0};
}
