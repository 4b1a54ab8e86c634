/* Leaders tell how far their groups' replicas are behind; every node keeps what it heard last.
 *
 * Message, little-endian: u8 type (4), u8 version (1), u16 groups, per group u32 id, u64 last
 * index, u8 n, n × (u32 node id, u8 flags: 1 votes, 2 level, u8 certainty, u64 match index, u64
 * entries, u64 records, u64 bytes, u64 ms). */
#include "membership/lag.h"

#include <pthread.h>
#include <stdlib.h>

#include "state/byte_list.h"

#define MESSAGE_VERSION  1
#define GROUP_SIZE       13
#define REPLICA_SIZE     46
#define CONFIRMED_MS_MAX 3000 /* as in level.c */
#define WATCH_MS         100

enum flag { IS_VOTER = 1, IS_LEVEL = 2 };

struct told {
    struct lag_group group;
    uint64_t at_ms; /* of the clock; 0: never */
    bool is_own;    /* led here: it is told on */
};

struct lag_board {
    pthread_mutex_t lock; /* guards all, held for a copy only */
    struct told told[METADATA_GROUPS_MAX];
};

int lag_board_create(struct lag_board **board)
{
    *board = calloc(1, sizeof **board);
    if (*board == NULL)
        return UV_ENOMEM;
    pthread_mutex_init(&(*board)->lock, NULL);
    return 0;
}

void lag_board_destroy(struct lag_board *board)
{
    if (board == NULL)
        return;
    pthread_mutex_destroy(&board->lock);
    free(board);
}

/* ---- measuring ---- */

static struct lag_view view_of(const struct repl_replica_status *r)
{
    enum lag_certainty certainty = r->is_lag_known       ? LAG_MEASURED
                                   : r->match_index == 0 ? LAG_UNKNOWN
                                                         : LAG_AT_LEAST;
    if (certainty == LAG_UNKNOWN)
        return (struct lag_view){.node_id = repl_raft_id_node(r->member.raft_id),
                                 .is_voter = r->member.is_voter};
    return (struct lag_view){.node_id = repl_raft_id_node(r->member.raft_id),
                             .is_voter = r->member.is_voter,
                             .is_level = r->is_level,
                             .certainty = certainty,
                             .match_index = r->match_index,
                             .entries = r->lag_entries,
                             .records = r->lag_records,
                             .bytes = r->lag_bytes,
                             .ms = r->lag_ms};
}

/* A voter that this leader has not heard is not behind where the last one knew it to be. A learner
 * may be another one of that node. */
static void remember(const struct broker_group *g, const struct lag_group *before,
                     struct lag_view *v)
{
    struct repl_lag lag;
    for (unsigned i = 0; i < before->count && v->is_voter; i++) {
        const struct lag_view *old = &before->replicas[i];
        if (old->node_id != v->node_id || !old->is_voter || old->match_index == 0 ||
            !repl_group_lag_after(g->raft, old->match_index, &lag))
            continue;
        *v = (struct lag_view){.node_id = v->node_id,
                               .is_voter = true,
                               .certainty = LAG_AT_MOST,
                               .match_index = old->match_index,
                               .entries = lag.entries,
                               .records = lag.records,
                               .bytes = lag.bytes,
                               .ms = lag.ms};
        return;
    }
}

static struct lag_group group_of(const struct broker_group *g,
                                 const struct repl_group_status *status,
                                 const struct lag_group *before)
{
    struct lag_group group = {.leader_node_id = (uint32_t)g->broker->conf.node_id,
                              .last_index = status->last_index,
                              .count = status->replica_count};
    for (unsigned i = 0; i < status->replica_count; i++) {
        group.replicas[i] = view_of(&status->replicas[i]);
        if (group.replicas[i].certainty == LAG_UNKNOWN)
            remember(g, before, &group.replicas[i]);
    }
    return group;
}

void lag_watch(struct broker_group *g, const struct repl_group_status *status)
{
    struct lag_board *board = g->broker->lag;
    struct told *told = &board->told[g->group_id];
    uint64_t now_ms = clock_now_ms(&g->broker->clock);
    bool is_own = status != NULL;
    if (is_own ? told->is_own && now_ms - told->at_ms < WATCH_MS : !told->is_own)
        return; /* only this shard sets them while it leads */
    pthread_mutex_lock(&board->lock);
    told->is_own = is_own;
    if (is_own) {
        struct lag_group before = told->group;
        told->at_ms = now_ms;
        told->group = group_of(g, status, &before);
    }
    pthread_mutex_unlock(&board->lock);
}

/* ---- telling ---- */

static void put_group(struct byte_list *list, uint32_t group_id, const struct lag_group *group)
{
    byte_list_put_u32(list, group_id);
    byte_list_put_u64(list, group->last_index);
    byte_list_put_u8(list, (uint8_t)group->count);
    for (unsigned i = 0; i < group->count; i++) {
        const struct lag_view *v = &group->replicas[i];
        byte_list_put_u32(list, v->node_id);
        byte_list_put_u8(list,
                         (uint8_t)((v->is_voter ? IS_VOTER : 0) | (v->is_level ? IS_LEVEL : 0)));
        byte_list_put_u8(list, (uint8_t)v->certainty);
        byte_list_put_u64(list, v->match_index);
        byte_list_put_u64(list, v->entries);
        byte_list_put_u64(list, v->records);
        byte_list_put_u64(list, v->bytes);
        byte_list_put_u64(list, v->ms);
    }
}

static uint16_t put_groups(struct broker *b, struct byte_list *list)
{
    uint16_t count = 0;
    pthread_mutex_lock(&b->lag->lock);
    for (uint32_t id = 0; id < b->group_count; id++) {
        if (!b->lag->told[id].is_own)
            continue;
        put_group(list, id, &b->lag->told[id].group);
        count++;
    }
    pthread_mutex_unlock(&b->lag->lock);
    return count;
}

void lag_tell(struct broker *b)
{
    struct byte_list list = {0};
    uint32_t node_ids[METADATA_NODES_MAX];
    byte_list_put_u8(&list, BROKER_MESSAGE_LAG);
    byte_list_put_u8(&list, MESSAGE_VERSION);
    byte_list_put_u16(&list, 0);
    uint16_t group_count = put_groups(b, &list);
    if (!list.is_failed)
        bytes_put_le16(list.data + 2, group_count);
    unsigned count = list.is_failed || group_count == 0 ? 0 : broker_node_ids(b, node_ids);
    for (unsigned i = 0; i < count; i++) /* lost ones are followed by others */
        repl_node_send(b->node, node_ids[i], bytes_of(list.data, list.size));
    free(list.data);
}

/* ---- hearing ---- */

static void read_replica(struct bytes_reader *r, struct lag_view *v)
{
    *v = (struct lag_view){.node_id = bytes_read_le32(r)};
    uint8_t flags = bytes_read_u8(r);
    v->is_voter = (flags & IS_VOTER) != 0;
    v->is_level = (flags & IS_LEVEL) != 0;
    v->certainty = (enum lag_certainty)bytes_read_u8(r);
    r->is_bad |= flags > (IS_VOTER | IS_LEVEL) || v->certainty > LAG_AT_LEAST;
    v->match_index = bytes_read_le64(r);
    v->entries = bytes_read_le64(r);
    v->records = bytes_read_le64(r);
    v->bytes = bytes_read_le64(r);
    v->ms = bytes_read_le64(r);
}

static bool read_group(struct bytes_reader *r, uint32_t *group_id, struct lag_group *group)
{
    *group_id = bytes_read_le32(r);
    *group = (struct lag_group){.last_index = bytes_read_le64(r)};
    group->count = bytes_read_u8(r);
    if (r->is_bad || group->count > REPL_MEMBERS_MAX ||
        bytes_reader_left(r) < (size_t)group->count * REPLICA_SIZE)
        return false;
    for (unsigned i = 0; i < group->count; i++)
        read_replica(r, &group->replicas[i]);
    return !r->is_bad && *group_id < METADATA_GROUPS_MAX;
}

static void keep(struct broker *b, uint32_t group_id, const struct lag_group *group)
{
    struct told *told = &b->lag->told[group_id];
    pthread_mutex_lock(&b->lag->lock);
    if (!told->is_own) {
        told->group = *group;
        told->at_ms = clock_now_ms(&b->clock);
    }
    pthread_mutex_unlock(&b->lag->lock);
}

void lag_on_message(struct broker *b, uint32_t from_node_id, struct bytes message)
{
    struct bytes_reader r = bytes_reader_of(message);
    struct lag_group group;
    uint32_t group_id;
    bytes_read_u8(&r);
    uint8_t version = bytes_read_u8(&r);
    uint16_t count = bytes_read_le16(&r);
    if (r.is_bad || version != MESSAGE_VERSION ||
        bytes_reader_left(&r) < (size_t)count * GROUP_SIZE)
        return;
    for (unsigned i = 0; i < count && read_group(&r, &group_id, &group); i++) {
        group.leader_node_id = from_node_id;
        keep(b, group_id, &group);
    }
}

/* ---- asking ---- */

bool lag_of_group(struct broker *b, uint32_t group_id, struct lag_group *lag)
{
    *lag = (struct lag_group){0};
    if (group_id >= METADATA_GROUPS_MAX)
        return false;
    pthread_mutex_lock(&b->lag->lock);
    const struct told *told = &b->lag->told[group_id];
    if (told->at_ms != 0) {
        *lag = told->group;
        lag->is_told = true;
        lag->told_ms = clock_now_ms(&b->clock) - told->at_ms;
        lag->is_confirmed = lag->told_ms < CONFIRMED_MS_MAX;
    }
    pthread_mutex_unlock(&b->lag->lock);
    return lag->is_told;
}

bool lag_of(struct broker *b, uint32_t group_id, uint32_t node_id, struct lag_view *view)
{
    struct lag_group lag;
    if (!lag_of_group(b, group_id, &lag) || !lag.is_confirmed)
        return false;
    for (unsigned i = 0; i < lag.count; i++)
        if (lag.replicas[i].node_id == node_id) {
            *view = lag.replicas[i];
            return true;
        }
    return false;
}
