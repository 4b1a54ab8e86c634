/* ListPartitionReassignments: none is ever under way. Replicas move by raft group, on an operator's
 * word to the admin port. Consoles and tools ask this beside whatever they show of a topic. */
#include "request.h"

void request_handle_list_partition_reassignments(struct request *r)
{
    struct kafka_list_partition_reassignments_response response;
    kafka_list_partition_reassignments_response_init(&response);
    request_answer(r, &response);
}
