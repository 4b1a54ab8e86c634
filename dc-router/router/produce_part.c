/* A produce request with some of its partitions: records stay where the client's frame has them. */
#include "router/produce_parts.h"

#define REQUEST_BYTES_MAX (256u << 20)

/* One topic's: the items from `first` on. Returns where the next topic's begin. */
static unsigned write_partitions(struct kafka_writer *w, const struct produce *p,
                                 const struct produce_part *part, unsigned first)
{
    int32_t topic = p->items[part->items[first]].topic;
    unsigned end = first;
    while (end < part->count && p->items[part->items[end]].topic == topic)
        end++;
    kafka_write_count(w, (int32_t)(end - first), false);
    for (unsigned k = first; k < end; k++) {
        const struct kafka_produce_request_partition *from = produce_asked(p, part->items[k]);
        struct slice records = {.owner = p->request->frame.owner, .bytes = from->records};
        struct kafka_slices slices = {.items = &records,
                                      .count = from->records.data == NULL ? -1 : 1};
        kafka_write_int32(w, from->partition_index);
        kafka_write_slices(w, slices, true);
        if (w->is_flexible)
            kafka_write_uvarint(w, 0);
    }
    return end;
}

static int32_t topic_count(const struct produce *p, const struct produce_part *part)
{
    int32_t count = 0;
    for (unsigned k = 0; k < part->count; k++)
        count += k == 0 || p->items[part->items[k]].topic != p->items[part->items[k - 1]].topic;
    return count;
}

/* As the generated codec would, but that the records are referenced. */
int produce_write_part(struct produce_part *part, uint64_t now_ms)
{
    struct produce *p = part->produce;
    struct client_request *r = p->request;
    struct kafka_writer *w = &part->writer;
    uint64_t left_ms = p->deadline_ms > now_ms ? p->deadline_ms - now_ms : 1;
    kafka_writer_init(w, REQUEST_BYTES_MAX);
    kafka_request_header_encode(w, &r->header);
    w->is_flexible = r->header.api_version >= r->header.api->version_flexible;
    kafka_write_string(w, p->message->transactional_id, true);
    kafka_write_int16(w, p->message->acks);
    kafka_write_int32(w, (int32_t)left_ms);
    kafka_write_count(w, topic_count(p, part), false);
    for (unsigned k = 0; k < part->count;) {
        kafka_write_string(w, p->message->topics[p->items[part->items[k]].topic].name, false);
        k = write_partitions(w, p, part, k);
        if (w->is_flexible)
            kafka_write_uvarint(w, 0);
    }
    if (w->is_flexible)
        kafka_write_uvarint(w, 0);
    return kafka_writer_finish(w);
}
