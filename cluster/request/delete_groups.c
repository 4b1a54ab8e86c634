/* Answered once coordinators exist; until then the client tries again. */
#include "request.h"

void request_handle_delete_groups(struct request *r)
{
    struct kafka_delete_groups_response response;
    kafka_delete_groups_response_init(&response);
    request_answer(r, &response);
}
