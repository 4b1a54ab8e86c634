/* Leaders go home by themselves, after a quiet time (replication/group_transfer.c). Who does not
 * want to wait that long asks the group's leader, on whichever node it is. It looks for itself
 * whether it can go: an order that comes late, or twice, or to a former leader, does no harm.
 *
 * Message: u8 BROKER_MESSAGE_HOME, u8 version, u32 group id. */
#include "membership/home.h"

#include <stdlib.h>

#include "state/byte_list.h"

#define MESSAGE_VERSION 1

struct asking {
    struct broker *broker;
    uint32_t group_id;
    struct work_item item;
};

static void on_group_shard(struct work_item *item)
{
    struct asking *a = item->data;
    repl_group_ask_home(broker_group(a->broker, a->group_id)->raft);
    free(a);
}

static struct asking *create(struct broker *b, uint32_t group_id)
{
    struct asking *a = calloc(1, sizeof *a);
    if (a == NULL || broker_group(b, group_id) == NULL) {
        free(a);
        return NULL; /* it is asked again */
    }
    *a = (struct asking){.broker = b, .group_id = group_id};
    a->item.data = a;
    return a;
}

static void ask_here(struct broker *b, uint32_t group_id)
{
    struct asking *a = create(b, group_id);
    if (a != NULL)
        broker_group_post(broker_group(b, group_id), &a->item, on_group_shard);
}

static void tell_leader(struct work_item *item)
{
    struct asking *a = item->data;
    struct byte_list list = {0};
    uint32_t leader = broker_group_leader(a->broker, a->group_id, NULL);
    byte_list_put_u8(&list, BROKER_MESSAGE_HOME);
    byte_list_put_u8(&list, MESSAGE_VERSION);
    byte_list_put_u32(&list, a->group_id);
    if (leader != 0 && !list.is_failed) /* one that is lost is followed by another */
        repl_node_send(a->broker->node, leader, bytes_of(list.data, list.size));
    free(list.data);
    free(a);
}

void home_ask(struct broker *b, uint32_t group_id)
{
    if (broker_group_leader(b, group_id, NULL) == (uint32_t)b->conf.node_id) {
        ask_here(b, group_id);
        return;
    }
    struct asking *a = create(b, group_id);
    if (a != NULL)
        shard_post(b->shards[0], &a->item, tell_leader);
}

void home_on_message(struct broker *b, struct bytes message)
{
    struct bytes_reader r = bytes_reader_of(message);
    bytes_read_u8(&r);
    uint8_t version = bytes_read_u8(&r);
    uint32_t group_id = bytes_read_le32(&r);
    if (!r.is_bad && version == MESSAGE_VERSION && bytes_reader_left(&r) == 0)
        ask_here(b, group_id);
}
