/* Answered once coordinators exist; until then the client tries again. */
#include "request.h"

void request_handle_offset_fetch(struct request *r)
{
    struct kafka_offset_fetch_response response;
    kafka_offset_fetch_response_init(&response);
    request_answer(r, &response);
}
