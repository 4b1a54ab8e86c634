/* The member's part of the group protocol (JoinGroup 5, SyncGroup 3, Heartbeat 3):
 *
 *   AWAY ──▶ JOINING ──▶ SYNCING ──▶ STABLE ──"rebalance in progress"──▶ JOINING
 *
 * Whatever else is answered is an end: these measures are taken while nothing is broken. */
#include "member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define FIND_MS_MAX 60000

static struct frame request, inner; /* one thread */

/* ---- the coordinator ---- */

static struct place first_of(const char *brokers)
{
    struct place place = {.port = 0};
    const char *colon = strchr(brokers, ':');
    if (colon == NULL || (size_t)(colon - brokers) >= sizeof place.host)
        wire_fail("not host:port: %s", brokers);
    memcpy(place.host, brokers, (size_t)(colon - brokers));
    place.port = atoi(colon + 1);
    return place;
}

static int ask_coordinator(struct connection *c, const char *group, struct place *place)
{
    frame_begin(&request, API_FIND_COORDINATOR, 1);
    frame_put_text(&request, group);
    frame_put_i8(&request, 0);
    frame_end(&request);
    connection_send(c, &request);
    struct answer answer = connection_wait(c);
    char why[MEMBER_TEXT_SIZE];
    answer_i32(&answer); /* throttle */
    int code = answer_i16(&answer);
    answer_text(&answer, why, sizeof why);
    answer_i32(&answer); /* node */
    answer_text(&answer, place->host, sizeof place->host);
    place->port = answer_i32(&answer);
    return code;
}

/* One that is not ready yet says so instead of "unknown member". */
static bool is_ready(const struct place *place, const char *group)
{
    struct connection c = {.fd = -1};
    connection_open(&c, place->host, place->port);
    frame_begin(&request, API_HEARTBEAT, 0);
    frame_put_text(&request, group);
    frame_put_i32(&request, 1);
    frame_put_text(&request, "nobody");
    frame_end(&request);
    connection_send(&c, &request);
    struct answer answer = connection_wait(&c);
    int16_t code = answer_i16(&answer);
    connection_close(&c);
    return code == CODE_UNKNOWN_MEMBER_ID;
}

struct place member_find_coordinator(const char *brokers, const char *group)
{
    struct place broker = first_of(brokers), place;
    struct connection c = {.fd = -1};
    int64_t since_us = wire_now_us();
    connection_open(&c, broker.host, broker.port);
    while (ask_coordinator(&c, group, &place) != 0 || !is_ready(&place, group)) {
        if (wire_now_us() - since_us > FIND_MS_MAX * 1000L)
            wire_fail("%s: no coordinator", group);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    connection_close(&c);
    return place;
}

/* ---- requests ---- */

void member_send(struct member *m, const struct frame *frame)
{
    if (m->is_busy)
        wire_fail("%s: two requests at a time", m->group);
    m->is_busy = true;
    m->is_beating = false;
    connection_send(&m->connection, frame);
}

static void begin(struct member *m, enum api api, int16_t version)
{
    frame_begin(&request, api, version);
    frame_put_text(&request, m->group);
}

static void send_join(struct member *m)
{
    const struct membership *s = m->membership;
    m->state = MEMBER_JOINING;
    begin(m, API_JOIN_GROUP, 5);
    frame_put_i32(&request, s->session_ms);
    frame_put_i32(&request, s->rebalance_ms);
    frame_put_text(&request, m->id);
    frame_put_text(&request, NULL); /* no static member */
    frame_put_text(&request, "consumer");
    frame_put_i32(&request, 1);
    frame_put_text(&request, s->protocol);
    inner.size = 0;
    s->put_subscription(m, &inner);
    frame_put_bytes(&request, inner.data, inner.size);
    frame_end(&request);
    member_send(m, &request);
}

/* `members` is NULL for who does not lead. */
static void send_sync(struct member *m, const struct answer *members)
{
    m->state = MEMBER_SYNCING;
    inner.size = 0;
    if (members == NULL)
        frame_put_i32(&inner, 0);
    else
        m->membership->assign(m, *members, &inner);
    begin(m, API_SYNC_GROUP, 3);
    frame_put_i32(&request, m->generation);
    frame_put_text(&request, m->id);
    frame_put_text(&request, NULL);
    frame_put(&request, inner.data, inner.size);
    frame_end(&request);
    member_send(m, &request);
}

void member_beat(struct member *m)
{
    begin(m, API_HEARTBEAT, 3);
    frame_put_i32(&request, m->generation);
    frame_put_text(&request, m->id);
    frame_put_text(&request, NULL);
    frame_end(&request);
    member_send(m, &request);
    m->is_beating = true;
}

void member_leave(struct member *m)
{
    begin(m, API_LEAVE_GROUP, 1);
    frame_put_text(&request, m->id);
    frame_end(&request);
    connection_send(&m->connection, &request);
    struct answer answer = connection_wait(&m->connection);
    answer_i32(&answer);
    int16_t code = answer_i16(&answer);
    if (code != 0)
        wire_fail("%s: leaving is answered with %d", m->group, code);
    m->state = MEMBER_AWAY;
    connection_close(&m->connection);
}

/* ---- answers ---- */

static void on_joined(struct member *m, struct answer answer)
{
    char protocol[MEMBER_TEXT_SIZE], leader[MEMBER_TEXT_SIZE];
    answer_i32(&answer);
    int16_t code = answer_i16(&answer);
    m->generation = answer_i32(&answer);
    answer_text(&answer, protocol, sizeof protocol);
    answer_text(&answer, leader, sizeof leader);
    answer_text(&answer, m->id, sizeof m->id);
    if (code == CODE_MEMBER_ID_REQUIRED || code == CODE_REBALANCE_IN_PROGRESS) {
        send_join(m);
        return;
    }
    if (code != 0)
        wire_fail("%s: joining is answered with %d", m->group, code);
    if (m->membership->on_joined != NULL)
        m->membership->on_joined(m);
    send_sync(m, strcmp(leader, m->id) == 0 ? &answer : NULL);
}

static void on_synced(struct member *m, struct answer answer)
{
    answer_i32(&answer);
    int16_t code = answer_i16(&answer);
    if (code == CODE_REBALANCE_IN_PROGRESS) {
        send_join(m);
        return;
    }
    if (code != 0)
        wire_fail("%s: syncing is answered with %d", m->group, code);
    m->state = MEMBER_STABLE;
    m->membership->on_stable(m, answer_bytes(&answer));
}

static void on_beaten(struct member *m, struct answer answer)
{
    answer_i32(&answer);
    int16_t code = answer_i16(&answer);
    if (code == CODE_REBALANCE_IN_PROGRESS)
        send_join(m);
    else if (code != 0)
        wire_fail("%s: a heartbeat is answered with %d", m->group, code);
}

static void on_answer(void *owner, struct answer answer)
{
    struct member *m = owner;
    m->is_busy = false;
    if (m->state == MEMBER_JOINING)
        on_joined(m, answer);
    else if (m->state == MEMBER_SYNCING)
        on_synced(m, answer);
    else if (m->is_beating)
        on_beaten(m, answer);
    else
        m->membership->on_answer(m, answer);
}

void member_start(struct member *m, const struct place *place)
{
    m->connection = (struct connection){.owner = m, .on_answer = on_answer};
    connection_open(&m->connection, place->host, place->port);
    send_join(m);
}
