/* Writes the history of a simulation. One file; time is the virtual one, in microseconds. */
#include "sim/sim_history.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/crc32c.h"
#include "protocol/record.h"
#include "protocol/record_batch.h"
#include "sim/sim_actor.h"

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

/* What most lines begin with. */
static void begin(struct sim *s, const char *type, const char *process, uint32_t number,
                  struct sim_place place)
{
    fprintf(s->history,
            "{\"at\":%" PRIu64 ",\"type\":\"%s\",\"process\":\"%s%" PRIu32
            "\",\"site\":\"sim\",\"topic\":\"g%" PRIu32 "\",\"partition\":%" PRIu32,
            now_us(s), type, process, number, place.group_id, place.partition);
}

/* ---- sends ---- */

static uint64_t record_number(uint64_t batch, uint32_t place)
{
    return batch * SIM_BATCH_RECORDS_MAX + place;
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
    if (s->history == NULL)
        return;
    if (number == 0)
        fprintf(s->history,
                "{\"at\":%" PRIu64 ",\"type\":\"process\",\"process\":\"p%" PRIu32
                "\",\"site\":\"sim\",\"role\":\"producer\",\"idempotent\":%d}\n",
                now_us(s), client, is_idempotent);
    open_batch(bytes, &batch, &records);
    for (uint32_t i = 0; kafka_record_next(&records, &record) == 1; i++) {
        begin(s, "send", "p", client, place);
        fprintf(s->history,
                ",\"id\":%" PRIu64 ",\"value\":\"p%" PRIu32 "-%" PRIu64
                "\",\"size\":%zu,\"crc\":\"%08" PRIx32 "\"}\n",
                record_number(number, i), client, record_number(number, i), record.value.size,
                crc32c(0, record.value));
    }
}

void sim_history_answered(struct sim *s, uint32_t client, uint64_t number, struct sim_place place,
                          struct bytes bytes, enum sim_history_outcome outcome, int64_t base_offset)
{
    struct kafka_record_batch batch;
    struct kafka_record_iterator records;
    struct kafka_record record;
    if (s->history == NULL)
        return;
    open_batch(bytes, &batch, &records);
    for (uint32_t i = 0; kafka_record_next(&records, &record) == 1; i++) {
        begin(s, "send", "p", client, place);
        fprintf(s->history, ",\"id\":%" PRIu64, record_number(number, i));
        if (outcome == SIM_HISTORY_OK)
            fprintf(s->history, ",\"offset\":%" PRId64, base_offset < 0 ? -1 : base_offset + i);
        fprintf(s->history, ",\"outcome\":\"%s\"}\n", outcomes[outcome]);
    }
}

/* ---- reads ---- */

void sim_history_moved(struct sim *s, const char *reader, uint32_t node, struct sim_place place,
                       int64_t offset, bool is_final)
{
    if (s->history == NULL || place.partition > SIM_FIRST_PARTITIONS)
        return;
    begin(s, is_final ? "assign" : "seek", reader, node, place);
    fprintf(s->history, ",\"node\":%" PRIu32 ",\"offset\":%" PRId64 "}\n", node, offset);
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
    begin(s, "read", reader, node, place);
    fprintf(s->history,
            ",\"id\":0,\"node\":%" PRIu32 ",\"offset\":%" PRId64 ",\"value\":\"%s%" PRIu64
            "-%" PRIu64 "\",\"size\":%zu,\"crc\":\"%08" PRIx32 "\",\"epoch\":%" PRId32 "%s}\n",
            node, record->offset, is_marked ? "p" : "?", client, record_number(mark, number),
            record->value.size, crc32c(0, record->value), batch->leader_epoch,
            is_final ? ",\"stage\":\"final\"" : "");
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
    begin(s, "read-end", reader, node, place);
    fprintf(s->history, ",\"node\":%" PRIu32 ",\"offset\":%" PRId64 "}\n", node, offset);
}

/* ---- deletions, leaders ---- */

uint64_t sim_history_delete(struct sim *s, struct sim_place place, int64_t offset)
{
    static uint64_t next_id; /* of all keepers: they are one process here */
    if (s->history == NULL)
        return 0;
    begin(s, "admin", "keeper", 0, place);
    fprintf(s->history,
            ",\"id\":%" PRIu64 ",\"action\":\"delete-records\",\"offset\":%" PRId64 "}\n", next_id,
            offset);
    return next_id++;
}

void sim_history_deleted(struct sim *s, uint64_t id, struct sim_place place, int64_t offset,
                         enum sim_history_outcome outcome)
{
    if (s->history == NULL)
        return;
    begin(s, "admin", "keeper", 0, place);
    fprintf(s->history,
            ",\"id\":%" PRIu64 ",\"action\":\"delete-records\",\"offset\":%" PRId64
            ",\"outcome\":\"%s\"}\n",
            id, offset, outcomes[outcome]);
}

void sim_history_leads(struct sim *s, uint32_t node, uint32_t group_id, uint64_t term)
{
    for (uint32_t partition = 1; partition <= SIM_FIRST_PARTITIONS && s->history != NULL;
         partition++) {
        begin(s, "metadata", "node", node, (struct sim_place){group_id, partition});
        fprintf(s->history, ",\"node\":%" PRIu32 ",\"leader\":%" PRIu32 ",\"epoch\":%" PRIu64 "}\n",
                node, node, term);
    }
}
