/* The lines of a history, field by field as docs/history-format.md lists them. */
#include "note.h"

#include "crc32c.h"
#include "value.h"

static void add_place(struct line *line, struct note_place place)
{
    if (place.topic != NULL)
        line_string(line, "topic", place.topic);
    if (place.partition != NOTE_NONE)
        line_number(line, "partition", place.partition);
}

static void add_unless_none(struct line *line, const char *name, int64_t number)
{
    if (number != NOTE_NONE)
        line_number(line, name, number);
}

static void add_group(struct line *line, const char *group)
{
    if (group != NULL)
        line_string(line, "group", group);
}

static void add_end(struct line *line, const struct note_end *end)
{
    static const char *const outcomes[] = {"ok", "fail", "unknown"};
    line_string(line, "outcome", outcomes[end->outcome]);
    if (end->outcome != NOTE_OK)
        line_string(line, "error", end->error != NULL ? end->error : "unknown");
}

static void add_found_offset(struct line *line, const struct note_end *end)
{
    if (end->outcome != NOTE_OK)
        return;
    line_number(line, "offset", end->offset < 0 ? -1 : end->offset);
    add_unless_none(line, "epoch", end->epoch);
}

/* ---- sending ---- */

uint64_t note_send(struct process *process, int64_t at_us, const struct note_send *send)
{
    struct line line;
    uint64_t id = process->next_id++;
    process_line(process, &line, at_us, "send");
    line_number(&line, "id", (int64_t)id);
    line_string(&line, "topic", send->place.topic);
    line_number(&line, "partition", send->place.partition);
    if (send->key != NULL)
        line_bytes(&line, "key", send->key, send->key_size);
    line_string(&line, "value", send->value);
    line_number(&line, "size", (int64_t)send->size);
    line_crc(&line, send->crc);
    pen_write(process->pen, &line);
    return id;
}

void note_send_end(struct process *process, int64_t at_us, uint64_t id, struct note_place place,
                   const struct note_end *end)
{
    struct line line;
    process_line(process, &line, at_us, "send");
    line_number(&line, "id", (int64_t)id);
    line_string(&line, "topic", place.topic);
    line_number(&line, "partition", place.partition);
    add_found_offset(&line, end);
    add_end(&line, end);
    pen_write(process->pen, &line);
}

/* ---- reading ---- */

uint64_t note_poll(struct process *process, int64_t at_us)
{
    struct line line;
    uint64_t id = process->next_id++;
    process_line(process, &line, at_us, "poll");
    line_number(&line, "id", (int64_t)id);
    pen_write(process->pen, &line);
    return id;
}

void note_poll_end(struct process *process, int64_t at_us, uint64_t id, int64_t count)
{
    struct line line;
    process_line(process, &line, at_us, "poll");
    line_number(&line, "id", (int64_t)id);
    line_number(&line, "count", count);
    add_end(&line, &(struct note_end){.outcome = NOTE_OK});
    pen_write(process->pen, &line);
}

void note_read(struct process *process, int64_t at_us, uint64_t id, const struct note_read *read)
{
    struct line line;
    char value[VALUE_NAME_BYTES];
    value_recognise(value, read->value, read->size);
    process_line(process, &line, at_us, "read");
    line_number(&line, "id", (int64_t)id);
    add_group(&line, read->group);
    add_place(&line, read->place);
    line_number(&line, "offset", read->offset);
    if (read->key != NULL)
        line_bytes(&line, "key", read->key, read->key_size);
    line_string(&line, "value", value);
    line_number(&line, "size", (int64_t)read->size);
    line_crc(&line, crc32c(read->value, read->size));
    add_unless_none(&line, "epoch", read->epoch);
    add_unless_none(&line, "node", read->node);
    if (read->stage != NULL)
        line_string(&line, "stage", read->stage);
    pen_write(process->pen, &line);
}

void note_read_end(struct process *process, int64_t at_us, struct note_place place, int64_t offset,
                   int32_t node)
{
    struct line line;
    process_line(process, &line, at_us, "read-end");
    add_place(&line, place);
    line_number(&line, "offset", offset);
    add_unless_none(&line, "node", node);
    line_string(&line, "stage", "final");
    pen_write(process->pen, &line);
}

void note_assign(struct process *process, int64_t at_us, const char *group, struct note_place place,
                 int64_t offset)
{
    struct line line;
    process_line(process, &line, at_us, "assign");
    add_group(&line, group);
    add_place(&line, place);
    line_number(&line, "offset", offset);
    pen_write(process->pen, &line);
}

void note_revoke(struct process *process, int64_t at_us, const char *group, struct note_place place)
{
    struct line line;
    process_line(process, &line, at_us, "revoke");
    add_group(&line, group);
    add_place(&line, place);
    pen_write(process->pen, &line);
}

/* ---- offsets ---- */

uint64_t note_commit(struct process *process, int64_t at_us, const char *group,
                     struct note_place place, int64_t offset)
{
    struct line line;
    uint64_t id = process->next_id++;
    process_line(process, &line, at_us, "commit");
    line_number(&line, "id", (int64_t)id);
    add_group(&line, group);
    add_place(&line, place);
    line_number(&line, "offset", offset);
    pen_write(process->pen, &line);
    return id;
}

void note_commit_end(struct process *process, int64_t at_us, uint64_t id, const char *group,
                     struct note_place place, const struct note_end *end)
{
    struct line line;
    process_line(process, &line, at_us, "commit");
    line_number(&line, "id", (int64_t)id);
    add_group(&line, group);
    add_place(&line, place);
    line_number(&line, "offset", end->offset);
    add_end(&line, end);
    pen_write(process->pen, &line);
}

uint64_t note_offset_fetch(struct process *process, int64_t at_us, const char *group,
                           struct note_place place, int32_t node)
{
    struct line line;
    uint64_t id = process->next_id++;
    process_line(process, &line, at_us, "offset-fetch");
    line_number(&line, "id", (int64_t)id);
    add_group(&line, group);
    add_place(&line, place);
    add_unless_none(&line, "node", node);
    pen_write(process->pen, &line);
    return id;
}

void note_offset_fetch_end(struct process *process, int64_t at_us, uint64_t id, const char *group,
                           struct note_place place, int32_t node, const struct note_end *end)
{
    struct line line;
    process_line(process, &line, at_us, "offset-fetch");
    line_number(&line, "id", (int64_t)id);
    add_group(&line, group);
    add_place(&line, place);
    add_unless_none(&line, "node", node);
    add_found_offset(&line, end);
    add_end(&line, end);
    pen_write(process->pen, &line);
}

uint64_t note_list_offsets(struct process *process, int64_t at_us, struct note_place place,
                           const char *which)
{
    struct line line;
    uint64_t id = process->next_id++;
    process_line(process, &line, at_us, "list-offsets");
    line_number(&line, "id", (int64_t)id);
    add_place(&line, place);
    line_string(&line, "which", which);
    pen_write(process->pen, &line);
    return id;
}

void note_list_offsets_end(struct process *process, int64_t at_us, uint64_t id,
                           struct note_place place, const char *which, const struct note_end *end)
{
    struct line line;
    process_line(process, &line, at_us, "list-offsets");
    line_number(&line, "id", (int64_t)id);
    add_place(&line, place);
    line_string(&line, "which", which);
    add_found_offset(&line, end);
    add_end(&line, end);
    pen_write(process->pen, &line);
}

/* ---- administration, what is seen, the frame ---- */

static void begin_admin(struct process *process, struct line *line, int64_t at_us, uint64_t id,
                        const struct note_admin *admin)
{
    process_line(process, line, at_us, "admin");
    line_number(line, "id", (int64_t)id);
    line_string(line, "action", admin->action);
    if (admin->topic != NULL)
        line_string(line, "topic", admin->topic);
    add_group(line, admin->group);
}

uint64_t note_admin(struct process *process, int64_t at_us, const struct note_admin *admin)
{
    struct line line;
    uint64_t id = process->next_id++;
    begin_admin(process, &line, at_us, id, admin);
    pen_write(process->pen, &line);
    return id;
}

void note_admin_end(struct process *process, int64_t at_us, uint64_t id,
                    const struct note_admin *admin, const struct note_end *end)
{
    struct line line;
    begin_admin(process, &line, at_us, id, admin);
    add_end(&line, end);
    pen_write(process->pen, &line);
}

void note_metadata(struct process *process, int64_t at_us, int32_t node, struct note_place place,
                   int32_t leader, int32_t epoch)
{
    struct line line;
    process_line(process, &line, at_us, "metadata");
    line_number(&line, "node", node);
    add_place(&line, place);
    line_number(&line, "leader", leader);
    line_number(&line, "epoch", epoch);
    pen_write(process->pen, &line);
}

void note_error(struct process *process, int64_t at_us, const char *error, struct note_place place,
                const char *text)
{
    struct line line;
    process_line(process, &line, at_us, "error");
    line_string(&line, "error", error);
    add_place(&line, place);
    if (text != NULL)
        line_string(&line, "text", text);
    pen_write(process->pen, &line);
}

void note_topic(struct process *process, int64_t at_us, const char *topic, int32_t partition_count)
{
    struct line line;
    process_line(process, &line, at_us, "topic");
    line_string(&line, "topic", topic);
    line_number(&line, "partitions", partition_count);
    pen_write(process->pen, &line);
}

void note_stage(struct process *process, int64_t at_us, const char *name)
{
    struct line line;
    process_line(process, &line, at_us, "stage");
    line_string(&line, "name", name);
    pen_write(process->pen, &line);
}
