/* Answered once coordinators exist; until then the client tries again. */
#include "request.h"

void request_handle_describe_groups(struct request *r)
{
    struct kafka_describe_groups_response response;
    kafka_describe_groups_response_init(&response);
    request_answer(r, &response);
}
