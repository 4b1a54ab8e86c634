/* One question is under way at a time, to one node after another: so a node that answers nothing
 * holds the next question up no longer than it is let. */
#include "router/cluster_map.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/error.h"
#include "protocol/frame.h"
#include "router/own_request.h"
#include "router/router.h"

#define METADATA_VERSION 9
#define ASK_EVERY_MS_MIN 20  /* while answers bring news, … */
#define ASK_EVERY_MS_MAX 100 /* … and while they do not */
#define NEWS_MS          1000
#define SUSPECT_EVERY_MS 500
#define NO_SUCH_MS_MAX   1000 /* that "there is none" holds: somebody else may make it */
#define WAIT_MS_MAX      200
#define NEAR_MS_MAX      10000

/* ---- topics ---- */

static struct map_topic *find_topic(struct cluster_map *m, struct kafka_string name)
{
    struct map_topic *t = NULL;
    if (name.size <= 0)
        return NULL;
    HASH_FIND(hh, m->topics, name.data, (unsigned)name.size, t);
    if (t == NULL)
        HASH_FIND(hh, m->unknown, name.data, (unsigned)name.size, t);
    return t;
}

static void drop_topic(struct cluster_map *m, struct map_topic *t)
{
    struct map_topic **table = t->is_there ? &m->topics : &m->unknown;
    assert(*table != NULL); /* it is in it */
    HASH_DEL(*table, t);
    free(t->near);
    free(t->leaders);
    free(t);
}

/* A name that nobody has told of yet. */
static struct map_topic *put_topic(struct router_shard *s, struct kafka_string name)
{
    struct cluster_map *m = &s->map;
    if (name.size <= 0 || name.size > MAP_NAME_SIZE_MAX)
        return NULL;
    struct map_topic *t = calloc(1, sizeof *t + (size_t)name.size);
    if (t == NULL)
        return NULL;
    memcpy(t->name, name.data, (size_t)name.size);
    t->name_size = name.size;
    t->used_ms = router_now_ms(s);
    if (HASH_COUNT(m->unknown) >= MAP_UNKNOWN_MAX)
        drop_topic(m, m->unknown);
    HASH_ADD(hh, m->unknown, name[0], (unsigned)t->name_size, t);
    return t;
}

/* The cluster has it, or has it no more. */
static void move_topic(struct cluster_map *m, struct map_topic *t, bool is_there)
{
    if (t->is_there == is_there || (is_there && HASH_COUNT(m->topics) >= MAP_TOPICS_MAX))
        return;
    t->is_there = is_there;
    if (is_there) {
        HASH_DEL(m->unknown, t);
        HASH_ADD(hh, m->topics, name[0], (unsigned)t->name_size, t);
        return;
    }
    HASH_DEL(m->topics, t);
    if (HASH_COUNT(m->unknown) >= MAP_UNKNOWN_MAX)
        drop_topic(m, m->unknown);
    HASH_ADD(hh, m->unknown, name[0], (unsigned)t->name_size, t);
}

/* One that was not asked for of late is asked for soon. */
static void want(struct router_shard *s, struct map_topic *t)
{
    uint64_t now_ms = router_now_ms(s);
    if (t->wanted_ms == 0 || now_ms - t->wanted_ms > NEWS_MS)
        s->map.pause_ms = ASK_EVERY_MS_MIN;
    t->is_wanted = s->map.should_ask = true;
    t->wanted_ms = now_ms;
}

void cluster_map_want(struct router_shard *s, struct kafka_string topic)
{
    struct map_topic *t = find_topic(&s->map, topic);
    if (t != NULL)
        want(s, t);
}

void cluster_map_suspect(struct router_shard *s, struct kafka_string topic)
{
    struct map_topic *t = find_topic(&s->map, topic);
    if (t != NULL && router_now_ms(s) - t->told_ms >= SUSPECT_EVERY_MS)
        want(s, t);
}

static int32_t leader_in(const struct map_topic *t, int32_t partition, uint64_t now_ms)
{
    if (t->is_known && partition >= 0 && partition < t->count)
        return t->leaders[partition];
    return t->is_known && now_ms - t->told_ms < NO_SUCH_MS_MAX ? MAP_NO_SUCH : MAP_NOT_KNOWN;
}

/* Noted as used. NULL: it can't be one, or there is no memory. */
static struct map_topic *use_topic(struct router_shard *s, struct kafka_string name)
{
    struct map_topic *t = find_topic(&s->map, name);
    if (t == NULL)
        t = put_topic(s, name);
    if (t != NULL)
        t->used_ms = router_now_ms(s);
    return t;
}

int32_t cluster_map_partition_count(struct router_shard *s, struct kafka_string topic)
{
    struct map_topic *t = use_topic(s, topic);
    if (t != NULL && t->is_known)
        return t->count;
    if (t != NULL)
        want(s, t);
    return MAP_NOT_KNOWN;
}

int32_t cluster_map_leader(struct router_shard *s, struct kafka_string topic, int32_t partition)
{
    if (topic.size > MAP_NAME_SIZE_MAX)
        return MAP_NO_SUCH;
    struct map_topic *t = use_topic(s, topic);
    if (t == NULL)
        return MAP_NOT_KNOWN;
    int32_t id = leader_in(t, partition, router_now_ms(s));
    const struct router_node *n = node_pool_find(s, id);
    if (id != MAP_NO_SUCH && (n == NULL || !router_node_is_up(n)))
        want(s, t);
    return id;
}

static void set_leader(struct cluster_map *m, int32_t *leader, int32_t id)
{
    m->has_changed |= *leader != id;
    *leader = id;
}

/* Its partitions, all without a leader where their count has changed. False: no memory. */
static bool size_topic(struct map_topic *t, int32_t count)
{
    if (count == t->count)
        return true;
    int32_t *leaders = count == 0 ? NULL : malloc((size_t)count * sizeof *leaders);
    if (leaders == NULL && count > 0)
        return false;
    for (int32_t i = 0; i < count; i++)
        leaders[i] = MAP_NOBODY;
    free(t->near);
    free(t->leaders);
    t->near = NULL;
    t->leaders = leaders;
    t->count = count;
    return true;
}

/* A node that was away, and does not know of it yet, is no reason to refuse its records: the next
 * node has to say so too. */
static bool is_first_word_of_its_end(struct map_topic *t,
                                     const struct kafka_metadata_response_topic *from)
{
    bool was_missed = t->is_missed;
    t->is_missed = from->partitions_count == 0 && t->count > 0;
    return t->is_missed && !was_missed;
}

static void learn_topic(struct router_shard *s, const struct kafka_metadata_response_topic *from)
{
    struct cluster_map *m = &s->map;
    struct map_topic *t = find_topic(m, from->name);
    if (t == NULL && from->partitions_count > 0)
        t = put_topic(s, from->name);
    if (t == NULL)
        return;
    t->is_wanted = false;
    if (from->error_code == KAFKA_ERROR_LEADER_NOT_AVAILABLE)
        return; /* it is being made */
    if (is_first_word_of_its_end(t, from)) {
        want(s, t);
        return;
    }
    m->has_changed |= !t->is_known;
    t->is_known = true;
    t->told_ms = router_now_ms(s);
    if (!size_topic(t, from->partitions_count))
        return;
    for (int32_t i = 0; i < from->partitions_count; i++) {
        int32_t index = from->partitions[i].partition_index;
        if (index >= 0 && index < t->count)
            set_leader(m, &t->leaders[index], from->partitions[i].leader_id);
    }
    move_topic(m, t, t->count > 0);
}

/* ---- replicas of this site ---- */

int32_t cluster_map_near(struct router_shard *s, struct kafka_string topic, int32_t partition)
{
    const struct map_topic *t = find_topic(&s->map, topic);
    if (t == NULL || t->near == NULL || partition < 0 || partition >= t->count ||
        t->near[partition].since_ms == 0 ||
        router_now_ms(s) - t->near[partition].since_ms > NEAR_MS_MAX)
        return MAP_NOT_KNOWN;
    return t->near[partition].node_id;
}

void cluster_map_learn_near(struct router_shard *s, struct kafka_string topic, int32_t partition,
                            int32_t node_id)
{
    struct map_topic *t = find_topic(&s->map, topic);
    if (t == NULL || partition < 0 || partition >= t->count)
        return;
    if (t->near == NULL && node_id >= 0) {
        t->near = calloc((size_t)t->count, sizeof *t->near);
        for (int32_t i = 0; t->near != NULL && i < t->count; i++)
            t->near[i].node_id = MAP_NOBODY;
    }
    if (t->near != NULL)
        t->near[partition] = (struct map_near){.node_id = node_id, .since_ms = router_now_ms(s)};
}

/* ---- coordinators ---- */

static struct map_group *find_group(struct cluster_map *m, struct kafka_string name)
{
    struct map_group *g = NULL;
    if (name.size > 0)
        HASH_FIND(hh, m->groups, name.data, (unsigned)name.size, g);
    return g;
}

int32_t cluster_map_coordinator(struct router_shard *s, struct kafka_string group_id)
{
    struct map_group *g = find_group(&s->map, group_id);
    if (g == NULL)
        return -1;
    g->used_ms = router_now_ms(s);
    return g->node_id;
}

void cluster_map_learn_coordinator(struct router_shard *s, struct kafka_string group_id,
                                   int32_t node_id)
{
    struct map_group *g = find_group(&s->map, group_id);
    if (g == NULL && group_id.size > 0 && HASH_COUNT(s->map.groups) < MAP_GROUPS_MAX) {
        g = calloc(1, sizeof *g + (size_t)group_id.size);
        if (g == NULL)
            return;
        memcpy(g->name, group_id.data, (size_t)group_id.size);
        g->name_size = group_id.size;
        HASH_ADD(hh, s->map.groups, name[0], (unsigned)g->name_size, g);
    }
    if (g == NULL)
        return;
    g->node_id = node_id;
    g->used_ms = router_now_ms(s);
}

static void drop_group(struct cluster_map *m, struct map_group *g)
{
    HASH_DEL(m->groups, g);
    free(g);
}

void cluster_map_forget_coordinator(struct router_shard *s, struct kafka_string group_id)
{
    struct map_group *g = find_group(&s->map, group_id);
    if (g != NULL)
        drop_group(&s->map, g);
}

/* ---- who waits ---- */

void cluster_map_wait(struct router_shard *s, struct map_waiter *w, map_waiter_cb cb)
{
    w->cb = cb;
    w->next = s->map.waiters;
    w->previous = &s->map.waiters;
    if (w->next != NULL)
        w->next->previous = &w->next;
    s->map.waiters = w;
    s->map.should_ask = true;
}

void cluster_map_wait_no_more(struct map_waiter *w)
{
    if (w->previous == NULL)
        return;
    *w->previous = w->next;
    if (w->next != NULL)
        w->next->previous = w->previous;
    w->previous = NULL;
}

/* Those that wait again while it runs wait for the next answer. */
static void tell_waiters(struct router_shard *s)
{
    struct map_waiter *told = s->map.waiters;
    s->map.waiters = NULL;
    s->map.told_ms = router_now_ms(s);
    if (told != NULL)
        told->previous = &told;
    while (told != NULL) {
        struct map_waiter *w = told;
        cluster_map_wait_no_more(w);
        w->cb(w);
    }
}

/* ---- asking ---- */

void cluster_map_learn(struct router_shard *s, const struct kafka_metadata_response *response)
{
    for (int32_t i = 0; i < response->brokers_count; i++) {
        const struct kafka_metadata_response_broker *b = &response->brokers[i];
        if (b->node_id >= 0 && b->port > 0 && b->port <= UINT16_MAX)
            node_pool_put(s, b->node_id, b->host, b->port, b->rack);
    }
    for (int32_t i = 0; i < response->topics_count; i++)
        learn_topic(s, &response->topics[i]);
}

/* Two clients may wait for the same leader for seconds: the answers tell nothing new for so long.
 */
static void set_pause(struct cluster_map *m)
{
    uint64_t next_ms = m->has_changed ? ASK_EVERY_MS_MIN : 2 * m->pause_ms;
    m->pause_ms = next_ms < ASK_EVERY_MS_MAX ? next_ms : ASK_EVERY_MS_MAX;
}

static void on_metadata(struct upstream_call *call, int status, struct slice answer)
{
    struct router_shard *s = call->data;
    struct own_answer own;
    bool is_of_all = s->map.asks_all;
    s->map.is_asking = false;
    if (status != 0 || own_answer_read(&own, KAFKA_API_METADATA, METADATA_VERSION, answer) != 0) {
        s->map.should_ask = true; /* another node, soon */
        s->map.should_ask_all |= is_of_all;
        return;
    }
    s->map.has_changed = false;
    cluster_map_learn(s, own.message);
    set_pause(&s->map);
    own_answer_close(&own);
    tell_waiters(s);
}

/* The names of those in the table that are asked for; more than there were. */
static size_t list_topics(struct cluster_map *m, struct map_topic *table,
                          struct kafka_metadata_request_topic *into)
{
    size_t count = 0, count_max = m->asks_all ? SIZE_MAX : MAP_WANTED_MAX;
    for (struct map_topic *t = table; t != NULL; t = t->hh.next) {
        if (!m->asks_all && !t->is_wanted)
            continue;
        if (count == count_max) {
            m->should_ask = true; /* the others are next */
            break;
        }
        into[count++].name = (struct kafka_string){.data = t->name, .size = t->name_size};
    }
    return count;
}

/* Those that were asked for stand behind the others: so each has its turn. */
static void put_last(struct cluster_map *m, const struct kafka_metadata_request_topic *asked,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct map_topic *t = find_topic(m, asked[i].name);
        if (t == NULL || !t->is_there)
            continue; /* they all are */
        HASH_DEL(m->topics, t);
        HASH_ADD(hh, m->topics, name[0], (unsigned)t->name_size, t);
    }
}

static int send_question(struct router_shard *s, struct router_node *n)
{
    struct cluster_map *m = &s->map;
    struct kafka_metadata_request request;
    size_t count = HASH_COUNT(m->topics) + HASH_COUNT(m->unknown);
    struct kafka_metadata_request_topic *topics = calloc(count + 1, sizeof *topics);
    if (topics == NULL)
        return UV_ENOMEM;
    kafka_metadata_request_init(&request);
    count = list_topics(m, m->topics, topics);
    if (!m->asks_all)
        put_last(m, topics, count);
    count += list_topics(m, m->unknown, topics + count);
    request.topics = topics;
    request.topics_count = (int32_t)count;
    request.allow_auto_topic_creation = false;
    int err = own_request_send(n, &m->call, KAFKA_API_METADATA, METADATA_VERSION, &request,
                               on_metadata);
    free(topics);
    return err;
}

static void forget_topics(struct cluster_map *m, struct map_topic *table, uint64_t now_ms,
                          uint64_t unused_ms_max)
{
    for (struct map_topic *t = table, *next; t != NULL; t = next) {
        next = t->hh.next;
        if (now_ms - t->used_ms > unused_ms_max)
            drop_topic(m, t);
    }
}

static void forget_unused(struct router_shard *s, uint64_t now_ms)
{
    forget_topics(&s->map, s->map.topics, now_ms, MAP_UNUSED_MS_MAX);
    forget_topics(&s->map, s->map.unknown, now_ms, MAP_UNKNOWN_MS);
    for (struct map_group *g = s->map.groups, *next; g != NULL; g = next) {
        next = g->hh.next;
        if (now_ms - g->used_ms > MAP_UNUSED_MS_MAX)
            drop_group(&s->map, g);
    }
}

void cluster_map_tick(struct router_shard *s, uint64_t now_ms)
{
    struct cluster_map *m = &s->map;
    uint64_t since_ms = now_ms - m->asked_ms;
    if (m->waiters != NULL && now_ms - m->told_ms >= WAIT_MS_MAX)
        tell_waiters(s); /* nobody answers: they have deadlines of their own */
    bool is_routine = now_ms - m->asked_all_ms >= (uint64_t)s->settings->metadata_refresh_ms;
    if (m->is_asking || since_ms < m->pause_ms || !(is_routine || m->should_ask))
        return;
    struct router_node *n = node_pool_any(s, m->turn++);
    m->asked_ms = now_ms;
    if (n == NULL)
        return;
    if (is_routine)
        forget_unused(s, now_ms);
    m->asks_all = is_routine || m->should_ask_all;
    if (m->asks_all)
        m->asked_all_ms = now_ms;
    m->should_ask = m->should_ask_all = false;
    m->call.data = s;
    m->is_asking = send_question(s, n) == 0;
    m->should_ask |= !m->is_asking;
    m->should_ask_all |= !m->is_asking && m->asks_all;
}

void cluster_map_stop(struct router_shard *s)
{
    while (s->map.waiters != NULL)
        tell_waiters(s);
}

void cluster_map_close(struct router_shard *s)
{
    while (s->map.topics != NULL)
        drop_topic(&s->map, s->map.topics);
    while (s->map.unknown != NULL)
        drop_topic(&s->map, s->map.unknown);
    for (struct map_group *g = s->map.groups, *next; g != NULL; g = next) {
        next = g->hh.next;
        drop_group(&s->map, g);
    }
}
