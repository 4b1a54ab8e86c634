/* Answered once coordinators exist; until then the client tries again. */
#include "request.h"

void request_handle_offset_commit(struct request *r)
{
    struct kafka_offset_commit_response response;
    kafka_offset_commit_response_init(&response);
    request_answer(r, &response);
}
