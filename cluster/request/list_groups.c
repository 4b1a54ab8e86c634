/* Answered once coordinators exist; until then the client tries again. */
#include "protocol/error.h"
#include "request.h"

void request_handle_list_groups(struct request *r)
{
    struct kafka_list_groups_response response;
    kafka_list_groups_response_init(&response);
    response.error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    request_answer(r, &response);
}
