/* What a node does with a request about a consumer group: its inside, shared by
 * sim_consumer_call.c, sim_consumer_session.c and sim_consumer_offsets.c only. */
#ifndef SIM_CONSUMER_CALL_H
#define SIM_CONSUMER_CALL_H

#include "consumer/group_call.h"
#include "sim/sim_consumer.h"

/* For the story. */
void sim_group_call_tell(const struct sim_group_call *c, const char *what);
/* The node's answer, Kafka's code in it. */
void sim_group_call_answer(struct sim_group_call *c, int16_t error_code);
/* Answers leave behind what the checks see of the entry that they are about. */
void sim_group_call_answer_behind(struct sim_group_call *c, int16_t error_code, world_cb known);

/* The live groups of the coordinator that works on it. */
struct group_set *sim_group_call_groups(const struct sim_group_call *c);
/* The member's newest connection, as far as this node knows. */
bool sim_group_call_is_heard(const struct sim_group_call *c);
/* "" is none. */
struct kafka_string sim_group_call_text(const char *text);

/* ---- at the node, once the coordinator is ready ---- */

void sim_group_work_join(struct sim_group_call *c);
void sim_group_work_sync(struct sim_group_call *c);
void sim_group_work_beat(struct sim_group_call *c);
void sim_group_work_leave(struct sim_group_call *c);
void sim_group_work_commit(struct sim_group_call *c);
void sim_group_work_fetch(struct sim_group_call *c);
void sim_group_work_delete_offsets(struct sim_group_call *c);
void sim_group_work_delete(struct sim_group_call *c);
void sim_group_work_policy(struct sim_group_call *c);

#endif
