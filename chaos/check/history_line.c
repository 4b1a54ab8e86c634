/* Takes the lines of a history in, by type.
 *
 * What a process did stands in one file, in order; so an operation's completion finds its
 * invocation, and a reader's records follow one another. Nothing else depends on order. */
#include "history.h"

#include <stdlib.h>
#include <string.h>

/* The fields that most lines name, resolved. */
struct subject {
    int64_t at;
    uint32_t process;   /* index */
    uint32_t topic;     /* index, NONE */
    uint32_t partition; /* index, NONE */
    uint32_t group;     /* name, NONE */
    int64_t offset;     /* -1 where the line has none */
};

static int fail(const char **why, const char *text)
{
    *why = text;
    return -1;
}

static int64_t number_or(const struct line *line, enum line_field field, int64_t otherwise)
{
    return line_has(line, field) ? line->numbers[field] : otherwise;
}

static uint32_t name_or_none(struct history *h, const struct line *line, enum line_field field)
{
    return line_has(line, field) ? names_add(&h->names, line->texts[field]) : NAME_NONE;
}

static int resolve(struct history *h, const struct line *line, struct subject *s, const char **why)
{
    int64_t number = number_or(line, LINE_partition, -1);
    *s = (struct subject){.at = line->numbers[LINE_at],
                          .topic = NONE,
                          .partition = NONE,
                          .group = NONE,
                          .offset = number_or(line, LINE_offset, -1)};
    if (!line_has(line, LINE_process))
        return fail(why, "no process");
    struct text none = {"", 0};
    s->process = history_process(h, line->texts[LINE_process],
                                 line_has(line, LINE_site) ? line->texts[LINE_site] : none);
    s->group = name_or_none(h, line, LINE_group);
    if (!line_has(line, LINE_topic))
        return 0;
    if (number < -1 || number >= PARTITIONS_MAX)
        return fail(why, "a partition out of range");
    s->topic = history_topic(h, line->texts[LINE_topic]);
    if (number >= 0)
        s->partition = history_partition(h, s->topic, number);
    return 0;
}

static int parse_hexadecimal(struct text text, uint32_t *number)
{
    *number = 0;
    if (text.size == 0 || text.size > 8)
        return -1;
    for (uint32_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A' + 10)
                                                : 16;
        if (digit == 16)
            return -1;
        *number = *number << 4 | digit;
    }
    return 0;
}

struct bytes_told {
    uint32_t crc, size, key;
};

static int read_bytes_told(const struct line *line, struct bytes_told *told, const char **why)
{
    struct text none = {"", 0};
    int64_t size = number_or(line, LINE_size, -1);
    if (!line_has(line, LINE_value) || !line_has(line, LINE_crc) || size < 0 || size > UINT32_MAX)
        return fail(why, "no value, size or crc");
    if (parse_hexadecimal(line->texts[LINE_crc], &told->crc) != 0)
        return fail(why, "a crc that is no hexadecimal number of 32 bits");
    told->size = (uint32_t)size;
    told->key = text_hash(line_has(line, LINE_key) ? line->texts[LINE_key] : none);
    return 0;
}

static int read_outcome(const struct line *line, uint8_t *outcome, const char **why)
{
    if (line_is(line, LINE_outcome, "ok"))
        *outcome = OUTCOME_OK;
    else if (line_is(line, LINE_outcome, "unknown"))
        *outcome = OUTCOME_UNKNOWN;
    else if (line_is(line, LINE_outcome, "fail"))
        *outcome = OUTCOME_FAIL;
    else
        return fail(why, "an outcome that is none of ok, fail, unknown");
    return 0;
}

/* ---- operations ---- */

/* The place in its process's index of the operation that the line is about, NULL if it has no id.
 */
static uint32_t *operation_place(struct history *h, const struct line *line,
                                 const struct subject *s, const char **why)
{
    int64_t id = number_or(line, LINE_id, -1);
    if (id >= 0 && id <= NUMBER_PAGED_MAX)
        return pages_place(&h->processes.items[s->process].operations, id);
    *why = "no id, or one out of range";
    return NULL;
}

/* What an index holds: a record for sends, else an operation. */
static uint32_t index_entry(uint32_t number, bool is_send)
{
    return number * 2 + is_send + 1;
}

static int invoke_send(struct history *h, const struct line *line, const struct subject *s,
                       uint32_t *place, const char **why)
{
    struct bytes_told told;
    if (read_bytes_told(line, &told, why) != 0)
        return -1;
    if (*place != 0)
        return fail(why, "an id that its process used before");
    uint32_t number = history_record(h, line->texts[LINE_value]);
    struct record *r = &h->records.items[number];
    if (r->process != NONE)
        return fail(why, "a value that was sent before");
    r->invoked_at = s->at;
    r->process = s->process;
    r->partition = s->partition;
    r->order = h->processes.items[s->process].send_count++;
    r->crc = told.crc;
    r->size = told.size;
    r->key = told.key;
    r->place = h->at;
    h->send_count++;
    *place = index_entry(number, true);
    return 0;
}

static int complete_send(struct history *h, const struct line *line, const struct subject *s,
                         uint32_t entry, const char **why)
{
    uint8_t outcome;
    if (read_outcome(line, &outcome, why) != 0)
        return -1;
    if (entry == 0 || (entry - 1) % 2 == 0)
        return fail(why, "a completion without its invocation");
    if (outcome == OUTCOME_OK && s->partition == NONE)
        return fail(why, "a success without its partition");
    if (s->offset < -1 || s->offset > OFFSET_MAX)
        return fail(why, "an offset out of range");
    struct record *r = &h->records.items[(entry - 1) / 2];
    if (r->completed_at != NEVER) {
        *vector_add(&h->repeated) = (entry - 1) / 2;
        return 0;
    }
    r->completed_at = s->at;
    r->outcome = outcome;
    if (s->partition != NONE)
        r->partition = s->partition;
    r->offset = outcome == OUTCOME_OK ? s->offset : -1;
    return 0;
}

static int take_send(struct history *h, const struct line *line, const struct subject *s,
                     const char **why)
{
    uint32_t *place = operation_place(h, line, s, why);
    if (place == NULL || s->topic == NONE)
        return place == NULL ? -1 : fail(why, "no topic");
    return line_has(line, LINE_outcome) ? complete_send(h, line, s, *place, why)
                                        : invoke_send(h, line, s, place, why);
}

static int invoke_operation(struct history *h, const struct line *line, const struct subject *s,
                            enum operation_kind kind, uint32_t *place)
{
    *place = index_entry((uint32_t)h->operations.count, false);
    struct operation *o = vector_add(&h->operations);
    *o = (struct operation){.kind = (uint8_t)kind,
                            .process = s->process,
                            .action = name_or_none(h, line, LINE_action),
                            .partition = s->partition,
                            .topic = s->topic,
                            .group = s->group,
                            .member = NONE,
                            .invoked_at = s->at,
                            .from_at = s->at,
                            .completed_at = NEVER,
                            .offset = s->offset,
                            .place = h->at};
    if (line_has(line, LINE_which) && line->texts[LINE_which].size > 0)
        o->which = (uint8_t)line->texts[LINE_which].data[0];
    if (s->group != NONE && s->partition != NONE)
        o->member = history_member(h, s->group, s->partition);
    h->operation_count++;
    return 0;
}

static int complete_operation(struct history *h, const struct line *line, const struct subject *s,
                              uint32_t entry, const char **why)
{
    uint8_t outcome;
    if (read_outcome(line, &outcome, why) != 0)
        return -1;
    if (entry == 0 || (entry - 1) % 2 == 1)
        return fail(why, "a completion without its invocation");
    struct operation *o = &h->operations.items[(entry - 1) / 2];
    if (o->completed_at != NEVER)
        return fail(why, "a second completion of an operation");
    o->completed_at = s->at;
    o->outcome = outcome;
    o->place = h->at;
    if (line_has(line, LINE_offset))
        o->offset = s->offset;
    return 0;
}

static int take_operation(struct history *h, const struct line *line, const struct subject *s,
                          enum operation_kind kind, const char **why)
{
    uint32_t *place = operation_place(h, line, s, why);
    if (place == NULL)
        return -1;
    if (kind != ADMIN && s->partition == NONE)
        return fail(why, "no topic and partition");
    if ((kind == COMMIT || kind == OFFSET_FETCH) && s->group == NONE)
        return fail(why, "no group");
    if (line_has(line, LINE_outcome))
        return complete_operation(h, line, s, *place, why);
    if (*place != 0)
        return fail(why, "an id that its process used before");
    return invoke_operation(h, line, s, kind, place);
}

/* ---- readers ---- */

static void count_delivery(struct history *h, uint32_t member, int64_t offset)
{
    struct member *m = &h->members.items[member];
    size_t byte = (size_t)offset / 8;
    uint8_t bit = (uint8_t)(1u << offset % 8);
    m->delivered.items = memory_grow(m->delivered.items, &m->delivered.capacity, byte + 1, 1);
    m->reread_count += (m->delivered.items[byte] & bit) != 0;
    m->delivered.items[byte] |= bit;
    m->read_count++;
}

/* The first record after an assignment tells what the group's offset was, as a fetch would. */
static void resume(struct history *h, struct reader *reader, const struct subject *s)
{
    *vector_add(&h->operations) = (struct operation){.kind = OFFSET_FETCH,
                                                     .outcome = OUTCOME_OK,
                                                     .process = s->process,
                                                     .action = NAME_NONE,
                                                     .partition = s->partition,
                                                     .topic = s->topic,
                                                     .group = s->group,
                                                     .member = reader->member,
                                                     .invoked_at = reader->last_at,
                                                     .from_at = reader->last_at,
                                                     .completed_at = s->at,
                                                     .offset = s->offset,
                                                     .place = h->at,
                                                     .is_resume = true};
    reader->is_resuming = false;
}

static void follow(struct history *h, struct reader *reader, uint32_t number,
                   const struct subject *s)
{
    if (reader->is_resuming)
        resume(h, reader, s);
    else if (reader->expected >= 0 && reader->expected != s->offset)
        *vector_add(&h->jumps) = (struct jump){.reader = number,
                                               .from = reader->expected,
                                               .to = s->offset,
                                               .last_at = reader->last_at,
                                               .at = s->at,
                                               .place = h->at};
    reader->expected = s->offset + 1;
    reader->last_at = s->at;
}

static void note_final(struct reader *reader, const struct subject *s)
{
    if (reader->final_from_at == NEVER)
        reader->final_from_at = s->at;
    size_t count = reader->finals.count;
    struct range *last = count == 0 ? NULL : &reader->finals.items[count - 1];
    if (last != NULL && last->to == s->offset)
        last->to++;
    else if (last == NULL || last->to < s->offset)
        *vector_add(&reader->finals) = (struct range){s->offset, s->offset + 1};
}

static int take_read(struct history *h, const struct line *line, const struct subject *s,
                     const char **why)
{
    struct bytes_told told;
    if (read_bytes_told(line, &told, why) != 0)
        return -1;
    if (s->partition == NONE || s->offset < 0 || s->offset > OFFSET_MAX)
        return fail(why, "no topic, partition and offset, or one out of range");
    bool is_final = line_is(line, LINE_stage, "final");
    int64_t node = number_or(line, LINE_node, -1);
    uint32_t number = history_reader(h, s->process, s->partition, node);
    struct reader *reader = &h->readers.items[number];
    if (s->group != NONE) {
        reader->member = history_member(h, s->group, s->partition);
        count_delivery(h, reader->member, s->offset);
    }
    follow(h, reader, number, s);
    if (is_final)
        note_final(reader, s);
    struct slot seen = {.record = history_record(h, line->texts[LINE_value]) + 1,
                        .crc = told.crc,
                        .size = told.size,
                        .key = told.key,
                        .read_at = s->at,
                        .epoch = (int32_t)number_or(line, LINE_epoch, -1),
                        .reader = number,
                        .place = h->at,
                        .seen = !is_final   ? SEEN_READ
                                : node >= 0 ? SEEN_FINAL_NODE
                                            : SEEN_FINAL_SITE};
    history_see(h, s->partition, s->offset, &seen);
    h->read_count++;
    return 0;
}

static struct reader *reader_of(struct history *h, const struct line *line, const struct subject *s)
{
    int64_t node = number_or(line, LINE_node, -1);
    uint32_t place = history_reader(h, s->process, s->partition, node); /* may move the items */
    return &h->readers.items[place];
}

static int take_read_end(struct history *h, const struct line *line, const struct subject *s,
                         const char **why)
{
    if (s->partition == NONE || s->offset < 0 || s->offset > OFFSET_MAX)
        return fail(why, "no topic, partition and offset, or one out of range");
    struct reader *reader = reader_of(h, line, s);
    reader->final_end = s->offset;
    if (reader->final_from_at == NEVER)
        reader->final_from_at = s->at;
    return 0;
}

static int take_assign(struct history *h, const struct line *line, const struct subject *s,
                       const char **why)
{
    if (s->partition == NONE)
        return fail(why, "no topic and partition");
    struct reader *reader = reader_of(h, line, s);
    reader->expected = s->offset;
    reader->last_at = s->at;
    reader->is_resuming = s->group != NONE && s->offset < 0;
    reader->member = s->group != NONE ? history_member(h, s->group, s->partition) : NONE;
    reader->finals.count = 0; /* what it read before does not count as one pass with this */
    reader->final_from_at = NEVER;
    reader->final_end = -1;
    return 0;
}

/* Revoked: -1. Or the process moved to there itself. */
static int take_move(struct history *h, const struct line *line, const struct subject *s,
                     int64_t offset, const char **why)
{
    if (s->partition == NONE)
        return fail(why, "no topic and partition");
    struct reader *reader = reader_of(h, line, s);
    reader->expected = offset;
    reader->is_resuming = false;
    reader->last_at = s->at;
    return 0;
}

/* ---- what nodes say, and the frame ---- */

static int take_metadata(struct history *h, const struct line *line, const struct subject *s,
                         const char **why)
{
    int64_t epoch = number_or(line, LINE_epoch, -1), leader = number_or(line, LINE_leader, -1);
    if (s->partition == NONE)
        return fail(why, "no topic and partition");
    if (epoch < 0 || leader < 0)
        return 0;
    struct partition *p = &h->partitions.items[s->partition];
    for (size_t i = p->claims.count; i-- > 0;) {
        struct leader_claim *claim = &p->claims.items[i];
        if (claim->epoch == epoch && claim->leader == leader) {
            if (s->at < claim->first_at)
                claim->first_at = s->at;
            return 0;
        }
    }
    *vector_add(&p->claims) = (struct leader_claim){.epoch = epoch,
                                                    .leader = leader,
                                                    .first_at = s->at,
                                                    .node = number_or(line, LINE_node, -1),
                                                    .place = h->at};
    return 0;
}

static int take_process(struct history *h, const struct line *line, const struct subject *s)
{
    h->processes.items[s->process].is_idempotent = number_or(line, LINE_idempotent, 0) == 1;
    h->processes.items[s->process].is_probe = line_is(line, LINE_role, "probe");
    return 0;
}

static int take_fault(struct history *h, const struct line *line, const char **why)
{
    if (!line_has(line, LINE_id) || !line_has(line, LINE_action))
        return fail(why, "a fault without id or action");
    uint32_t id = names_add(&h->names, line->texts[LINE_id]);
    struct fault *fault = NULL;
    for (size_t i = 0; i < h->faults.count; i++)
        if (h->faults.items[i].id == id)
            fault = &h->faults.items[i];
    if (fault == NULL) {
        fault = vector_add(&h->faults);
        *fault = (struct fault){.id = id,
                                .inject_at = NEVER,
                                .heal_at = NEVER,
                                .name = name_or_none(h, line, LINE_name),
                                .target = name_or_none(h, line, LINE_target),
                                .site = name_or_none(h, line, LINE_faulted_site),
                                .node = name_or_none(h, line, LINE_faulted_node)};
    }
    bool is_inject = line_is(line, LINE_action, "inject");
    if (!is_inject && !line_is(line, LINE_action, "heal"))
        return fail(why, "a fault's action that is neither inject nor heal");
    *(is_inject ? &fault->inject_at : &fault->heal_at) = line->numbers[LINE_at];
    return 0;
}

static int take_history(const struct line *line, const char **why)
{
    return number_or(line, LINE_version, 1) == 1 ? 0 : fail(why, "a version other than 1");
}

static int take_stage(struct history *h, const struct line *line)
{
    if (line_is(line, LINE_name, "end"))
        h->files.items[h->at.file].has_end = true;
    return 0;
}

/* ---- which ---- */

enum line_type {
    READ,
    SEND_LINE,
    POLL_LINE,
    COMMIT_LINE,
    FETCH_LINE,
    LIST_LINE,
    ADMIN_LINE,
    READ_END,
    ASSIGN,
    REVOKE,
    SEEK,
    METADATA,
    PROCESS,
    FAULT,
    HISTORY,
    STAGE,
    TOPIC,
    ERROR_LINE,
    TYPE_COUNT
};
static const char *const types[TYPE_COUNT] = {
    "read",    "send",     "poll",    "commit", "offset-fetch", "list-offsets",
    "admin",   "read-end", "assign",  "revoke", "seek",         "metadata",
    "process", "fault",    "history", "stage",  "topic",        "error"};

static enum line_type type_of(const struct line *line)
{
    for (int i = 0; i < TYPE_COUNT; i++)
        if (line_is(line, LINE_type, types[i]))
            return (enum line_type)i;
    return TYPE_COUNT;
}

static int take_of_process(struct history *h, const struct line *line, enum line_type type,
                           const char **why)
{
    struct subject s;
    if (resolve(h, line, &s, why) != 0)
        return -1;
    switch (type) {
    case READ:
        return take_read(h, line, &s, why);
    case SEND_LINE:
        return take_send(h, line, &s, why);
    case COMMIT_LINE:
        return take_operation(h, line, &s, COMMIT, why);
    case FETCH_LINE:
        return take_operation(h, line, &s, OFFSET_FETCH, why);
    case LIST_LINE:
        return take_operation(h, line, &s, LIST_OFFSETS, why);
    case ADMIN_LINE:
        return take_operation(h, line, &s, ADMIN, why);
    case READ_END:
        return take_read_end(h, line, &s, why);
    case ASSIGN:
        return take_assign(h, line, &s, why);
    case REVOKE:
        return take_move(h, line, &s, -1, why);
    case SEEK:
        return take_move(h, line, &s, s.offset, why);
    case METADATA:
        return take_metadata(h, line, &s, why);
    case PROCESS:
        return take_process(h, line, &s);
    default:
        return 0;
    }
}

int history_take(struct history *h, const struct line *line, const char **why)
{
    h->line_count++;
    h->files.items[h->at.file].line_count++;
    if (!line_has(line, LINE_at) || !line_has(line, LINE_type))
        return fail(why, "no at, or no type");
    enum line_type type = type_of(line);
    switch (type) {
    case HISTORY:
        return take_history(line, why);
    case STAGE:
        return take_stage(h, line);
    case FAULT:
        return take_fault(h, line, why);
    case POLL_LINE:
    case TOPIC:
    case ERROR_LINE:
        return 0;
    case TYPE_COUNT:
        h->unknown_type_count++;
        return 0;
    default:
        return take_of_process(h, line, type, why);
    }
}
