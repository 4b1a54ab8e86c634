/* Where a partition starts of which nobody has a position: by the settings, or as the application
 * says.
 *
 * The cluster is asked for a beginning, an end, or a time; what is counted from an end, and what
 * must lie between both, takes a second question. */
#include "consumer_parts.h"

#define ANSWER_WAIT_MS 5000
#define AS_ASKED       RD_KAFKA_OFFSET_INVALID /* as the application says, and not a plain end */

static bool has_position(const rd_kafka_topic_partition_list_t *list, const char *topic)
{
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].offset >= 0 && strcmp(list->elems[i].topic, topic) == 0)
            return true;
    return false;
}

static int64_t by_settings(const struct trilog_consumer *c)
{
    int start = c->is_broadcast ? c->settings.broadcast_start : c->settings.group_start;
    return start == 0 ? RD_KAFKA_OFFSET_BEGINNING : RD_KAFKA_OFFSET_END;
}

/* A partition that was added to a topic which is read already has nothing that this consumer does
 * not want. */
int64_t consumer_start_of(const struct trilog_consumer *c,
                          const rd_kafka_topic_partition_list_t *committed, const char *topic)
{
    bool is_alone = c->is_broadcast || c->options.commits_nothing;
    if (has_position(committed, topic) || (is_alone && c->had_assignment))
        return RD_KAFKA_OFFSET_BEGINNING;
    switch (c->options.start) {
    case TRILOG_START_BEGINNING:
        return RD_KAFKA_OFFSET_BEGINNING;
    case TRILOG_START_END:
        return RD_KAFKA_OFFSET_END;
    case TRILOG_START_OFFSET:
    case TRILOG_START_BEFORE_END:
    case TRILOG_START_TIME:
        return AS_ASKED;
    case TRILOG_START_BY_SETTINGS:
        break;
    }
    return by_settings(c);
}

static bool ask(struct trilog_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    return rd_kafka_offsets_for_times(c->kafka, list, ANSWER_WAIT_MS) == RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* From two answers to the start: the end, or what is at that time (-1: nothing), and the beginning,
 * or, for a time, the end. */
static int64_t combine(const struct trilog_consumer *c, int64_t first, int64_t second)
{
    int64_t wanted = c->options.start_at;
    if (c->options.start == TRILOG_START_TIME)
        return first >= 0 ? first : second;
    if (c->options.start == TRILOG_START_BEFORE_END)
        wanted = first - wanted;
    return wanted < second ? second : wanted > first ? first : wanted;
}

/* Those AS_ASKED: asked again, with the other question. */
static bool ask_again(struct trilog_consumer *c, rd_kafka_topic_partition_list_t *list,
                      rd_kafka_topic_partition_list_t *others)
{
    bool is_time = c->options.start == TRILOG_START_TIME;
    for (int i = 0; i < others->cnt; i++)
        others->elems[i].offset = is_time ? RD_KAFKA_OFFSET_END : RD_KAFKA_OFFSET_BEGINNING;
    if (!ask(c, others))
        return false;
    for (int i = 0; i < others->cnt; i++) {
        const rd_kafka_topic_partition_t *second = &others->elems[i];
        rd_kafka_topic_partition_t *first = rd_kafka_topic_partition_list_find(list, second->topic,
                                                                               second->partition);
        if (second->err != RD_KAFKA_RESP_ERR_NO_ERROR || second->offset < 0)
            first->offset = NO_OFFSET; /* and is asked once more */
        else if (first->err == RD_KAFKA_RESP_ERR_NO_ERROR)
            first->offset = combine(c, first->offset, second->offset);
    }
    return true;
}

bool consumer_start_ask(struct trilog_consumer *c, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_topic_partition_list_t *others = rd_kafka_topic_partition_list_new(16);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *p = &list->elems[i];
        if (p->offset != AS_ASKED)
            continue;
        rd_kafka_topic_partition_list_add(others, p->topic, p->partition);
        p->offset = c->options.start == TRILOG_START_TIME ? c->options.start_at
                                                          : RD_KAFKA_OFFSET_END;
    }
    bool is_answered = ask(c, list) && (others->cnt == 0 || ask_again(c, list, others));
    rd_kafka_topic_partition_list_destroy(others);
    return is_answered;
}
