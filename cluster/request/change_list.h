/* A request that changes the metadata: proposes each of its changes, waits for all verdicts, and
 * for new partitions to be open. */
#ifndef CLUSTER_REQUEST_CHANGE_LIST_H
#define CLUSTER_REQUEST_CHANGE_LIST_H

#include "controller.h"
#include "request.h"
#include "request/open_wait.h"

struct change_list;
typedef void (*change_list_cb)(struct change_list *list);

struct change_item {
    struct change_list *list;
    struct controller_change change;
    int16_t *error_code;   /* where the answer's Kafka code goes; may be NULL */
    int16_t exists_code;   /* for ERR_EXISTS */
    int16_t invalid_code;  /* for ERR_INVALID */
    bool makes_partitions; /* then its verdict waits until they are open */
    uint8_t topic_id[16];  /* whose */
    struct open_wait open;
    struct controller_change group; /* a raft group that is added before, for the topic to be in */
};

struct change_list {
    struct request *request;
    void *response;        /* the request's own */
    unsigned pending;      /* under way, and one while they are handed out */
    change_list_cb finish; /* on the connection's shard: answers */
};

void change_list_begin(struct change_list *list, struct request *r, void *response,
                       change_list_cb finish);
/* Encodes and proposes; a topic for whose replication and home site there is no raft group yet has
 * one added first, if that can be: else its partitions move there later. `item` is in the request's
 * arena. Returns 0 or Kafka's error code, then nothing was proposed. */
int16_t change_list_send(struct change_list *list, struct change_item *item,
                         const struct metadata_change *change, int32_t timeout_ms,
                         int16_t *error_code);
/* All are handed out: finish runs when the last verdict is here, perhaps at once. */
void change_list_end(struct change_list *list);

#endif
