/* Takes the lines of a history in, by type.
 *
 * What a process did stands in one file, in order; so an operation's completion finds its
 * invocation, and a reader's records follow one another. Nothing else depends on order. */
#include "history_parts.h"

#include <stdlib.h>
#include <string.h>

int line_refuse(const char **why, const char *text)
{
    *why = text;
    return -1;
}

int64_t line_number_or(const struct line *line, enum line_field field, int64_t otherwise)
{
    return line_has(line, field) ? line->numbers[field] : otherwise;
}

uint32_t line_name(struct history *h, const struct line *line, enum line_field field)
{
    return line_has(line, field) ? names_add(&h->names, line->texts[field]) : NAME_NONE;
}

static int resolve(struct history *h, const struct line *line, struct subject *s, const char **why)
{
    int64_t number = line_number_or(line, LINE_partition, -1);
    *s = (struct subject){.at = line->numbers[LINE_at],
                          .topic = NONE,
                          .partition = NONE,
                          .group = NONE,
                          .offset = line_number_or(line, LINE_offset, -1)};
    if (!line_has(line, LINE_process))
        return line_refuse(why, "no process");
    struct text none = {"", 0};
    s->process = history_process(h, line->texts[LINE_process],
                                 line_has(line, LINE_site) ? line->texts[LINE_site] : none);
    s->group = line_name(h, line, LINE_group);
    if (!line_has(line, LINE_topic))
        return 0;
    if (number < -1 || number >= PARTITIONS_MAX)
        return line_refuse(why, "a partition out of range");
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

int line_bytes_told(const struct line *line, struct bytes_told *told, const char **why)
{
    struct text none = {"", 0};
    int64_t size = line_number_or(line, LINE_size, -1);
    if (!line_has(line, LINE_value) || !line_has(line, LINE_crc) || size < 0 || size > UINT32_MAX)
        return line_refuse(why, "no value, size or crc");
    if (parse_hexadecimal(line->texts[LINE_crc], &told->crc) != 0)
        return line_refuse(why, "a crc that is no hexadecimal number of 32 bits");
    told->size = (uint32_t)size;
    told->key = text_hash(line_has(line, LINE_key) ? line->texts[LINE_key] : none);
    return 0;
}

/* ---- what nodes say, and the frame ---- */

static int take_metadata(struct history *h, const struct line *line, const struct subject *s,
                         const char **why)
{
    int64_t epoch = line_number_or(line, LINE_epoch, -1),
            leader = line_number_or(line, LINE_leader, -1);
    if (s->partition == NONE)
        return line_refuse(why, "no topic and partition");
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
                                                    .node = line_number_or(line, LINE_node, -1),
                                                    .place = h->at};
    return 0;
}

static int take_process(struct history *h, const struct line *line, const struct subject *s)
{
    h->processes.items[s->process].is_idempotent = line_number_or(line, LINE_idempotent, 0) == 1;
    h->processes.items[s->process].is_probe = line_is(line, LINE_role, "probe");
    return 0;
}

static int take_fault(struct history *h, const struct line *line, const char **why)
{
    if (!line_has(line, LINE_id) || !line_has(line, LINE_action))
        return line_refuse(why, "a fault without id or action");
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
                                .name = line_name(h, line, LINE_name),
                                .target = line_name(h, line, LINE_target),
                                .site = line_name(h, line, LINE_faulted_site),
                                .node = line_name(h, line, LINE_faulted_node)};
    }
    bool is_inject = line_is(line, LINE_action, "inject");
    if (!is_inject && !line_is(line, LINE_action, "heal"))
        return line_refuse(why, "a fault's action that is neither inject nor heal");
    *(is_inject ? &fault->inject_at : &fault->heal_at) = line->numbers[LINE_at];
    return 0;
}

static int take_recovery(struct history *h, const struct line *line, const char **why)
{
    if (!line_has(line, LINE_since) || !line_has(line, LINE_until))
        return line_refuse(why, "a recovery without since or until");
    if (h->recoveries.count == RECOVERIES_MAX)
        return line_refuse(why, "more recoveries than can be judged");
    *vector_add(&h->recoveries) = (struct forced_recovery){
        .at = line->numbers[LINE_at],
        .until = line->numbers[LINE_until],
        .since = line->numbers[LINE_since],
        .known_lost = line_number_or(line, LINE_known_lost, 0)};
    return 0;
}

static int take_history(const struct line *line, const char **why)
{
    return line_number_or(line, LINE_version, 1) == 1 ? 0
                                                      : line_refuse(why, "a version other than 1");
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
    RECOVERY,
    HISTORY,
    STAGE,
    TOPIC,
    ERROR_LINE,
    TYPE_COUNT
};
static const char *const types[TYPE_COUNT] = {
    "read",     "send",    "poll",   "commit", "offset-fetch", "list-offsets", "admin",
    "read-end", "assign",  "revoke", "seek",   "metadata",     "process",      "fault",
    "recovery", "history", "stage",  "topic",  "error"};

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
        return line_refuse(why, "no at, or no type");
    enum line_type type = type_of(line);
    if (line->numbers[LINE_at] > h->files.items[h->at.file].last_at)
        h->files.items[h->at.file].last_at = line->numbers[LINE_at];
    switch (type) {
    case HISTORY:
        return take_history(line, why);
    case STAGE:
        return take_stage(h, line);
    case FAULT:
        return take_fault(h, line, why);
    case RECOVERY:
        return take_recovery(h, line, why);
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
