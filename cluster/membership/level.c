/* Which replicas are level: those that could take over. A learner is none, however near: a site
 * that is lost now would leave its group without a majority. That it is near is known all the same.
 *
 * Kept per group as a mask over node ids 1 to 63 (one word, so that any shard may read it while
 * another writes), with the time it was last confirmed. What nobody has confirmed lately counts
 * as not level.
 *
 * The members go with it: voters and learners of the newest committed configuration.
 *
 * Message, little-endian: u8 type (3), u8 version, u16 groups, per group u32 id, u64 mask of level
 * node ids, u64 mask of voters, u64 mask of learners */
#include "membership/level.h"

#include <stdlib.h>

#include "membership/lag.h"
#include "state/byte_list.h"

#define MESSAGE_VERSION  2
#define ROW_SIZE         28
#define CONFIRMED_MS_MAX 3000

struct level_masks level_masks_of(const struct repl_group_status *status, uint32_t own_node_id,
                                  const struct level_masks *before)
{
    struct level_masks now = {.level = level_mask_of(own_node_id)};
    for (unsigned i = 0; i < status->replica_count; i++) {
        const struct repl_replica_status *replica = &status->replicas[i];
        uint64_t bit = level_mask_of(repl_raft_id_node(replica->member.raft_id));
        *(replica->member.is_voter ? &now.voters : &now.learners) |= bit;
        if (replica->is_level)
            now.level |= bit;
    }
    if (status->is_changing) { /* it may not come to be */
        now.level &= ~(now.learners & ~before->learners);
        now.voters = before->voters;
        now.learners = before->learners;
    }
    return now;
}

static void confirm(struct broker_group *g, const struct level_masks *masks)
{
    atomic_store(&g->level_mask, masks->level);
    atomic_store(&g->voter_mask, masks->voters);
    atomic_store(&g->learner_mask, masks->learners);
    atomic_store(&g->level_at_ms, clock_now_ms(&g->broker->clock));
}

void level_watch(struct broker_group *g)
{
    struct repl_group_status status;
    if (!machine_is_ready(g->machine)) {
        atomic_store(&g->is_level_own, false);
        lag_watch(g, NULL);
        return;
    }
    repl_group_status(g->raft, &status);
    lag_watch(g, &status);
    struct level_masks before = {.voters = atomic_load(&g->voter_mask),
                                 .learners = atomic_load(&g->learner_mask)};
    struct level_masks now = level_masks_of(&status, (uint32_t)g->broker->conf.node_id, &before);
    confirm(g, &now);
    atomic_store(&g->is_level_own, true);
}

static void put_rows(struct broker *b, struct byte_list *list)
{
    uint16_t count = 0;
    for (unsigned i = 0; i < b->group_count; i++) {
        struct broker_group *g = b->groups[i];
        if (!atomic_load(&g->is_level_own))
            continue;
        byte_list_put_u32(list, i);
        byte_list_put_u64(list, atomic_load(&g->level_mask));
        byte_list_put_u64(list, atomic_load(&g->voter_mask));
        byte_list_put_u64(list, atomic_load(&g->learner_mask));
        count++;
    }
    if (!list->is_failed)
        bytes_put_le16(list->data + 2, count);
}

void level_tell(struct broker *b)
{
    struct byte_list list = {0};
    uint32_t node_ids[METADATA_NODES_MAX];
    byte_list_put_u8(&list, BROKER_MESSAGE_LEVEL);
    byte_list_put_u8(&list, MESSAGE_VERSION);
    byte_list_put_u16(&list, 0);
    put_rows(b, &list);
    unsigned count = list.is_failed ? 0 : broker_node_ids(b, node_ids);
    for (unsigned i = 0; i < count; i++) /* lost ones are followed by others */
        repl_node_send(b->node, node_ids[i], bytes_of(list.data, list.size));
    free(list.data);
}

void level_on_message(struct broker *b, struct bytes message)
{
    struct bytes_reader r = bytes_reader_of(message);
    bytes_read_u8(&r);
    uint8_t version = bytes_read_u8(&r);
    uint16_t count = bytes_read_le16(&r);
    if (r.is_bad || version != MESSAGE_VERSION || bytes_reader_left(&r) != count * (size_t)ROW_SIZE)
        return;
    for (unsigned i = 0; i < count; i++) {
        uint32_t group_id = bytes_read_le32(&r);
        struct level_masks told = {0};
        told.level = bytes_read_le64(&r);
        told.voters = bytes_read_le64(&r);
        told.learners = bytes_read_le64(&r);
        struct broker_group *g = broker_group(b, group_id);
        if (g != NULL && !atomic_load(&g->is_level_own))
            confirm(g, &told);
    }
}

static bool is_confirmed(struct broker_group *g)
{
    return clock_now_ms(&g->broker->clock) - atomic_load(&g->level_at_ms) < CONFIRMED_MS_MAX;
}

bool level_members(struct broker *b, uint32_t group_id, uint64_t *voters, uint64_t *learners)
{
    struct broker_group *g = broker_group(b, group_id);
    *voters = g == NULL ? 0 : atomic_load(&g->voter_mask);
    *learners = g == NULL ? 0 : atomic_load(&g->learner_mask);
    return *voters != 0 && is_confirmed(g);
}

bool level_is_near(struct broker *b, uint32_t group_id, uint32_t node_id)
{
    struct broker_group *g = broker_group(b, group_id);
    return g != NULL && is_confirmed(g) && level_mask_has(atomic_load(&g->level_mask), node_id);
}

bool level_is_in_sync(struct broker *b, uint32_t group_id, uint32_t node_id)
{
    struct broker_group *g = broker_group(b, group_id);
    return level_is_near(b, group_id, node_id) &&
           !level_mask_has(atomic_load(&g->learner_mask), node_id);
}
