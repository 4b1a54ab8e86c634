/* Writes the history of a simulation. One file; time is the virtual one, in microseconds. */
#include "sim/sim_history.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crc32c.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"
#include "sim/sim_actor.h"
#include "sim/sim_moves.h"

#define BUFFER_SIZE (1u << 18)

static const char *const outcomes[] = {"ok", "fail", "unknown"};

static uint64_t now_us(const struct sim *s)
{
    return world_now_ns(s->world) / WORLD_US;
}

void sim_history_start(struct sim *s, const char *path)
{
    s->history = fopen(path, "w");
    /* Blind, a run may end anywhere: then each line must be there. */
    if (s->history == NULL ||
        setvbuf(s->history, NULL, s->is_blind ? _IOLBF : _IOFBF, BUFFER_SIZE) != 0) {
        perror(path);
        exit(2);
    }
    fprintf(s->history,
            "{\"at\":%" PRIu64 ",\"type\":\"history\",\"version\":1,\"program\":\"sim\""
            ",\"seed\":%" PRIu64 ",\"wall_us\":0}\n",
            now_us(s), world_seed(s->world));
}

void sim_history_end(struct sim *s)
{
    if (s->history == NULL)
        return;
    fprintf(s->history, "{\"at\":%" PRIu64 ",\"type\":\"stage\",\"name\":\"end\"}\n", now_us(s));
    if (fclose(s->history) != 0) {
        perror("sim: the history");
        exit(2);
    }
    s->history = NULL;
}

/* ---- lines ----
 *
 * There are a hundred thousand a seed; printf would take as long as the rest of the simulation. */

#define LINE_BYTES 512

struct out {
    char bytes[LINE_BYTES]; /* names are short and numbers few: a line fits */
    size_t size;
};

static void put(struct out *o, const char *text)
{
    size_t size = strlen(text);
    assert(size <= LINE_BYTES - o->size);
    memcpy(o->bytes + o->size, text, size);
    o->size += size;
}

static void put_number(struct out *o, const char *text, int64_t number)
{
    char digits[24];
    char *at = digits + sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    *--at = '\0';
    do
        *--at = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    put(o, text);
    put(o, number < 0 ? "-" : "");
    put(o, at);
}

static void put_hexadecimal(struct out *o, const char *text, uint32_t number)
{
    char digits[9] = "";
    for (int i = 0; i < 8; i++)
        digits[i] = "0123456789abcdef"[number >> (28 - 4 * i) & 15];
    put(o, text);
    put(o, digits);
}

/* Ends the line and writes it. */
static void write_line(struct sim *s, struct out *o, const char *end)
{
    put(o, end);
    put(o, "}\n");
    fwrite(o->bytes, 1, o->size, s->history);
}

/* What most lines begin with. */
static struct out begin(struct sim *s, const char *type, const char *process, uint32_t number,
                        struct sim_place place)
{
    struct out o;
    o.size = 0;
    put_number(&o, "{\"at\":", (int64_t)now_us(s));
    put(&o, ",\"type\":\"");
    put(&o, type);
    put(&o, "\",\"process\":\"");
    put(&o, process);
    put_number(&o, "", number);
    put_number(&o, "\",\"site\":\"sim\",\"topic\":\"g", place.group_id);
    put_number(&o, "\",\"partition\":", place.partition);
    return o;
}

static void put_bytes_told(struct out *o, struct bytes value)
{
    put_number(o, "\",\"size\":", (int64_t)value.size);
    put_hexadecimal(o, ",\"crc\":\"", crc32c(0, value));
    put(o, "\"");
}

/* ---- sends ---- */

static int64_t record_number(uint64_t batch, uint32_t place)
{
    return (int64_t)(batch * SIM_BATCH_RECORDS_MAX + place);
}

static void open_batch(struct bytes bytes, struct kafka_record_batch *batch,
                       struct kafka_record_iterator *records)
{
    if (kafka_record_batch_decode(bytes, batch) <= 0 ||
        kafka_record_iterator_init(records, batch) != 0)
        abort(); /* the client made it */
}

void sim_history_sent(struct sim *s, uint32_t client, uint64_t number, bool is_idempotent,
                      struct sim_place place, struct bytes bytes)
{
    struct kafka_record_batch batch;
    struct kafka_record_iterator records;
    struct kafka_record record;
    if (s->history == NULL || place.partition > SIM_FIRST_PARTITIONS)
        return;
    if (number == 0)
        fprintf(s->history,
                "{\"at\":%" PRIu64 ",\"type\":\"process\",\"process\":\"p%" PRIu32
                "\",\"site\":\"sim\",\"role\":\"producer\",\"idempotent\":%d}\n",
                now_us(s), client, is_idempotent);
    open_batch(bytes, &batch, &records);
    for (uint32_t i = 0; kafka_record_next(&records, &record) == 1; i++) {
        struct out o = begin(s, "send", "p", client, place);
        put_number(&o, ",\"id\":", record_number(number, i));
        put_number(&o, ",\"value\":\"p", client);
        put_number(&o, "-", record_number(number, i));
        put_bytes_told(&o, record.value);
        write_line(s, &o, "");
    }
}

void sim_history_answered(struct sim *s, uint32_t client, uint64_t number, struct sim_place place,
                          struct bytes bytes, enum sim_history_outcome outcome, int64_t base_offset)
{
    struct kafka_record_batch batch;
    struct kafka_record_iterator records;
    struct kafka_record record;
    if (s->history == NULL || place.partition > SIM_FIRST_PARTITIONS)
        return;
    open_batch(bytes, &batch, &records);
    for (uint32_t i = 0; kafka_record_next(&records, &record) == 1; i++) {
        struct out o = begin(s, "send", "p", client, place);
        put_number(&o, ",\"id\":", record_number(number, i));
        if (outcome == SIM_HISTORY_OK)
            put_number(&o, ",\"offset\":", base_offset < 0 ? -1 : base_offset + i);
        put(&o, ",\"outcome\":\"");
        put(&o, outcomes[outcome]);
        write_line(s, &o, "\"");
    }
}

/* ---- reads ---- */

void sim_history_moved(struct sim *s, const char *reader, uint32_t node, struct sim_place place,
                       int64_t offset, bool is_final)
{
    if (s->history == NULL || place.partition > SIM_FIRST_PARTITIONS)
        return;
    struct out o = begin(s, is_final ? "assign" : "seek", reader, node, place);
    put_number(&o, ",\"node\":", node);
    put_number(&o, ",\"offset\":", offset);
    write_line(s, &o, "");
}

/* Client and batch stand in the value (sim_producer.c). What does not begin so is a lie that the
 * checker will tell. */
static void write_record(struct sim *s, const char *reader, uint32_t node, struct sim_place place,
                         bool is_final, const struct kafka_record_batch *batch, uint32_t number,
                         const struct kafka_record *record)
{
    bool is_marked = record->value.size >= SIM_BATCH_MARK_SIZE;
    uint64_t client = is_marked ? bytes_get_le64(record->value.data) : 0;
    uint64_t mark = is_marked ? bytes_get_le64(record->value.data + 8) : 0;
    struct out o = begin(s, "read", reader, node, place);
    put_number(&o, ",\"id\":0,\"node\":", node);
    put_number(&o, ",\"offset\":", record->offset);
    put_number(&o, is_marked ? ",\"value\":\"p" : ",\"value\":\"?", (int64_t)client);
    put_number(&o, "-", record_number(mark, number));
    put_bytes_told(&o, record->value);
    put_number(&o, ",\"epoch\":", batch->leader_epoch);
    write_line(s, &o, is_final ? ",\"stage\":\"final\"" : "");
}

void sim_history_read(struct sim *s, const char *reader, uint32_t node, struct sim_place place,
                      int64_t offset, bool is_final, struct bytes bytes)
{
    if (s->history == NULL || place.partition > SIM_FIRST_PARTITIONS)
        return;
    while (bytes.size > 0) {
        struct kafka_record_batch batch;
        struct kafka_record_iterator records;
        struct kafka_record record;
        int size = kafka_record_batch_decode(bytes, &batch);
        if (size <= 0 || kafka_record_iterator_init(&records, &batch) != 0)
            return; /* the model says so (sim_check_read) */
        for (uint32_t i = 0; kafka_record_next(&records, &record) == 1; i++)
            if (record.offset >= offset)
                write_record(s, reader, node, place, is_final, &batch, i, &record);
        bytes = bytes_of(bytes.data + size, bytes.size - (size_t)size);
    }
}

void sim_history_read_end(struct sim *s, const char *reader, uint32_t node, struct sim_place place,
                          int64_t offset)
{
    if (s->history == NULL || place.partition > SIM_FIRST_PARTITIONS)
        return;
    struct out o = begin(s, "read-end", reader, node, place);
    put_number(&o, ",\"node\":", node);
    put_number(&o, ",\"offset\":", offset);
    write_line(s, &o, "");
}

/* ---- deletions, leaders ---- */

static struct out begin_deletion(struct sim *s, uint64_t id, struct sim_place place, int64_t offset)
{
    struct out o = begin(s, "admin", "keeper", 0, place);
    put_number(&o, ",\"id\":", (int64_t)id);
    put_number(&o, ",\"action\":\"delete-records\",\"offset\":", offset);
    return o;
}

uint64_t sim_history_delete(struct sim *s, struct sim_place place, int64_t offset)
{
    static uint64_t next_id; /* of all keepers: they are one process here */
    if (s->history == NULL || place.partition > SIM_FIRST_PARTITIONS)
        return 0;
    struct out o = begin_deletion(s, next_id, place, offset);
    write_line(s, &o, "");
    return next_id++;
}

void sim_history_deleted(struct sim *s, uint64_t id, struct sim_place place, int64_t offset,
                         enum sim_history_outcome outcome)
{
    if (s->history == NULL || place.partition > SIM_FIRST_PARTITIONS)
        return;
    struct out o = begin_deletion(s, id, place, offset);
    put(&o, ",\"outcome\":\"");
    put(&o, outcomes[outcome]);
    write_line(s, &o, "\"");
}

/* ---- consumer groups ---- */

static struct out begin_group(struct sim *s, const struct sim_history_group *line)
{
    struct out o = begin(s, line->type, "member", line->client, line->place);
    put_number(&o, ",\"id\":", (int64_t)line->id);
    put(&o, ",\"group\":\"");
    put(&o, line->group);
    put(&o, "\"");
    return o;
}

void sim_history_group_begun(struct sim *s, const struct sim_history_group *line)
{
    if (s->history == NULL)
        return;
    struct out o = begin_group(s, line);
    if (strcmp(line->type, "commit") == 0)
        put_number(&o, ",\"offset\":", line->offset);
    write_line(s, &o, "");
}

void sim_history_group_ended(struct sim *s, const struct sim_history_group *line,
                             enum sim_history_outcome outcome)
{
    if (s->history == NULL)
        return;
    struct out o = begin_group(s, line);
    if (strcmp(line->type, "commit") == 0 || outcome == SIM_HISTORY_OK)
        put_number(&o, ",\"offset\":", line->offset);
    put(&o, ",\"outcome\":\"");
    put(&o, outcomes[outcome]);
    write_line(s, &o, "\"");
}

void sim_history_leads(struct sim *s, uint32_t node, uint32_t group_id, uint64_t term)
{
    for (uint32_t i = 0; i < SIM_GROUPS * SIM_FIRST_PARTITIONS && s->history != NULL; i++) {
        int32_t epoch_base;
        struct sim_place home = {i / SIM_FIRST_PARTITIONS + 1, i % SIM_FIRST_PARTITIONS + 1};
        if (sim_moves_true_place(s, home, &epoch_base).group_id != group_id)
            continue;
        struct out o = begin(s, "metadata", "node", node, home);
        put_number(&o, ",\"node\":", node);
        put_number(&o, ",\"leader\":", node);
        put_number(&o, ",\"epoch\":", epoch_base + (int64_t)term);
        write_line(s, &o, "");
    }
}
