/* SaslHandshake: there is no authentication here. A client that is set to authenticate learns so
 * by the error that a broker gives on a port without it; a closed connection would look like a
 * broker that is down, which clients try for ever. */
#include "error_code.h"
#include "request.h"

void request_handle_sasl_handshake(struct request *r)
{
    struct kafka_sasl_handshake_response response;
    kafka_sasl_handshake_response_init(&response);
    response.error_code = KAFKA_ERROR_ILLEGAL_SASL_STATE;
    request_answer(r, &response);
}
