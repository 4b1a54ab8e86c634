/* What a replica's partition of __consumer_offsets says: whoever reads its records from the first
 * to the last, in Kafka's own layout, must come to the offsets that the groups have committed. */
#include <inttypes.h>

#include "protocol/record.h"
#include "sim/sim_check_consumer.h"

static struct kafka_string read_text(struct bytes *from)
{
    size_t size = from->size < 2 ? 0 : (size_t)bytes_get_be16(from->data);
    if (from->size < 2 + size)
        return KAFKA_STRING_NULL;
    struct kafka_string text = {.data = (const char *)from->data + 2, .size = (int32_t)size};
    *from = bytes_of(from->data + 2 + size, from->size - 2 - size);
    return text;
}

/* Kafka's own layout: key i16 version 1, group, topic, i32 partition; value i16 version, i64
 * offset … */
static void read_record(struct sim_check *c, const struct kafka_record *record)
{
    struct bytes key = record->key;
    if (key.size < 2 || bytes_get_be16(key.data) != 1)
        return; /* of a group's members */
    key = bytes_of(key.data + 2, key.size - 2);
    const struct sim_consumer_group *group = seen_group_named(read_text(&key));
    struct kafka_string topic = read_text(&key);
    unsigned place = key.size != 4 ? SIM_CONSUMED
                                   : sim_consumed_of(topic, (int32_t)bytes_get_be32(key.data));
    bool is_gone = record->value.data == NULL;
    if (group == NULL || place == SIM_CONSUMED || (!is_gone && record->value.size < 10))
        world_violation(c->sim->world, "4 no invention",
                        "a record of offsets that nobody has committed");
    c->consumers->read[group->number][place] = is_gone ? -1
                                                       : (int64_t)bytes_get_be64(
                                                             record->value.data + 2);
}

void sim_check_offsets_read_begin(struct sim_check *c)
{
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++)
        for (unsigned place = 0; place < SIM_CONSUMED; place++)
            c->consumers->read[i][place] = -1;
}

int64_t sim_check_offsets_read(struct sim_check *c, int64_t offset, struct bytes batches)
{
    while (batches.size > 0) {
        struct kafka_record_batch batch;
        struct kafka_record_iterator it;
        struct kafka_record record;
        int size = kafka_record_batch_decode(batches, &batch);
        if (size <= 0 || kafka_record_batch_check_crc(&batch) != 0 ||
            kafka_record_iterator_init(&it, &batch) != 0)
            world_violation(c->sim->world, "19 known damage only",
                            "an offsets partition shows no whole batch at offset %" PRId64, offset);
        while (kafka_record_next(&it, &record) == 1)
            read_record(c, &record);
        offset = kafka_record_batch_next_offset(&batch);
        batches = bytes_of(batches.data + size, batches.size - (size_t)size);
    }
    return offset;
}

void sim_check_offsets_read_end(struct sim_check *c, const struct sim_group *g)
{
    sim_count(c->sim, SIM_offset_tables_read, 1);
    for (unsigned i = 0; i < SIM_CONSUMER_GROUPS; i++)
        for (unsigned place = 0; place < SIM_CONSUMED; place++) {
            const struct sim_consumer_group *group = &sim_consumer_groups[i];
            int64_t wants = seen_value_at(&seen_of(c, group)->offsets[place], UINT64_MAX)->offset;
            if (group->group_id == g->group_id && c->consumers->read[i][place] != wants)
                world_violation(c->sim->world, "8 same replicas",
                                "node %u: by the records group %s has committed %" PRId64
                                " of partition %u, and it has %" PRId64,
                                sim_node_id(g->life->node), group->name,
                                c->consumers->read[i][place], place, wants);
        }
}
