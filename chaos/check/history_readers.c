/* Takes in what readers see, and follows where each of them stands. */
#include "history_parts.h"

static void count_delivery(struct history *h, uint32_t member, int64_t offset)
{
    struct member *m = &h->members.items[member];
    int64_t stretch = offset / STRETCH;
    size_t byte = (size_t)(offset % STRETCH) / 8;
    uint8_t bit = (uint8_t)(1u << offset % 8);
    uint8_t *bits = memory_grow(m->delivered[stretch].items, &m->delivered[stretch].capacity,
                                byte + 1, 1);
    m->delivered[stretch].items = bits;
    m->reread_count += (bits[byte] & bit) != 0;
    bits[byte] |= bit;
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

int take_read(struct history *h, const struct line *line, const struct subject *s, const char **why)
{
    struct bytes_told told;
    if (line_bytes_told(line, &told, why) != 0)
        return -1;
    if (s->partition == NONE || !history_holds(s->offset))
        return line_refuse(why, "no topic, partition and offset, or one out of range");
    bool is_final = line_is(line, LINE_stage, "final");
    int64_t node = line_number_or(line, LINE_node, -1);
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
                        .last_read_at = s->at,
                        .last_got_at = is_final || reader->placed_at == 0 ? s->at
                                                                          : reader->placed_at,
                        .epoch = (int32_t)line_number_or(line, LINE_epoch, -1),
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
    int64_t node = line_number_or(line, LINE_node, -1);
    uint32_t place = history_reader(h, s->process, s->partition, node); /* may move the items */
    return &h->readers.items[place];
}

int take_read_end(struct history *h, const struct line *line, const struct subject *s,
                  const char **why)
{
    if (s->partition == NONE || !history_holds(s->offset))
        return line_refuse(why, "no topic, partition and offset, or one out of range");
    struct reader *reader = reader_of(h, line, s);
    reader->final_end = s->offset;
    if (reader->final_from_at == NEVER)
        reader->final_from_at = s->at;
    return 0;
}

int take_assign(struct history *h, const struct line *line, const struct subject *s,
                const char **why)
{
    if (s->partition == NONE)
        return line_refuse(why, "no topic and partition");
    struct reader *reader = reader_of(h, line, s);
    reader->expected = s->offset;
    reader->last_at = reader->placed_at = s->at;
    reader->is_resuming = s->group != NONE && s->offset < 0;
    reader->member = s->group != NONE ? history_member(h, s->group, s->partition) : NONE;
    reader->finals.count = 0; /* what it read before does not count as one pass with this */
    reader->final_from_at = NEVER;
    reader->final_end = -1;
    return 0;
}

int take_move(struct history *h, const struct line *line, const struct subject *s, int64_t offset,
              const char **why)
{
    if (s->partition == NONE)
        return line_refuse(why, "no topic and partition");
    struct reader *reader = reader_of(h, line, s);
    reader->expected = offset;
    reader->is_resuming = false;
    reader->last_at = reader->placed_at = s->at;
    return 0;
}
