/* ElectLeaders: leaders go where they are preferred (KIP-183).
 *
 * Leadership goes by raft group, so the partitions of a group go together. They go home by
 * themselves after a quiet time; asked so, they go as soon as the node there is level, and the
 * request waits until they are, or its time is up. Nothing is forced: where the preferred node is
 * gone, or behind, the answer says so at once. An unclean election is what only a forced recovery
 * does (`trilog recover`), and says the price of. */
#include <string.h>

#include "error_code.h"
#include "membership/home.h"
#include "membership/level.h"
#include "request/text.h"

#define TYPE_PREFERRED 0
#define TYPE_UNCLEAN   1
#define TIMEOUT_MS_MIN 1000 /* tools send 0 and mean: soon */
#define TIMEOUT_MS_MAX (5 * 60 * 1000)
#define LOOK_AGAIN_MS  50

/* What became of a raft group. */
struct election {
    bool is_asked_for;
    bool is_waiting;
    int16_t error_code; /* of its partitions */
    const char *why;    /* sentence, or NULL */
};

struct elect_leaders {
    struct request *request;
    uint64_t until_ms, asked_ms;
    unsigned group_count;
    struct election *elections;    /* by group id */
    struct request_deadline pause; /* between two looks */
    struct kafka_elect_leaders_response response;
};

static int8_t type_of(const struct request *r)
{
    const struct kafka_elect_leaders_request *message = r->message;
    return r->header.api_version >= 1 ? message->election_type : TYPE_PREFERRED;
}

/* ---- raft groups ---- */

static void settle(struct election *e, int16_t error_code, const char *why)
{
    e->is_waiting = false;
    e->error_code = error_code;
    e->why = why;
}

static uint32_t home_of(struct broker *b, uint32_t group_id)
{
    metadata_read_lock(b->metadata);
    const struct metadata_group *group = metadata_group_by_id(b->metadata, group_id);
    uint32_t home = group == NULL ? 0 : metadata_leader_of(b->metadata, group);
    metadata_read_unlock(b->metadata);
    return home;
}

/* What would go there had better be level, on a sound disk. */
static bool may_lead(struct broker *b, uint32_t group_id, uint32_t node_id)
{
    struct repl_disk_report disk = {.state = REPL_DISK_OK};
    bool is_here = node_id == (uint32_t)b->conf.node_id;
    repl_node_disk(b->node, node_id, &disk);
    return (is_here || repl_node_is_alive(b->node, node_id)) && disk.state == REPL_DISK_OK &&
           level_is_in_sync(b, group_id, node_id);
}

static void begin_unclean(struct broker *b, uint32_t group_id, struct election *e)
{
    if (broker_group_leader(b, group_id, NULL) != 0)
        settle(e, KAFKA_ERROR_ELECTION_NOT_NEEDED, "The partition has a leader.");
    else
        settle(e, KAFKA_ERROR_ELIGIBLE_LEADERS_NOT_AVAILABLE,
               "Nothing here elects a replica that may lack records: see trilog recover.");
}

static void begin_preferred(struct broker *b, uint32_t group_id, struct election *e)
{
    uint32_t leader = broker_group_leader(b, group_id, NULL), home = home_of(b, group_id);
    if (home == 0 || leader == home)
        settle(e, KAFKA_ERROR_ELECTION_NOT_NEEDED, "The preferred leader leads.");
    else if (!may_lead(b, group_id, home))
        settle(e, KAFKA_ERROR_PREFERRED_LEADER_NOT_AVAILABLE,
               "The preferred leader is gone, behind the others, or its disk is in trouble.");
    else
        e->is_waiting = true;
}

static void begin(struct elect_leaders *el, uint32_t group_id)
{
    struct broker *b = el->request->broker;
    if (type_of(el->request) == TYPE_UNCLEAN)
        begin_unclean(b, group_id, &el->elections[group_id]);
    else
        begin_preferred(b, group_id, &el->elections[group_id]);
}

/* How many are still awaited. */
static unsigned look(struct elect_leaders *el, bool is_over)
{
    struct broker *b = el->request->broker;
    unsigned waiting = 0;
    for (uint32_t id = 0; id < el->group_count; id++) {
        struct election *e = &el->elections[id];
        if (!e->is_waiting)
            continue;
        if (broker_group_leader(b, id, NULL) == home_of(b, id))
            settle(e, KAFKA_ERROR_NONE, NULL);
        else if (is_over)
            settle(e, KAFKA_ERROR_REQUEST_TIMED_OUT,
                   "The leader has not gone there in time; it goes when it can.");
        else
            waiting++;
    }
    return waiting;
}

static void ask(struct elect_leaders *el, uint64_t now_ms)
{
    if (el->asked_ms != 0 && now_ms - el->asked_ms < HOME_ASK_AGAIN_MS)
        return;
    el->asked_ms = now_ms;
    for (uint32_t id = 0; id < el->group_count; id++)
        if (el->elections[id].is_waiting)
            home_ask(el->request->broker, id);
}

/* ---- the answer ---- */

static void fill(const struct elect_leaders *el, const struct metadata_topic *topic,
                 int32_t partition, struct kafka_elect_leaders_response_partition *into)
{
    kafka_elect_leaders_response_partition_init(into);
    into->partition_index = partition;
    into->error_message = KAFKA_STRING_NULL;
    if (topic == NULL || partition < 0 || partition >= topic->partition_count) {
        into->error_code = KAFKA_ERROR_UNKNOWN_TOPIC_OR_PARTITION;
        into->error_message = kafka_string_of("There is no such partition.");
        return;
    }
    uint32_t group_id = topic->partitions[partition].group_id;
    if (group_id >= el->group_count || !el->elections[group_id].is_asked_for)
        return; /* it came meanwhile: led where it belongs */
    into->error_code = el->elections[group_id].error_code;
    into->error_message = kafka_string_of(el->elections[group_id].why);
}

static int fill_asked(struct elect_leaders *el)
{
    struct request *r = el->request;
    const struct kafka_elect_leaders_request *message = r->message;
    el->response.topics = request_array(r, (size_t)message->topics_count,
                                        sizeof *el->response.topics);
    for (int32_t i = 0; el->response.topics != NULL && i < message->topics_count; i++) {
        const struct kafka_elect_leaders_request_topic *from = &message->topics[i];
        struct kafka_elect_leaders_response_topic *into =
            &el->response.topics[el->response.topics_count++];
        const struct metadata_topic *topic = metadata_topic_by_name(
            r->broker->metadata, from->name.data, (size_t)from->name.size);
        kafka_elect_leaders_response_topic_init(into);
        into->name = from->name;
        into->partitions = request_array(r, (size_t)from->partitions_count,
                                         sizeof *into->partitions);
        if (into->partitions == NULL)
            return UV_ENOMEM;
        into->partitions_count = from->partitions_count;
        for (int32_t k = 0; k < from->partitions_count; k++)
            fill(el, topic, from->partitions[k], &into->partitions[k]);
    }
    return el->response.topics == NULL ? UV_ENOMEM : 0;
}

/* Of all partitions, only those where something was to be done: as Kafka. */
static void fill_topic(void *data, const struct metadata_topic *topic)
{
    struct elect_leaders *el = data;
    struct request *r = el->request;
    struct kafka_elect_leaders_response_topic *into =
        &el->response.topics[el->response.topics_count];
    size_t size = (size_t)topic->partition_count * sizeof *into->partitions;
    r->arena.limit_bytes += size + METADATA_TOPIC_NAME_MAX + 16;
    kafka_elect_leaders_response_topic_init(into);
    into->partitions = request_array(r, (size_t)topic->partition_count, sizeof *into->partitions);
    for (int32_t i = 0; into->partitions != NULL && i < topic->partition_count; i++) {
        struct kafka_elect_leaders_response_partition *p =
            &into->partitions[into->partitions_count];
        fill(el, topic, i, p);
        into->partitions_count += p->error_code != KAFKA_ERROR_ELECTION_NOT_NEEDED;
    }
    if (into->partitions_count == 0)
        return;
    into->name = text_copy(r, topic->name);
    el->response.topics_count++;
}

static int fill_all(struct elect_leaders *el)
{
    struct request *r = el->request;
    unsigned count = metadata_topic_count(r->broker->metadata);
    r->arena.limit_bytes += count * sizeof *el->response.topics;
    el->response.topics = request_array(r, count, sizeof *el->response.topics);
    if (el->response.topics == NULL)
        return UV_ENOMEM;
    metadata_each_topic(r->broker->metadata, fill_topic, el);
    return 0;
}

static void answer(struct elect_leaders *el)
{
    struct request *r = el->request;
    const struct kafka_elect_leaders_request *message = r->message;
    metadata_read_lock(r->broker->metadata);
    int err = message->topics_count < 0 ? fill_all(el) : fill_asked(el);
    metadata_read_unlock(r->broker->metadata);
    if (err != 0)
        request_close_connection(r, "its answer needs too much memory");
    else
        request_answer(r, &el->response);
}

/* ---- waiting ---- */

static void go_on(struct elect_leaders *el);
static void on_pause_over(struct request_deadline *pause)
{
    go_on(pause->data);
}

static void go_on(struct elect_leaders *el)
{
    struct request *r = el->request;
    uint64_t now_ms = clock_now_ms(&r->broker->clock);
    if (look(el, now_ms >= el->until_ms || request_is_abandoned(r)) == 0) {
        answer(el);
        return;
    }
    ask(el, now_ms);
    el->pause.data = el;
    request_deadline_start(r, &el->pause, now_ms + LOOK_AGAIN_MS, on_pause_over);
}

static void mark_topic(void *data, const struct metadata_topic *topic)
{
    struct elect_leaders *el = data;
    for (int32_t i = 0; i < topic->partition_count; i++)
        if (topic->partitions[i].group_id < el->group_count)
            el->elections[topic->partitions[i].group_id].is_asked_for = true;
}

/* Which raft groups carry what is asked for: marked first, for who leads is looked up by itself. */
static void mark(struct elect_leaders *el)
{
    const struct kafka_elect_leaders_request *message = el->request->message;
    struct metadata *m = el->request->broker->metadata;
    metadata_read_lock(m);
    if (message->topics_count < 0)
        metadata_each_topic(m, mark_topic, el);
    for (int32_t i = 0; i < message->topics_count; i++) {
        const struct kafka_elect_leaders_request_topic *asked = &message->topics[i];
        const struct metadata_topic *topic = metadata_topic_by_name(m, asked->name.data,
                                                                    (size_t)asked->name.size);
        for (int32_t k = 0; topic != NULL && k < asked->partitions_count; k++) {
            int32_t partition = asked->partitions[k];
            if (partition >= 0 && partition < topic->partition_count &&
                topic->partitions[partition].group_id < el->group_count)
                el->elections[topic->partitions[partition].group_id].is_asked_for = true;
        }
    }
    metadata_read_unlock(m);
}

static uint64_t timeout_ms_of(const struct request *r)
{
    const struct kafka_elect_leaders_request *message = r->message;
    int32_t timeout_ms = message->timeout_ms;
    if (timeout_ms < TIMEOUT_MS_MIN)
        timeout_ms = TIMEOUT_MS_MIN;
    return (uint64_t)(timeout_ms < TIMEOUT_MS_MAX ? timeout_ms : TIMEOUT_MS_MAX);
}

void request_handle_elect_leaders(struct request *r)
{
    struct elect_leaders *el = request_allocate(r, sizeof *el);
    unsigned count = atomic_load(&r->broker->group_count);
    struct election *elections = request_array(r, count, sizeof *elections);
    if (el == NULL || elections == NULL) {
        request_close_connection(r, "its answer needs too much memory");
        return;
    }
    el->request = r;
    el->group_count = count;
    el->elections = elections;
    el->until_ms = clock_now_ms(&r->broker->clock) + timeout_ms_of(r);
    kafka_elect_leaders_response_init(&el->response);
    if (type_of(r) != TYPE_PREFERRED && type_of(r) != TYPE_UNCLEAN) {
        el->response.error_code = KAFKA_ERROR_INVALID_REQUEST;
        request_answer(r, &el->response);
        return;
    }
    mark(el);
    for (uint32_t id = 0; id < count; id++)
        if (elections[id].is_asked_for)
            begin(el, id);
    go_on(el);
}
