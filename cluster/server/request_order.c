/* Which request waits for an earlier one of its client.
 *
 * Kafka works on one request of a connection at a time. Here they are worked on side by side, and
 * only their answers keep the order. So what reads would be answered from before a change that its
 * own connection has asked for and not been answered yet:
 *
 *   Kafka   OffsetCommit 5 ──▶ done   OffsetFetch ──▶ 5
 *   else    OffsetCommit 5 ─────┬──▶ done
 *           OffsetFetch ──▶ 20  ┘                       (and kafkajs has not moved by its seek)
 *
 * What may see such a change waits until that is answered; all others go on beside it, so a parked
 * join or fetch holds nobody up. Weighed against one request at a time: that would be one produce
 * request a round trip.
 *
 * Changes are handed over in the order in which they came. Where a commit has to ask another shard
 * before (for its leader epochs), the next one waits until it has, and so does the member's
 * leaving: else the first would come last, and the group go back to it, or be refused as nobody's.
 *
 * A router's connection brings the requests of many clients, who know nothing of each other: the
 * order is kept for each of them, as its number in the envelopes tells (envelope.c). */
#include "server/connection.h"

static const struct {
    int16_t reader, writer;
} order[] = {
    {KAFKA_API_OFFSET_FETCH, KAFKA_API_OFFSET_COMMIT},
    {KAFKA_API_OFFSET_FETCH, KAFKA_API_OFFSET_DELETE},
    {KAFKA_API_OFFSET_FETCH, KAFKA_API_DELETE_GROUPS},
    {KAFKA_API_LIST_OFFSETS, KAFKA_API_PRODUCE},
    {KAFKA_API_LIST_OFFSETS, KAFKA_API_DELETE_RECORDS},
    {KAFKA_API_METADATA, KAFKA_API_CREATE_TOPICS},
    {KAFKA_API_METADATA, KAFKA_API_CREATE_PARTITIONS},
    {KAFKA_API_METADATA, KAFKA_API_DELETE_TOPICS},
    {KAFKA_API_DESCRIBE_CONFIGS, KAFKA_API_CREATE_TOPICS},
    {KAFKA_API_DESCRIBE_CONFIGS, KAFKA_API_ALTER_CONFIGS},
    {KAFKA_API_DESCRIBE_CONFIGS, KAFKA_API_INCREMENTAL_ALTER_CONFIGS},
};

static bool is_behind(int16_t reader, int16_t writer)
{
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (order[i].reader == reader && order[i].writer == writer)
            return true;
    return false;
}

bool request_changes_something(const struct request *r)
{
    int16_t key = r->header.api->key;
    return key == KAFKA_API_OFFSET_COMMIT || key == KAFKA_API_LEAVE_GROUP;
}

static bool would_overtake(const struct request *r, const struct request *earlier)
{
    return earlier->header.api->key == KAFKA_API_OFFSET_COMMIT &&
           (earlier->is_unsettled || earlier->is_held) && request_changes_something(r);
}

static bool may_wait(const struct request *r)
{
    bool is_reader = false;
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        is_reader |= order[i].reader == r->header.api->key;
    return is_reader || request_changes_something(r);
}

static bool is_of_same_client(const struct request *r, const struct request *earlier)
{
    return r->context.router_id == earlier->context.router_id &&
           r->context.client_number == earlier->context.client_number;
}

bool request_has_to_wait(const struct request *r)
{
    if (!may_wait(r)) /* most, and a router has many under way */
        return false;
    for (const struct request *e = r->connection->first; e != r; e = e->next)
        if (e->state == REQUEST_WORKING && e->header.api != NULL && is_of_same_client(r, e) &&
            (is_behind(r->header.api->key, e->header.api->key) || would_overtake(r, e)))
            return true;
    return false;
}

void request_unsettle(struct request *r)
{
    r->is_unsettled = true;
}

void request_settle(struct request *r)
{
    r->is_unsettled = false;
    if (r->connection->held_count > 0)
        connection_answer_soon(r->connection); /* with the turn those go on that may */
}
