/* Takes in what processes ask for: sends, and all other operations.
 *
 * Each stands twice in the history, with one id; its process's index leads from the id to it. */
#include "history_parts.h"

static int read_outcome(const struct line *line, uint8_t *outcome, const char **why)
{
    if (line_is(line, LINE_outcome, "ok"))
        *outcome = OUTCOME_OK;
    else if (line_is(line, LINE_outcome, "unknown"))
        *outcome = OUTCOME_UNKNOWN;
    else if (line_is(line, LINE_outcome, "fail"))
        *outcome = OUTCOME_FAIL;
    else
        return line_refuse(why, "an outcome that is none of ok, fail, unknown");
    return 0;
}

/* The place in its process's index of the operation that the line is about, NULL if it has no id.
 */
static uint32_t *operation_place(struct history *h, const struct line *line,
                                 const struct subject *s, const char **why)
{
    int64_t id = line_number_or(line, LINE_id, -1);
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
    if (line_bytes_told(line, &told, why) != 0)
        return -1;
    if (*place != 0)
        return line_refuse(why, "an id that its process used before");
    uint32_t number = history_record(h, line->texts[LINE_value]);
    struct record *r = &h->records.items[number];
    if (r->process != NONE)
        return line_refuse(why, "a value that was sent before");
    r->invoked_at = s->at;
    r->process = s->process;
    r->partition = s->partition;
    r->order = h->processes.items[s->process].send_count++;
    if (r->number != NONE)
        h->processes.items[s->process].last_number = r->number;
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
    uint8_t outcome = 0;
    if (read_outcome(line, &outcome, why) != 0)
        return -1;
    if (entry == 0 || (entry - 1) % 2 == 0)
        return line_refuse(why, "a completion without its invocation");
    if (outcome == OUTCOME_OK && s->partition == NONE)
        return line_refuse(why, "a success without its partition");
    if (s->offset != -1 && !history_holds(s->offset))
        return line_refuse(why, "an offset out of range");
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

int take_send(struct history *h, const struct line *line, const struct subject *s, const char **why)
{
    uint32_t *place = operation_place(h, line, s, why);
    if (place == NULL || s->topic == NONE)
        return place == NULL ? -1 : line_refuse(why, "no topic");
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
                            .action = line_name(h, line, LINE_action),
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
    uint8_t outcome = 0;
    if (read_outcome(line, &outcome, why) != 0)
        return -1;
    if (entry == 0 || (entry - 1) % 2 == 1)
        return line_refuse(why, "a completion without its invocation");
    struct operation *o = &h->operations.items[(entry - 1) / 2];
    if (o->completed_at != NEVER)
        return line_refuse(why, "a second completion of an operation");
    o->completed_at = s->at;
    o->outcome = outcome;
    o->place = h->at;
    if (line_has(line, LINE_offset))
        o->offset = s->offset;
    return 0;
}

int take_operation(struct history *h, const struct line *line, const struct subject *s,
                   enum operation_kind kind, const char **why)
{
    uint32_t *place = operation_place(h, line, s, why);
    if (place == NULL)
        return -1;
    if (kind != ADMIN && s->partition == NONE)
        return line_refuse(why, "no topic and partition");
    if ((kind == COMMIT || kind == OFFSET_FETCH) && s->group == NONE)
        return line_refuse(why, "no group");
    if (line_has(line, LINE_outcome))
        return complete_operation(h, line, s, *place, why);
    if (*place != 0)
        return line_refuse(why, "an id that its process used before");
    return invoke_operation(h, line, s, kind, place);
}
