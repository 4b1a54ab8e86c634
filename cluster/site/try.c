/* CONNECT --connected--> ANSWER --who leads--> PRODUCE --acknowledged--> COMMIT --done--> FETCH
 *                                   |                    '--not due, or no group there--^
 *                                   '--it leads none of them: the newest record---------^
 *
 * The stage that is under way when time is over, or when the connection breaks, is the one that
 * failed. A node without a replica of that partition has nothing to show: its answer does; but one
 * that does not even know the topic, or who leads anything of it, follows nobody.
 *
 * Each node commits for groups of its own, and always further on: no commit lowers what another has
 * stored. */
#include "site/try.h"

#include <stdio.h>
#include <string.h>

#include "broker.h"
#include "node_wire.h"
#include "protocol/error.h"
#include "protocol/messages.h"
#include "protocol/record_batch_builder.h"

#define CLIENT_ID         "trilog-canary"
#define REQUEST_BYTES_MAX 65536
#define ANSWER_BYTES_MAX  65536 /* it asks for little */
#define METADATA_VERSION  9
#define PRODUCE_VERSION   9
#define COMMIT_VERSION    7
#define FETCH_VERSION     11
#define FETCH_WAIT_MS     300
#define FETCH_BYTES       4096
#define RECORD_BYTES_MAX  1024
#define NEWEST_MS_MAX     2000 /* older ones prove nothing */
#define COMMIT_MS         1000 /* of wall time: one that goes well in each; all nodes' at once */
#define LACKED_MS_MAX     800  /* that a node may be behind in what group 0 or others agreed */
#define LEADERLESS_MS_MAX 400  /* ... and in who leads: two tries of the usual interval */
#define GROUPS_MAX        32   /* names that are tried for one which the node coordinates */
#define GROUP_SIZE        48

bool site_is_canarys(const char *name, size_t size)
{
    size_t common = strlen(SITE_CANARY_TOPIC);
    return size >= common && memcmp(name, SITE_CANARY_TOPIC, common) == 0 &&
           (size == common || name[common] == '.');
}

static void finish(struct site_try *t, enum router_stage stage)
{
    if (!t->is_busy)
        return;
    bool is_failed = stage != ROUTER_STAGE_NONE && stage != SITE_TRY_UNSURE;
    t->is_busy = false;
    if (stage == ROUTER_STAGE_NONE)
        t->moved_since_ms = 0;
    if (is_failed && t->wire != NULL) {
        node_wire_close(t->wire);
        t->wire = NULL;
    }
    t->cb(t->data, stage);
}

static void ask(struct site_try *t, enum kafka_api_key api, int16_t version, const void *message)
{
    if (node_wire_ask(t->wire, CLIENT_ID, api, version, message) != 0)
        finish(t, t->stage);
}

/* It led when it was asked, and refuses as one that does not: for a while that says nothing. */
static void finish_moved(struct site_try *t)
{
    uint64_t now_ms = clock_now_ms(&t->broker->clock);
    if (t->moved_since_ms == 0)
        t->moved_since_ms = now_ms;
    finish(t, now_ms - t->moved_since_ms >= LACKED_MS_MAX ? t->stage : SITE_TRY_UNSURE);
}

/* ---- fetch ---- */

static void fetch(struct site_try *t)
{
    struct kafka_fetch_request_partition partition;
    struct kafka_fetch_request_topic topic;
    struct kafka_fetch_request message;
    kafka_fetch_request_init(&message);
    kafka_fetch_request_topic_init(&topic);
    kafka_fetch_request_partition_init(&partition);
    partition.partition_index = t->record.partition;
    partition.fetch_offset = t->record.offset;
    partition.partition_max_bytes = FETCH_BYTES;
    topic.name = kafka_string_of(SITE_CANARY_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    /* Only who says where he stands may read from a follower; a leader would send him elsewhere. */
    if (!t->is_led)
        message.rack_id = kafka_string_of(t->broker->conf.site);
    message.max_wait_ms = FETCH_WAIT_MS;
    message.min_bytes = 1;
    message.max_bytes = FETCH_BYTES;
    message.topics = &topic;
    message.topics_count = 1;
    t->stage = ROUTER_STAGE_FETCH;
    ask(t, KAFKA_API_FETCH, FETCH_VERSION, &message);
}

/* It has no replica, leads by now, or lags: how far a follower is behind says nothing of the path.
 */
static bool is_excused(const struct kafka_fetch_response_partition *p)
{
    return p->error_code == KAFKA_ERROR_NONE || p->error_code == KAFKA_ERROR_OFFSET_NOT_AVAILABLE ||
           p->error_code == KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER ||
           p->error_code == KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
}

static void on_fetched(struct site_try *t, const struct kafka_fetch_response *r)
{
    bool is_answer = r->error_code == 0 && r->topics_count == 1 &&
                     r->topics[0].partitions_count == 1;
    const struct kafka_fetch_response_partition *p = is_answer ? r->topics[0].partitions : NULL;
    bool is_there = p != NULL && p->error_code == 0 && p->records.count > 0 &&
                    p->records.items[0].bytes.size > 0;
    bool is_well = is_there || (p != NULL && !t->is_led && is_excused(p));
    if (p != NULL && t->is_led && p->error_code == KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER) {
        finish_moved(t);
        return;
    }
    finish(t, is_well ? ROUTER_STAGE_NONE : ROUTER_STAGE_FETCH);
}

/* ---- commit ---- */

/* A group of this node's canary which that node coordinates, as far as is known here. */
static bool find_group(const struct site_try *t, char group[GROUP_SIZE])
{
    struct broker *b = t->broker;
    for (unsigned i = 0; i < GROUPS_MAX; i++) {
        int size = snprintf(group, GROUP_SIZE, SITE_CANARY_GROUP "%u.%u", (unsigned)b->conf.node_id,
                            i);
        if (t->known->coordinator(b, group, (size_t)size) == t->node_id)
            return true;
    }
    return false;
}

static void commit(struct site_try *t, const char *group)
{
    struct kafka_offset_commit_request_partition partition;
    struct kafka_offset_commit_request_topic topic;
    struct kafka_offset_commit_request message;
    kafka_offset_commit_request_init(&message);
    kafka_offset_commit_request_topic_init(&topic);
    kafka_offset_commit_request_partition_init(&partition);
    partition.partition_index = t->record.partition;
    partition.committed_offset = t->record.offset + 1;
    partition.committed_metadata = kafka_string_of("");
    topic.name = kafka_string_of(SITE_CANARY_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    message.group_id = kafka_string_of(group);
    message.member_id = kafka_string_of("");
    message.group_instance_id = KAFKA_STRING_NULL;
    message.topics = &topic;
    message.topics_count = 1;
    t->stage = ROUTER_STAGE_COMMIT;
    ask(t, KAFKA_API_OFFSET_COMMIT, COMMIT_VERSION, &message);
}

static uint64_t commit_slot(const struct site_try *t)
{
    return (uint64_t)clock_wall_ms(&t->broker->clock) / COMMIT_MS;
}

/* Who coordinates it may have changed since. */
static void on_committed(struct site_try *t, const struct kafka_offset_commit_response *r)
{
    bool is_answer = r->topics_count == 1 && r->topics[0].partitions_count == 1;
    int16_t error = is_answer ? r->topics[0].partitions[0].error_code
                              : KAFKA_ERROR_UNKNOWN_SERVER_ERROR;
    if (error != KAFKA_ERROR_NONE && error != KAFKA_ERROR_NOT_COORDINATOR) {
        finish(t, ROUTER_STAGE_COMMIT);
        return;
    }
    t->committed_slot = commit_slot(t);
    fetch(t);
}

static void commit_or_fetch(struct site_try *t)
{
    char group[GROUP_SIZE];
    if (commit_slot(t) != t->committed_slot && find_group(t, group))
        commit(t, group);
    else
        fetch(t);
}

/* ---- produce ---- */

static int build(uint64_t wall_ms, struct slice *batch)
{
    static const uint8_t word[] = "canary";
    struct kafka_record_batch_builder b;
    kafka_record_batch_builder_init(&b, RECORD_BYTES_MAX);
    int err = kafka_record_batch_builder_append(&b, (int64_t)wall_ms, bytes_of(NULL, 0),
                                                bytes_of(word, sizeof word - 1), NULL, 0);
    if (err == 0)
        err = kafka_record_batch_builder_finish(&b, batch);
    kafka_record_batch_builder_close(&b);
    return err;
}

static void produce(struct site_try *t, int32_t partition_index)
{
    struct kafka_produce_request_partition partition;
    struct kafka_produce_request_topic topic;
    struct kafka_produce_request message;
    struct slice batch = {0};
    t->stage = ROUTER_STAGE_PRODUCE;
    if (build((uint64_t)clock_wall_ms(&t->broker->clock), &batch) != 0) {
        finish(t, ROUTER_STAGE_NONE); /* no memory here says nothing of that node */
        return;
    }
    kafka_produce_request_init(&message);
    kafka_produce_request_topic_init(&topic);
    kafka_produce_request_partition_init(&partition);
    partition.partition_index = partition_index;
    partition.records = batch.bytes;
    topic.name = kafka_string_of(SITE_CANARY_TOPIC);
    topic.partitions = &partition;
    topic.partitions_count = 1;
    message.transactional_id = KAFKA_STRING_NULL;
    message.acks = -1;
    message.timeout_ms = 1000;
    message.topics = &topic;
    message.topics_count = 1;
    ask(t, KAFKA_API_PRODUCE, PRODUCE_VERSION, &message);
    slice_unref(&batch);
}

static void on_produced(struct site_try *t, const struct kafka_produce_response *r)
{
    bool is_answer = r->topics_count == 1 && r->topics[0].partitions_count == 1;
    if (is_answer && r->topics[0].partitions[0].error_code == KAFKA_ERROR_NOT_LEADER_OR_FOLLOWER) {
        finish_moved(t);
        return;
    }
    if (!is_answer || r->topics[0].partitions[0].error_code != 0) {
        finish(t, ROUTER_STAGE_PRODUCE);
        return;
    }
    t->record = (struct site_record){.partition = r->topics[0].partitions[0].partition_index,
                                     .offset = r->topics[0].partitions[0].base_offset,
                                     .at_ms = clock_now_ms(&t->broker->clock)};
    *t->newest = t->record;
    t->is_led = true;
    commit_or_fetch(t);
}

/* ---- who leads ---- */

static void ask_metadata(struct site_try *t)
{
    struct kafka_metadata_request_topic topic;
    struct kafka_metadata_request message;
    kafka_metadata_request_init(&message);
    kafka_metadata_request_topic_init(&topic);
    topic.name = kafka_string_of(SITE_CANARY_TOPIC);
    message.topics = &topic;
    message.topics_count = 1;
    message.allow_auto_topic_creation = false;
    t->stage = ROUTER_STAGE_ANSWER;
    ask(t, KAFKA_API_METADATA, METADATA_VERSION, &message);
}

/* Each time another one of those that it leads, so that all its raft groups have their turn. */
static int32_t led_partition(const struct site_try *t,
                             const struct kafka_metadata_response_topic *m)
{
    int32_t first = -1;
    for (int32_t i = 0; i < m->partitions_count; i++) {
        const struct kafka_metadata_response_partition *p = &m->partitions[i];
        if (p->error_code != 0 || p->leader_id != (int32_t)t->node_id)
            continue;
        if (p->partition_index > t->record.partition)
            return p->partition_index;
        first = first < 0 ? p->partition_index : first;
    }
    return first;
}

/* Does it know no leader of any partition, though this node does? It hears none of them. */
static bool is_leaderless(const struct site_try *t, const struct kafka_metadata_response_topic *m)
{
    bool is_any_led = false;
    for (int32_t i = 0; i < m->partitions_count; i++) {
        const struct kafka_metadata_response_partition *p = &m->partitions[i];
        if (p->error_code == 0 && p->leader_id >= 0)
            return false;
        is_any_led |= t->known->is_led(t->broker, p->partition_index);
    }
    return is_any_led;
}

/* Has it known nothing of the topic, or of who leads, for longer than it may take to hear of it?
 * Until then it is neither well nor not. ROUTER_STAGE_NONE: it knows. */
static enum router_stage look_behind(struct site_try *t,
                                     const struct kafka_metadata_response_topic *m, uint64_t now_ms)
{
    uint64_t most_ms = m == NULL ? LACKED_MS_MAX : LEADERLESS_MS_MAX;
    bool is_lacked = m == NULL ? t->known->has_topic(t->broker) : is_leaderless(t, m);
    if (!is_lacked) {
        t->lacked_since_ms = 0;
        return ROUTER_STAGE_NONE;
    }
    if (t->lacked_since_ms == 0)
        t->lacked_since_ms = now_ms;
    return now_ms - t->lacked_since_ms >= most_ms ? ROUTER_STAGE_PRODUCE : SITE_TRY_UNSURE;
}

static void on_metadata(struct site_try *t, const struct kafka_metadata_response *r)
{
    bool is_there = r->topics_count == 1 && r->topics[0].error_code == 0;
    int32_t partition = is_there ? led_partition(t, &r->topics[0]) : -1;
    uint64_t now_ms = clock_now_ms(&t->broker->clock);
    enum router_stage behind = look_behind(t, is_there ? &r->topics[0] : NULL, now_ms);
    if (behind != ROUTER_STAGE_NONE) {
        finish(t, behind);
        return;
    }
    if (partition >= 0) {
        produce(t, partition);
        return;
    }
    bool is_old = t->newest->at_ms == 0 || now_ms - t->newest->at_ms > NEWEST_MS_MAX;
    /* While a raft group elects, a follower can't know what of its log is committed. */
    if (!is_there || is_old || !t->known->is_led(t->broker, t->newest->partition)) {
        finish(t, ROUTER_STAGE_NONE); /* nothing to ask it for */
        return;
    }
    t->record = *t->newest;
    t->is_led = false;
    fetch(t);
}

/* ---- the wire ---- */

static void on_connected(void *data)
{
    struct site_try *t = data;
    if (!t->is_busy)
        return;
    t->deadline_ms = clock_now_ms(&t->broker->clock) + t->pace.try_ms;
    ask_metadata(t);
}

static void on_answered(void *data, enum kafka_api_key api, const void *answer)
{
    struct site_try *t = data;
    if (!t->is_busy)
        return;
    if (api == KAFKA_API_METADATA)
        on_metadata(t, answer);
    else if (api == KAFKA_API_PRODUCE)
        on_produced(t, answer);
    else if (api == KAFKA_API_OFFSET_COMMIT)
        on_committed(t, answer);
    else
        on_fetched(t, answer);
}

static void on_broke(void *data)
{
    struct site_try *t = data;
    t->wire = NULL;
    finish(t, t->stage);
}

static const struct node_wire_user wire_user = {.request_bytes_max = REQUEST_BYTES_MAX,
                                                .answer_bytes_max = ANSWER_BYTES_MAX,
                                                .connected = on_connected,
                                                .answered = on_answered,
                                                .broke = on_broke};

/* A node that the new wire is for may have moved: its address is looked up each time. */
void site_try_start(struct site_try *t, uint64_t now_ms, struct site_pace pace, site_try_cb cb)
{
    t->cb = cb;
    t->is_busy = true;
    t->pace = pace;
    t->deadline_ms = now_ms + pace.try_ms;
    if (t->wire != NULL) {
        ask_metadata(t);
        return;
    }
    t->stage = ROUTER_STAGE_CONNECT;
    if (node_wire_open(t->broker, t->node_id, t->loop, &wire_user, t, &t->wire) != 0)
        finish(t, ROUTER_STAGE_CONNECT);
}

void site_try_put_off(struct site_try *t, uint64_t ms)
{
    if (t->is_busy)
        t->deadline_ms += ms;
}

/* One that is far away did answer; what it still owes is no answer to the next try. */
static void end_far(struct site_try *t)
{
    node_wire_close(t->wire);
    t->wire = NULL;
    finish(t, ROUTER_STAGE_NONE);
}

void site_try_tick(struct site_try *t, uint64_t now_ms)
{
    if (!t->is_busy || now_ms < t->deadline_ms)
        return;
    if (t->pace.is_far && t->stage > ROUTER_STAGE_ANSWER)
        end_far(t);
    else
        finish(t, t->stage);
}

void site_try_stop(struct site_try *t)
{
    t->is_busy = false;
    if (t->wire != NULL)
        node_wire_close(t->wire);
    t->wire = NULL;
}
