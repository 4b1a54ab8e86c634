/* Answered once coordinators exist; until then the client tries again. */
#include "protocol/error.h"
#include "request.h"

void request_handle_offset_delete(struct request *r)
{
    struct kafka_offset_delete_response response;
    kafka_offset_delete_response_init(&response);
    response.error_code = KAFKA_ERROR_COORDINATOR_NOT_AVAILABLE;
    request_answer(r, &response);
}
