/* Which replicas are level: those that could take over. A learner is none, however near: a site
 * that is lost now would leave its group without a majority.
 *
 * Kept per group as a mask over node ids 1 to 63 (one word, so that any shard may read it while
 * another writes), with the time it was last confirmed. What nobody has confirmed lately counts
 * as not level.
 *
 * Message, little-endian: u8 type (3), u8 version, u16 groups, per group u32 id, u64 mask */
#include "level.h"

#include <stdlib.h>

#include "state/byte_list.h"

#define MESSAGE_VERSION  1
#define CONFIRMED_MS_MAX 3000

static uint64_t bit_of(uint32_t node_id)
{
    return node_id < 64 ? (uint64_t)1 << node_id : 0;
}

static void confirm(struct broker_group *g, uint64_t mask)
{
    atomic_store(&g->level_mask, mask);
    atomic_store(&g->level_at_ms, clock_now_ms(&g->broker->clock));
}

void level_watch(struct broker_group *g)
{
    struct repl_group_status status;
    if (!machine_is_ready(g->machine)) {
        atomic_store(&g->is_level_own, false);
        return;
    }
    repl_group_status(g->raft, &status);
    uint64_t mask = bit_of((uint32_t)g->broker->conf.node_id);
    for (unsigned i = 0; i < status.replica_count; i++)
        if (status.replicas[i].is_level && status.replicas[i].member.is_voter)
            mask |= bit_of(repl_raft_id_node(status.replicas[i].member.raft_id));
    confirm(g, mask);
    atomic_store(&g->is_level_own, true);
}

static void tell_node(struct broker *b, uint32_t node_id, struct bytes message)
{
    if (node_id != (uint32_t)b->conf.node_id)
        repl_node_send(b->node, node_id, message); /* lost ones are followed by others */
}

void level_tell(struct broker *b)
{
    struct byte_list list = {0};
    uint16_t count = 0;
    byte_list_put_u8(&list, BROKER_MESSAGE_LEVEL);
    byte_list_put_u8(&list, MESSAGE_VERSION);
    byte_list_put_u16(&list, 0);
    for (unsigned i = 0; i < b->group_count; i++)
        if (atomic_load(&b->groups[i]->is_level_own)) {
            byte_list_put_u32(&list, i);
            byte_list_put_u64(&list, atomic_load(&b->groups[i]->level_mask));
            count++;
        }
    if (!list.is_failed)
        bytes_put_le16(list.data + 2, count);
    for (unsigned i = 0; i < b->conf.nodes.count && !list.is_failed; i++)
        tell_node(b, b->conf.nodes.entries[i].id, bytes_of(list.data, list.size));
    free(list.data);
}

void level_on_message(struct broker *b, struct bytes message)
{
    struct bytes_reader r = bytes_reader_of(message);
    bytes_read_u8(&r);
    uint8_t version = bytes_read_u8(&r);
    uint16_t count = bytes_read_le16(&r);
    if (r.is_bad || version != MESSAGE_VERSION || bytes_reader_left(&r) != count * 12u)
        return;
    for (unsigned i = 0; i < count; i++) {
        uint32_t group_id = bytes_read_le32(&r);
        uint64_t mask = bytes_read_le64(&r);
        struct broker_group *g = broker_group(b, group_id);
        if (g != NULL && !atomic_load(&g->is_level_own))
            confirm(g, mask);
    }
}

bool level_is_in_sync(struct broker *b, uint32_t group_id, uint32_t node_id)
{
    struct broker_group *g = broker_group(b, group_id);
    if (g == NULL)
        return false;
    uint64_t silent_ms = clock_now_ms(&b->clock) - atomic_load(&g->level_at_ms);
    return silent_ms < CONFIRMED_MS_MAX && (atomic_load(&g->level_mask) & bit_of(node_id)) != 0;
}
