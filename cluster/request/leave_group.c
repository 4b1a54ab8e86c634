/* Answered once coordinators exist; until then the client tries again. */
#include "protocol/error.h"
#include "request.h"

void request_handle_leave_group(struct request *r)
{
    struct kafka_leave_group_response response;
    kafka_leave_group_response_init(&response);
    response.error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    request_answer(r, &response);
}
