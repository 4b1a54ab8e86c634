/* What clients ask and nodes answer about partitions of one topic: the messages that tests of
 * several handlers need. The caller sets up the partitions; answers of nodes are about "t".
 * A function that says what a client got returns NULL when there is no answer yet. */
#ifndef ROUTER_REQUESTS_H
#define ROUTER_REQUESTS_H

#include "router_world.h"

/* The flexible version; batches below are sent in the one before it. */
#define WORLD_PRODUCE_VERSION 9

void world_send_produce(struct world_client *c, int32_t timeout_ms,
                        struct kafka_produce_request_partition *partitions, int32_t count);
/* One idempotent batch of no records for partition 0; nodes here don't look into it. */
void world_send_batch(struct world_client *c, const char *topic, int32_t timeout_ms);
const struct kafka_produce_response *world_batch_answer(struct world_client *c);
void world_answer_produce(struct world *w, int32_t node, unsigned n,
                          struct kafka_produce_response_partition *partition);

void world_send_fetch(struct world_client *c, const char *topic, int32_t wait_ms_max,
                      struct kafka_fetch_request_partition *partitions, int32_t count);
const struct kafka_fetch_response *world_fetch_answer(struct world_client *c);
void world_answer_fetch(struct world *w, int32_t node, unsigned n,
                        struct kafka_fetch_response_partition *partition);

/* Partitions 0 and 1, from these offsets. */
void world_send_fetch_of_two(struct world_client *c, int64_t first, int64_t second,
                             int32_t wait_ms_max);

void world_send_find_coordinator(struct world_client *c, const char *group);
const struct kafka_find_coordinator_response *world_coordinator_answer(struct world_client *c);

/* Partition 0. */
void world_send_commit(struct world_client *c, const char *group, int64_t offset);
const struct kafka_offset_commit_response *world_commit_answer(struct world_client *c);
void world_answer_commit(struct world *w, int32_t node, unsigned n, int16_t error_code);
/* What a group has committed of all partitions. */
void world_answer_committed(struct world *w, int32_t node, unsigned n, int64_t offset);

void world_send_list_offsets(struct world_client *c, const char *topic,
                             struct kafka_list_offsets_request_partition *partitions,
                             int32_t count);
const struct kafka_list_offsets_response *world_list_offsets_answer(struct world_client *c);
void world_answer_list_offsets(struct world *w, int32_t node, unsigned n,
                               struct kafka_list_offsets_response_partition *partitions,
                               int32_t count);

#endif
